"""Rows of CSV as bytes: where each ends, how many cells it has, how to add some. Nothing is decoded but the header.

Works on the parity of quotes, since a quote inside a cell is written twice (RFC 4180 §2.7). So a cell of any size is
read in linear time, and the standard library's limit on a cell does not apply.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import BinaryIO

_ENDS = b"\r\n"


def whole_rows(file: BinaryIO) -> Iterator[bytes]:
    """Each row with its line end, blank lines included; what is torn at the end is left out."""
    parts: list[bytes] = []
    quoted = False
    for line in file:
        parts.append(line)
        quoted ^= bool(line.count(b'"') & 1)
        if not quoted and line.endswith(b"\n"):
            yield b"".join(parts)
            parts.clear()


def is_blank(row: bytes) -> bool:
    """Whether it is a line without anything, which no reader takes for a row."""
    return not row.strip(_ENDS)


def cell_count(row: bytes) -> int:
    """How many cells a row has."""
    return 1 + sum(part.count(b",") for part in row.split(b'"')[::2])


def header_names(row: bytes) -> list[str]:
    """The cells of a header, which may begin with a byte order mark. Raises ValueError if it is none."""
    try:
        return next(csv.reader(io.StringIO(row.decode("utf-8-sig"), newline="")), [])
    except csv.Error as error:
        raise ValueError(str(error)) from None


def widened(rows: Iterable[bytes], names: Sequence[str], end: bytes) -> Iterator[bytes]:
    """The same rows, header first, with a column more for each name, empty below the header."""
    suffixes = chain([b"," + written([names], end)], repeat(b"," * len(names) + end))
    for row, suffix in zip((row for row in rows if not is_blank(row)), suffixes, strict=False):
        yield row.rstrip(_ENDS) + suffix


def written(rows: Iterable[Sequence[str]], end: bytes = b"\r\n") -> bytes:
    """Rows of text as CSV, each with that line end."""
    lines = _Lines()
    # Told of any other line end, the writer of Python 3.11 leaves a lone CR unquoted, and readers end the row there.
    csv.writer(lines, lineterminator="\r\n").writerows(rows)
    return b"".join(line[:-2].encode() + end for line in lines)


class _Lines(list[str]):
    """What the writer takes for a file: a list of the rows that it wrote."""

    def write(self, line: str) -> None:
        self.append(line)
