from __future__ import annotations

import base64
import codecs
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit.charsets import LABELS
from scrapekit.encoding import PRESCAN, charset_of, declared, decode, essence, is_binary, is_html

DATA = Path(__file__).resolve().parents[1] / "../shared/data/charset"

#: These put their <meta> past the first 1,024 bytes, where a browser's parser finds it and starts again.
LATE = {"tests1.dat:48", "tests1.dat:50", "tests1.dat:51", "tests1.dat:52"}
#: This one's scripts write the <meta>.
SCRIPTED = {"tests1.dat:53"}


def vectors(name: str) -> list[Any]:
    path = DATA / name
    if not path.exists():
        return [pytest.param({}, marks=pytest.mark.skip("no ../shared/data here"))]
    return [pytest.param(case, id=f"{case['id']}-{at}") for at, case in enumerate(json.loads(path.read_text()))]


def python_name(label: str) -> str:
    return codecs.lookup(label).name


@pytest.mark.parametrize("case", vectors("html5lib.json"))
def test_pages_declare_themselves_as_html5lib_reads_them(case: dict[str, Any]) -> None:
    body = base64.b64decode(case["data_b64"])
    found = declared(body, "text/html") or "windows-1252"
    if case["id"] in LATE | SCRIPTED:
        assert found == "windows-1252"
        assert body.lower().find(b"<meta") > PRESCAN or case["id"] in SCRIPTED
    else:
        assert python_name(found) == python_name(case["encoding"])


@pytest.mark.parametrize("case", [case for case in vectors("html5lib.json") if case.values[0].get("id") in LATE])
def test_a_late_meta_counts_where_the_page_is_no_utf8(case: dict[str, Any]) -> None:
    body = base64.b64decode(case["data_b64"]) + b"<p>\xb1\xe6"
    assert decode(body, "text/html")[1] == "iso-8859-2"


@pytest.mark.parametrize("case", vectors("jsdom.json"))
def test_the_mark_beats_the_transport_beats_the_page(case: dict[str, Any]) -> None:
    transport = f"text/html; charset={case['transport']}" if case["transport"] else None
    found = declared(base64.b64decode(case["data_b64"]), transport)
    assert found is not None
    assert python_name(found) == python_name(case["encoding"])


def test_the_labels_are_those_of_the_standard() -> None:
    path = DATA / "whatwg_encodings.json"
    if not path.exists():
        pytest.skip("no ../shared/data here")
    table = [encoding for part in json.loads(path.read_text()) for encoding in part["encodings"]]
    assert {label: each["name"].lower() for each in table for label in each["labels"]} == LABELS


def test_there_are_228_labels() -> None:
    assert len(LABELS) == 228


@pytest.mark.parametrize("label", sorted(LABELS))
def test_each_label_reads_text_by_a_name_that_python_knows(label: str) -> None:
    text, name = decode(b"plain", f"text/html; charset={label}")
    if name == "replacement":
        assert text == "\ufffd"
        assert decode(b"", f"text/html; charset={label}")[0] == ""
    elif name.startswith("utf-16"):
        assert codecs.lookup(name)
    else:
        assert text == "plain"
        assert name == "x-user-defined" or codecs.lookup(name)


@pytest.mark.parametrize(
    ("label", "body", "text"),
    [
        ("iso-8859-1", b"\x80\x93\x81\xe9", "€“\x81é"),
        ("windows-1253", b"\x81\xaa\xe1", "\x81\ufffdα"),
        ("gb2312", b"\xd6\xd0\xe9\x46", "中镕"),
        ("gbk", b"\x81\x30\x81\x30", "\x80"),
        ("big5", b"\xa4\xa4\x9d\xf8", "中啲"),
        ("shift_jis", b"\x87\x40", "①"),
        ("euc-jp", b"\xc6\xfc\xad\xa1\xad\xea\xfc\xe2\xad", "日①㈱髙\ufffd"),
        ("euc-jp", b"\xc6\xfc\x8f\xb0\xa1\x8e\xb1\xff\xc6", "日丂ｱ\ufffd\ufffd"),
        ("euc-kr", b"\xb0\xa1\x8c\x63", "가똠"),
        ("iso-2022-jp", b"\x1b$BF|\x1b(B!", "日!"),
        ("koi8-u", b"\xae\xbe\xa4", "ўЎє"),
        ("windows-1255", b"\xca\xe0", "\u05baא"),
        ("logical", b"\xe0", "א"),
        ("tis-620", b"\xa1\x80", "ก€"),
        ("x-mac-ukrainian", b"\xff\xa2", "€Ґ"),
        ("mac", b"\xdb", "€"),
        ("x-user-defined", b"a\x80\xff", "a\uf780\uf7ff"),
        ("utf-16", "né".encode("utf-16-le"), "né"),
        ("hz-gb-2312", b"anything", "\ufffd"),
        ("utf-8", b"a\xffb\xe2\x82", "a\ufffdb\ufffd"),
    ],
)
def test_bytes_are_read_as_the_encoding_standard_has_them(label: str, body: bytes, text: str) -> None:
    assert decode(body, f"text/plain; charset={label}")[0] == text


