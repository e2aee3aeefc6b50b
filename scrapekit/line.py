"""Which host may be served next: those that wait for a time, for the right to connect, or for others at their address.

Invariant: a host has at most one live entry, the one with the ticket that it holds; older ones are void and skipped
when met. So a change of plans costs a push, and never a search.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from itertools import count
from typing import Final

from scrapekit.hosts import Group, Host
from scrapekit.window import NEVER

#: Where slots are short, each doubling of a host's backlog puts it this many seconds ahead in the line: the largest
#: backlog decides when a crawl ends, and yet no host waits behind a larger one for long.
HEAD_START: Final = 1.0


class Line:
    """Hosts in the order in which they may be served.

    ``_opening`` holds those for which a time must come, ``_open`` those that may go now, ``_gated`` those that want the
    right to connect; a host that others at its address or domain keep shut waits in its group, which is then in
    ``_shut`` for the time at which it opens.
    """

    def __init__(self) -> None:
        self._opening: list[tuple[float, int, Host]] = []
        self._open: list[tuple[float, int, Host]] = []
        self._gated: deque[tuple[int, Host]] = deque()
        self._shut: list[tuple[float, int, Group]] = []
        self._tickets = count(1)

    def __repr__(self) -> str:
        return f"<Line {len(self._open)} open, {len(self._opening)} opening, {len(self._gated)} gated>"

    def place(self, host: Host, now: float) -> None:
        """Put a host where its opening belongs; nothing if it stands there already."""
        opening = host.opening()
        if opening == host.placed_at:
            return
        if host.passes and opening > now:
            self.give_way(host)
        host.placed_at, host.entry = opening, 0
        if opening <= now:
            self._stand(host, now)
        elif opening != NEVER:
            host.entry = next(self._tickets)
            heapq.heappush(self._opening, (opening, host.entry, host))

    def remove(self, host: Host) -> None:
        """Forget a host."""
        host.placed_at, host.entry = NEVER, 0

    def next(self, now: float, *, may_connect: bool) -> Host | None:
        """The next host that may go now, which then stands nowhere until it is placed again."""
        self._ripen(now)
        host = self._from_gate() if may_connect else None
        while host is None and self._open:
            _, ticket, first = heapq.heappop(self._open)
            host = first if first.entry == ticket else None
        if host is not None:
            self.remove(host)
        return host

    def gate(self, host: Host) -> None:
        """Only the right to connect is wanting: this host comes first when there is one."""
        host.placed_at, host.entry = host.opening(), next(self._tickets)
        self._gated.append((host.entry, host))

    def wait_for(self, group: Group, host: Host, now: float) -> None:
        """Others of its group keep this host shut; one that the group had let go once waits in front."""
        host.placed_at, host.entry = host.opening(), next(self._tickets)
        (group.waiting.appendleft if group in host.passes else group.waiting.append)((host.entry, host))
        self.settle(group)
        self.give_way(host)

    def give_way(self, host: Host) -> None:
        """A host that its groups had let go does not go now: others of them may."""
        for group in host.passes:
            self.settle(group)

    def settle(self, group: Group) -> None:
        """Stand a group where the opening of its first waiting host belongs, after any change."""
        first = group.first
        opening = NEVER if first is None else group.opening(first)
        if opening != group.placed_at:
            group.placed_at, group.entry = opening, next(self._tickets)
            if opening != NEVER:
                heapq.heappush(self._shut, (opening, group.entry, group))

    def next_opening(self) -> tuple[float, Host] | None:
        """When the next host opens (perhaps it has), and which; None if all of them wait for something else."""
        for heap in (self._open, self._opening):
            while heap and heap[0][2].entry != heap[0][1]:
                heapq.heappop(heap)
        while self._shut and self._shut[0][2].entry != self._shut[0][1]:
            heapq.heappop(self._shut)
        heads = [(heap[0][2].placed_at, heap[0][2]) for heap in (self._open, self._opening) if heap]
        heads += [(self._shut[0][0], self._shut[0][2].waiting[0][1])] if self._shut else []
        return min(heads, key=lambda head: head[0], default=None)

    def _ripen(self, now: float) -> None:
        """Let those stand in line whose time has come."""
        while self._opening and self._opening[0][0] <= now:
            _, ticket, host = heapq.heappop(self._opening)
            if host.entry == ticket:
                self._stand(host, now)
        while self._shut and self._shut[0][0] <= now:
            _, ticket, group = heapq.heappop(self._shut)
            if group.entry == ticket:
                self._let_one_go(group, now)

    def _let_one_go(self, group: Group, now: float) -> None:
        """The first of a group that has opened goes before all others; the next ones follow when it has sent.

        If it stood in line like any other, a larger host of its group could push in each time.
        """
        group.placed_at = NEVER
        if (host := group.first) is not None:
            group.waiting.popleft()
            if group not in host.passes:
                host.passes += (group,)
            host.entry = next(self._tickets)
            heapq.heappush(self._open, (-math.inf, host.entry, host))

    def _stand(self, host: Host, now: float) -> None:
        host.entry = next(self._tickets)
        backlog = host.backlog + len(host.window)
        heapq.heappush(self._open, (now - HEAD_START * math.log2(1 + backlog), host.entry, host))

    def _from_gate(self) -> Host | None:
        while self._gated:
            ticket, host = self._gated.popleft()
            if host.entry == ticket:
                return host
        return None
