"""What is tried again, how often, and when."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit.errors import (
    BadResponse,
    BadStatus,
    ConnectFailed,
    Disallowed,
    FetchError,
    FetchTimeout,
    ProxyFailed,
    ProxyLocked,
    ResolveFailed,
    RobotsUnreachable,
    TLSFailed,
    TooComplex,
    TooLarge,
    TooManyRedirects,
)
from scrapekit.retry import ASKS_FOR_PAUSE, RETRY, pause_before_retry, pause_of_host, retry_after, rule_for

RETRIED = {408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524}
NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


def error_of(kind, **facts):
    return BadStatus(kind, **facts) if isinstance(kind, int) else kind("x", **facts)


def tries(kind, *, repeatable=True, **facts):
    """The pauses before each further try, until there is none."""
    pauses = []
    while True:
        pause = pause_before_retry(error_of(kind, **facts), attempt=len(pauses) + 1, repeatable=repeatable)
        if pause is None:
            return pauses
        pauses.append(pause)


@pytest.mark.parametrize("status", range(100, 600))
def test_these_statuses_are_tried_again_and_no_others(status):
    assert bool(tries(status)) == (status in RETRIED)


@pytest.mark.parametrize("kind", [FetchTimeout, ConnectFailed, ResolveFailed, ProxyFailed])
def test_what_may_pass_is_tried_again(kind):
    assert tries(kind)


@pytest.mark.parametrize(
    "kind",
    [
        TLSFailed, BadResponse, TooLarge, TooComplex, TooManyRedirects, Disallowed, RobotsUnreachable, FetchError,
        ProxyLocked,
    ],
)  # fmt: skip
def test_what_would_fail_again_is_not_tried_again(kind):
    assert tries(kind) == []


@pytest.mark.parametrize("kind", list(RETRY))
def test_the_table_is_obeyed_to_the_number_and_each_wait_is_twice_the_one_before(kind):
    rule = RETRY[kind]
    assert tries(kind) == [rule.wait * 2**number for number in range(rule.times)]
    assert rule.times > 0
    assert rule.wait >= 1


def test_a_class_stands_for_its_subclasses():
    class Slow(FetchTimeout):
        pass

    assert rule_for(Slow("x")) == RETRY[FetchTimeout]


@pytest.mark.parametrize("kind", [FetchTimeout, ConnectFailed, 503, 408])
def test_what_had_left_is_repeated_only_where_that_is_safe(kind):
    assert tries(kind, sent=True, repeatable=True)
    assert tries(kind, sent=True, repeatable=False) == []


@pytest.mark.parametrize("kind", [FetchTimeout, ConnectFailed, ResolveFailed])
def test_what_had_not_left_may_be_repeated_whatever_it_is(kind):
    assert tries(kind, sent=False, repeatable=False)


def test_an_answer_means_that_the_request_had_left():
    assert tries(503, repeatable=False) == []


@pytest.mark.parametrize("status", sorted(ASKS_FOR_PAUSE))
def test_a_host_that_asks_for_a_pause_gets_it_also_after_the_last_try(status):
    rule = RETRY[status]
    pauses = [pause_of_host(status, attempt=attempt) for attempt in range(1, rule.times + 3)]
    assert pauses[: rule.times] == tries(status)
    assert pauses[rule.times :] == [tries(status)[-1]] * 2


# ---- Retry-After ----


@pytest.fixture
def own_zone(monkeypatch):
    """Give the process its time zone back afterwards."""
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("3", 3.0), ("0", 0.0), (" 120 ", 120.0), ("007", 7.0), ("99999999999", 99_999_999_999.0)],
)
def test_retry_after_in_seconds(value, seconds):
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "Tue, 14 Nov 2023 22:13:24 GMT",  # IMF-fixdate
        "Tuesday, 14-Nov-23 22:13:24 GMT",  # RFC 850
        "Tue Nov 14 22:13:24 2023",  # asctime
        "Tue, 14 Nov 2023 23:13:24 +0100",
    ],
)
def test_retry_after_as_a_date_in_every_form_of_http(value, monkeypatch, own_zone):
    for zone in ("UTC", "Asia/Tokyo", "EST5EDT"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert retry_after(value, NOW) == 4.0
    assert retry_after(value, NOW + 4) is None
    assert retry_after(value, NOW + 3.75) == 0.25


@pytest.mark.parametrize(
    "value",
    [None, "", " ", "soon", "-3", "-0", "+3", "1.5", "1,5", "3 s", "0x10", "٣", "²", "1e3", "inf", "nan",
     "Tue, 14 Nov 2023 22:13:20 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", "Tue, 99 Nov 2023 22:13:24 GMT",
     "Tue, 14 Nov 99999999 22:13:24 GMT", "Tue, 14 Nov", ",", "GMT", "1 2 3 4 5 6 7"],
)  # fmt: skip
def test_garbage_fractions_negative_numbers_and_past_dates_ask_for_nothing(value):
    assert retry_after(value, NOW) is None


@pytest.mark.parametrize("value", ["9" * 400, "9" * 100_000, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_huge_one_is_a_number_that_can_be_capped(value):
    assert min(retry_after(value, NOW), 3600.0) == 3600.0


@given(st.text(max_size=40) | st.from_regex(r"[-+.,: 0-9A-Za-z]{0,40}", fullmatch=True))
def test_no_text_breaks_it(value):
    asked = retry_after(value, NOW)
    assert asked is None or asked >= 0
