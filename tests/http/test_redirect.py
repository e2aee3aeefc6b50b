"""Where a redirect leads, and what may travel along."""

from __future__ import annotations

import json

import pytest

from scrapekit.errors import BadResponse, FetchError, TooLarge, TooManyRedirects
from scrapekit.headers import Headers
from scrapekit.http.redirect import MAX_HOPS, MAX_URL, next_hop, resolve_location
from scrapekit.url import canonical

URL = "http://a.test/dir/page?q=1"


def hop(method="GET", url=URL, headers=(), body=b"", *, status=302, location="/next", **options):
    return next_hop(method, url, Headers(headers), body, status=status, location=location, **options)


# D10, RFC 9110 §15.4 and the Fetch standard
METHODS = [
    # status  sent    becomes
    (301, "GET", "GET"),
    (301, "HEAD", "HEAD"),
    (301, "POST", "GET"),
    (301, "PUT", "PUT"),
    (302, "GET", "GET"),
    (302, "HEAD", "HEAD"),
    (302, "POST", "GET"),
    (302, "DELETE", "DELETE"),
    (303, "GET", "GET"),
    (303, "HEAD", "HEAD"),
    (303, "POST", "GET"),
    (303, "PUT", "GET"),
    (307, "POST", "POST"),
    (307, "GET", "GET"),
    (308, "POST", "POST"),
    (308, "PUT", "PUT"),
]


@pytest.mark.parametrize(("status", "sent", "becomes"), METHODS)
def test_the_method_and_with_it_the_body(status, sent, becomes):
    body = b"data" if sent in ("POST", "PUT") else b""
    fields = {"Content-Type": "text/plain", "Content-Encoding": "gzip", "X": "1"}
    got = hop(sent, headers=fields, body=body, status=status)
    assert got.method == becomes
    if becomes == sent:
        assert (got.body, got.headers) == (body, Headers(fields))
    else:
        assert (got.body, got.headers) == (b"", Headers({"X": "1"}))


@pytest.mark.parametrize("status", [200, 201, 300, 304, 305, 306, 400])
def test_other_statuses_lead_nowhere(status):
    assert hop(status=status) is None


def test_without_a_location_the_answer_is_final():  # D05
    assert hop(location=None) is None


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("../x", "http://a.test/x"),  # D03
        ("?q", "http://a.test/dir/page?q"),
        ("//b.test/x", "http://b.test/x"),
        ("", "http://a.test/dir/page?q=1"),
        ("#part", "http://a.test/dir/page?q=1"),
        ("https://A.test:443/x#y", "https://a.test/x"),
        (" /x\t", "http://a.test/x"),
        ("/a\\b", "http://a.test/a/b"),
        # D04: raw UTF-8, which arrives as latin-1; and bytes that are none
        ("/echo/café a|b?q=ж".encode().decode("latin-1"), "http://a.test/echo/caf%C3%A9%20a|b?q=%D0%B6"),
        ("/caf\xe9", "http://a.test/caf%E9"),
        ("http://user:secret@b.test/x", "http://b.test/x"),  # D07: no credentials for another host
        ("http:///ok", "http://ok/"),
    ],
)
def test_a_location_is_read_as_browsers_do(location, target):
    assert resolve_location(URL, location) == target
    assert hop(location=location).url == target


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://a.test/",
        "gopher://a.test/",
        "javascript:alert(1)",
        "data:text/html,x",
        "about:blank",
        "mailto:a@a.test",
        "//",
        "http://",
        "http://[::1",
        "http://a b/",
        "http://a.test:99999/",
    ],
)
def test_what_is_no_http_url_is_an_error(location):  # D07
    with pytest.raises(BadResponse) as caught:
        hop(location=location)
    assert caught.value.phase == "redirect"
    assert caught.value.url == URL


