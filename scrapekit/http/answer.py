"""One answer on a stream of HTTP/2, judged as it comes: fields, body, end.

It looks to whoever reads it as an ``Exchange`` does. What is wrong with it is the matter of this stream alone, as RFC
9113 §8.1.1 wants it: other streams of the connection go on.

Invariant: bytes that were not taken are no more than the window of the stream (``http2.STREAM_WINDOW``).

Knows neither frames nor sockets. Raises BadResponse or TooLarge.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from scrapekit.errors import BadResponse, FetchError, TooLarge
from scrapekit.headers import Headers
from scrapekit.http.exchange import Head
from scrapekit.http.terms import Sizes

#: RFC 9113 §8.2.1: names are lower-case tokens.
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_NOT_IN_A_VALUE: Final = re.compile(rb"[\r\n\0]")
_STATUS: Final = re.compile(rb"[1-9]\d\d")
_LENGTH: Final = re.compile(r"\d{1,18}", re.ASCII)
#: Fields that speak of a connection of HTTP/1 (RFC 9113 §8.2.2).
_OF_CONNECTION: Final = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})

Fields = Sequence[tuple[bytes, bytes]]


class Answer:
    """What comes back on a stream.

    ``ended`` says that all has come, ``fault`` why it never will; it is ``unprocessed`` if the peer has told that the
    request was not looked at (RFC 9113 §8.7). ``owed`` are bytes that came and were not yet given back to the window;
    ``news`` counts what was told here, ``number`` is the stream's, 0 until there is one.
    """

    __slots__ = (
        "_body",
        "_interim",
        "_read",
        "ended",
        "fault",
        "head",
        "method",
        "news",
        "number",
        "owed",
        "received",
        "size",
        "sizes",
        "unprocessed",
    )

    def __init__(self, method: str, sizes: Sizes) -> None:
        self.method, self.sizes = method, sizes
        self.head: Head | None = None
        self.ended = self.unprocessed = False
        self.fault: FetchError | None = None
        self.number = self.news = 0
        self.received = 0  # bytes of its frames
        self.size = 0  # bytes of the body as sent
        self.owed = 0
        self._body = bytearray()
        self._interim = 0
        self._read = 0  # bytes of all heads, as their fields would be written in HTTP/1

    def __repr__(self) -> str:
        status = self.head.status if self.head else "no head"
        return (
            f"<Answer {self.number} {self.method} {status}, {self.size} bytes of body{', done' if self.ended else ''}>"
        )

    @property
    def phase(self) -> str:
        """What is being received: head or body."""
        return "body" if self.head else "head"

    @property
    def done(self) -> bool:
        """Whether it has ended, and all of it was taken: what comes while nobody looks is not lost."""
        return self.ended and not self._body

    @property
    def reusable(self) -> bool:
        """Another request may follow on the connection: streams do not know of each other."""
        return True

    def feed(self, data: bytes) -> bool:
        """Whether it is complete. What came was told by the engine; ``data`` is nothing. Raises the fault."""
        if self.fault is not None:
            raise self.fault
        return self.done

    def take(self) -> bytes:
        """The bytes of the body that have come since the last call, as they were sent."""
        data = bytes(self._body)
        self._body.clear()
        return data

    def take_fields(self, fields: Fields) -> None:
        """A head, an interim one or the last, or trailers, which are left alone (RFC 9110 §6.5.1)."""
        self.news += 1
        if self.head is not None:
            return
        self._measure(fields)
        status = _status(fields)
        if status < 200:
            self._take_interim(status)
            return
        headers = _headers(fields)
        self.head = Head(status, headers, "2", _length(headers))
        if self._has_body and self.head.length is not None and self.head.length > self.sizes.max_size:
            raise TooLarge(f"a body of {self.head.length} bytes, which is more than {self.sizes.max_size}")

    def take_data(self, data: bytes) -> None:
        """A piece of the body."""
        self.news += 1
        if self.head is None:
            raise BadResponse("a body before its head", phase="head")
        self.size += len(data)
        if self.size > self.sizes.max_size:
            raise TooLarge(f"a body of more than {self.sizes.max_size} bytes")
        if self._has_body and self.head.length is not None and self.size > self.head.length:
            raise BadResponse(f"more than the {self.head.length} bytes that it declares", phase="body")
        if self._has_body:
            self._body += data

    def end(self) -> None:
        """The stream has ended."""
        self.news += 1
        if self.head is None:
            raise BadResponse("ended without an answer", phase="head")
        if self._has_body and self.head.length is not None and self.size < self.head.length:
            raise BadResponse(f"{self.size} of {self.head.length} bytes, then the end", phase="body")
        self.ended = True

    def fail(self, error: FetchError, *, unprocessed: bool = False) -> None:
        """It will never be complete; the first reason stands."""
        if self.fault is None and not self.ended:
            self.fault, self.unprocessed = error, unprocessed
            self.news += 1

    def _measure(self, fields: Fields) -> None:
        self._read += sum(len(name) + len(value) + 4 for name, value in fields)
        if self._read > self.sizes.max_head:
            raise TooLarge(f"a head of more than {self.sizes.max_head} bytes", phase="head")
        if len(fields) > self.sizes.max_fields:
            raise TooLarge(f"a head of {len(fields)} fields", phase="head")

    def _take_interim(self, status: int) -> None:
        self._interim += 1
        if self._interim > self.sizes.max_interim:
            raise BadResponse(f"more than {self.sizes.max_interim} interim responses", phase="head")
        if status == 101:  # RFC 9113 §8.6
            raise BadResponse("101 Switching Protocols, which HTTP/2 has not", phase="head")

    @property
    def _has_body(self) -> bool:
        assert self.head is not None
        return self.method != "HEAD" and self.head.status not in (204, 304)


def _status(fields: Fields) -> int:
    """The one pseudo-field of an answer, which comes first (RFC 9113 §8.3.2)."""
    if not fields or fields[0][0] != b":status" or not _STATUS.fullmatch(fields[0][1]):
        raise BadResponse("a head without a status", phase="head")
    return int(fields[0][1])


def _headers(fields: Fields) -> Headers:
    for name, value in fields[1:]:
        if not _NAME.fullmatch(name) or name in _OF_CONNECTION:
            raise BadResponse(f"a field {name[:40]!r}, which HTTP/2 has not", phase="head")
        if _NOT_IN_A_VALUE.search(value):
            raise BadResponse(f"a value of {name[:40].decode()} that no field can have", phase="head")
    return Headers([(name.decode("ascii"), value.strip(b" \t").decode("latin-1")) for name, value in fields[1:]])


def _length(headers: Headers) -> int | None:
    """What Content-Length says; the same said twice is forgiven, as in HTTP/1 (RFC 9110 §8.6)."""
    said = {each.strip() for value in headers.get_all("content-length") for each in value.split(",")}
    if not said:
        return None
    length = said.pop()
    if said or not _LENGTH.fullmatch(length):
        raise BadResponse(f"Content-Length {headers['content-length'][:40]!r}", phase="head")
    return int(length)
