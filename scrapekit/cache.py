"""Answers kept for working on a spider: what was fetched once is not asked for again until the cache is cleared.

A SQLite file in the project holds every answer that a browser would show, whatever its age: this is no HTTP cache, and
no rule of freshness is asked (RFC 9111). So a page is what the site said when it was first fetched, its Set-Cookie
fields and redirects included.

What is put waits in memory until the keeper's thread writes it (``has`` and ``flush``); ``get`` reads by a connection
of its own, which no writer holds up. A cache may be lost: one that is damaged is moved aside, and nothing stops for it.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from scrapekit.errors import SinkError
from scrapekit.frontier import Row
from scrapekit.headers import Headers
from scrapekit.http import Reply
from scrapekit.request import Request

log = logging.getLogger("scrapekit.cache")

FILE_NAME: Final = "cache.sqlite"
#: Bumped when the tables change; a cache of another version is begun anew.
VERSION: Final = 1
#: A larger body is not kept. Bytes.
MAX_BODY: Final = 64 * 1024 * 1024
#: Asks to come again, or answers to a condition: no page of their own.
_NO_PAGES: Final = frozenset({304, 408, 425, 429})
#: What says who asks; an answer to it is nobody else's.
_PERSONAL: Final = ("authorization", "proxy-authorization")
#: Keys in one query; SQLite allows 32,766.
_AT_ONCE: Final = 1000
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS answers (
    key BLOB NOT NULL UNIQUE, method TEXT NOT NULL, url TEXT NOT NULL, status INTEGER NOT NULL, version TEXT NOT NULL,
    address TEXT NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL, stored REAL NOT NULL
);
"""


class Sizes(NamedTuple):
    """How much a cache holds: answers, bytes on disk, and when the oldest and the newest were stored (epoch)."""

    answers: int
    bytes: int
    oldest: float
    newest: float


class PageCache:
    """The cache of one project, in ``folder``. Raises SinkError where it cannot be opened."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._waiting: list[tuple[bytes, Request, Reply, float]] = []
        self._broken = ""
        self._writer = self._opened()
        self._reader = _connected(self.path)

    def __repr__(self) -> str:
        return f"<PageCache {self.path}>"

    def has(self, rows: Iterable[Row]) -> set[int]:
        """The ids of those rows whose answers are kept. Runs in the keeper's thread; writes what waits, too."""
        self.flush()
        keys: dict[bytes, list[int]] = defaultdict(list)
        for row in rows:
            if (key := key_of(row.request)) is not None:
                keys[key].append(row.id)
        found: set[int] = set()
        if self._broken:
            return found
        try:
            for some in _in_parts(keys):
                query = f"SELECT key FROM answers WHERE key IN ({', '.join('?' * len(some))})"
                for (key,) in self._writer.execute(query, some):
                    found.update(keys[key])
        except sqlite3.Error as error:
            self._give_up(error)
        return found

    def get(self, request: Request) -> Reply | None:
        """The answer that is kept for a request; its ``wire_bytes`` are 0, since nothing came over the wire."""
        key = key_of(request)
        if key is None or self._broken:
            return None
        query = "SELECT status, headers, body, version, address FROM answers WHERE key = ?"
        try:
            found = self._reader.execute(query, (key,)).fetchone()
            return None if found is None else _reply(*found)
        except (sqlite3.Error, ValueError, TypeError, zlib.error) as error:
            self._give_up(error)
            return None

    def put(self, request: Request, reply: Reply, sent: Headers, now: Callable[[], float]) -> None:
        """Keep an answer, unless it is no page or was meant for one person; ``sent`` are the fields that went out.

        The latest answer to a request counts.
        """
        key = key_of(request)
        personal = any(name in sent for name in _PERSONAL)
        if key is not None and not personal and is_page(reply) and not self._broken:
            self._waiting.append((key, request, reply, now()))

    def flush(self) -> None:
        """Write what waits. Runs in the keeper's thread."""
        waiting, self._waiting = self._waiting, []
        if not waiting or self._broken:
            return
        try:
            with self._writer:
                self._writer.executemany(
                    "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_columns, waiting)
                )
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    def clear(self) -> int:
        """Forget every answer, and give the room back; says how many there were. Raises SinkError."""
        self._waiting.clear()
        count = self.sizes().answers
        try:
            with self._writer:
                self._writer.execute("DELETE FROM answers")
            self._writer.execute("VACUUM")
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise SinkError(f"cannot be cleared: {error}", file=self.path) from error
        return count

    def sizes(self) -> Sizes:
        """How much is on disk. Raises SinkError."""
        try:
            query = "SELECT count(*), coalesce(min(stored), 0), coalesce(max(stored), 0) FROM answers"
            count, oldest, newest = self._writer.execute(query).fetchone()
        except sqlite3.Error as error:
            raise SinkError(f"cannot be read: {error}", file=self.path) from error
        return Sizes(count, sum(path.stat().st_size for path in _files(self.path) if path.exists()), oldest, newest)

    def close(self) -> None:
        """Write what waits, and let go of the file; a damaged one is moved aside."""
        self.flush()
        self._reader.close()
        self._writer.close()
        if self._broken == "damaged":
            _move_aside(self.path)

    def _give_up(self, error: Exception) -> None:
        """Go on as if nothing were kept; said once."""
        if not self._broken:
            self._broken = "damaged" if _is_damage(error) else "unusable"
            log.warning("%s is %s (%s); this crawl goes on without it", self.path, self._broken, error)

    def _opened(self) -> sqlite3.Connection:
        try:
            return _laid_out(self.path)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise SinkError(f"cannot be opened: {error}", file=self.path) from error
            aside = _move_aside(self.path)
            log.warning("%s is damaged (%s); it is now %s, and a new one is begun", self.path, error, aside.name)
        except OSError as error:
            raise SinkError(f"cannot be opened: {error.strerror or error}", file=self.path) from error
        return _laid_out(self.path)


