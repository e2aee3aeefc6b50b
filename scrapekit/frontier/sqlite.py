"""The frontier in a file: all that is pending and all that was seen, through any kill.

One process writes, through one connection. A commit is one transaction of the file; most of them leave it to the
system when they reach the disk, and one each second waits until they have. So a kill loses no commit, and a loss of
power at most the last second.

Invariant: a host with pending rows is leased, which is known in memory alone, or stands in line, with a ``due`` time.
``known``, counters and next ids change only after a COMMIT.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from scrapekit.errors import SinkError, Uncommitted
from scrapekit.frontier import statements as sql
from scrapekit.frontier.changes import Changes
from scrapekit.frontier.contract import (
    SYNC,
    Batch,
    Committed,
    Counts,
    HostState,
    Lease,
    Leased,
    Outcome,
    Row,
    StaleLease,
    Want,
    Write,
)
from scrapekit.frontier.entry import enter, enter_notes, note_texts, recalled
from scrapekit.frontier.file import File
from scrapekit.frontier.hostids import HostIds
from scrapekit.frontier.hostline import HostLine
from scrapekit.frontier.peek import OWN, read_notes, read_numbers
from scrapekit.frontier.schema import Translated
from scrapekit.frontier.sifted import Sifted
from scrapekit.frontier.tail import Tail
from scrapekit.frontier.waiting import next_rows


@dataclass(slots=True)
class _Held:
    """A leased host: ``waiting`` pending rows, those that were handed out included."""

    id: int
    token: int
    waiting: int


class SQLiteFrontier:
    """The frontier of one run, in the file ``path``, which is made if it is not there, unless it is to be ``resumed``.

    ``dump`` and ``load`` turn a host state's memory into text and back. ``now`` is a clock that never goes back, in
    seconds. All calls but ``known`` come from one thread at a time; that no other process writes is the caller's care.

    Every call raises SinkError where the file is damaged or cannot be read or written.
    """

    def __init__(
        self,
        path: Path,
        *,
        dump: Callable[[Any], str],
        load: Callable[[str], Any],
        now: Callable[[], float] = time.monotonic,
        resumed: bool = False,
    ) -> None:
        self._clock = now
        self._leases: dict[str, _Held] = {}
        self._tokens = count(1)
        self._synced_at = now() - SYNC
        self._file = File(path, resumed=resumed)
        try:
            self._recover(dump, load)
        except BaseException:
            self._file.close()
            raise

    def __repr__(self) -> str:
        counts = self._numbers.counts
        return f"<SQLiteFrontier {counts.pending} pending, {counts.seen} seen, {counts.hosts} hosts>"

    def notes(self) -> dict[str, Any]:
        """What was noted; under ``tail`` the items that a loss of power may take from the sinks."""
        with Translated(self._file.path):
            notes = read_notes(self._file.data, self._file.path)
        notes.pop(OWN, None)
        return notes

    @property
    def known(self) -> Container[bytes]:
        """All that was ever seen."""
        return self._known

    @property
    def sync_at(self) -> float | None:
        """When the next commit, which may be empty, should come to bring the last ones to the disk; None if all are."""
        return self._synced_at + SYNC if self._unsynced else None

    def lease(self, n: int, each: int, now: float, wanted: Iterable[str] = ()) -> Leased:
        """Up to n hosts, those that have waited longest first."""
        self._line.set_clock(now)
        wishes = {host: None for host in wanted if host not in self._leases}
        ask_at = self._line.next_time()
        if not wishes and (n <= 0 or ask_at is None or ask_at > now):
            return Leased([], ask_at)
        with self._file.transaction():
            ids = self._hosts.resolve(wishes)
            hosts = self._line.take(max(n - len(ids), 0), ids.values())
            names = {number: name for number, name, _, _ in hosts}
            rows = next_rows(self._file, names, dict.fromkeys(names, each), (), now)
        self._hosts.keep(ids)
        self._numbers.counts = replace(self._numbers.counts, hosts=self._hosts.size)
        held = {name: _Held(number, next(self._tokens), waiting) for number, name, _, waiting in hosts}
        self._leases |= held
        leases = [Lease(name, held[name].token, state, waiting, rows[name]) for _, name, state, waiting in hosts]
        return Leased(leases, self._line.next_time())

    def refill(self, wants: Sequence[Want], now: float) -> dict[str, list[Row]]:
        """The next best rows of leased hosts."""
        self._line.set_clock(now)
        for want in wants:
            if want.host not in self._leases:
                raise StaleLease(f"{want.host} is not leased")
        numbers = {self._leases[want.host].id: want for want in wants}
        held = [row for want in wants for row in want.held]
        names = {number: want.host for number, want in numbers.items()}
        return next_rows(self._file, names, {number: want.n for number, want in numbers.items()}, held, now)

    def commit(self, batch: Batch, write: Write) -> Committed:
        """Make the batch true in one transaction, the items being written as the last thing before it ends.

        Raises Uncommitted, a SinkError, if that end fails: then the sinks have what the frontier has not.
        """
        self._check(batch.tokens)
        sync = self._clock() >= self._synced_at + SYNC
        if _is_empty(batch) and not (sync and self._unsynced):
            return Committed()
        written = False
        try:
            with self._file.transaction(sync=sync):
                changes, ids = self._enter(batch)
                self._tail.keep(batch, sync=sync)
                texts = note_texts(batch.notes)
                noted = write(batch, sync=sync)
                written = True
                enter_notes(self._file, texts | note_texts(noted), changes)
        except SinkError as error:
            if written:
                raise Uncommitted(error.message, file=error.file) from error
            raise
        self._tail.settle(batch, sync=sync)
        self._take_over(changes, ids, sync=sync)
        return changes.answer

    def release(self, states: Mapping[str, HostState], now: float) -> None:
        """Give hosts back."""
        self._line.set_clock(now)
        held = [self._leases[host] for host in states]
        with self._file.transaction():
            self._file.run(sql.WAITING, [[one.id, one.waiting] for one in held])
            self._line.leave({self._leases[host].id: state for host, state in states.items()})
            self._line.line_up(one.id for one in held)
        self._unsynced = True
        for host in states:
            del self._leases[host]

    def reopen(self, wanted: Callable[[str], bool], notes: Mapping[str, Any] | None = None) -> int:
        """Put failed requests back; ``notes`` are noted with it, for what was told of the failures holds no more."""
        texts = self._file.ask("SELECT json_group_array(DISTINCT reason) FROM failed")
        reasons = [text for text in texts if wanted(json.loads(text))]
        leased = {one.id: one for one in self._leases.values()}
        changes = Changes(Sifted(Batch(), ()), {}, (), self._numbers)
        with self._file.transaction():
            added = dict(self._file.ask(sql.REOPENED, (reasons,)))
            self._file.run(sql.REOPEN, reasons)
            self._file.run(sql.NOT_FAILED, reasons)
            self._line.more_wait({host: n for host, n in added.items() if host not in leased})
            changes.numbers.counts.pending += sum(added.values())
            changes.numbers.counts.ended[Outcome.FAILED] -= sum(added.values())
            enter_notes(self._file, note_texts(notes or {}), changes)
        for host in added.keys() & leased.keys():
            leased[host].waiting += added[host]
        self._take_over(changes, {}, sync=False)
        return sum(added.values())

    def counts(self) -> Counts:
        """The counters."""
        return self._numbers.counts

    def close(self) -> None:
        """Work the log into the file, and let go of it."""
        self._file.close()

    def _recover(self, dump: Callable[[Any], str], load: Callable[[str], Any]) -> None:
        """Read what an earlier process left; the hosts that it had leased come back."""
        with Translated(self._file.path):
            noted = read_notes(self._file.data, self._file.path).get(OWN, {})
            self._numbers = read_numbers(noted, self._file.data, self._file.path)
        self._hosts, self._tail = HostIds(self._file), Tail(self._file)
        self._known = recalled(self._file)
        self._line = HostLine(self._file, dump, load)
        self._unsynced = bool(self._tail)

    def _check(self, tokens: Mapping[str, int]) -> None:
        for host, token in tokens.items():
            if host not in self._leases or self._leases[host].token != token:
                raise StaleLease(f"the lease of {host} is stale")

    def _enter(self, batch: Batch) -> tuple[Changes, dict[str, int]]:
        sifted = Sifted(batch, self._known)
        ids = self._hosts.resolve(sifted.hosts())
        changes = Changes(sifted, ids, self._leases, self._numbers)
        enter(self._file, changes)
        self._line.leave({ids[host]: state for host, state in batch.states.items()})
        self._line.more_wait({ids[host]: n for host, n in changes.added.items() if host not in self._leases})
        return changes, ids

    def _take_over(self, changes: Changes, ids: dict[str, int], *, sync: bool) -> None:
        """What was committed is true from now on."""
        self._hosts.keep(ids)
        self._known.add(changes.prints)
        self._numbers = changes.numbers
        self._numbers.counts.hosts = self._hosts.size
        for host, n in changes.added.items():
            if host in self._leases:
                self._leases[host].waiting += n
        self._unsynced = not sync
        if sync:
            self._synced_at = self._clock()


def _is_empty(batch: Batch) -> bool:
    return not (len(batch) or batch.items or batch.rejected or batch.states or batch.notes)
