"""One HTTP/1.1 exchange: the answer to a request, from bytes. Knows h11; knows no sockets and no clock.

h11 is the engine that reads answers. This layer counts and decides where the engine is laxer or stricter than the web
needs: the size of a head however it was cut into reads, the number of its fields, interim responses, the version, and
the body as it was sent. What goes out is written by ``outgoing``.

Invariant: nothing is kept of a peer's bytes beyond ``Sizes.max_head`` and one read, but for the body that the caller
takes.

Raises BadResponse or TooLarge; every ``h11`` exception ends here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

import h11
from h11._readers import ChunkedReader

from scrapekit.errors import BadResponse, TooLarge
from scrapekit.headers import Headers
from scrapekit.http.terms import Sizes

#: Empty lines before the status line that are forgiven, in bytes (RFC 9112 §2.2 forgives them to clients).
_MAX_PADDING: Final = 16
_START: Final = b"HTTP/1."
#: Bytes up to the first digit of the status, and that digit of an interim response.
_ENOUGH: Final = len(b"HTTP/1.1 1")
_INTERIM: Final = ord("1")
#: A body in more pieces than this, of fewer bytes each on the average, only keeps us busy: five seconds a megabyte.
_MANY: Final = 200_000
_TINY: Final = 64

#: Methods whose answers have a body like any other.
_FRAMED_ALIKE: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Head(NamedTuple):
    """The status line and the fields of an answer; text is latin-1, so that no byte is lost (RFC 9110 §5.5)."""

    status: int
    headers: Headers
    version: str
    #: Bytes that the answer declares, where it does so in Content-Length.
    length: int | None


class Exchange:
    """One request's answer, read from bytes as they come.

    ``feed`` takes what arrived (b"" for the end); ``head`` is there once it is complete; ``take`` gives the body's
    bytes since the last call, still encoded; ``done`` says that the answer is complete.
    """

    __slots__ = (
        "_begun",
        "_count",
        "_engine",
        "_interim",
        "_method",
        "_pieces",
        "_sizes",
        "_started",
        "done",
        "head",
        "received",
        "size",
    )

    def __init__(self, method: str, sizes: Sizes) -> None:
        self.head: Head | None = None
        self.done = False
        self.received = 0  # bytes from the peer, all counted
        self.size = 0  # bytes of the body as sent
        self._method, self._sizes = method, sizes
        self._started = False
        self._begun = b""  # too few bytes to judge
        self._interim = self._count = 0
        self._pieces: list[bytes] = []
        self._engine: h11.Connection  # made when it can be told from the first bytes what it must know

    def __repr__(self) -> str:
        status = self.head.status if self.head else "no head"
        return f"<Exchange {self._method} {status}, {self.size} bytes of body{', done' if self.done else ''}>"

    @property
    def phase(self) -> str:
        """What is being received: head or body."""
        return "body" if self.head else "head"

    def feed(self, data: bytes) -> bool:
        """Take what the peer sent; whether the answer is complete."""
        self.received += len(data)
        if not self._started:
            known = len(data) >= _ENOUGH and data.startswith(_START) and not self._begun
            data = data if known else self._opening(data)
            if not data:
                return False
            self._started = True
            interim = data[_ENOUGH - 1] == _INTERIM
            self._engine = _engine(self._method, interim=interim, max_head=self._sizes.max_head)
        try:
            self._engine.receive_data(data)
            self._read()
        except h11.RemoteProtocolError as error:
            raise BadResponse(_words(error), phase=self.phase) from None
        return self.done

    def take(self) -> bytes:
        """The bytes of the body that have come since the last call, as they were sent."""
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @property
    def reusable(self) -> bool:
        """Whether the connection may carry another request: done, kept alive, nothing left over (RFC 9112 §9.3)."""
        if not self.done or self.head is None or self._engine.trailing_data != (b"", False):
            return False
        # h11 ends in MUST_CLOSE unless both sides keep the connection.
        return self._engine.their_state is h11.DONE and not self._ambiguous

    @property
    def _ambiguous(self) -> bool:
        """Whether length and chunks were both declared: chunks win, and the connection ends (RFC 9112 §6.3)."""
        assert self.head is not None
        headers = self.head.headers
        return "transfer-encoding" in headers and "content-length" in headers

    @property
    def left_over(self) -> bytes:
        """What came after the answer, or after a head that ends HTTP on this connection, as a tunnel's does."""
        data: bytes = self._engine.trailing_data[0]
        return data

    def _opening(self, data: bytes) -> bytes:
        """The first bytes of a head, without empty lines before it; none while they are too few to judge.

        What is no HTTP/1 is noticed here: the engine would wait for an empty line, and an old server for us.
        """
        if not data:
            raise BadResponse("closed without an answer", phase="head")
        self._begun += data
        opening = self._begun.lstrip(b"\r\n")
        if len(self._begun) - len(opening) > _MAX_PADDING:
            raise BadResponse("empty lines instead of a status line", phase="head")
        if not _START.startswith(opening[: len(_START)]):
            raise BadResponse(f"the answer is not HTTP/1: it begins {opening[:20]!r}", phase="head")
        return opening if len(opening) >= _ENOUGH else b""

    def _read(self) -> None:
        """Let the engine read what it can."""
        while not self.done:
            event = self._engine.next_event()
            kind = type(event)
            if kind is h11.Data:
                self._take_body(event.data)  # type: ignore[union-attr]
            elif kind is h11.EndOfMessage:
                self.done = True  # trailers are left alone: they may not change what the head said (RFC 9110 §6.5.1)
            elif kind is h11.Response:
                self._take_head(event)
            elif kind is h11.InformationalResponse:
                self._begin_again()
                return
            else:
                self._check_waiting()
                return

    def _check_waiting(self) -> None:
        """Refuse what the engine would wait for in vain: more of a head or of a chunk than may be, or CR before LF."""
        if self.head is None:
            if self.received > self._sizes.max_head:
                raise TooLarge(f"a head of more than {self._sizes.max_head} bytes", phase="head")
            return
        reader = self._engine._reader  # the engine tells a chunk's size only when bytes of it are here
        if type(reader) is not ChunkedReader or reader._reading_trailer:
            return
        if self.size + reader._bytes_in_chunk > self._sizes.max_size:
            raise TooLarge(f"a chunk of {reader._bytes_in_chunk} bytes, beyond {self._sizes.max_size} in all")
        if not reader._bytes_in_chunk and b"\n" in self._engine.trailing_data[0]:
            raise BadResponse("a chunk's size ends in a bare LF", phase="body")

    def _take_body(self, data: bytearray) -> None:
        self.size += len(data)
        if self.size > self._sizes.max_size:
            raise TooLarge(f"a body of more than {self._sizes.max_size} bytes")
        self._count += 1
        if self._count > _MANY and self.size < self._count * _TINY:
            raise BadResponse(f"a body in more than {_MANY} tiny chunks", phase="body")
        self._pieces.append(bytes(data))

    def _begin_again(self) -> None:
        """After an interim response: what follows is a head like the first, empty lines before it included."""
        self._interim += 1
        if self._interim > self._sizes.max_interim:
            raise BadResponse(f"more than {self._sizes.max_interim} interim responses", phase="head")
        rest, _ = self._engine.trailing_data
        self._started, self._begun = False, b""
        if rest:
            self.received -= len(rest)  # they are counted again
            self.feed(rest)

    def _take_head(self, event: Any) -> None:
        if not event.http_version.startswith(b"1."):
            raise BadResponse(f"HTTP/{event.http_version.decode()}, which was not asked for", phase="head")
        raw = event.headers.raw_items()
        if len(raw) > self._sizes.max_fields:
            raise TooLarge(f"a head of {len(raw)} fields", phase="head")
        most = self._sizes.max_head
        if self.received > most and sum(len(name) + len(value) + 4 for name, value in raw) > most:
            raise TooLarge(f"a head of more than {most} bytes", phase="head")
        headers = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw])
        length = headers.get("content-length") if "transfer-encoding" not in headers else None
        self.head = Head(event.status_code, headers, event.http_version.decode(), int(length) if length else None)
        if self.head.length is not None and self.head.length > self._sizes.max_size and self._has_body:
            raise TooLarge(f"a body of {self.head.length} bytes, which is more than {self._sizes.max_size}")

    @property
    def _has_body(self) -> bool:
        assert self.head is not None
        return self._method != "HEAD" and self.head.status not in (204, 304)


def _engine(method: str, *, interim: bool, max_head: int) -> h11.Connection:
    # The limit on heads is ours: h11's own is skipped when one read brings the whole head.
    engine = h11.Connection(h11.CLIENT, max_incomplete_event_size=2 * max_head)
    # An answer without a request is fine for h11 (a server may give up waiting for one). It wants to know of ours only
    # where that changes how the answer is framed, or where the answer is not the last one.
    if interim or method not in _FRAMED_ALIKE:
        engine.send(_sent(method))
    return engine


@lru_cache(maxsize=64)
def _sent(method: str) -> h11.Request:
    """What the engine is told was sent: enough to know how the answer is framed."""
    return h11.Request(method=method, target="/", headers=[("Host", "h")])


def _words(error: h11.RemoteProtocolError) -> str:
    """The engine's message, kept to a line."""
    return str(error)[:200]
