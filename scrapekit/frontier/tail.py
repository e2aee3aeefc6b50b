"""The items of the commits that a loss of power may take from the sinks, though the frontier has them.

Most commits leave it to the system in which order log and sinks reach the disk. Until a commit has brought both there,
its lines stand in the frontier too; after a loss of power, what a sink lacks is written again from here.
"""

from __future__ import annotations

from scrapekit.frontier import statements as sql
from scrapekit.frontier.contract import Batch
from scrapekit.frontier.file import File


class Tail:
    """True while it holds lines."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._holds = bool(file.ask("SELECT EXISTS (SELECT 1 FROM tail)"))

    def __bool__(self) -> bool:
        return self._holds

    def keep(self, batch: Batch, *, sync: bool) -> None:
        """Within a commit: keep its lines, or let go of all where the sinks bring them to the disk."""
        if sync and self._holds:
            self._file.run("DELETE FROM tail")
        elif not sync and (batch.items or batch.rejected):
            self._file.run(sql.TAIL, [item.line for item in batch.items], [item.line for item in batch.rejected])

    def settle(self, batch: Batch, *, sync: bool) -> None:
        """After that commit."""
        self._holds = not sync and (self._holds or bool(batch.items or batch.rejected))
