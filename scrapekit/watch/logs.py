"""Who hears what of the log: standard error by -q and -v, the run's ``crawl.log`` everything.

    -q         errors
    (nothing)  warnings, each once; progress where there is no live display
    -v         all that scrapekit and the spider say, and what else the libraries have to say

Handlers sit at the root, so that loggers of the user's own are heard too. They are put there before a spider is
imported: ``logging.basicConfig()`` in its file then does nothing, and no line comes twice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.text import Text

from scrapekit.watch.console import Console, shown
from scrapekit.watch.progress import LOG as PROGRESS

_STYLES: Final = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "bold red", logging.DEBUG: "dim"}
#: So many different warnings are remembered to be said once; a crawl with more of them repeats some.
_REMEMBERED: Final = 10_000
_TIMES: Final = logging.Formatter(datefmt="%Y-%m-%d %H:%M:%S")
_QUIET, _NORMAL, _VERBOSE = -1, 0, 1


class ConsoleHandler(logging.Handler):
    """Log records on a console, above a live display if there is one; the same warning once."""

    def __init__(self, console: Console, *, verbosity: int, live: bool) -> None:
        super().__init__()
        self._console, self._live = console, live
        self._threshold = {_QUIET: logging.ERROR, _NORMAL: logging.WARNING}.get(verbosity, logging.DEBUG)
        self._once = verbosity <= _NORMAL
        self._said: set[tuple[str, str]] = set()
        self._stamped = not console.is_interactive  # on a terminal somebody is watching; in a file the time is wanted
        self.setFormatter(logging.Formatter("%(message)s"))
        self.addFilter(self._is_wanted)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            label = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
            stamp = f"{_TIMES.formatTime(record, _TIMES.datefmt)} " if self._stamped else ""
            lead = stamp, (label, _STYLES.get(record.levelno, ""))
            self._console.say(Text.assemble(*lead, shown(self.format(record))))
        except Exception:  # noqa: BLE001 (a message that cannot be formatted is no reason to end the crawl)
            self.handleError(record)

    def _is_wanted(self, record: logging.LogRecord) -> bool:
        if record.name == PROGRESS.name:
            return not self._live and self._threshold < logging.ERROR
        if record.levelno < self._threshold:
            return False
        return not (self._once and record.levelno == logging.WARNING and self._is_repeated(record))

    def _is_repeated(self, record: logging.LogRecord) -> bool:
        key = record.name, record.getMessage()
        if key in self._said:
            return True
        if len(self._said) < _REMEMBERED:
            self._said.add(key)
        return False


@contextmanager
def logging_to(console: Console, *, verbosity: int = 0, live: bool | None = None) -> Iterator[logging.Logger]:
    """Send the log to the console while the block runs; gives the root logger, to which ``crawl.log`` is added.

    ``verbosity`` is -1 for -q and 1 for -v; ``live`` says whether a live display shows progress instead.
    """
    root, ours = logging.getLogger(), logging.getLogger("scrapekit")
    before = root.level, ours.level
    handler = ConsoleHandler(console, verbosity=verbosity, live=console.is_interactive if live is None else live)
    root.addHandler(handler)
    root.setLevel(logging.INFO if verbosity >= _VERBOSE else logging.WARNING)
    ours.setLevel(logging.DEBUG if verbosity >= _VERBOSE else logging.INFO)
    logging.captureWarnings(True)
    try:
        yield root
    finally:
        logging.captureWarnings(False)
        root.setLevel(before[0])
        ours.setLevel(before[1])
        root.removeHandler(handler)
        handler.close()
