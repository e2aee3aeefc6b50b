"""What a page holds, declared: a pydantic model whose fields say by selector where they stand.

Wrong selectors and patterns are refused when the class is made. Does not know how a page is read: ``extract`` does.
"""

from __future__ import annotations

import re as regex
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeVar, dataclass_transform

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

from scrapekit.errors import BadSelector
from scrapekit.markup import check_selector

_NO_DEFAULT: Final[Any] = ...


@dataclass(frozen=True, slots=True)
class Selector:
    """Where a field stands: below the item's node, in which attribute, cut by which pattern."""

    query: str = ""
    attr: str | None = None
    pattern: str | regex.Pattern[str] | None = None

    def __str__(self) -> str:
        return f"{self.query}[{self.attr}]" if self.attr else self.query


def css(
    query: str = "",
    attr: str | None = None,
    re: str | regex.Pattern[str] | None = None,
    default: Any = _NO_DEFAULT,
) -> Any:
    """Declare where a field of an Item stands.

    ``query`` is searched from the item's node down, that node itself included; "" means the node itself. ``attr`` takes
    an attribute instead of the text. ``re`` cuts the value before it is converted: its first group, or the whole match
    if it has none. The first match counts; on a field that is a list, set or tuple, all of them.

    Text has its white space squeezed, an attribute stays as it is. A field of type HttpUrl or AnyUrl is made absolute
    against the page's base, and without ``attr`` reads href or src; a str keeps what the page says.

    No match (a missing attribute, or a pattern not found, is none either): the default, else None if the type admits
    it, else an empty list on a list field, else the item is rejected. A wrong query or pattern raises BadSelector when
    the class is made.
    """
    field: FieldInfo = Field(default)
    field.metadata.append(Selector(query, attr, re))
    return field


@dataclass_transform(kw_only_default=True, field_specifiers=(Field, css))
class Item(BaseModel):
    """A pydantic model that knows where on a page it stands.

    ``class Quote(Item, root="div.quote")``: each node that matches ``root`` is one item, and the selectors of its
    fields are relative to it; without a root the page as a whole is one item. Subclasses inherit the root. A field
    whose type is an Item, or a list of them, is found within this one's node by that Item's own root (below what its
    ``css()`` matches, if it has one). Other fields without ``css()`` are filled by what ``items(Model, **known)`` is
    told.

    Made by hand it is an ordinary pydantic model, and requires every field that has no default.
    """

    __scrapekit_root__: ClassVar[str] = ""

    def __init_subclass__(cls, *, root: str | None = None, **config: Any) -> None:
        super().__init_subclass__(**config)

    @classmethod
    def __pydantic_init_subclass__(cls, *, root: str | None = None, **config: Any) -> None:
        super().__pydantic_init_subclass__(**config)
        if root is not None:
            _check(f"{cls.__name__} root", Selector(root))
            cls.__scrapekit_root__ = root
        for name, field in cls.__pydantic_fields__.items():
            _check(f"{cls.__name__}.{name}", selector_of(field))


ItemT = TypeVar("ItemT", bound=Item)


def selector_of(field: FieldInfo) -> Selector | None:
    """What ``css()`` said of a field, if it was declared so."""
    return next((data for data in reversed(field.metadata) if isinstance(data, Selector)), None)


def _check(where: str, selector: Selector | None) -> None:
    try:
        if selector and selector.query:
            check_selector(selector.query)
        if selector and selector.pattern is not None:
            regex.compile(selector.pattern)
    except BadSelector as error:
        raise BadSelector(error.query, where) from None
    except (regex.error, TypeError) as error:
        raise BadSelector(
            str(selector.pattern if selector else ""), where, f"not a regular expression: {error}"
        ) from None
