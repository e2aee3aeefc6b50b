"""How a host's politeness is written down beside the frontier, and read back.

It comes to one line of JSON: its back-off, its circuit, its budget, its last send, and of each origin's robots.txt the
status, the time, and the digest by which the ledger keeps the body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import uuid4

from pydantic_core import from_json, to_json

from scrapekit.errors import RobotsUnreachable
from scrapekit.origins import Origin

#: Of a host's state, what is written as it is.
FACTS: Final = ("throttle", "circuit", "budget", "last_sent")


class HostMemory:
    """Writes and reads what is remembered of hosts; ``body`` finds a robots.txt by its digest, None if it is gone.

    An origin that was given up stays so for this process; the next one may try again. What is on record in the ledger
    of this process need not be put there again.
    """

    def __init__(self, body: Callable[[str], bytes | None]) -> None:
        self._body, self._process = body, uuid4().hex[:8]

    def __repr__(self) -> str:
        return f"<HostMemory of process {self._process}>"

    def dump(self, memory: Mapping[str, Any] | None) -> str:
        """A host's memory as text."""
        if memory is None:
            return ""
        facts = {key: memory[key] for key in FACTS if memory.get(key)}
        origins = {name: known for name, origin in memory["origins"].items() if (known := self._known(origin))}
        return to_json(facts | {"origins": origins}).decode()

    def load(self, text: str) -> dict[str, Any] | None:
        """Read back what ``dump`` gave."""
        if not text:
            return None
        memory: dict[str, Any] = from_json(text)
        origins = [self._origin(name, *known) for name, known in memory["origins"].items()]
        return memory | {"origins": {origin.name: origin for origin in origins if origin is not None}}

    def _known(self, origin: Origin) -> tuple[Any, ...] | None:
        if origin.error is not None:
            return 0, 0.0, "", self._process, origin.error.detail
        # A body is found by its digest, which it gets as it goes on record: until then it is not known for good.
        readable = origin.digest or not 200 <= origin.status < 300
        if origin.rules is None or not readable:
            return None
        return origin.status, origin.fetched, origin.digest, self._process if origin.recorded else ""

    def _origin(
        self, name: str, status: int, fetched: float, digest: str, process: str, error: str | None = None
    ) -> Origin | None:
        origin, ours = Origin(name), process == self._process
        if error is not None:
            origin.error = RobotsUnreachable(error, url=f"{name}/robots.txt")
            return origin if ours else None
        body = self._body(digest) if digest else b""
        if body is None:
            return None
        origin.learn(status, body, fetched)
        origin.digest, origin.recorded = digest, ours
        return origin
