"""Bytes of a page to text, as browsers do it: which encoding, and what kind of thing the bytes are at all.

The order is that of the HTML standard: byte order mark, then the charset of Content-Type, then what the first 1,024
bytes say of themselves, then a guess.

Invariant: the same bytes with the same Content-Type always give the same text. Does not know of Content-Encoding:
bodies come here inflated.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import Final

from scrapekit.charsets import named, text
from scrapekit.prescan import by_meta, by_utf16_xml, by_xml

#: How much of a page may say what encoding it has (HTML standard, "prescan a byte stream").
PRESCAN: Final = 1024
#: Browsers obey a <meta> further down as well, by parsing again; we look this far, and only if the page is not UTF-8.
LATE: Final = 64 * 1024

_UTF16_BOMS: Final = {codecs.BOM_UTF16_BE: "utf-16be", codecs.BOM_UTF16_LE: "utf-16le"}


def decode(body: bytes, content_type: str | None = None) -> tuple[str, str]:
    """The text of a body, without its byte order mark, and the name of the encoding.

    Bytes that the encoding does not have become U+FFFD. ``bytes.decode`` knows the name, but for ``replacement`` (an
    encoding that browsers refuse to read) and ``x-user-defined``.
    """
    name = declared(body, content_type) or _guess(body, content_type)
    return text(body, name), name


def declared(body: bytes, content_type: str | None = None) -> str | None:
    """The encoding that the mark, Content-Type or the first 1,024 bytes declare, in this order, or None."""
    if body.startswith(codecs.BOM_UTF8):
        return "utf-8"
    if mark := _UTF16_BOMS.get(body[:2]):
        return mark
    if content_type and (name := charset_of(content_type[:1024])):
        return name
    return _said_by(body[:PRESCAN], content_type)


@lru_cache(256)
def charset_of(content_type: str) -> str | None:
    """The encoding that a Content-Type names: its first charset parameter, if the label is one of the standard's."""
    for parameter in _PARAMETER.finditer(content_type):
        name, quoted, plain = parameter.groups()
        if name.strip(" \t\r\n").lower() == "charset":
            return named(_ESCAPED.sub(r"\1", quoted) if quoted is not None else plain)
    return None


_PARAMETER: Final = re.compile(r';([^;=]*)=(?:"((?:[^"\\]|\\.)*)"?[^;]*|([^;]*))')
_ESCAPED: Final = re.compile(r"\\(.)")


def _said_by(head: bytes, content_type: str | None) -> str | None:
    kind = essence(content_type)
    html = not kind or kind in HTML_TYPES
    if not html and not kind.endswith(("/xml", "+xml")):
        return None
    return by_utf16_xml(head) or (by_meta(head) if html else None) or by_xml(head)


# ---- when nothing was declared ----


def _guess(body: bytes, content_type: str | None) -> str:
    try:
        body.decode()
    except UnicodeDecodeError:
        return _late(body, content_type) or ("utf-8" if _mostly_utf8(body) else "windows-1252")
    return "utf-8"


def _late(body: bytes, content_type: str | None) -> str | None:
    """What a page says of itself further down; many old pages put a long script before their <meta>."""
    return _said_by(body[:LATE], content_type) if len(body) > PRESCAN else None


def _mostly_utf8(body: bytes) -> bool:
    """Whether the valid sequences outnumber the bad ones: a page of UTF-8 into which something else was pasted."""
    read = body.decode("utf-8", "replace")
    beyond_ascii = len(read) - len(read.encode("ascii", "ignore"))
    return beyond_ascii >= 2 * read.count("\ufffd")


# ---- what kind of thing it is (MIME Sniffing standard, as far as a crawler needs it) ----

HTML_TYPES: Final = frozenset({"text/html", "application/xhtml+xml", "application/vnd.wap.xhtml+xml"})
_UNKNOWN: Final = frozenset({"", "unknown/unknown", "application/unknown", "*/*"})

#: How things begin that are never HTML, whatever they are declared to be.
_BINARY: Final = re.compile(
    rb"\x89PNG\r\n\x1a\n | GIF8[79]a | \xff\xd8\xff | RIFF....WEBPVP | \x00\x00[\x01\x02]\x00"
    rb"| %PDF- | %!PS-Adobe- | \x1f\x8b\x08 | PK\x03\x04 | Rar\x20?!?\x1a\x07 | 7z\xbc\xaf\x27\x1c | BZh[1-9]1AY&SY"
    rb"| \xfd7zXZ\x00 | \x28\xb5\x2f\xfd | OggS\x00 | RIFF....(?:WAVE|AVI\x20) | FORM....AIFF | ID3[\x02-\x04]"
    rb"| MThd\x00\x00\x00\x06 | \x00\x00..ftyp | \x1aE\xdf\xa3 | wOF[F2] | \x00\x01\x00\x00\x00 | \x7fELF"
    rb"| \xd0\xcf\x11\xe0",
    re.VERBOSE | re.DOTALL,
)
_MARKUP: Final = re.compile(
    rb"""(?:\xef\xbb\xbf)? [\t\n\f\r ]* (?:<\?xml[^>]*>[\t\n\f\r ]*)? (?: <!-- |
    < (?: !DOCTYPE\ HTML | HTML | HEAD | SCRIPT | IFRAME | H1 | DIV | FONT | TABLE | A | STYLE | TITLE | B | BODY
        | BR | P ) [ >] )""",
    re.VERBOSE | re.IGNORECASE,
)


def essence(content_type: str | None) -> str:
    """The MIME type in lower case, without parameters; empty where there is none."""
    return content_type.partition(";")[0].partition(",")[0].strip().lower() if content_type else ""


def is_html(content_type: str | None, body: bytes) -> bool:
    """Whether to read the body as HTML.

    What is declared HTML is, unless it begins like a known binary format. What is not declared at all is, if it begins
    like HTML. Text that is declared plain stays plain.
    """
    kind = essence(content_type)
    if kind in HTML_TYPES:
        return not is_binary(body)
    return kind in _UNKNOWN and bool(_MARKUP.match(_readable(body[:PRESCAN])))


def is_binary(body: bytes) -> bool:
    """Whether the body begins like an image, an archive, a font, audio, video or a program."""
    return _BINARY.match(body) is not None


def _readable(head: bytes) -> bytes:
    encoding = _UTF16_BOMS.get(head[:2])
    return head[2:].decode(encoding, "replace").encode("latin-1", "replace") if encoding else head
