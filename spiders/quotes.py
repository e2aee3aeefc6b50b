"""The bundled quotes site: a hundred sayings, and who is said to have said them."""

from collections.abc import Iterator

from scrapekit import Item, Request, Response, Spider, css


class Quote(Item, root="div.quote"):
    text: str = css("span.text")
    author: str = css("small.author")
    tags: list[str] = css("a.tag")


class Author(Item, root="article.author"):
    name: str = css("h1")
    born: str = css(".date")
    place: str = css(".place")
    bio: str = css(".bio")


class Quotes(Spider):
    name = "quotes"
    start_urls = ["http://quotes.test/"]

    def parse(self, response: Response) -> Iterator[Quote | Request]:
        yield from response.items(Quote)
        yield from response.follow_all(css="li.next a")
        yield from response.follow_all(css="a.about", callback=self.parse_author)

    def parse_author(self, response: Response) -> Iterator[Author]:
        yield from response.items(Author)
