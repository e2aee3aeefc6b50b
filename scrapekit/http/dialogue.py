"""One connection as HTTP/1.1, from the server's side: bytes in, requests out; replies in, bytes out.

Everything of the small server (``server.py``) that is no socket. The only place on that side which knows h11.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Self
from urllib.parse import parse_qsl

import h11

from scrapekit.headers import Headers

MAX_HEAD: Final = 65536  # bytes of request line and fields
MAX_BODY: Final = 1 << 20  # bytes of a request's body
_HEADLESS: Final = frozenset({204, 304})  # no body, and no Content-Length that promises one (RFC 9110 §8.6)
#: Fields that are written here, so that they are true.
_OURS: Final = frozenset({"date", "content-length", "transfer-encoding"})
_REASONS: Final = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}
_NO_HEADERS: Final = Headers()


@dataclass(frozen=True, slots=True)
class ServerRequest:
    """What a client asked: ``target`` is the path with its query as sent, ``host`` is what the Host field says."""

    method: str
    target: str
    host: str = ""
    headers: Headers = _NO_HEADERS
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target without its query; percent-encoding is kept."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """The query's fields, decoded; of a repeated one the last."""
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class ServerReply:
    """What the handler answers; Date and Content-Length are added when it is sent."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def text(cls, text: str, kind: str = "text/html; charset=utf-8", *, status: int = 200) -> Self:
        """A reply of text; ``kind`` is its Content-Type."""
        return cls(status, text.encode(), (("Content-Type", kind),))

    @classmethod
    def moved(cls, location: str, *, status: int = 302) -> Self:
        """A redirect."""
        return cls(status, b"", (("Location", location),))


class Dialogue:
    """One connection as HTTP/1.1, from the server's side. Knows h11; knows no socket and no clock."""

    def __init__(self, *, max_body: int = MAX_BODY) -> None:
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._max_body = max_body
        self._head: h11.Request | None = None
        self._body: list[bytes] = []
        self._size = 0
        #: Whether bytes of a request have come that is not answered yet.
        self.begun = False

    def feed(self, data: bytes) -> None:
        """Take what the client sent, at least one byte."""
        self.begun = True
        self._h11.receive_data(data)

    def request(self) -> ServerRequest | ServerReply | None:
        """Give the next request once it is whole, or the reply that refuses what came; None if more is needed."""
        try:
            return self._next()
        except h11.RemoteProtocolError as error:
            return _refusal(error.error_status_hint, str(error))

    def interim(self) -> bytes:
        """What is to be sent before the client goes on: ``100 Continue`` where it waits for that, else nothing."""
        if not self._h11.they_are_waiting_for_100_continue:
            return b""
        return self._h11.send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")) or b""

    def answer(self, reply: ServerReply, date: str) -> bytes:
        """The reply as bytes.

        Raises ValueError if it cannot be sent: a status below 200, or a header that would end its line.
        """
        try:
            head = h11.Response(status_code=reply.status, reason=_reason(reply.status), headers=_fields(reply, date))
        except h11.LocalProtocolError as error:
            raise ValueError(f"not a reply that can be sent: {error}") from error
        out = self._h11.send(head) or b""
        if reply.body and reply.status not in _HEADLESS and not self._asked_for_head:
            out += self._h11.send(h11.Data(data=reply.body)) or b""
        return out + (self._h11.send(h11.EndOfMessage()) or b"")

    def go_on(self) -> bool:
        """Make ready for the next request on this connection; False if it must be closed."""
        if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            return False
        self._h11.start_next_cycle()
        self._head, self._body, self._size = None, [], 0
        self.begun = bool(self._h11.trailing_data[0])
        return True

    @property
    def _asked_for_head(self) -> bool:
        return self._head is not None and self._head.method == b"HEAD"

    def _next(self) -> ServerRequest | ServerReply | None:
        while True:
            event = self._h11.next_event()
            if isinstance(event, h11.Data):
                self._size += len(event.data)
                self._body.append(event.data)
            elif isinstance(event, h11.Request):
                self._head = event
                if event.method == b"CONNECT":
                    return _refusal(501, "this server is no proxy")
                self._size = 0 if _declared(event) <= self._max_body else self._max_body + 1
            elif isinstance(event, h11.EndOfMessage) and self._head is not None:
                return _request(self._head, b"".join(self._body))
            else:
                return None
            if self._size > self._max_body:
                return _refusal(413, f"the body is larger than {self._max_body} bytes")


def _request(head: h11.Request, body: bytes) -> ServerRequest:
    headers = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers])
    target, host = head.target.decode("latin-1"), headers.get("host", "")
    if not target.startswith("/") and "://" in target:  # absolute form: its authority counts (RFC 9112 §3.2.2)
        host, slash, rest = target.partition("://")[2].partition("/")
        target = slash + rest or "/"
    return ServerRequest(head.method.decode("ascii"), target, host, headers, body)


def _declared(head: h11.Request) -> int:
    for name, value in head.headers:
        if name == b"content-length":
            return int(value)  # h11 lets only one number through
    return 0


def _fields(reply: ServerReply, date: str) -> list[tuple[str, str]]:
    fields = [("Date", date)]
    fields += [pair for pair in reply.headers if pair[0].lower() not in _OURS]
    if reply.status not in _HEADLESS:
        fields.append(("Content-Length", str(len(reply.body))))
    return fields


def _refusal(status: int, why: str) -> ServerReply:
    page = plain(status, why)
    return ServerReply(status, page.body, (*page.headers, ("Connection", "close")))


def plain(status: int, why: str) -> ServerReply:
    """A reply in one line of plain text."""
    return ServerReply.text(f"{status} {_reason(status).decode()}: {why}\n", "text/plain; charset=utf-8", status=status)


def _reason(status: int) -> bytes:
    return _REASONS.get(status, b"")
