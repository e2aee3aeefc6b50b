"""One crawl at a time in a run's folder: a lock that the system frees when its process dies, however it dies.

The lock is on an open file, ``run.lock``, which holds the number of the process that has it; what stands there after
its death is no obstacle. Two crawls in one process stand in each other's way as well. A fork has no share in it. Where
the system has no such locks (Windows), two crawls of one run are not kept apart.
"""

from __future__ import annotations

import errno
import logging
import os
import struct
import weakref
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from scrapekit.errors import ConfigError

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("scrapekit.crawl")

#: Linux can also be asked who has a lock; elsewhere one must try to take it.
_SET: Final[Any] = getattr(fcntl, "F_OFD_SETLK", None)
_ASK: Final[Any] = getattr(fcntl, "F_OFD_GETLK", None)
_HELD: Final = frozenset({errno.EAGAIN, errno.EACCES})
_PID_BYTES: Final = 32


class RunLock:
    """The right to crawl one run, until it is closed or the process dies.

    Raises ConfigError where a live process has it, or the file cannot be opened.
    """

    def __init__(self, path: Path, run: str) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise ConfigError(f"cannot be opened: {error.strerror}", file=path) from error
        try:
            if not _take(self._file):
                raise ConfigError(f"run {run} is being crawled by process {_read_pid(self._file) or 'unknown'}")
            _write_pid(self._file, str(os.getpid()))
        except BaseException:
            os.close(self._file)
            raise
        _open.add(self)

    def __repr__(self) -> str:
        return f"<RunLock {'held' if self._file >= 0 else 'free'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let others have it. May be called twice."""
        if self._file >= 0:
            with suppress(OSError):  # a full disk
                _write_pid(self._file, "")
            self.drop()

    def drop(self) -> None:
        """Close the file, and say nothing."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


#: The locks of this process. A fork has copies of their files, which would keep a lock alive when its owner is dead.
_open: Final[weakref.WeakSet[RunLock]] = weakref.WeakSet()


def _drop_all() -> None:
    for lock in list(_open):
        lock.drop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_all)


def holder(path: Path) -> str | None:
    """The number of the live process that has this lock, empty if it has not said; None if nobody has it."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _read_pid(file) if _is_held(file) else None
    finally:
        os.close(file)


def _take(file: int) -> bool:
    """Whether it is ours now."""
    try:
        if _SET is not None:
            fcntl.fcntl(file, _SET, _whole_file(fcntl.F_WRLCK))
        elif fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        log.warning("this file system has no locks (%s): see to it that nobody else crawls this run", error.strerror)
    return True


def _is_held(file: int) -> bool:
    try:
        if _ASK is not None:
            kind, *_ = struct.unpack("hhqqi4x", fcntl.fcntl(file, _ASK, _whole_file(fcntl.F_WRLCK)))
            return bool(kind != fcntl.F_UNLCK)
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # given back when the file is closed
    except OSError as error:
        return error.errno in _HELD
    return False


def _whole_file(kind: int) -> bytes:
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 0, 0)


def _read_pid(file: int) -> str:
    os.lseek(file, 0, os.SEEK_SET)
    return os.read(file, _PID_BYTES).decode("ascii", "replace").strip()


def _write_pid(file: int, pid: str) -> None:
    os.ftruncate(file, 0)
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, f"{pid}\n".encode() if pid else b"")
