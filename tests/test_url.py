from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit.errors import BadURL
from scrapekit.url import (
    Base,
    canonical,
    canonical_host,
    host_of,
    is_below,
    is_loopback,
    join,
    origin_of,
    split,
    split_host,
)

VECTORS = Path(__file__).resolve().parents[1] / "../shared/data/url/wpt.json"

#: The library refuses names whose xn-- label does not decode; today's standard lets them pass. No such name resolves.
MALFORMED_PUNYCODE = {
    "http://a.b.c.xn--pokxncvks",
    "http://10.0.0.xn--pokxncvks",
    "http://a.b.c.XN--pokxncvks",
    "http://a.b.c.Xn--pokxncvks",
    "https://xn--/",
}


def vectors() -> list[Any]:
    if not VECTORS.exists():
        return [pytest.param({}, marks=pytest.mark.skip("no ../shared/data here"))]
    return [pytest.param(case, id=case["id"]) for case in json.loads(VECTORS.read_text())]


def without_credentials(case: dict[str, Any]) -> str:
    return str(f"{case['protocol']}//{case['host']}{case['pathname']}")


@pytest.mark.parametrize("case", vectors())
def test_urls_are_read_as_the_web_platform_tests_say(case: dict[str, Any]) -> None:
    def read() -> str:
        return join(case["base"], case["input"]) if case["base"] else canonical(case["input"])

    ours = not case.get("failure") and case["protocol"] in ("http:", "https:")
    if not ours or case["input"] in MALFORMED_PUNYCODE:
        with pytest.raises(BadURL):
            read()
    elif case["base"] and not case["base"].startswith("http"):
        with pytest.raises(BadURL):  # only http and https pages have links here
            read()
    else:
        query = case["search"] or ("?" if case["href"].partition("#")[0].endswith("?") else "")
        assert read() == without_credentials(case) + query


def test_the_vectors_hold_enough_urls_that_are_ours() -> None:
    if not VECTORS.exists():
        pytest.skip("no ../shared/data here")
    cases = json.loads(VECTORS.read_text())
    assert sum(1 for case in cases if case.get("protocol") in ("http:", "https:")) > 100
    assert {case["input"] for case in cases} >= MALFORMED_PUNYCODE


@pytest.mark.parametrize(
    ("url", "spelling"),
    [
        ("HTTP://EXAMPLE.com", "http://example.com/"),
        ("https://example.com:443/a/../b", "https://example.com/b"),
        ("http://example.com:80", "http://example.com/"),
        ("http://example.com:443/", "http://example.com:443/"),
        ("https://example.com/a#part", "https://example.com/a"),
        ("https://example.com/a#", "https://example.com/a"),
        ("https://example.com/a?#x?y#z", "https://example.com/a?"),
        ("https://example.com/?b=2&a=1&b=1", "https://example.com/?b=2&a=1&b=1"),
        ("https://bücher.example/straße?q=ö", "https://xn--bcher-kva.example/stra%C3%9Fe?q=%C3%B6"),
        ("https://example.com/%7euser/%2f", "https://example.com/%7euser/%2f"),
        ("  https://example.com/a\tb\n", "https://example.com/ab"),
        ("http:\\\\example.com\\a", "http://example.com/a"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://[0:0::1]:8080/", "http://[::1]:8080/"),
        ("http://example.com/\ud800", "http://example.com/%EF%BF%BD"),
        ("http://example.com/\0a\0", "http://example.com/%00a"),
    ],
)
def test_each_url_has_one_spelling(url: str, spelling: str) -> None:
    assert canonical(url) == spelling
    assert canonical(spelling) == spelling


@pytest.mark.parametrize(
    ("url", "spelling"),
    [
        ("https://me:secret@example.com/a", "https://example.com/a"),
        ("https://me@example.com:8443", "https://example.com:8443/"),
        ("https://:secret@example.com/", "https://example.com/"),
        ("https://a@b@example.com/x@y?z@w#v@u", "https://example.com/x@y?z@w"),
        ("https://example.com/a@b", "https://example.com/a@b"),
        ("https://example.com:pw@evil.example/", "https://evil.example/"),
        ("https://s:@s/s:@s/", "https://s/s:@s/"),
    ],
)
def test_credentials_are_no_part_of_a_url(url: str, spelling: str) -> None:
    assert canonical(url) == spelling
    assert join("https://other.example/", url) == spelling


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/a",
        "example.com",
        "//example.com",
        "mailto:a@example.com",
        "file:///etc/passwd",
        "ftp://example.com/",
        "javascript:void(0)",
        "data:text/html,x",
        "about:blank",
        "ws://example.com/",
        "httpx://example.com/",
        "http://",
        "http://exa mple.com/",
        "http://[::1",
        "http://example.com:65536/",
        "http://256.1.1.1/",
        "http://a%2fb/",
        "\ud800",
    ],
)
def test_what_is_not_an_absolute_http_url_is_refused(url: str) -> None:
    with pytest.raises(BadURL) as caught:
        canonical(url)
    assert repr(url) in str(caught.value) or "\ufffd" in caught.value.url


