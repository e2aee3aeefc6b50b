"""L: pages that lead on forever, or are made to choke a parser."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from scrapekit import Headers, Response
from scrapekit.errors import TooComplex
from scrapekit.links import MAX_LINKS
from scrapekit.testing import FakeNetwork
from tests.scenarios.server import GOOD, answer

HTML: Final = "Content-Type: text/html; charset=utf-8"


def html(text: str, *fields: str) -> bytes:
    return answer(text, 200, HTML, *fields)


@contextmanager
def within_a_second() -> Any:
    """Of this process's own work, so that others on the machine do not count."""
    began = time.process_time()
    yield
    assert time.process_time() - began < 1.0


def fetched(web: Callable[..., Any], page: bytes) -> Response:
    async def main(session: Any) -> Response:
        response: Response = await session.get("http://a.test/page")
        assert (await session.get("http://a.test/good")).body == b"good"
        return response

    response: Response = web({"/page": page}).session(main)
    return response


# ---- pages without end ----


def relative(asked: Any) -> bytes:
    """A page at any path that links to one below it."""
    return html(f'<a href="{asked.target.rstrip("/")}/x">deeper</a>')


def longer(asked: Any) -> bytes:
    return html(f'<a href="{asked.target}y">longer</a>')


def with_session(asked: Any) -> bytes:
    """A page that links to itself under ever new names."""
    count = int(asked.target.partition("sid=")[2].partition("&")[0] or 0)
    return html(f'<a href="/l?sid={count + 1}">again</a><a href="/l?sid={count + 1}&amp;x={count}">and again</a>')


