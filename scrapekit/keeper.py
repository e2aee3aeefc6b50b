"""The one owner of the frontier: commit, refill, release, lease, in that order, in a thread of its own.

Outcomes and what they found are gathered into a batch, and committed together: after ``INTERVAL``, or as soon as a host
would starve, or when nothing else goes on. New links exist only after a commit, so a batch that waits too long makes a
chain of pages crawl. The scheduler never waits for the disk; it sees what changed when the keeper is back.

Invariant: what is in the batch or out in the thread is pending in the frontier still. ``quiet`` is true only when there
is nothing in either.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Final

import curio

from scrapekit.errors import ScrapekitError, Uncommitted
from scrapekit.frontier import (
    SYNC,
    Batch,
    Committed,
    Counts,
    Ended,
    Found,
    Frontier,
    HostState,
    Lease,
    Leased,
    PutBack,
    Row,
    Want,
    Write,
)
from scrapekit.hostbook import HostBook
from scrapekit.kernel import Alarm
from scrapekit.registry import HostRegistry
from scrapekit.stats import Stats
from scrapekit.window import NEVER

log = logging.getLogger("scrapekit.crawl")

#: The longest that an outcome waits for its commit, in seconds; by default.
INTERVAL: Final = 0.1
#: So many outcomes are committed at once; four times as many uncommitted ones stop the scheduler.
BATCH: Final = 250
#: ``start()`` is pulled while fewer than this many requests wait for each slot, and for each place on the workbench
#: while some of them are free: else a start() that tells one host after another would keep few of them busy.
FEW: Final = 16
#: While hosts wait for a place on a full workbench, who sleeps there is looked for this often. Seconds.
CROWDED: Final = 1.0
#: A host that another live crawl visits is asked for again after so many seconds.
HELD: Final = 5.0

#: Runs a function somewhere and gives its result: in a thread of its own, or right here in tests.
Call = Callable[..., Awaitable[Any]]


async def call_here(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run it right here: for frontiers and sinks in memory."""
    return function(*arguments)


@dataclass(frozen=True, slots=True)
class _Round:
    """What one visit to the frontier asks for and what came of it."""

    committed: Committed
    refilled: list[tuple[Want, list[Row]]]
    leased: Leased
    counts: Counts
    at_hand: Collection[int] = ()


