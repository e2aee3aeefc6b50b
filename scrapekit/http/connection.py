"""One connection of HTTP/1: a stream, and the exchanges it carries one after the other.

The state is in one table and moved by one method. Whether the connection may be used again is decided here, from what
the exchange saw and from what arrived while nobody asked.

Invariant: whatever ends an exchange early, a cancellation too, leaves the connection closed.

Knows no URLs. Raises FetchError subclasses with phase, sent and reused set; OSError ends here.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, NamedTuple

from scrapekit.content import Content
from scrapekit.errors import ConnectFailed, FetchError, Overtaken
from scrapekit.headers import Headers
from scrapekit.http.body import Into, Spool
from scrapekit.http.exchange import Exchange
from scrapekit.http.limit import Expired
from scrapekit.http.redirect import REDIRECTS
from scrapekit.http.stream import Stream
from scrapekit.http.talk import Talk, translated
from scrapekit.http.terms import Terms, Way
from scrapekit.url import Parts

#: Who is spoken to, and how they are reached.
Route = tuple[str, Way]

_KEEP: Final = re.compile(r"timeout=(\d{1,6})", re.ASCII | re.IGNORECASE)


class State(StrEnum):
    FRESH = "fresh"
    BUSY = "busy"
    IDLE = "idle"
    CLOSED = "closed"


#   from         may become
MOVES: Final[Mapping[State, frozenset[State]]] = {
    State.FRESH: frozenset({State.BUSY, State.CLOSED}),
    State.BUSY: frozenset({State.IDLE, State.CLOSED}),
    State.IDLE: frozenset({State.BUSY, State.CLOSED}),
    State.CLOSED: frozenset({State.CLOSED}),
}


class Asked(NamedTuple):
    """A request as it is to be sent: ``wire`` is how HTTP/1 writes it, the rest is for those who write it otherwise."""

    method: str
    wire: bytes
    parts: Parts
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. ``content`` has its content codings taken off; ``wire_bytes`` counts all that was received.

    ``reused`` says whether the connection had served before.
    """

    status: int
    headers: Headers
    content: Content | bytes
    version: str
    address: str
    wire_bytes: int
    reused: bool

    @property
    def body(self) -> bytes:
        """The content, read."""
        return self.content if isinstance(self.content, bytes) else self.content.read()


class Connection:
    """A stream on a ``route`` (an origin and the way to it) and what may be done with it.

    ``born`` and ``since`` (when it fell idle) are in the seconds of whoever keeps it; ``users`` counts to whom they
    have given it.
    """

    shared: ClassVar = False  # whether several may use it at once

    __slots__ = ("_state", "_stream", "address", "born", "keep", "route", "served", "since", "users")

    def __init__(self, route: Route, stream: Stream, *, born: float = 0.0) -> None:
        self.route, self._stream, self.born = route, stream, born
        self.address = stream.address
        self.since = born
        self.served = self.users = 0
        self.keep: float | None = None  # seconds for which the server said it would keep it open
        self._state = State.FRESH

    def __repr__(self) -> str:
        return f"<Connection {self.route[0]} {self._state.value}, served {self.served}>"

    @property
    def state(self) -> State:
        return self._state

    def _become(self, state: State) -> None:
        assert state in MOVES[self._state], f"{self._state} may not become {state}"
        self._state = state

    @property
    def capacity(self) -> int:
        """How many exchanges it can carry at once."""
        return 1

    @property
    def wants_http1(self) -> bool:
        """Whether the peer has said that here it is to be spoken to by HTTP/1.1."""
        return False

    async def fit(self) -> bool:
        """Whether it can still be used, now that it was chosen; what has arrived meanwhile is read where it may be."""
        return True

    def quiet(self) -> bool:
        """Whether nothing has come from the peer while idle, not even its end (RFC 9112 §9.5)."""
        return self._state is not State.CLOSED and not self._stream.pending()

    async def close(self) -> None:
        """Let go of the socket, whatever goes on; may be called again."""
        self._become(State.CLOSED)
        await self._stream.close()

    async def ask(
        self,
        asked: Asked,
        *,
        terms: Terms,
        spool: Spool,
        on_sent: Callable[[], Awaitable[None]] | None = None,
        may_go: Callable[[], bool] | None = None,
        into: Into | None = None,
    ) -> Reply:
        """Send a request and give the answer; afterwards the connection is idle or closed.

        ``may_go`` is asked with no await before the first byte; if it says no, Overtaken is raised. ``on_sent`` is
        awaited as soon as that byte was handed to the system; the body goes to ``spool``, unless ``into`` has another
        place for it. Raises FetchTimeout, ConnectFailed, BadResponse, TooLarge or NotStored; ``reused`` is set on an
        error only where the request may be sent again without counting: the connection had served before, was cut, and
        no byte of the answer had come, or the peer says that it was not looked at.
        """
        if may_go is not None and not may_go():
            raise Overtaken("the host asked for a rest meanwhile", address=self.address)
        self._become(State.BUSY)
        talk = Talk(self._stream, Exchange(asked.method, terms.sizes), terms, on_sent, spool=spool, into=into)
        try:
            await talk.play(asked.wire)
            reply = self._reply(talk, reused=self.served > 0)
        except (FetchError, OSError, Expired) as error:
            await self.close()
            return self._despite(error, talk, reused=self.served > 0)
        except BaseException:  # a cancellation is none of Exception
            await self.close()
            raise
        self.served += 1
        if talk.exchange.reusable:
            self._become(State.IDLE)
            self.keep = _promised(reply.headers)
        else:
            await self.close()
        return reply

    def _reply(self, talk: Talk, *, reused: bool) -> Reply:
        exchange, head = talk.exchange, talk.exchange.head
        assert head is not None
        if reused and head.status == 408 and not exchange.reusable:
            # The server gave up waiting on the idle connection just as we wrote (RFC 9110 §15.5.9).
            raise ConnectFailed("408 on an idle connection", phase="head")
        return Reply(head.status, head.headers, talk.content, head.version, self.address, exchange.received, reused)

    def _despite(self, error: FetchError | OSError | Expired, talk: Talk, *, reused: bool) -> Reply:
        """The reply that stands in spite of the error, or the error with its facts.

        Where a redirect leads is known once its head is here; its body is for nobody, and is often badly made.
        """
        head = talk.exchange.head
        if head is not None and head.status in REDIRECTS and "location" in head.headers:
            talk.content = b""
            return self._reply(talk, reused=reused)
        failure = self._translated(error, talk)
        failure.address, failure.sent = self.address, talk.sent > 0
        stale = not talk.exchange.received or (head is not None and head.status == 408)
        failure.reused = reused and stale and isinstance(failure, ConnectFailed)
        raise failure from None

    def _translated(self, error: FetchError | OSError | Expired, talk: Talk) -> FetchError:
        return translated(error, talk)


def _promised(headers: Headers) -> float | None:
    """Seconds for which the server will keep the connection, if it says so (``Keep-Alive: timeout=5``)."""
    field = headers.get("keep-alive")
    found = _KEEP.search(field) if field else None
    return float(found[1]) if found else None
