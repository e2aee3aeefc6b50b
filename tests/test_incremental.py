"""Crawls one after the other: what has changed is read again, what has not is left alone, and what is gone is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scrapekit import Response, Settings, Spider, Stats
from scrapekit.crawler import prepare_crawl
from scrapekit.errors import ConfigError
from scrapekit.sinks import RunFolder
from scrapekit.testing import FakeNetwork, FakeSite, Page, VirtualClock
from scrapekit.testing.site import Received

SETTINGS = Settings().overridden(["identity.contact=https://example.org/bot", "limits.delay=0"])


class Shop:
    """A site of pages with links, each with an ETag and a date as far as it gives those."""

    def __init__(self, *, etags: bool = True, dates: bool = False, heeds: bool = True) -> None:
        self.etags, self.dates, self.heeds = etags, dates, heeds
        self.site = FakeSite({"/robots.txt": 404})
        self.network = FakeNetwork({"a.test": self.site})
        self.pages: dict[str, tuple[str, int]] = {}

    def put(self, path: str, text: str = "", *links: str) -> None:
        """A page is there from now on, in a new version."""
        body = f"<p>{text}</p>" + "".join(f"<a href={link}>on</a>" for link in links)
        self.pages[path] = (body, self.pages.get(path, ("", 0))[1] + 1)
        self.site.put(path, lambda asked: self.answer(path, asked))

    def answer(self, path: str, asked: Received) -> Page:
        body, version = self.pages[path]
        tag, date = f'"v{version}"', f"Mon, {version:02} Jan 2024 00:00:00 GMT"
        fields = ([("ETag", tag)] if self.etags else []) + ([("Last-Modified", date)] if self.dates else [])
        same = asked.headers.get("if-none-match") == tag or (
            "if-none-match" not in asked.headers and asked.headers.get("if-modified-since") == date
        )
        if self.heeds and same and fields:
            return Page("", 304, fields)
        return Page(body, 200, fields)

    def asked(self) -> dict[str, bool]:
        """The paths asked for since the last look, and whether on a condition."""
        log, self.network.log = self.network.log, []
        found = {each.target: "if-none-match" in each.headers or "if-modified-since" in each.headers for each in log}
        found.pop("/robots.txt", None)
        return found


class Pages(Spider):
    name = "pages"
    start_urls = ["http://a.test/"]
    changes = "change"

    def parse(self, response: Response) -> Iterator[Any]:
        yield {"url": response.url, "text": response.css("p")[0].text()}
        yield from response.follow_all(css="a")


class Crawls:
    """Crawls of one shop from one project's folder."""

    def __init__(self, root: Path, shop: Shop, run: Any) -> None:
        self.root, self.shop, self._run = root, shop, run
        self.stats = Stats()

    def again(self, spider: type[Spider] = Pages, **more: Any) -> dict[str, str]:
        """Crawl since the last time; gives how each path of an item has changed."""
        clock = VirtualClock()
        made = prepare_crawl(
            spider, SETTINGS, keep=True, network=self.shop.network, clock=clock, root=self.root,
            **{"since_last": True, **more},
        )  # fmt: skip
        self.stats = self._run(made.run, clock=clock)
        assert made.run_folder is not None
        self.items = [json.loads(line) for line in made.run_folder.items.read_text().splitlines()]
        return {item["url"].removeprefix("http://a.test"): item.get("change", "-") for item in self.items}

    @property
    def unchanged(self) -> int:
        return self.stats.reasons["fetched", "unchanged"]


@pytest.fixture
def crawls(tmp_path: Path, run: Any) -> Any:
    return lambda shop: Crawls(tmp_path, shop, run)


def small(**facts: bool) -> Shop:
    shop = Shop(**facts)
    shop.put("/", "home", "/a", "/b")
    shop.put("/a", "one", "/a/deep")
    shop.put("/b", "two")
    shop.put("/a/deep", "three")
    return shop


KINDS = [
    {"etags": True},
    {"etags": False, "dates": True},
    {"etags": True, "dates": True},
    {"etags": False, "dates": False},
    {"etags": True, "heeds": False},
    {"etags": False, "dates": True, "heeds": False},
]


@pytest.mark.parametrize("facts", KINDS, ids=str)
def test_what_has_not_changed_gives_nothing_and_what_has_is_said_whatever_the_server_does(crawls, facts):
    shop = small(**facts)
    crawl = crawls(shop)
    assert crawl.again() == dict.fromkeys(["/", "/a", "/b", "/a/deep"], "new")
    assert set(shop.asked().values()) == {False}
    for _ in range(2):
        assert crawl.again() == {}
        conditional = facts.get("etags", True) or facts.get("dates", False)
        assert shop.asked() == dict.fromkeys(["/", "/a", "/b", "/a/deep"], conditional)
        assert (crawl.stats.fetched, crawl.unchanged) == (4, 4)
    shop.put("/a/deep", "changed")
    assert crawl.again() == {"/a/deep": "changed"}
    assert crawl.unchanged == 3
    assert crawl.again() == {}


