"""Per host: a semaphore, the time it opens next, its budget, its origins' robots rules, its window of requests.

What a host knows of itself; the registry (``registry.py``) sees to who is served. No I/O, no await; the clock is handed
in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from scrapekit import hours
from scrapekit.budget import Budget
from scrapekit.circuit import Circuit, is_failure
from scrapekit.errors import AskedForCalm, FetchError, HostDown, ProxyFailed
from scrapekit.frontier import HostState, Lease, Outcome, Row
from scrapekit.headers import Headers
from scrapekit.origins import Origin
from scrapekit.robots import Robots
from scrapekit.suffixes import registrable
from scrapekit.tables import Limits
from scrapekit.throttle import FREE, Pause, Throttle
from scrapekit.url import split_host
from scrapekit.window import NEVER, Window

_NO_HEADERS: Final = Headers()


class Semaphore:
    """Permits of one host. It is the cap, never the waiting room: nobody ever waits for it.

    ``size`` may change at any time; what is out beyond it comes back by itself.
    """

    __slots__ = ("size", "taken")

    def __init__(self, size: int) -> None:
        self.size, self.taken = size, 0

    @property
    def locked(self) -> bool:
        """Whether every permit is taken."""
        return self.taken >= self.size

    def take(self) -> None:
        """One permit, of which there must be one."""
        assert self.taken < self.size, "a permit was taken that was not there"
        self.taken += 1

    def give_back(self) -> None:
        """One permit back."""
        assert self.taken > 0, "a permit was given back twice"
        self.taken -= 1


@dataclass(slots=True, eq=False)
class Turn:
    """The right to send one request to one host now.

    ``due`` is the earliest time at which it might have been taken, ``rule`` what kept the host shut until then.
    ``origin`` is the one whose robots.txt lets a page go, by the ``rules`` of that moment, None where none was asked;
    ``robots_of`` the one whose robots.txt is fetched.
    """

    host: Host
    row: Row
    at: float
    due: float
    rule: str
    groups: tuple[Group, ...]
    address: str
    origin: Origin | None
    rules: Robots | None
    robots_of: Origin | None = None
    connecting: bool = False
    sent_at: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that ends without a send: with ``error`` where it failed, with the line of the robots.txt that says no."""

    row: Row
    outcome: Outcome
    reason: str
    error: FetchError | None = None
    digest: str = ""
    line: int | None = None


