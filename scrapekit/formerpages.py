"""What the former run knew of its pages, as a table in the new run's folder: built once, then only read.

It is built of the former run's archive, and of that run's own table for what it found unchanged: so what is known of a
page outlives any number of runs in which nothing happened to it. Building takes little memory however many pages there
are, and is done in a file of another name until it is whole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, Protocol

from scrapekit.errors import SinkError
from scrapekit.frontier import Outcome, Validators
from scrapekit.request import Request
from scrapekit.sinks import RunFolder

FILE_NAME: Final = "former.sqlite"
#: Bumped when the table changes.
VERSION: Final = 1
#: The reason of a page that was fetched and was as before.
UNCHANGED: Final = "unchanged"
#: Failures that say that there is no such page any more (RFC 9110 §15.5.5, §15.5.11).
GONE: Final = frozenset({404, 410})
#: So many pages are written at once.
_AT_ONCE: Final = 1000

_GONE_REASONS: Final = frozenset(f"status {status}" for status in GONE)
_NOTHING: Final = Validators()

#: ``start`` and ``length`` are where the page's items stand in the ``items.jsonl`` of ``run``, in bytes; NULL: unknown.
_TABLES: Final = """
CREATE TABLE pages (
    fingerprint BLOB NOT NULL, callback TEXT NOT NULL, etag TEXT NOT NULL, modified TEXT NOT NULL, digest BLOB NOT NULL,
    run TEXT NOT NULL, start INTEGER, length INTEGER
);
"""


class Ending(Protocol):
    """One outcome out of an archive."""

    @property
    def request(self) -> Request: ...
    @property
    def history(self) -> tuple[str, ...]: ...
    @property
    def outcome(self) -> Outcome: ...
    @property
    def reason(self) -> str: ...
    @property
    def validators(self) -> Validators | None: ...
    @property
    def items(self) -> int: ...
    @property
    def place(self) -> int: ...


class Page(NamedTuple):
    """What is known of a page: by what it can be asked for again, who got it, and where its items stand."""

    callback: str
    etag: str
    modified: str
    digest: bytes
    run: str
    start: int | None
    length: int | None

    @property
    def validators(self) -> Validators:
        return Validators(self.etag, self.modified, self.digest)


class FormerPages:
    """The table of one run's folder. Raises SinkError where it is damaged."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        try:
            self._data = _opened(self.path)
        except sqlite3.Error as error:
            raise _damaged(self.path, error) from error

    def __repr__(self) -> str:
        return f"<FormerPages {self.path}>"

    def find(self, request: Request) -> Page | None:
        """What the former run knew of a request's page; of one that it fetched more than once, the last."""
        query = (
            "SELECT callback, etag, modified, digest, run, start, length FROM pages WHERE fingerprint = ? "
            "ORDER BY rowid DESC LIMIT 1"
        )
        try:
            found = self._data.execute(query, (request.fingerprint(),)).fetchone()
        except sqlite3.Error as error:
            raise _damaged(self.path, error) from error
        return None if found is None else Page(*found)

    def close(self) -> None:
        self._data.close()


def first_of(request: Request, history: tuple[str, ...]) -> Request:
    """The request that a chain of redirects began with, as far as that is known of its last one."""
    return request.at(history[0]) if history else request


def callback_of(request: Request) -> str:
    """The name of the callback that gets a request's page."""
    return str(request.callback or "parse")


def build(former: RunFolder, folder: Path, archived: Callable[[Path], Iterable[Ending]]) -> None:
    """Make the table of ``former`` in a new run's folder. Raises SinkError where either cannot be read or written."""
    part = folder / f"{FILE_NAME}.part"
    try:
        part.unlink(missing_ok=True)
        with closing(sqlite3.connect(part, isolation_level=None)) as data:
            # What is half done is begun anew, so nothing need be safe before the end.
            data.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_TABLES}")
            data.execute("BEGIN")
            with closing(_Older(former)) as older, closing(_Lines(former.items)) as lines:
                insert = f"INSERT INTO pages VALUES ({', '.join('?' * 8)})"
                data.executemany(insert, _rows(former, archived(former.frontier), older, lines))
            data.execute("CREATE INDEX by_fingerprint ON pages (fingerprint)")
            data.execute("COMMIT")
            data.executescript(f"PRAGMA synchronous = FULL; PRAGMA user_version = {VERSION};")
        part.replace(folder / FILE_NAME)
    except (sqlite3.Error, OSError) as error:
        raise SinkError(f"cannot be written: {error}", file=part) from error


def _rows(former: RunFolder, endings: Iterable[Ending], older: _Older, lines: _Lines) -> Iterator[tuple[Any, ...]]:
    for ending in endings:
        page = _page(former, ending, older, lines)
        if page is None:
            continue
        yield (ending.request.fingerprint(), *page)
        first = first_of(ending.request, ending.history)
        if first is not ending.request and first.url != ending.request.url:
            # It may answer for itself one day. Validators belong to the URL that gave them.
            yield (first.fingerprint(), *page._replace(etag="", modified="", digest=b""))


def _page(former: RunFolder, ending: Ending, older: _Older, lines: _Lines) -> Page | None:
    """What is known of a page after the former run; None if it gave none, or has gone."""
    if ending.outcome is not Outcome.FETCHED:
        # A failure does not tell that it has changed. A duplicate is told where it was fetched.
        is_told = ending.reason in _GONE_REASONS or ending.reason == "duplicate"
        return None if is_told else older.find(ending.request)
    validators, callback = ending.validators or _NOTHING, callback_of(ending.request)
    if ending.reason == UNCHANGED:
        before = older.find(ending.request)
        return Page(callback, *validators, *(before[4:] if before is not None else (former.id, None, None)))
    return Page(callback, *validators, former.id, *(lines.span(ending.place, ending.items) or (None, None)))


class _Older:
    """What the former run itself knew of the one before it; nothing, if it was an ordinary one."""

    def __init__(self, former: RunFolder) -> None:
        there = (former.path / FILE_NAME).exists()
        self._pages = FormerPages(former.path) if there else None

    def find(self, request: Request) -> Page | None:
        return self._pages.find(request) if self._pages is not None else None

    def close(self) -> None:
        if self._pages is not None:
            self._pages.close()


class _Lines:
    """Where the lines of a file begin, read once from its beginning to its end."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO | None = path.open("rb") if path.is_file() else None
        self._line = self._offset = 0

    def span(self, line: int, count: int) -> tuple[int, int] | None:
        """Where so many lines begin, and how long they are together; None if they are not there, or lie behind."""
        if not count:
            return 0, 0
        if line < self._line or not self._skip(line - self._line):
            return None
        start = self._offset
        return (start, self._offset - start) if self._skip(count) else None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _skip(self, count: int) -> bool:
        for _ in range(count):
            text = self._file.readline() if self._file is not None else b""
            if not text.endswith(b"\n"):
                return False
            self._line += 1
            self._offset += len(text)
        return True


def _opened(path: Path) -> sqlite3.Connection:
    data = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
    try:
        (version,) = data.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            raise sqlite3.DatabaseError(f"version {version}, not {VERSION}")
    except BaseException:
        data.close()
        raise
    return data


def _damaged(path: Path, why: object) -> SinkError:
    return SinkError(f"is damaged: {why}", file=path)
