"""A deadline around a block of awaits, on the kernel's own clock.

curio's ``timeout_after`` does this too; this one raises our own error, tells its end as a point in time so that
the next stage can go by the same clock, and writes no warning to a log when a block ends late.
"""

from __future__ import annotations

from typing import Any

import curio
from curio.traps import _clock, _get_current, _set_timeout, _unset_timeout


class Expired(Exception):
    """The block was still running at its deadline."""


class Limit:
    """``async with Limit(seconds) as limit:`` raises Expired in the block's place once they are over.

    ``start`` is when the block began, in the kernel's time; ``Limit(seconds, since=start)`` counts from there. Limits
    nest, also with curio's own: an outer one that runs out first is the outer one's affair.
    """

    __slots__ = ("_prior", "_task", "at", "seconds", "start")

    def __init__(self, seconds: float, *, since: float | None = None) -> None:
        self.seconds = seconds
        self.start: float = since  # type: ignore[assignment]

    async def __aenter__(self) -> Limit:
        self._task = await _get_current()
        if self.start is None:
            self.start = await _clock()
        self.at = self.start + self.seconds
        self._prior = await _set_timeout(self.at)
        self._task._deadlines.append(self.at)
        return self

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        await _unset_timeout(self._prior)
        deadlines = self._task._deadlines
        deadlines.pop()
        if kind is not curio.TaskTimeout and kind is not curio.TimeoutCancellationError:
            return
        fired = error.args[0]
        if any(outer is not None and outer <= fired for outer in deadlines):
            raise curio.TimeoutCancellationError(fired) from None
        raise Expired(f"after {self.seconds:g} s") from None