@pytest.mark.parametrize(
    ("body", "content_type", "text", "name"),
    [
        pytest.param(
            b'\xef\xbb\xbf<meta charset="koi8-r">\xc3\xa9',
            "text/html; charset=iso-8859-2",
            '<meta charset="koi8-r">é',
            "utf-8",
            id="F01",
        ),
        pytest.param(
            b"<meta charset=utf-8>\xc3\xa9", "text/html; charset=x-none", "<meta charset=utf-8>é", "utf-8", id="F02"
        ),
        pytest.param(b"\xc3\xa9", 'text/html; charset="utf-8"; charset=iso-8859-1', "é", "utf-8", id="F03"),
        pytest.param("\ufeffné".encode("utf-16-le"), None, "né", "utf-16le", id="F04"),
        pytest.param(b"<meta charset=utf-16>\xc3\xa9", "text/html", "<meta charset=utf-16>é", "utf-8", id="F05"),
        pytest.param(b"\x80\x9f", "text/html; charset=iso-8859-1", "€Ÿ", "windows-1252", id="F06"),
        pytest.param(b"\xe9\x46", "text/html; charset=gb2312", "镕", "gbk", id="F07"),
        pytest.param(b"\xc3\xa9 \xe9!", "text/html; charset=utf-8", "é \ufffd!", "utf-8", id="F08"),
        pytest.param(b"\xc3\xa9 \xe9!", "text/html", "é \ufffd!", "utf-8", id="F08 undeclared"),
        pytest.param(b"\xc3\xa9", "TEXT/HTML; CHARSET=UTF-8", "é", "utf-8", id="F12"),
        pytest.param(b"+AOk-", "text/html; charset=utf-7", "+AOk-", "utf-8", id="F13"),
        pytest.param(b"<meta charset=utf-7>+AOk-", "text/html", "<meta charset=utf-7>+AOk-", "utf-8", id="F13 meta"),
        pytest.param(
            b'<?xml version="1.0" encoding="windows-1251"?><html>\xe6',
            "application/xhtml+xml",
            '<?xml version="1.0" encoding="windows-1251"?><html>ж',
            "windows-1251",
            id="F15",
        ),
    ],
)
def test_scenario(body: bytes, content_type: str | None, text: str, name: str) -> None:
    assert decode(body, content_type) == (text, name)


@pytest.mark.parametrize("start", [PRESCAN - 22, PRESCAN - 21])
def test_the_prescan_ends_at_1024_bytes(start: int) -> None:  # F16
    body = b" " * start + b"<meta charset=koi8-r >"
    assert declared(body, "text/html") == ("koi8-r" if start + 22 <= PRESCAN else None)
    assert decode(body, "text/html")[1] == ("koi8-r" if start + 22 <= PRESCAN else "utf-8")


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        ("text/html", None),
        ("text/html;charset=utf-8", "utf-8"),
        ("text/html ; Charset = koi8-r", "koi8-r"),
        ("text/html; charset=", None),
        ("text/html; charset", None),
        ("text/html; charset=x-none; charset=utf-8", None),
        ('text/html; x=";charset=koi8-r"; charset=utf-8', "utf-8"),
        ('text/html; charset="ut\\f-8"', "utf-8"),
        ('text/html; charset="utf-8', "utf-8"),
        ("text/html; charset= utf-8 ", "utf-8"),
        ("text/html; boundary=charset; charset=koi8-r", "koi8-r"),
        ("charset=utf-8", None),
        ("", None),
    ],
)
def test_the_first_charset_parameter_counts(content_type: str, name: str | None) -> None:
    assert charset_of(content_type) == name


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"<meta http-equiv=content-type content=\"text/html; charset = 'koi8-r'\">", "koi8-r"),
        (b'<meta content="charset=koi8-r" charset=utf-8>', "utf-8"),
        (b'<meta content="charset; charset=koi8-r" http-equiv=Content-Type>', "koi8-r"),
        (b"<meta charset=x-user-defined>", "windows-1252"),
        (b"<meta/charset=koi8-r/>", None),
        (b"<meta/charset=koi8-r />", "koi8-r"),
        (b"<meta charset=koi8-r charset=utf-8>", "koi8-r"),
        (b"<!--><meta charset=koi8-r>", "koi8-r"),
        (b"<!-- <meta charset=koi8-r>", None),
        (b"<a title='<meta charset=utf-8>'><meta charset=koi8-r>", "koi8-r"),
        (b"</a title='<meta charset=utf-8>'><meta charset=koi8-r>", "koi8-r"),
        (b"<? <meta charset=koi8-r>", None),
        (b"< <meta charset=koi8-r>", "koi8-r"),
        (b"<meta =charset=koi8-r><meta ==koi8-r>", None),
        (b"<META\tCHARSET\n=\f'KOI8-R'\r>", "koi8-r"),
        (b"<?xml encoding='koi8-r'?><meta charset=utf-8>", "utf-8"),
        (b"<?xml version='1.0' encoding = 'utf-16'?>", "utf-8"),
        (b"<?xml version='1.0'?> encoding='koi8-r'", None),
        (b" <?xml version='1.0' encoding='koi8-r'?>", None),
        ("<?xml".encode("utf-16-le"), "utf-16le"),
        ("<?xml".encode("utf-16-be"), "utf-16be"),
    ],
)
def test_a_page_says_what_it_is(head: bytes, name: str | None) -> None:
    assert declared(head, "text/html") == name
    assert declared(head) == name


