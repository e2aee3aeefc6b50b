"""The job in scrapekit: follow every link below the start's folder; one item a page with url, title and headings."""

from __future__ import annotations

from collections.abc import Iterator

from scrapekit import Item, Request, Response, Spider, css


class Page(Item):
    url: str
    title: str = css("title")
    headings: list[str] = css("h1, h2, h3, h4, h5, h6")


class Pages(Spider):
    name = "pages"

    def __init__(self, start: str) -> None:
        self.start_urls = [start]
        self.inside = start.rsplit("/", 1)[0] + "/"

    def parse(self, response: Response) -> Iterator[Page | Request | None]:
        if "html" in response.headers.get("content-type", ""):
            yield response.item(Page, url=response.url)
            for request in response.follow_all():
                if request.url.startswith(self.inside):
                    yield request
