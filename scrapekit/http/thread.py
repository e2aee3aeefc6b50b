"""A blocking call in a thread of its own, which may be given up.

Why not ``curio.run_in_thread``: a thread that comes back after its kernel has ended writes a traceback to stderr there,
and a look-up may well outlive a crawl. Here, who was cancelled is not woken any more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from curio.traps import _future_wait

_T = TypeVar("_T")


async def in_thread(function: Callable[..., _T], *arguments: Any) -> _T | None:
    """What ``function(*arguments)`` gives; it must not raise (None, and the thread's own complaint, if it does)."""
    job = _Job(function, arguments)
    # The kernel calls job.set() once its callback stands.
    await _future_wait(job, job)
    return job.result


class _Job(Generic[_T]):
    """The thread, in the shape of a future that the kernel waits for, and of the event that starts it."""

    def __init__(self, function: Callable[..., _T], arguments: tuple[Any, ...]) -> None:
        self._function, self._arguments = function, arguments
        self._thread = threading.Thread(target=self._run, name=f"scrapekit {function.__name__}", daemon=True)
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[Any], object]] = []
        self._done = False
        self.result: _T | None = None

    def set(self) -> None:
        self._thread.start()

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        with self._lock:
            if not self._done:
                self._callbacks.append(callback)
                return
        callback(self)

    def cancel(self) -> None:
        with self._lock:
            # The first one is the kernel's, which wakes the task; others only want to know.
            del self._callbacks[:1]

    def _run(self) -> None:
        try:
            self.result = self._function(*self._arguments)
        finally:
            with self._lock:
                self._done = True
                for callback in self._callbacks:
                    # The kernel may have seen us by another one's wake-up, and have ended before our own was written.
                    with suppress(OSError):
                        callback(self)
