"""Per host: a semaphore, the time it opens next, its origins' robots rules, its window of requests.

Values only: the registry (``registry.py``) moves them. No I/O and no await; the clock is handed in.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from scrapekit import throttle
from scrapekit.frontier import HostState, Row
from scrapekit.origins import Origin
from scrapekit.tables import Limits

NEVER: Final = math.inf
_FIRST: Final = (0, 0)


class Semaphore:
    """Permits of one host. It is the cap, never the waiting room: nobody ever waits for it."""

    __slots__ = ("_free", "size")

    def __init__(self, size: int) -> None:
        self.size = self._free = size

    @property
    def locked(self) -> bool:
        """Whether every permit is taken."""
        return self._free <= 0

    @property
    def taken(self) -> int:
        """How many permits are out."""
        return self.size - self._free

    def take(self) -> None:
        """One permit, of which there must be one."""
        assert self._free > 0, "a permit was taken that was not there"
        self._free -= 1

    def give_back(self) -> None:
        """One permit back."""
        assert self._free < self.size, "a permit was given back twice"
        self._free += 1


@dataclass(slots=True, eq=False)
class Turn:
    """The right to send one request to one host now.

    ``due`` is the earliest time at which it might have been taken, ``rule`` what kept the host shut until then.
    ``robots_of`` is set where the request is for an origin's robots.txt.
    """

    host: Host
    row: Row
    at: float
    due: float
    rule: str
    groups: tuple[Group, ...]
    robots_of: Origin | None = None
    connecting: bool = False
    sent_at: float | None = None


@dataclass(slots=True, eq=False)
class Group:
    """Hosts that share an address or a registrable domain: together they count as ``share`` hosts at the most.

    ``waiting`` are those that could go but for the others, with the ticket that makes each entry live.
    """

    name: str
    share: int
    last_sent: float = 0.0
    in_flight: int = 0
    unsent: int = 0
    waiting: deque[tuple[int, Host]] = field(default_factory=deque)
    entry: int = 0
    placed_at: float = NEVER

    def opening(self, host: Host) -> float:
        """When one of its hosts may send, as far as the others go; NEVER while one of them must send or end first."""
        if self.in_flight >= host.limits.concurrency * self.share:
            return NEVER
        pause = host.pause().seconds
        if pause and self.unsent:
            return NEVER
        return self.last_sent + pause / self.share

    @property
    def idle(self) -> bool:
        """Whether nobody is out and nobody waits."""
        return not (self.in_flight or self.waiting)


@dataclass(slots=True, eq=False)
class Host:
    """One leased host.

    ``unsent`` shuts it from the taking of a turn until its first byte is out; ``naming`` while its name is looked up;
    ``looked_up`` lets the next turn go whatever the look-up found.
    ``held`` are the ids of its rows that are in the window, parked, in flight, or ended and not yet committed;
    ``backlog`` counts those that wait in the frontier beyond them. ``errands`` are requests for robots.txt, with the
    time of each; they go before all else.
    """

    name: str
    token: int
    limits: Limits
    permits: Semaphore
    opens_at: float
    rule: str
    origins: dict[str, Origin]
    backlog: int = 0
    unsent: bool = False
    naming: bool = False
    looked_up: bool = False
    refilling: bool = False
    last_sent: float = 0.0
    crawl_delay: float | None = None
    domain: str = ""
    groups: tuple[Group, ...] = ()
    held: set[int] = field(default_factory=set)
    window: Window = field(default_factory=lambda: Window())
    errands: list[tuple[float, int, Row, Origin]] = field(default_factory=list)
    #: Which of its entries in the line is the live one, and for what time it stands there.
    entry: int = 0
    placed_at: float = NEVER

    def __repr__(self) -> str:
        return f"<Host {self.name} {self.permits.taken}/{self.permits.size} out, {self.waiting} waiting>"

    @property
    def waiting(self) -> int:
        """How many rows have not had their turn."""
        return len(self.window) + self.backlog + sum(len(origin.parked) for origin in self.origins.values())

    @property
    def done(self) -> bool:
        """Whether nothing of this host is left, here or in the frontier."""
        return not (self.held or self.backlog or self.errands or self.permits.taken)

    def rests_until(self, when: float) -> bool:
        """Whether nothing of this host is out, and it does not open before then."""
        return len(self.held) == len(self.window) and not self.errands and when < self.opening() < NEVER

    def opening(self) -> float:
        """When a turn could next be taken; NEVER while a permit, an answer or an address must come first."""
        if self.unsent or self.naming or self.permits.locked:
            return NEVER
        errand = self.errands[0][0] if self.errands else NEVER
        return max(self.opens_at, min(errand, self.window.earliest()))

    def shut_until(self, when: float, rule: str) -> None:
        """Open no sooner than this."""
        if when > self.opens_at:
            self.opens_at, self.rule = when, rule

    def pause(self) -> throttle.Pause:
        """The least time from one start to the next."""
        limits = self.limits
        return throttle.pause(delay=limits.delay, crawl_delay=self.crawl_delay, max_crawl_delay=limits.max_crawl_delay)

    def learn_delay(self, agent: str) -> None:
        """Take the longest Crawl-delay of the origins, and hold it from the last send on."""
        delays = [delay for origin in self.origins.values() if (delay := origin.delay(agent)) is not None]
        self.crawl_delay = max(delays, default=None) if self.limits.robots == "obey" else None
        pause = self.pause()
        self.shut_until(self.last_sent + pause.seconds, pause.rule)

    def state(self) -> HostState:
        """What whoever leases the host next must know."""
        return HostState(self.opens_at, self.rule, self.origins)


class Window:
    """The rows of one host that are in memory and wait: those that may go, in their order, and those for later."""

    __slots__ = ("_later", "_ready", "_worst")

    def __init__(self) -> None:
        self._ready: list[tuple[int, int, Row]] = []
        self._later: list[tuple[float, int, int, Row]] = []
        self._worst = _FIRST  # the last key among the ready: what is popped is always the first

    def __len__(self) -> int:
        return len(self._ready) + len(self._later)

    def put(self, row: Row, now: float) -> None:
        """Take one in."""
        if row.not_before > now:
            heapq.heappush(self._later, (row.not_before, *row.key, row))
        else:
            self._make_ready(row)

    def pop(self, now: float) -> Row | None:
        """The next that may go now."""
        while self._later and self._later[0][0] <= now:
            self._make_ready(heapq.heappop(self._later)[-1])
        return heapq.heappop(self._ready)[-1] if self._ready else None

    def earliest(self) -> float:
        """When the first of them may go."""
        if self._ready:
            return 0.0
        return self._later[0][0] if self._later else NEVER

    def full(self, size: int) -> bool:
        """Whether there are so many already."""
        return len(self) >= size

    def ready(self) -> int:
        """How many may go, as far as is known."""
        return len(self._ready)

    def yields_to(self, row: Row) -> bool:
        """Whether this row goes before some that are here."""
        return bool(self._ready) and row.key < self._worst

    def _make_ready(self, row: Row) -> None:
        key = row.key
        self._worst = max(self._worst, key) if self._ready else key
        heapq.heappush(self._ready, (*key, row))
