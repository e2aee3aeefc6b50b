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

#: While a thread works, this often it is looked whether it still does. Seconds of real time.
_GLANCE: Final = 0.002


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

    def went_out(self) -> None:
        """A thread has gone out on a job: stand still until it is back."""
        with self._lock:
            self._out += 1

    def came_back(self) -> None:
        """It is back."""
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
                self._rounds = 0
                raise Deadlock(f"somebody is always busy, and it is still {self._clock.now:.3f}: a loop without a wait")
            return events
        self._rounds = 0
        while self._clock.working:
            # Not for ever: what a thread brought may be here before it is known to be back.
            if events := super().select(_GLANCE):
                return events
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

        self._traps["trap_future_wait"] = lambda future, event: wait(_Watched(future, self._virtual), event)
        return runner


class _Watched:
    """A future on which the clock waits. curio's own futures hold one callback only, so theirs and ours are one."""

    def __init__(self, future: Any, clock: VirtualClock) -> None:
        self._future, self._clock = future, clock

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        def done(_: Any) -> None:
            # First the kernel's, which writes the wake-up: so the clock cannot move between.
            callback(self)
            self._clock.came_back()

        self._clock.went_out()
        self._future.add_done_callback(done)

    def cancel(self) -> Any:
        return self._future.cancel()
