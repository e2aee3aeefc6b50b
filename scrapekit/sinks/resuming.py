"""An export goes on where it was left, or is written anew from the run's own record.

The record, ``items.jsonl`` in the run's folder, is what a resume trusts: it was written and flushed by the same commits
as every export. So an export that is missing, or shorter than it was left, costs no item and ends no resume.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scrapekit.errors import SinkError, SinkShort
from scrapekit.sinks.kept import Kept
from scrapekit.sinks.opening import open_sink
from scrapekit.sinks.sink import Sink
from scrapekit.sinks.tail import short

#: So many bytes of the record are read at once, and the items in them written in one piece.
_STEP: Final = 1024**2


def resume_sink(
    target: str | Path, *, position: int, record: Path, upto: int, base: int = 0, doubt: bool = False
) -> tuple[Sink, bool]:
    """Open a file to which a run exports its items again; gives its sink, and whether it was written anew.

    ``position`` is where the last commit left it, ``base`` where it stood when the run began: 0 unless it was added to.
    ``upto`` is the record's own position, in bytes. What lies beyond the position is cut off. A file that is missing,
    shorter than that or no longer of its kind is written anew beyond ``base``; so is any in ``doubt``, as after a loss
    of power, by which a file may have kept its length and lost what it held.

    Raises SinkError where what stood in the file before the run is gone, or the record is shorter than ``upto``, and
    ConfigError as ``check_target`` does.
    """
    if not doubt:
        try:
            return open_sink(target, resume_at=position), False
        except SinkShort:
            pass
    sink = _open_at(target, base)
    try:
        copy_items(record, sink, upto=upto)
    except BaseException:
        sink.close()
        raise
    return sink, True


def copy_items(record: Path, sink: Sink, *, upto: int | None = None) -> int:
    """Write the items of a record to a sink, and give how many they were; memory is bounded.

    ``upto`` is where to stop, in bytes, and the record is to reach that far; without it a torn last line is left out.
    Raises SinkError.
    """
    written = 0
    for lines in _read(record, upto):
        sink.write([Kept(line.decode()) for line in lines])
        written += len(lines)
    return written


def _open_at(target: str | Path, base: int) -> Sink:
    """Open it as it stood before the run."""
    if not base:
        return open_sink(target, overwrite=True)
    try:
        return open_sink(target, resume_at=base)
    except SinkShort as error:
        why = "what stood in it before the run is gone too, so it cannot be written anew from the run's own record"
        raise SinkError(f"{error.message}; {why}", file=target) from error


def _read(record: Path, upto: int | None) -> Iterator[list[bytes]]:
    """The lines of a record, without their ends, some at a time."""
    rest, left = b"", upto
    try:
        with record.open("rb") as file:
            while block := file.read(_STEP if left is None else min(_STEP, left)):
                left = None if left is None else left - len(block)
                *lines, rest = (rest + block).split(b"\n")
                if lines:
                    yield lines
    except OSError as error:
        raise SinkError(f"cannot be read: {error.strerror or error}", file=record) from error
    if upto is not None and (left or rest):
        raise short(record, f"{upto} bytes", f"{upto - (left or 0) - len(rest)} bytes of whole items")
