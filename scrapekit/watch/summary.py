"""What a crawl came to, printed at its end: the same words on a terminal and in a file, colours apart.

The outcomes stand as a sum, because they are one: each request that was ever seen has ended in one of them or waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from rich.text import Text

from scrapekit.stats import Stats
from scrapekit.watch.console import shown
from scrapekit.watch.numbers import count, counted, rate, size, span

#: How many reasons, statuses and selectors are named before the rest is only counted.
_REASONS: Final = 3
_STATUSES: Final = 8
_MISSES: Final = 10

#   why it ended     how that is said
_ENDS: Final[Mapping[str, str]] = {
    "": "ended",
    "finished": "finished",
    "max-pages": "stopped at --max-pages",
    "max-items": "stopped at --max-items",
    "max-time": "stopped at --max-time",
    "max-failures": "stopped: too many failures",
    "fail-fast": "stopped at the first failure",
    "stalled": "stopped: no host opens soon",
    "interrupted": "interrupted",
    "closed pipe": "stopped: nobody reads the output any more",
    "sink failed": "stopped: what it found could not be written",
    "state failed": "stopped: the spider's state cannot be kept",
    "aborted": "ended by an error",
    # a run that is looked at from outside
    "running": "is running",
    "killed": "was killed",
}

#   outcome         how it looks when there is one
_OUTCOMES: Final[Mapping[str, str]] = {
    "fetched": "green",
    "failed": "red",
    "disallowed": "yellow",
    "dropped": "yellow",
    "pending": "yellow",
}


def summary(spider: str, stats: Stats, *, files: Mapping[str, Path | str] | None = None) -> Text:
    """The summary of one crawl; ``files`` are where things are, by what they hold. Print it with ``Console.say``."""
    end = _ENDS.get(stats.end, f"stopped: {stats.end}")
    blocks = [
        [Text.assemble((shown(spider), "bold"), f" {end} after {span(stats.duration)}")],
        [*_outcomes(stats), *_wire(stats), *_items(stats)],
        [*_nothing(stats)],
        [*_files(files or {})],
    ]
    return Text("\n\n").join([Text("\n").join(lines) for lines in blocks if lines])


def _outcomes(stats: Stats) -> Iterator[Text]:
    for sign, (outcome, style) in zip(" ++++", _OUTCOMES.items(), strict=True):
        number = getattr(stats, outcome)
        reasons = [(why, times) for (of, why), times in stats.reasons.most_common() if of == outcome]
        yield _row(f"{sign} {outcome}", number, _named(reasons, _REASONS), style if number else "dim")
    note = f"and {counted(stats.duplicates, 'duplicate')}, not counted" if stats.duplicates else ""
    yield _row("= seen", stats.seen, note, "bold")


def _wire(stats: Stats) -> Iterator[Text]:
    again = [(stats.retries, "retry", "retries"), (stats.redirects, "redirect", "redirects")]
    notes = [counted(number, one, many) for number, one, many in again if number]
    hosts = f"{size(stats.bytes)} from {counted(stats.hosts, 'host')}"
    yield _row("  sends", stats.sends, ", ".join([*notes, hosts]))
    statuses = _named([(str(status), times) for status, times in stats.statuses.most_common()], _STATUSES)
    if statuses:
        yield _row("  statuses", "", statuses)
    yield _row("  pages/s", rate(stats.fetched / stats.duration if stats.duration else 0.0), "")


def _items(stats: Stats) -> Iterator[Text]:
    note = f"and {count(stats.rejected)} rejected" if stats.rejected else ""
    yield _row("  items", stats.items, note, "bold green" if stats.items else "bold red")


def _nothing(stats: Stats) -> Iterator[Text]:
    """What to look at when no item came out."""
    read = stats.fetched - stats.reasons["fetched", "unchanged"]
    if stats.items or (stats.fetched and not read):
        return
    yield Text(f"No item came out of {counted(read, 'page')}.", "bold yellow")
    if stats.misses:
        yield Text("These selectors matched nothing:")
        for selector, times in stats.misses.most_common(_MISSES):
            yield Text(f"  {shown(selector)}  ({counted(times, 'time')})")
        if len(stats.misses) > _MISSES:
            yield Text(f"  and {count(len(stats.misses) - _MISSES)} more")
    elif stats.rejected:
        yield Text("All that were found were rejected.")
    elif read:
        yield Text("No callback yielded one.")


def _files(files: Mapping[str, Path | str]) -> Iterator[Text]:
    wide = max((len(name) for name in files), default=0)
    for name, path in files.items():
        yield Text.assemble((f"  {name:{wide}}  ", "dim"), shown(str(path)))


def _row(label: str, number: int | str, note: str, style: str = "") -> Text:
    figure = number if isinstance(number, str) else count(number)
    return Text.assemble((f"  {label:13}", "dim"), (f"{figure:>10}", style), f"   {shown(note)}" if note else "")


def _named(counts: Iterable[tuple[str, int]], most: int) -> str:
    """``status 404 (2), timeout (1), 3 others``."""
    named = [f"{name} ({count(times)})" for name, times in counts if name]
    rest = len(named) - most
    return ", ".join(named[:most] + ([counted(rest, "other")] if rest > 0 else []))