@pytest.mark.parametrize(
    ("length", "fits"), [(MAX_URL - 1, True), (MAX_URL, True), (MAX_URL + 1, False), (1 << 20, False)]
)
def test_a_location_is_as_long_as_allowed(length, fits):  # D14
    location = "/" + "x" * (length - 1)
    if fits:
        assert hop(location=location).url.endswith("x")
    else:
        with pytest.raises(TooLarge):
            hop(location=location)


@pytest.mark.parametrize(
    ("hops", "limit", "fits"), [(0, 0, False), (0, 1, True), (1, 1, False), (9, MAX_HOPS, True), (10, MAX_HOPS, False)]
)
def test_a_chain_is_as_long_as_allowed(hops, limit, fits):  # D01, D02
    if fits:
        assert hop(hops=hops, max_hops=limit) is not None
    else:
        with pytest.raises(TooManyRedirects):
            hop(hops=hops, max_hops=limit)


def test_an_answer_that_leads_nowhere_is_no_hop_too_many():
    assert hop(status=200, hops=99) is None


PERSONAL = {"Authorization": "Basic x", "Cookie": "a=1", "Proxy-Authorization": "Basic y", "Host": "a.test", "X": "1"}


@pytest.mark.parametrize(
    ("location", "crossed"),
    [
        ("http://a.test/other", False),
        ("http://a.test:80/other", False),
        ("http://b.test/", True),
        ("http://sub.a.test/", True),
        ("http://a.test:8080/", True),
        ("https://a.test/", True),
    ],
)
def test_what_is_meant_for_one_origin_does_not_reach_another(location, crossed):  # D09
    got = hop(headers=PERSONAL, location=location)
    assert got.crossed is crossed
    assert got.headers == (Headers({"X": "1"}) if crossed else Headers(PERSONAL))


def test_from_https_to_http_no_referer_goes_and_it_can_be_forbidden():  # D06
    secure = "https://a.test/"
    got = hop(url=secure, headers={"Referer": "https://a.test/secret", "X": "1"}, location="http://a.test/")
    assert got.headers == Headers({"X": "1"})
    with pytest.raises(BadResponse):
        hop(url=secure, location="http://a.test/", allow_downgrade=False)
    assert hop(url=secure, location="/x", allow_downgrade=False) is not None
    assert hop(url="http://a.test/", location="http://b.test/", allow_downgrade=False) is not None


#: Scrapy's cases where it does something else, and why we differ.
SCRAPY = {
    "test_max_redirect_times": "its own count of hops",
    "test_cross_origin_header_dropping": "it keeps Cookie from http to https",
    "test_meta_proxy_http_to_https": "its own proxies",
    "test_meta_proxy_https_to_http": "its own proxies",
    "test_redirect_referer": "its Referer policy",
    "test_response_referrer_policy": "its Referer policy",
    "test_request_meta_handling": "the caller's choice of statuses",
}


def test_scrapy_s_redirects_lead_to_the_same_place(data):
    differ, tried = set(), 0
    for case in json.loads((data / "http" / "redirects_scrapy.json").read_text()):
        if case["mw"] != "RedirectMiddleware":
            continue
        tried += 1
        if followed(case["request"], case["response"]) != wanted(case.get("follow")):
            differ.add(case["test"].split("::")[-1].split("[")[0])
    assert tried > 50
    assert differ == set(SCRAPY)


def followed(request, response):
    """Where we go; None where we refuse to, which Scrapy does by giving the response."""
    location = next((value for name, value in response["headers"] if name.lower() == "location"), None)
    body = request["body"].get("text", "").encode()
    try:
        got = next_hop(
            request["method"],
            canonical(request["url"]),
            Headers([tuple(pair) for pair in request["headers"]]),
            body,
            status=response["status"],
            location=location,
        )
    except FetchError:
        return None
    return (got.url, got.method, got.headers, got.body) if got else None


def wanted(follow):
    if not follow:
        return None
    fields = Headers([tuple(pair) for pair in follow["headers"]])
    return canonical(follow["url"]), follow["method"], fields, follow["body"].get("text", "").encode()
