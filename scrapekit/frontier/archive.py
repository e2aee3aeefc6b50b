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

from scrapekit.frontier.contract import Ended, Outcome, Validators
from scrapekit.frontier.rows import more_of, row_of
from scrapekit.frontier.schema import Translated, damaged, open_to_read
from scrapekit.request import Request

_LEVEL: Final = 6


@dataclass(frozen=True, slots=True)
class Archived:
    """One request that has ended: ``request`` as it was last sent, ``history`` the URLs that redirected there."""

    id: int
    request: Request
    history: tuple[str, ...]
    outcome: Outcome
    reason: str
    validators: Validators | None


def archived(path: Path) -> Iterator[Archived]:
    """All requests of a run that have ended, those refused before queueing excepted.

    Reads only, and may be asked of a run that is alive. Raises SinkError where the file is damaged, ConfigError where
    its version is not one that we read.
    """
    with Translated(path), closing(open_to_read(path)) as data:
        try:
            for (packed,) in data.execute("SELECT packed FROM archive ORDER BY id"):
                yield from unpack(packed)
            for columns in data.execute(_FAILED):
                yield _failed(*columns)
        except (ValueError, TypeError, LookupError, zlib.error) as error:
            raise damaged(path, error) from error


def pack(ended: Sequence[Ended]) -> bytes:
    """Outcomes as one compressed text."""
    entries = []
    for one in ended:
        request = one.row.request
        entries.append(
            [
                one.row.id,
                request.url,
                request.depth,
                request.parent,
                more_of(one.row),
                one.outcome.value,
                one.reason,
                validators_text(one.validators),
            ]
        )
    return zlib.compress(json.dumps(entries, separators=(",", ":")).encode(), _LEVEL)


def unpack(packed: bytes) -> Iterator[Archived]:
    """What was packed. Raises ValueError, TypeError, LookupError or zlib.error for what was not."""
    for number, url, depth, parent, more, outcome, reason, validators in json.loads(zlib.decompress(packed)):
        row = row_of("", number, url, depth, parent, more)
        yield Archived(number, row.request, row.history, Outcome(outcome), reason, _validators(validators))


def validators_text(validators: Validators | None) -> str | None:
    """Validators as they are stored."""
    if validators is None:
        return None
    return json.dumps([validators.etag, validators.modified, validators.digest.hex()])


_FAILED: Final = """
SELECT f.id, h.name, f.url, f.depth, p.url, f.more, f.reason, f.validators
FROM failed f JOIN hosts h ON h.id = f.host LEFT JOIN parents p ON p.id = f.parent ORDER BY f.id
"""


def _failed(
    id: int, host: str, url: str, depth: int, parent: str | None, more: str | None, reason: str, validators: str | None
) -> Archived:
    row = row_of(host, id, url, depth, parent, more)
    return Archived(id, row.request, row.history, Outcome.FAILED, json.loads(reason), _validators(validators))


def _validators(text: Any) -> Validators | None:
    if text is None:
        return None
    etag, modified, digest = json.loads(text)
    return Validators(etag, modified, bytes.fromhex(digest))
