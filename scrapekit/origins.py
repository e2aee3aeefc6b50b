"""One origin's robots.txt: what is known of it, when it must be asked for again, and who waits for it.

Pure: no I/O, the clock is handed in. RFC 9309 §2.3.1 says what an answer means: 2xx are rules, other 4xx allow
everything, and what cannot be reached (5xx, network errors, and to be politer than its letter 429) allows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from scrapekit import robots
from scrapekit.errors import BadStatus, FetchError, RobotsUnreachable
from scrapekit.frontier import Row
from scrapekit.request import Request

#: A copy is not used for longer (RFC 9309 §2.4).
MAX_AGE: Final = 24 * 3600.0
#: As many redirects are followed (RFC 9309 §2.3.1.2).
MAX_HOPS: Final = 5

#: From this age on a new one is asked for, while the old one is in force still. Seconds.
STALE: Final = MAX_AGE / 2
#: Where that cannot be read, it is tried again after so many seconds.
AGAIN: Final = 3600.0

#: As much of a body is kept as the parser would look at in any encoding, in bytes.
MAX_BODY: Final = 2 * robots.MAX_SIZE + 4

ALLOW_ALL: Final = robots.parse(b"")


@dataclass(slots=True)
class Origin:
    """What is known of one origin's robots.txt.

    ``rules`` are in force until ``expires``, and asked for again from ``stale_at`` on. ``status``, ``body`` and
    ``fetched`` are those of the answer; ``digest`` names it in the ledger once it is ``recorded`` there. ``error``
    stands once the origin was given up. ``asked`` is true from the moment the file is asked for until it is known; rows
    that need it meanwhile are ``parked``.
    """

    name: str
    rules: robots.Robots | None = None
    expires: float = 0.0
    status: int = 0
    body: bytes = b""
    fetched: float = 0.0
    digest: str = ""
    recorded: bool = False
    stale_at: float = 0.0
    error: FetchError | None = None
    asked: bool = False
    parked: list[Row] = field(default_factory=list)

    def knows(self, now: float) -> bool:
        """Whether there are rules, or the certainty that there will be none."""
        return self.error is not None or (self.rules is not None and now < self.expires)

    def goes_stale(self, now: float) -> bool:
        """Whether the copy in force is so old that a new one should be asked for, and nobody has."""
        return self.error is None and now >= self.stale_at and not self.asked

    def verdict(self, request: Request, agent: str) -> robots.Verdict:
        """What the rules in force say of a request."""
        assert self.rules is not None
        return self.rules.verdict(agent, request.url)

    def delay(self, agent: str) -> float | None:
        """The Crawl-delay for us, in seconds."""
        return self.rules.delay(agent) if self.rules else None

    def robots_request(self) -> Request:
        """The request for the file."""
        return Request(f"{self.name}/robots.txt", dont_filter=True)

    def learn(self, status: int, body: bytes, now: float) -> None:
        """Take the final answer of a request for the file."""
        self.status, self.body, self.fetched, self.recorded, self.digest = status, body[:MAX_BODY], now, False, ""
        self.rules = robots.parse(body) if 200 <= status < 300 else ALLOW_ALL
        self.expires, self.stale_at, self.error = now + MAX_AGE, now + STALE, None

    def give_up(self, error: FetchError, now: float) -> None:
        """Close the origin: nothing could be read. A host that does not answer ends with the error itself.

        A copy that is not too old is used meanwhile, and a new one asked for again some time later.
        """
        if self.rules is not None and now < self.expires:
            self.stale_at = now + AGAIN
            return
        if isinstance(error, BadStatus):
            error = RobotsUnreachable(f"robots.txt answers {error.status}", url=f"{self.name}/robots.txt")
        self.error = error

    def unpark(self) -> list[Row]:
        """The rows that waited, now that waiting is over."""
        self.asked = False
        rows, self.parked = self.parked, []
        return rows


def closes(status: int) -> bool:
    """Whether a robots.txt with this status shuts its origin (RFC 9309 §2.3.1.4; 429 as well, which is politer)."""
    return status >= 500 or status == 429
