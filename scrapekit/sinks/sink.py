"""What every sink can do, and how several are written as one.

A sink is synchronous and is called from one thread at a time. Its *position* says how far it has got: a number that
grows with each write and means something to that sink alone (bytes of JSON, rows of CSV). Whoever stores positions
beside the frontier can go back to a stored one after a kill, which is how no item is exported twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from scrapekit.errors import SinkError
from scrapekit.sinks.kept import Kept


class Sink(Protocol):
    """Where items go."""

    def write(self, items: Sequence[Kept], /) -> None:
        """Write them in one piece; they are out of this process when it returns.

        Raises SinkError, and then none of them is in the file.
        """

    def position(self) -> int | None:
        """How far it has got; None for a sink that cannot go back."""

    def rewind(self, position: int, /) -> None:
        """Cut off what was written after that position. Raises SinkShort if it has not got that far."""

    def sync(self) -> None:
        """Wait until what was written would survive a loss of power."""

    def close(self) -> None:
        """Finish the file. May be called twice."""


def write_all(sinks: Sequence[Sink], items: Sequence[Kept]) -> None:
    """Write the same items to each sink; otherwise as ``write_each``."""
    write_each([(sink, items) for sink in sinks])


def write_each(parts: Sequence[tuple[Sink, Sequence[Kept]]]) -> None:
    """Write to each sink its items, or to none that can go back.

    Those that cannot go back are written last. Raises the SinkError of the one that failed.
    """
    done: list[tuple[Sink, int]] = []
    try:
        for sink, items in sorted(parts, key=lambda part: part[0].position() is None):
            before = sink.position()
            sink.write(items)
            if before is not None:
                done.append((sink, before))
    except SinkError:
        for sink, before in done:
            with suppress(SinkError):  # the first failure is the one to tell
                sink.rewind(before)
        raise
