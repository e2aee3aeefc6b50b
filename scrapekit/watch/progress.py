"""How far the crawl is: a live display on a terminal, a line in the log now and then elsewhere.

The caller gives a view about five times a second; what is made of it, and how often, is decided here.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from math import exp
from typing import Final, Protocol

from rich.console import Group
from rich.live import Live
from rich.text import Text

from scrapekit.stats import HostView, View
from scrapekit.watch.console import Console
from scrapekit.watch.frame import Room, frame, most_hosts, one_line, why

#: Progress in the log. Without a live display these lines are shown, whatever else of that level is not.
LOG: Final = logging.getLogger("scrapekit.progress")

#   until so many seconds    a line each so many seconds
_EACH: Final[tuple[tuple[float, float], ...]] = (
    (60.0, 5.0),
    (600.0, 15.0),
    (float("inf"), 60.0),
)

#: Seconds over which pages/s is smoothed: longer than any usual delay, short enough to see a host back off.
_SMOOTHING: Final = 5.0


class Progress(Protocol):
    """What is told of a crawl while it runs."""

    def update(self, view: View, /) -> None:
        """Show this now, or leave it. Raises nothing for a terminal that has gone."""

    def close(self) -> None:
        """Take the display away. May be called twice."""


def progress(console: Console, *, title: str = "", live: bool | None = None) -> Progress:
    """The display that suits the console: live where it can be.

    ``live=False`` is for a terminal that something else writes to, such as items on standard output.
    """
    live = console.is_interactive if live is None else live
    return LiveProgress(console, title=title) if live else LogProgress()


class Rate:
    """Pages a second, smoothed: each second counts for less the longer it is ago."""

    def __init__(self) -> None:
        self._sum = self._elapsed = 0.0
        self._pages = 0

    def update(self, pages: int, elapsed: float) -> float:
        """Take how many pages there were after so many seconds; the rate now."""
        passed = elapsed - self._elapsed
        if passed > 0:
            keep = exp(-passed / _SMOOTHING)
            self._sum = self._sum * keep + (pages - self._pages) / passed * (1 - keep)
            self._pages, self._elapsed = pages, elapsed
        # What lies before the start is not known to have been zero: leave its weight out.
        weight = 1 - exp(-self._elapsed / _SMOOTHING)
        return self._sum / weight if weight else 0.0


class LogProgress:
    """One line in the log every few seconds, and more seldom later."""

    def __init__(self) -> None:
        self._rate = Rate()
        self._next = _EACH[0][1]

    def update(self, view: View, /) -> None:
        speed = self._rate.update(view.stats.fetched, view.elapsed)
        if view.elapsed >= self._next:
            LOG.info("%s%s", one_line(view, speed), _waits(view))
            self._next = view.elapsed + next(each for until, each in _EACH if view.elapsed < until)

    def close(self) -> None:
        pass


class LiveProgress:
    """A few lines at the foot of a terminal, drawn anew when they change, gone at the end."""

    def __init__(self, console: Console, *, title: str = "") -> None:
        self._console, self._title = console, title
        self._rate, self._log = Rate(), LogProgress()
        self._hosts: list[HostView] = []
        self._drawn: object = None
        # print() in a spider goes above the display if it would go to a terminal, and nowhere else if not.
        printed = sys.stdout is not None and sys.stdout.isatty()
        self._live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=printed, vertical_overflow="crop"
        )
        with suppress(OSError):
            self._live.start()

    def update(self, view: View, /) -> None:
        self._log.update(view)
        speed = self._rate.update(view.stats.fetched, view.elapsed)
        width, height = self._console.size
        room = Room(width, height, ascii=self._console.options.ascii_only)
        self._hosts = in_place(self._hosts, view.busiest[: most_hosts(room)])
        self._draw(frame(view, speed, self._hosts, title=self._title, room=room), room)

    def close(self) -> None:
        with suppress(OSError):
            self._live.stop()

    def _draw(self, lines: list[Text], room: Room) -> None:
        drawn = (room, [line.plain for line in lines])
        if drawn != self._drawn and self._live.is_started:
            self._drawn = drawn
            with suppress(OSError):
                self._live.update(Group(*lines), refresh=True)


def in_place(before: Sequence[HostView], now: Sequence[HostView]) -> list[HostView]:
    """The hosts of now, each on the line that it had; who is new takes the lines that became free."""
    by_name = {host.name: host for host in now}
    kept = [by_name.pop(host.name, None) for host in before]
    new = iter(by_name.values())
    placed = [host or next(new, None) for host in kept]
    return [host for host in [*placed, *new] if host is not None]


def _waits(view: View) -> str:
    waiting = [f"{host.name} ({why(host)})" for host in view.busiest if host.why][:3]
    return f"; waiting: {', '.join(waiting)}" if waiting else ""
