"""Where a page leads: its links as the HTML standard has them.

The hot path of every crawl. So hrefs are told apart as they stand before any of them is joined, and only nodes that
carry a link are ever looked at from here; the rest is done by the selector engine.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Union

from scrapekit.markup import Attributes, Node, Tree, select, text_of

Patterns = Union[str, re.Pattern[str], Iterable[Union[str, re.Pattern[str]]]]
Join = Callable[[str], Union[str, None]]

log = logging.getLogger("scrapekit.links")

#: URLs of one page that are followed, as many as a sitemap may have; a page of more is a mistake or a trap, and a
#: request takes a kilobyte.
MAX_LINKS: Final = 50_000

#: What a person can click (HTML standard §4.6.1): a and area with an href, and nothing else.
_LINKS: Final = "a[href], area[href]"


@dataclass(frozen=True, slots=True)
class Link:
    """One link of a page: its absolute URL, its text, and whether the page marks it ``rel=nofollow``."""

    url: str
    text: str
    nofollow: bool = False


def base_href(tree: Tree) -> str | None:
    """The href of the first <base> that has one (HTML standard §4.2.3)."""
    for node in tree.tags("base"):
        href = node.attrs.sget("href", None)
        if href is not None:
            return href
    return None


def href_of(node: Node) -> str | None:
    """What the node itself links to: its href, else its src."""
    attrs = node.attrs
    href = attrs.sget("href", None)
    return href if href is not None else attrs.sget("src", None)


def is_nofollow(node: Node) -> bool:
    """Whether the node says ``rel=nofollow``."""
    return _marked(node.attrs)


def _marked(attrs: Attributes) -> bool:
    rel = attrs.get("rel")
    return rel is not None and "nofollow" in rel.lower().split()


def link_nodes(tree: Tree, css: str | None, nofollow: bool) -> list[Node]:
    """The nodes that link, in document order, without those marked nofollow unless asked for.

    With ``css``: what it matches, if that links by itself (an <a>, but also an <img> or <link>), else the links inside.
    """
    if css is None:
        nodes = _candidates(tree)
    else:
        found: dict[int, Node] = {}
        for node in select(tree, css):
            inside = node.css(_LINKS) if href_of(node) is None else [node]
            found.update((each.mem_id, each) for each in inside)
        nodes = list(found.values())
    return [node for node in nodes if href_of(node) is not None and (nofollow or not is_nofollow(node))]


def hrefs_of(tree: Tree, css: str | None, nofollow: bool) -> list[str]:
    """What ``link_nodes`` link to, found in half the time where it is all the links of a page."""
    if css is not None:
        return [href_of(node) or "" for node in link_nodes(tree, css, nofollow)]
    hrefs = []
    for node in _candidates(tree):
        attrs = node.attrs
        href = attrs.sget("href", None)
        if href is not None and (nofollow or not _marked(attrs)):
            hrefs.append(href)
    return hrefs


def _candidates(tree: Tree) -> list[Node]:
    # A walk by tag name takes a sixth of a selector's time; only a page with an <area> needs one, for the order.
    return tree.css(_LINKS) if tree.tags("area") else tree.tags("a")


def first_inside(node: Node) -> Node | None:
    """The first link inside of a node."""
    return node.css_first(_LINKS)


def unique_urls(hrefs: Iterable[str | None], join: Join) -> Iterator[str]:
    """The absolute URLs of hrefs, each once; what is not http or https, or malformed, is left out.

    Those beyond ``MAX_LINKS`` are left out too.
    """
    known: set[str] = set()
    given: set[str | None] = {None}
    for href in hrefs:
        if href is None or (page := _without_fragment(href)) in known:
            continue
        known.add(page)
        url = join(page)
        if url not in given:
            if len(given) > MAX_LINKS:
                return _leave_out(url)
            given.add(url)
            yield url  # type: ignore[misc]


def links_of(nodes: Iterable[Node], join: Join) -> Iterator[Link]:
    """The links of the nodes, unique by URL: the first mention counts; those beyond ``MAX_LINKS`` are left out."""
    known: set[str] = set()
    seen: set[str | None] = {None}
    for node in nodes:
        page = _without_fragment(href_of(node) or "")
        if page in known:
            continue
        known.add(page)
        url = join(page)
        if url is not None and url not in seen:
            if len(seen) > MAX_LINKS:
                return _leave_out(url)
            seen.add(url)
            yield Link(url, text_of(node), is_nofollow(node))


def _leave_out(url: str | None) -> None:
    log.warning("a page has more than %d links: %s and what follows is left out", MAX_LINKS, url)


def _without_fragment(href: str) -> str:
    """The href up to its "#": manuals link to many places of few pages, and a join costs four times as much as this."""
    return href[: href.index("#")] if "#" in href else href


def wanted(links: Iterable[Link], allow: Patterns = (), deny: Patterns = ()) -> Iterator[Link]:
    """Those whose URL one of ``allow`` is found in, if any is given, and none of ``deny``."""
    allowed, denied = _compiled(allow), _compiled(deny)
    for link in links:
        if allowed and not any(pattern.search(link.url) for pattern in allowed):
            continue
        if not any(pattern.search(link.url) for pattern in denied):
            yield link


def _compiled(patterns: Patterns) -> list[re.Pattern[str]]:
    if isinstance(patterns, (str, re.Pattern)):
        patterns = (patterns,)
    return [re.compile(pattern) for pattern in patterns]
