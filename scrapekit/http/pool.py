"""Connections that are kept: idle ones for the next request on the same route, and those that can carry one more.

One synchronous method decides what is used and what goes; the caller closes what ``dropped`` hands it. No I/O but a
look at whether something has arrived; the clock is handed in.

Invariant: a connection that nobody uses is in ``_idle`` (the longest idle first); one is in its route's list as long as
it has room for another exchange, idle or shared. Where something arrived while idle that could be read as the answer to
the next request, it is never given out (RFC 9112 §9.5).
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Final

from scrapekit.http.connection import Connection, Route, State

MAX_IDLE: Final = 100  # connections, over all origins
IDLE_SECONDS: Final = 60.0  # beyond it servers have mostly closed; NAT forgets at 60 to 300
MAX_AGE: Final = 600.0  # seconds from the connect, so that a change in DNS is followed in time
#: A server that says it keeps a connection for n seconds is left alone this long before.
_MARGIN: Final = 1.0


class Pool:
    """At most ``max_idle`` idle connections. Times in seconds of ``now``."""

    def __init__(
        self,
        *,
        now: Callable[[], float] = time.monotonic,
        max_idle: int = MAX_IDLE,
        idle_seconds: float = IDLE_SECONDS,
        max_age: float = MAX_AGE,
    ) -> None:
        self._now, self._max_idle = now, max_idle
        self._idle_seconds, self._max_age = idle_seconds, max_age
        self._idle: dict[Connection, None] = {}
        self._by_route: defaultdict[Route, list[Connection]] = defaultdict(list)
        self._closing: list[Connection] = []
        self._closed = False

    def __repr__(self) -> str:
        idle = Counter(connection.route[0] for connection in self._idle)
        each = ", ".join(sorted(f"{origin}: {count}" for origin, count in idle.items()))
        closing = f"; {len(self._closing)} closing" if self._closing else ""
        return f"<Pool {len(self._idle)} idle{f' ({each})' if each else ''}{closing}>"

    def has(self, route: Route) -> bool:
        """Whether ``take`` would give a connection now."""
        now = self._now()
        return any(self._fit(connection, now) for connection in self._by_route.get(route, ()))

    def take(self, route: Route) -> Connection | None:
        """The connection on that route that was used last, if one is fit; it is the caller's then."""
        return self._settle(route, None)

    def add(self, connection: Connection) -> None:
        """A new one, which the caller uses; others may share it where it has room, and each gives it back."""
        connection.users = 1
        self._offer(connection)

    def give(self, connection: Connection) -> None:
        """Take a connection back after an exchange: kept if it is idle and there is room."""
        self._settle(None, connection)

    @property
    def closing(self) -> bool:
        """Whether there is something to close."""
        return bool(self._closing)

    def dropped(self) -> Connection | None:
        """One that is to be closed by the caller; each is given once."""
        return self._closing.pop() if self._closing else None

    def shut(self) -> None:
        """Let go of all, and keep none that is given from now on."""
        self._closed = True
        self._by_route.clear()
        for connection in list(self._idle):
            self._drop(connection)

    def _settle(self, wanted: Route | None, given: Connection | None) -> Connection | None:
        """The one place that decides: what has expired goes, what is given stays if it may, what is wanted is found."""
        now = self._now()
        self._expire(now)
        if given is not None:
            self._take_back(given, now)
        kept = self._by_route.get(wanted) if wanted is not None else None
        while kept:
            connection = kept[-1]
            if self._fit(connection, now):
                self._hand_out(connection)
                return connection
            self._drop(connection)
            kept = self._by_route.get(wanted)  # type: ignore[arg-type]
        return None

    def _hand_out(self, connection: Connection) -> None:
        self._idle.pop(connection, None)
        connection.users += 1
        if connection.users >= connection.capacity:
            self._withdraw(connection)

    def _take_back(self, connection: Connection, now: float) -> None:
        connection.users = max(0, connection.users - 1)
        if connection.state is State.CLOSED:
            self._withdraw(connection)
        elif connection.users:
            self._offer(connection)
        else:
            self._keep(connection, now)

    def _offer(self, connection: Connection) -> None:
        """Let others use it as well, if it has room for them."""
        kept = self._by_route.get(connection.route, ())
        if not self._closed and connection.users < connection.capacity and connection not in kept:
            self._by_route[connection.route].append(connection)

    def _withdraw(self, connection: Connection) -> None:
        """Offer it to nobody else."""
        kept = self._by_route.get(connection.route)
        if kept is None or connection not in kept:
            return
        kept.remove(connection)
        if not kept:
            del self._by_route[connection.route]

    def _expire(self, now: float) -> None:
        """Drop what has been idle too long; the order of ``_idle`` makes this a look at the first one."""
        while self._idle:
            oldest = next(iter(self._idle))
            if now - oldest.since < self._idle_seconds:
                return
            self._drop(oldest)

    def _keep(self, connection: Connection, now: float) -> None:
        if self._closed or self._max_idle < 1 or connection.state is not State.IDLE:
            self._drop(connection)
            return
        if len(self._idle) >= self._max_idle:
            self._drop(next(iter(self._idle)))
        connection.since = now
        self._idle[connection] = None
        self._offer(connection)

    def _fit(self, connection: Connection, now: float) -> bool:
        promised = self._idle_seconds if connection.keep is None else connection.keep - _MARGIN
        rested = 0.0 if connection.users else now - connection.since
        return (
            rested < min(self._idle_seconds, promised)
            and now - connection.born < self._max_age
            and connection.users < connection.capacity
            and connection.quiet()
        )

    def _drop(self, connection: Connection) -> None:
        """Let go of it; while others use it, it is only offered no more."""
        self._withdraw(connection)
        self._idle.pop(connection, None)
        if not connection.users:
            self._closing.append(connection)
