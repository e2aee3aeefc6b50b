"""The reference of settings in docs/settings.md, made from the models: ``python -m tests.settings_table`` writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from scrapekit import tables, units
from scrapekit.headers import Headers

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
BEGIN: Final = "<!-- begin: made by `python -m tests.settings_table` -->"
END: Final = "<!-- end -->"


def made() -> str:
    """One table of keys for each table of the file, in Markdown."""
    return "\n".join(
        line for table, rows in groupby(tables.reference(), lambda row: row[0]) for line in _lines(table, rows)
    )


def _lines(table: str, rows: Any) -> Iterator[str]:
    yield from (
        f"### `[{table}]`",
        "",
        _purpose(table),
        "",
        "| key | default | what it does, and why |",
        "|---|---|---|",
    )
    for _, name, default, description in rows:
        yield f"| `{name}` | {_shown(name, default)} | {description.replace('|', chr(92) + '|')} |"
    yield ""


def _purpose(table: str) -> str:
    return tables.Tables.model_fields[table].description or ""


def _shown(name: str, default: Any) -> str:
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


def between(text: str) -> str:
    """What stands between the two markers."""
    return text.partition(BEGIN)[2].partition(END)[0].strip("\n")


def main() -> None:
    text = PAGE.read_text()
    PAGE.write_text(
        re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n\n{made()}\n{END}", text, flags=re.DOTALL)
    )


if __name__ == "__main__":
    main()
