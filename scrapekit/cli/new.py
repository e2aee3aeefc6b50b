"""``scrapekit new``: files to begin with. Nothing that exists is written over."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import Final

import click

from scrapekit.cli import templates
from scrapekit.cli.options import read_settings, verbose
from scrapekit.config import FILE_NAME, Settings
from scrapekit.errors import BadURL, ConfigError
from scrapekit.importing import shown
from scrapekit.project import discover, place_of
from scrapekit.url import canonical, split

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*")


@click.group("new", short_help="Make a project or a spider.", no_args_is_help=True)
def command() -> None:
    """Make a project or a spider. Nothing that exists is written over."""


@command.command("project", short_help="Make a project in a folder.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@verbose
def project(folder: Path) -> None:
    """Make a project in DIR, which is made if it does not exist: scrapekit.toml and a folder for spiders."""
    _write(folder / FILE_NAME, templates.PROJECT)
    _make_folder(folder / "spiders")
    if not (folder / ".gitignore").exists():
        _write(folder / ".gitignore", templates.IGNORED)
    click.echo(f"made {folder / FILE_NAME} and {folder / 'spiders'}/")
    click.echo(f"1. Set contact in {folder / FILE_NAME}: without it nothing but this machine is crawled.")
    click.echo(f"2. {_change_to(folder)}scrapekit new spider quotes https://quotes.toscrape.com/")
    click.echo("3. scrapekit crawl quotes -o quotes.jsonl")


@command.command("spider", short_help="Make a spider that begins at a URL.")
@click.argument("name", metavar="NAME")
@click.argument("url", metavar="URL")
@verbose
def spider(name: str, url: str) -> None:
    """Make a spider called NAME that begins at URL and keeps the title of each page of that site.

    It works as it is; make it yours by its fields and its links.
    """
    settings = read_settings()
    file = _free_file(name, settings)
    start, (_, hostname, _, host, _) = _start(url), split(_start(url))
    _write(file, templates.spider(name=name, cls=_class(name), url=start, host=host, domain=hostname))
    click.echo(f"made {shown(file)}")
    click.echo(f"run it: scrapekit crawl {name} -o {name}.jsonl --max-pages 20")
    try:
        settings.check_host(host, name)
    except ConfigError as error:
        click.echo(f"but first: {error}")


def _free_file(name: str, settings: Settings) -> Path:
    """Where a spider of that name may be written. Raises ConfigError if there is one already, or no project."""
    if settings.file is None:
        raise ConfigError("there is no project here", hint="make one: scrapekit new project DIR")
    module = name.replace("-", "_").lower()
    if not _NAME.fullmatch(name) or keyword.iskeyword(module):
        raise ConfigError(f"{name!r} cannot name a spider", hint="such as quotes, or book-shop")
    for known in discover(settings).spiders:
        if known.name == name:
            raise ConfigError(f"there is a spider {name!r} already", hint=str(place_of(known)))
    if not settings.spider_folders:
        raise ConfigError("no folder of spiders is named", file=settings.file, key="scrapekit.spiders")
    return settings.spider_folders[0] / f"{module}.py"


def _start(url: str) -> str:
    try:
        return canonical(url)
    except BadURL as error:
        hint = f"did you mean https://{url}?" if "://" not in url else None
        raise ConfigError(str(error), hint=hint) from None


def _class(name: str) -> str:
    """``book-shop`` becomes ``BookShop``; one that would hide a name of the file gets a tail."""
    cls = "".join(part[:1].upper() + part[1:] for part in re.split("[_-]", name))
    return f"{cls}Spider" if cls in {"Item", "Page", "Response", "Spider", "True", "False", "None"} else cls


def _write(file: Path, text: str) -> None:
    _make_folder(file.parent)
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise ConfigError("exists already, and is left as it is", file=shown(file)) from None
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=shown(file)) from None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot be made: {error.strerror}", file=folder) from None


def _change_to(folder: Path) -> str:
    return "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
