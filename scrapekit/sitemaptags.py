"""The tags of a sitemap or a feed, read one by one: text to entries.

With an expression of our own and not with an XML parser. Sitemaps of the wild are often not well-formed (a bare "&", a
blank line before the declaration, an end that is missing), and the standard library's parser stops at the first flaw.
And what is no parser knows no DTD: nothing is ever expanded or loaded, so there is nothing to attack.

Invariant: whatever the text, reading it takes time linear in its length. Does not know how a file is packed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Final, Literal

from scrapekit.url import Base

#: As many URLs are read from one file (sitemaps.org, "Using Sitemap files").
MAX_URLS: Final = 50_000
#: A URL is shorter than this (sitemaps.org, "XML tag definitions").
MAX_URL: Final = 2_048

Kind = Literal["urls", "index", "text", "feed"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One URL in its canonical spelling, with what the file says of it.

    ``lastmod`` has a zone, UTC where none was given; ``alternates`` are the same page in other languages.
    """

    url: str
    lastmod: datetime | None = None
    changefreq: str = ""
    priority: float | None = None
    alternates: tuple[str, ...] = ()


_MARKUP: Final = re.compile(
    r"""<!\[CDATA\[(?P<data>.*?)(?:\]\]>|\Z)
    | <!--.*?(?:-->|\Z) | <\?.*?(?:\?>|\Z)
    | (?P<doctype><!(?i:DOCTYPE)[^\[>]*+(?:\[[^\]]*+\]?[^>]*+)?>?)
    | <(?P<close>/?)(?:(?P<prefix>[\w.-]+):)?(?P<name>[\w.-]+)(?P<rest>[^<>]*+)>?
    | (?P<text>[^<]++|<)""",
    re.VERBOSE | re.DOTALL,
)
_ATTRIBUTE: Final = re.compile(r"""([\w:.-]++)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)')""")
_ENTITY: Final = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)[A-Za-z][\w.-]*+;")

#: root element    kind
_ROOTS: Final[dict[str, Kind]] = {
    "urlset": "urls",
    "sitemapindex": "index",
    "rss": "feed",
    "rdf": "feed",
    "feed": "feed",
}
#: kind            what its entries are called
_ENTRIES: Final[dict[Kind, frozenset[str]]] = {
    "urls": frozenset({"url", "sitemap"}),
    "index": frozenset({"url", "sitemap"}),
    "feed": frozenset({"item", "entry"}),
}
#: element         what it says
_FIELDS: Final = {
    "loc": "loc", "lastmod": "lastmod", "changefreq": "changefreq", "priority": "priority",
    "link": "loc", "pubdate": "lastmod", "updated": "lastmod", "modified": "lastmod",
}  # fmt: skip


@dataclass(slots=True)
class _Draft:
    """An entry that is being read: its fields as text, and the links to its other languages."""

    fields: dict[str, str] = field(default_factory=dict)
    alternates: list[str] = field(default_factory=list)


class Reader:
    """Tags to entries. Only names without a prefix count, or with that of the root: ``image:loc`` is no page."""

    def __init__(self, url: str) -> None:
        self.kind: Kind = "urls"
        self.entries: list[Entry] = []
        self.bad = 0
        self._base = Base(url)
        self._prefix: str | None = None
        self._draft: _Draft | None = None
        self._field: str | None = None
        self._parts: list[str] = []
        self._inner = 0  # entries within a field, which mean nothing
        self._declares = False
        self.full = False

    def read(self, text: str) -> bool:
        """Read to the end, or until there are too many entries: then True."""
        for found in _MARKUP.finditer(text):
            if found["text"] is not None:
                self._take(self._plain(found["text"]))
            elif found["data"] is not None:
                self._take(found["data"])
            elif found["doctype"]:
                self._declares = True
            elif found["name"]:
                self._tag(found)
            if self.full:
                return True
        self._finish()
        return self.full

    def _take(self, text: str) -> None:
        # White space is all around; a field that has no more than that has nothing yet.
        if self._field and (self._parts or (text := text.lstrip())):
            self._parts.append(text)

    def _plain(self, text: str) -> str:
        if "&" not in text:
            return text
        # What a DTD may have declared is nothing to us; without one, "&b;" is a bare "&" in a query.
        return unescape(_ENTITY.sub("", text) if self._declares else text)

    def _tag(self, found: re.Match[str]) -> None:
        name, rest = found["name"].lower(), found["rest"]
        if name == "link" and not found["close"] and self._draft is not None and "href" in rest:
            self._link(rest)
            return
        if found["prefix"] not in (None, self._prefix) and name not in _ROOTS:
            return
        if found["close"]:
            self._closed(name)
        else:
            self._opened(name, found["prefix"])
            if rest.endswith("/"):
                self._closed(name)

    def _opened(self, name: str, prefix: str | None) -> None:
        if name in _ROOTS:
            self.kind, self._prefix = _ROOTS[name], prefix
        elif name in _ENTRIES[self.kind]:
            if self._field and not self._parts:
                self._inner += 1
                return
            self._finish()
            self._draft = _Draft()
        elif name in _FIELDS and self._draft is not None:
            self._keep()
            if name == "loc" and "loc" in self._draft.fields:
                self._finish()
                self._draft = _Draft()
            self._field, self._parts = _FIELDS[name], []

    def _closed(self, name: str) -> None:
        if name in _ENTRIES[self.kind]:
            if self._inner:
                self._inner -= 1
            else:
                self._finish()
        elif name in _FIELDS:
            self._keep()

    def _link(self, rest: str) -> None:
        assert self._draft is not None
        values = {name.lower(): unescape(double or single) for name, double, single in _ATTRIBUTE.findall(rest)}
        href, rel = values.get("href", "").strip(), values.get("rel", "alternate").lower()
        if rel != "alternate" or not href:
            return
        if self.kind == "feed":
            self._draft.fields.setdefault("loc", href)
        elif (url := self._base.join(href)) is not None:
            self._draft.alternates.append(url)

    def _keep(self) -> None:
        """A field has ended."""
        if self._field and self._draft is not None:
            self._draft.fields.setdefault(self._field, "".join(self._parts).strip())
        self._field, self._inner = None, 0

    def _finish(self) -> None:
        """An entry has ended."""
        self._keep()
        draft, self._draft = self._draft, None
        if draft is None or "loc" not in draft.fields:
            return
        loc = draft.fields["loc"]
        url = self._base.join(loc) if loc and len(loc) < MAX_URL else None
        if url is None:
            self.bad += 1
            return
        if len(self.entries) >= MAX_URLS:
            self.full = True
            return
        said = draft.fields
        self.entries.append(
            Entry(
                url,
                _date(said.get("lastmod", "")),
                said.get("changefreq", "").lower(),
                _number(said.get("priority", "")),
                tuple(draft.alternates),
            )
        )


def _date(text: str) -> datetime | None:
    if not text:
        return None
    for parsed in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            date = parsed(text)
        except (ValueError, OverflowError):
            continue
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    return None


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[01]?\.?\d{1,9}", text, re.ASCII) else None
