"""A run's folder: what one execution of a spider leaves behind, in ``.scrapekit/runs/`` of the project.

It holds ``frontier.sqlite`` (what is to be fetched, and how far all is), ``items.jsonl`` (the record of all items),
``rejected.jsonl`` (what did not validate), ``crawl.log``, ``stats.json``, and what else a crawl keeps beside them.
Names of folders sort by time (UTC, so that no clock change breaks the order).
"""

from __future__ import annotations

import difflib
import json
import logging
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from scrapekit.errors import ConfigError
from scrapekit.sinks.jsonlines import JsonLinesSink
from scrapekit.sinks.runlock import RunLock, holder
from scrapekit.sinks.tail import failure

HOME: Final = ".scrapekit"
#: Means the newest run.
LAST: Final = "last"
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

    @classmethod
    def all(cls, root: Path) -> list[RunFolder]:
        """Those of the project in that folder, newest first."""
        try:
            return [cls(path) for path in sorted((root / HOME / "runs").iterdir(), reverse=True) if path.is_dir()]
        except OSError:
            return []

    @classmethod
    def open(cls, root: Path, name: str) -> RunFolder:
        """The run of that id, or with an id that begins or ends so, or the newest for ``last``; a folder may be named.

        Raises ConfigError where there is none or more than one.
        """
        runs = cls.all(root)
        if not runs:
            hint = "crawl first: scrapekit crawl NAME"
            raise ConfigError("there is no run here", file=root / HOME / "runs", hint=hint)
        if name == LAST:
            return runs[0]
        if Path(name).resolve() in {run.path.resolve() for run in runs}:
            name = Path(name).resolve().name
        meant = [run for run in runs if run.id == name]
        meant = meant or [run for run in runs if name and (run.id.startswith(name) or run.id.endswith(name))]
        if len(meant) != 1:
            raise _unclear(name, meant, runs)
        return meant[0]

    @property
    def id(self) -> str:
        """What the run is called: the folder's name, such as ``20261123-101502-quotes``."""
        return self.path.name

    def may_be_of(self, spider: str) -> bool:
        """Whether it is named as the runs of that spider are; so may be those of others."""
        name = self.id[len("20261123-101502-") :]
        return name == _plain(spider) or re.sub(r"-\d+$", "", name) == _plain(spider)

    def beside(self, id_: str) -> RunFolder:
        """Another run of the same project, which may be gone."""
        return RunFolder(self.path.with_name(id_))

    @property
    def home(self) -> Path:
        """The project's ``.scrapekit``, in which the runs stand."""
        return self.path.parents[1]

    @property
    def frontier(self) -> Path:
        return self.path / "frontier.sqlite"

    @property
    def files(self) -> Path:
        """The folder of what the crawl downloaded as files; made by whoever puts the first one there."""
        return self.path / "files"

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

    def take(self) -> RunLock:
        """The right to crawl this run, until it is closed. Raises ConfigError where a live process has it."""
        return RunLock(self._lock, self.id)

    def holder(self) -> str | None:
        """The number of the process that crawls it; None if none does."""
        return holder(self._lock)

    def size(self) -> int:
        """How many bytes it takes on the disk."""
        return sum(_size(path) for path in self.path.rglob("*"))

    def remove(self) -> int:
        """Delete it, and give how many bytes that freed. Raises ConfigError where it is being crawled, or OSError."""
        size = self.size()
        with self.take():
            shutil.rmtree(self.path)
        return size

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

    @property
    def _lock(self) -> Path:
        return self.path / "run.lock"

    def log_handler(self) -> logging.Handler:
        """A handler that adds everything it is given to ``crawl.log``; close it at the end."""
        return LogFile(self.log)


def _unclear(name: str, meant: Sequence[RunFolder], runs: Sequence[RunFolder]) -> ConfigError:
    """There is no such run, or more than one."""
    if meant:
        some = ", ".join([run.id for run in meant[:3]] + ["…"] * (len(meant) > 3))
        return ConfigError(f"{len(meant)} runs are meant by {name!r}", hint=f"they are {some}")
    ids = [run.id for run in runs]
    near = [id_ for id_ in ids if name and name in id_] or difflib.get_close_matches(name, ids, 3, 0.5) or ids
    return ConfigError(f"there is no run {name!r}", hint=f"there is {', '.join(near[:3])}")


def _size(path: Path) -> int:
    """What a file takes, which may be gone meanwhile; a file with holes takes less than its length."""
    try:
        found = path.lstat()
    except OSError:
        return 0
    return getattr(found, "st_blocks", -(-found.st_size // 512)) * 512


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
    yield f"{stamp}-{_plain(spider)}"
    yield from (f"{stamp}-{_plain(spider)}-{n:02}" for n in count(2))


def _plain(spider: str) -> str:
    """A spider's name as a folder may have it."""
    return re.sub(r"[^\w.-]+", "-", spider)[:60]


def _new_folder(parent: Path, names: Iterator[str]) -> Path:
    for name in names:
        try:
            (parent / name).mkdir()
        except FileExistsError:
            continue
        return parent / name
    raise AssertionError("names do not end")
