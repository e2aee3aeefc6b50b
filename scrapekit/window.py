"""The rows of one host that are in memory and wait for their turn."""

from __future__ import annotations

import heapq
import math
from typing import Final

from scrapekit.frontier import Row

NEVER: Final = math.inf
_FIRST: Final = (0, 0)


class Window:
    """Those that may go, in their order, and those for later."""

    __slots__ = ("_later", "_ready", "_worst")

    def __init__(self) -> None:
        self._ready: list[tuple[int, int, Row]] = []
        self._later: list[tuple[float, int, int, Row]] = []
        self._worst = _FIRST  # the last key among the ready: what is popped is always the first

    def __len__(self) -> int:
        return len(self._ready) + len(self._later)

    def put(self, row: Row, now: float) -> None:
        """Take one in."""
        if row.not_before > now:
            heapq.heappush(self._later, (row.not_before, *row.key, row))
        else:
            self._make_ready(row)

    def pop(self, now: float) -> Row | None:
        """The next that may go now."""
        while self._later and self._later[0][0] <= now:
            self._make_ready(heapq.heappop(self._later)[-1])
        return heapq.heappop(self._ready)[-1] if self._ready else None

    def earliest(self) -> float:
        """When the first of them may go."""
        if self._ready:
            return 0.0
        return self._later[0][0] if self._later else NEVER

    def full(self, size: int) -> bool:
        """Whether there are so many already."""
        return len(self) >= size

    def ready(self) -> int:
        """How many may go, as far as is known."""
        return len(self._ready)

    def yields_to(self, row: Row) -> bool:
        """Whether this row goes before some that are here."""
        return bool(self._ready) and row.key < self._worst

    def _make_ready(self, row: Row) -> None:
        key = row.key
        self._worst = max(self._worst, key) if self._ready else key
        heapq.heappush(self._ready, (*key, row))
