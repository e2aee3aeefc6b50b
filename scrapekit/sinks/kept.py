"""An item on its way to the sinks: one line of JSON, and what it was.

The line is made once, where the item is yielded, and every sink writes from it: so JSON Lines, JSON and CSV of one
crawl hold the same values, and a run's own ``items.jsonl`` can be exported again as any of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, is_dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, from_json, to_json

from scrapekit.errors import ItemError


@dataclass(frozen=True, slots=True)
class Kept:
    """One item: ``line`` is its JSON without a line end, ``kind`` the name of its type, ``item`` the object itself.

    ``item`` is None for what was read back from a file.
    """

    line: str
    kind: str = "dict"
    item: Any = field(default=None, compare=False)

    def fields(self) -> dict[str, Any]:
        """The values by name, as JSON has them; what is no object, or an empty one, is named ``value``."""
        plain = from_json(self.line)
        return plain if isinstance(plain, dict) and plain else {"value": plain}


def keep(item: Any) -> Kept:
    """Write an item as one line of JSON: a pydantic model, a dataclass instance or a dict.

    NaN and the infinities become null, since JSON has none of them. Raises TypeError, with a message that goes after
    "callback x yielded", for anything else and for what JSON cannot hold.
    """
    kind = type(item)
    try:
        if isinstance(item, BaseModel):
            return Kept(item.model_dump_json(), kind.__name__, item)
        if isinstance(item, dict) or (is_dataclass(item) and not isinstance(item, type)):
            return Kept(to_json(item, inf_nan_mode="null").decode(), kind.__name__, item)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise TypeError(f"an item of type {kind.__name__} that cannot be written as JSON: {error}") from error
    raise TypeError(f"{_shown(item)}, which is no item (a pydantic model, a dataclass or a dict)")


def rejected(error: ItemError) -> Kept:
    """Write what a page failed to give as one line for ``rejected.jsonl``."""
    names = ("url", "model", "field", "selector", "message", "snippet")
    return Kept(to_json({name: getattr(error, name) for name in names}).decode(), error.model, error)


def _shown(item: Any) -> str:
    text = repr(item)
    return f"{text if len(text) <= 80 else text[:77] + '...'} of type {type(item).__name__}"
