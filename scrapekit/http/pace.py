"""How slowly an answer may come: within its whole time, and its body at no less than a least rate.

The rate is looked at by the clock, some times in each window, and not as reads return: it costs nothing a read, and no
timer but one for a look. Only waiting for the peer counts; what is spent on putting the body away is our own affair.

Knows neither sockets nor HTTP. Raises Expired for the whole time and FetchTimeout for the rate.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final, Protocol

import curio

from scrapekit.errors import FetchTimeout
from scrapekit.http.limit import Expired, Limit
from scrapekit.http.terms import Deadlines

#: Looks at the rate in a window: a body that has stopped is noticed within one window and one look.
LOOKS: Final = 10


class Source(Protocol):
    """An answer that comes by and by."""

    @property
    def done(self) -> bool:
        """Whether it is complete."""

    @property
    def size(self) -> int:
        """Bytes of the body so far, as sent."""

    @property
    def full(self) -> bool:
        """Whether what came must be put away before more is read."""

    async def more(self, *, up_to_body: bool = False) -> None:
        """Take what the peer sends until it is done or full, or until some of the body is here."""

    async def empty(self) -> None:
        """Put away what came."""


class Pace:
    """The last window of a body: its size at each look. ``left`` is the seconds of waiting until the next."""

    __slots__ = ("_deadlines", "_least", "_sizes", "left")

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._least = deadlines.min_rate * deadlines.rate_window
        self._sizes = deque([0], maxlen=LOOKS)
        self.left = self.every

    @property
    def every(self) -> float:
        """Seconds from one look to the next."""
        return self._deadlines.rate_window / LOOKS

    def look(self, size: int) -> None:
        """It is time to look; ``size`` is the body's in bytes. Raises FetchTimeout if it came too slowly."""
        if len(self._sizes) == LOOKS and size - self._sizes[0] < self._least:
            rate, window = self._deadlines.min_rate, self._deadlines.rate_window
            raise FetchTimeout(f"fewer than {rate} bytes/s over {window:g} s", phase="body")
        self._sizes.append(size)
        self.left = self.every


async def paced(source: Source, deadlines: Deadlines, start: float) -> None:
    """Let the source take all that is still to come; ``start`` is when the request was begun, by the kernel's clock.

    Where the whole has no limit (math.inf), head and first byte of the body must come in the time of a first byte each.
    """
    pace: Pace | None = None
    while not source.done:
        if source.full:
            await source.empty()
        elif pace is not None:
            await _lap(source, pace, deadlines, start)
        elif deadlines.min_rate and source.size:
            pace = Pace(deadlines)
        else:
            other_rule = not source.size and (deadlines.min_rate > 0 or deadlines.total == math.inf)
            async with _patience(source, deadlines, start):
                await source.more(up_to_body=other_rule)


def _patience(source: Source, deadlines: Deadlines, start: float) -> Limit:
    """Until the rate is looked at."""
    if deadlines.total < math.inf:
        return Limit(deadlines.total, since=start)
    return Limit(deadlines.first_byte if not source.size else _EVER)


async def _lap(source: Source, pace: Pace, deadlines: Deadlines, start: float) -> None:
    """Take what comes until the next look, and look."""
    now = await curio.clock()
    last = start + deadlines.total <= now + pace.left
    try:
        async with Limit(deadlines.total, since=start) if last else Limit(pace.left, since=now):
            await source.more()
    except Expired:
        if last:
            raise
        pace.look(source.size)
        return
    if not source.done:
        pace.left -= await curio.clock() - now


#: Seconds that stand for no limit; the system's own waits take no more than some weeks.
_EVER: Final = 1e6
