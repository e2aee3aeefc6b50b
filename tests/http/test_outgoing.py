"""A request as it is sent: in order, framed by us, and nothing breaks out of its line."""

from __future__ import annotations

import pytest

from scrapekit import Request, Settings, Spider
from scrapekit.crawler import prepare_crawl
from scrapekit.errors import BadRequest
from scrapekit.headers import Headers
from scrapekit.http import Proxy
from scrapekit.http.outgoing import request_bytes
from scrapekit.testing import FakeNetwork, Page, VirtualClock


def test_a_request_begins_with_its_host_and_keeps_the_order_of_its_fields():
    raw = request_bytes("GET", "/a?b", "example.com:8080", Headers([("User-Agent", "u"), ("Accept", "*/*")]))
    assert raw == (
        b"GET /a?b HTTP/1.1\r\nHost: example.com:8080\r\nUser-Agent: u\r\nAccept: */*\r\n"
        b"Accept-Encoding: gzip, deflate, br, zstd\r\n\r\n"
    )


def test_a_given_host_and_accept_encoding_stand():
    raw = request_bytes("GET", "/", "a.test", Headers([("Accept-Encoding", "identity"), ("host", "b.test")]))
    assert raw == b"GET / HTTP/1.1\r\nHost: b.test\r\nAccept-Encoding: identity\r\n\r\n"


def test_fields_stand_as_browsers_have_them_whatever_order_the_caller_has():
    fields = [("cookie", "a=1"), ("x-a", "1"), ("referer", "https://a.test/"), ("accept-encoding", "br"), ("X-B", "2"),
              ("accept-language", "de"), ("accept", "*/*"), ("if-none-match", '"v"'), ("user-agent", "u")]  # fmt: skip
    assert request_bytes("POST", "/", "a.test", Headers(fields), b"x") == (
        b"POST / HTTP/1.1\r\nHost: a.test\r\nUser-Agent: u\r\nAccept: */*\r\nAccept-Language: de\r\n"
        b'Accept-Encoding: br\r\nx-a: 1\r\nX-B: 2\r\nIf-None-Match: "v"\r\nReferer: https://a.test/\r\n'
        b"Cookie: a=1\r\nContent-Length: 1\r\n\r\nx"
    )


class Links(Spider):
    name = "links"
    start_urls = ["http://a.test/"]

    def parse(self, response):
        yield from response.follow_all(css="a")
        if response.url.endswith("/b"):
            yield Request("http://a.test/c", form={"q": "x"})


class Overheard(FakeNetwork):
    """Keeps what is written, byte by byte."""

    written = b""

    async def dial(self, addresses):
        stream = await super().dial(addresses)
        write = stream.write

        async def overheard(data):
            self.written += data
            return await write(data)

        stream.write = overheard
        return stream


def test_the_bytes_of_a_crawl(run):
    front = Page("<a href=/b>b</a>", headers={"Set-Cookie": "sid=1"})
    network, clock = Overheard({"a.test": {"/robots.txt": 404, "/": front, "/b": "", "/c": ""}}), VirtualClock()
    settings = Settings().overridden(["identity.contact=bot@example.org", "limits.delay=0"])
    run(prepare_crawl(Links, settings, network=network, clock=clock).run, clock=clock)
    ours = (
        f"Host: a.test\r\nUser-Agent: {settings.user_agent}\r\n"
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
        "Accept-Encoding: gzip, deflate, br, zstd\r\nFrom: bot@example.org\r\n"
    )
    assert network.written.decode() == (
        f"GET /robots.txt HTTP/1.1\r\n{ours}\r\n"
        f"GET / HTTP/1.1\r\n{ours}\r\n"
        f"GET /b HTTP/1.1\r\n{ours}Referer: http://a.test/\r\nCookie: sid=1\r\n\r\n"
        f"POST /c HTTP/1.1\r\n{ours}Content-Type: application/x-www-form-urlencoded\r\n"
        "Referer: http://a.test/b\r\nCookie: sid=1\r\nContent-Length: 3\r\n\r\nq=x"
    )


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [("GET", b"", None), ("POST", b"", "0"), ("PUT", b"", "0"), ("POST", b"ab", "2"), ("GET", b"ab", "2")],
)
def test_content_length_is_ours_and_sent_where_a_body_is_meant(method, body, length):
    raw = request_bytes(method, "/", "a", Headers({"Content-Length": "99", "Transfer-Encoding": "chunked"}), body)
    head, _, sent = raw.partition(b"\r\n\r\n")
    assert sent == body
    framing = [line for line in head.split(b"\r\n") if line.lower().startswith((b"content-length", b"transfer"))]
    assert framing == ([f"Content-Length: {length}".encode()] if length else [])


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", "/a b", {}),
        ("GET", "/a\r\nX: y", {}),
        ("GET", "/é", {}),
        ("GET", "", {}),
        ("GET /\r\n", "/", {}),
        ("", "/", {}),
        ("GET", "/", {"X": "a\nb"}),
        ("GET", "/", {"X: y\r\nZ": "a"}),
        ("GET", "/", {"X": "a\0b"}),
        ("GET", "/", {"Referer": "https://a.test/\r\nX: y"}),
        ("GET", "/", {"Cookie": "a=1\nX: y"}),
    ],
)
def test_what_could_break_out_of_its_line_is_refused(method, target, headers):
    with pytest.raises(BadRequest):
        request_bytes(method, target, "a.test", Headers(headers))


def test_text_beyond_latin_1_goes_out_as_utf_8():
    assert "X: ж\r\n".encode() in request_bytes("GET", "/", "a", Headers({"X": "ж"}))


# ---- to a proxy ----

PROXY, OPEN = Proxy("http", "p.example", 3128), Proxy("https", "p.example", 443, "Aladdin", "open sesame")


def test_a_proxy_gets_the_whole_url_and_its_credentials():
    raw = request_bytes("GET", "/a?b", "a.test:8080", Headers({"User-Agent": "u"}), relay=OPEN)
    assert raw == (
        b"GET http://a.test:8080/a?b HTTP/1.1\r\nHost: a.test:8080\r\nUser-Agent: u\r\n"
        b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
        b"Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
    )
    assert b"Authorization" not in request_bytes("GET", "/", "a.test", Headers(), relay=PROXY)


def test_a_body_follows_the_credentials():
    raw = request_bytes("POST", "/", "a.test", Headers(), b"body", relay=OPEN)
    assert raw.startswith(b"POST http://a.test/ HTTP/1.1\r\n")
    assert raw.endswith(b"Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\nContent-Length: 4\r\n\r\nbody")


def test_no_site_gets_what_is_for_a_proxy():
    fields = Headers({"Proxy-Authorization": "Basic s3cret", "Proxy-Connection": "keep-alive", "X": "y"})
    direct = request_bytes("GET", "/", "a.test", fields)
    assert b"roxy-" not in direct
    assert b"X: y" in direct
    # An http proxy is told by its settings only: it is not known for which proxy such a field was meant.
    assert b"s3cret" not in request_bytes("GET", "/", "a.test", fields, relay=OPEN)
    # What goes to a site after it went to a proxy is made anew.
    assert request_bytes("GET", "/", "a.test", Headers(), relay=OPEN) != request_bytes("GET", "/", "a.test", Headers())


def test_credentials_cannot_break_out_of_their_line():
    evil = Proxy("http", "p.example", 3128, "a\r\nX: y", "\r\n\r\nGET / HTTP/1.1")
    raw = request_bytes("GET", "/", "a.test", Headers(), relay=evil)
    assert raw.count(b"\r\n") == 5
    assert b"X: y" not in raw
