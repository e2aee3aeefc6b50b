"""What a crawl counted. The outcomes add up: seen = fetched + failed + disallowed + dropped + pending."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_COUNTERS: Final = frozenset({"statuses", "reasons", "misses"})


@dataclass(slots=True)
class Stats:
    """The counters of one run.

    Requests: ``seen`` ever, by outcome, and ``duplicates``, which were yielded again and not queued. Wire: ``sends``
    (each try, hop and robots.txt), ``retries``, ``redirects``, ``bytes`` received, ``statuses``. ``reasons`` counts
    outcomes by (outcome, reason), such as ``("failed", "status 404")``. Times in seconds.
    """

    seen: int = 0
    fetched: int = 0
    failed: int = 0
    disallowed: int = 0
    dropped: int = 0
    pending: int = 0
    duplicates: int = 0

    #: First requests that have ended, and how many of them failed.
    starts: int = 0
    starts_failed: int = 0

    items: int = 0
    rejected: int = 0
    #: How often each selector of an item field matched nothing, as "Model.field css-query".
    misses: Counter[str] = field(default_factory=Counter)

    sends: int = 0
    retries: int = 0
    redirects: int = 0
    bytes: int = 0
    hosts: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)

    #: Why the crawl ended: finished, max-pages, max-items, max-time, max-failures, fail-fast, stalled, interrupted …
    end: str = ""
    started: float = 0.0  # wall clock, seconds since the epoch
    duration: float = 0.0
    #: How often the run was taken up again.
    resumes: int = 0

    @property
    def done(self) -> int:
        """How many requests have their outcome."""
        return self.fetched + self.failed + self.disallowed + self.dropped

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, for ``stats.json``."""
        # It goes with every commit: asdict, which copies all that it meets, takes ten times as long.
        plain: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain["statuses"] = {str(status): count for status, count in sorted(self.statuses.items())}
        plain["reasons"] = {f"{outcome}: {why}": count for (outcome, why), count in self.reasons.most_common()}
        plain["misses"] = dict(self.misses.most_common())
        return plain

    def restore(self, plain: Mapping[str, Any]) -> None:
        """Go on from what ``to_dict`` gave."""
        for name, value in plain.items():
            if name not in _COUNTERS:
                setattr(self, name, value)
        self.statuses = Counter({int(status): count for status, count in plain["statuses"].items()})
        self.misses = Counter(plain["misses"])
        reasons = {tuple(key.split(": ", 1)): count for key, count in plain["reasons"].items()}
        self.reasons = Counter(reasons)


@dataclass(frozen=True, slots=True)
class HostView:
    """What the display shows of one host; ``why`` says why it waits, ``wait`` for how many seconds."""

    name: str
    in_flight: int
    waiting: int
    why: str
    wait: float


@dataclass(frozen=True, slots=True)
class View:
    """What the display shows of a crawl at one moment."""

    stats: Stats
    in_flight: int
    queued: int
    elapsed: float
    busiest: tuple[HostView, ...] = ()
