"""Bytes of a page to text, as browsers do it: which encoding, and what kind of thing the bytes are at all.

The order is that of the HTML standard: byte order mark, then the charset of Content-Type, then what the first 1,024
bytes say of themselves, then a guess. Labels are those of the Encoding standard and no others, so that a page can
never choose a codec of Python's that is not meant for text.

Invariant: whatever the bytes, there is a text, and the same bytes with the same Content-Type always give the same one.
Does not know of Content-Encoding: bodies come here inflated.
"""

from __future__ import annotations

import codecs
import re
from functools import cache, lru_cache
from typing import Final

#: How much of a page may say what encoding it has (HTML standard, "prescan a byte stream").
PRESCAN: Final = 1024
#: Browsers obey a <meta> further down as well, by parsing again; we look this far, and only if the page is not UTF-8.
LATE: Final = 64 * 1024

# name of the encoding, then its other labels
_TABLE: Final = """
utf-8:          unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf8 x-unicode20utf8
ibm866:         866 cp866 csibm866
iso-8859-2:     csisolatin2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2
iso-8859-3:     csisolatin3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3
iso-8859-4:     csisolatin4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4
iso-8859-5:     csisolatincyrillic cyrillic iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988
iso-8859-6:     arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6-e iso-8859-6-i
                iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987
iso-8859-7:     csisolatingreek ecma-118 elot_928 greek greek8 iso-ir-126 iso8859-7 iso88597 iso_8859-7
                iso_8859-7:1987 sun_eu_greek
iso-8859-8:     csiso88598e csisolatinhebrew hebrew iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8
                iso_8859-8:1988 visual
iso-8859-8-i:   csiso88598i logical
iso-8859-10:    csisolatin6 iso-ir-157 iso8859-10 iso885910 l6 latin6
iso-8859-13:    iso8859-13 iso885913
iso-8859-14:    iso8859-14 iso885914
iso-8859-15:    csisolatin9 iso8859-15 iso885915 iso_8859-15 l9
iso-8859-16:
koi8-r:         cskoi8r koi koi8 koi8_r
koi8-u:         koi8-ru
macintosh:      csmacintosh mac x-mac-roman
windows-874:    dos-874 iso-8859-11 iso8859-11 iso885911 tis-620
windows-1250:   cp1250 x-cp1250
windows-1251:   cp1251 x-cp1251
windows-1252:   ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591
                iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii x-cp1252
windows-1253:   cp1253 x-cp1253
windows-1254:   cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5
                x-cp1254
windows-1255:   cp1255 x-cp1255
windows-1256:   cp1256 x-cp1256
windows-1257:   cp1257 x-cp1257
windows-1258:   cp1258 x-cp1258
x-mac-cyrillic: x-mac-ukrainian
gbk:            chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 iso-ir-58 x-gbk
gb18030:
big5:           big5-hkscs cn-big5 csbig5 x-x-big5
euc-jp:         cseucpkdfmtjapanese x-euc-jp
iso-2022-jp:    csiso2022jp
shift_jis:      csshiftjis ms932 ms_kanji shift-jis sjis windows-31j x-sjis
euc-kr:         cseuckr csksc56011987 iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949
replacement:    csiso2022kr hz-gb-2312 iso-2022-cn iso-2022-cn-ext iso-2022-kr
utf-16be:       unicodefffe
utf-16le:       csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16
x-user-defined:
"""
_ROWS: Final = [row.split(":", 1) for row in re.sub(r"\n\s+", " ", _TABLE).strip().split("\n")]
#: Each of the standard's 228 labels, and the encoding that it names.
LABELS: Final = {label: name for name, rest in _ROWS for label in (name, *rest.split())}

#: Encodings whose usual name Python's codecs do not know, and what we say instead, so that bytes.decode() takes it.
_PYTHON: Final = {"iso-8859-8-i": "iso-8859-8", "windows-874": "cp874", "x-mac-cyrillic": "mac-cyrillic"}
#: Where the standard's decoder reads more than Python's codec of the same name, the codec that reads as much.
_WIDER: Final = {
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc-kr": "cp949",
    "iso-2022-jp": "iso2022_jp_ext",
}
#: Single bytes that Python's table of that name has otherwise than the standard's.
_OTHERWISE: Final = {"koi8-u": {0xAE: "\u045e", 0xBE: "\u040e"}, "windows-1255": {0xCA: "\u05ba"}}
_BY_BYTE: Final = frozenset({"cp874", "koi8-u", *(f"windows-{number}" for number in range(1250, 1259))})

_UTF8_BOM: Final = codecs.BOM_UTF8
_UTF16_BOMS: Final = {codecs.BOM_UTF16_BE: "utf-16be", codecs.BOM_UTF16_LE: "utf-16le"}
_SPACE: Final = b"\t\n\f\r "


def decode(body: bytes, content_type: str | None = None) -> tuple[str, str]:
    """The text of a body, without its byte order mark, and the name of the encoding.

    Bytes that the encoding does not have become U+FFFD. ``bytes.decode`` knows the name, but for ``replacement`` (an
    encoding that browsers refuse to read) and ``x-user-defined``.
    """
    name = declared(body, content_type) or _guess(body, content_type)
    return _text(body, name), name


def declared(body: bytes, content_type: str | None = None) -> str | None:
    """The encoding that the mark, Content-Type or the first 1,024 bytes declare, in this order, or None."""
    if body.startswith(_UTF8_BOM):
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
            return _encoding(_ESCAPED.sub(r"\1", quoted) if quoted is not None else plain)
    return None


_PARAMETER: Final = re.compile(r';([^;=]*)=(?:"((?:[^"\\]|\\.)*)"?[^;]*|([^;]*))')
_ESCAPED: Final = re.compile(r"\\(.)")


