"""What a body would be called as a file: a safe base name, from its Content-Disposition or else its URL.

Invariant: a name that is given out is no path, hidden file or device, has nothing in it that does not show, and fits
any file system of today.

Knows of no files: whether one of that name exists is the caller's affair.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

from scrapekit.encoding import HTML_TYPES, essence

#: The most bytes of a name in UTF-8, of 255 that file systems take: there is room for a suffix of ours.
LONGEST: Final = 200
_LONGEST_SUFFIX: Final = 20

#: One parameter of the field: a token or a quoted string (RFC 6266 §4.1), or what servers send for one.
_PARAMETER: Final = re.compile(r';\s*([\w!#$%&\'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))', re.ASCII)
_ESCAPE: Final = re.compile(r"\\(.)")
#: charset'language'value (RFC 8187 §3.2.1); these two charsets are the ones that were ever asked for.
_EXTENDED: Final = re.compile(r"(utf-8|iso-8859-1)'[^']*'((?:%[0-9a-f]{2}|[\w!#$&+.^`|~-])+)", re.ASCII | re.IGNORECASE)
_SPECIAL: Final = re.compile(r'[<>:"|?*]')
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE)


def filename(disposition: str | None, url: str, content_type: str | None) -> str:
    """A base name for what was found at a URL, as RFC 6266 §4.3 says; ``index.html`` or ``download`` if none."""
    suggested = _suggested(disposition) if disposition else None
    path = url.partition("#")[0].partition("?")[0].partition("://")[2].partition("/")[2]
    default = "index.html" if essence(content_type) in HTML_TYPES else "download"
    return _safe(suggested or "") or _safe(unquote(path.rpartition("/")[2])) or default


def _suggested(disposition: str) -> str | None:
    """What the field says; ``filename*`` goes before ``filename``, and the first of each counts."""
    given: dict[str, str] = {}
    for name, quoted, token in _PARAMETER.findall(";" + disposition.partition(";")[2]):
        given.setdefault(name.lower(), _ESCAPE.sub(r"\1", quoted) if quoted else token.strip())
    found = _EXTENDED.fullmatch(given.get("filename*", ""))
    if found is not None:
        try:
            return unquote_to_bytes(found[2]).decode(found[1])
        except UnicodeDecodeError:
            pass
    plain = given.get("filename")
    try:
        # Fields come as latin-1, so that no byte is lost; what was sent is mostly UTF-8.
        return plain.encode("latin-1").decode() if plain is not None else None
    except UnicodeError:
        return plain


def _safe(name: str) -> str:
    """The last segment, without what would make it more than a name; empty if nothing is left."""
    name = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    shown = "".join(char for char in name if unicodedata.category(char)[0] != "C")
    shown = _SPECIAL.sub("_", " ".join(shown.split())).lstrip(". ")
    if _DEVICE.fullmatch(shown):
        shown = "_" + shown
    return _short(shown).rstrip(". ")


def _short(name: str) -> str:
    """No longer than may be, its suffix kept if that is one."""
    if len(name.encode()) <= LONGEST:
        return name
    stem, dot, suffix = name.rpartition(".")
    tail = dot + suffix if stem and len(suffix.encode()) <= _LONGEST_SUFFIX else ""
    stem = stem if tail else name
    return stem.encode()[: LONGEST - len(tail.encode())].decode(errors="ignore") + tail
