"""Two trees of real pages, crawled whole, and counted by other means."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.real.nginx import most_at_once
from tests.real.pages import walk

SPIDER = Path(__file__).with_name("spider.py")

LIFTED = """
[limits]
delay = 0.0
concurrency = 16
robots = "ignore"
"""


@pytest.mark.server
@pytest.mark.parametrize(("package", "at_least"), [("postgresql-doc-15", 1_100), ("python3.11-doc", 500)])
def test_every_page_that_a_plain_walk_reaches_is_fetched_once(package, at_least, serve, tree, crawl):
    server = serve(tree(package))
    start = f"{server.base}/index.html"
    walked = walk(start)
    server.forget()

    done = crawl(SPIDER, "-a", f"start={start}", toml=LIFTED)

    assert done.code == 0, done.said
    pages = {url for url, status in walked.items() if status == 200 and url.endswith(".html")}
    assert len(pages) >= at_least
    assert {item["url"] for item in done.items} == pages
    assert len(done.items) == len(pages)
    # The server's side of it: each thing that was linked was asked for once, and nothing else was.
    hits = server.hits()
    assert Counter(hit.target for hit in hits) == Counter(urlsplit(url).path for url in walked)
    assert most_at_once(hits) <= 16


@pytest.mark.server
def test_titles_and_headings_are_those_of_the_page(serve, tree, crawl):
    server = serve(tree("postgresql-doc-15"))
    done = crawl(SPIDER, "-a", f"start={server.base}/index.html", toml=LIFTED)
    page = next(item for item in done.items if item["url"].endswith("/sql-select.html"))
    assert page["title"] == "SELECT"
    assert "Synopsis" in page["headings"]
    assert "FROM Clause" in page["headings"]
