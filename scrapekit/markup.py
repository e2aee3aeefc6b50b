"""HTML to a tree, selectors to nodes, nodes to text; the one place that knows the parser.

Invariant: no page reaches the parser before ``guard`` has looked at it.

Does not know URLs, responses or items.
"""

from __future__ import annotations

from typing import Final

from selectolax.lexbor import LexborAttributes, LexborDocumentOptions, LexborHTMLParser, LexborNode, SelectolaxError

from scrapekit.errors import BadSelector
from scrapekit.guard import check_markup

Node = LexborNode
Tree = LexborHTMLParser
Attributes = LexborAttributes

#: Mutation events only serve to copy an <option> into <selectedcontent>, and cost a fifth of the parse.
_OPTIONS: Final = int(LexborDocumentOptions.WO_EVENTS)


def parse(text: str) -> Tree:
    """The tree of a page. Raises TooComplex for markup that the parser cannot take in linear time."""
    check_markup(text)
    return LexborHTMLParser(text, options=_OPTIONS)


def check_selector(query: str) -> None:
    """Raise BadSelector if this is no CSS selector that the parser knows."""
    select(_NOTHING, query)


def select(node: Node | Tree, query: str) -> list[Node]:
    """What matches below the node, the node itself included, in document order, each once.

    Raises BadSelector.
    """
    try:
        found = node.css(query)
    except SelectolaxError:
        raise BadSelector(query) from None
    # A node that matches two branches of a list, as in "a, [href]", comes twice.
    return list({each.mem_id: each for each in found}.values()) if "," in query and len(found) > 1 else found


def select_first(node: Node | Tree, query: str) -> Node | None:
    """The first that matches, as ``select`` finds it."""
    try:
        return node.css_first(query)
    except SelectolaxError:
        raise BadSelector(query) from None


def outermost(nodes: list[Node]) -> list[Node]:
    """Those that do not stand inside another of them, each once."""
    kept: dict[int, Node] = {node.mem_id: node for node in nodes}
    return [node for node in kept.values() if not _inside(node, kept)]


def _inside(node: Node, others: dict[int, Node]) -> bool:
    above = node.parent
    while above is not None:
        if above.mem_id in others:
            return True
        above = above.parent
    return False


#: Where a browser breaks the line or begins another cell.
_BREAKS: Final = frozenset(
    """
    address article aside blockquote body br button caption center dd details dialog dir div dl dt fieldset figcaption
    figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main menu nav ol optgroup option p pre search
    section select summary table tbody td textarea tfoot th thead tr ul
    """.split()  # noqa: SIM905
)
_UNSEEN: Final = frozenset(("script", "style", "template", "noscript", "-comment"))


def text_of(node: Node) -> str:
    """The text that a reader sees: white space squeezed, words of different blocks apart, inline markup seamless.

    ``foo<b>bar</b>`` gives ``foobar``, ``foo<br>bar`` and ``<td>foo</td><td>bar</td>`` give ``foo bar``. Scripts and
    styles inside are left out, unless the node itself is one.
    """
    child = node.first_child
    if child is None:
        return ""
    if child.next is None and child.is_text_node:
        return " ".join(child.text().split())
    parts: list[str] = []
    stack: list[Node | str] = [child]
    while stack:
        top = stack.pop()
        if isinstance(top, str):
            parts.append(top)
            continue
        if (after := top.next) is not None:
            stack.append(after)
        if top.is_text_node:
            parts.append(top.text())
            continue
        tag = top.tag
        if tag in _UNSEEN:
            continue
        if tag in _BREAKS:
            parts.append(" ")
            stack.append(" ")
        if (below := top.first_child) is not None:
            stack.append(below)
    return " ".join("".join(parts).split())


_NOTHING: Final = LexborHTMLParser("")
