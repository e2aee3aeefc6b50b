"""The host registry: which host may be served now, and who waits for what.

The only place that enforces politeness. No I/O and no await; the clock is handed in.

Invariants, for each host that this worker leases:

- A turn is taken only while a permit is free, the time has come, robots.txt says yes, and the name is resolved.
- From the taking of a turn until its first byte is out (or it failed) the host is shut. After that it opens at
  *sent + delay*. So no two sends come closer than the delay, however long a connection takes.
- A turn takes host, address and domain in one step: a host that others at its address keep shut gets none.
- A host stands in the line once, unless a permit, an address or an answer must come first: then it stands nowhere.
"""

from __future__ import annotations

import heapq
import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping
from itertools import count, islice
from random import random
from typing import Final

from scrapekit.directives import NO_USES, Uses
from scrapekit.errors import FetchError
from scrapekit.frontier import HostState, Lease, Outcome, Row, Want
from scrapekit.hosts import Group, Heard, Host, Past, Refused, Turn
from scrapekit.line import Line
from scrapekit.origins import Origin
from scrapekit.request import Request
from scrapekit.tables import Limits
from scrapekit.url import host_of, origin_of
from scrapekit.window import NEVER, Window

log = logging.getLogger("scrapekit.crawl")

#: Where others wait for a place on the workbench, a host that opens no sooner than this gives up its own. Seconds.
SLEEPER: Final = 30.0
#: Of so many hosts the display shows the busiest, where few are being fetched from.
SOME: Final = 1000
#: What a host waits for whose next request was put back for later.
RETRY_RULE: Final = "retry"
#: So many addresses and domains are remembered before those at which nothing goes on are forgotten.
MAX_GROUPS: Final = 10_000
_NO_PAST: Final[Mapping[str, Past]] = {}


