"""What is still to be fetched, and what was ever seen.

``contract`` is what every backend does; ``memory`` does it without a disk, for tests and small crawls.
"""

from __future__ import annotations

from scrapekit.frontier.contract import (
    Batch,
    Committed,
    Counts,
    Ended,
    Found,
    Frontier,
    HostState,
    Lease,
    Leased,
    Outcome,
    PutBack,
    Row,
    StaleLease,
    Validators,
    Want,
    Write,
)
from scrapekit.frontier.memory import MemoryFrontier

__all__ = [
    "Batch",
    "Committed",
    "Counts",
    "Ended",
    "Found",
    "Frontier",
    "HostState",
    "Lease",
    "Leased",
    "MemoryFrontier",
    "Outcome",
    "PutBack",
    "Row",
    "StaleLease",
    "Validators",
    "Want",
    "Write",
]
