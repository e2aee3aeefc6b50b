"""H: statuses by which a site says no, or not now. Time is virtual; what was sent and when is the network's own log."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import uuid4

import pytest

from scrapekit import Request
from scrapekit.retry import RETRY
from scrapekit.testing import FakeNetwork
from tests.scenarios.server import GOOD, answer

URL = "http://a.test/page"


def site(*plays: Any, **more: Any) -> FakeNetwork:
    """A site whose page is these answers, one after the other, beside another one."""
    return FakeNetwork({"a.test": {"/page": list(plays), "/other": GOOD, **more}, "b.test": {"/": GOOD}})


def times(network: FakeNetwork, target: str = "/page") -> list[float]:
    return [asked.at for asked in network.log if asked.target == target]


def gaps(network: FakeNetwork, target: str = "/page") -> list[float]:
    return [later - earlier for earlier, later in pairwise(times(network, target))]


def busy(status: int, after: str) -> bytes:
    return answer(b"not now", status, f"Retry-After: {after}")


@pytest.mark.parametrize("status", [429, 503])
def test_H01_retry_after_in_seconds_is_obeyed_by_the_whole_host(crawl: Callable[..., Any], status: int) -> None:
    network = site(busy(status, "3"), GOOD)
    crawled = crawl(network, [URL, "http://a.test/other", "http://b.test/"])
    assert (crawled.outcomes, crawled.stats.retries) == ((3, 0, 0, 0), 1)
    first, second = times(network)
    assert 3 <= second - first < 4
    assert not [asked for asked in network.log if asked.host == "a.test" and first < asked.at < first + 3]
    assert times(network, "/")[0] < first + 3  # another host is not held up


@pytest.mark.parametrize("status", [429, 503])
def test_H02_retry_after_as_a_date_is_obeyed(crawl: Callable[..., Any], status: int) -> None:
    network = site(lambda asked: busy(status, formatdate(int(asked.at) + 4, usegmt=True)), GOOD)
    crawled = crawl(network, [URL, "http://a.test/other"])
    assert crawled.outcomes == (2, 0, 0, 0)
    assert 3 <= gaps(network)[0] < 5
    assert times(network, "/other")[0] >= times(network)[1] - 1e-6


NONSENSE = ["soon", "-5", "1.5", "", "3 s", "0x10", "Wed, 21 Oct 2015 07:28:00 GMT", "Thu, 99 Foo 2100 99:99:99 GMT"]


@pytest.mark.parametrize("after", NONSENSE)
def test_H03_a_retry_after_that_says_nothing_leaves_it_to_our_own_back_off(
    crawl: Callable[..., Any], after: str
) -> None:
    # The virtual clock begins in January 1970: what has passed is before that.
    network = site(busy(503, after.replace("2015", "1969")), GOOD)
    assert crawl(network, [URL]).outcomes == (1, 0, 0, 0)
    assert RETRY[503].wait <= gaps(network)[0] <= RETRY[503].wait * 1.2


@pytest.mark.parametrize("after", ["99999999999", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_H03_a_retry_after_beyond_all_measure_sets_the_host_aside(crawl: Callable[..., Any], after: str) -> None:
    network = site(busy(503, after), GOOD)
    crawled = crawl(network, [URL, "http://b.test/"])
    stats = crawled.stats
    assert (stats.end, stats.fetched, stats.pending, stats.seen) == ("stalled", 1, 1, 2)
    assert len(times(network)) == 1
    assert crawled.seconds < 60


def test_H04_it_is_tried_again_after_waits_that_grow(crawl: Callable[..., Any]) -> None:
    def waits(seed: int) -> list[float]:
        network = site(answer(b"", 503), answer(b"", 503), GOOD)
        crawled = crawl(network, [URL], random=Random(seed))
        assert (crawled.outcomes, crawled.bodies, crawled.stats.retries) == ((1, 0, 0, 0), [b"good"], 2)
        return gaps(network)

    first, second = waits(1)
    assert RETRY[503].wait <= first < RETRY[503].wait * 1.2
    assert 2 * RETRY[503].wait <= second < RETRY[503].wait * 2.4
    assert waits(2) != [first, second]
    assert waits(1) == [first, second]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 406, 407, 409, 410, 418, 451, 501, 505, 511, 999])
def test_H05_what_will_not_change_is_not_tried_again(crawl: Callable[..., Any], status: int) -> None:
    network = site(answer(b"no", status), GOOD)
    crawled = crawl(network, [URL])
    assert (crawled.outcomes, crawled.reasons) == ((0, 1, 0, 0), {f"failed: status {status}": 1})
    assert crawled.failures[0].response.body == b"no"
    assert len(times(network)) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524])
def test_H05_what_may_pass_is_tried_again_so_often(crawl: Callable[..., Any], status: int) -> None:
    tries = 1 + RETRY[status].times
    network = site(answer(b"no", status))
    crawled = crawl(network, [URL])
    assert (crawled.outcomes, crawled.reasons) == ((0, 1, 0, 0), {f"failed: status {status}": 1})
    assert len(times(network)) == tries
    assert min(gaps(network)) >= RETRY[status].wait
    recovers = site(*[answer(b"no", status)] * (tries - 1), GOOD)
    assert crawl(recovers, [URL]).bodies == [b"good"]


@pytest.mark.parametrize(("status", "tries"), [(500, 1), (503, 1)])
def test_H05_a_post_is_not_tried_again_that_may_have_been_heard(
    crawl: Callable[..., Any], status: int, tries: int
) -> None:
    network = site(answer(b"no", status), GOOD)
    assert crawl(network, [Request(URL, method="POST", body=b"x")]).outcomes == (0, 1, 0, 0)
    assert len(times(network)) == tries


CHANGED: Final = "Wed, 21 Oct 2015 07:28:00 GMT"


def validated(asked: Any) -> bytes:
    """A page that never changes; its ETag does, once, and the 304 says so."""
    known = asked.headers.get("if-none-match")
    if known is None:
        return answer(b"<p>good</p>", 200, 'ETag: "v1"', f"Last-Modified: {CHANGED}", "Content-Type: text/html")
    return b'HTTP/1.1 304 Not Modified\r\nETag: "v2"\r\nContent-Length: 100\r\n\r\n'


def alone() -> str:
    """A host that no other crawl of this machine visits: of two that are kept, the second one would wait."""
    return f"{uuid4().hex}.test"


def test_H06_what_has_not_changed_is_asked_for_on_condition_and_kept(crawl: Callable[..., Any], tmp_path: Path) -> None:
    host, asked = alone(), []
    url, network = f"http://{host}/page", FakeNetwork({host: {"/page": validated}})
    for run in range(3):
        crawled = crawl(network, [url], keep=True, root=tmp_path, since_last=run > 0)
        assert crawled.outcomes == (1, 0, 0, 0)
        # What is as before is not read again: the items that it gave stand.
        assert (crawled.bodies, crawled.items) == (([b"<p>good</p>"], [{"url": url}]) if run == 0 else ([], []))
        assert crawled.stats.statuses[304] == (run > 0)
        last = network.log[-1].headers
        asked.append((last.get("if-none-match"), last.get("if-modified-since")))
    assert asked == [(None, None), ('"v1"', CHANGED), ('"v2"', CHANGED)]
    assert network.requests().count("/page") == 3


def test_H06_what_has_changed_is_read_again(crawl: Callable[..., Any], tmp_path: Path) -> None:
    host, pages = alone(), [answer(b"old", 200, 'ETag: "v1"'), answer(b"new", 200, 'ETag: "v2"')]
    url, network = f"http://{host}/page", FakeNetwork({host: {"/page": pages}})
    assert crawl(network, [url], keep=True, root=tmp_path).bodies == [b"old"]
    assert crawl(network, [url], keep=True, root=tmp_path, since_last=True).bodies == [b"new"]
    assert network.log[-1].headers["if-none-match"] == '"v1"'


def test_H07_a_304_that_nobody_asked_for_is_an_empty_answer(crawl: Callable[..., Any]) -> None:
    network = site(b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 100\r\n\r\n')
    crawled = crawl(network, [URL, "http://a.test/other"], follow=True)
    assert crawled.outcomes == (2, 0, 0, 0)
    assert [(each.status, each.body) for each in crawled.answers] == [(304, b""), (200, b"good")]
    assert network.opened == 1
