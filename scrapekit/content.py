"""The bytes of an answer, wherever they are kept: in memory, on a budget shared by all of them, or in a file.

Invariant: what a content takes of the budget is given back, and its file removed, when nobody holds it any more.

Knows of no HTTP, and does not decide where anything goes.
"""

from __future__ import annotations

import errno
import os
import shutil
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Final

#: Bytes given out at a time, where nobody asks for another number.
CHUNK: Final = 65_536


class Budget:
    """Bytes that may be ``used`` of ``size``, by many."""

    __slots__ = ("size", "used")

    def __init__(self, size: int) -> None:
        self.size, self.used = size, 0

    def __repr__(self) -> str:
        return f"<Budget {self.used} of {self.size} bytes>"


class Kept:
    """A body in memory, piece by piece as it came; they are joined when first read."""

    path: Final = None

    __slots__ = ("_budget", "_pieces", "size")

    def __init__(self, budget: Budget) -> None:
        self._budget, self.size = budget, 0
        self._pieces: list[bytes] = []

    def __repr__(self) -> str:
        return f"<Kept {self.size} bytes>"

    def __del__(self) -> None:
        self._budget.used -= self.size

    def add(self, piece: bytes) -> None:
        """Take another piece."""
        size = len(piece)
        self.size += size
        self._budget.used += size
        self._pieces.append(piece)

    def clear(self) -> list[bytes]:
        """Give up all that was added, and hand it to the caller."""
        pieces, self._pieces = self._pieces, []
        self._budget.used -= self.size
        self.size = 0
        return pieces

    def read(self) -> bytes:
        """The whole of it."""
        if len(self._pieces) != 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0]

    def chunks(self, size: int = CHUNK) -> Iterator[bytes]:
        """All of it, at most ``size`` bytes at a time."""
        return chunks_of(self.read(), size)


class Stored:
    """A body in a file of ours, which goes when this object does.

    ``shared`` says that its folder is the user's, so that the file itself may become theirs (see ``place``).
    """

    __slots__ = ("__weakref__", "_remove", "path", "shared", "size")

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        self.path, self.shared, self.size = path, shared, 0
        self._remove = weakref.finalize(self, _unlink, path)

    def __repr__(self) -> str:
        return f"<Stored {self.size} bytes>"

    def read(self) -> bytes:
        """The whole of it."""
        return self.path.read_bytes()

    def chunks(self, size: int = CHUNK) -> Iterator[bytes]:
        """All of it, at most ``size`` bytes at a time."""
        with self.path.open("rb") as file:
            while chunk := file.read(size):
                yield chunk

    def remove(self) -> None:
        """Remove the file now."""
        self._remove()


Content = Kept | Stored


def chunks_of(data: bytes, size: int = CHUNK) -> Iterator[bytes]:
    """Bytes in order, at most ``size`` at a time."""
    return (data[start : start + size] for start in range(0, len(data), size))


def place(content: Content | bytes, path: Path, *, overwrite: bool = False) -> None:
    """Put a body at ``path``, whole or not at all. Raises OSError; FileExistsError where something is there already."""
    if not overwrite and path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    ours = path.with_name(f".{token_hex(8)}.part")
    try:
        _bring(content, ours)
        if overwrite:
            ours.replace(path)
        else:
            move_new(ours, path)
    finally:
        ours.unlink(missing_ok=True)


def move_new(source: Path, target: Path) -> None:
    """Rename a file to a name that nobody has. Raises FileExistsError if somebody does."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        # A file system without links: the name is taken first, so that still nobody is written over.
        target.touch(exist_ok=False)
        source.replace(target)
    else:
        source.unlink()


def _bring(content: Content | bytes, path: Path) -> None:
    """A file with that content: another name of the one it is in, where that may be, else a copy."""
    if isinstance(content, Stored) and content.shared:
        with suppress(OSError):
            os.link(content.path, path)
            return
    if isinstance(content, Stored):
        shutil.copyfile(content.path, path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.read())


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