class Keeper:
    """Gathers what the crawl found out, and keeps frontier, registry and statistics in step.

    ``write`` puts a batch's items into the sinks, and ``undo`` takes them out again where the commit fails after that.
    ``notes`` tells what a resumed crawl needs besides. ``changed`` is rung after each visit to the frontier.
    ``workbench`` hosts are leased at the most, with ``window`` rows each. ``book`` remembers hosts beyond this crawl;
    ``resumed`` is whether the frontier's own memory of them may be older than that. A ``durable`` frontier is visited
    once more when nothing was committed for a while, so that what was committed last reaches the disk. ``kept`` says
    of rows which ones' answers are at hand; it is called where the frontier is.
    """

    def __init__(
        self,
        frontier: Frontier,
        registry: HostRegistry,
        *,
        write: Write,
        stats: Stats,
        clock: Callable[[], float],
        changed: Alarm,
        workbench: int,
        window: int,
        interval: float = INTERVAL,
        call: Call = call_here,
        book: HostBook | None = None,
        notes: Callable[[], Mapping[str, Any]] = dict,
        undo: Callable[[], None] = lambda: None,
        resumed: bool = False,
        durable: bool = False,
        kept: Callable[[Iterable[Row]], Collection[int]] | None = None,
    ) -> None:
        self._kept = kept
        self._book, self._resumed, self._durable = book, resumed, durable
        self._interval, self._notes, self._undo = interval, notes, undo
        self._frontier, self._registry, self._write, self._stats = frontier, registry, write, stats
        self._clock, self._call, self._changed = clock, call, changed
        self._workbench, self._window = workbench, window
        self._alarm = Alarm()
        self._batch = Batch()
        self._out: Batch | None = None
        self._flush_at = 0.0 if resumed else NEVER  # what the run had waiting is to be asked for
        self._closing = False
        self._ask_at = self._visited_at = self._sync_at = NEVER
        #: Why nothing can be committed any more.
        self.error: ScrapekitError | None = None

    def __repr__(self) -> str:
        return f"<Keeper {len(self._batch)} to commit{', out' if self._out else ''}>"

    @property
    def quiet(self) -> bool:
        """Whether all that was handed in is committed, what came of it is in the registry, and no visit is due."""
        return not self._uncommitted and self._out is None and self._due_at() > self._clock()

    @property
    def ask_at(self) -> float:
        """When to ask for more hosts: as soon as one opens and there is room for it; NEVER if there is none."""
        if self._out is not None:
            return NEVER  # the visit that is on will tell
        if self._ask_at != NEVER and self._registry.crowd >= self._workbench:
            return max(self._ask_at, self._visited_at + CROWDED)
        return self._ask_at

    @property
    def behind(self) -> bool:
        """Whether so much is uncommitted that no further turn should be taken."""
        return len(self._batch) >= 4 * BATCH

    @property
    def waiting(self) -> int:
        """How many requests wait, those that are not committed yet among them."""
        return self._stats.pending + len(self._batch.found) + (len(self._out.found) if self._out else 0)

    @property
    def items(self) -> int:
        """How many items there are so far, committed or not."""
        return self._stats.items + len(self._batch.items)

    def hungry(self, slots: int) -> bool:
        """Whether so few requests wait that more of ``start()`` are wanted."""
        room = self._registry.crowd < self._workbench
        return self.waiting < FEW * (max(slots, self._workbench) if room else slots)

    def knows(self, fingerprint: bytes) -> bool:
        """Whether this was certainly seen; it is counted as a duplicate then."""
        if fingerprint not in self._frontier.known:
            return False
        self._stats.duplicates += 1
        return True

    async def found(self, found: Found) -> None:
        """Take in a request of ``start()``."""
        self._batch.found.append(found)
        # While there is room on the workbench, each of them may be for a host that could be served at once.
        await self._due(0.0 if self._registry.crowd < self._workbench else self._clock() + self._interval)

    async def ended(self, ended: Ended, found: list[Found], items: list[Any], rejected: list[Any]) -> None:
        """Take in an outcome, with all that its callback gave."""
        batch = self._batch
        batch.ended.append(ended)
        batch.found.extend(found)
        batch.items.extend(items)
        batch.rejected.extend(rejected)
        await self._touch(ended.row)

    async def note(self, **facts: Any) -> None:
        """Take in facts that a resumed crawl must know, with all that was taken in before."""
        self._batch.notes |= facts
        await self._due(self._clock() + self._interval)

    async def put_back(self, put_back: PutBack) -> None:
        """Take in a row that goes back to a queue."""
        self._batch.put_back.append(put_back)
        await self._touch(put_back.old)

    async def flush(self) -> None:
        """Commit now: nothing else can go on before."""
        if self._uncommitted:
            await self._due(0.0)

    async def serve(self) -> None:
        """The registry's windows run low: see to them."""
        await self._due(0.0)

    async def run(self) -> None:
        """Visit the frontier whenever there is reason to, until closed; then once more."""
        while not self._closing:
            # After an error nothing is committed any more; the hosts are kept until what is in flight has ended.
            due = self._due_at() if self.error is None else NEVER
            if due <= self._clock():
                await self._visit()
            else:
                await self._alarm.sleep(None if due == NEVER else due - self._clock())
        if self.error is None:
            await self._visit()
        try:
            async with curio.disable_cancellation():
                await self._call(self._leave, self._registry.release_all())
        except ScrapekitError as error:
            self.error = self.error or error  # the first failure is the one to tell

    async def close(self) -> None:
        """Let ``run`` end, after a last commit."""
        self._closing = True
        await self._alarm.ring()

    @property
    def _uncommitted(self) -> bool:
        return bool(len(self._batch) or self._batch.notes)

    async def _touch(self, row: Row) -> None:
        self._batch.tokens[row.host] = self._registry.token(row.host)
        if len(self._batch) >= BATCH:
            await self._due(0.0)
        else:
            await self._due(min(self._clock() + self._interval, self._registry.starves_at(row.host)))

    async def _due(self, when: float) -> None:
        if when < self._flush_at:
            self._flush_at = when
            await self._alarm.ring()

    def _due_at(self) -> float:
        return min(self._flush_at, self.ask_at, self._sync_at)

    async def _visit(self) -> None:
        """One round: take what there is, let the frontier work on it, and spread what it answers."""
        try:
            batch = self._out = self._complete()
        except ScrapekitError as error:
            self._tally(self._batch, -1)
            self.error = error
            log.error("%s", error)
        else:
            await self._round(batch)
            self._out = None
        await self._changed.ring()

    async def _round(self, batch: Batch) -> None:
        registry, now = self._registry, self._clock()
        self._visited_at = now
        crowded = self._ask_at <= now and registry.crowd >= self._workbench
        released = registry.release_idle() | (registry.release_sleepers(now) if crowded else {})
        wanted, room = registry.wanted(), self._workbench - len(registry)
        errand = (batch, registry.wants(), released, registry.notable(), wanted, room, now)
        async with curio.disable_cancellation():
            try:
                answer = await self._call(self._at_the_frontier, *errand)
            except ScrapekitError as error:
                self._tally(batch, -1)
                batch.take_in(self._batch)
                self.error, self._batch = error, batch
            else:
                self._spread(batch, answer)
        if any(host not in registry for host in wanted):
            await self._due(now + HELD)

    def _complete(self) -> Batch:
        """The batch as it goes out: counted, with how hosts stand and what is noted of the crawl at this moment."""
        batch, full = self._batch, self._uncommitted
        self._tally(batch, 1)
        if full:
            batch.notes |= self._notes()
            batch.states = self._registry.touched()
        self._sync_at = self._clock() + SYNC if self._durable and full else NEVER
        self._batch, self._flush_at = Batch(), NEVER
        return batch

    def _tally(self, batch: Batch, sign: int) -> None:
        stats = self._stats
        stats.items += sign * len(batch.items)
        stats.rejected += sign * len(batch.rejected)
        for ended in batch.ended:
            if ended.reason:
                stats.reasons[ended.outcome.value, ended.reason] += sign

    def _at_the_frontier(
        self,
        batch: Batch,
        wants: list[Want],
        released: dict[str, HostState],
        notable: dict[str, HostState],
        wanted: list[str],
        room: int,
        now: float,
    ) -> _Round:
        """Runs in the keeper's thread: touches the frontier and the sinks, and nothing of the crawl's."""
        frontier = self._frontier
        committed = self._committed(batch)
        refilled = frontier.refill(wants, now)
        if released:
            frontier.release(released, now)
        if self._book is not None and (released or notable):
            self._book.note(notable, closed=False)
            self._book.note(released, closed=True)
        leased = self._claimed(frontier.lease(max(room, 0), self._window, now, wanted), now)
        at_hand: Collection[int] = ()
        if self._kept is not None:
            leases = [lease.rows for lease in leased.hosts]
            at_hand = self._kept(chain(committed.rows, *refilled.values(), *leases))
        refills = [(want, refilled[want.host]) for want in wants]
        return _Round(committed, refills, leased, frontier.counts(), at_hand)

    def _committed(self, batch: Batch) -> Committed:
        try:
            return self._frontier.commit(batch, self._write)
        except Uncommitted:
            self._undo()
            raise

    def _claimed(self, leased: Leased, now: float) -> Leased:
        """Those leases whose hosts no other live crawl visits, with what is remembered of them; the others wait."""
        if self._book is None or not leased.hosts:
            return leased
        mine = self._book.claim(lease.host for lease in leased.hosts)
        others = [lease for lease in leased.hosts if lease.host not in mine]
        if others:
            states = {lease.host: replace(lease.state, opens_at=now + HELD, rule="another crawl") for lease in others}
            self._frontier.release(states, now)
            log.warning("waiting for another crawl of this machine to leave %s", ", ".join(states))
        hosts = [self._recalled(lease, self._book, now) for lease in leased.hosts if lease.host in mine]
        asks = [time for time in (leased.ask_at, now + HELD if others else None) if time is not None]
        return Leased(hosts, min(asks, default=None))

    def _recalled(self, lease: Lease, book: HostBook, now: float) -> Lease:
        """A lease with what the book knows better than the frontier."""
        if lease.state.memory is None:
            return replace(lease, state=book.recall(lease.host, now))
        return replace(lease, state=book.later(lease.host, lease.state, now)) if self._resumed else lease

    def _leave(self, states: dict[str, HostState]) -> None:
        """Give every host back, at the end."""
        self._frontier.release(states, self._clock())
        if self._book is not None:
            self._book.note(states, closed=True)

    def _spread(self, batch: Batch, answer: _Round) -> None:
        registry, now = self._registry, self._clock()
        registry.at_hand = answer.at_hand
        for ended in batch.ended:
            registry.forget(ended.row, now)
        for put_back in batch.put_back:
            registry.forget(put_back.old, now)
        for row in answer.committed.rows:
            registry.admit(row, now)
        for want, rows in answer.refilled:
            registry.refilled(want, rows, now)
        for lease in answer.leased.hosts:
            registry.add(lease, now)
        self._ask_at = NEVER if answer.leased.ask_at is None else answer.leased.ask_at
        self._count(answer)

    def _count(self, answer: _Round) -> None:
        stats, counts = self._stats, answer.counts
        stats.seen, stats.pending, stats.hosts = counts.seen, counts.pending, counts.hosts
        for outcome, number in counts.ended.items():
            setattr(stats, outcome.value, number)
        stats.duplicates += answer.committed.duplicates
        for outcome, reason in answer.committed.refused:
            stats.reasons[outcome.value, reason] += 1
