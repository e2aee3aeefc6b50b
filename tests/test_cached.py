"""A crawl with --cache: what was fetched once is read again without a request, a pause, or a look at robots.txt."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from scrapekit import Request, Response, Settings, Spider, Stats
from scrapekit.cache import FILE_NAME, PageCache
from scrapekit.crawler import prepare_crawl
from scrapekit.errors import ConfigError
from scrapekit.ledger import read
from scrapekit.sinks import HOME
from scrapekit.testing import FakeNetwork, FakeSite, Page, VirtualClock

CONTACT = "identity.contact=https://example.org/bot"


class Pages(Spider):
    name = "pages"
    start_urls = ["http://a.test/"]

    def parse(self, response: Response) -> Iterator[Any]:
        yield {"url": response.url, "text": [node.text() for node in response.css("p")], "by": response.history}
        yield from response.follow_all(css="a")


class Crawls:
    """Crawls of one network from one project's folder, with a pause of ten seconds between two requests."""

    def __init__(self, root: Path, run: Any) -> None:
        self.root, self._run = root, run
        links = "".join(f"<a href=/{n}>on</a>" for n in range(30))
        self.site = FakeSite({"/robots.txt": 404, "/": f"<p>home</p>{links}<a href=/moved>on</a><a href=/gone>on</a>"})
        for n in range(30):
            self.site.put(f"/{n}", f"<p>page {n}</p>")
        self.site.put("/moved", Page("", 302, {"Location": "/there", "Set-Cookie": "seen=1", "Retry-After": "60"}))
        self.site.put("/there", lambda asked: f"<p>{asked.headers.get('cookie')}</p>")
        self.network = FakeNetwork({"a.test": self.site})
        self.clock, self.stats, self.seconds = VirtualClock(), Stats(), 0.0

    def go(self, spider: type[Spider] = Pages, *sets: str, **more: Any) -> list[Any]:
        """Crawl with the cache; gives the items, in the order of their URLs."""
        self.network.log.clear()
        clock = self.clock  # it goes on: the project remembers when a host was last visited
        settings = Settings().overridden([CONTACT, "limits.delay=10", *sets])
        crawl = prepare_crawl(
            spider, settings, keep=True, network=self.network, clock=clock, root=self.root, **{"cache": True, **more}
        )
        began = clock()
        self.stats = self._run(crawl.run, clock=clock)
        self.seconds = clock() - began
        self.folder = crawl.run_folder
        assert self.folder is not None
        return sorted(map(json.loads, self.folder.items.read_text().splitlines()), key=lambda item: item["url"])


@pytest.fixture
def crawls(tmp_path: Path, run: Callable[..., Any]) -> Crawls:
    return Crawls(tmp_path, run)


def test_the_second_crawl_gives_the_same_items_and_sends_nothing(crawls):
    first = crawls.go()
    assert len(first) == 32
    assert len(crawls.network.log) == 35  # and robots.txt, the redirect, and the page that is gone
    with closing(PageCache(crawls.root / HOME)) as cache:
        assert cache.sizes().answers == 34
    assert crawls.go() == first
    assert crawls.network.log == []
    assert crawls.seconds < 1
    assert (crawls.stats.sends, crawls.stats.bytes) == (0, 0)
    assert (crawls.stats.fetched, crawls.stats.failed, crawls.stats.redirects) == (32, 1, 1)
    assert crawls.stats.reasons == {("fetched", "cached"): 32, ("failed", "status 404"): 1}


def test_what_is_replayed_is_no_send_on_record(crawls):
    crawls.go()
    crawls.go()
    assert crawls.folder is not None
    assert read(crawls.folder.path).sends == []


def test_what_a_changed_spider_asks_for_besides_is_fetched_and_kept_too(crawls):
    class More(Pages):
        start_urls = ["http://a.test/", "http://a.test/more"]

    crawls.site.put("/more", "<p>more</p>")
    crawls.go()
    assert len(crawls.go(More)) == 33
    assert crawls.network.requests() == ["/more"]
    crawls.go(More)
    assert crawls.network.requests() == []


def test_the_errback_is_told_of_a_failure_that_was_kept(crawls):
    class Telling(Pages):
        def errback(self, failure: Any) -> Iterator[Any]:
            yield {"url": failure.request.url, "error": str(failure.error)}

    crawls.go()
    assert {"url": "http://a.test/gone", "error": "status 404"} in crawls.go(Telling)
    assert crawls.network.log == []


def test_failures_that_may_pass_are_asked_again(crawls):
    crawls.site.put("/3", 500)
    crawls.go(Pages, "limits.delay=0")
    crawls.site.put("/3", "<p>page 3</p>")
    assert len(crawls.go()) == 32
    assert crawls.network.requests() == ["/3"]


def test_without_the_option_nothing_is_kept_and_nothing_replayed(crawls):
    crawls.go(cache=False)
    assert not (crawls.root / HOME / FILE_NAME).exists()
    for cache in (True, False):
        crawls.go(cache=cache)
        assert len(crawls.network.log) == 34


def test_more_pages_than_a_window_holds_are_replayed(crawls):
    many = "".join(f"<a href=/many/{n}>on</a>" for n in range(700))
    crawls.site.put("/", many)
    for n in range(700):
        crawls.site.put(f"/many/{n}", "<p>one of many</p>")
    sets = ("limits.delay=0", "crawl.window=8")
    first = crawls.go(Pages, *sets)
    assert len(first) == 701
    assert crawls.go(Pages, *sets) == first
    assert crawls.network.log == []


def test_a_crawl_of_what_is_kept_stops_at_its_bounds_and_goes_on_where_it_was(crawls):
    first = crawls.go()
    crawls.go(max_pages=5)
    assert (crawls.stats.end, crawls.stats.fetched) == ("max-pages", 5)
    assert crawls.go(resume=True) == first
    assert crawls.network.log == []


def test_a_spider_that_prepares_its_requests_may_still_leave_some_out(crawls):
    class Picking(Pages):
        def prepare(self, request: Request) -> Request | None:
            return None if request.url.endswith("/7") else request

    assert len(crawls.go()) == 32
    assert len(crawls.go(Picking)) == 31
    assert crawls.stats.reasons["dropped", "prepare"] == 1
    assert crawls.network.log == []


def test_an_answer_that_goes_missing_is_fetched(crawls):
    class Forgetful(Pages):
        """While it reads the second page, another process clears the cache."""

        def parse(self, response: Response) -> Iterator[Any]:
            yield from super().parse(response)
            if response.url != "http://a.test/":  # by then the others are known to be there
                data = sqlite3.connect(crawls.root / HOME / FILE_NAME, isolation_level=None)
                data.execute("DELETE FROM answers")
                data.close()

    first = crawls.go()
    assert crawls.go(Forgetful, "limits.delay=0") == first
    assert 30 <= len(crawls.network.log) <= 33


def test_it_excludes_an_incremental_crawl(crawls):
    with pytest.raises(ConfigError, match="exclude each other"):
        crawls.go(since_last=True)