def test_a_page_behind_unchanged_ones_is_visited_and_new_ones_are_found_through_changed_ones(crawls):
    shop = small()
    crawl = crawls(shop)
    crawl.again()
    shop.put("/a/deep", "changed", "/new")
    shop.put("/new", "new")
    assert crawl.again() == {"/a/deep": "changed", "/new": "new"}
    assert crawl.again() == {}
    assert crawl.stats.fetched == crawl.unchanged == 5


def test_a_page_that_is_gone_gives_its_items_once_more(crawls):
    shop = small()
    crawl = crawls(shop)
    crawl.again()
    crawl.again()  # its items are in the run before this one
    shop.site.put("/a/deep", 404)
    assert crawl.again() == {"/a/deep": "gone"}
    assert crawl.items == [{"url": "http://a.test/a/deep", "text": "three", "change": "gone"}]
    assert crawl.again() == {}
    shop.put("/a/deep", "back")
    assert crawl.again() == {"/a/deep": "new"}


def test_a_site_that_is_ill_for_a_day_makes_no_page_new(crawls):
    shop = small()
    crawl = crawls(shop)
    crawl.again()
    shop.site.put("/b", 403)
    assert crawl.again() == {}
    shop.put("/b", "two")
    shop.pages["/b"] = (shop.pages["/b"][0], 1)
    assert crawl.again() == {}
    assert crawl.unchanged == 4


def test_a_redirected_page_is_asked_for_where_it_was_found(crawls):
    shop = small()
    shop.site.put("/b", Page("", 302, {"Location": "/c"}))
    shop.put("/c", "moved here")
    crawl = crawls(shop)
    assert crawl.again()["/c"] == "new"
    shop.asked()
    assert crawl.again() == {}
    assert shop.asked() == {"/": True, "/a": True, "/b": False, "/c": True, "/a/deep": True}
    shop.site.put("/b", Page("", 302, {"Location": "/d"}))
    shop.put("/d", "moved on")
    assert crawl.again() == {"/d": "changed"}


def test_without_a_former_run_it_is_an_ordinary_crawl_and_said_so(crawls, caplog):
    crawl = crawls(small())
    assert len(crawl.again()) == 4
    assert "no run of pages has ended in good order, so this is an ordinary crawl" in caplog.text


def test_a_run_with_other_arguments_is_another_crawl(crawls, caplog):
    class Picking(Pages):
        def __init__(self, path: str) -> None:
            self.start_urls = [f"http://a.test{path}"]

    crawl = crawls(small())
    assert crawl.again(Picking, arguments={"path": "/a"}) == {"/a": "new", "/a/deep": "new"}
    assert crawl.again(Picking, arguments={"path": "/b"}) == {"/b": "new"}
    assert caplog.text.count("no run of pages with these arguments has ended in good order") == 2
    assert crawl.again(Picking, arguments={"path": "/a"}) == {}
    assert crawl.stats.fetched == 2


def test_an_ordinary_crawl_reads_everything_and_the_next_one_goes_by_it(crawls):
    crawl = crawls(shop := small())
    crawl.again()
    assert len(crawl.again(since_last=False)) == 4
    shop.put("/b", "changed")
    assert crawl.again() == {"/b": "changed"}


def test_a_spider_that_does_not_ask_gets_what_is_new_or_changed_as_it_is(crawls):
    class Plain(Pages):
        changes = ""

    crawl = crawls(shop := small())
    crawl.again(Plain)
    shop.put("/b", "changed")
    shop.site.put("/a", 404)
    assert crawl.again(Plain) == {"/b": "-"}


def test_an_interrupted_incremental_crawl_goes_on_as_one(crawls):
    crawl = crawls(shop := small())
    crawl.again()
    shop.put("/a/deep", "changed")
    assert crawl.again(max_pages=2) == {}
    assert crawl.unchanged == 2
    assert crawl.again(resume=True, since_last=False) == {"/a/deep": "changed"}
    assert (crawl.stats.fetched, crawl.unchanged) == (4, 3)


def test_a_run_that_stopped_at_a_bound_is_gone_by_only_where_none_is_finished(crawls):
    crawl = crawls(shop := small())
    crawl.again(max_pages=2)
    shop.asked()
    crawl.again(max_pages=1)
    assert shop.asked() == {"/": True}
    crawl.again(since_last=False)
    crawl.again(since_last=False, max_pages=1)
    assert crawl.again() == {}


def test_a_callback_that_dies_is_called_again_although_the_page_is_as_before(crawls):
    class Dying(Pages):
        def parse(self, response: Response) -> Iterator[Any]:
            yield from super().parse(response)
            if response.url.endswith("/b"):
                raise RuntimeError("dead")

    crawl = crawls(small())
    crawl.again(Dying)
    assert crawl.again() == {"/b": "new"}


def test_a_former_run_that_is_damaged_is_told_with_the_way_out(crawls, tmp_path):
    crawl = crawls(small())
    crawl.again()
    (run,) = RunFolder.all(tmp_path)
    with run.frontier.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (run.frontier.stat().st_size - 4096))
    with pytest.raises(ConfigError, match=f"the former run {run.id} cannot be read"):
        crawl.again()
