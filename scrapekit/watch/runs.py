"""Runs that are kept: a table of them, and one in full. The same words on a terminal and in a file, colours apart."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.text import Text

from scrapekit.history import Account, State
from scrapekit.watch.console import shown
from scrapekit.watch.numbers import count, counted, size
from scrapekit.watch.summary import summary

_HEADS: Final = ("run", "spider", "state", "pages", "items", "waiting", "size", "began")
_LEFT: Final = frozenset({"run", "spider", "state", "began"})
_STYLES: Final[Mapping[State, str]] = {
    State.RUNNING: "bold green",
    State.FINISHED: "",
    State.STOPPED: "yellow",
    State.KILLED: "yellow",
    State.DAMAGED: "bold red",
}
#: Reasons that are named before the rest is only counted.
_REASONS: Final = 20


def table(accounts: Sequence[Account]) -> Text:
    """One line a run, in the order in which they come."""
    rows = [_HEADS, *(_row(account) for account in accounts)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADS))]
    lines = [Text(_line(rows[0], widths), "dim")]
    for account, row in zip(accounts, rows[1:], strict=True):
        lines.append(Text(_line(row, widths), _STYLES[account.state]))
    return Text("\n").join(lines)


def account_text(account: Account) -> Text:
    """One run in full."""
    stats = account.stats
    if account.state in {State.RUNNING, State.KILLED}:
        stats.end = account.state.value
    elif account.state is State.STOPPED:
        stats.end = account.why
    blocks = [
        [_fact("run", account.id, "bold"), *_life(account)],
        [summary(account.spider, stats)],
        [*_reasons(account)],
        [*_files(account), *(_fact("export", shown(_export_text(account, each))) for each in account.exports)],
        [*(_fact("next", each) for each in _next(account))],
    ]
    return Text("\n\n").join([Text("\n").join(lines) for lines in blocks if lines])


def state_text(account: Account) -> str:
    """How a run stands, and why: ``stopped: max-pages``."""
    return f"{account.state.value}: {shown(account.why)}" if account.why else account.state.value


def moment(seconds: float) -> str:
    """A time of the wall clock, where we are: ``2026-11-23 10:15:02``."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)) if seconds else "not known"


def _row(account: Account) -> tuple[str, ...]:
    stats = account.stats
    numbers = (count(stats.fetched), count(stats.items), count(stats.pending), size(account.folder.size()))
    state = account.state.value if account.state is State.DAMAGED else state_text(account)
    return (account.id, shown(account.spider), state, *numbers, moment(account.started))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        f"{cell:{wide}}" if head in _LEFT else f"{cell:>{wide}}"
        for head, cell, wide in zip(_HEADS, row, widths, strict=True)
    ]
    return "  ".join(cells).rstrip()


def _fact(name: str, text: str, style: str = "") -> Text:
    return Text.assemble((f"  {name:8} ", "dim"), (text, style))


def _life(account: Account) -> Iterator[Text]:
    yield _fact("state", state_text(account), _STYLES[account.state])
    yield _fact("began", moment(account.started))
    if account.ended:
        yield _fact("ended", moment(account.ended))
    if account.stats.resumes:
        yield _fact("resumed", counted(account.stats.resumes, "time"))
    arguments = account.notes.get("arguments") or {}
    given = " ".join(f"-a {shlex.quote(f'{name}={value}')}" for name, value in arguments.items())
    if given or account.target != account.spider:
        yield _fact("called", shown(f"{account.target} {given}".strip()))


def _reasons(account: Account) -> Iterator[Text]:
    named = [(outcome, why, times) for (outcome, why), times in account.stats.reasons.most_common() if why]
    for outcome, why, times in named[:_REASONS]:
        yield _fact(outcome[:8] if len(outcome) <= 8 else "robots", f"{count(times):>8}  {shown(why)}")
    if len(named) > _REASONS:
        yield _fact("", f"{'':>8}  and {counted(len(named) - _REASONS, 'other')}")


def _files(account: Account) -> Iterator[Text]:
    yield _fact("folder", f"{shown(str(account.folder.path))}, {size(account.folder.size())}")
    for path in sorted(account.folder.path.iterdir()) if account.folder.path.is_dir() else ():
        yield _fact("", f"{_size(path):>12}  {shown(path.name)}{'/' if path.is_dir() else ''}")


def _size(path: Path) -> str:
    if path.is_dir():
        return counted(sum(1 for each in path.rglob("*") if each.is_file()), "file")
    try:
        return size(path.lstat().st_size)
    except OSError:
        return ""


def _next(account: Account) -> Iterator[str]:
    """What can be done with it."""
    if account.can_resume:
        yield resume_command(account)
    if account.kept and account.stats.failed and account.state not in {State.RUNNING, State.DAMAGED}:
        yield f"scrapekit runs retry {account.id}"
    if account.state is State.DAMAGED:
        yield f"scrapekit runs export {account.id} -o FILE"


def resume_command(account: Account) -> str:
    """What to type so that a run goes on."""
    return f"scrapekit crawl {shlex.quote(account.target)} --resume --run {account.id}"


def _export_text(account: Account, export: Mapping[str, Any]) -> str:
    """How an export stands: where it was left, and whether its file is there."""
    target = str(export.get("target", ""))
    position = account.position(target)
    where = "no position, so an item may come twice" if position is None else f"left at {count(position)}"
    if base := export.get("base"):
        where += f", begun at {count(base)}"
    there = target == "-" or Path(target).exists()
    anew = "a resume writes" if account.can_resume else "scrapekit runs export writes"
    return f"{target}  {where}{'' if there else f'; the file is not there, {anew} it anew'}"
