"""The parts of the documentation that are made from the code: ``python -m tests.reference`` writes them.

They stand between two markers in their pages; a test compares them with what the code says today.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import click

from scrapekit import errors, tables, units
from scrapekit.headers import Headers

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
BEGIN: Final = "<!-- begin: made by `python -m tests.reference` -->"
END: Final = "<!-- end -->"


def settings() -> Iterator[str]:
    """One table of keys for each table of scrapekit.toml."""
    for table, rows in groupby(tables.reference(), lambda row: row[0]):
        purpose = tables.Tables.model_fields[table].description or ""
        yield from (f"### `[{table}]`", "", purpose, "", "| key | default | what it does, and why |", "|---|---|---|")
        for _, name, default, description in rows:
            yield f"| `{name}` | {_default(name, default)} | {_cell(description)} |"
        yield ""


def error_tree() -> Iterator[str]:
    """The errors with what each means, as the module's docstring has them; subclasses after their parent."""
    yield from ("| name | what it means |", "|---|---|")
    for indent, name, meaning in re.findall(r"^    ( *)([A-Z]\w+)(?: +(.*))?$", errors.__doc__ or "", re.MULTILINE):
        yield f"| {'– ' * (len(indent) // 2 - 1)}`{name}` | {_cell(meaning) or 'all of them'} |"


def commands() -> Iterator[str]:
    """Each command with its arguments and options."""
    from scrapekit.cli.app import program

    yield from _commands(program, "scrapekit")


def _commands(command: click.Command, name: str) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    if isinstance(command, click.Group):
        if command.invoke_without_command:
            yield from (f"### `{name}`", "", *_paragraphs(command))
        for each in command.list_commands(context):
            found = command.get_command(context, each)
            assert found is not None
            yield from _commands(found, f"{name} {each}")
        return
    usage = " ".join(command.collect_usage_pieces(context))
    yield from (f"### `{name}`", "", f"`{name} {usage}`".replace(" `", "`"), "")
    yield from _paragraphs(command)
    options = [each for each in command.params if isinstance(each, click.Option)]
    if options:
        yield from ("| option | what it does |", "|---|---|")
        yield from (f"| {_flags(each)} | {_cell(each.help or '')} |" for each in options)
        yield ""


def _paragraphs(command: click.Command) -> Iterator[str]:
    for paragraph in (command.help or "").split("\n\n"):
        if "\b" not in paragraph:  # a drawing for the terminal; the page tells it in its own words
            yield from (" ".join(paragraph.split()), "")


def _flags(option: click.Option) -> str:
    value = "" if option.is_flag else f" {option.metavar or option.name.upper()}"  # type: ignore[union-attr]
    return ", ".join(f"`{flag}{value}`" for flag in option.opts)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _default(name: str, default: Any) -> str:
    """A default as it would be written in the file."""
    if default is None:
        return "none"
    if isinstance(default, Headers):
        return f"`{{{', '.join(f'{key} = {value!r}' for key, value in default.raw)}}}`"
    if isinstance(default, float):
        return f"`{default}`" if default < 60 else f'`"{units.duration_text(default)}"`'
    if isinstance(default, tuple):
        return f"`[{', '.join(f'{chr(34)}{each}{chr(34)}' for each in default)}]`"
    if name.endswith(("size", "memory")):
        return f'`"{units.size_text(default)}"`'
    return f'`"{default}"`' if isinstance(default, str) else f"`{default}`"


#: page           what makes its part
PARTS: Final[dict[str, Callable[[], Iterator[str]]]] = {
    "settings.md": settings,
    "commands.md": commands,
    "api.md": error_tree,
}


def written(page: str) -> str:
    """What stands between the markers of a page."""
    return (DOCS / page).read_text().partition(BEGIN)[2].partition(END)[0].strip("\n")


def made(page: str) -> str:
    """What the code says should stand there."""
    return "\n".join(PARTS[page]()).strip("\n")


def main() -> None:
    for page in PARTS:
        before, _, rest = (DOCS / page).read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        (DOCS / page).write_text(f"{before}{BEGIN}\n\n{made(page)}\n\n{END}{after}")


if __name__ == "__main__":
    main()
