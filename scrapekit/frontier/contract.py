"""The frontier's contract: a queue that many workers could share.

A worker leases *hosts*, not URLs, and is then the only one that enforces that host's limits. A request has no leased
state: its row stays pending until its outcome commits, and the worker itself remembers which ids it holds. So a window
of requests may be dropped freely, and what a dead worker held is pending still.

All calls are synchronous, take batches, and come from one thread at a time. Times are seconds since the epoch, handed
in by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, NamedTuple, Protocol

from scrapekit.errors import ScrapekitError
from scrapekit.request import Request

#: Seconds. A commit of a durable frontier waits for the disk if none has for so long; who commits sees to it that one
#: comes, if an empty one.
SYNC: Final = 1.0


class Outcome(Enum):
    """How a request ended; exactly one each."""

    FETCHED = "fetched"
    FAILED = "failed"
    DISALLOWED = "disallowed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Row:
    """A request in the frontier. ``id`` is what outcome and resume stand on; it stays through every put-back.

    ``attempt`` counts the failed tries so far, ``history`` the URLs that redirected here, ``not_before`` is the
    earliest time at which it may go.
    """

    id: int
    host: str
    request: Request
    attempt: int = 0
    history: tuple[str, ...] = ()
    not_before: float = 0.0

    @property
    def key(self) -> tuple[int, int]:
        """Rows go in this order within their host: by priority, then first in, first out."""
        return -self.request.priority, self.id


class Validators(NamedTuple):
    """By what a page can be asked for again, if it has changed: its ETag, its Last-Modified, a digest of its body."""

    etag: str = ""
    modified: str = ""
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Ended:
    """The outcome of one row, with its reason, such as ``status 404`` or ``offsite``.

    ``items`` is how many of the batch's items its callback gave; the items of a batch stand in the order of its
    outcomes. A durable backend archives with each outcome ``items`` and its ``place``: how many items the run had
    written before them, in this and in former commits, those of failed requests among them. So a later run finds a
    page's items: lines ``place`` to ``place + items`` of ``items.jsonl``.
    """

    row: Row
    outcome: Outcome
    reason: str = ""
    validators: Validators | None = None
    items: int = 0


class Found(NamedTuple):
    """A request that was found on a page or by ``start()``.

    ``fingerprint`` decides whether it was seen; None is never seen (``dont_filter``). One that is refused before
    queueing has its ``outcome`` from the beginning.
    """

    request: Request
    host: str
    fingerprint: bytes | None
    outcome: Outcome | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PutBack:
    """A row that goes back to a queue: a retry, or a redirect's next hop.

    ``row`` is as it will stand, perhaps at another host than ``old``'s. ``fingerprint`` is that of a hop's target; None
    skips the test of whether another request has seen it.
    """

    old: Row
    row: Row
    fingerprint: bytes | None = None


@dataclass(frozen=True, slots=True)
class HostState:
    """What must outlive a lease for politeness' sake: when the host opens, and by which rule.

    ``memory`` is whatever the host registry wants back besides (back-off, budgets used, robots rules); opaque to the
    frontier.
    """

    opens_at: float = 0.0
    rule: str = ""
    memory: Any = None


@dataclass(slots=True)
class Batch:
    """What one commit makes true, whole or not at all.

    ``items`` and ``rejected`` go to the sinks within the commit; ``tokens`` are the leases of the hosts whose rows end
    or move in it, ``states`` how hosts of this worker stand now. ``notes`` are JSON-able facts by name, each of which
    takes the place of what was noted under its name before.
    """

    ended: list[Ended] = field(default_factory=list)
    put_back: list[PutBack] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)
    items: list[Any] = field(default_factory=list)
    rejected: list[Any] = field(default_factory=list)
    tokens: dict[str, int] = field(default_factory=dict)
    states: dict[str, HostState] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ended) + len(self.put_back) + len(self.found)

    def take_in(self, later: Batch) -> None:
        """Add what was gathered after this one."""
        self.ended += later.ended
        self.put_back += later.put_back
        self.found += later.found
        self.items += later.items
        self.rejected += later.rejected
        self.tokens |= later.tokens
        self.states |= later.states
        self.notes |= later.notes


@dataclass(slots=True)
class Committed:
    """What a commit answers.

    ``rows``: those new or moved in at hosts that this worker leases, so that they enter windows without a query.
    ``refused``: outcomes that came about in the commit, with their reasons: of links refused before queueing that were
    new, and of hops to what another request had seen (*dropped: duplicate*).
    """

    rows: list[Row] = field(default_factory=list)
    refused: list[tuple[Outcome, str]] = field(default_factory=list)
    new: int = 0
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """One host, this worker's until it is released: its next rows, and how many wait in all (those included)."""

    host: str
    token: int
    state: HostState
    waiting: int
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Leased:
    """The hosts that were given out, and when to ask again: None for not before the next commit."""

    hosts: list[Lease]
    ask_at: float | None


@dataclass(frozen=True, slots=True)
class Want:
    """A leased host's wish for up to ``n`` more rows beyond those held."""

    host: str
    held: Collection[int]
    n: int


@dataclass(slots=True)
class Counts:
    """seen = fetched + failed + disallowed + dropped + pending; ``hosts`` that ever had a row."""

    seen: int = 0
    hosts: int = 0
    pending: int = 0
    ended: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))


class Write(Protocol):
    """Puts a batch's items into the sinks, as the part of a commit that cannot be taken back by the frontier itself.

    ``sync`` asks that they survive a loss of power before it returns. What it answers is noted with the batch. Raises
    SinkError, and then nothing was written.
    """

    def __call__(self, batch: Batch, *, sync: bool) -> Mapping[str, Any]: ...


class StaleLease(ScrapekitError):
    """A host in a batch or a wish is no longer this worker's; nothing of the call was done."""


class Frontier(Protocol):
    """What every backend does."""

    def notes(self) -> dict[str, Any]:
        """What was noted by the commits so far, also those of a process that was killed; empty at the beginning."""

    @property
    def known(self) -> Container[bytes]:
        """Fingerprints that are certainly seen, to be read from any thread: a quick no for a link found again."""

    def lease(self, n: int, each: int, now: float, wanted: Iterable[str] = ()) -> Leased:
        """Up to n hosts whose time has come, each with up to ``each`` rows; ``wanted`` ones whatever they hold."""

    def refill(self, wants: Sequence[Want], now: float) -> dict[str, list[Row]]:
        """The next best rows of leased hosts: those that may go by now in their order, then the earliest others."""

    def commit(self, batch: Batch, write: Write) -> Committed:
        """Make a batch true: outcomes, then what was found (seen and queued are one step), then what is put back.

        If ``write`` raises, nothing of the batch is done. Raises StaleLease where a token is not that of the present
        lease, and SinkError where nothing can be committed any more.
        """

    def release(self, states: Mapping[str, HostState], now: float) -> None:
        """Give hosts back, with the state that whoever leases them next must be handed."""

    def reopen(self, wanted: Callable[[str], bool]) -> int:
        """Put failed requests back whose reason is wanted, as new as on their first day; gives how many."""

    def counts(self) -> Counts:
        """The counters, which add up."""

    def close(self) -> None:
        """Let go of whatever is open."""
