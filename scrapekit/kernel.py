"""The curio kernel that a crawl runs on: its clock, its ready queue and its tasks are handed in.

curio takes the first two from its module's globals at the moment a kernel starts. This is the only place that reaches
into them, and it puts back what it found.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

import curio
import curio.kernel
import curio.task

# An alarm that rings late on a busy machine is no mishap that a crawl's log should tell of.
logging.getLogger("curio.time").setLevel(logging.ERROR)

#: Two threads that start kernels together must not put back what the other one has lent.
_starting: Final = threading.Lock()


class _Ready(deque[Any]):
    """A ready queue without membership tests.

    ``reschedule_task`` asserts that a task is not yet in the queue, which scans it: waking 10,000 tasks together costs
    40 µs each with the scan, a few without.
    """

    def __contains__(self, task: object) -> bool:
        return False


#: What a coroutine is told that awaits something of asyncio's.
NOT_ASYNCIO: Final = "this is curio, not asyncio: call a blocking client in curio.run_in_thread instead"


class _Task(curio.task.Task):  # type: ignore[misc]
    """A task that lets only curio's own requests through: a future of asyncio's would end the kernel for good."""

    def send(self, value: Any) -> Any:
        trap = self._send(value)
        while type(trap) is not tuple:
            trap = self._throw(RuntimeError(NOT_ASYNCIO))
        return trap


class Kernel(curio.Kernel):  # type: ignore[misc]
    """A kernel that reads its time from ``clock`` (seconds) and wakes many tasks at a flat cost each."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, **kernel_options: Any) -> None:
        super().__init__(**{"taskcls": _Task} | kernel_options)
        self._clock = clock

    def _make_kernel_runtime(self) -> Any:
        module = curio.kernel
        with _starting:
            found = module.time, module.deque
            module.time, module.deque = SimpleNamespace(monotonic=self._clock), _Ready
            try:
                return super()._make_kernel_runtime()
            finally:
                module.time, module.deque = found


def run(corofunc: Callable[..., Any], *args: Any) -> Any:
    """Run a coroutine function in a kernel of its own, and give its result."""
    with Kernel() as kernel:
        return kernel.run(corofunc, *args)


def steady_clock() -> Callable[[], float]:
    """A clock in seconds since the epoch that never steps: the wall clock now, carried on by the monotonic one.

    One such clock dates everything in a crawl, so that its times can be stored, compared and shown.
    """
    offset = time.time() - time.monotonic()
    return lambda: time.monotonic() + offset


class RunClock:
    """The clock of a run, which never goes back, not from one process to the next: a clock that was set back since
    would date what comes before what was, and shorten waits or stretch them. ``true`` is the clock itself.
    """

    def __init__(self, true: Callable[[], float]) -> None:
        self.true, self._ahead = true, 0.0

    def __call__(self) -> float:
        return self.true() + self._ahead

    def not_before(self, when: float) -> None:
        """Be at that time, or later: it had come already."""
        self._ahead = max(0.0, when - self.true())


class Alarm:
    """What one task sleeps on, until a time or until another task wakes it. A wake while nobody sleeps is kept."""

    def __init__(self) -> None:
        self._rung = curio.Event()

    async def sleep(self, seconds: float | None = None) -> None:
        """Wait to be woken, for so many seconds at most; None is for ever. Others run meanwhile, however short."""
        if seconds is None:
            await self._rung.wait()
        elif seconds > 0:
            await curio.ignore_after(seconds, self._rung.wait)
        else:
            await curio.sleep(0)
        self._rung.clear()

    async def ring(self) -> None:
        """Wake the sleeper. Does not switch tasks."""
        if not self._rung.is_set():
            await self._rung.set()
