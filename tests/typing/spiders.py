"""What users write, as a type checker sees it: this file is not run, it must pass ``mypy --strict``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import assert_type

from scrapekit import Item, Request, Response, Spider, css


class Author(Item, root=".author"):
    name: str = css("h3")


class Book(Item, root="article"):
    title: str = css("h2")
    price: Decimal = css(".price", re=r"[\d.]+")
    subtitle: str | None = css("h3")
    tags: list[str] = css(".tag")
    authors: list[Author]
    shop: str = "none"


class Books(Spider):
    name = "books"
    start_urls = ["https://books.example.com/"]

    def parse(self, response: Response) -> Iterator[Book | Request]:
        for book in response.items(Book, shop="example"):
            assert_type(book, Book)
            yield book
        yield from response.follow_all(css="li.next a", callback=self.detail)
        for link in response.links(allow=r"/book/"):
            yield response.follow(link, callback="detail", priority=1)

    async def detail(self, response: Response) -> AsyncIterator[dict[str, str]]:
        assert_type(response.item(Book), Book | None)
        yield {"title": response.title, "type": response.headers.get("content-type", "")}


assert_type(Book(title="Walden", price=Decimal(7), subtitle=None, tags=[], authors=[Author(name="T")]), Book)
Book(title="Walden")  # type: ignore[call-arg]
Request("https://books.example.com/").url = "https://other.example.com/"  # frozen when run
