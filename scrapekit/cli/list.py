"""``scrapekit list``"""

from __future__ import annotations

import inspect

import click

from scrapekit.cli.options import read_settings, verbose
from scrapekit.errors import ConfigError
from scrapekit.project import discover, place_of
from scrapekit.spider import Spider


@click.command("list", short_help="List the project's spiders.")
@verbose
def command() -> None:
    """List the project's spiders: name, place, and the first line of the class's docstring.

    A file that cannot be imported is told on standard error, with the line at which it broke.
    """
    settings = read_settings()
    if settings.file is None:
        raise ConfigError("there is no project here", hint="make one: scrapekit new project DIR")
    found = discover(settings)
    rows = sorted((spider.name, str(place_of(spider)), _about(spider)) for spider in found.spiders)
    widths = [max((len(row[at]) for row in rows), default=0) for at in (0, 1)]
    for name, place, about in rows:
        click.echo(f"{name:{widths[0]}}  {place:{widths[1]}}  {about}".rstrip())
    for problem in found.problems:
        click.echo(f"scrapekit: {problem}", err=True)
    if not rows and not found.problems:
        click.echo("scrapekit: no spiders yet; make one: scrapekit new spider NAME URL", err=True)


def _about(spider: type[Spider]) -> str:
    own = spider.__doc__ if "__doc__" in vars(spider) else None
    return inspect.cleandoc(own).partition("\n")[0] if own else ""
