"""What is still to be fetched, and what was ever seen.

``contract`` is what every backend does; ``memory`` does it without a disk, for tests and small crawls; ``sqlite`` does
it in a file that outlives the process, which ``peek`` and ``archived`` look into from outside.
"""

from __future__ import annotations

from scrapekit.frontier.archive import Archived, archived
from scrapekit.frontier.contract import (
    SYNC,
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
from scrapekit.frontier.peek import Peek, peek
from scrapekit.frontier.sqlite import SQLiteFrontier

__all__ = [
    "SYNC",
    "Archived",
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
    "Peek",
    "PutBack",
    "Row",
    "SQLiteFrontier",
    "StaleLease",
    "Validators",
    "Want",
    "Write",
    "archived",
    "peek",
]
