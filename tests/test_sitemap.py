"""Sitemaps: what others read in them, what is broken, what is too much."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scrapekit import sitemap
from scrapekit.sitemap import Entry, parse

URL = "http://www.example.com/sitemap.xml"
VECTORS = Path(__file__).resolve().parents[2] / "shared" / "data" / "sitemaps"
here = pytest.mark.skipif(not VECTORS.exists(), reason="the vectors of ../shared/data are not here")


def vectors(name: str) -> list[Any]:
    path = VECTORS / name
    return json.loads(path.read_text()) if path.exists() else []


def urls(text: str | bytes, url: str = URL) -> list[str]:
    body = text.encode() if isinstance(text, str) else text
    return [entry.url for entry in parse(body, url).entries]


def urlset(*entries: str, root: str = '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">') -> str:
    return root + "".join(f"<url>{entry}</url>" for entry in entries) + "</urlset>"


# ---- vectors of others ----


@here
@pytest.mark.parametrize("case", vectors("scrapy.json"), ids=lambda case: case["test"])
def test_entries_are_those_that_scrapy_finds(case):
    found = parse(case["body"]["text"].encode(), URL)
    assert found.kind == {"urlset": "urls", "sitemapindex": "index"}[case["type"]]
    expected = [
        Entry(
            each["loc"],
            datetime.fromisoformat(each["lastmod"]).replace(tzinfo=UTC) if each.get("lastmod") else None,
            each.get("changefreq", ""),
            float(each["priority"]) if "priority" in each else None,
            tuple(each.get("alternate", ())),
        )
        for each in case["entries"]
    ]
    assert list(found.entries) == expected


#: case                      why ours is another number
DIFFERENT = {
    "testSitemapXXE": (1, "a DTD is passed over, and the URL that needs none is read"),
    "testSitemapTXTfilterUrls": (1, "a URL without a scheme is none (sitemaps.org, Text file)"),
    "testUnclosedSitemapIndexFile": (5, "two documents stand in one file here"),
    "testLenientParser": (1, "whether a sitemap may speak for a URL is not judged here"),
}


@here
@pytest.mark.parametrize("case", vectors("crawler_commons.json"), ids=lambda case: case["name"])
def test_as_many_entries_as_crawler_commons_finds(case):
    found = parse(case["content"].encode(), case["url"], case["content_type"])
    expected = DIFFERENT[case["name"]][0] if case["name"] in DIFFERENT else case["sizes"][0]
    assert len(found.entries) == expected
    if case["is_index"] is not None:
        assert (found.kind == "index") is case["is_index"]
    assert all(entry.url.startswith("http") for entry in found.entries)


# ---- what is read ----


def test_dates_and_numbers_are_values():
    text = urlset(
        "<loc>/a</loc><lastmod>2020-01-02T03:04:05+02:00</lastmod><priority>0.8</priority><changefreq>Daily</changefreq>",
        "<loc>/b</loc><lastmod>2020-01</lastmod><priority>high</priority>",
        "<loc>/c</loc><lastmod>2020-01-02</lastmod><priority>-1</priority>",
    )
    first, second, third = parse(text.encode(), URL).entries
    assert first == Entry(
        "http://www.example.com/a", datetime(2020, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))), "daily", 0.8
    )
    assert (second.lastmod, second.priority) == (None, None)
    assert (third.lastmod, third.priority) == (datetime(2020, 1, 2, tzinfo=UTC), None)


def test_a_url_is_canonical_and_what_is_none_is_counted():
    found = parse(
        urlset("<loc> HTTP://A.test:80/x#y </loc>", "<loc>mailto:x</loc>", "<loc></loc>", "<loc>/z</loc>").encode(), URL
    )
    assert [entry.url for entry in found.entries] == ["http://a.test/x", "http://www.example.com/z"]
    assert found.bad == 2


def test_only_the_names_of_the_sitemap_itself_count():
    image = "<image:image><image:loc>http://a.test/i.png</image:loc></image:image>"
    assert urls(urlset(f"<loc>/a</loc>{image}", f"{image}<loc>/b</loc>")) == [
        "http://www.example.com/a",
        "http://www.example.com/b",
    ]
    assert urls("<s:urlset><s:url><s:loc>/a</s:loc></s:url></s:urlset>") == ["http://www.example.com/a"]


def test_feeds_are_sitemaps_too():
    rss = (
        "<rss><channel><link>/</link><image><url>/i</url></image>"
        "<item><link>/1</link><pubDate>Fri, 25 Jun 2010 15:00:00 GMT</pubDate></item></channel></rss>"
    )
    atom = (
        '<feed><link href="/"/>'
        '<entry><link rel="self" href="/s"/><link href="/2"/><updated>2010-06-25</updated></entry></feed>'
    )
    for text, path in ((rss, "/1"), (atom, "/2")):
        found = parse(text.encode(), URL)
        assert [entry.url for entry in found.entries] == [f"http://www.example.com{path}"]
        assert (found.kind, found.entries[0].lastmod.date().isoformat()) == ("feed", "2010-06-25")


def test_a_list_has_one_absolute_url_in_each_line():
    found = parse(b"\xef\xbb\xbfhttp://a.test/1\r\n\r\n  http://a.test/2 \nnot a url\n/3", URL)
    assert (found.kind, [entry.url for entry in found.entries], found.bad) == (
        "text",
        ["http://a.test/1", "http://a.test/2"],
        2,
    )
    assert parse(b"", URL).entries == ()


# ---- what is broken ----


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<urlset><url><loc>/a?x=1&y=2</loc></url></urlset>", "/a?x=1&y=2"),
        ("<urlset><url><loc>/a?x=1&amp;amp=2</loc></url></urlset>", "/a?x=1&amp=2"),
        ("<urlset><url><loc>/a&#x2F;b</loc></url></urlset>", "/a/b"),
        ("<urlset><url><loc>/a</url></urlset>", "/a"),
        ("<urlset><url><loc>/a", "/a"),
        ("<urlset><url><loc>/a</lo", "/a"),
        ("<URLSET><Url><LOC>/a</LOC></Url></URLSET>", "/a"),
        ("<url><loc>/a</loc></url>", "/a"),
        ("<urlset><!-- <url><loc>/no</loc></url> --><url><loc>/a<!-- x --></loc></url></urlset>", "/a"),
        ("<urlset><url><loc><![CDATA[/a]]></loc></url></urlset>", "/a"),
        ("<urlset><url><loc><url>/a</url></loc></url></urlset>", "/a"),
        ("<urlset><url><loc>/a<url><lastmod>x</lastmod></url></urlset>", "/a"),
        ("\n\n <?xml version='1.0'?>\n<urlset><url><loc\n>/a</loc ></url></urlset>", "/a"),
    ],
)
def test_what_is_broken_is_read_as_it_was_meant(text, expected):
    assert urls(text) == [f"http://www.example.com{expected}"]


def test_the_declared_encoding_counts():
    text = '<?xml version="1.0" encoding="iso-8859-1"?><urlset><url><loc>/é</loc></url></urlset>'
    assert urls(text.encode("latin-1")) == ["http://www.example.com/%C3%A9"]
    assert urls(("\ufeff" + text).encode("utf-16")) == ["http://www.example.com/%C3%A9"]


# ---- what is too much, or an attack ----


def test_nothing_is_expanded():
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{("&" + chr(97 + n) + ";") * 10}">' for n in range(9)
    )
    assert urls(bomb + "]><urlset><url><loc>/x&j;</loc></url></urlset>") == ["http://www.example.com/x"]


@pytest.mark.parametrize("count", [sitemap.MAX_URLS - 1, sitemap.MAX_URLS])
def test_as_many_urls_are_read_as_the_protocol_allows(count):
    for text in (urlset(*["<loc>/</loc>"] * count), "http://a.test/\n" * count):
        found = parse(text.encode(), URL)
        assert (len(found.entries), found.cut) == (count, False)


def test_more_urls_are_cut():
    count = sitemap.MAX_URLS + 1
    for text in (urlset(*["<loc>/</loc>"] * count), "http://a.test/\n" * count):
        found = parse(text.encode(), URL)
        assert (len(found.entries), found.cut) == (sitemap.MAX_URLS, True)


def test_gzip_is_told_by_its_first_bytes_once_twice_and_in_members():
    text = urlset("<loc>/a</loc>").encode()
    packed = gzip.compress(text)
    for body in (packed, gzip.compress(packed), gzip.compress(text[:20]) + gzip.compress(text[20:])):
        assert urls(body) == ["http://www.example.com/a"]
    assert urls(packed[:-8]) == ["http://www.example.com/a"]  # without its checksum
    assert urls(packed[:-8] + b"12345678") in ([], ["http://www.example.com/a"])
    assert urls(b"\x1f\x8b") == urls(b"\x1f\x8bnonsense") == []


def test_a_bomb_is_cut_at_the_limit():
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b" " * 1024 * 1024) for _ in range(60)) + packer.flush()
    body, cut = sitemap.unpacked(bomb)
    assert (len(body), cut) == (sitemap.MAX_SIZE, True)
    exact = zlib.compressobj(9, wbits=31)
    body, cut = sitemap.unpacked(exact.compress(b" " * (sitemap.MAX_SIZE - 1)) + exact.flush())
    assert (len(body), cut) == (sitemap.MAX_SIZE - 1, False)


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "<!",
        "<!--",
        "<?",
        "<![CDATA[",
        "<!DOCTYPE [",
        "<a",
        "<url>",
        "<url> ",
        "<loc>",
        "&",
        "<link href=",
        "<a b='",
    ],
)
def test_the_time_is_linear_in_the_size(piece):
    began = time.perf_counter()
    parse(b"<urlset><url><loc>" + piece.encode() * 200_000, URL)
    assert time.perf_counter() - began < 5


@given(st.binary(max_size=300))
@example(b"<urlset><url><loc>http://[</loc></url>")
def test_any_bytes_are_read(body):
    found = parse(body, URL)
    assert all(entry.url.startswith(("http://", "https://")) for entry in found.entries)


@given(st.integers(0, 200))
def test_a_file_cut_anywhere_gives_no_other_urls(at):
    text = urlset("<loc>http://a.test/1</loc><lastmod>2020-01-01</lastmod>", "<loc>http://a.test/2</loc>")
    whole = urls(text)
    found = urls(text[:at])
    # The last one may be cut short, for nothing tells where it should have ended.
    assert found[:-1] == whole[: len(found) - 1 if found else 0]
