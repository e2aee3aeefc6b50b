"""Real pages crawled again and again: what was changed by hand is found, and the server is asked on condition."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.real.nginx import Nginx

pytestmark = pytest.mark.server

SPIDER = """
from scrapekit import Item, Spider, css


class Page(Item):
    url: str
    title: str = css("title")


class Pages(Spider):
    name = "pages"
    changes = "change"

    def __init__(self, start):
        self.start_urls = [start]

    def parse(self, response):
        yield response.item(Page, url=response.url)
        yield from response.follow_all(css="a")
"""
TOML = "[limits]\ndelay = 0\nconcurrency = 8\n"


@pytest.fixture
def site(tmp_path: Path, tree) -> Path:
    """Some of the pages, with one that links to each of them."""
    root = tmp_path / "site"
    root.mkdir()
    pages = sorted(tree("postgresql-doc-15").glob("app-*.html"))
    for page in pages:
        shutil.copy(page, root)
    links = "".join(f'<a href="{page.name}">on</a>' for page in pages)
    (root / "index.html").write_text(f"<title>all</title>{links}")
    return root


def statuses(server: Nginx) -> Counter[int]:
    return Counter(hit.status for hit in server.hits() if hit.target != "/robots.txt")


def test_what_was_changed_removed_and_added_is_found_and_the_rest_is_304(site, tmp_path, serve, crawl):
    spider = tmp_path / "pages.py"
    spider.write_text(SPIDER)
    server = serve(site)

    def crawled() -> dict[str, str]:
        server.forget()
        done = crawl(spider, "-a", f"start={server.base}/index.html", "--since-last", "--overwrite", toml=TOML)
        assert done.code == 0, done.said
        return {item["url"].rpartition("/")[2]: item["change"] for item in done.items}

    first = crawled()
    there = [page.name for page in site.iterdir()]
    assert {first[name] for name in there} == {"new"}
    outside = statuses(server)[404]  # pages of the manual that were not taken along
    assert crawled() == {}
    assert statuses(server) == {304: len(there), 404: outside}

    altered, touched, removed = "app-psql.html", "app-pgdump.html", "app-vacuumdb.html"
    (site / altered).write_text((site / altered).read_text() + '<a href="added.html">on</a>')
    (site / "added.html").write_text("<title>added</title>")
    (site / touched).touch()
    (site / removed).unlink()
    assert crawled() == {altered: "changed", "added.html": "new", removed: "gone"}
    assert statuses(server) == {304: len(there) - 3, 200: 3, 404: outside + 1}
    assert crawled() == {}


def test_pages_that_are_kept_are_read_again_without_the_server(site, tmp_path, serve, crawl):
    spider = tmp_path / "pages.py"
    spider.write_text(SPIDER)
    server = serve(site)
    first = crawl(spider, "-a", f"start={server.base}/index.html", "--cache", toml=TOML)
    server.forget()
    again = crawl(spider, "-a", f"start={server.base}/index.html", "--cache", "--overwrite", toml=TOML)
    assert server.hits() == []

    def known(items: list[dict[str, str]]) -> list[tuple[str, str]]:
        return sorted((item["url"], item["title"]) for item in items)

    assert known(again.items) == known(first.items)
    assert len(first.items) > 20
