"""A clock that moves only when everybody waits, so that an hour of politeness tests in a moment.

The kernel's selector is asked to wait until the next sleeper wakes; this one moves the clock by that much instead and
returns at once. Two rules keep it honest: the clock stands still while a thread works for the crawl (real time passes
there, virtual time does not), and when nobody sleeps and nothing is out, Deadlock is raised, since nothing could ever
happen again. Real sockets never run on it.
"""

from __future__ import annotations

import selectors
import threading
from collections.abc import Callable
from typing import Any, Final

from scrapekit.kernel import Kernel

#: A point in time with nothing special about it. Not zero: curio takes a deadline of 0.0 for none.
START: Final = 1_000_000.0
#: So many rounds of the kernel at one moment of virtual time are a loop without an end.
LIVELOCK: Final = 200_000


class Deadlock(Exception):
    """The program has not ended and never will: nobody sleeps and no thread works, or somebody never waits."""


class VirtualClock:
    """Seconds that pass in no time. Call it for the time; ``run`` a coroutine function on it."""

    def __init__(self, start: float = START) -> None:
        self.now = start
        self._lock = threading.Lock()
        self._out = 0

    def __call__(self) -> float:
        return self.now

    def __repr__(self) -> str:
        return f"<VirtualClock {self.now:.3f}, {self._out} threads out>"

    def run(self, corofunc: Callable[..., Any], *args: Any) -> Any:
        """Run to the end in a kernel whose time is this clock's; its result.

        Raises Deadlock where a real program would hang for ever.
        """
        with _VirtualKernel(self) as kernel:
            return kernel.run(corofunc, *args)

    def watch(self, future: Any) -> None:
        """Stand still until this future is done."""
        with self._lock:
            self._out += 1
        future.add_done_callback(self._returned)

    def _returned(self, future: Any) -> None:
        with self._lock:
            self._out -= 1

    @property
    def working(self) -> bool:
        """Whether a thread is out on a job."""
        return self._out > 0


class _Selector(selectors.DefaultSelector):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self._rounds = 0

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if events or timeout == 0:
            self._rounds += 1
            if self._rounds > LIVELOCK:
                raise Deadlock(f"somebody is always busy, and it is still {self._clock.now:.3f}: a loop without a wait")
            return events
        self._rounds = 0
        if self._clock.working:
            return super().select(None)
        events = super().select(0)  # a thread may have come back since the first look
        if events:
            return events
        if timeout is None:
            raise Deadlock("nobody sleeps and nothing is busy: the program would hang here")
        self._clock.now += timeout
        return []


class _VirtualKernel(Kernel):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock=clock, selector=_Selector(clock))
        self._virtual = clock

    def _make_kernel_runtime(self) -> Any:
        runner = super()._make_kernel_runtime()
        wait = self._traps["trap_future_wait"]

        def counted_wait(future: Any, event: Any) -> None:
            # First the kernel's own callback, which writes the wake-up, then ours: so the clock cannot move between.
            wait(future, event)
            self._virtual.watch(future)

        self._traps["trap_future_wait"] = counted_wait
        return runner
