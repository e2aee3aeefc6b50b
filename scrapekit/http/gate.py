"""What a session allows itself, and the gate of each host at which its callers wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import curio

from scrapekit.errors import ConfigError
from scrapekit.http.redirect import MAX_HOPS


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What a session allows itself.

    ``per_host`` requests at once to a host, their starts at least ``delay`` apart; ``timeout`` for a request, from
    sending to the last byte, and ``connect`` for a connection, in seconds; ``max_size`` of a body in bytes, and
    ``min_rate``, the least that it may come at, in bytes a second (0 is any); ``redirects`` that are followed, 0 for
    none; ``follow_refresh`` says whether a Refresh field or a page's own leads on as well. Raises ConfigError for what
    cannot be.
    """

    per_host: int = 8
    delay: float = 0.0
    timeout: float = 30.0
    connect: float = 10.0
    max_size: int = 32 * 1024 * 1024
    min_rate: int = 100
    redirects: int = MAX_HOPS
    follow_refresh: bool = False

    def __post_init__(self) -> None:
        for name, least in (("per_host", 1), ("delay", 0), ("max_size", 1), ("min_rate", 0), ("redirects", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"must be {least} or more", key=name)
        for name in ("timeout", "connect"):
            if getattr(self, name) <= 0:
                raise ConfigError("must be more than 0 seconds", key=name)


class Gate:
    """One host: so many at once, and starts a delay apart. A start is reserved before anything is awaited."""

    def __init__(self, limits: SessionLimits) -> None:
        self._permits = curio.Semaphore(limits.per_host)
        self._delay = limits.delay
        self._opens = 0.0

    async def __aenter__(self) -> None:
        await self._permits.acquire()
        try:
            await self.another()
        except BaseException:
            await self._permits.release()
            raise

    async def another(self) -> None:
        """Wait until one more start is due, with a permit in hand: a second send is a send."""
        if self._delay:
            now = await curio.clock()
            start = max(now, self._opens)
            self._opens = start + self._delay
            await curio.sleep(start - now)

    async def __aexit__(self, *_: object) -> None:
        await self._permits.release()


async def rest(seconds: float) -> None:
    """Wait before a page's own redirect, as it asks for; nobody's permit is held meanwhile."""
    if seconds > 0:
        await curio.sleep(seconds)


def limits_of(fields: Mapping[str, Any]) -> SessionLimits:
    """Limits by name. Raises ConfigError."""
    try:
        return SessionLimits(**fields)
    except TypeError as error:
        raise ConfigError(f"no such limit: {error}") from None
