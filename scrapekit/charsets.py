"""Encodings by the labels of the Encoding standard, and bytes to text by them.

Those labels and no others, so that a page can never choose a codec of Python's that is not meant for text, or that
browsers refuse (UTF-7). Where Python's codec of a name reads less than the standard's decoder, another one is taken.

Invariant: whatever the bytes, there is a text. Does not know how a page says which encoding it has.
"""

from __future__ import annotations

import codecs
import re
from functools import cache
from typing import Final

#: name of the encoding, then its other labels
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


def named(label: str) -> str | None:
    """The name, as Python knows it, of the encoding that a label stands for; None for a label that is not known."""
    name = LABELS.get(label.strip("\t\n\f\r ").lower())
    return _PYTHON.get(name, name) if name else None


def text(body: bytes, name: str) -> str:
    """The text of a body in an encoding, without its byte order mark; what the encoding does not have is U+FFFD."""
    if name == "utf-8":
        return body.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
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
