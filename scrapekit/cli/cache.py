"""``scrapekit cache``: what is kept of pages for working on a spider, and how to be rid of it."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path

import click

from scrapekit.cli import exits
from scrapekit.cli.options import read_settings, verbose
from scrapekit.errors import ConfigError


@click.group("cache", invoke_without_command=True, short_help="Look at the pages that are kept for crawl --cache.")
@verbose
@click.pass_context
def command(context: click.Context) -> int:
    """Look at the pages that crawl --cache keeps in .scrapekit/cache.sqlite, or clear them.

    Without a command they are shown.
    """
    return exits.DONE if context.invoked_subcommand else _show()


@command.command(short_help="Say how much is kept.")
@verbose
def show() -> int:
    """Say how many answers are kept, since when, and how much room they take."""
    return _show()


@command.command(short_help="Forget all that is kept.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@verbose
def clear(yes: bool) -> int:
    """Forget every answer, so that the next crawl --cache asks the site again."""
    from scrapekit.cache import PageCache
    from scrapekit.watch.numbers import counted, size

    path = _path()
    if not path.exists():
        click.echo("scrapekit: nothing is kept", err=True)
        return exits.DONE
    with closing(PageCache(path.parent)) as cache:
        before = cache.sizes()
        if not yes and before.answers:
            _ask(f"Forget {counted(before.answers, 'answer')}, {size(before.bytes)}?")
        count = cache.clear()
        freed = before.bytes - cache.sizes().bytes
    click.echo(f"scrapekit: {counted(count, 'answer')} forgotten, {size(freed)} freed", err=True)
    return exits.DONE


def _show() -> int:
    from scrapekit.cache import PageCache
    from scrapekit.watch.numbers import count, size

    path = _path()
    click.echo(f"{'file':8} {path}")
    if not path.exists():
        click.echo(f"{'answers':8} 0")
        return exits.DONE
    with closing(PageCache(path.parent)) as cache:
        sizes = cache.sizes()
    click.echo(f"{'answers':8} {count(sizes.answers)}")
    click.echo(f"{'size':8} {size(sizes.bytes)}")
    if sizes.answers:
        click.echo(f"{'oldest':8} {_date(sizes.oldest)}")
        click.echo(f"{'newest':8} {_date(sizes.newest)}")
    return exits.DONE


def _path() -> Path:
    """Where the project's cache is, if there is one."""
    from scrapekit.cache import FILE_NAME
    from scrapekit.sinks import HOME

    return read_settings().root / HOME / FILE_NAME


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise ConfigError("nothing was forgotten", hint="--yes does it without asking")
    click.confirm(question, abort=True, err=True)


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
