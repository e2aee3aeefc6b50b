"""The pages of the bookshop: each is a function of its path. Knows no clock, no socket, and remembers nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Final

from scrapekit.demo import catalogue as books
from scrapekit.demo.catalogue import Book
from scrapekit.demo.covers import cover
from scrapekit.demo.markup import Crumbs, Place, icon, missing, page, pager, sitemap, style, svg
from scrapekit.demo.shelves import GONE, MEMBERS, UNLISTED, WEEK, book_path, cards, label, link, picks, sidebar, tile
from scrapekit.http.dialogue import ServerReply

PER_PAGE: Final = 20
ROBOTS: Final = """\
# Readers are welcome, and so are robots that take their time.
User-agent: *
Crawl-delay: {delay}
Disallow: /basket
Disallow: /search
Disallow: /members/
Allow: /members/join
Disallow: /*?sort=

# This one came a hundred times a second.
User-agent: gulpbot
Disallow: /

Sitemap: {origin}/sitemap.xml
"""
#: What robots.txt asks for, in seconds between requests.
CRAWL_DELAY: Final = 0.15

Query = Mapping[str, str]
#: How a list may be sorted; robots.txt asks robots to leave these alone, as they show nothing new.
SORTS: Final[Mapping[str, Callable[[Book], object]]] = {
    "price": lambda book: (book.pence is None, book.pence),
    "rating": lambda book: -book.rating,
    "title": lambda book: book.title,
}


def answer(path: str, query: Query, place: Place) -> ServerReply:
    """The reply to a GET of this path; 404 where there is nothing."""
    for pattern, build in _ROUTES:
        if found := pattern.fullmatch(path):
            return build(place, query, **found.groupdict()) or missing(place, "shop")
    return missing(place, "shop")


def _front(place: Place, query: Query) -> ServerReply | None:
    return _catalogue(place, query, "1")


def _catalogue(place: Place, query: Query, number: str) -> ServerReply | None:
    sort = query.get("sort", "")
    shelf = sorted(books.catalogue(), key=SORTS[sort]) if sort in SORTS else books.catalogue()  # type: ignore[arg-type]
    wanted, last = int(number), -(-len(shelf) // PER_PAGE)
    if not 1 <= wanted <= last:
        return None
    suffix = f"?sort={sort}" if sort in SORTS else ""
    top = picks(place) if wanted == 1 and not suffix else ""
    title = "All books" if wanted == 1 else f"All books, page {wanted}"
    sorts = " · ".join(f'<a rel="nofollow" href="{place.shop}/?sort={each}">{each}</a>' for each in SORTS)
    body = (
        f'<div class="columns">{sidebar(place)}<main>{top}<div class="heading"><h1>{title}</h1>'
        f'<p class="sorts">Sort by {sorts}</p></div>{cards(place, _cut(shelf, wanted))}'
        f"{pager(f'{place.shop}/{suffix}', f'{place.shop}/catalogue/{{}}{suffix}', wanted, last)}\n</main></div>"
    )
    return page(title, body, place=place, kind="shop", crumbs=_crumbs(place) if wanted > 1 else ())


def _category(place: Place, query: Query, slug: str, number: str | None) -> ServerReply | None:
    category = books.categories().get(slug)
    if category is None:
        return None
    shelf, wanted = books.shelved(category), int(number or 1)
    last = -(-len(shelf) // PER_PAGE)
    if not 1 <= wanted <= last:
        return None
    first = f"{place.shop}/category/{slug}"
    body = (
        f'<div class="columns">{sidebar(place, category)}<main><div class="heading"><h1>{escape(category.name)}</h1>'
        f"<p>{len(shelf)} books</p></div>{cards(place, _cut(shelf, wanted))}"
        f"{pager(first, first + '/{}', wanted, last)}</main></div>"
    )
    return page(category.name, body, place=place, kind="shop", crumbs=_crumbs(place))


def _categories(place: Place, query: Query) -> ServerReply:
    tiles = "".join(tile(place, category, books.shelved(category)) for category in books.categories().values())
    body = f'<main><div class="heading"><h1>Categories</h1></div><ul class="tiles">{tiles}</ul></main>'
    return page("Categories", body, place=place, kind="shop", crumbs=_crumbs(place))


def _book(place: Place, query: Query, number: str, slug: str | None) -> ServerReply | None:
    book = books.book(int(number))
    if book is None:
        return None
    if book.slug != f"{number}{slug or ''}":  # one book, one address
        return ServerReply.moved(f"{place.shop}{book_path(book)}", status=301)
    facts = "".join(
        f'<dt>{name}</dt><dd class="{name.lower()}">{escape(str(value))}</dd>'
        for name, value in (
            ("UPC", book.upc), ("Pages", book.pages), ("Year", book.year), ("Binding", book.binding),
        )
    )  # fmt: skip
    others = "".join(link(place, other) for other in books.related(book))
    body = (
        f'<main><article class="book single"><img class="cover" src="{place.shop}/cover/{book.number}.svg" '
        f'alt="Cover of {escape(book.title)}" width="240" height="360"><div class="about">'
        f'<h1 class="title"><a href="{place.shop}{book_path(book)}">{escape(book.title)}</a></h1>{label(place, book)}'
        f'<p class="blurb">{escape(book.blurb)}</p><p><a class="button add" rel="nofollow" '
        f'href="{place.shop}/basket?add={book.upc}">Add to basket</a></p><dl class="facts">{facts}</dl></div></article>'
        f'<section class="related"><h2>From the same shelf</h2><ul class="shelf">{others}</ul></section></main>'
    )
    shelf = (book.category.name, f"{place.shop}/category/{book.category.slug}")
    return page(book.title, body, place=place, kind="shop", crumbs=(*_crumbs(place), shelf))


def _cover(place: Place, query: Query, number: str) -> ServerReply | None:
    book = books.book(int(number))
    title, author = (book.title, book.author) if book else UNLISTED.get(int(number), ("", ""))
    return svg(cover(int(number), title, author)) if title else None


def _week(place: Place, query: Query) -> ServerReply:
    return ServerReply.moved(f"{place.shop}{book_path(books.specials()[books.OF_THE_WEEK])}")


def _home(place: Place, query: Query, **_: str) -> ServerReply:
    return ServerReply.moved(f"{place.shop}/", status=301)


def _search(place: Place, query: Query) -> ServerReply:
    asked = query.get("q", "").strip()
    found = [book for book in books.catalogue() if asked and asked.lower() in book.title.lower()]
    note = f"{len(found)} found for “{asked}”" if asked else "Type a part of a title."
    more = " The first twenty:" if len(found) > PER_PAGE else ""
    body = (
        f'<main><div class="heading"><h1>Search</h1><p>{escape(note)}.{more}</p></div>'
        f"{cards(place, found[:PER_PAGE])}</main>"
    )
    return page("Search", body, place=place, kind="shop", crumbs=_crumbs(place))


def _basket(place: Place, query: Query) -> ServerReply:
    return _message(place, "Basket", "Your basket is empty, and will stay so: nothing here is really for sale.")


def _first_look(place: Place, query: Query) -> ServerReply:
    text = "Next month's books, for members only. robots.txt asks robots not to come here, and polite ones do not."
    return _message(place, "First look", text)


def _join(place: Place, query: Query) -> ServerReply:
    return _message(place, "Become a member", "You are one already. That was easy.")


def _about(place: Place, query: Query) -> ServerReply:
    odd = books.book(books.ON_REQUEST)
    assert odd is not None
    rows = (
        (book_path(books.specials()[books.SLOW]), "a page that takes its time", "a bit over a second"),
        (book_path(books.specials()[books.BUSY]), "a page that is busy at first", "503 with Retry-After, then 200"),
        (WEEK, "a redirect", "302 to a special edition"),
        ("/catalogue", "a page that has moved", "301 to the front page"),
        (GONE, "a page that is gone", "404"),
        (book_path(odd), "a price that is no number", "“Price on request”, once in 1,000 books"),
        (MEMBERS, "a page that robots.txt forbids", "it is there, and polite robots never see it"),
        ("/members/join", "a page that robots.txt allows again", "the longer rule wins"),
    )
    listed = "".join(
        f'<tr><td><a href="{place.shop}{escape(path)}">{what}</a></td><td>{how}</td></tr>' for path, what, how in rows
    )
    body = (
        '<main class="prose"><h1>What is here to find</h1><p>This shop has 1,000 books on fifty pages, a page for each '
        "of them, and a few special editions that only the front page leads to. Beside it is a site of "
        f'<a href="{place.quotes}/">quotations</a>. Both are there to be crawled, politely. Some of what a crawler '
        f"meets in the wild has been put on the way:</p><table>{listed}</table></main>"
    )
    return page("About", body, place=place, kind="shop", crumbs=_crumbs(place))


def _robots(place: Place, query: Query) -> ServerReply:
    return ServerReply.text(ROBOTS.format(delay=CRAWL_DELAY, origin=place.origin), "text/plain; charset=utf-8")


def _sitemap(place: Place, query: Query) -> ServerReply:
    last = len(books.catalogue()) // PER_PAGE
    paths = ["/", "/categories", "/about", *(f"/catalogue/{number}" for number in range(2, last + 1))]
    paths += [f"/category/{slug}" for slug in books.categories()]
    paths += [book_path(book) for book in (*books.specials().values(), *books.catalogue())]
    return sitemap(place.origin + path for path in paths)


def _message(place: Place, title: str, text: str) -> ServerReply:
    body = (
        f'<main class="message"><h1>{escape(title)}</h1><p>{escape(text)}</p>'
        f'<p><a class="button" href="{place.shop}/">Back to the books</a></p></main>'
    )
    return page(title, body, place=place, kind="shop", crumbs=_crumbs(place))


def _crumbs(place: Place) -> Crumbs:
    return (("Books", f"{place.shop}/"),)


def _cut(shelf: Sequence[Book], number: int) -> Sequence[Book]:
    return shelf[(number - 1) * PER_PAGE : number * PER_PAGE]


#: path     what builds the page; groups of the pattern are arguments
_ROUTES: Final[tuple[tuple[re.Pattern[str], Callable[..., ServerReply | None]], ...]] = tuple(
    (re.compile(pattern, re.ASCII), build)
    for pattern, build in (
        (r"/", _front),
        (r"/catalogue(/|/0*1)?", _home),
        (r"/catalogue/(?P<number>[1-9]\d{0,3})", _catalogue),
        (r"/categories", _categories),
        (r"/category/(?P<slug>[a-z-]+)(?:/(?P<number>[1-9]\d{0,3}))?", _category),
        (r"/book/(?P<number>\d{1,6})(?P<slug>-[a-z0-9-]*)?", _book),
        (r"/cover/(?P<number>\d{1,6})\.svg", _cover),
        (WEEK, _week),
        (r"/search", _search),
        (r"/basket", _basket),
        (MEMBERS, _first_look),
        (r"/members/join", _join),
        (r"/about", _about),
        (r"/robots\.txt", _robots),
        (r"/sitemap\.xml", _sitemap),
        (r"/style\.css", lambda place, query: style()),
        (r"/(?:icon\.svg|favicon\.ico)", lambda place, query: icon()),
    )
)
