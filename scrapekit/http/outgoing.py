"""A request as it is sent. A few lines of our own: h11's took a third of a request's cost.

Invariant: nothing that a caller gives can break out of its line.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from scrapekit.errors import BadRequest
from scrapekit.headers import Headers, checked
from scrapekit.http.terms import Proxy

#: What we can unpack.
ENCODINGS: Final = "gzip, deflate, br, zstd"
_TARGET: Final = re.compile(r"[\x21-\x7e]+")
_METHOD: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
#: Framing is this module's business, whatever the caller's headers say.
_FRAMING: Final = ("content-length", "transfer-encoding")
_BODYLESS: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
#: What is for a proxy and for no site.
_FOR_PROXIES: Final = ("proxy-authorization", "proxy-connection")


def request_bytes(
    method: str, target: str, host: str, headers: Headers, body: bytes = b"", *, relay: Proxy | None = None
) -> bytes:
    """A request as it is sent. Raises BadRequest for anything that could break out of its line.

    Host comes first (RFC 9110 §7.2), then the caller's fields in their order, then Accept-Encoding if it is not among
    them. Content-Length is always ours, and Transfer-Encoding never sent. A ``relay`` is a proxy that gets the request
    for an http origin in the absolute form (RFC 9112 §3.2.2), with its credentials; nobody else gets any for proxies.
    """
    if not _METHOD.fullmatch(method) or not _TARGET.fullmatch(target):
        raise BadRequest(f"cannot be sent: {method} {target!r}")
    head = _head(host, headers.raw)
    if relay is not None:
        target = f"http://{host}{target}"
        if relay.authorization:
            head = f"{head}Proxy-Authorization: {relay.authorization}\r\n"
    if body or method not in _BODYLESS:
        head = f"{head}Content-Length: {len(body)}\r\n"
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


@lru_cache(maxsize=1024)
def _head(host: str, raw: tuple[tuple[str, str], ...]) -> str:
    """The fields of a request. Cached: a crawl sends the same ones to a host again and again."""
    headers = checked(Headers(raw)).without(*_FRAMING, *_FOR_PROXIES)
    if not headers.get("host"):
        headers = Headers([("Host", host), *headers.without("host").raw])
    if "accept-encoding" not in headers:
        headers = Headers([*headers.raw, ("Accept-Encoding", ENCODINGS)])
    first = sorted(headers.raw, key=lambda field: field[0].lower() != "host")
    # Text beyond latin-1 goes out as UTF-8, which is what servers take it for.
    return "".join(f"{name}: {value}\r\n" for name, value in first).encode().decode("latin-1")