def test_only_markup_is_asked_what_it_is() -> None:
    body = b"<meta charset=koi8-r>"
    assert declared(body, "text/plain") is None
    assert declared(body, "application/rss+xml") is None
    assert declared(b"<?xml encoding='koi8-r'?>", "application/rss+xml") == "koi8-r"


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"", "utf-8"),
        (b"a", "utf-8"),
        ("жé".encode(), "utf-8"),
        (b"caf\xe9", "windows-1252"),
        (b"\xff", "windows-1252"),
    ],
)
def test_what_declares_nothing_is_utf8_or_else_windows_1252(body: bytes, name: str) -> None:
    assert decode(body)[1] == name


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        (None, ""),
        ("", ""),
        ("Text/HTML", "text/html"),
        (" text/html ; charset=x", "text/html"),
        ("text/html, text/plain", "text/html"),
    ],
)
def test_the_essence_of_a_type(content_type: str | None, kind: str) -> None:
    assert essence(content_type) == kind


@pytest.mark.parametrize(
    ("content_type", "body", "html"),
    [
        ("text/html", b"\x89PNG\r\n\x1a\n\0\0", False),  # F09
        ("text/html", b"%PDF-1.7", False),
        ("text/html", b"\x1f\x8b\x08", False),
        ("text/html", b"\0\0\0\x20ftypmp42", False),
        ("text/html", b"\0<a href=x>", True),  # F14
        ("text/html", b"", True),
        ("text/html", b"no markup", True),
        ("TEXT/HTML; charset=x", b"<p>", True),
        ("application/xhtml+xml", b"<html>", True),
        (None, b"<!doctype html><p>", True),  # F10
        (None, b" \n<HTML>", True),
        (None, b"\xef\xbb\xbf<html>", True),
        (None, "\ufeff<html>".encode("utf-16-le"), True),
        (None, b"<?xml version='1.0'?><html>", True),
        (None, b"<?xml version='1.0'?><rss>", False),
        (None, b"<!-- x", True),
        (None, b"<pre>", False),
        (None, b"<a", False),
        (None, b"plain", False),
        (None, b"", False),
        ("*/*", b"<p >", True),
        ("text/plain", b"<!doctype html><p>", False),  # F11
        ("application/json", b"<html>", False),
        ("image/png", b"<html>", False),
    ],
)
def test_html_is_known_by_its_type_or_else_its_beginning(content_type: str | None, body: bytes, html: bool) -> None:
    assert is_html(content_type, body) is html


def test_text_is_not_taken_for_a_binary() -> None:
    for text in (b"", b"GIF", b"PKZIP is old", b"<html>", b"MZ", b"BM", b"RIFF-RAFF", "\ufeff<p>".encode("utf-16-be")):
        assert not is_binary(text)


@given(st.binary(max_size=60), st.sampled_from([None, "text/html", "text/html; charset=euc-jp", "a;charset=utf-16"]))
def test_any_bytes_have_a_text(body: bytes, content_type: str | None) -> None:
    text, name = decode(body, content_type)
    assert isinstance(text, str)
    assert decode(body, content_type) == (text, name)


@given(
    st.lists(
        st.sampled_from([b"<", b"meta", b" ", b"charset", b"=", b'"', b"'", b">", b"/", b"!--", b"-->", b"koi8-r"])
    )
)
def test_any_markup_declares_a_known_encoding_or_nothing(parts: list[bytes]) -> None:
    assert declared(b"".join(parts), "text/html") in {None, "koi8-r"}
