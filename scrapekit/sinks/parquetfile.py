"""Parquet, for programs that calculate: typed columns, compressed.

A Parquet file is made in one go, from all that it holds. So while the crawl goes on, items stand in a part beside the
target, as JSON Lines; when the sink is closed, in whatever way the crawl ended in good order, the part becomes the
Parquet file, and is gone. A kill leaves the part, with which a resume goes on. A crawl that was stopped leaves the
Parquet file, from whose rows a resume makes the part again.

A position is in items. Memory is bounded: the part is read twice, first for the types, then in groups of rows.

Types: whole numbers of up to 64 bits, floating-point numbers (also where both come), true and false, text, lists, and
objects. Where values do not go together the column is text: of a value that is none, its JSON.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json

from scrapekit.errors import ConfigError, SinkError, SinkShort
from scrapekit.sinks.columns import Columns, is_like_json
from scrapekit.sinks.kept import Kept
from scrapekit.sinks.tail import Tail, failure, short

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger("scrapekit.crawl")

#: So much JSON is read at once, in bytes; as objects it takes ten times as much.
_STEP: Final = 1024**2
#: A group of rows ends at so many, or at so many bytes of Arrow's; it is what is in memory at the most.
_GROUP_ROWS: Final = 100_000
_GROUP_BYTES: Final = 32 * 1024**2


class ParquetSink:
    """Items in a part beside the file, which becomes Parquet when the sink is closed; its position is in items.

    One that was not opened fresh is to be given to ``rewind`` or ``check``, else ``close`` leaves all as it is.
    """

    def __init__(self, path: Path, *, fresh: bool = True) -> None:
        self._path = path.resolve()  # of a link, so that what it points to is replaced and not the link
        self._part = part_of(self._path)
        self._new = self._path.with_name(f".{self._path.name}.new")
        self._new.unlink(missing_ok=True)  # left by a kill while it was made
        self._tail: Tail | None = None
        self._rows = 0
        if fresh:
            self._tail = Tail(self._part, fresh=True)
            self._path.unlink(missing_ok=True)
        #: Whether it may be written to, and so is to become Parquet.
        self._ready = fresh

    def __repr__(self) -> str:
        return f"<ParquetSink {self._path} at {self._rows}>"

    def write(self, items: Sequence[Kept], /) -> None:
        if items:
            self._open_part().put(("\n".join([kept.line for kept in items]) + "\n").encode())
            self._rows += len(items)

    def position(self) -> int:
        return self._rows

    def rewind(self, position: int, /) -> None:
        """Keep so many items: of the part if there is one, else of the file."""
        try:
            tail = self._open_part()
        except ConfigError as error:
            raise SinkShort(error.message, file=self._path) from error
        found, end = _measure(tail, position)
        if found < position:
            raise short(self._path, f"{position} items", f"{found}")
        tail.cut(end)
        self._rows, self._ready = position, True

    def sync(self) -> None:
        self._open_part().sync()

    def close(self) -> None:
        """Make the Parquet file. Raises SinkError where that fails; the items stay in the part then."""
        tail, self._tail = self._tail, None
        if tail is None:
            return
        tail.close()
        if self._ready:
            self._join()
            self._part.unlink(missing_ok=True)

    def check(self) -> None:
        """Make ready to add to a file that stood before; raises ConfigError if its types are not JSON's."""
        tail = self._open_part()
        tail.sync()
        self._rows, _ = _measure(tail)
        self._ready = True

    def _open_part(self) -> Tail:
        """The part; made from the file's rows if there is none. Raises ConfigError for a file that is not like ours."""
        if self._tail is None:
            if not self._part.exists():
                self._split()
            self._tail = Tail(self._part, fresh=False)
        return self._tail

    def _split(self) -> None:
        """Make the part from the file."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            with parquet.ParquetFile(self._path) as file:
                self._check_schema(file.schema_arrow)
                with self._new.open("wb") as part:
                    for batch in file.iter_batches(batch_size=1000):
                        part.writelines(to_json(row, inf_nan_mode="null") + b"\n" for row in batch.to_pylist())
                    part.flush()
                    os.fsync(part.fileno())
            self._new.replace(self._part)
        except pa.ArrowException as error:
            raise ConfigError(f"is not Parquet that can be read: {_first_line(error)}", file=self._path) from None
        except OSError as error:
            raise failure(self._part, error) from error

    def _check_schema(self, schema: pa.Schema) -> None:
        if len(set(schema.names)) < len(schema.names):
            raise ConfigError("has two columns of the same name, so nothing can be added", file=self._path)
        for column in schema:
            if not is_like_json(column.type):
                why = f"its column {column.name!r} is of type {column.type}, which JSON has not"
                raise ConfigError(f"{why}, so nothing can be added", file=self._path)

    def _join(self) -> None:
        """Make the file from the part."""
        import pyarrow as pa

        try:
            if self._rows > _GROUP_ROWS:
                log.info("making %s of %s items", self._path.name, f"{self._rows:,}")
            columns = Columns()
            for rows in self._groups():
                columns.see(rows)
            self._write(columns)
            self._new.replace(self._path)
        except (OSError, ValueError, pa.ArrowException) as error:
            with suppress(OSError):
                self._new.unlink(missing_ok=True)
            why = error.strerror if isinstance(error, OSError) and error.strerror else _first_line(error)
            raise SinkError(f"cannot be written: {why}; the items are in {self._part.name}", file=self._path) from error

    def _write(self, columns: Columns) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        schema = columns.schema()
        with self._new.open("wb") as file:
            with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
                group: list[pa.RecordBatch] = []
                for rows in self._groups():
                    group.append(columns.batch(rows, schema))
                    if sum(map(len, group)) >= _GROUP_ROWS or sum(one.nbytes for one in group) >= _GROUP_BYTES:
                        writer.write_table(pa.Table.from_batches(group))
                        group.clear()
                if group:
                    writer.write_table(pa.Table.from_batches(group))
            file.flush()
            os.fsync(file.fileno())

    def _groups(self) -> Iterator[list[dict[str, Any]]]:
        """The items of the part, some at a time."""
        with self._part.open("rb") as file:
            while lines := file.readlines(_STEP):
                yield [Kept(line.decode()).fields() for line in lines]


def part_of(path: Path) -> Path:
    """Where the items of a Parquet file stand until it is made: beside what a link points to."""
    whole = path.resolve()
    return whole.with_name(f"{whole.name}.part.jsonl")


def check_installed(path: Path) -> None:
    """Raise ConfigError where Parquet cannot be written, with the way out."""
    if find_spec("pyarrow") is None:
        hint = "pip install 'polite-scrapekit[parquet]'"
        raise ConfigError("Parquet needs pyarrow, which is not installed", file=path, hint=hint)


def _measure(tail: Tail, most: int | None = None) -> tuple[int, int]:
    """How many items a part has, at most so many, and where they end in bytes."""
    found = end = at = 0
    while found != most and (block := tail.read(at, _STEP)):
        lines = block.split(b"\n", -1 if most is None else most - found)[:-1]
        if lines:
            found += len(lines)
            end = at + sum(map(len, lines)) + len(lines)
        at += len(block)
    return found, end


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