@pytest.mark.parametrize("url", [None, 5, b"http://example.com/"])
def test_what_is_not_text_is_refused(url: Any) -> None:
    with pytest.raises(BadURL):
        canonical(url)
    with pytest.raises(BadURL):
        Base("http://example.com/").join(url)


@pytest.mark.parametrize(
    ("href", "url"),
    [
        ("", "https://example.com/a/b?c"),
        ("#top", "https://example.com/a/b?c"),
        ("?q", "https://example.com/a/b?q"),
        ("d", "https://example.com/a/d"),
        ("../x", "https://example.com/x"),
        ("../../../x", "https://example.com/x"),
        ("//host/x", "https://host/x"),
        ("/\\host/x", "https://host/x"),
        (" /a\n/b ", "https://example.com/a/b"),
        ("/caf\u00e9 a|b?q=\u0436", "https://example.com/caf%C3%A9%20a|b?q=%D0%B6"),
        ("https:foo", "https://example.com/a/foo"),
        ("http:foo", "http://foo/"),
        ("mailto:a@example.com", None),
        ("javascript:void(0)", None),
        ("tel:112", None),
        ("data:,x", None),
        ("//", None),
        ("http://", None),
        ("http://[::1", None),
        ("http:///ok", "http://ok/"),
        ("/\ud800", "https://example.com/%EF%BF%BD"),
    ],
)
def test_a_link_is_joined_to_its_page(href: str, url: str | None) -> None:
    page = "https://example.com/a/b?c#d"
    assert Base(page).join(href) == url
    if url is None:
        with pytest.raises(BadURL):
            join(page, href)
    else:
        assert join(page, href) == url


def test_a_base_that_is_no_http_url_is_refused() -> None:
    with pytest.raises(BadURL):
        Base("about:blank")


@pytest.mark.parametrize(
    ("encoding", "href", "url"),
    [
        ("windows-1251", "/ж?q=ж&x=1#ж", "http://example.com/%D0%B6?q=%E6&x=1"),
        ("shift_jis", "?q=日", "http://example.com/?q=%93%FA"),
        ("cp1252", "?q=ж", "http://example.com/?q=%26%231078%3B"),
        ("utf-16-le", "?q=ж", "http://example.com/?q=%D0%B6"),
        ("UTF-8", "?q=ж", "http://example.com/?q=%D0%B6"),
        ("no-such", "?q=ж", "http://example.com/?q=%D0%B6"),
        ("windows-1251", "#ж?ж", "http://example.com/"),
    ],
)
def test_a_query_is_encoded_as_its_page_is(encoding: str, href: str, url: str) -> None:
    assert Base("http://example.com/", encoding).join(href) == url