@dataclass(slots=True, eq=False)
class Group:
    """Hosts that share an address or a registrable domain: together they count as ``share`` hosts at the most.

    ``waiting`` are those that could go but for the others, with the ticket that makes each entry live; who comes later
    waits behind them, unless the group had let it go before (its ``passes``). ``counts_until`` is how long the last
    send matters to any of them.
    """

    name: str
    share: int
    last_sent: float = 0.0
    counts_until: float = 0.0
    in_flight: int = 0
    unsent: int = 0
    waiting: deque[tuple[int, Host]] = field(default_factory=deque)
    entry: int = 0
    placed_at: float = NEVER

    def opening(self, host: Host) -> float:
        """When one of its hosts may send, as far as the others go; NEVER while one of them must send or end first."""
        if self.in_flight >= host.limits.concurrency * self.share:
            return NEVER
        pause = host.throttle.pause().seconds
        if pause and self.unsent:
            return NEVER
        return self.last_sent + pause / self.share

    def shuts(self, host: Host, now: float) -> bool:
        """Whether a host that could go but for the others must wait for them."""
        return self.opening(host) > now or (self.first is not None and self not in host.passes)

    @property
    def first(self) -> Host | None:
        """The host that has waited longest."""
        while self.waiting and self.waiting[0][1].entry != self.waiting[0][0]:
            self.waiting.popleft()
        return self.waiting[0][1] if self.waiting else None

    @property
    def idle(self) -> bool:
        """Whether nobody is out and nobody waits."""
        return not (self.in_flight or self.waiting)


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back from one send, as far as it bears on how the host is approached next; ``size`` in bytes."""

    status: int = 0
    headers: Headers = _NO_HEADERS
    size: int = 0
    address: str = ""
    error: FetchError | None = None
    is_page: bool = True


UNHEARD: Final = Heard()


@dataclass(frozen=True, slots=True)
class PastSend:
    """A send of a process that was killed: when it was to go, when it went (if it did), and what came back by when."""

    at: float
    sent: float | None
    ended: float | None
    heard: Heard = UNHEARD


@dataclass(frozen=True, slots=True)
class Past:
    """What a killed process did at a host after it had last said how that stands: sends, robots.txt that it read."""

    sends: list[PastSend] = field(default_factory=list)
    origins: dict[str, Origin] = field(default_factory=dict)


class Host:
    """One leased host.

    It opens at the latest of: the last send and its pause, the rest that it asked for, the end of its circuit's rest,
    and the hours at which it may be visited. ``unsent`` shuts it from the taking of a turn until its first byte is out,
    ``naming`` while its name is looked up; ``looked_up`` lets the next turn go whatever the look-up found.

    ``held`` are the ids of its rows that are in the window, parked, in flight, or ended and not yet committed;
    ``backlog`` counts those that wait in the frontier beyond them. ``errands`` are requests for robots.txt, with the
    time of each; they go before all else. ``passes`` are the groups that have let it go since its last turn.
    """

    __slots__ = (
        "_domain", "backlog", "budget", "circuit", "entry", "errands", "held", "last_sent", "limits", "looked_up",
        "name", "naming", "opens_at", "origins", "paced", "passes", "permits", "placed_at", "refilling", "rule",
        "throttle", "token", "unsent", "window",
    )  # fmt: skip

    def __init__(self, lease: Lease, limits: Limits, *, random: Callable[[], float]) -> None:
        self.name, self.token, self.limits = lease.host, lease.token, limits
        memory: dict[str, Any] = lease.state.memory or {}
        self.throttle = Throttle.from_state(memory.get("throttle", {}), limits, random=random)
        self.circuit = Circuit.from_state(memory.get("circuit", {}), limits)
        self.budget = Budget.from_state(memory.get("budget", {}), limits)
        self.origins: dict[str, Origin] = memory.get("origins", {})
        self.last_sent: float = memory.get("last_sent", 0.0)
        self.permits = Semaphore(limits.concurrency)
        self._domain: str | None = None
        self.passes: tuple[Group, ...] = ()
        self.backlog = lease.waiting - len(lease.rows)
        self.unsent = self.naming = self.looked_up = self.refilling = False
        self.held: set[int] = set()
        self.window = Window()
        self.errands: list[tuple[float, int, Row, Origin]] = []
        #: Which of its entries in the line is the live one, and for what time it stands there.
        self.entry, self.placed_at = 0, NEVER
        self.opens_at, self.rule = 0.0, FREE
        #: Until when the last send's pause holds, or whatever the host was left with; and by which rule.
        self.paced = Pause(lease.state.opens_at, lease.state.rule or FREE)
        self.reckon()

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

    @property
    def aside(self) -> bool:
        """Whether it rests for so long that a crawl does not wait for it."""
        rest = self.throttle.resting
        return rest.aside and rest.until >= self.opens_at

    def resting_until(self) -> float:
        """Until when the host is to be left alone, whatever its pace."""
        return max(self.throttle.resting.until, self.circuit.opens_at)

    def rests_until(self, when: float) -> bool:
        """Whether nothing of this host is out, and it does not open before then."""
        return len(self.held) == len(self.window) and not self.errands and when < self.opening() < NEVER

    def opening(self) -> float:
        """When a turn could next be taken; NEVER while a permit, an answer or an address must come first."""
        if self.unsent or self.naming or self.permits.locked or self.budget.must_wait(self.permits.taken):
            return NEVER
        errand, earliest = self.errands[0][0] if self.errands else NEVER, self.window.earliest()
        if self.circuit.down:  # what waits is given up, and that needs no opening
            return min(max(self.opens_at, errand), earliest)
        return max(self.opens_at, min(errand, earliest))

    # -- what happens to it

    def sent(self, now: float) -> None:
        """Something goes out, or should have: from here the pause counts."""
        self.unsent, self.last_sent = False, now
        self.budget.sent(now)
        self.paced = Pause(now + self.throttle.gap(), self.throttle.pause().rule)
        self.reckon()

    def heard(self, now: float, *, began: float, sent: float | None, heard: Heard) -> bool:
        """Something came back, or nothing did; whether the host rests by it in another way than before."""
        error, before = heard.error, (self.throttle.resting, self.circuit.opens_at)
        if isinstance(error, ProxyFailed):
            return False  # which says nothing of the host
        if heard.status and sent is not None:
            self.throttle.answered(now, sent=sent, status=heard.status, headers=heard.headers)
            self.circuit.answered()
        elif isinstance(error, AskedForCalm):
            self.throttle.asked_for_calm(now, sent=began if sent is None else sent)
            self.circuit.answered()
        elif error is not None:
            self.throttle.failed(now, sent=sent)
            if is_failure(error):
                self.circuit.failed(now, began=began)
        good = 0 < heard.status < 400
        bad = error is not None or (heard.status >= 400 and heard.is_page)
        self.budget.spent(pages=good and heard.is_page, size=heard.size, errors=bad)
        self._slow_down()
        self.reckon()
        return before != (self.throttle.resting, self.circuit.opens_at)

    def relive(self, past: Past, agent: str, now: float) -> None:
        """Take in what a killed process did here after it had last said how this host stands."""
        self.origins |= past.origins
        self.learn(agent, now)
        for each in past.sends:
            if each.sent is not None and each.sent > self.last_sent:
                self.sent(each.sent)
            if each.ended is not None:
                self.heard(each.ended, began=each.at, sent=each.sent, heard=each.heard)

    def _slow_down(self) -> None:
        """A pause that has grown holds from the last send on."""
        pause = self.throttle.pause()
        if self.last_sent and self.last_sent + pause.seconds > self.paced.seconds:
            self.paced = Pause(self.last_sent + pause.seconds, pause.rule)

    def apply(self, limits: Limits, agent: str, now: float) -> None:
        """Go by other settings from now on; a pause that had begun is measured anew."""
        self.limits = limits
        self.throttle.apply(limits)
        self.budget.apply(limits)
        self.circuit.terms = limits
        self.learn(agent, now)

    def learn(self, agent: str, now: float) -> list[Pause]:
        """Take what the origins' robots.txt ask for, from the last send on; gives what is beyond the cap."""
        beyond = []
        if self.limits.ignores_robots(now):
            self.throttle.learn()
        else:
            known = [origin.rules for origin in self.origins.values() if origin.rules is not None]
            rates = [rate for rules in known if (rate := rules.request_rate(agent)) is not None]
            delays = [delay for rules in known if (delay := rules.delay(agent)) is not None]
            slowest = max(rates, key=lambda rate: rate.seconds / rate.requests, default=None)
            news = self.throttle.learn(crawl_delay=max(delays, default=None), request_rate=slowest)
            beyond = [news] if news is not None else []
        if self.last_sent:
            pause = self.throttle.pause()
            self.paced = Pause(self.last_sent + pause.seconds, pause.rule)
        self.reckon()
        return beyond

    def shut_outside_hours(self, now: float, agent: str) -> bool:
        """Whether it may not be visited at this hour; then it opens at the next that is welcome."""
        limits = [self.limits.visit] if self.limits.visit is not None else []
        if not self.limits.ignores_robots(now):
            times = [rules.visit_time(agent) for o in self.origins.values() if (rules := o.rules) is not None]
            limits += [hours.of_robots(time) for time in times if time is not None]
        opens = hours.opens(now, limits) if limits else now
        if opens > now:
            self.opens_at, self.rule = max(self.opens_at, opens), "visiting hours"
        return opens > now

    @property
    def domain(self) -> str:
        """Its registrable domain."""
        if self._domain is None:
            self._domain = registrable(split_host(self.name)[0])
        return self._domain

    @property
    def down(self) -> HostDown | None:
        """Why everything that waits here is given up, if it is."""
        if not self.circuit.down:
            return None
        return HostDown(f"{self.name} did not answer {self.circuit.failures} times in a row", host=self.name)

    def reckon(self) -> None:
        """When it opens and how many may be out, from all that is known."""
        rest = self.throttle.resting
        until, rule = self.paced.seconds, self.paced.rule
        if rest.until > until:
            until, rule = rest.until, rest.rule
        if self.circuit.opens_at > until:
            until, rule = self.circuit.opens_at, "circuit"
        self.opens_at, self.rule = until, rule
        self.permits.size = 1 if self.circuit.open else self.throttle.concurrency()

    def state(self) -> HostState:
        """What whoever leases the host next must know."""
        memory = {
            "throttle": self.throttle.to_state(),
            "circuit": self.circuit.to_state(),
            "budget": self.budget.to_state(),
            "origins": dict(self.origins),
            "last_sent": self.last_sent,
        }
        return HostState(self.opens_at, self.rule, memory)
