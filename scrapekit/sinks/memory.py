"""Items in a list, for callers from Python and for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scrapekit.errors import SinkShort
from scrapekit.sinks.kept import Kept


class ListSink:
    """Keeps the item objects themselves in ``items``."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    def __repr__(self) -> str:
        return f"<ListSink of {len(self.items)} items>"

    def write(self, items: Sequence[Kept], /) -> None:
        self.items += [kept.item for kept in items]

    def position(self) -> int:
        return len(self.items)

    def rewind(self, position: int, /) -> None:
        if position > len(self.items):
            raise SinkShort(f"was left at {position} items but has only {len(self.items)}", file="<memory>")
        del self.items[position:]

    def sync(self) -> None:
        pass

    def close(self) -> None:
        pass
