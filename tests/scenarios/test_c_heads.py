"""C: heads of answers. Odd ones are read, broken ones are our error, large ones are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scrapekit.errors import BadResponse, FetchTimeout, TooLarge
from tests.scenarios import plays
from tests.scenarios.web import SOON, memory_below


@pytest.fixture
def heads(web: Callable[..., Any]) -> Any:
    return web(plays.C)


@pytest.mark.parametrize("path", ["/C01", "/C01/blank"])
def test_C01_a_status_line_needs_no_reason(heads: Any, path: str) -> None:
    heads.answers(path, kept=True)


@pytest.mark.parametrize("path", ["/C02", "/C02/mixed"])
def test_C02_lines_may_end_in_a_bare_line_feed(heads: Any, path: str) -> None:
    heads.answers(path, kept=True)


def test_C03_some_empty_lines_before_the_status_line_are_forgiven(heads: Any) -> None:
    heads.answers("/C03", kept=True)
    heads.answers("/C03/lf", kept=True)
    heads.fails("/C03/many", BadResponse, "head")


@pytest.mark.parametrize("how", ["ok", "icy", "2", "number", "two", "four", "http", "lower"])
def test_C04_what_is_no_status_line_is_an_error(heads: Any, how: str) -> None:
    heads.fails(f"/C04/{how}", BadResponse, "head")


def test_C05_a_status_of_no_class_is_delivered_and_is_a_failure_for_a_crawl(heads: Any) -> None:
    heads.answers("/C05", status=999, kept=True)
    heads.answers("/C05/600", status=600, kept=True)
    before = len(heads.server.on("/C05"))
    crawled = heads.crawl(["http://a.test/C05"])
    assert (crawled.outcomes, crawled.reasons) == ((0, 1, 0, 0), {"failed: status 999": 1})
    assert crawled.failures[0].response.body == b"good"
    assert len(heads.server.on("/C05")) - before == 1


def test_C06_a_body_without_a_head_is_an_error(heads: Any) -> None:
    heads.fails("/C06", BadResponse, "head")
    heads.fails("/C06/silent", BadResponse, "head")


def test_C07_folded_lines_are_one(heads: Any) -> None:
    assert heads.answers("/C07", kept=True).headers["x-fold"] == "a b c"


@pytest.mark.parametrize("path", ["/C08", "/C08/blank", "/C08/empty", "/C08/first"])
def test_C08_a_line_that_is_no_field_is_an_error(heads: Any, path: str) -> None:
    heads.fails(path, BadResponse, "head")


@pytest.mark.parametrize("path", ["/C09", "/C09/name", "/C09/cr"])
def test_C09_nul_and_cr_in_a_field_are_an_error(heads: Any, path: str) -> None:
    heads.fails(path, BadResponse, "head")


def test_C10_bytes_beyond_ascii_are_kept(heads: Any) -> None:
    headers = heads.answers("/C10", kept=True).headers
    assert headers["x-latin"].encode("latin-1") == b"caf\xe9"
    assert headers["x-utf"].encode("latin-1").decode() == "café"


def test_C11_twenty_thousand_fields_are_too_many(heads: Any) -> None:
    heads.fails("/C11", TooLarge, "head", cut=False)


def test_C12_a_large_head_is_read_and_a_huge_one_is_not(heads: Any) -> None:
    policy = heads.answers("/C12", kept=True, cut=False).headers["content-security-policy"]
    assert policy == "a" * 60 * 1024
    assert len(heads.answers("/C12/pieces", kept=True).headers) == 11
    with memory_below(16):
        heads.fails("/C12/8", TooLarge, "head", cut=False)


def test_C13_of_two_locations_and_types_the_first_counts(heads: Any) -> None:
    reply = heads.answers("/C13/location", b"", 302, kept=True)
    assert reply.headers["location"] == "/first"
    assert heads.answers("/C13/type", kept=True).headers["content-type"] == "text/html; charset=utf-8"

    async def main(session: Any) -> list[str]:
        return [(await session.get("http://a.test/C13/location")).url for _ in range(3)]

    assert heads.session(main) == ["http://a.test/first"] * 3
    assert heads.server.on("/second") == []


def test_C14_two_cookies_are_two_cookies(heads: Any) -> None:
    fields = heads.answers("/C14", kept=True).headers.get_all("set-cookie")
    assert fields == ["a=1", "b=2; Expires=Wed, 09 Jun 2100 10:18:14 GMT"]

    async def main(session: Any) -> None:
        await session.get("http://a.test/C14")
        await session.get("http://a.test/C14")

    heads.session(main)
    assert heads.server.asked[-1].headers["cookie"] == "a=1; b=2"


def test_C06_an_answer_that_is_too_short_to_judge_ends_at_the_deadline(heads: Any) -> None:
    heads.server.plays["/C06/h"] = (b"HTTP", plays.SILENCE)
    heads.fails("/C06/h", FetchTimeout, "head", deadlines=SOON)
