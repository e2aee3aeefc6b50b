"""Names to addresses, off the kernel, each name looked up once however many ask.

Invariants: at most ``MAX_OUT`` look-ups are out, and ``MAX_THREADS`` where they are so slow that a name has waited
``PATIENCE`` for one of them to end, counted until their threads come back; a name that is being looked up is never
looked up a second time, also when everybody who asked has given up, since its thread cannot be stopped. So no name
fails for the slowness of others: its time runs from when its own look-up began.

The system is asked, by ``getaddrinfo``, and not the name servers by a library of ours: only the system knows its hosts
file, its search list, the servers of a VPN, multicast names, and the cache that most machines run. It tells no time to
live, so a fixed one is used; that is no worse than a connection that is kept for longer, and an address at which nobody
answers is forgotten at once (``forget``). What was known is used for a while where the name servers fail (RFC 8767).

Knows nothing of politeness or of which addresses may be connected to.
"""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple, Protocol, Union

import curio

from scrapekit.errors import FetchTimeout, NameServerFailed, ResolveFailed
from scrapekit.http.address import Address
from scrapekit.http.limit import Expired, Limit
from scrapekit.http.static import read_static
from scrapekit.http.thread import in_thread

MAX_OUT: Final = 16
MAX_THREADS: Final = 128
PATIENCE: Final = 2.0  # seconds; an answer from afar takes half a second
TTL: Final = 300.0  # seconds that an answer holds
NEGATIVE_TTL: Final = 30.0  # seconds that "there is none" holds
FAILED_TTL: Final = 5.0  # seconds that "nobody can say" holds
STALE: Final = 3600.0  # seconds for which an answer is better than none
TIMEOUT: Final = 10.0  # seconds that somebody waits for a look-up
MAX_NAMES: Final = 10_000  # names remembered
MAX_ADDRESSES: Final = 8  # of one name and family; more are not worth trying
#: By these the system says that there is no such name, or that it has no address. By any other it has not found out.
_NONE: Final = frozenset(
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY") if hasattr(socket, name)
)

Answer = Union[tuple[Address, ...], ResolveFailed]


class Names(Protocol):
    """What a client asks of a resolver."""

    def cached(self, hostname: str, port: int) -> Answer | None: ...

    async def resolve(self, hostname: str, port: int) -> tuple[Address, ...]: ...


class _Held(NamedTuple):
    """What is known of a name: until when it holds, and since when it is known."""

    until: float
    answer: tuple[str, ...] | ResolveFailed
    since: float


class _LookUp:
    """One look-up: ``begun`` is set when it is out, ``since`` is when that was, ``over`` when its thread is back."""

    def __init__(self) -> None:
        self.begun, self.over = curio.Event(), curio.Event()
        self.since = 0.0
        self.task: Any = None
        self.answer: tuple[str, ...] | ResolveFailed | None = None


