"""A request as HTTP/2 writes it."""

from __future__ import annotations

import hpack
import pytest

from scrapekit.headers import Headers
from scrapekit.http.answer import Answer
from scrapekit.http.connection import Asked
from scrapekit.http.fieldlist import fields_of
from scrapekit.http.http2 import Http2
from scrapekit.http.terms import Sizes
from scrapekit.url import split


def fields(method="GET", url="https://a.test/p?q=1", headers=(), body=b""):
    return fields_of(Asked(method, b"", split(url), Headers(headers), body))


def test_the_first_line_comes_first_then_the_fields_in_the_order_of_http_1():
    given = {"Cookie": "c=1", "Referer": "https://a.test/", "B": "1", "A": "2", "Accept-Encoding": "br"}
    assert [tuple(field) for field in fields(headers=given)] == [
        (b":method", b"GET"),
        (b":authority", b"a.test"),
        (b":scheme", b"https"),
        (b":path", b"/p?q=1"),
        (b"accept-encoding", b"br"),
        (b"b", b"1"),
        (b"a", b"2"),
        (b"referer", b"https://a.test/"),
        (b"cookie", b"c=1"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade", "HTTP2-Settings", "TE", "Host",
        "Proxy-Authorization",
    ],
)  # fmt: skip
def test_what_speaks_of_a_connection_or_to_a_proxy_is_left_out(name):  # RFC 9113 §8.2.2
    assert name.lower().encode() not in [field for field, _ in fields(headers={name: "x", "Content-Length": "77"})]


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [("GET", b"", None), ("GET", b"x", b"1"), ("POST", b"", b"0"), ("POST", b"body", b"4"), ("DELETE", b"", None)],
)
def test_the_length_is_ours(method, body, length):
    assert dict(fields(method, headers={"Content-Length": "77"}, body=body)).get(b"content-length") == length


@pytest.mark.parametrize(
    ("value", "sent"), [(" a ", b"a"), ("", b""), ("caf\xe9", b"caf\xc3\xa9"), ("\u4e2d", b"\xe4\xb8\xad")]
)
def test_values_are_trimmed_and_utf_8(value, sent):
    assert dict(fields(headers={"X": value}))[b"x"] == sent


def test_a_port_and_a_host_of_the_caller_s_are_the_authority():
    assert dict(fields(url="https://a.test:8443/"))[b":authority"] == b"a.test:8443"
    assert dict(fields(headers={"Host": "b.test"}))[b":authority"] == b"b.test"


def test_secrets_and_paths_are_kept_out_of_the_table():
    made = fields(headers={"Authorization": "Bearer x", "Cookie": "a=1", "Accept": "*/*"})
    never = {bytes(field[0]) for field in made if isinstance(field, hpack.NeverIndexedHeaderTuple)}
    assert never == {b":path", b"authorization", b"cookie"}
    engine = Http2(Sizes())
    for number in range(50):
        answer = Answer("GET", Sizes())
        engine.open(answer, fields(url=f"https://a.test/{number}", headers={"Cookie": f"a={number}"}), whole=True)
        engine.leave(answer)
    kept = [bytes(name) for name, _ in engine._h2.encoder.header_table.dynamic_entries]
    assert sorted(kept) == [b":authority", b"accept-encoding"]
