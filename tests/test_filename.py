"""The name of a body as a file: Content-Disposition read as RFC 6266 says, and never more than a base name (L07)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit.filename import LONGEST, filename

URL = "https://a.test/dir/report%20one.pdf?x=/y.exe#/z"


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="foo.html"', "foo.html"),
        ("attachment; filename=foo.html", "foo.html"),
        ("Attachment; FileName = foo.html ; size=3", "foo.html"),
        ('inline; filename="f\\oo.html"', "foo.html"),
        ('attachment; filename="a;b.html"', "a;b.html"),
        ('attachment; filename="a \\"quoted\\" b.txt"', "a _quoted_ b.txt"),
        ('attachment; size="7; filename=evil.exe"; filename=good.txt', "good.txt"),
        ("attachment; filename*=UTF-8''foo-%c3%a4-%e2%82%ac.html", "foo-ä-€.html"),
        ("attachment; filename*=utf-8'en'a%20b.html; filename=plain.html", "a b.html"),
        ("attachment; filename=plain.html; filename*=utf-8''long.html", "long.html"),
        ("attachment; filename*=iso-8859-1''foo-%E4.html", "foo-ä.html"),
        ("attachment; filename*=utf-8''%E4.html; filename=plain.html", "plain.html"),
        ("attachment; filename*=klingon''x.html; filename=plain.html", "plain.html"),
        ("attachment; filename*=broken; filename=plain.html", "plain.html"),
        ("attachment; filename=one.txt; filename=two.txt", "one.txt"),
        ('attachment; filename="na\xc3\xafve.txt"', "naïve.txt"),
        ('attachment; filename="na\xefve.txt"', "naïve.txt"),
        ("attachment; filename=two words.txt", "two words.txt"),
        ("attachment", "report one.pdf"),
        ("", "report one.pdf"),
        ('attachment; filename=""', "report one.pdf"),
        ('attachment; filename=".."', "report one.pdf"),
    ],
)
def test_content_disposition_goes_before_the_url(disposition, name):
    assert filename(disposition, URL, None) == name


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("..\\\\..\\\\windows\\\\win.ini", "win.ini"),
        ("C:\\\\boot.ini", "boot.ini"),
        ("C:boot.ini", "C_boot.ini"),
        (".bashrc", "bashrc"),
        ("..", "download"),
        ("dir/", "download"),
        ("a\x00b\x1b[2J.txt", "ab[2J.txt"),
        ("a\r\n .txt", "a .txt"),
        ("nul", "_nul"),
        ("Com1.txt", "_Com1.txt"),
        ("console.txt", "console.txt"),
        ("trailing. . ", "trailing"),
        ("a<b>|c?.txt", "a_b__c_.txt"),
    ],
)
def test_a_path_is_reduced_to_a_safe_base_name(said, name):
    assert filename(f'attachment; filename="{said}"', "https://a.test/", None) == name


def test_what_turns_the_reading_direction_is_left_out():
    assert filename("attachment; filename*=utf-8''invoice%E2%80%AEfdp.exe", URL, None) == "invoicefdp.exe"


@pytest.mark.parametrize(
    ("url", "kind", "name"),
    [
        ("https://a.test", None, "download"),
        ("https://a.test/", "text/html; charset=utf-8", "index.html"),
        ("https://a.test/dir/", "application/pdf", "download"),
        ("https://a.test/dir/caf%C3%A9.txt", None, "café.txt"),
        ("https://a.test/..%2F..%2Fetc%2Fpasswd", None, "passwd"),
        ("https://a.test/%00", None, "download"),
        ("https://a.test/x?f=/y", None, "x"),
    ],
)
def test_without_a_field_the_url_names_it(url, kind, name):
    assert filename(None, url, kind) == name


@pytest.mark.parametrize("letter", ["x", "é", "\N{GRINNING FACE}"])
def test_a_name_is_cut_with_its_suffix_kept(letter):
    field = f"attachment; filename*=utf-8''{''.join(f'%{byte:02x}' for byte in (letter * 300).encode())}.tar.gz"
    name = filename(field, URL, None)
    assert name.endswith(".gz")
    assert LONGEST - 4 < len(name.encode()) <= LONGEST
    exact = "x" * (LONGEST - 4) + ".txt"
    assert filename(f"a; filename={exact}", URL, None) == exact
    assert len(filename(f"a; filename=x{exact}", URL, None)) == LONGEST
    assert len(filename("a; filename=" + "x" * 300, URL, None)) == LONGEST


@given(st.text(alphabet=st.characters(max_codepoint=255)))
def test_whatever_is_sent_is_one_plain_name(field):
    for disposition in (field, f'attachment; filename="{field}"', f"attachment; filename*={field}"):
        name = filename(disposition, "https://a.test/" + field.replace("/", ""), None)
        assert name
        assert not set(name) & set('/\\:*?"<>|\x00')
        assert name[0] not in ". "
        assert name[-1] not in ". "
        assert name.isprintable()
        assert len(name.encode()) <= LONGEST
