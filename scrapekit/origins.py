"""One origin's robots.txt: what is known of it, when it must be asked for again, and who waits for it.

Pure: no I/O, the clock is handed in. RFC 9309 §2.3.1 says what an answer means: 2xx are rules, other 4xx allow
everything, and what cannot be reached (5xx, network errors, and to be politer than its letter 429) allows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from scrapekit import robots
from scrapekit.errors import BadStatus, Disallowed, FetchError, RobotsUnreachable
from scrapekit.frontier import Row
from scrapekit.request import Request

#: A copy is not used for longer (RFC 9309 §2.4).
MAX_AGE: Final = 24 * 3600.0
#: As many redirects are followed (RFC 9309 §2.3.1.2).
MAX_HOPS: Final = 5

ALLOW_ALL: Final = robots.parse(b"")


@dataclass(slots=True)
class Origin:
    """What is known of one origin's robots.txt.

    ``rules`` are in force until ``expires``; ``error`` stands once the origin was given up. ``asked`` is true from the
    moment the file is asked for until it is known; rows that need it meanwhile are ``parked``.
    """

    name: str
    rules: robots.Robots | None = None
    expires: float = 0.0
    error: FetchError | None = None
    asked: bool = False
    parked: list[Row] = field(default_factory=list)

    def knows(self, now: float) -> bool:
        """Whether there are rules, or the certainty that there will be none."""
        return self.error is not None or (self.rules is not None and now < self.expires)

    def refusal(self, request: Request, agent: str) -> FetchError | None:
        """Why this request may not go: Disallowed with the rule's line, the error that closed the origin, or None."""
        if self.error is not None:
            return self.error
        assert self.rules is not None
        verdict = self.rules.verdict(agent, request.url)
        if verdict.allowed:
            return None
        return Disallowed(f"robots.txt line {verdict.line}: {verdict.rule}", url=request.url)

    def delay(self, agent: str) -> float | None:
        """The Crawl-delay for us, in seconds."""
        return self.rules.delay(agent) if self.rules else None

    def robots_request(self) -> Request:
        """The request for the file."""
        return Request(f"{self.name}/robots.txt", dont_filter=True)

    def learn(self, status: int, body: bytes, now: float) -> None:
        """Take the final answer of a request for the file."""
        self.rules = robots.parse(body) if 200 <= status < 300 else ALLOW_ALL
        self.expires, self.error = now + MAX_AGE, None

    def give_up(self, error: FetchError) -> None:
        """Close the origin: nothing could be read. A host that does not answer ends with the error itself."""
        if isinstance(error, BadStatus):
            error = RobotsUnreachable(f"robots.txt answers {error.status}", url=f"{self.name}/robots.txt")
        self.error = error

    def unpark(self) -> list[Row]:
        """The rows that waited, now that waiting is over."""
        self.asked = False
        rows, self.parked = self.parked, []
        return rows

    def remember(self) -> dict[str, Any] | None:
        """What the next lease of the host should know."""
        if self.rules is None:
            return None
        return {"origin": self.name, "rules": self.rules, "expires": self.expires}


def closes(status: int) -> bool:
    """Whether a robots.txt with this status shuts its origin (RFC 9309 §2.3.1.4; 429 as well, which is politer)."""
    return status >= 500 or status == 429
