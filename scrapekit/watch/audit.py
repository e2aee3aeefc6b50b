"""An audit as a table on a terminal, the same words in a file: one line a host, the violations, the verdict."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Final

from rich.text import Text

from scrapekit.audit import HostReport, Report
from scrapekit.watch.console import shown
from scrapekit.watch.numbers import count, counted, span

_HEADS: Final = ("host", "requests", "least gap", "median", "at once", "limit", "violations", "disallowed", "waits")
#: A host's name is cut to this where the terminal is too narrow.
_LEAST_NAME: Final = 16


def table(report: Report, *, width: int = 0) -> Text:
    """One line a host; hosts that broke a rule come first. ``width`` is the terminal's, 0 for as wide as it takes."""
    rows = [_HEADS, *(_row(host) for host in report.hosts)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADS))]
    if width:
        widths[0] = max(_LEAST_NAME, min(widths[0], width - sum(widths[1:]) - 2 * len(_HEADS) + 2))
    lines = [Text(_line(rows[0], widths), "dim")]
    for host, row in zip(report.hosts, rows[1:], strict=True):
        lines.append(Text(_line(row, widths), "bold red" if host.violations else ""))
    return Text("\n").join(lines)


def violations(report: Report, *, most: int) -> Text:
    """The first of them, one a line: when, which rule, what was and what would have been allowed, where."""
    found = report.violations
    lines = [
        Text.assemble(
            (f"{moment(each.at)}  ", "dim"),
            (each.rule, "bold red"),
            f": {shown(each.was)}; allowed: {shown(each.allowed)}  ",
            (shown(each.url), "dim"),
        )
        for each in found[:most]
    ]
    if len(found) > most:
        lines.append(Text(f"and {counted(len(found) - most, 'other')} more: --json has them all", "dim"))
    return Text("\n").join(lines)


def verdict(report: Report) -> Text:
    """The last word, with what it rests on."""
    broken = len(report.violations)
    hosts = counted(sum(host.requests > 0 for host in report.hosts), "host")
    said = counted(broken, "violation") if broken else "no violation"
    lines = [
        Text.assemble(
            (said, "bold red" if broken else "bold green"),
            f" in {counted(report.requests, 'request')} to {hosts}; run {shown(report.run)}, {between(report)}",
        )
    ]
    if report.torn:
        lines.append(Text(f"cut short by the end of the process: {_torn(report.torn)} of the ledger", "yellow"))
    return Text("\n").join(lines)


def between(report: Report) -> str:
    """From when to when, in UTC."""
    first, last = report.between
    return f"{moment(first)} to {moment(last)} UTC"


def moment(seconds: float) -> str:
    """A time in UTC, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def gap(seconds: float | None) -> str:
    """A time between two sends; a dash where there is none."""
    return "–" if seconds is None else f"{seconds:.3f}".rstrip("0").rstrip(".") + " s"


def limit(host: HostReport) -> str:
    """The limits in force, such as ``2 s (crawl-delay), 1 at once``; a dash where nothing was sent."""
    if not host.requests:
        return "–"
    source = "" if host.source == "delay" else f" ({host.source})"
    return f"{gap(host.delay)}{source}, {host.concurrency} at once"


def _row(host: HostReport) -> tuple[str, ...]:
    waits = f"{count(host.waits)}, {span(host.waited)}" if host.waits else "–"
    return (
        shown(host.host),
        count(host.requests),
        gap(host.least_gap),
        gap(host.median_gap),
        count(host.most_at_once),
        limit(host),
        count(len(host.violations)),
        count(host.disallowed),
        waits,
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(_cells(row, widths)).rstrip()


def _cells(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    name, wide = row[0], widths[0]
    yield name.ljust(wide) if len(name) <= wide else "…" + name[len(name) - wide + 1 :]
    yield from (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))


def _torn(lines: Sequence[int]) -> str:
    return f"line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines))}"
