"""The pages of the quotes site: each is a function of its path. Knows no clock, no socket, and remembers nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from html import escape
from typing import Final

from scrapekit.demo import sayings
from scrapekit.demo.markup import Crumbs, Place, icon, missing, page, pager, sitemap, style
from scrapekit.demo.sayings import Quote
from scrapekit.http.dialogue import ServerReply

PER_PAGE: Final = 10
#: What robots.txt asks for, in seconds between requests.
CRAWL_DELAY: Final = 0.1
ROBOTS: Final = """\
User-agent: *
Crawl-delay: {delay}
Disallow: {prefix}/random

Sitemap: {origin}{prefix}/sitemap.xml
"""


def answer(path: str, place: Place) -> ServerReply:
    """The reply to a GET of this path; 404 where there is nothing."""
    for pattern, build in _ROUTES:
        if found := pattern.fullmatch(path):
            return build(place, **found.groupdict()) or missing(place, "quotes")
    return missing(place, "quotes")


def _list(place: Place, number: str = "1") -> ServerReply | None:
    quotes, wanted = sayings.quotes(), int(number)
    last = -(-len(quotes) // PER_PAGE)
    if not 1 <= wanted <= last:
        return None
    title = "Quotations" if wanted == 1 else f"Quotations, page {wanted}"
    shown = quotes[(wanted - 1) * PER_PAGE : wanted * PER_PAGE]
    body = (
        f'<div class="columns"><main><h1>{title}</h1>{_quotes(place, shown)}'
        f"{pager(f'{place.quotes}/', f'{place.quotes}/page/{{}}', wanted, last)}</main>{_tags(place)}</div>"
    )
    return page(title, body, place=place, kind="quotes", crumbs=_crumbs(place) if wanted > 1 else ())


def _first(place: Place) -> ServerReply:
    return ServerReply.moved(f"{place.quotes}/", status=301)


def _tag(place: Place, tag: str) -> ServerReply | None:
    quotes = sayings.tagged().get(tag)
    if quotes is None:
        return None
    body = f'<div class="columns"><main><h1>On {tag}</h1>{_quotes(place, quotes)}</main>{_tags(place)}</div>'
    return page(f"On {tag}", body, place=place, kind="quotes", crumbs=_crumbs(place))


def _author(place: Place, slug: str) -> ServerReply | None:
    person = sayings.people().get(slug)
    if person is None:
        return None
    body = (
        f'<main><article class="author"><h1 class="name">{escape(person.name)}</h1>'
        f'<p class="born">Born <time class="date">{person.born}</time> in <span class="place">{person.place}</span>, '
        f'<span class="role">{person.role}</span></p><p class="bio">{escape(person.bio)}</p></article>'
        f"<h2>Sayings</h2>{_quotes(place, sayings.said_by(person))}</main>"
    )
    crumbs = (*_crumbs(place), ("Authors", f"{place.quotes}/authors"))
    return page(person.name, body, place=place, kind="quotes", crumbs=crumbs)


def _authors(place: Place) -> ServerReply:
    people = "".join(
        f'<li><a href="{place.quotes}/author/{person.slug}"><strong>{escape(person.name)}</strong></a> '
        f"<span>{person.role}</span></li>"
        for person in sayings.people().values()
    )
    body = f'<main><h1>Authors</h1><ul class="people">{people}</ul></main>'
    return page("Authors", body, place=place, kind="quotes", crumbs=_crumbs(place))


def _random(place: Place) -> ServerReply:
    """Never the same page twice, one might think: the kind of link that robots.txt keeps robots away from."""
    return ServerReply.moved(f"{place.quotes}/page/4")


def _robots(place: Place) -> ServerReply:
    text = ROBOTS.format(delay=CRAWL_DELAY, origin=place.origin, prefix=place.quotes)
    return ServerReply.text(text, "text/plain; charset=utf-8")


def _sitemap(place: Place) -> ServerReply:
    last = -(-len(sayings.quotes()) // PER_PAGE)
    paths = ["/", "/authors", *(f"/page/{number}" for number in range(2, last + 1))]
    paths += [f"/author/{slug}" for slug in sayings.people()]
    paths += [f"/tag/{tag}" for tag in sayings.tagged()]
    return sitemap(f"{place.origin}{place.quotes}{path}" for path in paths)


def _quotes(place: Place, quotes: Iterable[Quote]) -> str:
    return "".join(
        f'\n<div class="quote">\n<span class="text">“{escape(quote.text)}”</span>\n<p class="by">by '
        f'<small class="author">{escape(quote.author.name)}</small> '
        f'<a class="about" href="{place.quotes}/author/{quote.author.slug}">about</a></p>'
        f'\n<p class="tags">{"".join(_tag_link(place, tag) for tag in quote.tags)}</p></div>'
        for quote in quotes
    )


def _tags(place: Place) -> str:
    cloud = "".join(_tag_link(place, tag) for tag in sayings.tagged())
    return (
        f'<aside><h2>By subject</h2><p class="cloud">{cloud}</p>'
        f'<p><a class="button" rel="nofollow" href="{place.quotes}/random">Surprise me</a></p></aside>'
    )


def _tag_link(place: Place, tag: str) -> str:
    return f'<a class="tag" href="{place.quotes}/tag/{tag}">{tag}</a>'


def _crumbs(place: Place) -> Crumbs:
    return (("Quotations", f"{place.quotes}/"),)


#: path     what builds the page; groups of the pattern are arguments
_ROUTES: Final[tuple[tuple[re.Pattern[str], Callable[..., ServerReply | None]], ...]] = tuple(
    (re.compile(pattern, re.ASCII), build)
    for pattern, build in (
        (r"/", _list),
        (r"/page/1", _first),
        (r"/page/(?P<number>[1-9]\d{0,3})", _list),
        (r"/tag/(?P<tag>[a-z]+)", _tag),
        (r"/author/(?P<slug>[a-z-]+)", _author),
        (r"/authors", _authors),
        (r"/random", _random),
        (r"/robots\.txt", _robots),
        (r"/sitemap\.xml", _sitemap),
        (r"/style\.css", lambda place: style()),
        (r"/(?:icon\.svg|favicon\.ico)", lambda place: icon()),
    )
)
