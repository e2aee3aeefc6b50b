"""The crawl's wire: one request to one reply, over a connection that is open or a new one.

It never decides to send: no redirects, no cookies, no repeats, no waiting for turns. Whatever goes wrong comes out as
one FetchError with all its facts; a cancellation closes the connection.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from scrapekit.errors import BadRequest, BadResponse, FetchError, Overtaken
from scrapekit.headers import Headers
from scrapekit.http.body import Into, Spool
from scrapekit.http.connection import Connection, Reply
from scrapekit.http.dialer import Dial, Secure, dial_tcp
from scrapekit.http.opening import Opener
from scrapekit.http.outgoing import request_bytes
from scrapekit.http.pool import IDLE_SECONDS, MAX_AGE, MAX_IDLE, Pool
from scrapekit.http.proxying import blamed, forwarding, judged
from scrapekit.http.resolver import Names
from scrapekit.http.terms import DIRECT, Proxy, Terms, Way
from scrapekit.url import Parts, origin_of, split


class Client:
    """Sends requests, and keeps connections for the next ones.

    ``resolver`` is the caller's, who closes it. ``dial`` connects to one of some addresses and ``secure`` puts TLS on
    the stream; tests hand in others. ``max_idle`` connections are kept, each for ``idle_seconds`` at most and for
    ``max_age`` from its connect. Bodies go to ``spool``.
    """

    def __init__(
        self,
        resolver: Names,
        *,
        dial: Dial = dial_tcp,
        secure: Secure | None = None,
        now: Callable[[], float] = time.monotonic,
        max_idle: int = MAX_IDLE,
        idle_seconds: float = IDLE_SECONDS,
        max_age: float = MAX_AGE,
        spool: Spool | None = None,
    ) -> None:
        self.spool = spool or Spool()
        self._opener, self._now = Opener(resolver, dial=dial, secure=secure), now
        self.pool = Pool(now=now, max_idle=max_idle, idle_seconds=idle_seconds, max_age=max_age)

    def __repr__(self) -> str:
        return f"<Client {self.pool!r}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def has_idle(self, url: str, way: Way = DIRECT) -> bool:
        """Whether a request for this canonical URL, or this origin, would go on an open connection."""
        return self.pool.has((origin_of(url if url.count("/") > 2 else url + "/"), way))

    async def send(
        self,
        method: str,
        url: str,
        headers: Headers,
        body: bytes = b"",
        *,
        terms: Terms,
        on_sent: Callable[[], Awaitable[None]] | None = None,
        may_go: Callable[[], bool] | None = None,
        fresh: bool = False,
        into: Into | None = None,
    ) -> Reply:
        """Send one request and give its answer, whatever its status.

        ``url`` is canonical. Host, Content-Length and, if not given, Accept-Encoding are added to ``headers``.
        ``on_sent`` is awaited, and must not block, when the first byte was handed to the system. ``may_go`` is asked
        once the connection is there, with no await before the first byte; if it says no, Overtaken is raised. ``fresh``
        asks for a new connection. ``into`` chooses a place for the body that is not the spool's.

        Raises FetchError subclasses only, with url, host, address, phase and sent; ``reused`` is set where the request
        may be sent again without counting: the connection had served before and was cut before any byte of the answer.
        """
        parts = split(url)
        relay = forwarding(terms.way, parts)
        try:
            request = _request(method, parts, headers, body, relay)
            connection = await self._connection(url, parts, terms, fresh=fresh)
            try:
                if may_go is not None and not may_go():
                    raise Overtaken("the host asked for a rest meanwhile", address=connection.address)
                reply = await connection.ask(method, request, terms=terms, spool=self.spool, on_sent=on_sent, into=into)
                return reply if relay is None else judged(reply, relay)
            finally:
                self.pool.give(connection)
                if self.pool.closing:
                    await self._close_dropped()  # which waits for nobody
        except FetchError as caught:
            error = caught if relay is None else blamed(caught, relay)
            error.url, error.host = url, parts.host
            raise error from None

    async def close(self) -> None:
        """Close what is idle; connections in use close when their exchange ends."""
        self.pool.shut()
        await self._close_dropped()

    async def _connection(self, url: str, parts: Parts, terms: Terms, *, fresh: bool) -> Connection:
        route = origin_of(url), terms.way
        connection = None if fresh else self.pool.take(route)
        if connection is not None:
            return connection
        stream = await self._opener.open(parts, terms)
        return Connection(route, stream, born=self._now())

    async def _close_dropped(self) -> None:
        while (connection := self.pool.dropped()) is not None:
            await connection.close()


def _request(method: str, parts: Parts, headers: Headers, body: bytes, relay: Proxy | None) -> bytes:
    try:
        return request_bytes(method, parts.target, parts.host, headers, body, relay=relay)
    except BadRequest as error:
        raise BadResponse(str(error), phase="send") from None
