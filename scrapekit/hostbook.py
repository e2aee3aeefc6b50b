"""What is remembered of hosts beyond one run, so that the next run is as polite as this one would have gone on to be.

A SQLite file in the project holds, for each host, its last send, its rests and its circuit, and each origin's
robots.txt. Beside it, one lock a host keeps two live crawls of this machine (of one user) from visiting it at once.

A host is *held* in the book by the run that has it on its workbench. One that is found held by another run, with its
lock free, was left by a crawl that was killed: its last send may have been any moment ago, and counts as now. A run
that is resumed knows its own last sends from its ledger.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from scrapekit.errors import SinkError
from scrapekit.frontier import HostState
from scrapekit.hostlocks import HostLocks
from scrapekit.origins import Origin

FILE_NAME: Final = "hosts.sqlite"
#: Bumped when the tables change; a book of another version is begun anew.
VERSION: Final = 2
#: What of a host's state outlives a run; a budget is a run's own.
_FACTS: Final = ("throttle", "circuit", "last_sent")

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS hosts (
    name TEXT PRIMARY KEY, holder TEXT, opens_at REAL, rule TEXT, facts TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS robots (
    origin TEXT PRIMARY KEY, host TEXT, status INTEGER, fetched REAL, body BLOB
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS robots_of_host ON robots (host);
"""


class HostBook:
    """The book of one project, in ``folder``, as the run ``holder`` uses it. All calls come from one thread at a time.

    Raises SinkError where it cannot be read or written.
    """

    def __init__(self, folder: Path, locks: HostLocks, holder: str) -> None:
        self._path, self._locks, self._holder = folder / FILE_NAME, locks, holder
        self._data = self._open()

    def __repr__(self) -> str:
        return f"<HostBook {self._path}>"

    def claim(self, hosts: Iterable[str]) -> set[str]:
        """Take these hosts for this crawl; those that another live crawl has are left out of the answer."""
        return {host for host in hosts if self._locks.take(host)}

    def recall(self, host: str, now: float) -> HostState:
        """What is remembered of a claimed host, which this run holds in the book from now on."""
        with self._translated(), self._data:
            found = self._data.execute(
                "SELECT holder, opens_at, rule, facts FROM hosts WHERE name = ?", (host,)
            ).fetchone()
            self._data.execute(
                "INSERT INTO hosts VALUES (:host, :run, 0, '', '{}') ON CONFLICT (name) DO UPDATE SET holder = :run",
                {"host": host, "run": self._holder},
            )
            origins = self._origins(host, now)
        if found is None:
            return HostState(memory={"origins": origins})
        holder, opens_at, rule, facts = found
        memory: dict[str, Any] = {**json.loads(facts), "origins": origins}
        if holder and holder != self._holder:
            memory["last_sent"] = now
        return HostState(opens_at, rule, memory)

    def later(self, host: str, state: HostState, now: float) -> HostState:
        """Of how a claimed host stands for this run and what the book remembers of it, whichever is later.

        Another run may have visited it since this one was left; the budget stays the run's own.
        """
        known, own = self.recall(host, now), state.memory
        if known.memory.get("last_sent", 0.0) <= own.get("last_sent", 0.0):
            return state
        origins = {**own["origins"], **known.memory["origins"]}
        return replace(known, memory={**known.memory, "origins": origins, "budget": own.get("budget", {})})

    def note(self, states: Mapping[str, HostState], *, closed: bool) -> None:
        """Remember how hosts stand; ``closed`` gives them back, for any crawl to take."""
        with self._translated(), self._data:
            for host, state in states.items():
                memory: dict[str, Any] = state.memory or {}
                facts = json.dumps({key: memory[key] for key in _FACTS if memory.get(key)})
                row = (host, "" if closed else self._holder, state.opens_at, state.rule, facts)
                self._data.execute("INSERT OR REPLACE INTO hosts VALUES (?, ?, ?, ?, ?)", row)
                self._note_origins(host, memory.get("origins", {}))
        if closed:
            for host in states:
                self._locks.free(host)

    def close(self) -> None:
        """Let go of the file and of all that is held."""
        self._data.close()
        self._locks.close()

    def _origins(self, host: str, now: float) -> dict[str, Origin]:
        rows = self._data.execute("SELECT origin, status, fetched, body FROM robots WHERE host = ?", (host,))
        origins = {}
        for name, status, fetched, body in rows.fetchall():
            origin = Origin(name)
            origin.learn(status, body, min(fetched, now))
            if origin.knows(now):
                origins[name] = origin
        return origins

    def _note_origins(self, host: str, origins: Mapping[str, Origin]) -> None:
        for origin in origins.values():
            if origin.rules is not None:
                row = (origin.name, host, origin.status, origin.fetched, origin.body)
                self._data.execute("INSERT OR REPLACE INTO robots VALUES (?, ?, ?, ?, ?)", row)

    def _open(self) -> sqlite3.Connection:
        with self._translated():
            data = sqlite3.connect(self._path, timeout=30, check_same_thread=False)
            try:
                _lay_out(data)
            except BaseException:
                data.close()
                raise
        return data

    def _translated(self) -> _Translated:
        return _Translated(self._path)


def _lay_out(data: sqlite3.Connection) -> None:
    data.execute("PRAGMA journal_mode = WAL")
    data.execute("PRAGMA synchronous = NORMAL")
    (version,) = data.execute("PRAGMA user_version").fetchone()
    if version not in (0, VERSION):
        data.executescript("DROP TABLE IF EXISTS hosts; DROP TABLE IF EXISTS robots;")
    data.executescript(_TABLES)
    data.execute(f"PRAGMA user_version = {VERSION}")


class _Translated:
    """Turns what sqlite3 raises into our own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, sqlite3.Error):
            raise SinkError(f"cannot be written: {error}", file=self._path) from error
