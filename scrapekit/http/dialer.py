"""Connecting to one of a name's addresses.

They are tried as RFC 8305 says: the families in turn, each attempt ``STAGGER`` after the one before or as soon as
that has failed, the first to connect wins. One dead family so costs a quarter of a second.

Invariant: of all the sockets that were opened, either one comes out or none does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import zip_longest
from typing import Final

import curio

from scrapekit.errors import ConnectFailed
from scrapekit.http.address import Address
from scrapekit.http.limit import Expired, Limit
from scrapekit.http.stream import Stream, connect_tcp

#: Seconds between the starts of two attempts (RFC 8305 §8 recommends 250 ms).
STAGGER: Final = 0.25

#: Connects to one address; raises OSError.
Connect = Callable[[Address], Awaitable[Stream]]
#: Puts TLS on a stream for the server of that name, and closes it if that fails; raises TLSFailed or OSError.
Secure = Callable[[Stream, str], Awaitable[Stream]]
#: Connects to the best of some addresses; raises ConnectFailed.
Dial = Callable[[Sequence[Address]], Awaitable[Stream]]


async def dial_tcp(addresses: Sequence[Address]) -> Stream:
    """Connect to the first of these addresses that answers. Raises ConnectFailed, with each one's reason."""
    return await dial(addresses, connect_tcp)


async def dial(addresses: Sequence[Address], connect: Connect, *, stagger: float = STAGGER) -> Stream:
    """Connect to one of these addresses, at least one, over ``connect``. Raises ConnectFailed."""
    if len(addresses) > 1:
        return await _Race(connect, stagger).run(interleaved(addresses))
    try:
        return await connect(addresses[0])
    except OSError as error:
        raise _failed([(addresses[0], error)]) from None


def interleaved(addresses: Sequence[Address]) -> list[Address]:
    """The two families in turn, the first one's family first, their own order kept (RFC 8305 §4)."""
    first = [address for address in addresses if address.family == addresses[0].family]
    second = [address for address in addresses if address.family != addresses[0].family]
    pairs = zip_longest(first, second)
    return [address for pair in pairs for address in pair if address is not None]


class _Race:
    """Attempts that overlap; the first stream wins, later ones are closed."""

    def __init__(self, connect: Connect, stagger: float) -> None:
        self._connect, self._stagger = connect, stagger
        self._streams: list[Stream] = []
        self._failures: list[tuple[Address, OSError]] = []
        self._over = curio.Event()  # set whenever an attempt ends

    async def run(self, addresses: Sequence[Address]) -> Stream:
        try:
            await self._race(addresses)
        except BaseException:
            await self._close(self._streams)
            raise
        if not self._streams:
            raise _failed(self._failures)
        await self._close(self._streams[1:])
        return self._streams[0]

    async def _race(self, addresses: Sequence[Address]) -> None:
        # Leaving the group waits for nobody: whoever is still trying is cancelled and closes its own socket.
        async with curio.TaskGroup() as group:
            for started, address in enumerate(addresses, 1):
                await group.spawn(self._attempt, address)
                await self._wait(self._stagger)
                if self._streams:
                    break
                if started == len(addresses):
                    while not self._streams and len(self._failures) < started:
                        await self._wait(None)
            await group.cancel_remaining()

    async def _wait(self, seconds: float | None) -> None:
        """Until an attempt ends, or that long."""
        if seconds is None:
            await self._over.wait()
        else:
            try:
                async with Limit(seconds):
                    await self._over.wait()
            except Expired:
                pass
        self._over.clear()

    async def _attempt(self, address: Address) -> None:
        try:
            self._streams.append(await self._connect(address))
        except OSError as error:
            self._failures.append((address, error))
        await self._over.set()

    async def _close(self, streams: Sequence[Stream]) -> None:
        for stream in streams:
            await stream.close()


def _failed(failures: Sequence[tuple[Address, OSError]]) -> ConnectFailed:
    words = [f"{address} {error.strerror or error}" for address, error in failures]
    address = str(failures[0][0]) if len(failures) == 1 else ""
    return ConnectFailed(f"cannot connect: {'; '.join(words)}", address=address, phase="connect")
