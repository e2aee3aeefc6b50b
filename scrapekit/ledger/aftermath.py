"""What went on the ledger after a place in it: the sends that a process made, or heard of, after its last commit.

A killed process had put each send on record before it left, and the commit that would have told of it never came.
Whoever resumes the run reads here what the frontier cannot know.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from scrapekit.errors import ConfigError
from scrapekit.ledger.reader import Account, Damaged, Reader
from scrapekit.ledger.writer import FILE_NAME


def aftermath(folder: Path, position: int) -> Account:
    """What a run's ledger says after ``position`` (bytes), and the sends that were not over there.

    What stands before is only skimmed. Raises ConfigError for a ledger that cannot be read.
    """
    path = folder / FILE_NAME
    try:
        with path.open("rb") as file:
            return _read(file, folder, position)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=path) from error
    except Damaged as damage:
        raise ConfigError(f"is not a ledger's line: {damage}", file=path, line=damage.line) from None


def _read(file: BinaryIO, folder: Path, position: int) -> Account:
    account = Account(folder)
    reader = Reader(account)
    for number, line in enumerate(chain(_skimmed(file, position), file), 1):
        reader.take(number, line)
    return account


def _skimmed(file: BinaryIO, position: int) -> Iterator[bytes]:
    """Of the lines before a place, those without which the ones after it cannot be understood."""
    run, words = b"", []
    out: dict[bytes, bytes] = {}
    while file.tell() < position:
        line = file.readline()
        kind, _, rest = line.partition(b",")
        if kind == b'["="':
            words.append(line)
        elif kind == b'["run"':
            run, words, out = line, [], {}
        elif kind == b'["end"':
            out.pop(rest.partition(b",")[0], None)
        elif kind in (b'["page"', b'["robots.txt"'):
            out[rest.partition(b",")[0]] = line
    yield from filter(None, (run, *words, *out.values()))
