"""A look at a run's frontier from outside: it takes no lock, and the run may be alive, finished or killed."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from sqlite3 import Connection
from typing import Any, Final

from scrapekit.frontier.changes import Numbers
from scrapekit.frontier.contract import Counts, Outcome
from scrapekit.frontier.schema import Translated, check_version, damaged, open_to_read

#: The note that holds the frontier's own counters.
OWN: Final = "#frontier"


@dataclass(frozen=True, slots=True)
class Peek:
    """How a run stood at its last commit: the version of its file, what was noted, its counters."""

    version: int
    notes: dict[str, Any]
    counts: Counts


def peek(path: Path) -> Peek:
    """Read what a run's frontier says of itself.

    Raises SinkError where the file is not there or damaged, ConfigError where its version is not one that we read.
    """
    with Translated(path, "read"), closing(open_to_read(path)) as data:
        version = check_version(data, path)
        if not version:
            return Peek(version, {}, Counts())
        notes = read_notes(data, path)
        own = notes.pop(OWN, {})
        return Peek(version, notes, read_numbers(own, data, path).counts)


def read_notes(data: Connection, path: Path) -> dict[str, Any]:
    """All that was noted, the frontier's own counters and the tail of unsafe items among it."""
    try:
        notes = {name: json.loads(value) for name, value in data.execute("SELECT name, value FROM notes")}
        tail: dict[str, list[str]] = {"items": [], "rejected": []}
        for items, rejected in data.execute("SELECT items, rejected FROM tail ORDER BY id"):
            tail["items"] += json.loads(items)
            tail["rejected"] += json.loads(rejected)
    except (ValueError, TypeError) as error:
        raise damaged(path, error) from error
    return {**notes, "tail": tail} if any(tail.values()) else notes


def numbers_text(numbers: Numbers) -> str:
    """What the frontier has counted, as it is noted."""
    counts = numbers.counts
    ended = {outcome.value: number for outcome, number in counts.ended.items()}
    told = {"seen": counts.seen, "pending": counts.pending, "ended": ended, "row": numbers.row, "items": numbers.items}
    return json.dumps(told)


def read_numbers(noted: Any, data: Connection, path: Path) -> Numbers:
    """What was noted; as to hosts and parents, what is in the tables."""
    try:
        whole = _Noted(**noted)
    except (TypeError, AttributeError) as error:
        raise damaged(path, error) from error
    (hosts,) = data.execute("SELECT ifnull(max(id), 0) FROM hosts").fetchone()
    (parents,) = data.execute("SELECT ifnull(max(id), 0) FROM parents").fetchone()
    ended = {outcome: whole.ended.get(outcome.value, 0) for outcome in Outcome}
    return Numbers(whole.row, parents + 1, whole.items, Counts(whole.seen, hosts, whole.pending, ended))


@dataclass(frozen=True, slots=True)
class _Noted:
    """The note by which the frontier knows how far it had counted."""

    seen: int = 0
    pending: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    row: int = 1
    items: int = 0

    def __post_init__(self) -> None:
        numbers = [self.seen, self.pending, self.row, self.items, *self.ended.values()]
        if not all(isinstance(number, int) for number in numbers):
            raise TypeError("its counters are no numbers")
