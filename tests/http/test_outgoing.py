"""A request as it is sent: in order, framed by us, and nothing breaks out of its line."""

from __future__ import annotations

import pytest

from scrapekit.errors import BadRequest
from scrapekit.headers import Headers
from scrapekit.http.outgoing import request_bytes


def test_a_request_begins_with_its_host_and_keeps_the_order_of_its_fields():
    raw = request_bytes("GET", "/a?b", "example.com:8080", Headers([("User-Agent", "u"), ("Accept", "*/*")]))
    assert raw == (
        b"GET /a?b HTTP/1.1\r\nHost: example.com:8080\r\nUser-Agent: u\r\nAccept: */*\r\n"
        b"Accept-Encoding: gzip, deflate, br, zstd\r\n\r\n"
    )


def test_a_given_host_and_accept_encoding_stand():
    raw = request_bytes("GET", "/", "a.test", Headers([("Accept-Encoding", "identity"), ("host", "b.test")]))
    assert raw == b"GET / HTTP/1.1\r\nhost: b.test\r\nAccept-Encoding: identity\r\n\r\n"


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
    ],
)
def test_what_could_break_out_of_its_line_is_refused(method, target, headers):
    with pytest.raises(BadRequest):
        request_bytes(method, target, "a.test", Headers(headers))


def test_text_beyond_latin_1_goes_out_as_utf_8():
    assert "X: ж\r\n".encode() in request_bytes("GET", "/", "a", Headers({"X": "ж"}))
