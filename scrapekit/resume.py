"""Taking up a run that was left: which one, what has changed, and what its ledger knows beyond its last commit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scrapekit import errors
from scrapekit.errors import ConfigError, FetchError, SinkError
from scrapekit.frontier import Peek, peek
from scrapekit.headers import Headers
from scrapekit.hosts import Heard, Past, PastSend
from scrapekit.ledger import Account, Kind, RobotsCopy, Send
from scrapekit.origins import Origin, closes
from scrapekit.sinks import RunFolder
from scrapekit.url import host_of


@dataclass(frozen=True, slots=True)
class Left:
    """A run with work left, and how it stood at its last commit."""

    run: RunFolder
    peek: Peek

    def __str__(self) -> str:
        pending = self.peek.counts.pending
        return f"{self.run.id} ({pending} request{'s' * (pending != 1)} waiting)"

    @property
    def arguments(self) -> dict[str, str]:
        """What the spider was made with."""
        return dict(self.peek.notes.get("arguments", {}))


def unfinished(root: Path, spider: str, *, begun: bool = False) -> Left | None:
    """The newest run of a spider below a project's folder that has work left and is not at work; None if all are done.

    With ``begun`` it is one that knows of requests at least. Runs that cannot be read are passed over.
    """
    for run in RunFolder.all(root):
        try:
            left = look(run)
        except (ConfigError, SinkError):
            continue
        fits = left.peek.notes.get("spider") == spider and (left.peek.counts.seen or not begun)
        if fits and has_work(left.peek) and not run.holder():
            return left
    return None


def to_resume(root: Path, spider: str, run: str | None = None) -> Left:
    """The run to take up: the one that is named, or the newest with work left.

    Raises ConfigError where there is none, or that one is another spider's, done, or at work; SinkError where it is
    damaged.
    """
    if run is None:
        return _newest(root, spider)
    left = look(RunFolder.open(root, run))
    if left.peek.notes.get("spider") != spider:
        raise ConfigError(f"run {left.run.id} is one of spider {left.peek.notes.get('spider')!r}, not {spider!r}")
    if not has_work(left.peek):
        raise ConfigError(f"run {left.run.id} has no work left", hint="scrapekit runs retry puts failed requests back")
    return left


def _newest(root: Path, spider: str) -> Left:
    """The newest run with work left. One that is at work, or damaged, is told of: an older one is not meant."""
    for run in RunFolder.all(root):
        if run.may_be_of(spider) and run.frontier.exists():
            left = look(run)
            if left.peek.notes.get("spider") == spider and has_work(left.peek):
                if (holder := run.holder()) is not None:
                    raise ConfigError(f"run {run.id} is being crawled by process {holder}", hint="--run names another")
                return left
    raise ConfigError(f"no run of {spider} has work left", hint=f"scrapekit runs list {spider} shows them all")


def look(run: RunFolder) -> Left:
    """How a run stands. Raises SinkError where its frontier is not there or damaged."""
    return Left(run, peek(run.frontier))


def has_work(at: Peek) -> bool:
    """Whether requests wait, the spider has not told all of its first ones, or the files were not closed properly."""
    return bool(at.counts.pending or not at.notes.get("start_done", False) or not at.notes.get("end", ""))


def changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Which settings differ, as dotted keys."""
    old, new = dict(_flat(before)), dict(_flat(now))
    return sorted(".".join(key) for key in old.keys() | new.keys() if old.get(key) != new.get(key))


def past_of(account: Account, now: float) -> dict[str, Past]:
    """What went on at each host by what a ledger says of the time after a process's last commit.

    A send of which no end is on record may have left at any moment until the process died, and counts as now.
    """
    past: defaultdict[str, Past] = defaultdict(Past)
    for send in account.sends:
        past[send.host].sends.append(_past(send, now))
    for copy in account.robots:
        if not copy.error and not closes(copy.status):
            past[host_of(f"{copy.origin}/")].origins[copy.origin] = _origin(copy, account)
    return dict(past)


def _past(send: Send, now: float) -> PastSend:
    if send.end is None:
        return PastSend(send.at, now, None)
    error = _failure(send.error) if send.error else None
    heard = Heard(send.status, Headers(send.asked), send.size, send.address, error, send.kind is Kind.PAGE)
    return PastSend(send.at, send.sent, send.end, heard)


def _origin(copy: RobotsCopy, account: Account) -> Origin:
    origin = Origin(copy.origin)
    origin.learn(copy.status, account.body(copy.digest) if copy.digest else b"", copy.fetched)
    origin.digest = copy.digest
    return origin


def _failure(recorded: str) -> FetchError:
    """The error that stands in the ledger as "reason in phase"."""
    reason, _, phase = recorded.rpartition(" in ")
    known = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FetchError)]
    kinds = {kind.label: kind for kind in known}
    status = reason.removeprefix("status ")
    if status.isdigit():
        return errors.BadStatus(int(status))
    return kinds.get(reason, FetchError)("before the run was resumed", phase=phase)


def _flat(tables: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, value in tables.items():
        if isinstance(value, Mapping):
            yield from _flat(value, (*above, name))
        else:
            yield (*above, name), str(value)
