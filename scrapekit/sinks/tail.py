"""A file that grows at its end and can be cut back.

Unbuffered: what was put is with the operating system when ``put`` returns, and survives the death of this process.

Invariant: between calls the file is ``position`` bytes, and after them ``closing``, which makes it well-formed at any
moment. A put that fails leaves it so. Knows nothing of what the bytes mean.
"""

from __future__ import annotations

import os
from contextlib import suppress
from io import FileIO
from pathlib import Path

from scrapekit.errors import SinkError, SinkShort


class Tail:
    """The end of a file at ``path``, which must exist unless it is ``fresh``: made, or emptied.

    Raises OSError when it cannot be opened; from then on SinkError.
    """

    def __init__(self, path: Path, *, fresh: bool, closing: bytes = b"") -> None:
        self.path, self.closing = path, closing
        self._file = FileIO(path, "w+" if fresh else "r+")
        #: Where the next write goes. Of a file found, its size, until ``cut`` says better.
        self.position = os.fstat(self._file.fileno()).st_size

    def __repr__(self) -> str:
        return f"<Tail {self.path} at {self.position}>"

    def put(self, data: bytes) -> None:
        """Write at the position, whole or not at all."""
        try:
            self._write_at(self.position, data + self.closing)
        except BaseException as error:
            with suppress(OSError):
                self._cut_to(self.position)
            if isinstance(error, OSError):
                raise failure(self.path, error) from error
            raise
        self.position += len(data)

    def cut(self, position: int) -> None:
        """Make that the end of the file. A file that is shorter is refused: to lengthen it would fill it with NULs."""
        try:
            size = os.fstat(self._file.fileno()).st_size
            if position > size:
                raise short(self.path, f"{position} bytes", f"{size}")
            self._cut_to(position)
        except OSError as error:
            raise failure(self.path, error) from error
        self.position = position

    def read(self, start: int, length: int = -1) -> bytes:
        """Bytes from ``start`` on; all of them, or as many as ``length``."""
        self._file.seek(start)
        return self._file.read(length) or b""

    def sync(self) -> None:
        """Wait until what was put is on the disk."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise failure(self.path, error) from error

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:  # a full network disk may say so only now
            raise failure(self.path, error) from error

    def _cut_to(self, position: int) -> None:
        self._file.truncate(position)
        self._write_at(position, self.closing)

    def _write_at(self, position: int, data: bytes) -> None:
        self._file.seek(position)
        written = self._file.write(data) or 0
        # A write is short where the disk fills up in its midst; the next one says so.
        while written < len(data):
            written += self._file.write(memoryview(data)[written:]) or 0


def failure(path: Path | str, error: OSError) -> SinkError:
    """The error to raise for what the operating system said of that file."""
    return SinkError(f"cannot be written: {error.strerror or error}", file=path)


def short(path: Path, wanted: str, found: str) -> SinkShort:
    """The error to raise for a file that has not got as far as it was left."""
    return SinkShort(f"was left at {wanted} but has only {found}: something else has changed it", file=path)
