"""R: robots.txt in all its states, as a crawl goes by it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

import pytest

from scrapekit.http.redirect import MAX_HOPS
from scrapekit.origins import MAX_AGE
from scrapekit.testing import CLOSE, RESET, SILENCE, FakeNetwork, FakeSite, Page
from tests.scenarios.plays import moved
from tests.scenarios.server import GOOD, answer
from tests.scenarios.web import memory_below

ROBOTS: Final = "/robots.txt"
URLS: Final = ["http://a.test/private", "http://a.test/public"]
PRIVATE: Final = "User-agent: *\nDisallow: /private\n"


def rules(text: str | bytes = PRIVATE, *fields: str) -> bytes:
    return answer(text, 200, "Content-Type: text/plain", *fields)


def site(robots: Any, **more: Any) -> FakeNetwork:
    pages = {ROBOTS: robots, "/private": GOOD, "/public": GOOD} | more
    return FakeNetwork({"a.test": pages, "b.test": {"/public": GOOD}})


def times(network: FakeNetwork, target: str) -> list[float]:
    return [asked.at for asked in network.log if asked.target == target]


def obeyed(crawl: Callable[..., Any], network: FakeNetwork) -> None:
    """/public is fetched, and /private is not."""
    crawled = crawl(network, URLS)
    assert (crawled.outcomes, crawled.reasons) == ((1, 0, 1, 0), {"disallowed: robots.txt": 1})
    assert crawled.urls == ["http://a.test/public"]
    assert times(network, "/private") == []


def open_to_all(crawl: Callable[..., Any], network: FakeNetwork) -> None:
    assert crawl(network, URLS).outcomes == (2, 0, 0, 0)
    assert network.requests().count(ROBOTS) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 418, 451])
def test_R01_a_4xx_allows_everything(crawl: Callable[..., Any], status: int) -> None:
    open_to_all(crawl, site(answer(PRIVATE, status)))


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
def test_R02_a_5xx_forbids_everything_until_it_answers(crawl: Callable[..., Any], status: int) -> None:
    network = site(answer(b"", status))
    crawled = crawl(network, URLS)
    assert (crawled.outcomes, crawled.reasons) == ((0, 2, 0, 0), {"failed: robots unreachable": 2})
    assert set(network.requests()) == {ROBOTS}
    assert (len(network.requests()) > 1) == (status != 599)
    if status != 599:
        obeyed(crawl, site([answer(b"", status), rules()]))


def test_R03_a_429_closes_the_host_until_it_answers(crawl: Callable[..., Any]) -> None:
    network = site([answer(b"", 429, "Retry-After: 20"), rules()])
    obeyed(crawl, network)
    first, second = times(network, ROBOTS)
    assert 20 <= second - first < 24
    assert network.requests()[:2] == [ROBOTS, ROBOTS]
    crawled = crawl(site(answer(b"", 429)), URLS)
    assert crawled.reasons == {"failed: robots unreachable": 2}


@pytest.mark.parametrize("act", [CLOSE, RESET, SILENCE])
def test_R04_a_network_error_forbids_everything(crawl: Callable[..., Any], act: Any) -> None:
    network = site((act,))
    assert crawl(network, URLS).outcomes == (0, 2, 0, 0)
    assert set(network.requests()) == {ROBOTS}
    obeyed(crawl, site([(act,), rules()]))


def test_R04_nobody_listens(crawl: Callable[..., Any]) -> None:
    closed = FakeSite()
    closed.refuses = True
    assert crawl(FakeNetwork({"a.test": closed}), URLS).outcomes == (0, 2, 0, 0)
    assert closed.refuses


def chain(hops: int, host: str = "") -> FakeNetwork:
    """A robots.txt that is so many hops away."""
    pages = {f"/r{n}": moved(f"{host}/r{n + 1}") for n in range(1, hops)} | {f"/r{hops}": rules()}
    network = site(moved(f"{host}/r1"), **pages)
    for target, page in pages.items():
        network._sites[network._ips["b.test"], 80].put(target, page)
    return network


@pytest.mark.parametrize("host", ["", "http://b.test"])
@pytest.mark.parametrize("hops", [1, 5])
def test_R05_five_hops_are_followed(crawl: Callable[..., Any], hops: int, host: str) -> None:
    network = chain(hops, host)
    obeyed(crawl, network)
    assert len([path for path in network.requests() if path.startswith("/r")]) == hops + 1


def test_R05_more_hops_and_loops_are_no_robots_txt(crawl: Callable[..., Any]) -> None:
    open_to_all(crawl, chain(6))
    loop = site(moved(ROBOTS))
    assert crawl(loop, URLS).outcomes == (2, 0, 0, 0)
    assert loop.requests().count(ROBOTS) <= MAX_HOPS
    open_to_all(crawl, site(answer(PRIVATE, 302)))
    nowhere = site(moved("ftp://a.test/robots.txt"))
    assert crawl(nowhere, URLS).outcomes == (0, 2, 0, 0)  # it is somewhere, and we cannot read it
    assert set(nowhere.requests()) == {ROBOTS}


@pytest.mark.parametrize("size", [700_000, 7_000_000])
def test_R06_of_a_large_file_the_first_500_kib_count(crawl: Callable[..., Any], size: int) -> None:
    filler = b"# nothing\n" * (500 * 1024 // 10 - 10)
    inside = b"User-agent: *\n" + filler + b"Disallow: /private\n" + b"# more\n" * (size // 7)
    with memory_below(40):
        obeyed(crawl, site(rules(inside)))


def test_R06_a_file_without_end_is_unreachable(crawl: Callable[..., Any]) -> None:
    endless = (b"HTTP/1.1 200 OK\r\n\r\n" + PRIVATE.encode(), *[b"# x\n" * 250_000] * 10)
    network = site(endless)
    with memory_below(60):
        crawled = crawl(network, URLS)
    assert (crawled.outcomes, crawled.reasons) == ((0, 2, 0, 0), {"failed: too large": 2})
    assert set(network.requests()) == {ROBOTS}


ODD: Final = {
    "a mark": b"\xef\xbb\xbf" + PRIVATE.encode(),
    "crlf": PRIVATE.replace("\n", "\r\n").encode(),
    "cr": PRIVATE.replace("\n", "\r").encode(),
    "no last line end": PRIVATE.strip().encode(),
    "capitals": b"USER-AGENT: *\nDISALLOW: /private",
    "blanks": b"  User-agent :  * \n\t Disallow :  /private  # why\n",
    "no blanks": b"user-agent:*\ndisallow:/private",
    "nul": b"\0\0\nUser-agent: *\nDisallow: /private\n\0",
    "latin-1": b"# caf\xe9\nUser-agent: *\nDisallow: /private\n",
    "nonsense between": b"User-agent: *\nFoo: bar\nnonsense\n<p>\nDisallow: /private\n",
    "empty lines between": b"User-agent: *\n\n\nDisallow: /private\n",
    "a crawl-delay first": b"User-agent: *\nCrawl-delay: 0\nDisallow: /private\n",
    "by our name": b"User-agent: *\nDisallow:\n\nUser-agent: scrapekit\nDisallow: /private\n",
    "our name with a version": b"User-agent: ScrapeKit/1.0\nDisallow: /private\n",
    "a pattern": b"User-agent: *\nDisallow: /*vate$\n",
    "encoded": b"User-agent: *\nDisallow: /%70rivate\n",
}


@pytest.mark.parametrize("name", ODD)
def test_R07_odd_files_are_obeyed(crawl: Callable[..., Any], name: str) -> None:
    obeyed(crawl, site(rules(ODD[name])))


@pytest.mark.parametrize(
    "body", [b"", b"\n\n", b"<!DOCTYPE html><html><body>Disallow: /private</body></html>", b"\x89PNG"]
)
def test_R07_what_holds_no_rules_allows_everything(crawl: Callable[..., Any], body: bytes) -> None:
    open_to_all(crawl, site(answer(body, 200, "Content-Type: text/html")))


def test_R07_it_may_come_packed_and_of_any_type(crawl: Callable[..., Any]) -> None:
    packed = answer(gzip.compress(PRIVATE.encode()), 200, "Content-Encoding: gzip", "Content-Type: image/png")
    obeyed(crawl, site(packed))


@pytest.mark.parametrize(("asked", "granted"), [("2", 2.0), ("0.5", 0.5), ("86400", 60.0)])
def test_R08_a_crawl_delay_is_honoured_up_to_a_cap(crawl: Callable[..., Any], asked: str, granted: float) -> None:
    network = site(rules(f"User-agent: *\nCrawl-delay: {asked}\n"), **{f"/{n}": GOOD for n in range(5)})
    crawled = crawl(network, [f"http://a.test/{n}" for n in range(5)], "limits.max_crawl_delay=60")
    assert crawled.outcomes == (5, 0, 0, 0)
    waits = [later.at - earlier.at for earlier, later in pairwise(network.log)]
    assert waits == [pytest.approx(granted, abs=1e-3)] * 5


def slowly(crawl: Callable[..., Any], network: FakeNetwork, pages: int) -> Any:
    return crawl(network, [f"http://a.test/{n}" for n in range(pages)], "limits.delay=10m", "crawl.max_wait=2d")


def test_R09_it_is_read_again_within_a_day(crawl: Callable[..., Any]) -> None:
    changes = [rules("User-agent: *\nDisallow:"), rules("User-agent: *\nDisallow: /")]
    network = site(changes, **{f"/{n}": GOOD for n in range(200)})
    crawled = slowly(crawl, network, 200)
    read = times(network, ROBOTS)
    assert read[1] - read[0] <= MAX_AGE
    assert max(asked.at for asked in network.log if asked.target != ROBOTS) <= read[1]
    assert crawled.outcomes[2] == 200 - crawled.outcomes[0] > 0


def test_R09_it_is_kept_while_it_cannot_be_read_again_but_for_no_longer_than_a_day(crawl: Callable[..., Any]) -> None:
    pages = {f"/{n}": GOOD for n in range(200)}
    network = site([rules("User-agent: *\nDisallow: /7"), answer(b"", 500)], **pages)
    crawled = slowly(crawl, network, 200)
    fetched = [asked.at for asked in network.log if asked.target != ROBOTS]
    assert max(fetched) - times(network, ROBOTS)[0] <= MAX_AGE + 1
    assert max(fetched) - times(network, ROBOTS)[1] > 6 * 3600  # and went on after it had failed
    assert times(network, "/7") == []
    assert crawled.reasons["failed: robots unreachable"] > 0


def test_R10_each_scheme_host_and_port_has_its_own(crawl: Callable[..., Any]) -> None:
    open_page = {ROBOTS: rules("User-agent: *\nDisallow:"), "/private": Page("good")}
    closed = {ROBOTS: rules(), "/private": Page("good")}
    network = FakeNetwork(
        {
            "http://a.test": closed,
            "https://a.test": open_page,
            "http://a.test:8080": open_page,
            "http://www.a.test": open_page,
            "https://www.a.test": closed,
        }
    )
    origins = ["http://a.test", "https://a.test", "http://a.test:8080", "http://www.a.test", "https://www.a.test"]
    crawled = crawl(network, [f"{origin}/private" for origin in origins])
    assert crawled.outcomes == (3, 0, 2, 0)
    assert sorted(crawled.urls) == sorted(f"{origin}/private" for origin in origins[1:4])
    assert network.requests().count(ROBOTS) == 5
