"""JSON: one array of all items, an item a line.

The bracket that closes it is written again after each batch, so the file is strict JSON at any moment, not only once
it is closed; and an empty crawl gives ``[]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic_core import from_json

from scrapekit.errors import ConfigError
from scrapekit.sinks.kept import Kept
from scrapekit.sinks.tail import Tail

_OPENING: Final = b"["
_SPACE: Final = b" \t\r\n"  # RFC 8259 §2


class JsonArraySink:
    """Items as a JSON array in a file; its position is in bytes, the closing bracket not counted, and 0 if it has none.

    So a file that was begun by this sink says of itself that there is nothing in it to be kept.
    """

    def __init__(self, path: Path, *, fresh: bool = True) -> None:
        self._tail = Tail(path, fresh=fresh, closing=b"\n]\n")
        if fresh:
            self.rewind(0)

    def __repr__(self) -> str:
        return f"<JsonArraySink {self._tail.path} at {self._tail.position}>"

    def write(self, items: Sequence[Kept], /) -> None:
        if items:
            lead = "\n" if self._is_empty() else ",\n"
            self._tail.put((lead + ",\n".join([kept.line for kept in items])).encode())

    def position(self) -> int:
        position = self._tail.position
        return position if position > len(_OPENING) else 0

    def rewind(self, position: int, /) -> None:
        self._tail.cut(position)
        if not position:
            self._tail.put(_OPENING)

    def sync(self) -> None:
        self._tail.sync()

    def close(self) -> None:
        self._tail.close()

    def check(self) -> None:
        """Make ready to add to a file that stood before; raises ConfigError if it is not an array.

        The file is read whole.
        """
        text = self._tail.read(0)
        try:
            fits = isinstance(from_json(text, allow_inf_nan=False), list)
        except ValueError as error:
            raise ConfigError(f"is not strict JSON, so nothing can be added: {error}", file=self._tail.path) from None
        if not fits:
            raise ConfigError("holds no JSON array, so nothing can be added", file=self._tail.path)
        self._tail.cut(len(text.rstrip(_SPACE)[:-1].rstrip(_SPACE)))

    def _is_empty(self) -> bool:
        # No JSON value ends with an opening bracket, so one byte tells, also in a file that was found.
        return self._tail.read(self._tail.position - 1, 1) == _OPENING
