"""The crawl's wire: one request to one reply, over a connection that is open or a new one.

It never decides to send: no redirects, no cookies, no repeats, no waiting for turns. Whatever goes wrong comes out as
one FetchError with all its facts; a cancellation closes the connection.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from types import TracebackType
from typing import Final, Self, cast

import curio

from scrapekit.errors import BadRequest, BadResponse, FetchError, FetchTimeout
from scrapekit.headers import Headers
from scrapekit.http.body import Into, Spool
from scrapekit.http.connection import Asked, Connection, Reply, Route
from scrapekit.http.dialer import Dial, Secure, dial_tcp
from scrapekit.http.door import Door
from scrapekit.http.extras import need_http2
from scrapekit.http.limit import Expired, Limit
from scrapekit.http.opening import Opener, check_outside
from scrapekit.http.outgoing import request_bytes
from scrapekit.http.pool import IDLE_SECONDS, MAX_AGE, MAX_IDLE, Pool
from scrapekit.http.proxying import blamed, forwarding, judged
from scrapekit.http.resolver import Names
from scrapekit.http.resuming import BrokenOff
from scrapekit.http.terms import DIRECT, Proxy, Terms, Way
from scrapekit.url import Parts, origin_of, split

#: Of so many routes is remembered that they want HTTP/1.1.
MAX_KNOWN: Final = 10_000


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
        self.spool, self._broken_off = spool or Spool(), BrokenOff()
        self._opener, self._now = Opener(resolver, dial=dial, secure=secure), now
        self._doors: dict[Route, Door] = {}
        #: Where HTTP/2 was offered and is not wanted: the way without it (RFC 9113 §7, HTTP_1_1_REQUIRED).
        self._by_http1: dict[Route, Way] = {}
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
        route = origin_of(url if url.count("/") > 2 else url + "/"), way
        return self.pool.has((route[0], self._by_http1.get(route, way)) if self._by_http1 else route)

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
        A file that breaks off is kept, and gone on with by the next request for it.

        Raises FetchError subclasses only, with url, host, address, phase and sent; ``reused`` is set where the request
        may be sent again without counting: the connection had served before and was cut before any byte of the answer.
        """
        if terms.to_file and into is None and method == "GET" and "range" not in headers:
            send = partial(self.send, method, url, body=body, terms=terms, on_sent=on_sent, may_go=may_go, fresh=fresh)
            return await self._to_file(url, headers, send, most=terms.sizes.max_size)
        parts = split(url)
        if terms.way.http2 and self._by_http1:
            terms = replace(terms, way=self._by_http1.get((origin_of(url), terms.way), terms.way))
        relay = forwarding(terms.way, parts)
        try:
            asked = Asked(method, _request(method, parts, headers, body, relay), parts, headers, body)
            connection = await self._connection(url, parts, terms, fresh=fresh)
            try:
                if terms.guarded:
                    check_outside(connection.address)
                reply = await connection.ask(
                    asked, terms=terms, spool=self.spool, on_sent=on_sent, may_go=may_go, into=into
                )
                return reply if relay is None else judged(reply, relay)
            finally:
                if connection.wants_http1:
                    self._fall_back(connection.route)
                self.pool.give(connection)
                if self.pool.closing:
                    await self._close_dropped()  # which waits for nobody
        except FetchError as caught:
            error = caught if relay is None else blamed(caught, relay)
            error.url, error.host = url, parts.host
            raise error from None

    async def _to_file(self, url: str, headers: Headers, send: Callable[..., Awaitable[Reply]], *, most: int) -> Reply:
        return await self._broken_off.get(
            url, headers, lambda fields, place: send(headers=fields, into=place), spool=self.spool, most=most
        )

    async def close(self) -> None:
        """Close what is idle; connections in use close when their exchange ends."""
        self.pool.shut()
        await self._close_dropped()

    async def _connection(self, url: str, parts: Parts, terms: Terms, *, fresh: bool) -> Connection:
        route = origin_of(url), terms.way
        if not fresh:
            while (connection := self.pool.take(route)) is not None:
                if not terms.way.http2 or await self._is_fit(connection):
                    return connection
        if terms.way.http2 and parts.scheme == "https":
            need_http2()
            return await self._shared(route, parts, terms)
        return await self._open(route, parts, terms)

    async def _is_fit(self, connection: Connection) -> bool:
        fit = False
        try:
            fit = await connection.fit()
        finally:
            if not fit:
                self.pool.give(connection)
        return fit

    async def _shared(self, route: Route, parts: Parts, terms: Terms) -> Connection:
        """One opens, the others wait whether there is room beside it: one connection is enough (RFC 9113 §9.1)."""
        start = await curio.clock()
        while (door := self._doors.get(route)) is not None:
            await door.wait(terms.deadlines.connect, since=start)
            connection = self.pool.take(route)
            if connection is not None:
                return connection
            if not door.shared:
                return await self._open(route, parts, terms)
        door = self._doors[route] = Door()
        try:
            connection = await self._open(route, parts, terms)
            door.shared = connection.shared
            return connection
        except FetchError as error:
            door.error = error
            raise
        finally:
            del self._doors[route]
            await door.open()

    async def _open(self, route: Route, parts: Parts, terms: Terms) -> Connection:
        start = await curio.clock() if terms.way.http2 else 0.0
        stream = await self._opener.open(parts, terms)
        if not (terms.way.http2 and getattr(stream, "protocol", "") == "h2"):
            return Connection(route, stream, born=self._now())
        shared = import_module("scrapekit.http.shared")  # it stands on h2, which not everybody has
        connection = shared.SharedConnection(route, stream, sizes=terms.sizes, born=self._now())
        try:
            async with Limit(terms.deadlines.connect, since=start):
                await connection.greet()
        except Expired as late:
            raise FetchTimeout(f"no greeting {late}", address=stream.address, phase="connect") from None
        except FetchError:
            if connection.wants_http1:
                self._fall_back(route)
            raise
        self.pool.add(connection)
        return cast(Connection, connection)

    def _fall_back(self, route: Route) -> None:
        if len(self._by_http1) >= MAX_KNOWN:
            self._by_http1.clear()
        self._by_http1[route] = replace(route[1], http2=False)

    async def _close_dropped(self) -> None:
        while (connection := self.pool.dropped()) is not None:
            await connection.close()


def _request(method: str, parts: Parts, headers: Headers, body: bytes, relay: Proxy | None) -> bytes:
    try:
        return request_bytes(method, parts.target, parts.host, headers, body, relay=relay)
    except BadRequest as error:
        raise BadResponse(str(error), phase="send") from None
