"""Bodies on their way into files, written by a thread: nobody waits for the disk but who has the body.

Invariant: what a thread may still write to is closed only when it has.

Knows nothing of answers. Raises NotStored.
"""

from __future__ import annotations

from typing import BinaryIO, Final

from scrapekit.content import Stored
from scrapekit.errors import NotStored
from scrapekit.http.thread import in_thread

#: So many bytes are gathered for a file before a thread writes them.
WRITE: Final = 1024 * 1024


class Writer:
    """A sink that is a file, written by a thread. ``size`` is in bytes, what is yet to be written left out."""

    def __init__(self, file: BinaryIO, size: int = 0) -> None:
        self._file, self.size = file, size
        self._pieces: list[bytes] = []
        self._held = 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.size} bytes, {self._held} to be written>"

    @property
    def full(self) -> bool:
        return self._held >= WRITE

    def put(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._held += len(piece)

    def take(self, pieces: list[bytes]) -> None:
        """Take pieces that are in memory as it is."""
        self._pieces.extend(pieces)
        self._held += sum(map(len, pieces))

    async def empty(self) -> None:
        if self._pieces:
            # Closing waits for the thread, so none writes to what is closed.
            check(await in_thread(_write, self._file, self._gathered()))

    def write_rest(self) -> None:
        """Write what is held, here and now, and close; as far as that can be done."""
        _write(self._file, self._gathered())
        close(self._file)

    def _gathered(self) -> list[bytes]:
        pieces, self._pieces = self._pieces, []
        self.size += self._held
        self._held = 0
        return pieces


class FileSink(Writer):
    """A file of ours, for one body."""

    def __init__(self, file: BinaryIO, stored: Stored) -> None:
        super().__init__(file, stored.size)
        self._stored = stored

    async def finish(self) -> Stored:
        await self.empty()
        check(close(self._file))
        self._stored.size = self.size
        return self._stored

    def drop(self) -> None:
        self._pieces.clear()
        close(self._file)
        self._stored.remove()


def reopened(stored: Stored) -> tuple[BinaryIO, Stored]:
    """A file that breaks off, to be gone on with. Raises NotStored."""
    try:
        return stored.path.open("ab"), stored
    except OSError as error:
        raise not_stored(error) from None


def _write(file: BinaryIO, pieces: list[bytes]) -> Exception | None:
    try:
        file.writelines(pieces)
    except (OSError, ValueError) as error:  # ValueError: it was closed meanwhile
        return error
    finally:
        pieces.clear()  # a thread's job is a circle, which may live for long
    return None


def close(file: BinaryIO) -> Exception | None:
    """Close a file; what the system said against it."""
    try:
        file.close()
    except OSError as error:
        return error
    return None


def check(error: Exception | None) -> None:
    """Raise NotStored for what the system said, if it did."""
    if error is not None:
        raise not_stored(error)


def not_stored(error: Exception) -> NotStored:
    """Without the path: it goes to logs and reports."""
    return NotStored(getattr(error, "strerror", None) or type(error).__name__)
