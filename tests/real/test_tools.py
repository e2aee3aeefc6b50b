"""What the tests of real pages judge by must itself be right."""

from __future__ import annotations

import math
from urllib.request import urlopen

import pytest

from tests.real.nginx import Hit, by_address, least_gap, most_at_once
from tests.real.pages import hrefs, walk


def hit(began: float, ended: float, address: str = "127.0.0.1") -> Hit:
    return Hit(began, ended, address, "", 200, "/", "1")


def test_the_least_gap_is_between_beginnings():
    assert least_gap([hit(1, 9), hit(3, 4), hit(3.5, 5)]) == 0.5
    assert least_gap([hit(1, 9)]) == math.inf


@pytest.mark.parametrize(
    ("hits", "most"),
    [
        ([], 0),
        ([hit(1, 2)], 1),
        ([hit(1, 2), hit(2, 3)], 1),
        ([hit(1, 3), hit(2, 4)], 2),
        ([hit(1, 9), hit(2, 3), hit(4, 5), hit(4.5, 8)], 3),
        ([hit(1, 1), hit(1, 1)], 1),
    ],
)
def test_at_once_counts_those_that_overlap(hits, most):
    assert most_at_once(hits) == most


def test_hits_are_parted_by_address():
    assert [len(mine) for mine in by_address([hit(1, 2, "a"), hit(2, 3, "b"), hit(3, 4, "a")]).values()] == [2, 1]


def test_hrefs_are_those_of_anchors():
    assert hrefs("<a href=' x.html '><link href=y><A HREF='&lt;z'>z</a><a name=n><a href>") == ["x.html", "<z"]


@pytest.mark.server
def test_the_walk_reads_each_page_below_the_start_once(serve, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "index.html").write_text("<a href=a.html#x><a href=../out.html><a href=gone.html>")
    (tmp_path / "in" / "a.html").write_text("<a href=index.html><a href=/in/a.html>")
    server = serve(tmp_path)
    walked = walk(f"{server.base}/in/index.html")
    inside = f"{server.base}/in"
    assert walked == {f"{inside}/index.html": 200, f"{inside}/a.html": 200, f"{inside}/gone.html": 404}
    assert len(server.hits()) == 3


@pytest.mark.server
def test_the_log_tells_address_time_and_target(serve, tmp_path):
    (tmp_path / "page.html").write_text("x" * 300)
    server = serve(tmp_path, any_address=True, locations="location = /page.html { limit_rate 1000; }")
    urlopen(f"http://127.4.5.6:{server.port}/page.html?q=1").read()
    urlopen(f"{server.base}/page.html").read()
    first, second = server.hits()
    assert (first.address, first.target, first.status) == ("127.4.5.6", "/page.html?q=1", 200)
    assert first.began <= first.ended <= second.began
    server.forget()
    assert server.hits() == []
