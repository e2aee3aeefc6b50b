"""A run's folder: what one execution of a spider leaves behind, in ``.scrapekit/runs/`` of the project.

It holds ``items.jsonl`` (the record of all items), ``rejected.jsonl`` (what did not validate), ``crawl.log`` and
``stats.json``. Names of folders sort by time (UTC, so that no clock change breaks the order).
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from scrapekit.errors import ConfigError
from scrapekit.sinks.jsonlines import JsonLinesSink
from scrapekit.sinks.tail import failure

HOME: Final = ".scrapekit"
_LOG_LINE: Final = "%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @classmethod
    def create(cls, root: Path, spider: str, *, now: Callable[[], float] = time.time) -> RunFolder:
        """Make a new one below ``root``, the project's folder; no two are the same, also within one second.

        Raises ConfigError where nothing can be made there.
        """
        runs = root / HOME / "runs"
        try:
            runs.mkdir(parents=True, exist_ok=True)
            _keep_out_of_git(root / HOME)
            return cls(_new_folder(runs, _names(spider, now())))
        except OSError as error:
            hint = "start it in a folder that may be written to"
            raise ConfigError(f"no run can be kept here: {error.strerror}", file=runs, hint=hint) from error

    @property
    def id(self) -> str:
        """What the run is called: the folder's name, such as ``20261123-101502-quotes``."""
        return self.path.name

    @property
    def home(self) -> Path:
        """The project's ``.scrapekit``, in which the runs stand."""
        return self.path.parents[1]

    @property
    def items(self) -> Path:
        return self.path / "items.jsonl"

    @property
    def rejected(self) -> Path:
        return self.path / "rejected.jsonl"

    @property
    def log(self) -> Path:
        return self.path / "crawl.log"

    @property
    def stats(self) -> Path:
        return self.path / "stats.json"

    def open_items(self) -> JsonLinesSink:
        """Open the record of items: a new one, or the one that is there, to be rewound before the first write."""
        return _open_lines(self.items)

    def open_rejected(self) -> JsonLinesSink:
        """Open the record of what did not validate, as ``open_items`` does."""
        return _open_lines(self.rejected)

    def write_stats(self, stats: Mapping[str, Any]) -> None:
        """Write ``stats.json``; who reads it meanwhile sees the old one or the new one, whole. Raises SinkError."""
        part = self.stats.with_suffix(".json.part")
        try:
            part.write_text(json.dumps(stats, indent=2) + "\n", encoding="utf-8")
            part.replace(self.stats)
        except OSError as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise failure(self.stats, error) from error

    def log_handler(self) -> logging.Handler:
        """A handler that adds everything it is given to ``crawl.log``; close it at the end."""
        return LogFile(self.log)


class LogFile(logging.FileHandler):
    """Log records in a file: time, level, name, message.

    When the disk is full it stays silent: a traceback for each record would bury what the crawl says of it.
    """

    def __init__(self, path: Path) -> None:
        try:
            super().__init__(path, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise failure(path, error) from error
        self.setFormatter(logging.Formatter(_LOG_LINE, datefmt="%Y-%m-%d %H:%M:%S"))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the name is logging's)
        pass

    def close(self) -> None:
        try:
            super().close()
        except OSError:
            self.stream = None


def _open_lines(path: Path) -> JsonLinesSink:
    try:
        return JsonLinesSink(path, fresh=not path.exists())
    except OSError as error:
        raise failure(path, error) from error


def _keep_out_of_git(home: Path) -> None:
    ignore = home / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")


def _names(spider: str, now: float) -> Iterator[str]:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    plain = re.sub(r"[^\w.-]+", "-", spider)[:60]
    yield f"{stamp}-{plain}"
    yield from (f"{stamp}-{plain}-{n:02}" for n in count(2))


def _new_folder(parent: Path, names: Iterator[str]) -> Path:
    for name in names:
        try:
            (parent / name).mkdir()
        except FileExistsError:
            continue
        return parent / name
    raise AssertionError("names do not end")
