"""What was in force when: settings and robots.txt, as the ledger has them, asked by host and by place in the ledger.

A send is judged by what stood on record above it, for that was known when its turn was taken. Pure but for the bodies
of robots.txt, which it reads from the run's folder.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from scrapekit import hours, robots
from scrapekit.config import Settings
from scrapekit.errors import ConfigError
from scrapekit.hours import Hours
from scrapekit.ledger import FILE_NAME, Account, RobotsCopy
from scrapekit.robots import RequestRate, Robots
from scrapekit.tables import Limits
from scrapekit.url import host_of

#: A robots.txt is not used for longer (RFC 9309 §2.4). Seconds.
MAX_AGE: Final = 24 * 3600.0
#: What may be lost where times are rounded to the microsecond and added up as floats. Seconds.
ROUNDING: Final = 2e-6
_ALL: Final = robots.parse(b"")


class Pause(NamedTuple):
    """A least time between two starts, in seconds, and the rule that asks for it."""

    seconds: float
    rule: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What the settings ask for one host, as far as it is judged; times in seconds, None and 0 for no limit."""

    delay: float
    concurrency: int
    adaptive: float
    robots: str
    robots_reason: str | None
    robots_until: Any
    max_crawl_delay: float
    max_retry_after: float
    per_address: int
    per_domain: int
    max_pages: int | None
    max_bytes: int | None
    max_errors: int | None
    max_time: float | None
    circuit_failures: int
    visit: Hours | None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What one robots.txt asks of us besides its rules."""

    delay: float | None
    rate: RequestRate | None
    visit: Hours | None


class Law:
    """What an account says was in force. Raises ConfigError where it says too little, or a kept body is not there."""

    def __init__(self, account: Account) -> None:
        self._account = account
        if not account.settings:
            raise ConfigError("names no settings", file=account.folder / FILE_NAME)
        self._changed = [each.seq for each in account.settings]
        self._settings = [Settings.make(each.data) for each in account.settings]
        self.spider = account.runs[0].spider
        self._copies: dict[str, list[RobotsCopy]] = defaultdict(list)
        self._origins: dict[str, list[str]] = defaultdict(list)
        for copy in account.robots:
            if copy.origin not in self._copies:
                self._origins[host_of(copy.origin + "/")].append(copy.origin)
            self._copies[copy.origin].append(copy)
        self._terms: dict[tuple[str, int], Terms] = {}
        self._rules: dict[str, Robots] = {}
        self._wishes: dict[tuple[str, str], Wishes] = {}

    def __repr__(self) -> str:
        return f"<Law of {len(self._settings)} settings and {len(self._account.robots)} copies of robots.txt>"

    # -- settings

    def settings(self, seq: int) -> Settings:
        """Those in force at a place in the ledger."""
        return self._settings[self._index(seq)]

    def terms(self, host: str, seq: int) -> Terms:
        """What they ask for a host."""
        key = host, self._index(seq)
        found = self._terms.get(key)
        if found is None:
            found = self._terms[key] = _terms(self._settings[key[1]].limits_for(host, self.spider))
        return found

    def _index(self, seq: int) -> int:
        return max(0, bisect_left(self._changed, seq) - 1)

    # -- robots.txt

    def copies(self, origin: str) -> list[RobotsCopy]:
        """All that became known of an origin's robots.txt, in its order."""
        return self._copies.get(origin, [])

    def in_force(self, origin: str, seq: int, now: float) -> RobotsCopy | None:
        """The latest copy that was read, no older than 24 hours; None if there is none."""
        for copy in reversed(self._above(origin, seq)):
            if not closes(copy):
                return copy if now <= copy.fetched + MAX_AGE + ROUNDING else None
        return None

    def why_not(self, origin: str, seq: int) -> str:
        """The rule that is broken by a page of an origin for which no copy is in force."""
        above = self._above(origin, seq)
        if not above:
            return "robots-missing"
        return "robots-closed" if closes(above[-1]) else "robots-stale"

    def rules(self, copy: RobotsCopy) -> Robots:
        """What a copy says: its rules for 2xx, and otherwise that all is allowed (RFC 9309 §2.3.1.3)."""
        if not 200 <= copy.status < 300:
            return _ALL
        found = self._rules.get(copy.digest)
        if found is None:
            found = self._rules[copy.digest] = robots.parse(self._account.body(copy.digest))
        return found

    def wishes(self, host: str, seq: int, now: float) -> Iterator[Wishes]:
        """What the robots.txt of all the host's origins ask for, where they are obeyed."""
        if self.terms(host, seq).robots == "ignore":
            return
        agent = self.settings(seq).identity.name
        for origin in self._origins.get(host, ()):
            copy = self.in_force(origin, seq, now)
            if copy is not None and copy.digest:
                yield self._asked(copy, agent)

    def pause(self, host: str, seq: int, now: float) -> Pause:
        """The least time from one start to the next by settings and Crawl-delay, and which of them it is."""
        terms = self.terms(host, seq)
        longest = Pause(terms.delay, "delay")
        for wish in self.wishes(host, seq, now):
            asked = min(wish.delay or 0.0, terms.max_crawl_delay)
            if asked > longest.seconds:
                longest = Pause(asked, "crawl-delay")
        return longest

    def _above(self, origin: str, seq: int) -> list[RobotsCopy]:
        copies = self.copies(origin)
        if copies and copies[-1].seq < seq:
            return copies
        return copies[: bisect_left(copies, seq, key=lambda copy: copy.seq)]

    def _asked(self, copy: RobotsCopy, agent: str) -> Wishes:
        found = self._wishes.get((copy.digest, agent))
        if found is None:
            rules = self.rules(copy)
            visit = rules.visit_time(agent)
            found = Wishes(rules.delay(agent), rules.request_rate(agent), hours.of_robots(visit) if visit else None)
            self._wishes[copy.digest, agent] = found
        return found


def closes(copy: RobotsCopy) -> bool:
    """Whether what became known shuts the origin (RFC 9309 §2.3.1.4; 429 as well, which is politer)."""
    return bool(copy.error) or copy.status < 200 or copy.status >= 500 or copy.status == 429


def _terms(limits: Limits) -> Terms:
    visit = getattr(limits, "visit", None)
    return Terms(
        delay=limits.delay,
        concurrency=limits.concurrency,
        adaptive=getattr(limits, "adaptive", 0.0),
        robots=limits.robots,
        robots_reason=limits.robots_reason,
        robots_until=getattr(limits, "robots_until", None),
        max_crawl_delay=limits.max_crawl_delay,
        max_retry_after=limits.max_retry_after,
        per_address=getattr(limits, "per_address", 0),
        per_domain=getattr(limits, "per_domain", 0),
        max_pages=getattr(limits, "max_pages", None),
        max_bytes=getattr(limits, "max_bytes", None),
        max_errors=getattr(limits, "max_errors", None),
        max_time=getattr(limits, "max_time", None),
        circuit_failures=getattr(limits, "circuit_failures", 0),
        visit=hours.parse(visit) if isinstance(visit, str) else visit,
    )
