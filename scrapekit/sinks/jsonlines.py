"""JSON Lines: one item a line, UTF-8. The format of a run's own record, and the one to take for large crawls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic_core import from_json

from scrapekit.errors import ConfigError
from scrapekit.sinks.kept import Kept
from scrapekit.sinks.tail import Tail


class JsonLinesSink:
    """Items as lines of JSON in a file; its position is in bytes."""

    def __init__(self, path: Path, *, fresh: bool = True) -> None:
        self._tail = Tail(path, fresh=fresh)

    def __repr__(self) -> str:
        return f"<JsonLinesSink {self._tail.path} at {self._tail.position}>"

    def write(self, items: Sequence[Kept], /) -> None:
        if items:
            self._tail.put(("\n".join([kept.line for kept in items]) + "\n").encode())

    def position(self) -> int:
        return self._tail.position

    def rewind(self, position: int, /) -> None:
        self._tail.cut(position)

    def sync(self) -> None:
        self._tail.sync()

    def close(self) -> None:
        self._tail.close()

    def check(self) -> None:
        """Make ready to add to a file that stood before; raises ConfigError if it ends in the midst of an item."""
        last = self._last_line()
        if not last:
            return
        try:
            from_json(last)
        except ValueError:
            raise ConfigError("ends in the midst of an item, so nothing can be added", file=self._tail.path) from None
        self._tail.put(b"\n")

    def _last_line(self) -> bytes:
        """What stands after the last line end."""
        start, step, text = self._tail.position, 65536, b""
        while start and b"\n" not in text:
            start, step = max(0, start - step), step * 2
            text = self._tail.read(start)
        return text[text.rfind(b"\n") + 1 :].strip()