class HostRegistry:
    """The hosts on this worker's workbench.

    ``limits_for`` gives a host's limits, ``agent`` is our robots.txt token. Of a URL, ``address_of`` gives the address
    (an empty one if there is none, None if the name must be looked up first), and ``has_idle`` says whether a
    connection is open. ``each`` is the size of a window. ``past`` is what a killed process sent to hosts, and heard,
    beyond what their states tell.

    Whoever takes turns also empties ``refused`` (rows that may not go, with the reason) and ``unresolved`` (hosts whose
    name must be looked up first, with a URL of theirs).
    """

    def __init__(
        self,
        *,
        limits_for: Callable[[str], Limits],
        agent: str,
        address_of: Callable[[str], str | None],
        has_idle: Callable[[str], bool],
        each: int,
        random: Callable[[], float] = random,
        past: Mapping[str, Past] = _NO_PAST,
    ) -> None:
        self._limits_for, self._agent, self._each, self._random = limits_for, agent, each, random
        self._address_of, self._has_idle, self._past = address_of, has_idle, dict(past)
        self._hosts: dict[str, Host] = {}
        self._groups: dict[str, Group] = {}
        self._max_groups = MAX_GROUPS
        self._fetching: dict[str, Host] = {}
        self._line = Line()
        self._errand_ids = count(-1, -1)
        self._hungry: dict[str, Host] = {}
        self._idle: dict[str, Host] = {}
        self._strays: dict[str, list[tuple[Row, Origin]]] = {}  # errands at hosts that are not leased yet
        self._calls = False  # for such a host, since it was last asked for
        self._notable: dict[str, Host] = {}  # those that must be remembered as they stand
        self._touched: dict[
            str, Host
        ] = {}  # those that were sent something, or heard of, since they were last asked of
        self.refused: deque[Refused] = deque()
        self.unresolved: deque[tuple[str, str]] = deque()
        #: Ids of rows whose answers are kept, among those that come in next.
        self.at_hand: Collection[int] = ()
        self._replays: deque[Row] = deque()

    def __repr__(self) -> str:
        return f"<HostRegistry {len(self._hosts)} hosts, {self._line!r}>"

    def __len__(self) -> int:
        return len(self._hosts)

    def __contains__(self, host: object) -> bool:
        return host in self._hosts

    # -- hosts and rows come and go

    def add(self, lease: Lease, now: float) -> None:
        """Take a leased host onto the workbench, with the state that it was left with."""
        host = self._hosts[lease.host] = Host(lease, self._limits_for(lease.host), random=self._random)
        host.learn(self._agent, now)
        if lease.host in self._past:
            host.relive(self._past.pop(lease.host), self._agent, now)
        for row in lease.rows:
            self._hold(host, row, now)
        for row, origin in self._strays.pop(host.name, ()):
            self._send_errand(host, row, origin)
        self._settle(host, now)

    def admit(self, row: Row, now: float) -> None:
        """Take in a row that is new at a leased host, or moved there; it may be left to the frontier instead."""
        host = self._hosts.get(row.host)
        if host is None or row.id in host.held:
            return
        if host.window.full(self._each * 4) or (host.backlog and not host.window.yields_to(row)):
            # Whatever waits in the frontier goes first.
            host.backlog += 1
        else:
            self._hold(host, row, now)
        self._settle(host, now)

    def refilled(self, want: Want, rows: list[Row], now: float) -> None:
        """Take in what the frontier gave for a wish."""
        host = self._hosts[want.host]
        host.refilling = False
        for row in rows:
            if row.id not in host.held:
                self._hold(host, row, now)
                host.backlog -= 1
        if len(rows) < want.n:
            host.backlog = 0
        self._settle(host, now)

    def forget(self, row: Row, now: float) -> None:
        """A row's outcome or put-back is committed."""
        if (host := self._hosts.get(row.host)) is not None:
            host.held.discard(row.id)
            self._settle(host, now)

    def wants(self) -> list[Want]:
        """The windows that run low; each is asked for once."""
        wants = [
            Want(host.name, frozenset(host.held), self._each - host.window.ready())
            for host in self._hungry.values()
            if not host.refilling
        ]
        for want in wants:
            self._hosts[want.host].refilling = True
        self._hungry.clear()
        return wants

    def wanted(self) -> list[str]:
        """Hosts that must be leased because another origin's robots.txt redirects there."""
        self._calls = False
        return list(self._strays)

    def notable(self) -> dict[str, HostState]:
        """How hosts stand that asked for a rest, or whose robots.txt was read, since this was last asked."""
        states = {name: host.state() for name, host in self._notable.items()}
        self._notable.clear()
        return states

    def touched(self) -> dict[str, HostState]:
        """How hosts stand with which something went on since this was last asked."""
        states = {name: host.state() for name, host in self._touched.items()}
        self._touched.clear()
        return states

    def release_idle(self) -> dict[str, HostState]:
        """Take the hosts that have nothing left off the workbench, with the state that they are left in."""
        idle = dict(self._idle)
        for host in idle.values():
            self._remove(host)
        return {name: host.state() for name, host in idle.items()}

    @property
    def crowd(self) -> int:
        """How many places on the workbench are taken by hosts that still have something."""
        return len(self._hosts) - len(self._idle)

    @property
    def asks(self) -> bool:
        """Whether a window runs low or a host is wanted."""
        return bool(self._hungry) or self._calls

    def release_sleepers(self, now: float) -> dict[str, HostState]:
        """Take hosts that will not open for long off the workbench, so that others find room.

        Only hosts of which nothing is out: their windows are dropped, and stand in the frontier still.
        """
        asleep = [host for host in self._hosts.values() if host.rests_until(now + SLEEPER)]
        for host in asleep:
            self._remove(host)
        return {host.name: host.state() for host in asleep}

    def release_all(self) -> dict[str, HostState]:
        """Take every host off the workbench."""
        states = {name: host.state() for name, host in self._hosts.items()}
        self._hosts.clear()
        return states

    def token(self, host: str) -> int:
        """The token of a host's lease."""
        return self._hosts[host].token

    # -- turns

    def take(self, now: float, *, may_connect: bool = True) -> Turn | None:
        """Reserve one turn, or None if no host may be served now.

        With ``may_connect`` false, only hosts to which a connection is open are served.
        """
        while (host := self._line.next(now, may_connect=may_connect)) is not None:
            turn = self._turn(host, now, may_connect)
            self._settle(host, now)
            if turn is not None:
                return turn
        return None

    def replay(self, now: float) -> Turn | None:
        """A row whose answer is at hand, as a turn that sends nothing and takes nothing of its host; None if none."""
        if not self._replays:
            return None
        row = self._replays.popleft()
        return Turn(self._hosts[row.host], row, now, now, "", (), "", None, None)

    def not_at_hand(self, turn: Turn, now: float) -> None:
        """The answer has gone: the row waits for a turn like any other."""
        turn.host.window.put(turn.row, now)
        self._settle(turn.host, now)

    def sent(self, turn: Turn, now: float) -> None:
        """The first byte of a turn's request is out: from here the delay counts."""
        turn.sent_at = now
        self._went(turn, now)

    def _went(self, turn: Turn, now: float) -> None:
        turn.host.sent(now)
        self._touched[turn.host.name] = turn.host
        for group in turn.groups:
            group.last_sent = now
            group.counts_until = max(group.counts_until, now + turn.host.throttle.pause().seconds)
            group.unsent -= 1
            self._line.settle(group)
        self._settle(turn.host, now)

    def ended(self, turn: Turn, heard: Heard, now: float) -> None:
        """A turn's exchange is over: its permit comes back. One that never sent costs the pause all the same."""
        sent = turn.sent_at
        if sent is None:
            self._went(turn, now)
        self._touched[turn.host.name] = turn.host
        if turn.host.heard(now, began=turn.at, sent=sent, heard=heard):
            self._notable[turn.host.name] = turn.host
        self._give_back(turn, now)

    def skipped(self, turn: Turn, now: float) -> None:
        """A turn was given up before anything was sent: as if it had not been taken."""
        turn.host.unsent = False
        for group in turn.groups:
            group.unsent -= 1
        self._give_back(turn, now)

    def may_go(self, turn: Turn, now: float) -> bool:
        """Whether a turn still holds: not if the host asked for a rest after it was taken, or changed its rules."""
        same_rules = turn.origin is None or turn.origin.rules is turn.rules
        return same_rules and turn.host.resting_until() <= now

    def relimit(self, now: float) -> None:
        """The settings have changed: they hold from now on."""
        for host in self._hosts.values():
            host.apply(self._limits_for(host.name), self._agent, now)
            host.passes = ()
            # Not even in the queue of its group does it stand where it stood: it may be in none now.
            self._line.remove(host)
            self._settle(host, now)
        for group in self._groups.values():
            self._line.settle(group)

    def resolved(self, host: str, now: float) -> None:
        """The look-up of a host's name is over, whatever it found: the next turn finds out."""
        if host in self._hosts:
            self._hosts[host].naming, self._hosts[host].looked_up = False, True
            self._settle(self._hosts[host], now)

    def next_opening(self) -> tuple[float, Host] | None:
        """When the next host opens (perhaps it has), and which; None if all of them wait for something else."""
        return self._line.next_opening()

    def starves_at(self, host: str) -> float:
        """When a host could use a row and has none; NEVER if it has."""
        found = self._hosts.get(host)
        return found.opens_at if found is not None and not found.window and not self._replays else NEVER

    def refusal(self, turn: Turn, request: Request) -> Refused | None:
        """Why a turn's request, as it was prepared, may not go."""
        return None if turn.origin is None else self._disallowed(turn.row, request, turn.origin)

    # -- robots.txt

    def uses(self, url: str) -> Uses:
        """What robots.txt says to us of the use of a URL's content."""
        host = self._hosts.get(host_of(url))
        origin = host.origins.get(origin_of(url)) if host is not None else None
        return origin.rules.uses(self._agent, url) if origin is not None and origin.rules is not None else NO_USES

    def robots_known(self, origin: Origin, status: int, body: bytes, now: float) -> None:
        """The file was read, or there is none: who waited for it may go."""
        origin.learn(status, body, now)
        rows, host = origin.unpark(), self._hosts.get(host_of(origin.name))
        if host is None:  # it had nothing left; what the origin knows is in the state that it was left in
            return
        self._notable[host.name] = self._touched[host.name] = host
        for beyond in host.learn(self._agent, now):
            log.warning(
                "%s asks for a %s of %g s, which counts as max_crawl_delay", host.name, beyond.rule, beyond.seconds
            )
        for row in rows:
            host.window.put(row, now)
        self._settle(host, now)

    def robots_put_back(self, origin: Origin, row: Row, now: float) -> None:
        """The file is asked for again later, or elsewhere."""
        host = self._hosts.get(row.host)
        if host is None:
            self._strays.setdefault(row.host, []).append((row, origin))
            self._calls = True
        else:
            self._send_errand(host, row, origin)
            self._settle(host, now)

    def robots_failed(self, origin: Origin, error: FetchError, now: float) -> None:
        """The file cannot be read: nothing may be fetched from its origin."""
        origin.give_up(error, now)
        rows = origin.unpark()
        host = self._hosts.get(host_of(origin.name))
        if host is not None:
            for row in rows:
                host.window.put(row, now)  # where each finds its refusal
            self._settle(host, now)

    # -- what the display asks

    def busiest(self, n: int) -> list[Host]:
        """The hosts with the most in flight, then with the most waiting."""
        fetching = list(self._fetching.values())
        # Those that only wait are found among some: a look at all of a hundred thousand would hold up the crawl.
        some = fetching if len(fetching) >= n else {*fetching, *islice(self._hosts.values(), SOME)}
        return heapq.nlargest(n, some, key=lambda host: (host.permits.taken, host.waiting))

    def why(self, host: Host, now: float) -> tuple[str, float]:
        """Why a host waits, and for how many seconds where that is known."""
        if host.naming:
            return "resolving", 0.0
        if host.permits.locked or host.unsent:
            return "fetching", 0.0
        if host.opening() == NEVER:
            return "robots.txt" if any(origin.asked for origin in host.origins.values()) else "", 0.0
        rule = host.rule if host.opens_at >= host.opening() else RETRY_RULE
        return rule, max(0.0, host.opening() - now)

    # -- inside

    def _hold(self, host: Host, row: Row, now: float) -> None:
        """Take a row in: to wait for its turn, unless its answer is at hand."""
        host.held.add(row.id)
        if row.id in self.at_hand:
            self._replays.append(row)
        else:
            host.window.put(row, now)

    def _settle(self, host: Host, now: float) -> None:
        """Put a host where it belongs after any change."""
        # What is replayed is in no window, and must not be taken in faster than it is read.
        crowded = len(self._replays) >= self._each * 4
        if host.backlog > 0 and not host.refilling and not crowded and self._runs_low(host.window):
            self._hungry[host.name] = host
        if host.done:
            self._idle[host.name] = host
        else:
            self._idle.pop(host.name, None)
        self._line.place(host, now)

    def _give_back(self, turn: Turn, now: float) -> None:
        turn.host.permits.give_back()
        if not turn.host.permits.taken:
            self._fetching.pop(turn.host.name, None)
        for group in turn.groups:
            group.in_flight -= 1
            self._line.settle(group)
        self._settle(turn.host, now)

    def _runs_low(self, window: Window) -> bool:
        return window.ready() <= self._each // 4 and not window.full(self._each * 4)

    def _turn(self, host: Host, now: float, may_connect: bool) -> Turn | None:
        """A turn at a host whose time has come, unless it turns out that something is wanting."""
        row, origin = (None, None) if host.shut_outside_hours(now, self._agent) else self._pick(host, now)
        if row is None:
            self._line.give_way(host)
            return None
        url = row.request.url
        address = self._address_of(url)
        connecting = not self._has_idle(url)
        groups = self._groups_of(host, address, now)
        shut = next((group for group in groups if group.shuts(host, now)), None)
        if (address is None and not host.looked_up) or (connecting and not may_connect) or shut is not None:
            self._put_again(host, row, origin, now)
            self._hold_up(host, url, address, shut, now)
            return None
        host.looked_up, host.passes = False, ()
        host.permits.take()
        self._fetching[host.name] = host
        host.unsent = host.throttle.pause().seconds > 0
        for group in groups:
            group.in_flight += 1
            group.unsent += 1
        allowing = None if host.limits.ignores_robots(now) or origin else host.origins[origin_of(url)]
        return Turn(
            host=host,
            row=row,
            at=now,
            due=max(host.opens_at, row.not_before),
            rule=host.rule if host.opens_at >= row.not_before else RETRY_RULE,
            groups=groups,
            address=address or "",
            origin=allowing,
            rules=allowing.rules if allowing is not None else None,
            robots_of=origin,
            connecting=connecting,
        )

    def _hold_up(self, host: Host, url: str, address: str | None, shut: Group | None, now: float) -> None:
        """Say what a host waits for that could go but for its name, its group, or the right to connect."""
        if address is None and not host.looked_up:
            host.naming = True
            self.unresolved.append((host.name, url))
            self._line.give_way(host)
        elif shut is not None:
            self._line.wait_for(shut, host, now)
        else:
            self._line.gate(host)

    def _groups_of(self, host: Host, address: str | None, now: float) -> tuple[Group, ...]:
        """The groups in which a host's sends count, by its address of the moment and by its domain."""
        limits = host.limits
        names = [(address, limits.per_address), (limits.per_domain and host.domain, limits.per_domain)]
        return tuple(self._group(name, share, now) for name, share in names if name and share)

    def _group(self, name: str, share: int, now: float) -> Group:
        group = self._groups.get(name)
        if group is None:
            if len(self._groups) >= self._max_groups:
                groups = self._groups.items()
                self._groups = {name: each for name, each in groups if not each.idle or each.counts_until > now}
                # Half of them are new before the next look, so that looking costs each no more than a few steps.
                self._max_groups = max(MAX_GROUPS, 2 * len(self._groups))
            group = self._groups[name] = Group(name, share)
        group.share = share
        return group

    def _pick(self, host: Host, now: float) -> tuple[Row | None, Origin | None]:
        """The next row that may go; or the errand that must go first, with its origin."""
        if host.errands and host.errands[0][0] <= now and host.opens_at <= now:
            _, _, row, origin = heapq.heappop(host.errands)
            return row, origin
        while (waiting := host.window.pop(now)) is not None:
            refused = self._refusal(host, waiting, now)
            if refused is not None:
                self.refused.append(refused)
                continue
            if host.limits.ignores_robots(now):
                return waiting, None
            name = origin_of(waiting.request.url)
            origin = host.origins.get(name) or host.origins.setdefault(name, Origin(name))
            if origin.knows(now):
                if not origin.goes_stale(now):
                    return waiting, None
                host.window.put(waiting, now)  # it may go by the copy that there is, after the new one was asked for
            else:
                origin.parked.append(waiting)
            if not origin.asked:
                origin.asked = True
                return Row(next(self._errand_ids), host.name, origin.robots_request()), origin
        return None, None

    def _refusal(self, host: Host, row: Row, now: float) -> Refused | None:
        """The outcome of a row that will not be sent, whenever its turn came."""
        if (down := host.down) is not None:
            return Refused(row, Outcome.FAILED, down.reason, down)
        if (budget := host.budget.exceeded(now)) is not None:
            return Refused(row, Outcome.DROPPED, budget)
        origin = host.origins.get(origin_of(row.request.url))
        if host.limits.ignores_robots(now) or origin is None or not origin.knows(now):
            return None
        if origin.error is not None:
            return Refused(row, Outcome.FAILED, origin.error.reason, origin.error)
        return self._disallowed(row, row.request, origin)

    def _disallowed(self, row: Row, request: Request, origin: Origin) -> Refused | None:
        verdict = origin.verdict(request, self._agent)
        if verdict.allowed:
            return None
        return Refused(row, Outcome.DISALLOWED, "robots.txt", digest=origin.digest, line=verdict.line)

    def _remove(self, host: Host) -> None:
        del self._hosts[host.name]
        self._line.remove(host)
        self._line.give_way(host)
        for places in (self._hungry, self._idle, self._notable, self._touched):
            places.pop(host.name, None)

    def _put_again(self, host: Host, row: Row, origin: Origin | None, now: float) -> None:
        if origin is None:
            host.window.put(row, now)
        else:
            self._send_errand(host, row, origin)

    def _send_errand(self, host: Host, row: Row, origin: Origin) -> None:
        heapq.heappush(host.errands, (row.not_before, row.id, row, origin))
