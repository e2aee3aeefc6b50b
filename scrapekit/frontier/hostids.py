"""Numbers for hosts: what the tables know a host by.

Hosts are never taken out, so the next number is one more than there are hosts. Of a million hosts only some are
remembered here; the others are asked for when they are met.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from scrapekit.frontier import statements as sql
from scrapekit.frontier.file import File

#: So many are remembered before all are forgotten.
REMEMBERED: Final = 1 << 16


class HostIds:
    """The numbers of hosts. ``resolve`` them within a transaction, ``keep`` them after it."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._ids: dict[str, int] = {}
        #: How many hosts there are.
        self.size: int = file.ask("SELECT ifnull(max(id), 0) FROM hosts")

    def __repr__(self) -> str:
        return f"<HostIds of {self.size} hosts>"

    def resolve(self, names: Iterable[str]) -> dict[str, int]:
        """The number of each; new hosts are put into the file."""
        ids, unknown = {}, []
        for name in names:
            if (number := self._ids.get(name)) is None:
                unknown.append(name)
            else:
                ids[name] = number
        if unknown:
            ids |= self._look_up(unknown)
        return ids

    def keep(self, ids: dict[str, int]) -> None:
        """Remember what ``resolve`` gave, now that it is certain."""
        self.size = max(self.size, max(ids.values(), default=0))
        if len(self._ids) + len(ids) > REMEMBERED:
            self._ids.clear()
        self._ids |= ids

    def _look_up(self, names: list[str]) -> dict[str, int]:
        ids = dict(self._file.ask(sql.HOST_IDS, (names,)))
        new = {name: self.size + n for n, name in enumerate((name for name in names if name not in ids), 1)}
        if new:
            self._file.run(sql.NEW_HOSTS, [[number, name] for name, number in new.items()])
        return ids | new
