"""F: bytes to text as browsers read them, and what is no text at all. The pages come over the wire."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Any, Final

import pytest

from scrapekit import Response
from scrapekit.encoding import PRESCAN
from scrapekit.testing import FakeNetwork
from tests.scenarios.server import answer

LINK: Final = b'<a href="/x">x</a>'
PNG: Final = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + LINK

Page = tuple[str | None, bytes]
#  id         Content-Type, body
PAGES: Final[dict[str, Page]] = {
    "F01": ("text/html; charset=iso-8859-2", codecs.BOM_UTF8 + b'<meta charset="koi8-r">\xc3\xa9\xd0\xb6'),
    "F02": ("text/html; charset=x-no-such-thing", b'<meta charset="utf-8">\xc3\xa9'),
    "F03": ('text/html; charset="utf-8"; charset=iso-8859-1', b"\xc3\xa9"),
    "F03/quoted": ('text/html; charset="iso-8859-2"', b"\xb1"),
    "F03/other": ("text/html; x=y; charset=utf-8;charset=koi8-r", b"\xc3\xa9"),
    "F04": (None, codecs.BOM_UTF16_LE + "<p>né ж".encode("utf-16-le")),
    "F04/html": ("text/html", codecs.BOM_UTF16_LE + "<p>né ж".encode("utf-16-le")),
    "F04/be": (None, codecs.BOM_UTF16_BE + "<p>né ж".encode("utf-16-be")),
    "F05": ("text/html", b'<meta charset="utf-16">\xc3\xa9'),
    "F05/le": ("text/html", b'<meta http-equiv=content-type content="text/html; charset=UTF-16LE">\xc3\xa9'),
    "F06": ("text/html; charset=iso-8859-1", b"\x80\x93\x9f"),
    "F06/ascii": ("text/html; charset=us-ascii", b"\x80\x93\x9f"),
    "F07": ("text/html; charset=gb2312", b"\xe9F"),
    "F08": ("text/html; charset=utf-8", b"\xc3\xa9 \xe9! \xe2\x82 \xd0\xb6"),
    "F10": (None, b"  <!DOCTYPE html>" + LINK),
    "F10/unknown": ("application/unknown", b"<html>" + LINK),
    "F10/text": ("text/plain", b"<!DOCTYPE html>" + LINK),
    "F12": ("TEXT/HTML; CHARSET=UTF-8", b"\xc3\xa9" + LINK),
    "F12/meta": ("Text/Html", b'<META CHARSET="KOI8-R">\xd6'),
    "F13": ("text/html; charset=utf-7", b"+AOk- +ADw-script+AD4-"),
    "F13/meta": ("text/html", b'<meta charset="utf-7">+AOk-'),
    "F14": ("text/html; charset=utf-8", b'<p>a\0b</p>\0<a\0 href="/no"><a href="/x">x\0</a>'),
    "F15": ("application/xhtml+xml", b'<?xml version="1.0" encoding="windows-1251"?><html><p>\xe6</p></html>'),
    "F15/single": ("application/xhtml+xml", b"<?xml version='1.0' encoding='windows-1251'?><html>\xe6</html>"),
}

#  id         text, encoding
TEXTS: Final = {
    "F01": ('<meta charset="koi8-r">éж', "utf-8"),
    "F02": ('<meta charset="utf-8">é', "utf-8"),
    "F03": ("é", "utf-8"),
    "F03/quoted": ("ą", "iso-8859-2"),
    "F03/other": ("é", "utf-8"),
    "F04": ("<p>né ж", "utf-16le"),
    "F04/html": ("<p>né ж", "utf-16le"),
    "F04/be": ("<p>né ж", "utf-16be"),
    "F05": ('<meta charset="utf-16">é', "utf-8"),
    "F05/le": ('<meta http-equiv=content-type content="text/html; charset=UTF-16LE">é', "utf-8"),
    "F06": ("€“Ÿ", "windows-1252"),
    "F06/ascii": ("€“Ÿ", "windows-1252"),
    "F07": ("镕", "gbk"),
    "F08": ("é \ufffd! \ufffd ж", "utf-8"),
    "F12": ("é" + LINK.decode(), "utf-8"),
    "F12/meta": ('<META CHARSET="KOI8-R">ж', "koi8-r"),
    "F13": ("+AOk- +ADw-script+AD4-", "utf-8"),
    "F13/meta": ('<meta charset="utf-7">+AOk-', "utf-8"),
    "F15": ('<?xml version="1.0" encoding="windows-1251"?><html><p>ж</p></html>', "windows-1251"),
    "F15/single": ("<?xml version='1.0' encoding='windows-1251'?><html>ж</html>", "windows-1251"),
}


def play(page: Page) -> bytes:
    kind, body = page
    return answer(body, 200, *([f"Content-Type: {kind}"] if kind else []))


@pytest.fixture
def page(web: Callable[..., Any]) -> Callable[[Page], Response]:
    """A page as it comes over the wire, twice over one connection; it is read the same each time."""

    def fetched(page: Page) -> Response:
        text = web({"/page": play(page)})

        async def main(session: Any) -> list[Response]:
            return [await session.get("http://a.test/page") for _ in range(2)]

        first, second = text.session(main)
        assert (first.body, first.text, first.encoding) == (page[1], second.text, second.encoding)
        assert text.server.connections == 1
        return first

    return fetched


@pytest.fixture
def reads(page: Callable[[Page], Response]) -> Callable[..., Response]:
    def check(*names: str) -> None:
        for name in names:
            response = page(PAGES[name])
            assert (response.text, response.encoding) == TEXTS[name], name

    return check


def test_F01_a_byte_order_mark_beats_the_header_and_the_page(reads: Any) -> None:
    reads("F01")


def test_F02_a_charset_that_nobody_knows_leaves_it_to_the_page(reads: Any) -> None:
    reads("F02")


def test_F03_of_two_charsets_the_first_counts_quoted_or_not(reads: Any) -> None:
    reads("F03", "F03/quoted", "F03/other")


def test_F04_utf16_is_known_by_its_mark(reads: Any) -> None:
    reads("F04", "F04/html", "F04/be")


def test_F05_a_page_that_can_be_read_to_say_utf16_is_utf8(reads: Any) -> None:
    reads("F05", "F05/le")


def test_F06_latin_1_is_windows_1252(reads: Any) -> None:
    reads("F06", "F06/ascii")


def test_F07_gb2312_is_gbk(reads: Any) -> None:
    reads("F07")


def test_F08_bytes_that_are_no_utf8_are_replaced_and_the_rest_is_intact(reads: Any) -> None:
    reads("F08")


def links(response: Response) -> list[str]:
    return [link.url for link in response.links()]


@pytest.mark.parametrize("body", [PNG, b"%PDF-1.7\n" + LINK, b"GIF89a" + LINK, b"\x1f\x8b\x08\0" + LINK])
def test_F09_an_image_that_is_declared_html_has_no_links(page: Any, body: bytes) -> None:
    response = page(("text/html; charset=utf-8", body))
    assert (links(response), response.title, response.css("a")) == ([], "", [])


def test_F09_a_crawl_follows_nothing_in_it(crawl: Callable[..., Any]) -> None:
    network = FakeNetwork({"a.test": {"/": play(("text/html", PNG))}})
    assert crawl(network, ["http://a.test/"], follow=True).outcomes == (1, 0, 0, 0)
    assert network.requests() == ["/robots.txt", "/"]


def test_F10_html_is_known_where_nothing_is_declared_and_plain_text_stays_text(page: Any) -> None:
    for name in ("F10", "F10/unknown"):
        assert links(page(PAGES[name])) == ["http://a.test/x"], name
    response = page(PAGES["F10/text"])
    assert (links(response), response.text) == ([], PAGES["F10/text"][1].decode())


def test_F12_type_and_charset_may_be_in_capitals(page: Any, reads: Any) -> None:
    reads("F12", "F12/meta")
    assert links(page(PAGES["F12"])) == ["http://a.test/x"]


def test_F13_utf7_is_never_read_as_such(reads: Any) -> None:
    reads("F13", "F13/meta")


def test_F14_a_link_is_found_between_nul_bytes(page: Any) -> None:
    response = page(PAGES["F14"])
    assert links(response) == ["http://a.test/x"]
    assert response.text.count("\0") == 4


def test_F15_an_xml_declaration_counts_for_xhtml(page: Any, reads: Any) -> None:
    reads("F15", "F15/single")
    assert page(PAGES["F15"]).css_first("p").text() == "ж"


@pytest.mark.parametrize("beyond", [-40, 0, 1, 1000])
def test_F16_a_meta_after_1024_bytes_is_read_the_same_every_time(page: Any, beyond: int) -> None:
    meta = b'<meta charset="koi8-r">'
    body = b"<!--" + b"x" * (PRESCAN - 4 - 3 - len(meta) + beyond) + b"-->" + meta + b"\xd6"
    # Where nothing says that it is UTF-8, and it cannot be, what a page says of itself further down counts too.
    assert page(("text/html", body)).text[-1] == "ж"
    ascii_only = page(("text/html", body[:-1]))
    assert ascii_only.encoding == ("koi8-r" if beyond <= 0 else "utf-8")
