"""What an audit finds: for each host what was sent and what was left alone, and where a rule was broken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from scrapekit.ledger import RunStart


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that was broken: by which send, at what time, what was, and what would have been allowed."""

    rule: str
    host: str
    at: float
    url: str
    was: str
    allowed: str


@dataclass(slots=True)
class HostReport:
    """One host. Times in seconds; gaps are between the first bytes of two sends, None below two of them.

    ``delay`` was in force at the last send, by ``source``, with at most ``concurrency`` at once. ``requests`` counts
    the sends, ``robots_fetches`` those for robots.txt among them; ``cut_off`` those that the death of the process
    ended; ``by_time`` counts them in equal parts of the time from first to last. ``waits`` counts how often the site
    asked for a pause and got it, ``waited`` is how long that was in all.
    """

    host: str
    requests: int = 0
    robots_fetches: int = 0
    cut_off: int = 0
    first: float | None = None
    last: float | None = None
    least_gap: float | None = None
    median_gap: float | None = None
    by_time: list[int] = field(default_factory=list)
    most_at_once: int = 0
    delay: float = 0.0
    source: str = ""
    concurrency: int = 1
    size: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    disallowed: int = 0
    left_alone: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    waits: int = 0
    waited: float = 0.0
    violations: list[Violation] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Report:
    """The whole audit. ``runs`` are the process's starts; ``torn`` the ledger's lines that were cut short by its end.

    ``contact`` is who answers for the crawl, ``between`` its first moment and its last.
    """

    run: str
    runs: list[RunStart]
    contact: str | None
    between: tuple[float, float]
    hosts: list[HostReport]
    torn: list[int]

    @property
    def violations(self) -> list[Violation]:
        """Those of all hosts, in the order of their times."""
        return sorted((each for host in self.hosts for each in host.violations), key=lambda each: each.at)

    @property
    def requests(self) -> int:
        """How many sends there were in all."""
        return sum(host.requests for host in self.hosts)

    def of_host(self, name: str) -> HostReport | None:
        """One host's part."""
        return next((host for host in self.hosts if host.host == name), None)

    def to_dict(self) -> Mapping[str, Any]:
        """For JSON."""
        start = self.runs[-1]
        return {
            "run": self.run,
            "spider": start.spider,
            "agent": start.agent,
            "user_agent": start.user_agent,
            "contact": self.contact,
            "version": start.version,
            "starts": [each.at for each in self.runs],
            "from": self.between[0],
            "to": self.between[1],
            "requests": self.requests,
            "violations": len(self.violations),
            "torn_lines": self.torn,
            "hosts": [host.to_dict() for host in self.hosts],
        }
