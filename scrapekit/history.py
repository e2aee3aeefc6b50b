"""What is known of the runs that are kept: looked at from outside, whatever has become of them.

Nothing here takes a run's lock or changes it. A frontier that cannot be read any more is a state, not an error: the
items and the statistics of such a run are told all the same.
"""

from __future__ import annotations

import calendar
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final

from scrapekit.errors import ConfigError, SinkError
from scrapekit.frontier import Counts, peek
from scrapekit.sinks import RunFolder
from scrapekit.stats import Stats

_STEP: Final = 1024**2


class State(Enum):
    """How a run stands. Those that were stopped or killed can be gone on with."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    KILLED = "killed"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Account:
    """One run: ``state``, and ``why`` it is so (the process that crawls it, the end of a crawl, what is damaged).

    ``notes`` are what its last commit noted, empty where nothing could be read; ``kept`` says whether there is a
    frontier, without which nothing can be resumed.
    """

    folder: RunFolder
    state: State
    why: str
    stats: Stats
    notes: Mapping[str, Any] = field(default_factory=dict)
    kept: bool = True

    @property
    def id(self) -> str:
        return self.folder.id

    @property
    def spider(self) -> str:
        return str(self.notes.get("spider") or _spider_of(self.id))

    @property
    def target(self) -> str:
        """What was given to ``crawl`` to name the spider."""
        return str(self.notes.get("target") or self.spider)

    @property
    def started(self) -> float:
        """When it began first, in seconds since the epoch; its folder's name says so too."""
        return float(self.notes.get("started") or self.stats.started or _time_of(self.id))

    @property
    def ended(self) -> float:
        """When its last crawl ended in good order; 0 for one that has not."""
        return float(self.notes.get("ended") or 0)

    @property
    def items_upto(self) -> int | None:
        """How far its record of items is certainly whole and committed, in bytes; None where that is not known."""
        return int(self.notes.get("synced", {}).get("items", 0)) if self.notes else None

    @property
    def items_after(self) -> list[str]:
        """The lines that were committed after that: a loss of power may have taken them from the record."""
        return list(self.notes.get("tail", {}).get("items", ()))

    @property
    def exports(self) -> list[dict[str, Any]]:
        """The files that its items are written to besides."""
        return list(self.notes.get("exports") or ())

    def position(self, target: str) -> int | None:
        """How far an export had got at the last commit, in what its kind of file counts; None if it cannot go back."""
        position = self.notes.get("sinks", {}).get(target)
        return int(position) if position is not None else None

    @property
    def can_resume(self) -> bool:
        return self.kept and self.state in {State.STOPPED, State.KILLED}

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; sizes in bytes, times in seconds since the epoch."""
        return {
            "id": self.id,
            "spider": self.spider,
            "state": self.state.value,
            "why": self.why,
            "pages": self.stats.fetched,
            "items": self.stats.items,
            "pending": self.stats.pending,
            "size": self.folder.size(),
            "started": self.started,
            "ended": self.ended or None,
            "path": str(self.folder.path),
        }


def look(folder: RunFolder) -> Account:
    """What is known of one run."""
    holder = folder.holder()
    if not folder.frontier.exists():
        return _without_frontier(folder, holder)
    try:
        seen = peek(folder.frontier)
        stats = _stats(seen.notes.get("stats", {}))
        _count(stats, seen.counts)
        state, why = _state(seen.notes, seen.counts)
    except (SinkError, ConfigError, ValueError, TypeError, KeyError, AttributeError) as error:
        return Account(folder, *_running(holder, State.DAMAGED, _said(error)), _left_stats(folder))
    return Account(folder, *_running(holder, state, why), stats, seen.notes)


def accounts(root: Path, spider: str | None = None) -> Iterator[Account]:
    """The runs of a project, newest first; of one spider, if it is named."""
    for folder in RunFolder.all(root):
        if spider is None or folder.may_be_of(spider):
            account = look(folder)
            if spider is None or account.spider == spider:
                yield account


def _state(notes: Mapping[str, Any], counts: Counts) -> tuple[State, str]:
    """How a run stands that nobody crawls."""
    end = str(notes.get("end") or "")
    if not counts.pending and notes.get("start_done", False):
        return State.FINISHED, {"finished": "", "": "killed at its end"}.get(end, end)
    if not end:
        return State.KILLED, ""
    return State.STOPPED, "requests were put back" if end == "finished" else end


def _running(holder: str | None, state: State, why: str) -> tuple[State, str]:
    return (state, why) if holder is None else (State.RUNNING, f"process {holder}" if holder else "")


def _without_frontier(folder: RunFolder, holder: str | None) -> Account:
    """A run that keeps nothing to be resumed, or was killed before it began."""
    stats = _left_stats(folder)
    if not stats.end:
        state, why = State.KILLED, "before anything was kept"
    elif stats.pending:
        state, why = State.STOPPED, stats.end
    else:
        state, why = State.FINISHED, "" if stats.end == "finished" else stats.end
    return Account(folder, *_running(holder, state, why), stats, kept=False)


def _left_stats(folder: RunFolder) -> Stats:
    """The statistics by what else is there: a file that the last end wrote, and the items themselves."""
    stats = Stats()
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        stats = _stats(json.loads(folder.stats.read_bytes()))
    stats.items = _lines(folder.items)
    return stats


def _stats(plain: Mapping[str, Any]) -> Stats:
    stats = Stats()
    if plain:  # else nothing was committed yet
        stats.restore(plain)
    return stats


def _count(stats: Stats, counts: Counts) -> None:
    """The frontier's own counters are the ones that add up, also after requests were put back."""
    stats.seen, stats.pending = counts.seen, counts.pending
    for outcome, number in counts.ended.items():
        setattr(stats, outcome.value, number)


def _lines(path: Path) -> int:
    found = 0
    with suppress(OSError), path.open("rb") as file:
        while block := file.read(_STEP):
            found += block.count(b"\n")
    return found


def _said(error: Exception) -> str:
    """What is wrong with which file."""
    if isinstance(error, (SinkError, ConfigError)):
        return f"{Path(error.file).name if error.file else ''} {error.message}".strip()
    return f"its notes cannot be read: {type(error).__name__}: {error}"


def _spider_of(id_: str) -> str:
    return re.sub(r"^\d{8}-\d{6}-", "", id_)


def _time_of(id_: str) -> float:
    try:
        return float(calendar.timegm(time.strptime(id_[:15], "%Y%m%d-%H%M%S")))
    except ValueError:
        return 0.0
