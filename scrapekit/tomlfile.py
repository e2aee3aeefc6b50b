"""A TOML file as plain tables, and the line on which each key stands.

tomli gives no positions of keys. They are found by reading the file again, statement by statement: lines are added to
a piece until the piece parses under the last table header, and the keys that it defines stand on its first line.

Knows nothing of settings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import tomli

from scrapekit.errors import ConfigError

KeyPath = tuple[str, ...]
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


def read(path: Path) -> tuple[dict[str, Any], str]:
    """The tables of a file, and its text.

    Raises ConfigError with file and line if it cannot be read or is not TOML.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", file=path) from None
    try:
        # Editors on Windows write a BOM, which tomli takes for a key.
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError("is not UTF-8, as TOML must be", file=path, line=line) from None
    return parse(text, path), text


def parse(text: str, file: Path | str) -> dict[str, Any]:
    """The tables of a text. Raises ConfigError with file and line if it is not TOML."""
    try:
        return tomli.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(_what(error), file=file, line=_line(error, text)) from None


def value(text: str) -> Any:
    """What stands to the right of ``=``; text that is not a TOML value is a string, so that words need no quotes."""
    try:
        found = tomli.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return found["value"] if found.keys() == {"value"} else text


def key_path(text: str) -> KeyPath | None:
    """The parts of a dotted key; None if it is not one."""
    if "\n" in text or "\r" in text or "=" in text.partition('"')[0].partition("'")[0]:
        return None
    try:
        tables = tomli.loads(f"{text} = 0")
    except (ValueError, RecursionError):
        return None
    return next((path for path, leaf in _paths(tables) if leaf == 0), None)


def dotted(path: Sequence[str]) -> str:
    """A key as TOML writes it, parts that are no bare words in quotes; ``key_path`` reads it back."""
    return ".".join(part if _BARE.fullmatch(part) else _quoted(part) for part in path)


def lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, on which each table and key of a valid text is first named."""
    where: dict[KeyPath, int] = {}
    header, piece, first = "", "", 1
    for number, line in enumerate(text.split("\n"), 1):
        piece = f"{piece}\n{line}" if piece else line
        is_header = piece.lstrip().startswith("[")
        tables = _tables(piece if is_header else f"{header}\n{piece}")
        if tables is None:
            continue
        for path, _ in _paths(tables):
            where.setdefault(path, first)
        header = piece if is_header else header
        piece, first = "", number + 1
    return where


def _quoted(part: str) -> str:
    """JSON's strings are TOML's, but for DEL, which TOML wants escaped."""
    return json.dumps(part, ensure_ascii=False).replace("\x7f", "\\u007f")


def _tables(text: str) -> dict[str, Any] | None:
    try:
        return tomli.loads(text)
    except ValueError:
        return None


def _paths(tables: Mapping[str, Any], above: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    for name, inner in tables.items():
        yield (*above, name), inner
        if isinstance(inner, Mapping):
            yield from _paths(inner, (*above, name))


def _what(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    message = str(getattr(error, "msg", error)).partition(" (at ")[0]
    return f"not TOML: {message[:1].lower()}{message[1:]}"


def _line(error: Exception, text: str) -> int | None:
    """At the end of a file that ends in a line break tomli names the line after the last, which no editor shows."""
    line = getattr(error, "lineno", None)
    return min(line, text.rstrip("\n").count("\n") + 1) if isinstance(line, int) else None
