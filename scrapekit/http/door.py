"""One opens a connection, and who else wants one there waits to see whether it can be shared."""

from __future__ import annotations

import copy

import curio

from scrapekit.errors import FetchError, FetchTimeout
from scrapekit.http.limit import Expired, Limit


class Door:
    """``error`` is why the one who opens did not succeed, if so; who waits gets the same, as an error of its own.

    ``shared`` says that what was opened can be shared, and so would be the next one.
    """

    __slots__ = ("_opened", "error", "shared")

    def __init__(self) -> None:
        self.error: FetchError | None = None
        self.shared = False
        self._opened = curio.Event()

    async def open(self) -> None:
        """Let all go on. Never waits."""
        await self._opened.set()

    async def wait(self, seconds: float, *, since: float | None = None) -> None:
        """Until it is open, for so long from now or from that moment of the kernel's clock.

        Raises FetchTimeout, or the error of the one who opened.
        """
        try:
            async with Limit(seconds, since=since):
                await self._opened.wait()
        except Expired as late:
            raise FetchTimeout(f"no connection {late}", phase="connect") from None
        if self.error is not None:
            raise copy.copy(self.error)
