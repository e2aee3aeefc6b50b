"""How requests ended, packed by commit: what a later run needs to visit the same pages again.

One commit's outcomes are one JSON text, compressed. A polite crawl commits them one by one, and a short text alone does
not compress: so each begins as if what stands in most of them had gone before. Failed requests are not among them: they
stand in a table of their own, since they can be put back.
"""

from __future__ import annotations

import json
import zlib
from base64 import b85decode, b85encode
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scrapekit.frontier.contract import Ended, Outcome, Row, Validators
from scrapekit.frontier.rows import more_of, row_of
from scrapekit.frontier.schema import Translated, damaged, open_to_read
from scrapekit.request import Request

#: What goes before each text, the most likely last. It is part of the version of the file: archives are read with it.
_BEFORE: Final = (
    b'{"meta": {"attempt": 1, "history": ["priority": 0, "errback": "failed","failed","timeout","dropped","offsite",'
    b"Sun, 31 Dec 2020 Sat, 28 Feb 2021 Fri, 30 Mar 2022 Thu, 29 Apr 2023 Wed, 27 May 2024 Tue, 26 Jun Jul Aug Sep Oct "
    b'2025 Nov 2026","disallowed","robots.txt",null,0,0],null,null,"fetched","status 404",null,0,0],'
    b'["W/\\"","http://www.","https://www.com/.org/index.php?page=1&id=.html","{\\"callback\\": \\"parse_item\\"}",'
    b'"fetched","",["\\"-\\"","Mon, 01 Jan 2026 00:00:00 GMT","'
)


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
    press = zlib.compressobj(level=6, wbits=-15, memLevel=9, zdict=_BEFORE)
    return press.compress(json.dumps(told, separators=(",", ":")).encode()) + press.flush()


def unpack(packed: bytes) -> Iterator[Archived]:
    """What was packed. Raises ValueError, TypeError, LookupError or zlib.error for what was not."""
    for number, url, depth, parent, more, outcome, reason, validators, place, items in json.loads(_unpressed(packed)):
        row = row_of("", number, url, depth, parent, more)
        end = Outcome(outcome), reason, _validators(validators)
        yield Archived(number, row.request, row.history, *end, place, items)


def stored_validators(validators: Validators | None) -> list[str] | None:
    """Validators as they are stored, in JSON."""
    if validators is None:
        return None
    return [validators.etag, validators.modified, b85encode(validators.digest).decode()]


_FAILED: Final = """
SELECT h.name, f.id, f.url, f.depth, p.url, f.more, f.reason, f.validators, f.place, f.items
FROM failed f JOIN hosts h ON h.id = f.host LEFT JOIN parents p ON p.id = f.parent ORDER BY f.id
"""


def _failed(columns: tuple[Any, ...]) -> Archived:
    *stored, reason, validators, place, items = columns
    row = row_of(*stored)
    end = Outcome.FAILED, json.loads(reason), _validators(json.loads(validators))
    return Archived(row.id, row.request, row.history, *end, place, items)


def _row(row: Row) -> list[Any]:
    request = row.request
    return [row.id, request.url, request.depth, request.parent, more_of(row)]


def _end(ended: Ended) -> list[Any]:
    return [ended.outcome.value, ended.reason, stored_validators(ended.validators)]


def _validators(stored: list[str] | None) -> Validators | None:
    if stored is None:
        return None
    etag, modified, digest = stored
    return Validators(etag, modified, b85decode(digest))


def _unpressed(packed: bytes) -> bytes:
    press = zlib.decompressobj(wbits=-15, zdict=_BEFORE)
    return press.decompress(packed) + press.flush()
