"""Structured fields (RFC 9651), as far as they are met here: dictionaries are read, strings and keys are written.

Invariant: whatever the text, reading it takes time linear in its length. Does not know what a field means.
"""

from __future__ import annotations

import re
from typing import Final

_KEY: Final = r"[a-z*][a-z0-9_\-.*]*+"
_TOKEN: Final = r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*+"
_BARE: Final = (
    rf"""(?:{_TOKEN}|"(?:[ !#-\[\]-~]|\\["\\])*+"|%"(?:[ !#$&-~]|%[0-9a-f]{{2}})*+"|"""
    r"""-?\d{1,12}\.\d{1,3}(?!\d)|-?\d{1,15}(?![\d.])|@-?\d{1,15}|:[A-Za-z0-9+/=]*+:|\?[01])"""
)
_PARAMETERS: Final = rf"(?:[;]\ *+{_KEY}(?:={_BARE})?)*+"
_INNER: Final = rf"\(\ *+(?:{_BARE}{_PARAMETERS}(?:\ ++|(?=\))))*+\)"
_MEMBER: Final = re.compile(rf"({_KEY})(?:=({_INNER}|{_BARE}))?+{_PARAMETERS}")
_COMMA: Final = re.compile(r"[ \t]*+,[ \t]*+")


def dictionary(text: str) -> dict[str, str] | None:
    """The members of a dictionary: each key with its bare value as written, ``?1`` where it has none.

    Parameters are left out; of a key that comes twice the last counts. None for what is no dictionary (RFC 9651 §4.2.2:
    then all of the field is ignored).
    """
    text = text.strip(" ")
    members: dict[str, str] = {}
    at = 0
    while at < len(text):
        member = _MEMBER.match(text, at)
        if member is None:
            return None
        members.pop(member[1], None)
        members[member[1]] = member[2] if member[2] is not None else "?1"
        at = member.end()
        comma = _COMMA.match(text, at)
        if at == len(text):
            return members
        if comma is None or comma.end() == len(text):
            return None
        at = comma.end()
    return members


def string(text: str) -> str:
    """Text as a structured string (RFC 9651 §4.1.6). Raises ValueError for what is not printable ASCII."""
    if not all(" " <= char <= "~" for char in text):
        raise ValueError(f"{text!r} cannot be written as a structured string, which is ASCII")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
