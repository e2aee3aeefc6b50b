"""E: bodies that are packed, said to be, or packed without end."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest

from scrapekit.errors import BadResponse, TooLarge
from scrapekit.http import Sizes
from scrapekit.sitemap import parse as parse_sitemap
from tests.scenarios import plays
from tests.scenarios.web import memory_below


@pytest.fixture
def codings(web: Callable[..., Any]) -> Any:
    return web(plays.E)


def test_E01_a_bomb_costs_no_more_than_the_limit(codings: Any) -> None:
    plays.bomb(256)  # outside of the measuring
    with memory_below(8):
        codings.fails("/E01", TooLarge, "decode", sizes=Sizes(4 * 1024**2), cut=False)


def test_E02_a_few_layers_are_taken_off_and_many_are_refused(codings: Any) -> None:
    codings.answers("/E02/3", kept=True)
    codings.fails("/E02/20", BadResponse, "decode")


@pytest.mark.parametrize("how", ["", "/br", "/zstd", "/deflate"])
def test_E04_a_plain_body_that_is_said_to_be_packed_is_an_error(codings: Any, how: str) -> None:
    codings.fails(f"/E04{how}", BadResponse, "decode")


def test_E05_a_packed_file_stays_as_it_is_but_for_a_sitemap(codings: Any) -> None:
    codings.answers("/E05", plays.PACKED, kept=True)
    sitemap = b"<urlset><url><loc>http://a.test/x</loc></url></urlset>"
    assert [entry.url for entry in parse_sitemap(gzip.compress(sitemap), "http://a.test/sitemap.xml.gz").entries] == [
        "http://a.test/x"
    ]


@pytest.mark.parametrize("path", ["/E06", "/E06/early", "/E06/zstd"])
def test_E06_a_packed_body_that_is_cut_short_is_an_error(codings: Any, path: str) -> None:
    codings.fails(path, BadResponse, "decode")


@pytest.mark.parametrize("path", ["/E07/zlib", "/E07/raw"])
def test_E07_both_kinds_of_deflate_are_read(codings: Any, path: str) -> None:
    codings.answers(path, kept=True)


@pytest.mark.parametrize("path", ["/E08", "/E08/garbage"])
def test_E08_several_gzip_members_are_one_body_and_rubbish_behind_is_left(codings: Any, path: str) -> None:
    codings.answers(path, kept=True)


def test_E08_behind_br_it_is_an_error_wherever_it_is_cut(codings: Any) -> None:
    codings.fails("/E08/br", BadResponse, "decode")


def test_E09_an_unknown_coding_is_an_error_and_what_is_none_changes_nothing(codings: Any) -> None:
    codings.fails("/E09/foo", BadResponse, "decode")
    for name in ("identity", "utf-8", "x-gzip"):
        codings.answers(f"/E09/{name}", kept=True)


@pytest.mark.parametrize(("path", "kept"), [("/E12", True), ("/E12/chunked", True), ("/E12/close", False)])
def test_E12_an_empty_body_is_empty_whatever_it_is_packed_in(codings: Any, path: str, kept: bool) -> None:
    codings.answers(path, b"", kept=kept)