class Resolver:
    """Names to addresses, with a cache.

    ``static`` maps names, or names with port, to addresses with or without port (``{"books.test": "127.0.0.1:8900"}``);
    the address's port, if given, replaces the one connected to. ``getaddrinfo(hostname)`` gives IP addresses as str or
    raises OSError, in a thread.
    Times in seconds. Raises ConfigError for a static entry that is no address.
    """

    def __init__(
        self,
        static: Mapping[str, str] | None = None,
        *,
        getaddrinfo: Callable[[str], Iterable[str]] | None = None,
        now: Callable[[], float] = time.monotonic,
        ttl: float = TTL,
        negative_ttl: float = NEGATIVE_TTL,
        timeout: float = TIMEOUT,
        max_out: int = MAX_OUT,
        patience: float = PATIENCE,
    ) -> None:
        self._static = read_static(static or {})
        self._getaddrinfo = getaddrinfo or system_addresses
        self._now, self._ttl, self._negative_ttl, self._timeout = now, ttl, negative_ttl, timeout
        #: The names that are known, also what has run out; the oldest first.
        self._known: dict[str, _Held] = {}
        self._out: dict[str, _LookUp] = {}
        self._patience = patience
        self._permits, self._threads = curio.Semaphore(max_out), curio.Semaphore(max(max_out, MAX_THREADS))

    def __repr__(self) -> str:
        return f"<Resolver {len(self._static)} static, {len(self._known)} known, {len(self._out)} out>"

    def cached(self, hostname: str, port: int) -> Answer | None:
        """The answer if it needs no look-up: addresses, why there are none, or None if it is not known."""
        if self._static:
            name = hostname.removesuffix(".")
            static = self._static.get(f"{name}:{port}") or self._static.get(name)
            if static is not None:
                return (Address(static[0], static[1] or port),)
        held = self._known.get(hostname)
        if held is None:
            return (Address(hostname, port),) if _is_address(hostname) else None
        return _at(held.answer, port) if self._now() < held.until else None

    def forget(self, hostname: str) -> None:
        """Nobody answers at a name's addresses: look it up anew before the next try."""
        held = self._known.get(hostname)
        if held is not None:
            self._known[hostname] = held._replace(until=0.0)

    async def resolve(self, hostname: str, port: int) -> tuple[Address, ...]:
        """Addresses of a name, at least one.

        Raises ResolveFailed, or FetchTimeout if the system does not answer in time; the look-up goes on then, and a
        later call may find its answer.
        """
        answer = self.cached(hostname, port)
        if answer is None:
            answer = _at(await self._answer(hostname), port)
        if isinstance(answer, tuple):
            return answer
        if answer is None:
            raise ResolveFailed(f"{hostname}: the look-up was given up", host=hostname)
        # A copy: an exception that is raised collects a traceback, and its catcher writes facts into it.
        raise type(answer)(answer.detail, host=hostname)

    async def close(self) -> None:
        """Give up what is out. The threads come back by themselves; nobody waits for them."""
        for look_up in list(self._out.values()):
            await look_up.task.cancel()

    async def _answer(self, hostname: str) -> tuple[str, ...] | ResolveFailed | None:
        """What comes of a look-up, one that is out or a new one; None if it is given up."""
        look_up = self._out.get(hostname) or await self._start(hostname)
        await look_up.begun.wait()
        try:
            async with Limit(self._timeout, since=look_up.since):
                await look_up.over.wait()
        except Expired as late:
            stale = self._stale(hostname)
            if stale is None:
                raise FetchTimeout(f"no answer about {hostname} {late}", host=hostname, phase="resolve") from None
            return stale
        return look_up.answer

    async def _start(self, hostname: str) -> _LookUp:
        look_up = self._out[hostname] = _LookUp()
        # A task of its own, which outlives whoever asked first.
        look_up.task = await curio.spawn(self._look_up(hostname, look_up), daemon=True)
        return look_up

    async def _look_up(self, hostname: str, look_up: _LookUp) -> None:
        try:
            async with self._threads, self._permit():
                look_up.since = await curio.clock()
                await look_up.begun.set()
                found = await in_thread(_asked, self._getaddrinfo, hostname)
            if found is not None:
                look_up.answer = self._learn(hostname, found)
        finally:
            del self._out[hostname]
            await look_up.begun.set()
            await look_up.over.set()

    @asynccontextmanager
    async def _permit(self) -> AsyncIterator[None]:
        """Wait for others to come back, but not for long."""
        try:
            async with Limit(self._patience):
                await self._permits.acquire()
        except Expired:
            yield
            return
        try:
            yield
        finally:
            await self._permits.release()

    def _learn(self, hostname: str, answer: tuple[str, ...] | ResolveFailed) -> tuple[str, ...] | ResolveFailed:
        """Remember an answer, or what was known before where nobody can say; gives what holds now."""
        now = since = self._now()
        ttl = self._ttl
        if isinstance(answer, NameServerFailed):
            ttl, stale = min(FAILED_TTL, self._negative_ttl), self._stale(hostname)
            if stale is not None:
                answer, since = stale, self._known[hostname].since
        elif isinstance(answer, ResolveFailed):
            ttl = self._negative_ttl
        self._known.pop(hostname, None)
        if len(self._known) >= MAX_NAMES:
            del self._known[next(iter(self._known))]
        self._known[hostname] = _Held(now + ttl, answer, since)
        return answer

    def _stale(self, hostname: str) -> tuple[str, ...] | None:
        """The addresses that a name had not long ago."""
        held = self._known.get(hostname)
        if held is None or self._now() >= held.since + self._ttl + STALE:
            return None
        return held.answer if isinstance(held.answer, tuple) else None


def system_addresses(hostname: str) -> list[str]:
    """The system's answer about a name, in its order of preference (RFC 6724). Blocks. Raises OSError."""
    found = socket.getaddrinfo(hostname, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [str(info[4][0]) for info in found if info[0] in (socket.AF_INET, socket.AF_INET6)]


def _asked(getaddrinfo: Callable[[str], Iterable[str]], hostname: str) -> tuple[str, ...] | ResolveFailed:
    """Ask, in a thread; what goes wrong is an answer too."""
    try:
        found = list(dict.fromkeys(getaddrinfo(hostname)))
    except UnicodeError as error:  # a label that is empty or too long
        return ResolveFailed(f"{hostname}: {error}", host=hostname)
    except OSError as error:
        kind = ResolveFailed if error.errno in _NONE else NameServerFailed
        return kind(f"{hostname}: {error.strerror or error}", host=hostname)
    return _some(found) or ResolveFailed(f"{hostname}: no address", host=hostname)


def _some(found: list[str]) -> tuple[str, ...]:
    """Not too many of each family, in their order: one that is dead is to leave room for the other."""
    some = {ip for six in (True, False) for ip in [ip for ip in found if (":" in ip) is six][:MAX_ADDRESSES]}
    return tuple([ip for ip in found if ip in some])


def _at(answer: tuple[str, ...] | ResolveFailed | None, port: int) -> Answer | None:
    return tuple(Address(ip, port) for ip in answer) if isinstance(answer, tuple) else answer


def _is_address(hostname: str) -> bool:
    # A canonical hostname that ends in a digit or holds a colon is an address and nothing else (URL standard).
    return ":" in hostname or hostname[-1:].isdigit()
