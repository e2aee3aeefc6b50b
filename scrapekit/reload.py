"""Settings that change while a crawl runs: a valid change of the file holds at once, any other is refused and told."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import curio

from scrapekit.config import Settings
from scrapekit.errors import ConfigError
from scrapekit.ledger.writer import without_secrets

log = logging.getLogger("scrapekit.crawl")

#: How often the file is looked at, in seconds.
LOOK: Final = 1.0
#: What of the settings holds at once; the rest waits for the next run.
AT_ONCE: Final = ("limits", "hosts", "spiders", "crawl.concurrency", "crawl.max_wait")


async def follow(settings: Settings, take: Callable[[Settings], Awaitable[None]]) -> None:
    """Hand each valid change of the settings' file to ``take``, until cancelled.

    An editor's rename over the file is a change like any other; while the file is missing nothing happens.
    """
    if settings.file is None:
        return
    mark = _mark(settings.file)
    while True:
        await curio.sleep(LOOK)
        now = _mark(settings.file)
        if now is None or now == mark:
            continue
        mark = now
        try:
            changed = settings.reread()
        except ConfigError as error:
            log.error("%s; the crawl goes on with the settings that it has", error)
            continue
        _tell(settings, changed)
        settings = changed
        await take(changed)


def _tell(before: Settings, after: Settings) -> None:
    old, new = dict(_flat(before.tables())), dict(_flat(after.tables()))
    shown = dict(_flat(without_secrets(after.tables())))
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            when = "" if key.startswith(AT_ONCE) else ", from the next run on"
            value = shown.get(key, "another (not shown)" if key in new else "what it is by default")
            log.warning("settings: %s is now %s%s", key, value, when)


def _flat(tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tables.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _mark(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
