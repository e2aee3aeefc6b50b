"""``scrapekit crawl``: the way from a name to a crawl."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import click

from scrapekit.cli.app import Shell
from scrapekit.cli.options import assignments, duration, quiet, read_settings, sets, verbose
from scrapekit.errors import ConfigError

_COUNT = click.IntRange(min=0)


@click.command("crawl", short_help="Run a spider.")
@click.argument("name", metavar="NAME")
@click.option(
    "-o",
    "--output",
    "targets",
    multiple=True,
    metavar="FILE",
    help="Write the items there: .jsonl, .json, .csv, .sqlite or .parquet; - is standard output. May be repeated.",
)
@click.option(
    "-a",
    "arguments",
    multiple=True,
    callback=assignments,
    metavar="KEY=VALUE",
    help="An argument for the spider. May be repeated.",
)
@sets
@click.option("--max-pages", type=_COUNT, metavar="N", help="Never more than N callbacks on responses.")
@click.option("--max-items", type=_COUNT, metavar="N", help="Start no request once N items are out.")
@click.option("--max-time", callback=duration, metavar="TIME", help="Stop after this long, such as 90, 10m or 1h 30m.")
@click.option("--fail-fast", is_flag=True, help="Stop when a callback raises or an item is rejected.")
@click.option("--resume", is_flag=True, help="Go on with the newest run of the spider that has work left.")
@click.option(
    "--run", "run", metavar="RUN", help="With --resume: the run to go on with, by its id; see scrapekit runs."
)
@click.option("--since-last", is_flag=True, help="Ask only for what has changed since the spider's last good run.")
@click.option(
    "--cache", is_flag=True, help="Ask no site twice for a page: for working on a spider; see scrapekit cache."
)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option("--append", is_flag=True, help="Add to files that exist.")
@quiet
@verbose
@click.pass_obj
def command(
    shell: Shell,
    /,
    name: str,
    targets: tuple[str, ...],
    arguments: dict[str, str],
    sets: tuple[str, ...],
    **wished: Any,
) -> int:
    """Run a spider: NAME of the project, path/to/spider.py[:Class], or module:Class.

    Items go to each FILE, and always to the run's own folder below .scrapekit/runs. Without -o, and where standard
    output is no terminal, they go there as JSON Lines.

    Ctrl-C stops in good order, a second one at once. However a crawl was stopped, --resume goes on with it: nothing is
    lost, and no item is in a file twice. The spider's arguments and the files of -o are those of before.

    \b
    Exit codes:  0  done
                 1  too many failures, or none of the first requests succeeded
                 2  usage or configuration
                 3  stopped with work left
               130  interrupted (143 by SIGTERM)
    """
    # Help and a wrong option should not wait for what only a crawl needs.
    from scrapekit.cli.running import Wish, run_crawl, say_what_is_left
    from scrapekit.crawler import Bounds
    from scrapekit.project import make, pick
    from scrapekit.resume import to_resume
    from scrapekit.watch import logging_to, open_console

    settings = read_settings(sets)
    console = open_console()
    resume, run, overwrite, append = (wished.pop(name) for name in ("resume", "run", "overwrite", "append"))
    since_last, cache = wished.pop("since_last"), wished.pop("cache")
    if run and not resume:
        raise ConfigError("--run says which run to go on with", hint="add --resume")
    bounds = Bounds(max_failures=settings.crawl.max_failures, **wished)
    wish = Wish(
        name,
        targets or _default_targets(resume),
        overwrite,
        append,
        bounds,
        shell.verbosity,
        since_last=since_last,
        cache=cache,
    )
    # The log is heard before the spider is imported, which may have something to say.
    live = console.is_interactive and not wish.to_terminal
    with logging_to(console, verbosity=shell.verbosity, live=live):
        spider = pick(name, settings)
        if resume:
            left = to_resume(settings.root, spider.name, run)
            wish = replace(wish, resume=left.run.id, arguments=left.arguments | arguments)
        else:
            wish = replace(wish, arguments=arguments)
            say_what_is_left(spider.name, settings, wish, console)
        return run_crawl(make(spider, wish.arguments), settings, wish, console)


def _default_targets(resume: bool) -> tuple[str, ...]:
    """In a pipe, items are what is wanted of it; on a terminal they would be in the way. A run has its own already."""
    return () if resume or sys.stdout.isatty() else ("-",)
