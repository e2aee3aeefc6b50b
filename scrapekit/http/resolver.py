"""Names to addresses, off the kernel, each name looked up once however many ask.

Invariants: at most ``MAX_OUT`` look-ups are out, counted until their threads come back; a name that is being looked up
is never looked up a second time, also when everybody who asked has given up, since its thread cannot be stopped.

``getaddrinfo`` tells no time to live, so a fixed one is used. Knows nothing of politeness or of which addresses may be
connected to.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol, Union

import curio

from scrapekit.errors import ConfigError, FetchTimeout, ResolveFailed
from scrapekit.http.address import Address
from scrapekit.http.limit import Expired, Limit
from scrapekit.http.thread import in_thread
from scrapekit.tables import static_name

MAX_OUT: Final = 16
TTL: Final = 300.0  # seconds that an answer holds
NEGATIVE_TTL: Final = 30.0  # seconds that "there is none" holds
TIMEOUT: Final = 10.0  # seconds that somebody waits for a look-up
MAX_NAMES: Final = 10_000  # names remembered
MAX_ADDRESSES: Final = 8  # of one name; more are not worth trying

Answer = Union[tuple[Address, ...], ResolveFailed]


class Names(Protocol):
    """What a client asks of a resolver."""

    def cached(self, hostname: str, port: int) -> Answer | None: ...

    async def resolve(self, hostname: str, port: int) -> tuple[Address, ...]: ...


class _LookUp:
    """One look-up that is out; ``over`` is set when its thread is back."""

    def __init__(self) -> None:
        self.over = curio.Event()
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
    ) -> None:
        self._static = {_name(name): _target(name, target) for name, target in (static or {}).items()}
        self._getaddrinfo = getaddrinfo or system_addresses
        self._now, self._ttl, self._negative_ttl, self._timeout = now, ttl, negative_ttl, timeout
        #: name → (the time until which it holds, IP addresses or why there are none); the oldest first
        self._known: dict[str, tuple[float, tuple[str, ...] | ResolveFailed]] = {}
        self._out: dict[str, _LookUp] = {}
        self._permits = curio.Semaphore(max_out)

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
        until, answer = held
        return _at(answer, port) if self._now() < until else None

    async def resolve(self, hostname: str, port: int) -> tuple[Address, ...]:
        """Addresses of a name, at least one.

        Raises ResolveFailed, or FetchTimeout if the system does not answer in time; the look-up goes on then, and a
        later call may find its answer.
        """
        answer = self.cached(hostname, port)
        if answer is None:
            look_up = self._out.get(hostname) or await self._start(hostname)
            try:
                async with Limit(self._timeout):
                    await look_up.over.wait()
            except Expired as late:
                raise FetchTimeout(f"no answer about {hostname} {late}", host=hostname, phase="resolve") from None
            answer = _at(look_up.answer, port)
        if isinstance(answer, tuple):
            return answer
        # A copy: an exception that is raised collects a traceback, and its catcher writes facts into it.
        raise ResolveFailed(answer.detail if answer else f"{hostname}: the look-up was given up", host=hostname)

    async def close(self) -> None:
        """Give up what is out. The threads come back by themselves; nobody waits for them."""
        for look_up in list(self._out.values()):
            await look_up.task.cancel()

    async def _start(self, hostname: str) -> _LookUp:
        look_up = self._out[hostname] = _LookUp()
        # A task of its own, which outlives whoever asked first.
        look_up.task = await curio.spawn(self._look_up(hostname, look_up), daemon=True)
        return look_up

    async def _look_up(self, hostname: str, look_up: _LookUp) -> None:
        try:
            async with self._permits:
                look_up.answer = await in_thread(_asked, self._getaddrinfo, hostname)
            if look_up.answer is not None:
                self._learn(hostname, look_up.answer)
        finally:
            del self._out[hostname]
            await look_up.over.set()

    def _learn(self, hostname: str, answer: tuple[str, ...] | ResolveFailed) -> None:
        ttl = self._negative_ttl if isinstance(answer, ResolveFailed) else self._ttl
        self._known.pop(hostname, None)
        if len(self._known) >= MAX_NAMES:
            del self._known[next(iter(self._known))]
        self._known[hostname] = (self._now() + ttl, answer)


def system_addresses(hostname: str) -> list[str]:
    """The system's answer about a name, in its order of preference (RFC 6724). Blocks. Raises OSError."""
    found = socket.getaddrinfo(hostname, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [str(info[4][0]) for info in found if info[0] in (socket.AF_INET, socket.AF_INET6)]


def _asked(getaddrinfo: Callable[[str], Iterable[str]], hostname: str) -> tuple[str, ...] | ResolveFailed:
    """Ask, in a thread; what goes wrong is an answer too."""
    try:
        found = tuple(dict.fromkeys(getaddrinfo(hostname)))[:MAX_ADDRESSES]
    except (OSError, UnicodeError) as error:  # a label that is empty or too long is a UnicodeError
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return ResolveFailed(f"{hostname}: {words}", host=hostname)
    return found or ResolveFailed(f"{hostname}: no address", host=hostname)


def _at(answer: tuple[str, ...] | ResolveFailed | None, port: int) -> Answer | None:
    return tuple(Address(ip, port) for ip in answer) if isinstance(answer, tuple) else answer


def _is_address(hostname: str) -> bool:
    # A canonical hostname that ends in a digit or holds a colon is an address and nothing else (URL standard).
    return ":" in hostname or hostname[-1:].isdigit()


def _name(name: str) -> str:
    try:
        return static_name(name)
    except ValueError as error:
        raise ConfigError(str(error), key=f"resolve.{name}") from None


def _target(name: str, target: str) -> tuple[str, int | None]:
    try:
        if target.count(":") > 1 and "[" not in target:
            target = f"[{target}]"
        ip, colon, port = target.rpartition(":")
        if not colon or port.endswith("]"):
            ip, port = target, ""
        ip = str(ipaddress.ip_address(ip.strip("[]")))
        return ip, _port(port) if port else None
    except ValueError:
        raise ConfigError(f"{target!r} is not an IP address, or address:port", key=f"resolve.{name}") from None


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise ValueError(text)
    return port
