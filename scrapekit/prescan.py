"""What a page says of its own encoding: the HTML standard's "prescan a byte stream to determine its encoding".

Follows the standard's steps over tags, attributes and comments, so that a <meta> inside a comment or a quoted value is
not obeyed. Does not know how far to look: it is handed the bytes.
"""

from __future__ import annotations

import re
from typing import Final

from scrapekit.charsets import named

_WORD_END: Final = re.compile(rb"[\t\n\f\r >]")
_TAG: Final = re.compile(rb"</?[a-z]", re.IGNORECASE)
_META: Final = re.compile(rb"<meta[\t\n\f\r /]", re.IGNORECASE)
_ATTRIBUTE: Final = re.compile(
    rb"""[\t\n\f\r /]* (=?[^\t\n\f\r /=>]*)
    (?: [\t\n\f\r ]* = [\t\n\f\r ]* (?: "([^"]*)" | '([^']*)' | ([^"'\t\n\f\r >][^\t\n\f\r >]*) )? )?""",
    re.VERBOSE,
)
_CHARSET_WITHIN: Final = re.compile(
    rb"""charset [\t\n\f\r ]* = [\t\n\f\r ]* (?: "([^"]*)" | '([^']*)' | ([^"'\t\n\f\r ;][^\t\n\f\r ;]*) )?""",
    re.VERBOSE | re.IGNORECASE,
)
_XML_ENCODING: Final = re.compile(
    rb"""<\?xml [^>]*? encoding [\0- ]* = [\0- ]* (?: "([^">]*)" | '([^'>]*)' )""", re.VERBOSE
)


class _Unfinished(Exception):
    """The bytes ended inside a tag or a comment."""


def by_utf16_xml(head: bytes) -> str | None:
    """UTF-16, if the bytes begin with an XML declaration in it."""
    if head.startswith(b"<\0?\0x\0"):
        return "utf-16le"
    return "utf-16be" if head.startswith(b"\0<\0?\0x") else None


def by_xml(head: bytes) -> str | None:
    """The encoding that an XML declaration at the very beginning names."""
    found = _XML_ENCODING.match(head)
    name = named((found[1] or found[2] or b"").decode("latin-1")) if found else None
    return "utf-8" if name in ("utf-16be", "utf-16le") else name


def by_meta(head: bytes) -> str | None:
    """The encoding that the first <meta> with a known one names."""
    if b"charset" not in head.lower():
        return None
    try:
        position = head.find(b"<")
        while position >= 0:
            if _META.match(head, position):
                attributes, position = _attributes(head, position + 5)
                if name := _of_meta(attributes):
                    return name
            else:
                position = _past(head, position)
            position = head.find(b"<", position)
    except _Unfinished:
        pass
    return None


def _past(head: bytes, position: int) -> int:
    """Where to go on after what begins here and is no <meta>."""
    if head.startswith(b"<!--", position):
        return _index(head, b"-->", position + 2) + 3
    if _TAG.match(head, position):
        name = _WORD_END.search(head, position)
        if not name:
            raise _Unfinished
        return _attributes(head, name.start())[1]
    if head.startswith((b"<!", b"</", b"<?"), position):
        return _index(head, b">", position) + 1
    return position + 1


def _index(head: bytes, what: bytes, position: int) -> int:
    found = head.find(what, position)
    if found < 0:
        raise _Unfinished
    return found


def _attributes(head: bytes, position: int) -> tuple[dict[bytes, bytes], int]:
    """The attributes up to the tag's end, the first of each name, in lower case; and where the tag ends."""
    attributes: dict[bytes, bytes] = {}
    while True:
        found = _ATTRIBUTE.match(head, position)
        position = found.end() if found else len(head)
        if not found or position >= len(head):
            raise _Unfinished
        if not found[1]:
            return attributes, position
        if found.lastindex == 1 and head[position] in b"\"'":
            raise _Unfinished  # a quote that is never closed
        value = found[found.lastindex or 1] if found.lastindex != 1 else b""
        attributes.setdefault(found[1].lower(), value.lower())


def _of_meta(attributes: dict[bytes, bytes]) -> str | None:
    label: bytes | None = None
    if "charset" in (names := {name.decode("latin-1") for name in attributes}):
        label = attributes[b"charset"]
    elif "content" in names and attributes.get(b"http-equiv") == b"content-type":
        found = _CHARSET_WITHIN.search(attributes[b"content"])
        label = found[found.lastindex] if found and found.lastindex else None
    name = named(label.decode("latin-1")) if label is not None else None
    if name in ("utf-16be", "utf-16le"):
        return "utf-8"
    return "windows-1252" if name == "x-user-defined" else name
