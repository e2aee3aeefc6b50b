"""One exchange on a stream: send, read, decode, each stage within its time.

Knows of no connection and no other exchange; what it leaves on the stream is judged by the connection.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from scrapekit.errors import BadResponse, ConnectFailed, FetchError, FetchTimeout
from scrapekit.http.decoding import Decoder, codings
from scrapekit.http.exchange import Exchange, Head
from scrapekit.http.limit import Expired, Limit
from scrapekit.http.stream import Stream
from scrapekit.http.terms import Terms

READ: Final = 65536  # bytes asked for at once


class Talk:
    """One exchange on a stream: send, read, decode, each stage with its deadline."""

    __slots__ = ("_decoder", "_on_sent", "_pieces", "_stream", "_terms", "body", "exchange", "sent", "wrote")

    def __init__(
        self, stream: Stream, method: str, terms: Terms, on_sent: Callable[[], Awaitable[None]] | None
    ) -> None:
        self._stream, self._on_sent, self._terms = stream, on_sent, terms
        self.exchange = Exchange(method, terms.sizes)
        self.sent = 0
        self.wrote = False  # the whole request is out
        self.body = b""
        self._decoder: Decoder | None = None
        self._pieces: list[bytes] = []

    @property
    def phase(self) -> str:
        return self.exchange.phase if self.wrote else "send"

    async def play(self, request: bytes) -> None:
        """The whole exchange; ``body`` and ``exchange.head`` hold what came of it."""
        stream, exchange, deadlines = self._stream, self.exchange, self._terms.deadlines
        async with Limit(min(deadlines.first_byte, deadlines.total)) as limit:
            self.sent = await stream.write(request)
            if self._on_sent is not None:
                await self._on_sent()
            if self.sent < len(request):
                await self._write_rest(request)
            self.wrote = True
            self._take(await stream.read(READ))
        if not exchange.done:
            async with Limit(deadlines.total, since=limit.start):
                while not exchange.done:
                    self._take(await stream.read(READ))
        if self._decoder is not None:
            self._decoder.finish()
        self.body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    async def _write_rest(self, request: bytes) -> None:
        try:
            while self.sent < len(request):
                self.sent += await self._stream.write(request[self.sent : self.sent + READ])
        except OSError:
            # A server may answer and close before it has read all (RFC 9112 §9.6): what it said is there to be read.
            return

    def _take(self, data: bytes) -> None:
        """What the peer sent; b"" for its end."""
        exchange = self.exchange
        exchange.feed(data)
        body = exchange.take()
        if not body:
            return
        if not self._pieces and self._decoder is None:
            self._decoder = _decoder(exchange.head, self._terms.sizes.max_size)
        if self._decoder is None:
            self._pieces.append(body)
        else:
            self._pieces.extend(self._decoder.feed(body))


def _decoder(head: Head | None, limit: int) -> Decoder | None:
    assert head is not None
    packed = head.headers.get("content-encoding")
    if not packed:
        return None
    names = codings(",".join(head.headers.get_all("content-encoding")))
    return Decoder(names, limit=limit) if names else None


def translated(error: FetchError | OSError | Expired, talk: Talk) -> FetchError:
    """The error as the floors above know it, with the phase in which it happened."""
    if isinstance(error, FetchError):
        # The peer's end before the first byte is no breach of HTTP: it is the connection that failed.
        empty = isinstance(error, BadResponse) and not talk.exchange.received
        return ConnectFailed(error.detail, phase="head") if empty else error
    if isinstance(error, Expired):
        waited = "no answer" if not talk.exchange.received else "no whole answer"
        return FetchTimeout(f"{waited} {error}", phase=talk.phase)
    return ConnectFailed(error.strerror or str(error) or type(error).__name__, phase=talk.phase)
