"""Markup that would cost the parser more than linear time is found out first, and real pages are let through."""

from __future__ import annotations

import random

import pytest

from scrapekit.errors import TooComplex
from scrapekit.guard import MAX_ATTRIBUTES, MAX_DEPTH, Walk, check_markup
from scrapekit.markup import parse
from scrapekit.response import Response

STYLES = "".join(f"<b id={n}>" for n in range(1_000))

#: name → markup that must not be parsed
HOSTILE = {
    "L02: 200,000 nested div": "<div>" * 200_000,
    "closed again": "<div>" * 50_000 + "</div>" * 50_000,
    "with a complete element in each": "<div><p>x</p>" * 50_000,
    "end tags that nobody minds": "<div></x>" * 50_000,
    "end tags hidden in comments": "<div><!-- </div> -->" * 50_000,
    "end tags hidden in a declaration": "<div><!x </div>" * 50_000,
    "end tags hidden in attributes": "<div><br title='</div>'>" * 50_000,
    "end tags hidden in scripts": "<div><script></div></script>" * 50_000,
    "end tags hidden in CDATA": "<svg>" + "<g><![CDATA[</g>]]>" * 50_000,
    "end tags beyond a table": "<div><table></div>" * 50_000,
    "end tags beyond a list": "<ul><li></ul><ul><b></li>" * 50_000,
    "start tags after an empty comment": "<!-->" + "<div>" * 50_000 + "-->",
    "start tags after a quote that quotes nothing": '<a ">' + "<div>" * 50_000,
    "voids that are none in SVG": "<svg>" + "<input>" * 50_000,
    "self-closing that does not close in HTML": "<svg><desc>" + "<div/>" * 50_000,
    "inline": "<span>" * 50_000,
    "formatting": "<b>" * 50_000,
    "lists": "<ul><li>" * 50_000,
    "tables": "<table><tr><td>" * 50_000,
    "40,000 attributes": "<p " + " ".join(f"a{n}" for n in range(40_000)) + ">",
    "40,000 attributes with values": "<p " + " ".join(f'a{n}="v"' for n in range(40_000)) + ">",
    "L06: a tag without an end, attribute after attribute": "<p " + "ab " * 1_700_000,
    "attributes that add up on <html>": "".join(f"<html a{n}=1>" for n in range(40_000)),
    "copies of what is left open": f"<p>{STYLES}</p>" + "<p>x" * 2_000,
}


@pytest.mark.parametrize("markup", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_markup_is_not_given_to_the_parser(markup: str) -> None:
    with pytest.raises(TooComplex):
        parse(markup)


def test_a_hostile_page_says_so_wherever_it_would_be_read_and_still_has_its_text() -> None:
    response = Response.from_html("https://site.test/", "<div>" * 200_000)
    for read in (response.links, response.follow_all, lambda: response.css("a"), lambda: response.title):
        with pytest.raises(TooComplex) as caught:
            read()
        assert caught.value.reason == "too complex"
        assert caught.value.phase == "body"
    assert len(response.text) == 1_000_000


#: name → markup that is large or sloppy and harmless
HARMLESS = {
    "L06: an endless tag of one attribute": "<p " + "x" * 5_000_000,
    "an endless value": '<p class="' + "x" * 5_000_000,
    "an endless comment": "<!--" * 500_000,
    "many links": "<a href=/x>y</a>" * 50_000,
    "links that are never closed": "<a href=/x>y" * 50_000,
    "entries that are never closed": "<ul>" + "<li>x<p>y" * 50_000,
    "rows that are never closed": "<table>" + "<tr><td>x<td><font color=red>y" * 20_000,
    "definitions that are never closed": "<dl>" + "<dt>x<dd>y" * 50_000,
    "options that are never closed": "<select>" + "<option>x" * 50_000,
    "voids": "<br><img src=x><hr>" * 30_000,
    "paths that close themselves": "<svg>" + "<path d='M0 0'/>" * 50_000 + "</svg>",
    "markup in a script": "<script>" + "'<div><p>x</p></div>';" * 20_000 + "</script>",
    "icons": "".join(f"<i class='icon-{n}'></i>" for n in range(20_000)),
    "plain text": "x" * 5_000_000,
}


@pytest.mark.parametrize("markup", HARMLESS.values(), ids=HARMLESS.keys())
def test_large_or_sloppy_markup_is_let_through(markup: str) -> None:
    check_markup(markup)
    Walk().over(markup)


@pytest.mark.parametrize("excess", [0, 1])
def test_the_walk_allows_just_so_many_levels_and_attributes(excess: int) -> None:
    for markup in (
        "<div>" * (MAX_DEPTH + excess),
        "<i>" * (MAX_DEPTH + excess),
        "<p " + " ".join(f"a{n}" for n in range(MAX_ATTRIBUTES + excess)) + ">",
    ):
        if excess:
            with pytest.raises(TooComplex):
                Walk().over(markup)
        else:
            Walk().over(markup)


TAGS = """
    div span p b i font a li ul td tr table tbody th caption select option optgroup button svg g desc title style script
    textarea math mi foreignObject object template form h1 dd dt ruby rt rb input br img nobr applet marquee section
    x-y html body head noscript iframe link label
""".split()  # noqa: SIM905
SCRAPS = ["<!--", "-->", "<![CDATA[", "]]>", "'", "=", ">", "<", "</ >", "<!x", "<?", "/>", '"', '<a ="', '<a x="']


def soup(dice: random.Random) -> str:
    def piece() -> str:
        kind, name = dice.random(), dice.choice(TAGS)
        if kind < 0.5:
            return f"<{name}{dice.choice(['', ' a=1', ' /', f' {dice.random()}'])}>"
        return f"</{name}>" if kind < 0.85 else dice.choice(SCRAPS)

    return "".join(piece() for _ in range(dice.randint(1, 6)))


def depth_of(markup: str) -> int:
    """How deep the parser nests it."""
    node, depth, deepest = parse(markup).root, 0, 0
    while node is not None:
        deepest = max(deepest, depth)
        if node.first_child is not None:
            node, depth = node.first_child, depth + 1
            continue
        while node is not None and node.next is None:
            node, depth = node.parent, depth - 1
        node = node.next if node is not None else None
    return deepest


class Deepest(Walk):
    """A walk that keeps the greatest depth it saw."""

    deepest = 0

    def _tag(self, name: str, ends: bool, attributes: str) -> None:
        super()._tag(name, ends, attributes)
        self.deepest = max(self.deepest, len(self._open) + len(self._styles))


@pytest.mark.parametrize("seed", range(400))
def test_the_walk_never_thinks_a_tree_much_flatter_than_the_parser_makes_it(seed: int) -> None:
    dice = random.Random(seed)
    markup = soup(dice) + soup(dice) * 150
    walk = Deepest()
    walk.over(markup)
    # What is implied (tbody, tr) or closes itself (li, p) is not counted, but needs something that is.
    assert depth_of(markup) <= 3 * walk.deepest + 20