def key_of(request: Request) -> bytes | None:
    """What an answer is kept under: the request's fingerprint, and what else of it may change the answer.

    None for what is not kept: neither GET nor HEAD, or with credentials.
    """
    headers = request.headers
    if request.method not in ("GET", "HEAD") or any(name in headers for name in _PERSONAL):
        return None
    fingerprint = request.fingerprint()
    if not headers.raw and not request.cookies:
        return fingerprint
    fields = sorted((name.lower(), value) for name, value in headers.raw)
    return blake2b(json.dumps([fields, request.cookies]).encode(), digest_size=16, key=fingerprint).digest()


def is_page(reply: Reply) -> bool:
    """Whether an answer is worth keeping: redirects and missing pages too, but no failure that may pass."""
    content = reply.content
    size = len(content) if isinstance(content, bytes) else content.size
    return reply.status < 500 and reply.status not in _NO_PAGES and size <= MAX_BODY


def _reply(status: int, headers: str, body: bytes, version: str, address: str) -> Reply:
    fields = Headers([(name, value) for name, value in json.loads(headers)])
    return Reply(status, fields, zlib.decompress(body), version, address, 0, False)


def _columns(waiting: tuple[bytes, Request, Reply, float]) -> tuple[Any, ...]:
    key, request, reply, now = waiting
    fields, body = json.dumps(reply.headers.raw), zlib.compress(reply.body, 1)
    return key, request.method, request.url, reply.status, reply.version, reply.address, fields, body, now


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=30, check_same_thread=False)


def _laid_out(path: Path) -> sqlite3.Connection:
    # It may hold what only a session's cookies open, so it is made for its owner alone.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    data = _connected(path)
    try:
        data.execute("PRAGMA journal_mode = WAL")
        data.execute("PRAGMA synchronous = NORMAL")
        (version,) = data.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            data.execute("DROP TABLE IF EXISTS answers")
        data.executescript(_TABLE)
        data.execute(f"PRAGMA user_version = {VERSION}")
        data.execute("SELECT key FROM answers LIMIT 1").fetchone()
    except BaseException:
        data.close()
        raise
    return data


def _is_damage(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is None or code & 0xFF in _DAMAGED  # the lower byte is the primary code; none: not from SQLite


def _files(path: Path) -> list[Path]:
    return [path, *(path.with_name(path.name + ending) for ending in ("-wal", "-shm"))]


def _move_aside(path: Path) -> Path:
    aside = path.with_name(path.name + ".damaged")
    with suppress(OSError):
        path.replace(aside)
    for other in _files(path)[1:]:
        with suppress(OSError):
            other.unlink(missing_ok=True)
    return aside


def _in_parts(keys: Iterable[bytes]) -> Iterator[list[bytes]]:
    rest = iter(keys)
    while some := list(islice(rest, _AT_ONCE)):
        yield some