class Endless(dict[str, Any]):
    """Every path is this page."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def get(self, target: str, default: Any = None) -> Any:
        return answer("", 404) if target == "/robots.txt" else self.page

    def __contains__(self, target: object) -> bool:
        return True


def endless(page: Any) -> FakeNetwork:
    network = FakeNetwork()
    network.site("a.test")._pages = Endless(page)
    return network


@pytest.mark.parametrize(
    ("page", "limit", "reason"),
    [
        (relative, "limits.delay=0", "dropped: trap: repeated segments"),
        (relative, "limits.max_depth=3", "dropped: trap: depth"),
        (
            lambda asked: html(f'<a href="{asked.target}y">longer</a>'),
            "limits.max_url=200",
            "dropped: trap: url length",
        ),
        (with_session, "limits.max_variations=20", "dropped: trap: pattern"),
        (with_session, "limits.max_pages=30", "dropped: budget: pages"),
    ],
)
def test_L01_a_site_without_end_ends(crawl: Callable[..., Any], page: Any, limit: str, reason: str) -> None:
    network = endless(page)
    crawled = crawl(network, ["http://a.test/l"], limit, follow=True)
    assert crawled.stats.end == "finished"
    assert crawled.outcomes[0] + crawled.outcomes[3] == crawled.stats.seen
    assert crawled.reasons[reason] >= 1
    assert len(network.log) < 500


def test_L01_ends_by_the_defaults_too(crawl: Callable[..., Any]) -> None:
    network = endless(lambda asked: html(f'<a href="{asked.target}{len(asked.target) % 10}/">longer</a>'))
    crawled = crawl(network, ["http://a.test/"], follow=True)
    assert (crawled.stats.end, crawled.outcomes[3]) == ("finished", 1)
    assert len(network.log) < 1100


# ---- pages that choke a parser ----

CHOKING: Final = {
    "L02": "<div>" * 200_000,
    "L02 mixed": "<div><span><p><i>" * 60_000,
    "L02 tables": "<table><tr><td>" * 70_000,
    "L02 with text": "<div>x<!-- y -->" * 200_000,
    "L02 in quotes": '<div title=">">' * 200_000,
    "L02 formatting": "".join(f"<b class={n}><p>" for n in range(30_000)),
    "L06 attributes": "<p " + "ab " * 1_700_000,
    "L06 pairs": "<p " + "".join(f'a{n}="x" ' for n in range(400_000)),
}


@pytest.mark.parametrize("name", CHOKING)
def test_L02_and_L06_hostile_markup_is_not_given_to_the_parser(web: Callable[..., Any], name: str) -> None:
    response = fetched(web, html(CHOKING[name]))
    for read in (response.links, lambda: response.css("a"), lambda: response.title):
        with within_a_second(), pytest.raises(TooComplex):
            read()
    assert response.text == CHOKING[name]


def test_L02_hostile_markup_is_a_failed_page_and_the_crawl_goes_on(crawl: Callable[..., Any]) -> None:
    network = FakeNetwork({"a.test": {"/page": html(CHOKING["L02"]), "/good": GOOD}})
    with within_a_second():
        crawled = crawl(network, ["http://a.test/page", "http://a.test/good"], follow=True)
    assert crawled.outcomes == (1, 1, 0, 0)
    assert list(crawled.reasons) == ["failed: callback"]
    assert "TooComplex" in str(crawled.failures[0].error)


@pytest.mark.parametrize("markup", ["<p " + "x" * 5_000_000, "<" + "p" * 5_000_000, "<p title='" + "x " * 2_500_000])
def test_L06_an_endless_tag_is_read_within_a_second(web: Callable[..., Any], markup: str) -> None:
    response = fetched(web, html(markup))
    with within_a_second():
        assert response.links() == []


def test_L03_of_half_a_million_links_each_is_followed_once_up_to_a_limit(
    crawl: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    few = "".join(f'<a href="/{number % 100}#{number}">x</a>' for number in range(500_000))
    network = FakeNetwork({"a.test": {"/": html(few), **{f"/{number}": GOOD for number in range(100)}}})
    crawled = crawl(network, ["http://a.test/"], follow=True)
    assert crawled.outcomes == (101, 0, 0, 0)
    assert len(network.log) == 102
    many = Response.from_html("http://a.test/", "".join(f'<a href="/{n // 2}">x</a>' for n in range(120_000)))
    urls = [request.url for request in many.follow_all()]
    assert urls == [f"http://a.test/{number}" for number in range(MAX_LINKS)]
    assert f"more than {MAX_LINKS} links: http://a.test/{MAX_LINKS} " in caplog.text


# ---- links ----

PAGE: Final = """
<base href="http://b.test/base/"><base href="http://c.test/">
<a href="plain">1</a> <a href=" spaced&#9; ">2</a> <a href="/a\\b">3</a> <a href="tab&#10;bed">4</a>
<a href="//b.test/host">5</a> <a href="?query">6</a> <a href="#part">7</a> <a href="">8</a>
<a href="mailto:x@a.test">n</a> <a href="javascript:void(0)">n</a> <a href="tel:1">n</a> <a href="data:,x">n</a>
<a href="JAVA\tSCRIPT:x">n</a> <a href="ftp://a.test/">n</a> <a href="file:///etc">n</a> <a href="about:blank">n</a>
<a href="http://[::1">n</a> <a href="http://">n</a> <a href="http://a b/">n</a> <a href="http://a.test:99999/">n</a>
<a href="http://exa%mple.test/">n</a> <a name="x">n</a> <a>n</a>
<a href="no" rel="nofollow">n</a> <a href="no2" rel="UGC NoFollow">n</a>
<a href="caf&eacute;?q=&#1078;">9</a> <a href="plain">again</a> <a href="HTTP://B.test:80/base/plain">again</a>
<map><area href="area"></map> <link href="style.css" rel=stylesheet> <img src="i.png"> <iframe src="f"></iframe>
<svg><a href="svg">s</a></svg> <template><a href="template">t</a></template> <!-- <a href="comment">c</a> -->
"""


def test_L04_the_links_of_a_page_are_those_of_a_browser(web: Callable[..., Any]) -> None:
    response = fetched(web, html(PAGE))
    expected = [
        "http://b.test/base/plain",
        "http://b.test/base/spaced",
        "http://b.test/a/b",
        "http://b.test/base/tabbed",
        "http://b.test/host",
        "http://b.test/base/?query",
        "http://b.test/base/",
        "http://b.test/base/caf%C3%A9?q=%D0%B6",
        "http://b.test/base/area",
        "http://b.test/base/svg",
    ]
    assert [link.url for link in response.links()] == expected
    assert [request.url for request in response.follow_all()] == expected
    with_marked = [link.url for link in response.links(nofollow=True)]
    assert sorted(set(with_marked) - set(expected)) == ["http://b.test/base/no", "http://b.test/base/no2"]


def test_L05_what_is_said_to_another_robot_is_not_for_us(web: Callable[..., Any], crawl: Callable[..., Any]) -> None:
    page = html(
        '<meta name="robots" content="nofollow"><a href="/x">x</a>',
        "X-Robots-Tag: otherbot: noarchive, noimageindex",
        "X-Robots-Tag: noindex",
    )
    assert set(fetched(web, page).directives) == {"noindex", "nofollow"}
    network = FakeNetwork({"a.test": {"/": page, "/x": GOOD}})
    crawled = crawl(network, ["http://a.test/"], "limits.respect=['noindex']", follow=True)
    assert (crawled.outcomes, len(crawled.items), crawled.stats.rejected) == ((1, 0, 0, 0), 0, 1)
    assert network.requests() == ["/robots.txt", "/"]


NAMES: Final = {
    'attachment; filename="../../etc/passwd"': "passwd",
    "attachment; filename=/etc/passwd": "passwd",
    'attachment; filename="..\\\\..\\\\windows\\\\system.ini"': "system.ini",
    "attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd": "passwd",
    'attachment; filename=".."': "page.html",
    'attachment; filename="..."': "page.html",
    'attachment; filename="/"': "page.html",
    'attachment; filename=""': "page.html",
    'attachment; filename="~/.bashrc"': "bashrc",
    'attachment; filename="a\x01b.txt"': "ab.txt",
    "attachment; filename*=UTF-8''..%00%2Fx.txt": "x.txt",
    "attachment; filename*=UTF-8''na%C3%AFve.pdf": "naïve.pdf",
    'attachment; filename="CON"': None,
    "inline": "page.html",
}


@pytest.mark.parametrize("field", NAMES)
def test_L07_a_name_for_a_file_leads_out_of_no_folder(tmp_path: Path, field: str) -> None:
    response = Response(
        "http://a.test/dir/page.html?x=/../y", body=b"good", headers=Headers({"Content-Disposition": field})
    )
    inside = tmp_path / "inside"
    inside.mkdir()
    where = response.save(inside)
    assert where.parent == inside
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    assert (where.read_bytes(), list(inside.iterdir())) == (b"good", [where])
    assert where.name.upper() != "CON" if NAMES[field] is None else where.name == NAMES[field]
