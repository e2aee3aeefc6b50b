"""Options that several commands share, and the types that their values have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from scrapekit import units
from scrapekit.cli.app import Shell
from scrapekit.config import Settings, find_project, load

F = TypeVar("F", bound=Callable[..., Any])


def duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Read seconds, written as in the settings: ``90``, ``1.5 s``, ``10m``."""
    try:
        return None if value is None else units.duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def assignments(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Read ``key=value``, each key once: keyword arguments of a spider."""
    read: dict[str, str] = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise click.BadParameter(f"{text!r} is not key=value", ctx, param)
        if key in read:
            raise click.BadParameter(f"{key} is given twice", ctx, param)
        read[key] = value
    return read


def _loudness(level: int) -> Callable[[click.Context, click.Parameter, bool], None]:
    def heard(ctx: click.Context, param: click.Parameter, given: bool) -> None:
        shell = ctx.find_object(Shell)
        if given and shell is not None:
            if shell.verbosity == -level:
                raise click.UsageError("-q and -v exclude each other", ctx)
            shell.verbosity = level

    return heard


def verbose(command: F) -> F:
    """``-v``: tracebacks, and in a crawl all that is logged."""
    text = "Say more; show the traceback of an error."
    return click.option(
        "-v", "--verbose", is_flag=True, expose_value=False, is_eager=True, help=text, callback=_loudness(1)
    )(command)


def quiet(command: F) -> F:
    """``-q``: errors only."""
    return click.option(
        "-q",
        "--quiet",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        help="Say errors only.",
        callback=_loudness(-1),
    )(command)


def sets(command: F) -> F:
    """``--set KEY=V``, which may be repeated."""
    return click.option(
        "--set",
        "sets",
        multiple=True,
        metavar="KEY=VALUE",
        help="Replace one key of scrapekit.toml, such as limits.delay=2. May be repeated.",
    )(command)


def read_settings(overrides: tuple[str, ...] = ()) -> Settings:
    """The settings of the project around the current folder, or the defaults; with single keys replaced."""
    file = find_project(Path.cwd())
    settings = load(file) if file else Settings()
    return settings.overridden(overrides) if overrides else settings
