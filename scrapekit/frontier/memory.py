"""A frontier in memory: the contract without a disk.

Invariant: a pending row stands in its host's queue, in one of two heaps or handed out; a queue that has rows is leased,
or stands in line for a lease exactly once (older entries of it in the line are void).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, Final

from scrapekit.frontier.contract import (
    Batch,
    Committed,
    Counts,
    Ended,
    Found,
    HostState,
    Lease,
    Leased,
    Outcome,
    PutBack,
    Row,
    StaleLease,
    Want,
    Write,
)

_NOT: Final = float("inf")


class MemoryFrontier:
    """What is pending and what was seen, in memory."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._queues: dict[str, _Queue] = {}
        self._line = _Line()
        self._ids, self._tokens = count(1), count(1)
        self._counts = Counts()
        self._notes: dict[str, Any] = {}
        self._failed: list[Ended] = []

    def __repr__(self) -> str:
        return f"<MemoryFrontier {self._counts.pending} pending, {self._counts.seen} seen, {len(self._queues)} hosts>"

    def notes(self) -> dict[str, Any]:
        """What was noted."""
        return dict(self._notes)

    @property
    def known(self) -> Container[bytes]:
        """All that was ever seen."""
        return self._seen

    def lease(self, n: int, each: int, now: float, wanted: Iterable[str] = ()) -> Leased:
        """Up to n hosts, those that have waited longest first."""
        queues = [queue for host in wanted if not (queue := self._queue(host)).token]
        while len(queues) < n and (come := self._line.pop(now)):
            queues.append(come)
        return Leased([self._hand_over(queue, each, now) for queue in queues], self._line.next_time())

    def refill(self, wants: Sequence[Want], now: float) -> dict[str, list[Row]]:
        """The next best rows of leased hosts."""
        for want in wants:
            if want.host not in self._queues or not self._queues[want.host].token:
                raise StaleLease(f"{want.host} is not leased")
        return {want.host: self._queues[want.host].hand_out(want.n, now, want.held) for want in wants}

    def commit(self, batch: Batch, write: Write) -> Committed:
        """Write the items, then make the batch true; nothing after the write can fail."""
        for host, token in batch.tokens.items():
            if host not in self._queues or self._queues[host].token != token:
                raise StaleLease(f"the lease of {host} is stale")
        self._notes |= batch.notes | dict(write(batch, sync=False))
        for host, state in batch.states.items():
            self._queue(host).state = state
        answer = Committed()
        for ended in batch.ended:
            self._end(ended)
        for found in batch.found:
            self._add(found, answer)
        for put_back in batch.put_back:
            self._put_back(put_back, answer)
        return answer

    def release(self, states: Mapping[str, HostState], now: float) -> None:
        """Give hosts back."""
        for host, state in states.items():
            queue = self._queues[host]
            queue.token, queue.state = 0, state
            queue.take_back(())
            self._line.put(queue)

    def reopen(self, wanted: Callable[[str], bool]) -> int:
        """Put failed requests back."""
        again = [ended for ended in self._failed if wanted(ended.reason)]
        self._failed = [ended for ended in self._failed if not wanted(ended.reason)]
        for ended in again:
            self._counts.pending += 1
            self._counts.ended[Outcome.FAILED] -= 1
            self._enqueue(replace(ended.row, attempt=0, not_before=0.0), Committed())
        return len(again)

    def counts(self) -> Counts:
        """The counters."""
        return self._counts

    def close(self) -> None:
        """Nothing is open."""

    def _queue(self, host: str) -> _Queue:
        queue = self._queues.get(host)
        if queue is None:
            queue = self._queues[host] = _Queue(host)
            self._counts.hosts += 1
        return queue

    def _hand_over(self, queue: _Queue, each: int, now: float) -> Lease:
        queue.token, queue.ticket, queue.lined_up = next(self._tokens), 0, _NOT
        return Lease(queue.host, queue.token, queue.state, len(queue.rows), queue.hand_out(each, now, ()))

    def _end(self, ended: Ended) -> None:
        del self._queues[ended.row.host].rows[ended.row.id]
        self._counts.pending -= 1
        self._counts.ended[ended.outcome] += 1
        if ended.outcome is Outcome.FAILED:
            self._failed.append(ended)

    def _add(self, found: Found, answer: Committed) -> None:
        if found.fingerprint is not None:
            if found.fingerprint in self._seen:
                answer.duplicates += 1
                return
            self._seen.add(found.fingerprint)
        answer.new += 1
        self._counts.seen += 1
        if found.outcome is not None:
            self._counts.ended[found.outcome] += 1
            answer.refused.append((found.outcome, found.reason))
            return
        self._counts.pending += 1
        self._enqueue(Row(next(self._ids), found.host, found.request), answer)

    def _put_back(self, put_back: PutBack, answer: Committed) -> None:
        if put_back.fingerprint is not None and put_back.fingerprint in self._seen:
            self._end(Ended(put_back.old, Outcome.DROPPED))
            answer.refused.append((Outcome.DROPPED, "duplicate"))
            return
        if put_back.fingerprint is not None:
            self._seen.add(put_back.fingerprint)
        del self._queues[put_back.old.host].rows[put_back.old.id]
        self._enqueue(put_back.row, answer)

    def _enqueue(self, row: Row, answer: Committed) -> None:
        queue = self._queue(row.host)
        queue.add(row)
        if queue.token:
            answer.rows.append(row)
        else:
            self._line.put(queue)


