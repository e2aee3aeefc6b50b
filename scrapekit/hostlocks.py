"""One lock a host among the live crawls of one user on this machine, so that no two of them visit it at once.

All of them are bytes of one file, which stays empty: a host's name decides which byte is its own. The system frees the
locks of a process that dies. Where it has no locks of this kind (they are Linux's), live crawls do not know of each
other.
"""

from __future__ import annotations

import os
import struct
import tempfile
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

#: Locks that belong to an open file and not to a process: so two crawls in one process stand in each other's way too.
_SET: Final[Any] = getattr(fcntl, "F_OFD_SETLK", None)


class HostLocks:
    """The locks that one crawl holds. Raises OSError where the file cannot be opened."""

    def __init__(self, path: Path | None = None) -> None:
        self._mine: set[str] = set()
        self._file = os.open(path or _default_path(), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __repr__(self) -> str:
        return f"<HostLocks {len(self._mine)} held>"

    def take(self, host: str) -> bool:
        """Whether this host is ours now; it may have been before."""
        if host not in self._mine:
            try:
                self._lock(host, "F_WRLCK")
            except OSError:
                return False
            self._mine.add(host)
        return True

    def free(self, host: str) -> None:
        """Let others have it."""
        if host in self._mine:
            self._mine.discard(host)
            self._lock(host, "F_UNLCK")

    def close(self) -> None:
        """Free them all."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._mine.clear()

    def _lock(self, host: str, kind: str) -> None:
        if _SET is not None:
            place = int.from_bytes(blake2b(host.encode(), digest_size=7).digest(), "big")
            fcntl.fcntl(self._file, _SET, struct.pack("hhqqi4x", getattr(fcntl, kind), os.SEEK_SET, place, 1, 0))


def _default_path() -> Path:
    owner = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"scrapekit-hosts-{owner}.lock"
