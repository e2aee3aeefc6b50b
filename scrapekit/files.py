"""What a crawl writes: the items, what was rejected, the ledger and the log, opened together and closed together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from scrapekit.config import Settings
from scrapekit.frontier import Batch
from scrapekit.hostbook import HostBook
from scrapekit.hostlocks import HostLocks
from scrapekit.ledger import Ledger
from scrapekit.sinks import RunFolder, Sink, write_each


class Files:
    """The sinks of a crawl, and the files of its run's folder if it has one.

    Used as a context manager; ``ledger`` is there within it. Raises SinkError where something cannot be opened.
    """

    def __init__(self, run: RunFolder | None, sinks: Sequence[Sink]) -> None:
        self._run, self._sinks = run, list(sinks)
        self._rejected: Sink | None = None
        self._open = ExitStack()
        self.ledger: Ledger | None = None
        self.book: HostBook | None = None

    def __enter__(self) -> Self:
        for sink in self._sinks:
            self._open.callback(sink.close)
        if self._run is not None:
            self._open_run(self._run)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def open_ledger(self, spider: str, settings: Settings, now: float) -> None:
        """Begin the ledger, with the settings that hold."""
        if self._run is not None:
            agent = settings.identity.name
            self.ledger = Ledger(self._run.path, spider=spider, agent=agent, user_agent=settings.user_agent, now=now)
            self._open.callback(self.ledger.close)
            self.ledger.settings(settings.tables(), now=now)

    def open_book(self) -> None:
        """Open the memory of hosts that stands beside the runs, for a crawl that keeps a folder."""
        if self._run is not None:
            locks = HostLocks()
            self._open.callback(locks.close)
            self.book = HostBook(self._run.home, locks, self._run.id)
            self._open.callback(self.book.close)

    def write(self, batch: Batch, *, sync: bool) -> dict[str, Any]:
        """Write a batch's items to every sink, or to none. Raises SinkError."""
        parts: list[tuple[Sink, list[Any]]] = [(sink, batch.items) for sink in self._sinks if batch.items]
        if self._rejected is not None and batch.rejected:
            parts.append((self._rejected, batch.rejected))
        write_each(parts)
        return {}

    def _open_run(self, run: RunFolder) -> None:
        items, self._rejected = run.open_items(), run.open_rejected()
        self._sinks.insert(0, items)
        handler, root = run.log_handler(), logging.getLogger()  # the root, so that the user's own loggers are heard too
        root.addHandler(handler)
        for close in (items.close, self._rejected.close, handler.close):
            self._open.callback(close)
        self._open.callback(root.removeHandler, handler)
