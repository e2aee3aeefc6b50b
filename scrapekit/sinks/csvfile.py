"""CSV as RFC 4180 says, UTF-8, with a header.

Every value arrives. The columns are the fields of the first items; a field that comes later, of a dict or of an item
of another kind, becomes a further column: the file is written anew with the wider header and put in the old one's
place. So a position is in rows, which stay what they are when columns are added. None is an empty cell; lists and
objects are JSON.

A position counts the header: 0 is an empty file, 1 a header and no row.

A value is written as it is: one that begins with ``=`` is a formula to a spreadsheet program, not to CSV.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from pydantic_core import to_json

from scrapekit.errors import ConfigError
from scrapekit.sinks.kept import Kept
from scrapekit.sinks.rows import cell_count, header_names, is_blank, whole_rows, widened, written
from scrapekit.sinks.tail import Tail, failure, short


class CsvSink:
    """Items as rows of CSV in a file; its position is in rows, the header among them.

    A file that was found is read from its start by ``rewind`` or ``check``, one of which comes before the first write.
    """

    def __init__(self, path: Path, *, fresh: bool = True) -> None:
        self._path = path.resolve()  # of a link, so that what it points to is replaced and not the link
        self._tail = Tail(self._path, fresh=fresh)
        self._columns: list[str] = []
        self._rows = 0
        self._end = b"\r\n"
        self._part = self._path.with_name(f".{self._path.name}.part")
        if not fresh:
            self._part.unlink(missing_ok=True)  # left by a kill while columns were added

    def __repr__(self) -> str:
        return f"<CsvSink {self._path} at row {self._rows}>"

    def write(self, items: Sequence[Kept], /) -> None:
        rows = [kept.fields() for kept in items]
        known = dict.fromkeys(self._columns)
        new = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in known]
        if new and self._columns:
            self._widen(new)
        columns = [*known, *new]
        lines = [[_cell(row.get(name)) for name in columns] for row in rows]
        if lines and not self._columns:
            lines.insert(0, columns)
        if lines:
            self._tail.put(written(lines, self._end))
        self._columns, self._rows = columns, self._rows + len(lines)

    def position(self) -> int:
        return self._rows

    def rewind(self, position: int, /) -> None:
        """Keep so many rows, the header first."""
        try:
            with self._path.open("rb") as file:
                found, end = self._measure(file, position)
        except OSError as error:
            raise failure(self._path, error) from error
        if found < position:
            raise short(self._path, f"row {position}", f"{found}")
        self._tail.cut(end)
        self._rows = position

    def sync(self) -> None:
        self._tail.sync()

    def close(self) -> None:
        self._tail.close()

    def check(self) -> None:
        """Make ready to add to a file that stood before; raises ConfigError if it is not a CSV like ours."""
        end = 0
        with self._path.open("rb") as file:
            for row in whole_rows(file):
                end += len(row)
                self._check_row(row)
        if rest := self._tail.read(end):
            if rest.count(b'"') & 1:
                raise self._unfit("ends in the midst of a row")
            self._check_row(rest)
            self._tail.put(self._end)

    def _measure(self, file: BinaryIO, most: int) -> tuple[int, int]:
        """How many rows there are, at most so many, and where they end in bytes; the columns are taken on the way."""
        found = end = 0
        self._columns = []
        for row in whole_rows(file):
            if found == most:
                break
            end += len(row)
            if not is_blank(row):
                self._columns = self._columns or self._read_header(row)
                found += 1
        return found, end

    def _check_row(self, row: bytes) -> None:
        if is_blank(row):
            return
        if not self._columns:
            self._columns = self._read_header(row)
            self._check_header()
        elif cell_count(row) != len(self._columns):
            raise self._unfit(f"row {self._rows} has {cell_count(row)} cells, the header {len(self._columns)}")
        self._rows += 1

    def _check_header(self) -> None:
        if len(set(self._columns)) < len(self._columns):
            raise self._unfit("has two columns of the same name")
        if len(self._columns) == 1 and (";" in self._columns[0] or "\t" in self._columns[0]):
            raise self._unfit("is not separated by commas")

    def _read_header(self, row: bytes) -> list[str]:
        if not row.endswith(b"\r\n") and row.endswith(b"\n"):
            self._end = b"\n"
        try:
            return header_names(row)
        except ValueError as error:
            raise self._unfit(f"has no header that can be read: {error}") from None

    def _unfit(self, why: str) -> ConfigError:
        return ConfigError(f"{why}, so nothing can be added", file=self._path)

    def _widen(self, new: Sequence[str]) -> None:
        """Write the file anew with further columns, and put it in the old one's place."""
        try:
            with self._path.open("rb") as old, self._part.open("wb") as wide:
                wide.writelines(widened(whole_rows(old), new, self._end))
                wide.flush()
                os.fsync(wide.fileno())
            shutil.copymode(self._path, self._part)
            self._part.replace(self._path)
            self._tail.close()
            self._tail = Tail(self._path, fresh=False)
        except OSError as error:
            with suppress(OSError):
                self._part.unlink(missing_ok=True)
            raise failure(self._path, error) from error
        self._columns = [*self._columns, *new]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else to_json(value).decode()
