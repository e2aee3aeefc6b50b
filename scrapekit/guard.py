"""Whether markup may be given to the parser, found out in linear time.

The parser cannot be cancelled and takes no limits. What grows faster than the page, as measured: nesting and the number
of attributes on one tag cost quadratic time (40,000 of either about 2.4 s); and formatting elements that stay open are
copied into every following block (HTML standard §13.2.4.3), so that 21 kB of markup made a tree of 1.3 GB.

Three steps, each for the few pages that the one before it did not acquit: sizes; counts; a walk over the tags that
keeps a stack as the parser would. The walk errs towards *deeper*: an end tag counts if the parser is sure to obey it.

Does not know the parser.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from scrapekit.errors import TooComplex

#: Levels of nesting. Browsers stop at 512.
MAX_DEPTH: Final = 2_000
#: Attributes on one tag.
MAX_ATTRIBUTES: Final = 2_000
#: Copies of formatting elements, as estimated here; a million of them take 0.3 GB and half a second.
MAX_COPIES: Final = 1_000_000

# What may pass without a walk:     the worst that it can hold
_SHORT: Final = 5_000  #            characters: formatting elements, 50 ms, 80 MB
_FEW_STARTS: Final = 1_500  #       start tags: half of them formatting elements, copied into the rest: 0.2 s, 190 MB
_MANY_STARTS: Final = 10_000  #     as many levels: 90 ms
_FEW_STYLES: Final = 20  #          three of each, copied into 10,000 blocks: 0.4 s, 250 MB
_STRIDE: Final = 16_384  #          10,000 attributes between two of these: 150 ms
#: Longer pages are always walked, which takes five times as long as their parse. A page made to deceive the strides,
#: with ">" in the quotes of 130,000 attributes on one tag, could cost 25 s below this length.
_LONG: Final = 524_288


def check_markup(text: str) -> None:
    """Raise TooComplex if tags nest too deep, one has too many attributes, or too much would be copied."""
    if len(text) > _SHORT and not _harmless(text):
        Walk().over(text)


def _harmless(text: str) -> bool:
    size = len(text)
    if size > _LONG or any(text.find(">", at, at + _STRIDE) < 0 for at in range(0, size - _STRIDE, _STRIDE)):
        return False
    starts = text.count("<")
    if starts > _FEW_STARTS:
        starts -= text.count("</")
    if starts > _FEW_STARTS:
        return starts <= _MANY_STARTS and len(set(_STYLED.findall(text))) <= _FEW_STYLES
    return True


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FORMATTING: Final = _words("b big code em font i nobr s small strike strong tt u")
#: Formatting elements with attributes, which are all that matter: of those that are alike, three are kept open at most.
_STYLED: Final = re.compile(
    r"""<(?=[bcefinstu])(?=((?:b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)[\s/]
    (?:[^>"']|"[^"]{0,500}"?|'[^']{0,500}'?){0,500}))""",
    re.VERBOSE | re.IGNORECASE,
)

# ---- the walk ----

_ATTRIBUTE: Final = r"""[\t\n\f\r /]*+ =?[^\t\n\f\r />=]*+ (?: [\t\n\f\r ]*+ = [\t\n\f\r ]*+
    (?: "[^"]*+"? | '[^']*+'? | [^\t\n\f\r >"'][^\t\n\f\r >]*+ )? )?+"""
_ATTRIBUTES: Final = re.compile(_ATTRIBUTE, re.VERBOSE)
#: A tag with its attributes, or something that hides what looks like tags: a comment, a declaration, an instruction.
_MARKUP: Final = re.compile(
    rf"""< (?: (/?)([a-zA-Z][^\t\n\f\r />]*+) ((?: (?!>) {_ATTRIBUTE} )*+)
    | !--(?: -?> | .*?(?: --!?> | \Z ) ) | (!\[CDATA\[) | [!?][^>]*+ | /[^a-zA-Z>][^>]*+ )""",
    re.VERBOSE | re.DOTALL,
)
#: Inside of a script and its like nothing is hidden, and quotes mean nothing.
_RAW_MARKUP: Final = re.compile(r"<(/?)([a-zA-Z][^\t\n\f\r />]*+)()()")

_VOID: Final = _words(
    "area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr"
)
_RAW: Final = _words("script style textarea title xmp iframe noembed noframes plaintext")
#: Where HTML begins again within SVG and MathML, and what breaks out of both (HTML standard §13.2.6.5).
_ISLANDS: Final = {"svg": _words("foreignobject desc title"), "math": _words("annotation-xml mi mo mn ms mtext")}
_BREAKS_OUT: Final = _words(
    "b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing menu meta "
    "nobr ol p pre ruby s small span strong strike sub sup table tt u ul var"
)
_FONT: Final = re.compile(r"\b(?:color|face|size)\b", re.IGNORECASE)
_CELLS: Final = _words("caption td th")
_ROWS: Final = _words("colgroup tbody tfoot thead tr")
#: What is open outside of these is not copied into them (HTML standard, "marker").
_MARKERS: Final = _CELLS | _words("applet marquee object template")
#: An end tag inside does not reach beyond these ("has an element in scope"), or might not.
_WALLS: Final = _RAW | _MARKERS | _words("button math select svg table")
#: Closed by the next of their kind: they do not pile up without something that is counted. An <a> is one of them.
_IMPLIED: Final = _words("a body head html p")
_ENTRIES: Final = {"li": _words("li"), "dd": _words("dd dt"), "dt": _words("dd dt")}
#: These end such an entry, but not what is around it, if they are where they should be.
_WITHIN: Final = _words("optgroup option rb rp rt rtc")
#: End tags that close whatever is open within; any other is ignored if one of _SPECIAL stands in between.
_CLOSING: Final = _words(
    "address article aside blockquote center dd details dialog dir div dl dt fieldset figcaption figure footer header "
    "hgroup listing main menu nav ol pre search section summary ul h1 h2 h3 h4 h5 h6"
)
_STOPS: Final = {"li": _words("ol ul"), "form": frozenset[str]()}
_SPECIAL: Final = _CLOSING | _WALLS | _words("form li noscript") | {""}


class Walk:
    """The parser's stack, as far as it can be told from the tags alone."""

    def __init__(self) -> None:
        self._open: list[str] = []
        #: Formatting elements that are open, with their attributes; and how many of them would be copied: of those that
        #: are alike only three are ("Noah's Ark clause").
        self._styles: list[tuple[str, str]] = []
        self._alike: Counter[tuple[str, str]] = Counter()
        self._copied = 0
        #: Where in the two lists each wall stands, and whether SVG or MathML begins there.
        self._walls: list[tuple[int, int, str]] = []
        self._copies = 0
        self._framesets = 0  # all that ever came, as it is hard to tell when the parser minds their end tags
        self._merged = 0  # attributes of all <html> and <body> tags, which add to one element

    def over(self, text: str) -> None:
        """Go over every tag. Raises TooComplex."""
        found = _MARKUP.search(text)
        while found:
            position = found.end()
            slash, name, attributes, cdata = found.groups()
            if name:
                self._tag(name.lower(), bool(slash), attributes)
            elif cdata and self._foreign:
                self._wall("", self._foreign)  # what ends in there is text
            elif cdata:
                position = max(position, text.find(">", position))  # in HTML it is a comment
            found = (_RAW_MARKUP if self._wall_name() in _RAW else _MARKUP).search(text, position)

    def _tag(self, name: str, ends: bool, attributes: str) -> None:
        if ends:
            self._end(name)
        else:
            if len(attributes) > MAX_ATTRIBUTES or name in ("html", "body"):
                self._count_attributes(name, attributes)
            self._start(name, attributes)
        self._copies += self._copied
        if len(self._open) + len(self._styles) + self._framesets > MAX_DEPTH:
            raise TooComplex(f"tags nest deeper than {MAX_DEPTH:,}")
        if self._copies > MAX_COPIES:
            raise TooComplex("formatting elements that stay open would be copied over a million times")

    def _count_attributes(self, name: str, attributes: str) -> None:
        count = sum(1 for each in _ATTRIBUTES.findall(attributes) if each)
        if name in ("html", "body"):
            self._merged = count = self._merged + count
        if count > MAX_ATTRIBUTES:
            raise TooComplex(f"a tag has more than {MAX_ATTRIBUTES:,} attributes")

    @property
    def _foreign(self) -> str:
        return self._walls[-1][2] if self._walls else ""

    def _start(self, name: str, attributes: str) -> None:
        self._framesets += name == "frameset"
        if self._foreign and (name in _BREAKS_OUT or (name == "font" and _FONT.search(attributes))):
            self._break_out()
        if self._foreign:
            self._start_foreign(name, attributes)
        elif name in _CELLS or name in _ROWS:
            self._start_cell(name)
        elif name in _ISLANDS:
            self._start_foreign(name, attributes)
        elif name in _WALLS:
            self._wall(name)
        elif name in _FORMATTING:
            self._start_style((name, attributes))
        elif name not in _VOID and name not in _IMPLIED:
            self._start_plain(name)

    def _start_plain(self, name: str) -> None:
        if name in _ENTRIES:
            self._end_entry(_ENTRIES[name])
        elif name in _WITHIN and self._open and self._open[-1] in _ENTRIES:
            self._open[-1] = ""
        if name != "option":  # the next one closes it
            self._open.append(name)

    def _start_foreign(self, name: str, attributes: str) -> None:
        if attributes.endswith("/"):
            return
        if name in _ISLANDS:
            self._wall(name, name)
        elif name in _ISLANDS[self._foreign] and (name != "annotation-xml" or "html" in attributes.lower()):
            self._wall(name)
        else:
            self._open.append(name)

    def _break_out(self) -> None:
        while self._foreign:
            self._pop(self._walls[-1][0])

    def _wall(self, name: str, foreign: str = "") -> None:
        self._walls.append((len(self._open), len(self._styles), foreign))
        self._open.append(name)

    def _end_entry(self, names: frozenset[str]) -> None:
        """Close the entry of this list that is open, which the next one does."""
        floor = self._walls[-1][0] + 1 if self._walls else 0
        for index in range(len(self._open) - 1, floor - 1, -1):
            if self._open[index] in names:
                del self._open[index:]
                return
            if self._open[index] in _SPECIAL and self._open[index] not in ("address", "div"):
                return

    def _start_cell(self, name: str) -> None:
        if self._wall_name() in _CELLS:
            self._pop(self._walls[-1][0])
        if self._wall_name() in ("table", "template"):
            del self._open[self._walls[-1][0] + 1 :]
            if name in _CELLS:
                self._wall(name)

    def _wall_name(self) -> str:
        return self._open[self._walls[-1][0]] if self._walls else ""

    def _end(self, name: str) -> None:
        if self._foreign and name in ("br", "p"):
            self._break_out()
        floor, styles = (self._walls[-1][0] + 1, self._walls[-1][1]) if self._walls else (0, 0)
        if name in _FORMATTING and not self._foreign:
            self._end_style(name, styles)
        elif name in _ROWS or (name == "table" and self._wall_name() in _CELLS):
            if self._wall_name() in _CELLS:
                self._pop(self._walls[-1][0])
                self._end(name)
        elif name == self._wall_name():
            self._pop(floor - 1)
        else:
            self._end_plain(name, floor)

    def _end_plain(self, name: str, floor: int) -> None:
        stops = frozenset() if name in _CLOSING else _STOPS.get(name, _SPECIAL)
        for index in range(len(self._open) - 1, floor - 1, -1):
            if self._open[index] == name:
                del self._open[index : index + 1 if name == "form" else None]  # a form goes without what is in it
                return
            if self._open[index] in stops:
                return

    def _start_style(self, style: tuple[str, str]) -> None:
        self._styles.append(style)
        self._alike[style] += 1
        self._copied += self._alike[style] <= 3

    def _end_style(self, name: str, floor: int) -> None:
        for index in range(len(self._styles) - 1, floor - 1, -1):
            if self._styles[index][0] == name:
                self._drop_style(index)
                return

    def _drop_style(self, index: int) -> None:
        style = self._styles.pop(index)
        self._copied -= self._alike[style] <= 3
        self._alike[style] -= 1

    def _pop(self, index: int) -> None:
        """Take everything off from there on, which is a wall; markers take the formatting inside with them."""
        _, styles, _ = self._walls.pop()
        if self._open[index] in _MARKERS:
            while len(self._styles) > styles:
                self._drop_style(-1)
        del self._open[index:]
