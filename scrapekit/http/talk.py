"""One exchange on a stream: send, read, decode, each stage within its time.

Knows of no connection and no other exchange; what it leaves on the stream is judged by the connection.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from scrapekit.content import Content
from scrapekit.errors import BadResponse, ConnectFailed, FetchError, FetchTimeout
from scrapekit.http.body import Intake, Into, Spool
from scrapekit.http.exchange import Head
from scrapekit.http.limit import Expired, Limit
from scrapekit.http.pace import paced
from scrapekit.http.terms import Terms

READ: Final = 65536  # bytes asked for at once


class Flow(Protocol):
    """What carries one exchange: a ``Stream``, or a share in one."""

    async def read(self, size: int) -> bytes: ...
    async def write(self, data: bytes) -> int: ...


class Incoming(Protocol):
    """An answer as it comes, of whichever version of HTTP; see ``Exchange``."""

    head: Head | None
    received: int
    size: int

    @property
    def done(self) -> bool: ...
    @property
    def phase(self) -> str: ...
    @property
    def reusable(self) -> bool: ...
    def feed(self, data: bytes) -> bool: ...
    def take(self) -> bytes: ...


class Talk:
    """One exchange on a stream: send, read, decode, each stage with its deadline. ``exchange`` reads the answer."""

    __slots__ = ("_intake", "_into", "_on_sent", "_spool", "_stream", "_terms", "content", "exchange", "sent", "wrote")

    def __init__(
        self,
        stream: Flow,
        exchange: Incoming,
        terms: Terms,
        on_sent: Callable[[], Awaitable[None]] | None,
        *,
        spool: Spool,
        into: Into | None = None,
    ) -> None:
        self._stream, self._on_sent, self._terms = stream, on_sent, terms
        self._spool, self._into = spool, into
        self.exchange = exchange
        self.sent = 0
        self.wrote = False  # the whole request is out
        self.content: Content | bytes = b""
        self._intake: Intake | None = None

    @property
    def phase(self) -> str:
        return self.exchange.phase if self.wrote else "send"

    async def play(self, request: bytes) -> None:
        """The whole exchange; ``content`` and ``exchange.head`` hold what came of it."""
        stream, deadlines = self._stream, self._terms.deadlines
        try:
            async with Limit(min(deadlines.first_byte, deadlines.total)) as limit:
                self.sent = await stream.write(request)
                if self._on_sent is not None:
                    await self._on_sent()
                if self.sent < len(request):
                    await self._write_rest(request)
                self.wrote = True
                self._take(await stream.read(READ))
            if not self.exchange.done:
                await paced(self, deadlines, limit.start)
            intake = self._intake
            if intake is not None:
                self.content = intake.kept() or await intake.finish()
        except BaseException:
            if self._intake is not None:
                self._intake.drop()
            raise

    # What ``paced`` asks of an answer that comes by and by.

    @property
    def done(self) -> bool:
        return self.exchange.done

    @property
    def size(self) -> int:
        return self.exchange.size

    @property
    def full(self) -> bool:
        return self._intake is not None and self._intake.full

    async def more(self, *, up_to_body: bool = False) -> None:
        exchange, read = self.exchange, self._stream.read
        while True:
            self._take(await read(READ))
            intake = self._intake
            if exchange.done or (intake is not None and intake.full) or (up_to_body and exchange.size):
                return

    async def empty(self) -> None:
        if self._intake is not None:
            await self._intake.empty()

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
        if self._intake is None:
            if exchange.head is None:
                return
            self._intake = Intake(exchange.head, self._terms, self._spool, self._into)
        body = exchange.take()
        if body:
            self._intake.feed(body)


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
