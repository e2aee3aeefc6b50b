"""What a crawl writes: the frontier, the items, what was rejected, the ledger and the log, opened and closed together.

A run that was left is opened as it stood at its last commit: what was written after that is cut off, and an export that
lacks something is written anew from the run's own record.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scrapekit.cache import PageCache
from scrapekit.config import Settings
from scrapekit.errors import SinkError
from scrapekit.former import Former
from scrapekit.frontier import Batch, Frontier, MemoryFrontier, SQLiteFrontier
from scrapekit.hostbook import HostBook
from scrapekit.hostlocks import HostLocks
from scrapekit.hostmemory import HostMemory
from scrapekit.importing import shown
from scrapekit.ledger import Ledger, kept_body
from scrapekit.sinks import STDOUT, Kept, RunFolder, Sink, copy_items, open_sink, resume_sink, write_each

log = logging.getLogger("scrapekit.crawl")

#: The names under which the run's own records stand among the sinks; no path of an export is one of them.
ITEMS, REJECTED = "items", "rejected"


@dataclass(frozen=True, slots=True)
class Export:
    """A file, or ``-``, that the items of a run are written to besides its own record.

    ``base`` is the position at which ours begin: of a file that stood before, where it ended.
    """

    target: str
    overwrite: bool = False
    append: bool = False
    base: int = 0

    def to_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"target": self.target, "append": self.append, "base": self.base}


class Files:
    """The sinks of a crawl, and the files of its run's folder if it has one.

    Used as a context manager; within it ``frontier`` is there, and ``notes`` are those of the run so far: empty for a
    new one. ``sinks`` are open already; ``resumed`` is whether the run must be there. Raises ConfigError or SinkError
    where something cannot be opened.
    """

    def __init__(
        self,
        run: RunFolder | None,
        exports: Sequence[Export] = (),
        sinks: Sequence[Sink] = (),
        *,
        resumed: bool = False,
    ) -> None:
        self._run, self._wanted, self._handed, self._resumed = run, exports, list(sinks), resumed
        self._open = ExitStack()
        self._sinks: dict[str, Sink] = {}
        self._positions: dict[str, int] = {}
        self._most: dict[str, int] = {}
        self.exports: list[Export] = []
        self.frontier: Frontier = MemoryFrontier()
        self.notes: dict[str, Any] = {}
        self.ledger: Ledger | None = None
        self.book: HostBook | None = None
        self.former: Former | None = None
        self.cache: PageCache | None = None

    def __enter__(self) -> Self:
        try:
            if self._run is not None:
                self._open_run(self._run)
            self._open_exports()
        except BaseException:
            self._open.close()
            raise
        for number, sink in enumerate(self._handed):
            self._add(f"sink {number}", sink)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def open_ledger(self, spider: str, settings: Settings, now: float) -> None:
        """Begin the ledger, or go on with it, with the settings that hold."""
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

    def open_cache(self) -> None:
        """Open the pages that the project keeps for working on spiders."""
        if self._run is not None:
            self.cache = PageCache(self._run.home)
            self._open.callback(self.cache.close)

    def open_former(self, since: RunFolder | None) -> None:
        """Read the run that an incremental crawl goes by; one that is taken up goes by the same as before."""
        if self._run is None:
            return
        if self.notes:
            since = self._run.beside(self.notes["former"]) if self.notes.get("former") else None
        if since is not None:
            self.former = Former.open(since, self._run)
            self._open.callback(self.former.close)

    def write(self, batch: Batch, *, sync: bool) -> dict[str, Any]:
        """Write a batch's items to every sink, or to none; gives the positions to be noted. Raises SinkError."""
        self._positions = self._at()
        if batch.items or batch.rejected:
            try:
                write_each([(sink, lines) for name, sink in self._sinks.items() if (lines := _lines(batch, name))])
            except BaseException:
                self._most = self._positions
                raise
        positions = self._at()
        if not sync:
            return {"sinks": positions}
        own = [name for name in (ITEMS, REJECTED) if name in self._sinks]
        for name in own:
            self._sinks[name].sync()
        return {"sinks": positions, "synced": {name: positions[name] for name in own}}

    def undo(self) -> None:
        """Cut off what the last write has written, for its commit failed."""
        self._most = self._positions
        for name, position in self._positions.items():
            with suppress(SinkError):  # why the commit failed is the failure to tell
                self._sinks[name].rewind(position)

    def note(self, facts: Mapping[str, Any]) -> None:
        """Commit facts by themselves. Raises SinkError."""
        self.frontier.commit(Batch(notes=dict(facts)), self.write)

    # -- inside

    def _open_run(self, run: RunFolder) -> None:
        self._open.callback(run.take().close)
        handler, root = run.log_handler(), logging.getLogger()  # the root, so that the user's own loggers are heard too
        root.addHandler(handler)
        self._open.callback(handler.close)
        self._open.callback(root.removeHandler, handler)
        memory = HostMemory(lambda digest: kept_body(run.path, digest))
        self.frontier = SQLiteFrontier(run.frontier, dump=memory.dump, load=memory.load, resumed=self._resumed)
        self._open.callback(self.frontier.close)
        self.notes = self.frontier.notes()
        for name, sink in ((ITEMS, run.open_items()), (REJECTED, run.open_rejected())):
            self._add(name, sink)
            self._restore(name, sink)

    def _restore(self, name: str, sink: Sink) -> None:
        """Bring a record of the run's own to where the last commit left it.

        Up to the last time that it was synced it is on the disk whatever happened; the lines after that are in the
        frontier, which may have outlived the file's own in a loss of power.
        """
        sink.rewind(self.notes.get("synced", {}).get(name, 0))
        sink.write([Kept(line) for line in self.notes.get("tail", {}).get(name, ())])

    def _open_exports(self) -> None:
        known = {each["target"]: each for each in self.notes.get("exports", ())}
        for each in known.values():
            self._resume_export(Export(each["target"], append=each["append"], base=each["base"]))
        for wanted in self._wanted:
            if wanted.target not in known:
                self._open_export(wanted)

    def _open_export(self, wanted: Export) -> None:
        sink = open_sink(wanted.target, overwrite=wanted.overwrite, append=wanted.append)
        self._add(wanted.target, sink)
        self.exports.append(Export(wanted.target, append=wanted.append, base=sink.position() or 0))
        if self.notes and self._run is not None:
            copy_items(self._run.items, sink, upto=self._sinks[ITEMS].position())

    def _resume_export(self, export: Export) -> None:
        self.exports.append(export)
        if export.target == STDOUT:
            log.warning("standard output cannot be cut back: what a kill let out after the last commit comes again")
            self._add(STDOUT, open_sink(STDOUT))
            return
        assert self._run is not None
        sink, rebuilt = resume_sink(
            export.target,
            position=self.notes.get("sinks", {}).get(export.target, export.base),
            base=export.base,
            record=self._run.items,
            upto=self._sinks[ITEMS].position() or 0,
            doubt=self.notes.get("boot", "") != boot_id(),
        )
        if rebuilt:
            log.warning("%s was written anew from %s", shown(Path(export.target)), shown(self._run.items))
        self._add(export.target, sink)

    def _add(self, name: str, sink: Sink) -> None:
        self._sinks[name] = sink
        self._open.callback(sink.close)

    def _at(self) -> dict[str, int]:
        """How far the sinks have got, by what was committed: on a full disk some cannot even be cut back."""
        positions = {name: sink.position() for name, sink in self._sinks.items()}
        most = self._most
        return {name: min(at, most.get(name, at)) for name, at in positions.items() if at is not None}


def _lines(batch: Batch, name: str) -> list[Any]:
    return batch.rejected if name == REJECTED else batch.items


def boot_id() -> str:
    """What tells this running of the machine from others; empty where the system does not say."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""
