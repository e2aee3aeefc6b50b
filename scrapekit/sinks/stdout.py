"""Standard output, as JSON Lines. It cannot go back, so over a resume an item may come twice."""

from __future__ import annotations

import select
import sys
from collections.abc import Sequence
from io import FileIO
from typing import Final

from scrapekit.errors import PipeClosed, SinkError
from scrapekit.sinks.kept import Kept
from scrapekit.sinks.tail import failure

_NAME: Final = "standard output"


class StdoutSink:
    """Items as lines of JSON on a file descriptor, by default standard output, which it does not close.

    Written past Python's own buffer, so that nothing is left there to fail when the program ends.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        if descriptor is None:
            sys.stdout.flush()
            descriptor = sys.stdout.fileno()
        self._file = FileIO(descriptor, "w", closefd=False)

    def __repr__(self) -> str:
        return "<StdoutSink>"

    def write(self, items: Sequence[Kept], /) -> None:
        """Raises PipeClosed when the reader has gone, SinkError for anything else."""
        data = memoryview("".join([kept.line + "\n" for kept in items]).encode())
        try:
            while data:
                data = data[self._write_some(data) :]
        except BrokenPipeError:
            raise PipeClosed("nobody reads it any more", file=_NAME) from None
        except OSError as error:
            raise failure(_NAME, error) from error

    def position(self) -> None:
        return None

    def rewind(self, position: int, /) -> None:
        raise SinkError("cannot go back", file=_NAME)

    def sync(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _write_some(self, data: memoryview) -> int:
        written = self._file.write(data)
        if written is None:  # set to non-blocking by another program that shares it, and full
            select.select([], [self._file], [])
        return written or 0
