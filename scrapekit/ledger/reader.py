"""The ledger's reading side: a file to records, whatever moment the process that wrote it was killed at.

A line that is cut short is tolerated where a process ended: at the end of the file, and above a ``run`` line. Anywhere
else it means that something has changed the file, and it is not taken for evidence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from scrapekit.errors import ConfigError
from scrapekit.ledger.records import FORMAT, Kind, Refusal, RobotsCopy, RunStart, Send, SettingsChange
from scrapekit.ledger.writer import BODIES, FILE_NAME, digest

_NOTHING: Final[Mapping[str, str]] = {}


@dataclass(slots=True)
class Account:
    """What a ledger says, each kind of record in its order.

    ``torn`` are the numbers of the lines that were cut short; ``last`` is the last moment on record.
    """

    folder: Path
    runs: list[RunStart] = field(default_factory=list)
    settings: list[SettingsChange] = field(default_factory=list)
    robots: list[RobotsCopy] = field(default_factory=list)
    sends: list[Send] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    torn: list[int] = field(default_factory=list)
    last: float = 0.0

    def __repr__(self) -> str:
        return f"<Account of {self.folder.name}: {len(self.sends)} sends, {len(self.refusals)} refusals>"

    def body(self, name: str) -> bytes:
        """The robots.txt of that digest. Raises ConfigError where it is not there, or is another one."""
        file = self.folder / BODIES / f"{name}.txt"
        try:
            body = file.read_bytes()
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}", file=file, hint="the ledger refers to it") from error
        if digest(body) != name:
            raise ConfigError("is not what was received: its digest is another one", file=file)
        return body


def read(folder: Path) -> Account:
    """Read the ledger in a run's folder. Raises ConfigError with file and line if it is not there, or not whole."""
    path = folder / FILE_NAME
    account = Account(folder)
    reader = Reader(account)
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                reader.take(number, line)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=path) from error
    except Damaged as damage:
        raise ConfigError(f"is not a ledger's line: {damage}", file=path, line=damage.line) from None
    if not account.runs:
        raise ConfigError("holds no run", file=path)
    return account


class Damaged(Exception):
    """A line that is not what a writer would have written."""

    def __init__(self, line: int, why: str) -> None:
        self.line = line
        super().__init__(why)


class Reader:
    """Takes the lines one by one. ``bad`` is the latest one that could not be read, until it is known why."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._base = 0
        self._words: dict[int, str] = {}
        self._out: dict[int, Send] = {}
        self._torn: Damaged | None = None
        self._by_tag: Mapping[str, Callable[..., None]] = {
            "run": self._run,
            "settings": self._settings,
            "=": self._word,
            "robots": self._robots,
            "page": partial(self._send, Kind.PAGE),
            "robots.txt": partial(self._send, Kind.ROBOTS),
            "end": self._end,
            "no": self._no,
        }

    def take(self, number: int, line: bytes) -> None:
        """The next line. Raises Damaged for the one before, if that should have been whole."""
        if self._torn is not None and not line.startswith(b'["run",'):
            raise self._torn
        self._torn = None
        try:
            if not line.endswith(b"]\n"):
                raise Damaged(number, "it is cut short")
            tag, *fields = json.loads(line)
            self._by_tag[tag](number, *fields)
        except Damaged as damage:
            self._tear(damage)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            self._tear(Damaged(number, f"{type(error).__name__}: {error}"))

    def _tear(self, damage: Damaged) -> None:
        self._torn = damage
        self._account.torn.append(damage.line)

    def _run(self, seq: int, at: int, facts: dict[str, Any]) -> None:
        if facts["format"] != FORMAT:
            raise Damaged(seq, f"of format {facts['format']!r}, and this version reads {FORMAT}")
        self._base = at
        self._words, self._out = {0: ""}, {}
        who = facts["spider"], facts["agent"], facts["user_agent"], facts["version"]
        self._account.runs.append(RunStart(seq, self._now(0), *who))

    def _settings(self, seq: int, at: int, data: dict[str, Any]) -> None:
        self._account.settings.append(SettingsChange(seq, self._now(at), data))

    def _word(self, seq: int, number: int, text: str) -> None:
        self._words[number] = text

    def _robots(
        self, seq: int, at: int, origin: int, status: int, name: int, fetched: int, expires: int, error: int = 0
    ) -> None:
        words, came, until = self._words, self._time(fetched), self._time(expires)
        self._account.robots.append(
            RobotsCopy(seq, self._now(at), words[origin], status, words[name], came, until, words[error])
        )

    def _send(
        self,
        kind: Kind,
        seq: int,
        row: int,
        at: int,
        origin: int,
        path: str,
        early: int | None,
        rule: int,
        delay: float,
        source: int,
        name: int = 0,
        line: int = 0,
        attempt: int = 0,
        hop: int = 0,
        address: int = 0,
    ) -> None:
        words, time = self._words, self._now(at)
        due = None if early is None else self._time(at - early)
        send = Send(seq, row, kind, words[origin] + path, time, due, words[rule], float(delay), words[source])
        send.digest, send.line, send.address = words[name], line or None, words[address]
        send.attempt, send.hop = attempt, hop
        self._out[row] = send
        self._account.sends.append(send)

    def _end(
        self,
        seq: int,
        row: int,
        sent: int | None,
        end: int,
        status: int,
        size: int,
        address: int = 0,
        error: int = 0,
        asked: Mapping[str, str] = _NOTHING,
    ) -> None:
        send = self._out.pop(row)
        at = round(send.at * 1e6) - self._base
        send.sent = None if sent is None else self._time(at + sent)
        send.end, send.end_seq, send.status, send.size = self._now(at + end), seq, status, size
        send.address = self._words[address] or send.address
        send.error, send.asked = self._words[error], asked

    def _no(self, seq: int, row: int, at: int, origin: int, path: str, outcome: int, reason: int, *robots: int) -> None:
        words, time = self._words, self._now(at)
        name, line = robots or (0, 0)
        self._account.refusals.append(
            Refusal(seq, time, row, words[origin] + path, words[outcome], words[reason], words[name], line or None)
        )

    def _time(self, since: int) -> float:
        return (self._base + since) / 1e6

    def _now(self, since: int) -> float:
        """The time at which a line was written."""
        self._account.last = time = (self._base + since) / 1e6
        return time
