"""``scrapekit runs retry`` and ``scrapekit runs prune``: what changes a run that is kept, or ends it."""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Final

import click

from scrapekit.cli import exits
from scrapekit.cli.options import duration, read_settings, verbose
from scrapekit.errors import ConfigError

if TYPE_CHECKING:
    from scrapekit.history import Account
    from scrapekit.sinks import RunFolder

#: Which failed requests are those whose callback did.
_CALLBACK: Final = "callback"
_STATUS: Final = re.compile(r"[1-5](xx|\d\d)", re.IGNORECASE)
_STATES: Final = ("finished", "stopped", "killed", "damaged", "any")
#: Runs that are named before they are deleted; the rest is only counted.
_SHOWN: Final = 10


@click.command(short_help="Put a run's failed requests back.")
@click.argument("run", metavar="RUN")
@click.option("--status", "statuses", multiple=True, metavar="CODE", help="Those with this status: 503, 5xx.")
@click.option("--reason", "reasons", multiple=True, metavar="TEXT", help='Those that failed by this: "timeout".')
@click.option("--callback-errors", is_flag=True, help="Those too whose callback raised; its items may come twice.")
@verbose
def retry(run: str, statuses: tuple[str, ...], reasons: tuple[str, ...], callback_errors: bool) -> int:
    """Put a run's failed requests back, so that crawl --resume fetches them again.

    Without --status and --reason, all that failed but those whose callback raised: the page was there, and what the
    callback yielded before it raised was kept, so mend the spider first. Both options may be repeated.
    """
    from scrapekit.watch.runs import resume_command

    wanted = _wanted(statuses, reasons, callback_errors)
    account = look_at(run)
    if not account.kept:
        raise ConfigError(f"run {account.id} keeps nothing that could be fetched again")
    put_back = _reopen(account.folder, wanted)
    if not put_back:
        click.echo(f"scrapekit: nothing was put back; {_failures(account)}", err=True)
        return exits.DONE
    click.echo(f"scrapekit: {put_back:,} put back; fetch them: {resume_command(account)}", err=True)
    return exits.DONE


@click.command(short_help="Delete runs.")
@click.option("--keep", type=click.IntRange(min=0), metavar="N", help="Keep the newest N of each spider.")
@click.option("--older-than", callback=duration, metavar="TIME", help="Those that ended so long ago, such as 30d.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(_STATES),
    metavar="STATE",
    help=f"Those in this state: {', '.join(_STATES)}. May be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@verbose
def prune(keep: int | None, older_than: float | None, states: tuple[str, ...], dry_run: bool, yes: bool) -> int:
    """Delete runs with all that is in their folders; never one that is being crawled. Exports stay.

    Without --state only finished runs are meant: the others can be resumed. At least one option has to say which.
    crawl --since-last compares with the last run of a spider, so --keep 1 at least where you use it.
    """
    if keep is None and older_than is None and not states:
        raise click.UsageError("say which: --keep, --older-than or --state")
    chosen = _chosen(keep, older_than, set(states or ("finished",)))
    for account in chosen[:_SHOWN]:
        click.echo(f"{account.id}  {account.state.value}  {_size(account.folder.size())}", err=True)
    if len(chosen) > _SHOWN:
        click.echo(f"and {len(chosen) - _SHOWN:,} more", err=True)
    total = sum(account.folder.size() for account in chosen)
    if dry_run or not chosen:
        click.echo(f"scrapekit: {_runs(len(chosen))} to delete, {_size(total)}", err=True)
        return exits.DONE
    if not yes and not _agreed(f"Delete {_runs(len(chosen))}, {_size(total)}?"):
        return exits.DONE
    freed = [size for account in chosen if (size := _remove(account.folder)) is not None]
    click.echo(f"scrapekit: {_runs(len(freed))} deleted, {_size(sum(freed))} freed", err=True)
    return exits.DONE if len(freed) == len(chosen) else exits.FAILED


def look_at(run: str) -> Account:
    """The run that is meant. Raises ConfigError where there is none."""
    from scrapekit.history import look
    from scrapekit.sinks import RunFolder

    return look(RunFolder.open(read_settings().root, run))


def _wanted(statuses: tuple[str, ...], reasons: tuple[str, ...], callback_errors: bool) -> Callable[[str], bool]:
    """Which reasons are meant."""
    for status in statuses:
        if not _STATUS.fullmatch(status):
            raise click.UsageError(f"--status {status!r} is neither a status, such as 503, nor a class, such as 5xx")
    if _CALLBACK in reasons and not callback_errors:
        raise click.UsageError("what a callback gave before it raised may come twice: say --callback-errors")
    patterns = [f"status {status.lower().replace('xx', '..')}" for status in statuses] + [*map(re.escape, reasons)]
    everything = not patterns

    def wanted(reason: str) -> bool:
        if reason == _CALLBACK:
            return callback_errors
        return everything or any(re.fullmatch(pattern, reason) for pattern in patterns)

    return wanted


def _reopen(folder: RunFolder, wanted: Callable[[str], bool]) -> int:
    """Put them back, and let the statistics forget by what they had failed."""
    from scrapekit.frontier import SQLiteFrontier
    from scrapekit.history import look

    with folder.take():
        stats = look(folder).stats
        told = {key: times for key, times in stats.reasons.items() if key[0] != "failed" or not wanted(key[1])}
        # No host's state is read or written here.
        frontier = SQLiteFrontier(folder.frontier, dump=json.dumps, load=json.loads)
        try:
            return frontier.reopen(wanted, {"stats": replace(stats, reasons=Counter(told)).to_dict()})
        finally:
            frontier.close()


def _failures(account: Account) -> str:
    """By what its requests failed."""
    failed: Counter[str] = Counter()
    for (outcome, why), times in account.stats.reasons.items():
        if outcome == "failed":
            failed[why] += times
    named = ", ".join(f"{why} ({times:,})" for why, times in failed.most_common())
    return f"by what requests failed: {named}" if account.stats.failed and named else "no request failed"


def _chosen(keep: int | None, older_than: float | None, states: set[str]) -> list[Account]:
    """The runs to delete, newest first."""
    from scrapekit.history import State, accounts

    found: list[Account] = []
    kept: Counter[str] = Counter()
    before = inf if older_than is None else time.time() - older_than  # inf, for a clock may have been set back
    for account in accounts(read_settings().root):
        if account.state is State.RUNNING or not states & {account.state.value, "any"}:
            continue
        kept[account.spider] += 1
        if kept[account.spider] > (keep or 0) and (account.ended or account.started) <= before:
            found.append(account)
    return found


def _agreed(question: str) -> bool:
    """Whether the person at the terminal says yes. Raises ConfigError where there is none."""
    if not sys.stdin.isatty():
        raise ConfigError("nothing was deleted", hint="--yes deletes without asking, --dry-run shows what")
    return click.confirm(question, err=True)


def _remove(folder: RunFolder) -> int | None:
    """How much that freed; None where it could not be, which is said."""
    try:
        return folder.remove()
    except (ConfigError, OSError) as error:
        click.echo(f"scrapekit: {folder.id} stays: {error}", err=True)
        return None


def _size(octets: int) -> str:
    from scrapekit.watch.numbers import size

    return size(octets)


def _runs(number: int) -> str:
    return f"{number:,} run{'' if number == 1 else 's'}"
