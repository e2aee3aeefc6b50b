"""A row in the tables is the row again when it is read."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit.frontier import Row
from scrapekit.frontier.rows import long_url, more_of, row_of, short_url
from scrapekit.request import Request

URLS = [
    "https://a.test/",
    "http://a.test/",
    "https://a.test:8443/x?y=/",
    "http://a.test:8080/",
    "http://[::1]:80/x",
    "https://user:secret@a.test/x",
    "https://a.test.evil.test/x",
]


@pytest.mark.parametrize("host", ["a.test", "a.test:8443", "a.test:8080", "[::1]", "other.test", "a", ""])
@pytest.mark.parametrize("url", URLS)
def test_a_url_comes_back_whatever_its_host(url: str, host: str) -> None:
    assert long_url(short_url(url, host), host) == url


def test_what_the_host_tells_is_left_out() -> None:
    assert short_url("https://a.test/x", "a.test") == "/x"
    assert short_url("http://a.test:8080/x", "a.test:8080") == ":/x"
    assert short_url("https://a.test.evil.test/x", "a.test") == "https://a.test.evil.test/x"


def test_a_plain_link_has_nothing_more_to_say() -> None:
    assert more_of(Row(1, "a.test", Request("http://a.test/").bound(None, None, 3, "http://a.test/up"))) is None


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "callback": st.sampled_from(["parse", "page"]),
        "errback": st.just("failed"),
        "method": st.sampled_from(["GET", "POST", "HEAD"]),
        "headers": st.dictionaries(st.sampled_from(["X-A", "X-B"]), st.sampled_from(["1", "é"])),
        "body": st.binary(max_size=5),
        "cookies": st.dictionaries(st.just("c"), st.just("v")),
        "jar": st.just("j"),
        "meta": st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text(max_size=3)),
        "priority": st.integers(-5, 5),
        "dont_filter": st.booleans(),
        "timeout": st.floats(0.1, 99.0),
        "idempotent": st.booleans(),
        "to_file": st.booleans(),
        "max_size": st.integers(1, 9),
        "accept_status": st.sets(st.integers(400, 404)),
    },
)


@given(FIELDS, st.integers(0, 3), st.lists(st.sampled_from(URLS), max_size=3), st.floats(0, 2e9), st.integers(0, 9))
def test_all_of_a_row_comes_back(
    fields: dict[str, Any], attempt: int, history: list[str], not_before: float, depth: int
) -> None:
    request = Request("https://a.test/x", depth=depth, parent="http://up.test/", **fields)
    row = Row(5, "a.test", request, attempt, tuple(history), not_before)
    stored = (5, short_url(request.url, "a.test"), depth, request.parent, more_of(row))
    assert row_of("a.test", *stored) == row


def test_no_field_of_a_request_is_forgotten_here() -> None:
    tried = {"callback", "errback", "method", "headers", "body", "cookies", "jar", "meta", "priority", "dont_filter"}
    tried |= {"timeout", "idempotent", "accept_status", "to_file", "max_size"}
    fields = inspect.signature(Request.__new__).parameters.keys() - {"cls", "json", "form", "files"}
    assert fields == tried | {"url", "depth", "parent"}


def test_two_rows_never_share_what_a_callback_may_change() -> None:
    more = more_of(Row(1, "a.test", Request("http://a.test/", meta={"list": [1]})))
    one, two = (row_of("a.test", number, ":/", 0, None, more) for number in (1, 2))
    one.request.meta["list"].append(2)
    assert two.request.meta == {"list": [1]}
