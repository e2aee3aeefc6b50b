"""The frontier's file: its tables, its version, and how it is opened.

Times are whole microseconds since the epoch, rounded, so that they compare the same in SQL and in Python.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Final

from scrapekit.errors import ConfigError, SinkError

#: Bumped when the tables change.
VERSION: Final = 1
#: JSON functions within SQLite itself, and ``->>``.
LEAST_SQLITE: Final = (3, 38, 0)
#: Bytes. A commit changes a few rows in many places, and writes a whole page for each: with the usual 4096, pushing the
#: links of a page took 3.6 kB a URL, with this 2.2; with 1024 it is 1.4, but a row of more than 230 bytes would take a
#: page of its own.
PAGE: Final = 2048
#: The write-ahead log is worked into the file whenever it has grown to so many pages: the longer that waits, the more
#: changes of one page are written there but once.
LOG_PAGES: Final = 8000
#: Memory for pages, in KiB.
CACHE: Final = 16_000

#: hosts     ``waiting`` pending rows; those that stand in line for a lease have a ``due`` time, the others NULL
#: ready     rows that may go at any time, in the order of their host; ``rank`` is the priority below zero
#: later     rows with a time of their own
#: failed    rows that can be put back, with the reason as JSON
#: parents   URLs on which rows were found, once for all the links of a page
#: archive   what ended otherwise, packed by commit
#: seen      fingerprints, cut and strung together by commit
#: tail      items of the commits that a loss of power may undo in the sinks
TABLES: Final = """
CREATE TABLE hosts (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, opens INTEGER NOT NULL DEFAULT 0, state TEXT,
    waiting INTEGER NOT NULL DEFAULT 0, due INTEGER, ticket INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX line ON hosts (due, ticket) WHERE due IS NOT NULL;
CREATE TABLE ready (
    host INTEGER, rank INTEGER, id INTEGER, url TEXT NOT NULL, depth INTEGER NOT NULL, parent INTEGER, more TEXT,
    PRIMARY KEY (host, rank, id)
) WITHOUT ROWID;
CREATE TABLE later (
    host INTEGER, time INTEGER, rank INTEGER, id INTEGER, url TEXT NOT NULL, depth INTEGER NOT NULL, parent INTEGER,
    more TEXT,
    PRIMARY KEY (host, time, rank, id)
) WITHOUT ROWID;
CREATE TABLE failed (
    id INTEGER PRIMARY KEY, host INTEGER NOT NULL, rank INTEGER NOT NULL, url TEXT NOT NULL, depth INTEGER NOT NULL,
    parent INTEGER, more TEXT, reason TEXT NOT NULL, validators TEXT NOT NULL, place INTEGER NOT NULL,
    items INTEGER NOT NULL
);
CREATE TABLE parents (id INTEGER PRIMARY KEY, url TEXT NOT NULL);
CREATE TABLE archive (id INTEGER PRIMARY KEY, packed BLOB NOT NULL);
CREATE TABLE seen (id INTEGER PRIMARY KEY, prints BLOB NOT NULL);
CREATE TABLE tail (id INTEGER PRIMARY KEY, items TEXT NOT NULL, rejected TEXT NOT NULL);
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

_WAY_OUT: Final = "the items are not touched: `scrapekit runs export RUN -o FILE` saves them"
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def micros(time: float) -> int:
    """A time in seconds as the file holds it; one that never comes is very late."""
    return round(min(time, 1e12) * 1e6)


def open_file(path: Path, *, resumed: bool = False) -> sqlite3.Connection:
    """Open the frontier of a run for writing, or lay it out where there is none and none is to be ``resumed``.

    Raises SinkError where the file is damaged or cannot be written, ConfigError where its version is not ours.
    """
    _check_library()
    if resumed and not path.is_file():
        raise SinkError("is not there, so the run cannot be resumed", file=path)
    with Translated(path):
        data = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            _lay_out(data, path, resumed=resumed)
        except BaseException:
            data.close()
            raise
    return data


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open the frontier of a run to look at it, which may be alive, finished or killed. Raises as ``open_file``."""
    _check_library()
    if not path.is_file():
        raise SinkError("is not there", file=path)
    # A file without its log beside it is finished: taken as it is, it can be read in a folder that cannot be written.
    finished = not path.with_name(path.name + "-wal").exists()
    with Translated(path, "read"):
        address = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if finished else ''}"
        data = sqlite3.connect(address, uri=True, timeout=5, isolation_level=None, check_same_thread=False)
        try:
            check_version(data, path)
        except BaseException:
            data.close()
            raise
    return data


def check_version(data: sqlite3.Connection, path: Path) -> int:
    """The version of a file's tables, 0 for an empty one. Raises ConfigError where it is not one that we read."""
    version = int(data.execute("PRAGMA user_version").fetchone()[0])
    if version == 0 and data.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise ConfigError("this is not the frontier of a run", file=path)
    if version > VERSION:
        raise ConfigError(
            f"this run was written by a newer scrapekit (version {version} of the frontier; this one reads {VERSION})",
            file=path,
            hint="update scrapekit, or start a new run",
        )
    return version


def damaged(path: Path, why: object) -> SinkError:
    """What to raise when the file does not hold what it should."""
    return SinkError(f"is damaged ({why}), so the run cannot be resumed; {_WAY_OUT}", file=path)


class Translated:
    """Turns what sqlite3 raises into our own: the file is damaged, or it cannot be ``done`` what was wanted."""

    __slots__ = ("_done", "_path")

    def __init__(self, path: Path, done: str = "written") -> None:
        self._path, self._done = path, done

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, sqlite3.Error | UnicodeDecodeError):
            if _tells_of_damage(error):
                raise damaged(self._path, error) from error
            raise SinkError(f"cannot be {self._done}: {error}", file=self._path) from error


def _tells_of_damage(error: sqlite3.Error | UnicodeDecodeError) -> bool:
    if isinstance(error, UnicodeDecodeError):
        return True
    # The lower byte is the primary code, the rest tells more. Some damage has the code of a statement that is wrong.
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    return code in _DAMAGED or "malformed" in str(error) or "decode" in str(error)


def _check_library() -> None:
    if sqlite3.sqlite_version_info < LEAST_SQLITE:
        least = ".".join(map(str, LEAST_SQLITE))
        raise ConfigError(
            f"this Python has SQLite {sqlite3.sqlite_version}; a crawl that can be resumed needs {least} or later",
            hint="use a newer Python, or crawl in memory",
        )


def _lay_out(data: sqlite3.Connection, path: Path, *, resumed: bool) -> None:
    version = check_version(data, path)
    if resumed and not version:
        raise damaged(path, "it is empty")
    if version:
        _check_whole(data, path)
    data.execute(f"PRAGMA page_size = {PAGE}")
    data.execute("PRAGMA journal_mode = WAL")
    data.execute("PRAGMA synchronous = NORMAL")
    data.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
    data.execute(f"PRAGMA cache_size = -{CACHE}")
    data.execute("PRAGMA temp_store = MEMORY")
    if not version:
        data.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")


def _check_whole(data: sqlite3.Connection, path: Path) -> None:
    (answer,) = data.execute("PRAGMA quick_check(1)").fetchone()
    if answer != "ok":
        raise damaged(path, answer)
