"""The pace at one host, as tables of events with their answers, and what holds whatever comes."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit import backoff
from scrapekit.headers import Headers
from scrapekit.robots import RequestRate
from scrapekit.throttle import FREE, Pause, Rest, Throttle, pause


@dataclass(frozen=True)
class Terms:
    concurrency: int = 1
    delay: float = 1.0
    jitter: float = 0.0
    adaptive: float = 0.0
    max_crawl_delay: float = 60.0
    max_retry_after: float = 3600.0


NOTHING = Headers()


def still() -> float:
    return 0.0


def throttle(terms: Terms | None = None, *, random=still, **settings) -> Throttle:
    return Throttle(terms or Terms(**settings), random=random)


def answer(host: Throttle, now: float, status: int = 200, *, took: float = 0.1, **fields: str) -> Rest | None:
    headers = Headers({name.replace("_", "-"): value for name, value in fields.items()})
    return host.answered(now, sent=now - took, status=status, headers=headers)


def heal(host: Throttle, now: float) -> int:
    """Good answers until the share is whole again, and how many there were."""
    for count in range(1000):
        if host.share == 1.0:
            return count
        answer(host, now + 1000.0 * count + 1000.0)
    raise AssertionError("it never heals")


# -- whose the pause is


@pytest.mark.parametrize(
    ("settings", "robots", "expected"),
    [
        ({"delay": 0.0}, {}, Pause(0.0, FREE)),
        ({"delay": 1.0}, {}, Pause(1.0, "delay")),
        ({"delay": 1.0}, {"crawl_delay": 0.0}, Pause(1.0, "delay")),
        ({"delay": 1.0}, {"crawl_delay": 1.0}, Pause(1.0, "delay")),
        ({"delay": 1.0}, {"crawl_delay": 2.0}, Pause(2.0, "crawl-delay")),
        ({"delay": 1.0}, {"crawl_delay": 60.0}, Pause(60.0, "crawl-delay")),
        ({"delay": 1.0}, {"crawl_delay": 61.0}, Pause(60.0, "crawl-delay")),
        ({"delay": 90.0}, {"crawl_delay": 100.0}, Pause(90.0, "delay")),
        ({"delay": 1.0}, {"request_rate": RequestRate(1, 5.0)}, Pause(5.0, "request-rate")),
        ({"delay": 1.0}, {"request_rate": RequestRate(10, 5.0)}, Pause(1.0, "delay")),
        ({"delay": 1.0}, {"request_rate": RequestRate(1, 86400.0)}, Pause(60.0, "request-rate")),
        ({"delay": 1.0}, {"crawl_delay": 3.0, "request_rate": RequestRate(1, 5.0)}, Pause(5.0, "request-rate")),
        ({"delay": 1.0}, {"crawl_delay": 7.0, "request_rate": RequestRate(1, 5.0)}, Pause(7.0, "crawl-delay")),
    ],
)
def test_the_longest_pause_that_is_asked_for_counts(settings, robots, expected):
    host = throttle(**settings)
    host.learn(**robots)
    assert host.pause() == expected


@pytest.mark.parametrize(
    ("delay", "crawl_delay", "most", "expected"),
    [
        (1.0, None, 60, Pause(1.0, "delay")),
        (0.0, None, 60, Pause(0.0, FREE)),
        (1.0, 1.0, 60, Pause(1.0, "delay")),
        (1.0, 1.5, 60, Pause(1.5, "crawl-delay")),
        (0.0, 0.1, 60, Pause(0.1, "crawl-delay")),
        (1.0, 86400, 60, Pause(60, "crawl-delay")),
        (90.0, 86400, 60, Pause(90.0, "delay")),
        (1.0, 5, 0, Pause(1.0, "delay")),
        (1.0, 1e9, float("inf"), Pause(1e9, "crawl-delay")),
    ],
)
def test_settings_and_robots_txt_alone_make_the_same_pause(delay, crawl_delay, most, expected):
    host = throttle(delay=delay, max_crawl_delay=most)
    host.learn(crawl_delay=crawl_delay)
    assert pause(delay=delay, crawl_delay=crawl_delay, max_crawl_delay=most) == host.pause() == expected


def test_a_new_robots_txt_replaces_what_the_old_one_asked_for():
    host = throttle()
    host.learn(crawl_delay=5.0)
    host.learn()
    assert host.pause() == Pause(1.0, "delay")


def test_what_goes_beyond_the_cap_is_told_once():
    host = throttle()
    assert host.learn(crawl_delay=60.0) is None
    assert host.learn(crawl_delay=600.0) == Pause(600.0, "crawl-delay")
    assert host.learn(crawl_delay=600.0) is None
    assert Throttle.from_state(host.to_state(), Terms(), random=still).learn(crawl_delay=600.0) is None
    assert host.learn(crawl_delay=700.0) == Pause(700.0, "crawl-delay")


def test_other_settings_hold_from_the_moment_that_they_are_applied():
    host = throttle(delay=1.0, concurrency=2)
    host.apply(Terms(delay=3.0, concurrency=8))
    assert (host.pause(), host.concurrency()) == (Pause(3.0, "delay"), 8)


def test_jitter_is_one_sided():
    at = iter([0.0, 0.5, 0.999])
    host = throttle(delay=2.0, jitter=0.5, random=lambda: next(at))
    assert [host.gap() for _ in range(3)] == [2.0, 2.5, pytest.approx(2.999)]


# -- the host's own latency


def test_a_slow_host_is_visited_at_the_pace_of_its_answers():
    host = throttle(delay=1.0, adaptive=2.0)
    answer(host, 100.0, took=3.0)
    assert host.pause() == Pause(6.0, "adaptive")


def test_latency_is_smoothed():
    host = throttle(delay=0.0, adaptive=1.0)
    answer(host, 100.0, took=1.0)
    answer(host, 200.0, took=2.0)
    assert host.pause().seconds == pytest.approx(1.2)


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_a_fast_error_is_no_licence_to_go_faster(status):
    host = throttle(delay=0.0, adaptive=1.0)
    answer(host, 100.0, took=2.0)
    before = host.pause().seconds
    answer(host, 200.0, status, took=0.001)
    host.failed(300.0, sent=299.999)
    assert host.pause().seconds >= before


def test_a_fast_error_is_none_either_where_nothing_is_known_yet():
    host = throttle(delay=0.0, adaptive=1.0)
    answer(host, 100.0, 500, took=0.5)
    assert host.pause().seconds > 0


def test_waiting_in_vain_slows_down():
    host = throttle(delay=0.0, adaptive=1.0)
    answer(host, 100.0, took=1.0)
    host.failed(200.0, sent=170.0)
    assert host.pause().seconds == pytest.approx(1.0 + 0.2 * 29)


def test_what_was_never_sent_says_nothing_of_the_latency():
    host = throttle(delay=0.0, adaptive=1.0)
    host.failed(200.0, sent=None)
    assert host.pause() == Pause(0.0, FREE)


# -- 429 and 503


@pytest.mark.parametrize("status", [429, 503])
def test_without_a_time_the_host_rests_a_minute(status):
    assert answer(throttle(), 1000.0, status) == Rest(1060.0, f"back-off after {status}")


@pytest.mark.parametrize("value", ["0", "", "soon", "-5", "1.5", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_time_that_says_nothing_is_none(value):
    assert answer(throttle(), 1000.0, 429, Retry_After=value) == Rest(1060.0, "back-off after 429")


def test_each_further_time_it_rests_twice_as_long_up_to_an_hour():
    host, now, rests = throttle(), 1000.0, []
    for _ in range(9):
        rest = answer(host, now, 429)
        rests.append(rest.until - now)
        now = rest.until + 1.0
    assert rests == [60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0, 3600.0]


def test_the_rest_of_our_own_has_its_jitter():
    assert answer(throttle(random=lambda: 0.5), 1000.0, 429).until == pytest.approx(1063.0)


@pytest.mark.parametrize(
    ("asked", "aside"), [("1", False), ("120", False), ("3599", False), ("3600", False), ("3601", True)]
)
def test_what_the_site_asks_for_it_gets_and_beyond_the_cap_it_is_set_aside(asked, aside):
    assert answer(throttle(), 1000.0, 429, Retry_After=asked) == Rest(1000.0 + int(asked), "Retry-After", aside)


def test_a_date_counts_from_now():
    rest = answer(throttle(), 1_700_000_000.0, 503, Retry_After="Tue, 14 Nov 2023 22:15:00 GMT")
    assert rest == Rest(1_700_000_100.0, "Retry-After")


@pytest.mark.parametrize("status", [403, 404, 413, 500, 502])
def test_any_error_that_names_a_time_is_a_wish_for_a_pause(status):
    host = throttle()
    assert answer(host, 1000.0, status, Retry_After="30") == Rest(1030.0, "Retry-After")
    assert host.pause() == Pause(2.0, "back-off")


@pytest.mark.parametrize("status", [200, 301, 403, 404, 500, 502])
def test_any_other_answer_is_none(status):
    host = throttle()
    assert answer(host, 1000.0, status) is None
    assert host.pause() == Pause(1.0, "delay")


def test_a_good_answer_with_a_time_asks_for_nothing():
    assert answer(throttle(), 1000.0, 200, Retry_After="30") is None


def test_a_rest_is_never_shortened():
    host = throttle(concurrency=2)
    answer(host, 1000.0, 429, Retry_After="300")
    assert answer(host, 1000.1, 429, Retry_After="10") is None
    assert host.resting == Rest(1300.0, "Retry-After")


def test_after_it_pace_and_concurrency_are_half_of_what_they_were():
    host = throttle(delay=2.0, concurrency=8)
    now = 0.0
    seen = []
    for _ in range(5):
        now = answer(host, now + 1.0, 429).until
        seen.append((host.pause().seconds, host.concurrency()))
    assert seen == [(4.0, 4), (8.0, 2), (16.0, 1), (32.0, 1), (64.0, 1)]
    assert host.pause().rule == "back-off"


def test_a_host_without_a_delay_gets_one():
    host = throttle(delay=0.0, concurrency=4)
    answer(host, 1000.0, 429)
    assert host.pause() == Pause(0.25, "back-off")


def test_trouble_is_counted_once_for_all_that_was_out():
    host = throttle(concurrency=8)
    for each in range(8):
        answer(host, 1000.0 + each / 10, 429, took=2.0)
    assert (host.pause().seconds, host.concurrency(), host.resting.until) == (2.0, 4, 1060.0)


def test_a_late_answer_from_before_may_still_ask_for_more():
    host = throttle(concurrency=8)
    answer(host, 1000.0, 429, took=2.0)
    assert answer(host, 1000.5, 429, took=2.0, Retry_After="600") == Rest(1600.5, "Retry-After")
    assert host.pause().seconds == 2.0


def test_a_good_answer_to_what_was_sent_before_heals_nothing():
    host = throttle(concurrency=2)
    answer(host, 1000.0, 429, took=1.0)
    answer(host, 1000.5, 200, took=1.0)
    assert host.share == 0.5


def test_it_recovers_by_small_steps_to_exactly_what_was_configured():
    host = throttle(delay=1.0, concurrency=5)
    host.learn(crawl_delay=3.0)
    answer(host, 1000.0, 429)
    paces = [(host.pause().seconds, -host.concurrency())]
    for each in range(25):
        answer(host, 2000.0 + 10 * each)
        paces.append((host.pause().seconds, -host.concurrency()))
    assert paces == sorted(paces, reverse=True)
    assert (host.pause(), host.concurrency()) == (Pause(3.0, "crawl-delay"), 5)


@pytest.mark.parametrize(("cuts", "answers"), [(0, 0), (1, 25), (2, 38), (20, 50)])
def test_the_deeper_the_cut_the_more_good_answers_it_takes(cuts, answers):
    host, now = throttle(), 0.0
    for _ in range(cuts):
        now = answer(host, now + 1.0, 503).until
    assert heal(host, now) == answers


def test_an_error_heals_nothing():
    host = throttle()
    answer(host, 1000.0, 429)
    answer(host, 2000.0, 404)
    assert host.share == 0.5


def test_after_it_has_recovered_trouble_is_new():
    host = throttle()
    answer(host, 0.0, 429)
    heal(host, 0.0)
    assert answer(host, 1e6, 429) == Rest(1e6 + 60.0, "back-off after 429")


def test_back_off_alone_makes_no_pause_of_more_than_five_minutes():
    host, now = throttle(delay=60.0), 0.0
    for _ in range(8):
        now = answer(host, now + 1.0, 429).until
    assert host.pause() == Pause(300.0, "back-off")


def test_a_longer_pause_than_that_stays_as_it_is():
    host = throttle(delay=600.0)
    answer(host, 1000.0, 429)
    assert host.pause() == Pause(600.0, "delay")


# -- RateLimit fields


def test_what_is_granted_is_spread_evenly():
    host = throttle(delay=1.0)
    assert answer(host, 1000.0, RateLimit='"default";r=10;t=30') is None
    assert host.pause() == Pause(3.0, "rate-limit")


def test_a_generous_quota_makes_nothing_faster():
    host = throttle(delay=1.0)
    answer(host, 1000.0, RateLimit='"default";r=1000;t=30')
    assert host.pause() == Pause(1.0, "delay")


@pytest.mark.parametrize(("seconds", "rest"), [(30, 30), (3600, 3600), (86400, 3600)])
def test_where_nothing_remains_the_host_rests_but_is_not_set_aside_for_a_hint(seconds, rest):
    host = throttle(delay=1.0)
    assert answer(host, 1000.0, RateLimit=f'"default";r=0;t={seconds}') == Rest(1000.0 + rest, "rate-limit")
    assert host.share == 1.0


def test_the_quota_of_an_error_counts_as_well():
    assert answer(throttle(), 1000.0, 404, RateLimit='"default";r=0;t=30') == Rest(1030.0, "rate-limit")


def test_a_quota_holds_until_its_time_is_over():
    host = throttle()
    answer(host, 1000.0, RateLimit='"default";r=10;t=30')
    answer(host, 1029.9)
    assert host.pause() == Pause(3.0, "rate-limit")
    answer(host, 1030.0)
    assert host.pause() == Pause(1.0, "delay")


def test_garbage_changes_nothing():
    host = throttle()
    answer(host, 1000.0, RateLimit='"default";r=10;t=30')
    answer(host, 1001.0, RateLimit=";;;")
    assert host.pause() == Pause(3.0, "rate-limit")


# -- what outlives a lease


def test_a_host_that_was_never_in_trouble_leaves_nothing():
    host = throttle(jitter=0.5)
    host.learn(crawl_delay=5.0)
    answer(host, 1000.0)
    answer(host, 1001.0, 404)
    assert host.to_state() == {}


def test_what_is_left_is_taken_up_again():
    host = throttle(adaptive=0.5, concurrency=4)
    answer(host, 1000.0, 429, took=3.0, Retry_After="100", RateLimit='"a";r=1;t=20')
    again = Throttle.from_state(json.loads(json.dumps(host.to_state())), host.terms, random=still)
    assert (again.pause(), again.concurrency(), again.resting) == (host.pause(), host.concurrency(), host.resting)


def test_the_settings_of_today_hold_for_what_was_left():
    host = throttle(delay=1.0)
    answer(host, 1000.0, 429)
    assert Throttle.from_state(host.to_state(), Terms(delay=4.0), random=still).pause() == Pause(8.0, "back-off")


# -- whatever comes


FIELDS = st.sampled_from(
    [
        {},
        {"Retry-After": "120"},
        {"Retry-After": "x"},
        {"Retry-After": "999999"},
        {"RateLimit": '"a";r=3;t=60'},
        {"RateLimit": '"a";r=0;t=60'},
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9"},
    ]
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from([200, 200, 200, 301, 404, 429, 500, 503, None]),
        st.floats(0.0, 100.0),
        st.floats(0.0, 30.0),
        FIELDS,
    ),
    max_size=60,
)
TERMS = st.builds(
    Terms,
    concurrency=st.integers(1, 16),
    delay=st.sampled_from([0.0, 0.25, 1.0, 10.0, 1000.0]),
    jitter=st.sampled_from([0.0, 0.5]),
    adaptive=st.sampled_from([0.0, 1.0, 5.0]),
)


def play(host: Throttle, events) -> float:
    now = 1e6
    for status, later, took, fields in events:
        now += later
        if status is None:
            host.failed(now, sent=now - took)
        else:
            host.answered(now, sent=now - took, status=status, headers=Headers(fields))
    return now


@given(TERMS, EVENTS, st.sampled_from([None, 0.5, 5.0, 500.0]))
def test_never_below_what_is_configured_and_never_more_at_once(terms, events, crawl_delay):
    host = throttle(terms, random=lambda: 0.7)
    host.learn(crawl_delay=crawl_delay)
    least = max(terms.delay, min(crawl_delay or 0.0, terms.max_crawl_delay))
    until = 0.0
    for event in events:
        play(host, [event])
        assert host.pause().seconds >= least
        assert host.gap() >= host.pause().seconds
        assert 1 <= host.concurrency() <= terms.concurrency
        assert host.resting.until >= until
        until = host.resting.until


@given(TERMS, EVENTS)
def test_enough_good_answers_heal_exactly(terms, events):
    terms = replace(terms, adaptive=0.0)
    host = throttle(terms)
    now = play(host, events)
    heal(host, now + 1e5)
    answer(host, now + 1e9)
    assert host.pause() == throttle(terms).pause()
    assert host.concurrency() == terms.concurrency


@given(TERMS, EVENTS, EVENTS)
def test_a_host_behaves_alike_whether_or_not_it_was_put_aside_meanwhile(terms, before, after):
    host = throttle(terms)
    play(host, before)
    again = Throttle.from_state(json.loads(json.dumps(host.to_state())), terms, random=still)
    for each in (host, again):
        if not terms.adaptive:
            each.latency = 0.0  # not kept where nobody asks for it
        play(each, after)
    assert (again.pause(), again.concurrency(), again.resting) == (host.pause(), host.concurrency(), host.resting)


@given(st.floats(backoff.LEAST, 1.0), st.floats(backoff.LEAST, 1.0), st.floats(0.0, 1000.0))
def test_the_smaller_the_share_the_longer_all_pauses(one, other, base):
    small, large = sorted((one, other))
    assert backoff.pause(base, small) >= backoff.pause(base, large) >= base
    assert backoff.rest(small, 0.0) >= backoff.rest(large, 0.0)
    assert backoff.permits(10, small) <= backoff.permits(10, large)


def test_a_full_share_changes_nothing():
    assert [backoff.pause(base, 1.0) for base in (0.0, 0.3, 400.0)] == [0.0, 0.3, 400.0]
    assert [backoff.permits(size, 1.0) for size in (1, 3, 64)] == [1, 3, 64]


def test_it_falls_to_the_ground_and_no_lower():
    share = 1.0
    for _ in range(20):
        share = backoff.cut(share)
    assert share == backoff.LEAST
    assert math.isclose(backoff.rest(share, 0.0), 3600.0)
