"""A deadline around a block of awaits, on the kernel's own clock.

curio's ``timeout_after`` does this too; this one raises our own error, tells its end as a point in time so that
the next stage can go by the same clock, and writes no warning to a log when a block ends late.
"""

from __future__ import annotations

from collections.abc import Generator
from types import coroutine
from typing import Any

import curio


class Expired(Exception):
    """The block was still running at its deadline."""


class Limit:
    """``async with Limit(seconds) as limit:`` raises Expired in the block's place once they are over.

    ``start`` is when the block began, in the kernel's time; ``Limit(seconds, since=start)`` counts from there. Limits
    nest, also with curio's own: an outer one that runs out first is the outer one's affair.
    """

    __slots__ = ("_deadlines", "_prior", "_since", "seconds", "start")

    def __init__(self, seconds: float, *, since: float | None = None) -> None:
        self.seconds, self._since = seconds, since

    # Both are the kernel's traps, yielded at once: through curio's wrappers they cost half as much again, for every
    # request.

    @coroutine
    def __aenter__(self) -> Generator[Any, Any, Limit]:
        task = yield ("trap_get_current",)
        self.start: float = self._since if self._since is not None else (yield ("trap_clock",))
        until = self.start + self.seconds
        self._prior = yield ("trap_set_timeout", until)
        # curio's own timeouts look at this list to tell whose time was up.
        self._deadlines = task._deadlines
        self._deadlines.append(until)
        return self

    @coroutine
    def __aexit__(self, kind: Any, error: Any, trace: Any) -> Generator[Any, Any, None]:
        yield ("trap_unset_timeout", self._prior)
        self._deadlines.pop()
        if kind is not curio.TaskTimeout and kind is not curio.TimeoutCancellationError:
            return
        fired = error.args[0]
        if any(outer is not None and outer <= fired for outer in self._deadlines):
            raise curio.TimeoutCancellationError(fired) from None
        raise Expired(f"after {self.seconds:g} s") from None
