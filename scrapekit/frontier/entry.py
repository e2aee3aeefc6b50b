"""Enters a commit's changes into the file, within its transaction."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

from scrapekit.frontier import statements as sql
from scrapekit.frontier.archive import pack
from scrapekit.frontier.changes import Changes
from scrapekit.frontier.contract import StaleLease
from scrapekit.frontier.file import File
from scrapekit.frontier.peek import OWN, numbers_text
from scrapekit.frontier.schema import damaged
from scrapekit.frontier.seen import Seen


def enter(file: File, changes: Changes) -> None:
    """The rows that come and go, the parents they refer to, what ended and what was seen.

    Raises StaleLease if a row is not pending any more.
    """
    _take_out(file, sql.GONE_READY, changes.gone_ready)
    _take_out(file, sql.GONE_LATER, changes.gone_later)
    parents = [[number, url] for url, number in changes.parents.items()]
    tables = (
        (sql.PARENTS, parents),
        (sql.READY, changes.ready),
        (sql.LATER, changes.later),
        (sql.FAILED, changes.failed),
    )
    for statement, rows in tables:
        if rows:
            file.run(statement, rows)
    if changes.archive:
        file.run(sql.ARCHIVE, pack(changes.archive))
    if changes.prints:
        file.run(sql.SEEN, changes.prints)


def enter_notes(file: File, texts: Mapping[str, str], changes: Changes) -> None:
    """Note what was handed in, as JSON by name, and the counters."""
    file.run(sql.NOTES, {**texts, OWN: numbers_text(changes.numbers)})


def note_texts(notes: Mapping[str, Any]) -> dict[str, str]:
    """Notes as they are stored. Raises TypeError for what JSON cannot hold."""
    return {name: json.dumps(value) for name, value in notes.items()}


def recalled(file: File) -> Seen:
    """All fingerprints that were ever entered."""
    seen = Seen()
    try:
        for prints in file.read("SELECT prints FROM seen ORDER BY id"):
            seen.add(prints)
    except (struct.error, TypeError) as error:
        raise damaged(file.path, error) from error
    return seen


def _take_out(file: File, statement: str, keys: list[list[int]]) -> None:
    if keys and file.run(statement, keys) != len(keys):
        raise StaleLease(
            f"{file.path}: a row of the batch is not pending any more: the file is damaged, or another process writes "
            "to it (the run's items are not touched: scrapekit runs export RUN -o FILE)"
        )