@pytest.mark.parametrize(
    ("url", "host", "origin", "parts"),
    [
        ("http://a/", "a", "http://a", ("http", "a", 80, "a", "/")),
        ("https://a/", "a", "https://a", ("https", "a", 443, "a", "/")),
        (
            "https://example.com:8443/a/b?c=//d/",
            "example.com:8443",
            "https://example.com:8443",
            ("https", "example.com", 8443, "example.com:8443", "/a/b?c=//d/"),
        ),
        ("http://[::1]/x", "[::1]", "http://[::1]", ("http", "::1", 80, "[::1]", "/x")),
        ("http://[::1]:81//", "[::1]:81", "http://[::1]:81", ("http", "::1", 81, "[::1]:81", "//")),
        ("http://a/?q", "a", "http://a", ("http", "a", 80, "a", "/?q")),
    ],
)
def test_a_canonical_url_comes_apart(url: str, host: str, origin: str, parts: tuple[Any, ...]) -> None:
    assert canonical(url) == url
    assert (host_of(url), origin_of(url), tuple(split(url))) == (host, origin, parts)


@pytest.mark.parametrize(
    ("host", "parts"),
    [("a", ("a", None)), ("a:1", ("a", 1)), ("[::1]", ("::1", None)), ("[::1]:1", ("::1", 1))],
)
def test_a_host_comes_apart(host: str, parts: tuple[str, int | None]) -> None:
    assert split_host(host) == parts


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("Example.COM", "example.com"),
        ("example.com:8080", "example.com:8080"),
        ("example.com:08080", "example.com:8080"),
        ("example.com:80", "example.com"),
        ("example.com:443", "example.com"),
        ("example.com:4443", "example.com:4443"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("[0:0::1]:8080", "[::1]:8080"),
        ("127.1", "127.0.0.1"),
        ("books.test", "books.test"),
    ],
)
def test_a_typed_host_is_what_the_url_of_that_host_has(typed: str, host: str) -> None:
    assert canonical_host(typed) == host
    assert host_of(canonical(f"http://{host}/")) == host


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "a b",
        "a/",
        "a/b",
        "http://a",
        "me@a",
        "a?b",
        "a#b",
        "a\\b",
        "::1",
        "[::1",
        "a:x",
        "a:65536",
        "a\n",
        ":80",
    ],
)
def test_what_is_no_host_is_refused(typed: str) -> None:
    with pytest.raises(BadURL):
        canonical_host(typed)


@pytest.mark.parametrize(
    "name",
    ["localhost", "a.localhost", "localhost.", "127.0.0.1", "127.255.1.2", "::1", "[::1]", "::ffff:7f00:1"],
)
def test_loopback_is_known_by_its_spelling(name: str) -> None:
    assert is_loopback(name)


@pytest.mark.parametrize(
    "name", ["", "example.com", "notlocalhost", "localhost.com", "127.example.com", "128.0.0.1", "::2", "10.0.0.1"]
)
def test_other_names_are_not_loopback(name: str) -> None:
    assert not is_loopback(name)


@pytest.mark.parametrize(
    ("name", "domain", "below"),
    [
        ("example.com", "example.com", True),
        ("a.b.example.com", "example.com", True),
        ("example.com.", "example.com", True),
        ("notexample.com", "example.com", False),
        ("com", "example.com", False),
        ("example.com.evil.org", "example.com", False),
    ],
)
def test_a_subdomain_is_below_its_domain(name: str, domain: str, below: bool) -> None:
    assert is_below(name, domain) is below


@given(st.text(max_size=40))
def test_any_text_is_a_link_or_none(href: str) -> None:
    url = Base("https://example.com/a/b").join(href)
    assert url is None or (canonical(url) == url and split(url).port > 0)


@given(st.text(alphabet=st.sampled_from("ab:/?#[]@%.0x19é\\ \ud800"), max_size=20))
def test_any_text_after_a_scheme_is_canonical_or_refused(rest: str) -> None:
    try:
        url = canonical("http://" + rest)
    except BadURL:
        return
    assert canonical(url) == url
    assert "@" not in host_of(url)
    assert origin_of(url) == "http://" + host_of(url)
    assert canonical_host(host_of(url)) in (host_of(url), host_of(url).removesuffix(":443"))
