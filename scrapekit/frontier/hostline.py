"""Hosts in the file: how they were left, and the line in which they wait to be leased.

A host in line has a ``due`` time, at which it opens and has something to give; those whose time has come go in the
order of it, and then of their tickets. One that gets into line with a row that could go at once is due *now*: it goes
behind those that were due before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from scrapekit.frontier import statements as sql
from scrapekit.frontier.contract import HostState
from scrapekit.frontier.file import File
from scrapekit.frontier.schema import damaged, micros

#: The line is put in order again when the clock has gone back further than this. Microseconds.
_BACK: Final = 1_000_000


class HostLine:
    """The line of one file. ``dump`` and ``load`` turn a state's memory into text and back."""

    def __init__(self, file: File, dump: Callable[[Any], str], load: Callable[[str], Any]) -> None:
        self._file, self._dump, self._load = file, dump, load
        self._now: int | None = None
        self._ticket: int = file.ask("SELECT ifnull(max(ticket), 0) FROM hosts")
        with file.transaction():
            file.run(sql.LINE_UP_LEASED)

    def __repr__(self) -> str:
        return f"<HostLine {self._ticket} tickets>"

    def set_clock(self, now: float) -> None:
        """The caller's time; where it went back, nobody waits for what it was before."""
        before, self._now = self._now, micros(now)
        if before is None or self._now < before - _BACK:
            with self._file.transaction():
                self._file.run_named(sql.LINE_UP_ANEW, now=self._now)

    def next_time(self) -> float | None:
        """When the next host's time comes, or came."""
        due = self._file.ask(sql.NEXT_DUE)
        return None if due is None else due / 1e6

    def take(self, n: int, wanted: Iterable[int]) -> list[tuple[int, str, HostState, int]]:
        """The wanted hosts, and up to n whose time has come, out of the line: number, name, state, how many wait."""
        found = self._file.ask(sql.LEASE, {"wanted": list(wanted), "now": self._now, "n": n})
        if found:
            self._file.run(sql.LEAVE_LINE, [number for number, *_ in found])
        return [(number, name, self._state(text), waiting) for number, name, text, waiting in found]

    def more_wait(self, added: Mapping[int, int]) -> None:
        """So many more rows wait at hosts that nobody leases."""
        if added:
            self._file.run(sql.MORE_WAIT, list(added.items()))
            self.line_up(added)

    def line_up(self, hosts: Iterable[int]) -> None:
        """Let hosts stand in line if they have something to give, or move up where an earlier row has come."""
        turns = [[host, self._ticket + turn] for turn, host in enumerate(hosts, 1)]
        self._ticket += len(turns)
        self._file.run_named(sql.LINE_UP, hosts=turns, now=self._now or 0)

    def leave(self, states: Mapping[int, HostState]) -> None:
        """How hosts stand now."""
        if states:
            rows = [[host, micros(state.opens_at), self._text(state)] for host, state in states.items()]
            self._file.run(sql.STATES, rows)

    def _text(self, state: HostState) -> str:
        memory = None if state.memory is None else self._dump(state.memory)
        return json.dumps([state.opens_at, state.rule, memory])

    def _state(self, text: str | None) -> HostState:
        if text is None:
            return HostState()
        try:
            opens_at, rule, memory = json.loads(text)
            return HostState(opens_at, rule, None if memory is None else self._load(memory))
        except (ValueError, TypeError, LookupError) as error:
            raise damaged(self._file.path, error) from error
