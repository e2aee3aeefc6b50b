"""``scrapekit runs``: what is kept of former crawls, and what can be done with it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from scrapekit.cli import exits
from scrapekit.cli.options import read_settings, verbose
from scrapekit.cli.tending import look_at, prune, retry
from scrapekit.errors import ConfigError

_run = click.argument("run", metavar="RUN")
_json = click.option("--json", "as_json", is_flag=True, help="Print it as JSON: sizes in bytes, times in seconds.")


@click.group("runs", invoke_without_command=True, short_help="Look at the runs that are kept.")
@verbose
@click.pass_context
def command(context: click.Context) -> int:
    """Look at the runs in .scrapekit/runs, newest first; export their items again, put failed requests back, delete.

    RUN is a run's id, the beginning or the end of one, or "last". Without a command they are listed.
    """
    return exits.DONE if context.invoked_subcommand else _list(None, as_json=False)


@command.command("list", short_help="List the runs, newest first.")
@click.argument("spider", metavar="[SPIDER]", required=False)
@_json
@verbose
def list_(spider: str | None, as_json: bool) -> int:
    """List the runs, newest first; those of SPIDER only, if it is named.

    \b
    running    a process is crawling it
    finished   nothing is left to do
    stopped    it ended with work left, and why; crawl --resume goes on with it
    killed     it had no end; crawl --resume goes on with it
    damaged    what was to be fetched cannot be read any more; the items can
    """
    return _list(spider, as_json=as_json)


@command.command(short_help="Show all that is known of a run.")
@_run
@_json
@verbose
def show(run: str, as_json: bool) -> int:
    """Show all that is known of a run: its counters, its files and exports, and how to go on with it."""
    from scrapekit.watch import open_console
    from scrapekit.watch.runs import account_text

    account = look_at(run)
    if as_json:
        exports = [each | {"position": account.position(each["target"])} for each in account.exports]
        more = {"arguments": account.notes.get("arguments") or {}, "exports": exports, "stats": account.stats.to_dict()}
        click.echo(json.dumps(account.to_dict() | more, indent=2))
    else:
        open_console(sys.stdout).say(account_text(account))
    return exits.DONE


@command.command(short_help="Write a run's items again, in any format.")
@_run
@click.option(
    "-o", "--output", "target", required=True, metavar="FILE", help="Where to; by its ending, or - for standard output."
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@verbose
def export(run: str, target: str, overwrite: bool) -> int:
    """Write a run's items again, in any format: from its own record, without a request.

    Of a run that is being crawled, those that are committed; of a damaged one, all that are whole.
    """
    from scrapekit.sinks import Kept, copy_items, open_sink

    account = look_at(run)
    record = account.folder.items
    if not record.exists():
        raise ConfigError("the run has no items", file=record)
    if Path(target).resolve() == record.resolve():
        raise ConfigError("is the run's own record", file=target)
    upto, after = account.items_upto, [Kept(line) for line in account.items_after]
    if upto is not None and upto > record.stat().st_size:
        click.echo(f"scrapekit: {record} is shorter than it was left, so some items are lost", err=True)
        upto = None
    sink = open_sink(target, overwrite=overwrite)
    try:
        written = copy_items(record, sink, upto=upto) + len(after)
        sink.write(after)
    finally:
        sink.close()
    click.echo(f"scrapekit: {_items(written)} of {account.id} written to {_name(target)}", err=True)
    return exits.DONE


def _list(spider: str | None, *, as_json: bool) -> int:
    from scrapekit.history import accounts
    from scrapekit.watch import open_console
    from scrapekit.watch.runs import table

    found = list(accounts(read_settings().root, spider))
    if as_json:
        click.echo(json.dumps([account.to_dict() for account in found], indent=2))
    elif found:
        open_console(sys.stdout).say(table(found))
    else:
        of = f" of {spider!r}" if spider else ""
        click.echo(f"scrapekit: no run{of} is kept here; make one: scrapekit crawl {spider or 'NAME'}", err=True)
    return exits.DONE


def _items(number: int) -> str:
    return f"{number:,} item{'' if number == 1 else 's'}"


def _name(target: str) -> str:
    return "standard output" if target == "-" else target


for _each in (retry, prune):
    command.add_command(_each)
