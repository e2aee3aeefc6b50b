"""Items as rows of one table, ``items``, in an SQLite database.

A column for each field; a field that comes later becomes a further column. Columns have no declared type, so SQLite
changes no value: numbers, text and null stay what they are, true and false are 1 and 0, lists and objects are JSON, and
a whole number beyond 64 bits is text. Items of every kind share the table, as they share the columns of a CSV: the
run's own record knows no kinds, and the database must be one that can be built anew from it.

A position is the ``rowid`` of the last item. While the crawl runs the database is in WAL mode, so others may read it
meanwhile; once it is closed it is one file again.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count, groupby
from pathlib import Path
from typing import Any, Final

from pydantic_core import to_json

from scrapekit.errors import ConfigError, SinkError, SinkShort
from scrapekit.sinks.kept import Kept
from scrapekit.sinks.tail import failure, short

TABLE: Final = "items"
#: What SQLite keeps beside a database, which must not outlive it.
_BESIDE: Final = ("-wal", "-shm", "-journal")
#: The name of the row's number that is left to us: a field may be called ``rowid``.
_KEY: Final = "_rowid_"
_BIGGEST: Final = 2**63
_ESCAPE: Final = re.compile("%([0-9A-Fa-f]{2})")


class SQLiteSink:
    """Items in a table of a database; its position is the number of the last row.

    A database that was found is to be given to ``rewind`` or ``check`` before the first write.
    """

    def __init__(self, path: Path, *, fresh: bool = True) -> None:
        self._path = path.resolve()  # of a link, so that what stands beside it is found
        if fresh:
            _clear(self._path)
        #: By field; the names of columns that are taken stand in small letters, as SQLite compares them.
        self._columns: dict[str, str] = {}
        self._taken = {_KEY}
        self._position = 0
        with self._translated():
            self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self._mode = ""  # the one to go back to at the end

    def __repr__(self) -> str:
        return f"<SQLiteSink {self._path} at row {self._position}>"

    def write(self, items: Sequence[Kept], /) -> None:
        if not items:
            return
        rows = [kept.fields() for kept in items]
        before = dict(self._columns), set(self._taken)
        try:
            with self._translated(), self._transaction():
                for name in dict.fromkeys(name for row in rows for name in row):
                    if name not in self._columns:
                        self._add(name)
                self._insert(rows)
        except BaseException:
            self._columns, self._taken = before
            raise
        self._position += len(rows)

    def position(self) -> int:
        return self._position

    def rewind(self, position: int, /) -> None:
        """Delete the rows beyond that one."""
        try:
            self._begin()
            if self._is_cut():
                raise SinkShort("is no whole database any more: its last page is torn", file=self._path)
            if self._position < position:
                raise short(self._path, f"row {position}", f"{self._position}")
            if self._position > position:
                with self._transaction():
                    self._db.execute(f"DELETE FROM {TABLE} WHERE {_KEY} > ?", (position,))
        except sqlite3.OperationalError as error:  # in use by others, or no room: the file itself is whole
            raise _failed(self._path, error) from error
        except sqlite3.DatabaseError as error:
            raise SinkShort(f"is no whole database any more: {error}", file=self._path) from error
        self._position = position

    def sync(self) -> None:
        """What was committed since the last checkpoint stands in the log beside the database, and SQLite syncs that
        at a checkpoint only. The database itself must not be opened here: to close it again would free SQLite's locks.
        """
        log = self._path.with_name(self._path.name + _BESIDE[0])
        try:
            with suppress(FileNotFoundError), log.open("rb") as file:
                os.fsync(file.fileno())
        except OSError as error:
            raise failure(self._path, error) from error

    def close(self) -> None:
        with self._translated():
            # Refused while others read it; what is committed stays so, and whoever opens it next finds it.
            with suppress(sqlite3.ProgrammingError, sqlite3.OperationalError):
                if self._mode:
                    self._db.execute(f"PRAGMA journal_mode = {self._mode}")
            self._db.close()

    def check(self) -> None:
        """Make ready to add to a database that stood before; raises ConfigError if items cannot be added to it."""
        try:
            self._begin()
        except sqlite3.DatabaseError as error:
            raise ConfigError(f"nothing can be added: {error}", file=self._path) from None
        if self._db.execute("SELECT 1 FROM sqlite_master WHERE name = ? AND type = 'view'", (TABLE,)).fetchone():
            raise ConfigError(f"nothing can be added: {TABLE} is a view", file=self._path)

    def _is_cut(self) -> bool:
        """SQLite itself notices when whole pages are gone."""
        (page,) = self._db.execute("PRAGMA page_size").fetchone()
        return bool(self._path.stat().st_size % page)

    def _begin(self) -> None:
        """Read what there is, and make the table if there is none."""
        if not self._mode:
            (self._mode,) = self._db.execute("PRAGMA journal_mode").fetchone()
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
        self._columns.clear()
        self._taken = {_KEY}
        for _, column, *_ in self._db.execute(f"PRAGMA table_info({TABLE})"):
            self._columns[_field(column)] = column
            self._taken.add(column.lower())
        self._position = 0
        if self._columns:
            (last,) = self._db.execute(f"SELECT max({_KEY}) FROM {TABLE}").fetchone()
            self._position = last or 0

    def _add(self, field: str) -> None:
        column = self._columns[field] = _column(field, self._taken)
        self._taken.add(column.lower())
        if len(self._columns) == 1:
            self._db.execute(f"CREATE TABLE {TABLE} ({_quoted(column)})")
        else:
            self._db.execute(f"ALTER TABLE {TABLE} ADD COLUMN {_quoted(column)}")

    def _insert(self, rows: Sequence[dict[str, Any]]) -> None:
        """Each row with its number, and the fields that it has; alike ones together."""
        numbers = count(self._position + 1)
        for names, alike in groupby(rows, key=tuple):
            columns = ", ".join([_KEY, *(_quoted(self._columns[name]) for name in names)])
            marks = ", ".join("?" * (len(names) + 1))
            values = ((next(numbers), *map(_value, row.values())) for row in alike)
            self._db.executemany(f"INSERT INTO {TABLE} ({columns}) VALUES ({marks})", values)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if not self._mode:
            self._begin()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk has ended it already
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _failed(self._path, error) from error


def _column(field: str, taken: set[str]) -> str:
    """The column of a field: its name, but for what SQLite does not take or takes for another's.

    The letters that differ in nothing but their case are written as ``%41``, so that the field can be told again.
    """
    name = _ESCAPE.sub("%25\\1", field).replace("\0", "%00")
    if name.lower() in taken:
        name = re.sub("[A-Za-z_]", lambda letter: f"%{ord(letter[0]):02X}", name)
    return name


def _field(column: str) -> str:
    """The field of a column."""
    return _ESCAPE.sub(lambda code: chr(int(code[1], 16)), column)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _value(value: Any) -> Any:
    if isinstance(value, (list, dict)):
        return to_json(value).decode()
    if isinstance(value, int) and not -_BIGGEST <= value < _BIGGEST:
        return str(value)
    return value


def _clear(path: Path) -> None:
    """Make it an empty file, which is an empty database; a log that is left of another one would damage it."""
    path.write_bytes(b"")
    for beside in _BESIDE:
        path.with_name(path.name + beside).unlink(missing_ok=True)


def _failed(path: Path, error: sqlite3.Error) -> SinkError:
    return SinkError(f"cannot be written: {error}", file=path)
