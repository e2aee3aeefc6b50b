"""The bundled shop's catalogue: a thousand books on fifty pages, and the special editions on the front page."""

from collections.abc import Iterator
from decimal import Decimal

from pydantic import HttpUrl

from scrapekit import Item, Request, Response, Spider, css


class Book(Item, root="article.book"):
    title: str = css(".title")
    author: str = css(".author", re=r"by (.+)")
    price: Decimal = css(".price", re="[^£]+")  # one says "Price on request": that book is rejected
    rating: int = css(".rating", attr="data-stars")
    stock: int = css(".stock", re=r"\d+", default=0)
    category: str = css("a.category")
    url: HttpUrl = css(".title a")


class Books(Spider):
    name = "books"
    start_urls = ["http://books.test/"]
    allowed_domains = ["books.test"]

    def parse(self, response: Response) -> Iterator[Book | Request]:
        yield from response.items(Book)
        yield from response.follow_all(css="a.next, a.pick")
