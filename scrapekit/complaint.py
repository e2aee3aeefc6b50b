"""What is wrong with the settings, in one line: file, line, key, and the nearest right key.

The only place that knows how pydantic words its findings.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from scrapekit.errors import ConfigError
from scrapekit.tables import Tables, reference
from scrapekit.tomlfile import KeyPath, dotted, key_path

Lines = Mapping[KeyPath, int]


def first(
    error: ValidationError, data: Mapping[str, Any], lines: Lines, sets: Collection[KeyPath], file: Path | None
) -> ConfigError:
    """The finding that stands first in the file, as a ConfigError."""
    found = [(_within(data, finding["loc"]), finding) for finding in error.errors(include_url=False)]
    path, finding = min(found, key=lambda each: _line(each[0], lines) or 0)
    unknown = finding["type"] == "extra_forbidden"
    message = "unknown key" if unknown else _message(finding)
    hint = _nearest(path, finding["input"]) if unknown else None
    return placed(ConfigError(message, key=dotted(path), hint=hint), lines, sets, file)


def placed(problem: ConfigError, lines: Lines, sets: Collection[KeyPath], file: Path | None) -> ConfigError:
    """The same error with file and line, or with ``--set`` as its place."""
    path = key_path(problem.key or "") or ()
    if any(path[: len(given)] == given or given[: len(path)] == path for given in sets):
        place: tuple[Path | str | None, int | None] = "--set", None
    else:
        place = file, _line(path, lines)
    return ConfigError(problem.message, file=place[0], line=place[1], key=problem.key, hint=problem.hint)


def _line(path: KeyPath, lines: Lines) -> int | None:
    """The key's line, or that of the nearest table around it."""
    return next((lines[path[:at]] for at in range(len(path), 0, -1) if path[:at] in lines), None)


def _within(data: Mapping[str, Any], loc: Sequence[str | int]) -> KeyPath:
    """The part of pydantic's location that names keys of the file; the rest are positions and remarks of its own."""
    path: list[str] = []
    inner: Any = data
    for part in loc:
        if not isinstance(part, str) or not isinstance(inner, Mapping) or part not in inner:
            break
        path.append(part)
        inner = inner[part]
    return tuple(path)


def _message(finding: Mapping[str, Any]) -> str:
    """Our own checks say ``must be …``; pydantic's are brought to the same form, with what was given."""
    text = str(finding["msg"]).removeprefix("Value error, ")
    if finding["type"] in ("model_type", "dict_type"):
        text = "must be a table"
    text = (
        text.replace("Input should be", "must be")
        .replace("String should", "must")
        .replace("valid integer", "whole number")
        .replace("a valid ", "a ")
    )
    return text if finding["type"] == "value_error" else f"{text}, not {_shown(finding['input'])}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"


def _nearest(path: KeyPath, value: Any) -> str | None:
    """What was probably meant: a key of this table, the same key of another, or a host's name without its quotes."""
    *above, name = path
    model = _model(above)
    known = list(model.model_fields) if model else []
    near = difflib.get_close_matches(name, known, 1)
    if near:
        return f"did you mean {near[0]}?"
    if "hosts" in above and isinstance(value, Mapping):
        host = ".".join(path[above.index("hosts") + 1 :])
        return f"a host stands in quotes: [{dotted([*above[: above.index('hosts')], 'hosts', host])}]"
    elsewhere = [table for table, key, _, _ in reference() if key == name]
    if elsewhere:
        return f"{name} belongs in [{elsewhere[0]}]"
    return f"known here: {', '.join(known)}" if known else None


def _model(path: Sequence[str]) -> type[BaseModel] | None:
    """The table at a path; names of hosts and spiders are any."""
    model: Any = Tables
    for part in path:
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = model.model_fields.get(part)
            model = field.annotation if field else None
        else:
            model = next(iter(get_args(model)[1:]), None)
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None
