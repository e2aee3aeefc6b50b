"""``scrapekit version``"""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import click

from scrapekit.cli.app import Shell
from scrapekit.cli.options import verbose
from scrapekit.version import VERSION

_ENGINES = ("curio", "h11", "selectolax", "pydantic", "tomli", "can_ada")


@click.command("version", short_help="Show the version.")
@verbose
@click.pass_obj
def command(shell: Shell) -> None:
    """Show the version; with -v those of Python and of the libraries too."""
    click.echo(f"scrapekit {VERSION}")
    if shell.verbosity > 0:
        click.echo(f"Python {platform.python_version()} on {platform.system()}")
        for name in _ENGINES:
            click.echo(f"{name} {_version(name)}")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "is not installed"
