"""Sitemaps: bytes to the URLs that they promise. Also indexes of sitemaps, plain lists, and feeds (sitemaps.org).

Invariant: whatever the bytes, there is a ``Sitemap``, within the limits of the protocol and in linear time. Does not
fetch, and does not judge whether a sitemap may speak for a URL.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

from scrapekit.encoding import decode
from scrapekit.errors import BadURL
from scrapekit.sitemaptags import MAX_URLS, Entry, Kind, Reader
from scrapekit.url import canonical

__all__ = ["MAX_SIZE", "MAX_URLS", "Entry", "Kind", "Sitemap", "parse", "unpacked"]

#: As many bytes are read after unpacking (sitemaps.org, "Using Sitemap files").
MAX_SIZE: Final = 50 * 1024 * 1024
#: Layers of gzip: a file that is packed may be sent packed again by a server that does not look.
_LAYERS: Final = 2


@dataclass(frozen=True, slots=True)
class Sitemap:
    """One file. The entries of an ``index`` are sitemaps, those of every other kind pages.

    ``bad`` counts what should have been a URL and is none; ``cut`` says that there was more than the limits let in.
    """

    kind: Kind
    entries: tuple[Entry, ...]
    bad: int = 0
    cut: bool = False


def parse(body: bytes, url: str, content_type: str | None = None) -> Sitemap:
    """Read a sitemap, whatever the bytes; ``url`` is its own, to which relative ones are joined."""
    body, cut = unpacked(body)
    text = decode(body, content_type)[0]
    if not text.lstrip("\ufeff \t\r\n").startswith("<"):
        return _read_lines(text, cut)
    reader = Reader(url)
    full = reader.read(text)
    return Sitemap(reader.kind, tuple(reader.entries), reader.bad, cut or full)


def unpacked(body: bytes) -> tuple[bytes, bool]:
    """The bytes without gzip, which is told by its first two bytes, and whether they were cut at the limit."""
    cut = False
    for _ in range(_LAYERS):
        if not body.startswith(b"\x1f\x8b"):
            break
        body, cut = _gunzip(body)
    return body[:MAX_SIZE], cut or len(body) > MAX_SIZE


def _gunzip(body: bytes) -> tuple[bytes, bool]:
    """What can be unpacked of a file that may be broken or have several members."""
    parts: list[bytes] = []
    left = MAX_SIZE
    while body.startswith(b"\x1f\x8b") and left > 0:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            part = unpacker.decompress(body, left)
        except zlib.error:
            break
        parts.append(part)
        left -= len(part)
        if not unpacker.eof:
            return b"".join(parts), bool(unpacker.unconsumed_tail)
        body = unpacker.unused_data
    return b"".join(parts), left <= 0


def _read_lines(text: str, cut: bool) -> Sitemap:
    """A list of absolute URLs, one in each line (sitemaps.org, "Text file")."""
    entries: list[Entry] = []
    bad = 0
    for line in text.lstrip("\ufeff").splitlines():
        if not (line := line.strip()):
            continue
        if len(entries) >= MAX_URLS:
            return Sitemap("text", tuple(entries), bad, True)
        try:
            entries.append(Entry(canonical(line)))
        except BadURL:
            bad += 1
    return Sitemap("text", tuple(entries), bad, cut)