class _Queue:
    """One host's pending rows. Heap entries of rows that have ended or changed are void, and skipped when met."""

    __slots__ = ("_entries", "_later", "_ready", "handed", "host", "lined_up", "rows", "state", "ticket", "token")

    def __init__(self, host: str) -> None:
        self.host = host
        self.state = HostState()
        self.token = 0
        self.ticket = 0
        self.lined_up = _NOT
        self.rows: dict[int, Row] = {}
        self.handed: dict[int, Row] = {}
        #: Breaks ties: a row that was put back stands beside the void entry of what it was, under the same key.
        self._entries = count()
        self._ready: list[tuple[int, int, int, Row]] = []
        self._later: list[tuple[float, int, int, int, Row]] = []

    def add(self, row: Row) -> None:
        """A row that is new here."""
        self.rows[row.id] = row
        self.handed.pop(row.id, None)
        priority, turn = row.key
        if row.not_before:
            heapq.heappush(self._later, (row.not_before, priority, turn, next(self._entries), row))
        else:
            heapq.heappush(self._ready, (priority, turn, next(self._entries), row))

    def hand_out(self, n: int, now: float, held: Collection[int]) -> list[Row]:
        """Up to n rows that are not held: what may go by now in its order, then the earliest of the rest."""
        self.take_back(held)
        self._ripen(now)
        out: list[Row] = []
        heaps: tuple[list[Any], list[Any]] = (self._ready, self._later)
        for heap in heaps:
            while heap and len(out) < n:
                row: Row = heapq.heappop(heap)[-1]
                if self._waits(row):
                    self.handed[row.id] = row
                    out.append(row)
        return out

    def take_back(self, held: Collection[int]) -> None:
        """Queue again what was handed out and is not held any more."""
        for id_ in [id_ for id_ in self.handed if id_ not in held]:
            row = self.handed.pop(id_)
            if self.rows.get(id_) is row:
                self.add(row)

    def opens(self) -> float:
        """The earliest time at which this host has something to give."""
        heaps: tuple[list[Any], list[Any]] = (self._ready, self._later)
        for heap in heaps:
            while heap and not self._waits(heap[0][-1]):
                heapq.heappop(heap)
        first = 0.0 if self._ready else self._later[0][0]
        return max(first, self.state.opens_at)

    def _waits(self, row: Row) -> bool:
        return self.rows.get(row.id) is row and row.id not in self.handed

    def _ripen(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            heapq.heappush(self._ready, heapq.heappop(self._later)[1:])


class _Line:
    """Hosts that wait to be leased: in order of arrival once their time has come."""

    def __init__(self) -> None:
        self._tickets = count(1)
        self._come: deque[tuple[int, _Queue]] = deque()
        self._later: list[tuple[float, int, _Queue]] = []

    def put(self, queue: _Queue) -> None:
        """Stand in line, or move up where an earlier row has come."""
        if not queue.rows:
            return
        opens = queue.opens()
        if opens >= queue.lined_up:
            return
        queue.lined_up, queue.ticket = opens, next(self._tickets)
        if opens:
            heapq.heappush(self._later, (opens, queue.ticket, queue))
        else:
            self._come.append((queue.ticket, queue))

    def pop(self, now: float) -> _Queue | None:
        """The next host whose time has come."""
        while self._later and self._later[0][0] <= now:
            self._come.append(heapq.heappop(self._later)[1:])
        while self._come:
            ticket, queue = self._come.popleft()
            if queue.ticket == ticket:
                return queue
        return None

    def next_time(self) -> float | None:
        """When the next host's time comes; 0.0 if it has."""
        while self._come and self._come[0][1].ticket != self._come[0][0]:
            self._come.popleft()
        while self._later and self._later[0][2].ticket != self._later[0][1]:
            heapq.heappop(self._later)
        if self._come:
            return 0.0
        return self._later[0][0] if self._later else None
