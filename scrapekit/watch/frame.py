"""One frame of the live display: a view of the crawl as lines that fit a terminal of that size.

Calm on purpose: numbers stand right-aligned in columns of fixed width and so do not push each other about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from rich.text import Text

from scrapekit.stats import HostView, View
from scrapekit.watch.console import shown
from scrapekit.watch.numbers import clock, count, rate, wait

_CELL: Final = 9  # columns for one number: "in flight", or 9,999,999
_WHY: Final = 18  # "Retry-After 12 s"
_NAME, _LONG_NAME = 24, 40  # two widths only, so that the columns stand still
_MOST_HOSTS: Final = 8
#: Lines that are left to the log, whatever is shown.
_LOG_LINES: Final = 3
#: In fewer columns than this a host's line leaves out how many are in flight.
_NARROW: Final = 60


@dataclass(frozen=True, slots=True)
class Room:
    """How large the terminal is, in columns and lines, and what it can show."""

    width: int
    height: int
    ascii: bool = False


def frame(view: View, pages_a_second: float, hosts: Sequence[HostView], *, title: str, room: Room) -> list[Text]:
    """The lines to show, none wider than the room, and fewer than it is high where that is more than one.

    ``hosts`` come in the order to show them; as many are taken as there is room for.
    """
    lines = [_rule(title, room), *_numbers(view, pages_a_second, room.width)]
    if len(lines) + _LOG_LINES > room.height:
        return [_cut(_one_line(view, pages_a_second), room.width)]
    free = room.height - len(lines) - _LOG_LINES - 3  # a blank line, the hosts' header, how many more there are
    if hosts and free > 0:
        lines += [Text(), *_hosts(hosts[:free], view.stats.hosts, room)]
    return [_cut(line, room.width) for line in lines]


def most_hosts(room: Room) -> int:
    """How many hosts are shown at most."""
    return min(_MOST_HOSTS, max(0, room.height - 2 * _LOG_LINES))


def one_line(view: View, pages_a_second: float) -> str:
    """The same numbers in one line of a log."""
    return _one_line(view, pages_a_second).plain


def why(host: HostView) -> str:
    """Why a host waits, and for how long: ``delay 0.8 s``."""
    return shown(f"{host.why} {wait(host.wait)}" if host.why and host.wait >= 0.05 else host.why)


def _one_line(view: View, pages_a_second: float) -> Text:
    numbers = [f"{value} {label}" for label, value, _ in _cells(view, pages_a_second)[:-1]]
    return Text(f"{clock(view.elapsed)}  {', '.join(numbers)}")


def _cells(view: View, pages_a_second: float) -> list[tuple[str, str, str]]:
    """Each number with its label and style."""
    stats = view.stats
    return [
        ("pages", count(stats.fetched), "bold"),
        ("items", count(stats.items), "bold green" if stats.items else "bold"),
        ("failed", count(stats.failed), "bold red" if stats.failed else "bold"),
        ("pages/s", rate(pages_a_second), "bold"),
        ("in flight", count(view.in_flight), ""),
        ("queued", count(view.queued), ""),
        ("elapsed", clock(view.elapsed), ""),
    ]


def _numbers(view: View, pages_a_second: float, width: int) -> list[Text]:
    cells = _cells(view, pages_a_second)
    gap = " " if width < len(cells) * (_CELL + 2) else "  "
    rows = ceil(len(cells) / max(1, (width + len(gap)) // (_CELL + len(gap))))
    step = ceil(len(cells) / rows)
    lines = []
    for start in range(0, len(cells), step):
        row = cells[start : start + step]
        lines.append(Text(gap).join([Text(f"{label:>{_CELL}}", "dim") for label, _, _ in row]))
        lines.append(Text(gap).join([Text(f"{value:>{_CELL}}", style) for _, value, style in row]))
    return lines


def _rule(title: str, room: Room) -> Text:
    dash = "-" if room.ascii else "─"
    name = shown(title)
    return Text.assemble((dash * 2, "dim"), (f" {name} ", "bold"), (dash * (room.width - len(name) - 4), "dim"))


def _hosts(hosts: Sequence[HostView], known: int, room: Room) -> list[Text]:
    narrow = room.width < _NARROW
    numbers = ("waiting",) if narrow else ("in flight", "waiting")
    wide = _NAME if all(len(host.name) <= _NAME for host in hosts) else _LONG_NAME
    wide = max(4, min(wide, room.width - _WHY - 2 - (_CELL + 1) * len(numbers)))
    lines = [Text(f"{'host':{wide}}" + "".join([f" {label:>{_CELL}}" for label in numbers]), "dim")]
    for host in hosts:
        held = (host.waiting,) if narrow else (host.in_flight, host.waiting)
        figures = "".join([f" {count(number):>{_CELL}}" for number in held])
        lines.append(Text.assemble(_name(host.name, wide, room), figures, "  ", (why(host), "yellow")))
    if known > len(hosts):
        lines.append(Text(f"and {count(known - len(hosts))} more", "dim"))
    return lines


def _name(name: str, width: int, room: Room) -> str:
    """The host in so many columns. Its end tells most, so what does not fit goes from its beginning."""
    mark = "~" if room.ascii else "…"
    return f"{name:{width}}" if len(name) <= width else mark + name[len(name) - width + 1 :]


def _cut(line: Text, width: int) -> Text:
    line.no_wrap = True
    line.truncate(width)
    return line
