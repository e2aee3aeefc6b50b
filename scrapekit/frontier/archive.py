"""How requests ended, packed by commit: what a later run needs to visit the same pages again.

One commit's outcomes are one JSON text, compressed. Failed requests are not among them: they stand in a table of their
own, since they can be put back.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scrapekit.frontier.contract import Ended, Outcome, Row, Validators
from scrapekit.frontier.rows import more_of, row_of
from scrapekit.frontier.schema import Translated, damaged, open_to_read
from scrapekit.request import Request

_LEVEL: Final = 6


@dataclass(frozen=True, slots=True)
class Archived:
    """One request that has ended: ``request`` as it was last sent, ``history`` the URLs that redirected there.

    Its items are the lines ``place`` to ``place + items`` of the run's ``items.jsonl``.
    """

    id: int
    request: Request
    history: tuple[str, ...]
    outcome: Outcome
    reason: str
    validators: Validators | None
    place: int
    items: int


#: An outcome, and how many items the run had written before those of it.
Entry = tuple[Ended, int]


def archived(path: Path) -> Iterator[Archived]:
    """All requests of a run that have ended, those refused before queueing excepted.

    Reads only, and may be asked of a run that is alive. Raises SinkError where the file is damaged, ConfigError where
    its version is not one that we read.
    """
    with Translated(path, "read"), closing(open_to_read(path)) as data:
        try:
            for (packed,) in data.execute("SELECT packed FROM archive ORDER BY id"):
                yield from unpack(packed)
            for columns in data.execute(_FAILED):
                yield _failed(columns)
        except (ValueError, TypeError, LookupError, zlib.error) as error:
            raise damaged(path, error) from error


def pack(entries: Sequence[Entry]) -> bytes:
    """Outcomes as one compressed text."""
    told = [[*_row(ended.row), *_end(ended), place, ended.items] for ended, place in entries]
    return zlib.compress(json.dumps(told, separators=(",", ":")).encode(), _LEVEL)


def unpack(packed: bytes) -> Iterator[Archived]:
    """What was packed. Raises ValueError, TypeError, LookupError or zlib.error for what was not."""
    for number, url, depth, parent, more, outcome, reason, validators, place, items in json.loads(
        zlib.decompress(packed)
    ):
        row = row_of("", number, url, depth, parent, more)
        end = Outcome(outcome), reason, _validators(validators)
        yield Archived(number, row.request, row.history, *end, place, items)


def validators_text(validators: Validators | None) -> str | None:
    """Validators as they are stored."""
    if validators is None:
        return None
    return json.dumps([validators.etag, validators.modified, validators.digest.hex()])


_FAILED: Final = """
SELECT h.name, f.id, f.url, f.depth, p.url, f.more, f.reason, f.validators, f.place, f.items
FROM failed f JOIN hosts h ON h.id = f.host LEFT JOIN parents p ON p.id = f.parent ORDER BY f.id
"""


def _failed(columns: tuple[Any, ...]) -> Archived:
    *stored, reason, validators, place, items = columns
    row = row_of(*stored)
    end = Outcome.FAILED, json.loads(reason), _validators(validators)
    return Archived(row.id, row.request, row.history, *end, place, items)


def _row(row: Row) -> list[Any]:
    request = row.request
    return [row.id, request.url, request.depth, request.parent, more_of(row)]


def _end(ended: Ended) -> list[Any]:
    return [ended.outcome.value, ended.reason, validators_text(ended.validators)]


def _validators(text: Any) -> Validators | None:
    if text is None:
        return None
    etag, modified, digest = json.loads(text)
    return Validators(etag, modified, bytes.fromhex(digest))
