"""What the pages of both sites share: where links lead, the frame around a page, lists that go on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Final

from scrapekit.http.dialogue import ServerReply

Crumbs = Sequence[tuple[str, str]]
_STYLE: Final = Path(__file__).with_name("style.css")
#: How many page numbers stand on either side of the present one.
_AROUND: Final = 2


@dataclass(frozen=True, slots=True)
class Place:
    """How the two sites are reached from here: what stands before a path of theirs in a link.

    Under a name of its own each site is at the root, and links to the other by its name. On a bare address, such as
    ``127.0.0.1:8900`` in a browser, the shop is at the root and the quotes are below ``/quotes``.
    """

    shop: str
    quotes: str
    origin: str  # scheme and authority, for what must be absolute

    @classmethod
    def at(cls, host: str) -> Place:
        """Read it off the Host field."""
        name = host.lower()
        origin = f"http://{name}"
        if name.startswith("books."):
            return cls("", f"http://quotes.{name.removeprefix('books.')}", origin)
        if name.startswith("quotes."):
            return cls(f"http://books.{name.removeprefix('quotes.')}", "", origin)
        return cls("", "/quotes", origin)


@cache
def style() -> ServerReply:
    """The stylesheet of both sites."""
    return ServerReply.text(_STYLE.read_text("utf-8"), "text/css; charset=utf-8")


def icon() -> ServerReply:
    """A small open book."""
    return svg(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
        '<rect width="32" height="32" rx="7" fill="#1d4b46"/>'
        '<path d="M16 10c-3-2-6-2-9-1v13c3-1 6-1 9 1 3-2 6-2 9-1V9c-3-1-6-1-9 1z" fill="#fbf7ef"/>'
        '<path d="M16 10v13" stroke="#1d4b46" stroke-width="1.5"/></svg>'
    )


def svg(drawing: str) -> ServerReply:
    """A drawing, which browsers may keep."""
    body = drawing.encode()
    return ServerReply(200, body, (("Content-Type", "image/svg+xml"), ("Cache-Control", "max-age=3600")))


def page(title: str, body: str, *, place: Place, kind: str, crumbs: Crumbs = (), status: int = 200) -> ServerReply:
    """A whole page; ``kind`` is the site, ``shop`` or ``quotes``. Title and crumbs are text, the body is HTML."""
    site = place.shop if kind == "shop" else place.quotes
    name = "Quince & Vellum" if kind == "shop" else "Never Said"
    motto = "Books that nobody wrote" if kind == "shop" else "Quotations without a source"
    return ServerReply.text(
        f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{escape(title)} – {escape(name)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="{site}/style.css">
<link rel="icon" href="{site}/icon.svg" type="image/svg+xml">
</head>
<body class="{kind}">
<header class="top">
<a class="brand" href="{site}/"><strong>{escape(name)}</strong> <span>{motto}</span></a>
<nav>{_navigation(place, kind)}</nav>
</header>
{_breadcrumbs(crumbs, title)}
{body}
<footer>
<p>This is the demonstration site that comes with scrapekit. Its books, authors and sayings are made up, every time the
same. <a href="{place.shop}/about">What is here to find</a> · <a href="{site}/robots.txt">robots.txt</a> ·
<a href="{site}/sitemap.xml">sitemap</a></p>
</footer>
</body>
</html>
""",
        status=status,
    )


def missing(place: Place, kind: str) -> ServerReply:
    """The page for a path that leads nowhere."""
    site = place.shop if kind == "shop" else place.quotes
    body = (
        '<main class="message"><h1>Not on our shelves</h1>'
        "<p>There is no such page, or not any more.</p>"
        f'<p><a class="button" href="{site}/">Back to the front</a></p></main>'
    )
    return page("Not found", body, place=place, kind=kind, status=404)


def pager(first: str, rest: str, number: int, last: int) -> str:
    """Links to the pages of a list: ``first`` is the link to page 1, ``rest`` the link to others with a ``{}``."""

    def link(to: int) -> str:
        return escape(first if to == 1 else rest.format(to))

    shown = sorted({1, last, *range(max(1, number - _AROUND), min(last, number + _AROUND) + 1)})
    parts = []
    if number > 1:
        parts.append(
            f'<li class="previous"><a class="previous" rel="prev" href="{link(number - 1)}">← Previous</a></li>'
        )
    for before, each in zip([0, *shown], shown, strict=False):
        if each - before > 1:
            parts.append('<li class="gap">…</li>')
        here = ' aria-current="page"' if each == number else ""
        parts.append(f'<li><a href="{link(each)}"{here}>{each}</a></li>')
    if number < last:
        parts.append(f'<li class="next"><a class="next" rel="next" href="{link(number + 1)}">Next →</a></li>')
    return f'<nav class="pager" aria-label="Pages"><ul>{"".join(parts)}</ul></nav>'


def sitemap(urls: Iterable[str]) -> ServerReply:
    """A sitemap of absolute URLs."""
    entries = "\n".join(f"<url><loc>{escape(url)}</loc></url>" for url in urls)
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        f"{entries}\n</urlset>\n"
    )
    return ServerReply.text(text, "application/xml; charset=utf-8")


def _navigation(place: Place, kind: str) -> str:
    if kind == "quotes":
        return f'<a href="{place.quotes}/authors">Authors</a> <a href="{place.shop}/">The bookshop</a>'
    return (
        f'<a href="{place.shop}/categories">Categories</a> <a href="{place.quotes}/">Quotations</a> '
        f'<a href="{place.shop}/about">About</a> <a class="basket" rel="nofollow" href="{place.shop}/basket">Basket</a>'
        f'<form action="{place.shop}/search" role="search">'
        '<input name="q" aria-label="Search" placeholder="Search titles"></form>'
    )


def _breadcrumbs(crumbs: Crumbs, title: str) -> str:
    if not crumbs:
        return ""
    links = "".join(f'<li><a href="{escape(href)}">{escape(text)}</a></li>' for text, href in crumbs)
    return f'<nav class="crumbs" aria-label="You are here"><ol>{links}<li>{escape(title)}</li></ol></nav>'
