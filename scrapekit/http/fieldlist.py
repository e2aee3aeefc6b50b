"""A request as HTTP/2 writes it: a list of fields, its first line among them (RFC 9113 §8.3.1). Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import hpack

from scrapekit.headers import Headers
from scrapekit.http.connection import Asked
from scrapekit.http.outgoing import ending, ordered, parted

_BODYLESS: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
#: Fields that speak of a connection of HTTP/1 (RFC 9113 §8.2.2), or are said otherwise.
_NOT_SENT: Final = (
    "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "http2-settings", "te", "host",
    "content-length", "proxy-authorization",
)  # fmt: skip
#: Not kept by the compression's table, where others could guess at them (RFC 7541 §7.1.3).
_SECRET: Final = frozenset({"authorization", "cookie"})


def fields_of(asked: Asked) -> list[tuple[bytes, bytes]]:
    """The fields of a request that HTTP/1 could write as well, in the same order."""
    same, last = parted(asked.headers)
    authority, fields = _common(asked.parts.host, same)
    first = [
        (b":method", asked.method.encode("ascii")),
        (b":authority", authority),
        (b":scheme", asked.parts.scheme.encode("ascii")),
        # Each one is another: in the table they would only push out what is sent each time.
        hpack.NeverIndexedHeaderTuple(b":path", asked.parts.target.encode("ascii")),
        *fields,
        *[_field(name.lower(), value) for name, value in ending(last)],
    ]
    if asked.body or asked.method not in _BODYLESS:
        first.append((b"content-length", str(len(asked.body)).encode("ascii")))
    return first


@lru_cache(maxsize=1024)
def _common(host: str, raw: tuple[tuple[str, str], ...]) -> tuple[bytes, tuple[tuple[bytes, bytes], ...]]:
    """The authority and the fields that stay. Cached: a crawl sends the same ones to a host again and again."""
    headers = Headers(raw)
    kept = ordered(headers.without(*_NOT_SENT).raw)
    return (headers.get("host") or host).encode(), tuple(_field(name.lower(), value) for name, value in kept)


def _field(name: str, value: str) -> tuple[bytes, bytes]:
    kind = hpack.NeverIndexedHeaderTuple if name in _SECRET else hpack.HeaderTuple
    field: tuple[bytes, bytes] = kind(name.encode("ascii"), value.strip(" \t").encode())
    return field
