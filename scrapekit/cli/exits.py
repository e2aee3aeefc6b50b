"""The exit codes, and which of them a crawl's end means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from scrapekit.stats import Stats

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
WORK_LEFT: Final = 3
#: 128 and the number of the signal, as shells have it.
SIGINT: Final = 130
SIGTERM: Final = 143

#   why the crawl ended   what it exits with; any other end leaves work
_ENDS: Final[Mapping[str, int]] = {
    "finished": DONE,
    "max-failures": FAILED,
    "fail-fast": FAILED,
}


def of_crawl(stats: Stats) -> int:
    """The exit code of a crawl that nobody interrupted."""
    code = _ENDS.get(stats.end, WORK_LEFT)
    if code == WORK_LEFT and not stats.pending and stats.end in ("max-pages", "max-items", "max-time"):
        code = DONE  # the bound fell together with the end
    # Where no request of start() was fetched, nothing else can have been: all that was asked for failed.
    return FAILED if code == DONE and stats.failed and not stats.fetched else code
