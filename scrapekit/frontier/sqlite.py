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
from typing import Any, Final

from scrapekit.errors import SinkError, Uncommitted
from scrapekit.frontier import statements as sql
from scrapekit.frontier.changes import Changes, Ids, Sifted
from scrapekit.frontier.contract import (
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
from scrapekit.frontier.entry import enter, enter_notes, note_texts
from scrapekit.frontier.file import File
from scrapekit.frontier.hostids import HostIds
from scrapekit.frontier.peek import OWN, counts_of, read_notes
from scrapekit.frontier.schema import micros
from scrapekit.frontier.seen import Seen
from scrapekit.frontier.tail import Tail
from scrapekit.frontier.waiting import next_rows

#: A commit waits for the disk when none has done so for so many seconds.
SYNC: Final = 1.0
#: The line is put in order again when the clock has gone back further than this. Microseconds.
_BACK: Final = 1_000_000


@dataclass(slots=True)
class _Held:
    """A leased host: ``waiting`` pending rows, those that were handed out included."""

    id: int
    token: int
    waiting: int


class SQLiteFrontier:
    """The frontier of one run, in the file ``path``, which is made if it is not there.

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
    ) -> None:
        self._dump, self._load, self._clock = dump, load, now
        self._known = Seen()
        self._leases: dict[str, _Held] = {}
        self._tokens = count(1)
        self._now = 0
        self._synced_at = now() - SYNC
        self._file = File(path)
        try:
            self._recover()
        except BaseException:
            self._file.close()
            raise

    def __repr__(self) -> str:
        return f"<SQLiteFrontier {self._counts.pending} pending, {self._counts.seen} seen, {self._counts.hosts} hosts>"

    def notes(self) -> dict[str, Any]:
        """What was noted; under ``tail`` the items that a loss of power may take from the sinks."""
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
        self._set_clock(now)
        wishes = {host: None for host in wanted if host not in self._leases}
        ask_at = self._ask_at()
        if not wishes and (n <= 0 or ask_at is None or ask_at > now):
            return Leased([], ask_at)
        with self._file.transaction():
            ids = self._hosts.resolve(wishes)
            values = {"wanted": list(ids.values()), "now": self._now, "n": max(n - len(ids), 0)}
            hosts = self._file.ask(sql.LEASE, values)
            self._file.run(sql.LEAVE_LINE, [number for number, *_ in hosts])
            names = {number: name for number, name, *_ in hosts}
            rows = next_rows(self._file, names, dict.fromkeys(names, each), (), now)
            states = [self._state(text) for _, _, text, _ in hosts]
        self._hosts.keep(ids | {name: number for number, name in names.items()})
        held = {name: _Held(number, next(self._tokens), waiting) for number, name, _, waiting in hosts}
        self._leases |= held
        leases = [
            Lease(name, one.token, state, one.waiting, rows[name])
            for (name, one), state in zip(held.items(), states, strict=True)
        ]
        return Leased(leases, self._ask_at())

    def refill(self, wants: Sequence[Want], now: float) -> dict[str, list[Row]]:
        """The next best rows of leased hosts."""
        self._set_clock(now)
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
        self._set_clock(now)
        held = {host: self._leases[host] for host in states}
        ids = {host: one.id for host, one in held.items()}
        with self._file.transaction():
            self._file.run(sql.WAITING, [[one.id, one.waiting] for one in held.values()])
            self._stand(states, ids)
            ticket = self._line_up(ids.values(), self._ids.ticket)
        self._ids.ticket = ticket
        self._unsynced = True
        for host in states:
            del self._leases[host]

    def reopen(self, wanted: Callable[[str], bool]) -> int:
        """Put failed requests back."""
        texts = self._file.ask("SELECT json_group_array(DISTINCT reason) FROM failed")
        reasons = [text for text in texts if wanted(json.loads(text))]
        with self._file.transaction():
            added = dict(self._file.ask(sql.REOPENED, (reasons,)))
            self._file.run(sql.REOPEN, reasons)
            self._file.run(sql.NOT_FAILED, reasons)
            leased = {one.id: one for one in self._leases.values()}
            changes = self._nothing()
            self._add_waiting({host: n for host, n in added.items() if host not in leased}, changes)
            changes.counts.pending += sum(added.values())
            changes.counts.ended[Outcome.FAILED] -= sum(added.values())
            enter_notes(self._file, {}, changes)
        for host in added.keys() & leased.keys():
            leased[host].waiting += added[host]
        self._take_over(changes, {}, sync=False)
        return sum(added.values())

    def counts(self) -> Counts:
        """The counters."""
        return self._counts

    def close(self) -> None:
        """Work the log into the file, and let go of it."""
        self._file.close()

    def _recover(self) -> None:
        """Read what an earlier process left; the hosts that it had leased come back."""
        noted = read_notes(self._file.data, self._file.path).get(OWN, {})
        self._hosts, self._tail = HostIds(self._file), Tail(self._file)
        self._counts = replace(counts_of(noted), hosts=self._hosts.size)
        parent = self._file.ask("SELECT ifnull(max(id), 0) + 1 FROM parents")
        ticket = self._file.ask("SELECT ifnull(max(ticket), 0) + 1 FROM hosts")
        self._ids = Ids(noted.get("next", 1), parent, ticket)
        for prints in self._file.read("SELECT prints FROM seen ORDER BY id"):
            self._known.add(prints)
        with self._file.transaction():
            self._file.run(sql.LINE_UP_LEASED)
            self._file.run(sql.LINE_UP_ANEW)
        self._unsynced = bool(self._tail)

    def _set_clock(self, now: float) -> None:
        before, self._now = self._now, micros(now)
        if self._now < before - _BACK:
            with self._file.transaction():
                self._file.run(sql.LINE_UP_ANEW)

    def _ask_at(self) -> float | None:
        due = self._file.ask(sql.NEXT_DUE)
        return None if due is None else due / 1e6

    def _check(self, tokens: Mapping[str, int]) -> None:
        for host, token in tokens.items():
            if host not in self._leases or self._leases[host].token != token:
                raise StaleLease(f"the lease of {host} is stale")

    def _enter(self, batch: Batch) -> tuple[Changes, dict[str, int]]:
        sifted = Sifted(batch, self._known)
        ids = self._hosts.resolve(sifted.hosts() | batch.states.keys())
        changes = Changes(sifted, ids, self._leases, self._counts, self._ids)
        enter(self._file, changes)
        self._stand(batch.states, ids)
        self._add_waiting({ids[host]: n for host, n in changes.added.items() if host not in self._leases}, changes)
        return changes, ids

    def _take_over(self, changes: Changes, ids: dict[str, int], *, sync: bool) -> None:
        """What was committed is true from now on."""
        self._hosts.keep(ids)
        self._known.add(changes.prints)
        self._ids, self._counts = changes.ids, replace(changes.counts, hosts=self._hosts.size)
        for host, n in changes.added.items():
            if host in self._leases:
                self._leases[host].waiting += n
        self._unsynced = not sync
        if sync:
            self._synced_at = self._clock()

    def _add_waiting(self, added: Mapping[int, int], changes: Changes) -> None:
        """So many more rows wait at hosts that nobody leases."""
        if added:
            self._file.run(sql.MORE_WAIT, list(added.items()))
            changes.ids.ticket = self._line_up(added, changes.ids.ticket)

    def _line_up(self, hosts: Iterable[int], ticket: int) -> int:
        """Let hosts stand in line where they have something to give; the next free ticket."""
        turns = [[host, ticket + turn] for turn, host in enumerate(hosts)]
        self._file.run_named(sql.LINE_UP, hosts=turns, now=self._now)
        return ticket + len(turns)

    def _stand(self, states: Mapping[str, HostState], ids: Mapping[str, int]) -> None:
        if states:
            rows = [[ids[host], micros(state.opens_at), self._state_text(state)] for host, state in states.items()]
            self._file.run(sql.STATES, rows)

    def _state_text(self, state: HostState) -> str:
        memory = None if state.memory is None else self._dump(state.memory)
        return json.dumps([state.opens_at, state.rule, memory])

    def _state(self, text: str | None) -> HostState:
        if text is None:
            return HostState()
        opens_at, rule, memory = json.loads(text)
        return HostState(opens_at, rule, None if memory is None else self._load(memory))

    def _nothing(self) -> Changes:
        return Changes(Sifted(Batch(), self._known), {}, {}, self._counts, self._ids)


def _is_empty(batch: Batch) -> bool:
    return not (len(batch) or batch.items or batch.rejected or batch.states or batch.notes)