def _encoding(label: str) -> str | None:
    name = LABELS.get(label.strip("\t\n\f\r ").lower())
    return _PYTHON.get(name, name) if name else None


def _text(body: bytes, name: str) -> str:
    if name == "utf-8":
        return body.removeprefix(_UTF8_BOM).decode("utf-8", "replace")
    if name == "replacement":
        return "\ufffd" if body else ""
    if name == "x-user-defined":
        return "".join(chr(byte) if byte < 0x80 else chr(0xF700 + byte) for byte in body)
    if name in _BY_BYTE:
        return codecs.charmap_decode(body, "replace", _table(name))[0]
    if name in ("utf-16be", "utf-16le"):
        return body.decode(name, "replace").removeprefix("\ufeff")
    return body.decode(_WIDER.get(name, name), "scrapekit.euc-jp" if name == "euc-jp" else "replace")


#: The rows of JIS X 0208 that NEC filled: 13, and 89 to 92 with characters of IBM's.
_NEC_ROWS: Final = b"\xad\xf9\xfa\xfb\xfc"


def _nec_row(error: UnicodeError) -> tuple[str, int]:
    """Read the characters that NEC and IBM put into gaps of JIS X 0208 (①, ㈱, …), which Python has in cp932 alone."""
    assert isinstance(error, UnicodeDecodeError)
    pair = error.object[error.start : error.start + 2]
    if len(pair) == 2 and pair[0] in _NEC_ROWS and pair[1] >= 0xA1:
        row, cell = pair[0] - 0x80, pair[1] - 0x80
        lead = (row - 1) // 2 + (0x71 if row <= 0x5E else 0xB1)
        trail = cell + (0x1F + (cell >= 0x60) if row % 2 else 0x7E)
        if char := bytes([lead, trail]).decode("cp932", "ignore"):
            return char, error.start + 2
    return "\ufffd", error.start + 1


codecs.register_error("scrapekit.euc-jp", _nec_row)


@cache
def _table(name: str) -> str:
    """The 256 characters of a single-byte encoding; in 0x80 to 0x9F the standard has controls where Python has gaps."""
    table = [bytes([byte]).decode(name, "replace") for byte in range(256)]
    for byte in range(0x80, 0xA0):
        if table[byte] == "\ufffd":
            table[byte] = chr(byte)
    for byte, char in _OTHERWISE.get(name, {}).items():
        table[byte] = char
    return "".join(table)


# ---- when nothing was declared ----


def _guess(body: bytes, content_type: str | None) -> str:
    try:
        body.decode()
    except UnicodeDecodeError:
        return _late(body, content_type) or ("utf-8" if _mostly_utf8(body) else "windows-1252")
    return "utf-8"


def _late(body: bytes, content_type: str | None) -> str | None:
    """What a page says of itself further down; many old pages put a long script before their <meta>."""
    head = body[:LATE]
    if b"charset" in head[PRESCAN:].lower():
        return _said_by(head, content_type)
    return None


def _mostly_utf8(body: bytes) -> bool:
    """Whether the valid sequences outnumber the bad ones: a page of UTF-8 into which something else was pasted."""
    text = body.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    return len(text) - len(text.encode("ascii", "ignore")) >= 2 * bad


# ---- what a page says of itself (HTML standard, "prescan a byte stream to determine its encoding") ----

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


def _said_by(head: bytes, content_type: str | None) -> str | None:
    kind = essence(content_type)
    if kind and kind not in HTML_TYPES and not kind.endswith(("/xml", "+xml")):
        return None
    if head.startswith((b"<\0?\0x\0", b"\0<\0?\0x")):
        return "utf-16be" if head[0] == 0 else "utf-16le"
    by_meta = _by_meta(head) if not kind or kind in HTML_TYPES else None
    return by_meta or _by_xml(head)


def _by_xml(head: bytes) -> str | None:
    found = _XML_ENCODING.match(head)
    name = _encoding((found[1] or found[2] or b"").decode("latin-1")) if found else None
    return "utf-8" if name in ("utf-16be", "utf-16le") else name


def _by_meta(head: bytes) -> str | None:
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
    name = _encoding(label.decode("latin-1")) if label is not None else None
    if name in ("utf-16be", "utf-16le"):
        return "utf-8"
    return "windows-1252" if name == "x-user-defined" else name


# ---- what kind of thing it is (MIME Sniffing standard, as far as a crawler needs it) ----

HTML_TYPES: Final = frozenset({"text/html", "application/xhtml+xml", "application/vnd.wap.xhtml+xml"})
_UNKNOWN: Final = frozenset({"", "unknown/unknown", "application/unknown", "*/*"})

#: How things begin that are never HTML, whatever they are declared to be.
_BINARY: Final = re.compile(
    rb"\x89PNG\r\n\x1a\n | GIF8[79]a | \xff\xd8\xff | RIFF....WEBPVP | \x00\x00[\x01\x02]\x00"
    rb"| %PDF- | %!PS-Adobe- | \x1f\x8b\x08 | PK\x03\x04 | Rar\x20?!?\x1a\x07 | 7z\xbc\xaf\x27\x1c | BZh[1-9]1AY&SY"
    rb"| \xfd7zXZ\x00 | \x28\xb5\x2f\xfd | OggS\x00 | RIFF....(?:WAVE|AVI\x20) | FORM....AIFF | ID3[\x02-\x04]"
    rb"| MThd\x00\x00\x00\x06 | ....ftyp | \x1aE\xdf\xa3 | wOF[F2] | \x00\x01\x00\x00\x00 | \x7fELF | \xd0\xcf\x11\xe0",
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
