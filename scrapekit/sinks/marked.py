"""An item with one field more, which says how its page stands to the former run: new, changed or gone.

Where the item has a field of that name, it is set there; else only its line of JSON gets it.
"""

from __future__ import annotations

import copy
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import from_json, to_json

from scrapekit.sinks.kept import Kept, keep


def marked(item: Any, field: str, value: str) -> Kept:
    """Write an item as ``keep`` does, with a field more. The item itself is not touched. Raises as ``keep``."""
    if isinstance(item, dict):
        return keep({**item, field: value})
    if isinstance(item, BaseModel) and field in type(item).model_fields:
        return keep(item.model_copy(update={field: value}))
    if is_dataclass(item) and field in {each.name for each in fields(item)}:
        changed = copy.copy(item)
        object.__setattr__(changed, field, value)  # it may be frozen
        return keep(changed)
    kept = keep(item)
    return Kept(marked_line(kept.line, field, value), kept.kind, kept.item)


def marked_line(line: str, field: str, value: str) -> str:
    """A line of JSON with a field more; what is no object is named ``value`` beside it."""
    plain = from_json(line)
    whole = plain if isinstance(plain, dict) else {"value": plain}
    return to_json({**whole, field: value}).decode()
