"""How items are read from a page.

A plan is built once for each class; a page is then read by walking it. An item that does not validate costs neither
its siblings nor the page: it is noted on the page as an ItemError with its field, selector and a snippet.

Does not know responses: a page is anything with a URL, a way to join links, and a place for notes.
"""

from __future__ import annotations

import re as regex
import types
import typing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic import AnyUrl, BaseModel, ValidationError
from pydantic.fields import FieldInfo

from scrapekit.errors import BadSelector, ItemError
from scrapekit.item import Item, ItemT, Selector, selector_of
from scrapekit.markup import Node, outermost, select, select_first, text_of

#: How many characters of the node go into a note.
SNIPPET: Final = 200


class Page(Protocol):
    """What reading items needs of a response."""

    @property
    def url(self) -> str: ...
    @property
    def rejected(self) -> list[ItemError]: ...
    @property
    def misses(self) -> Counter[str]: ...
    def absolute(self, href: str) -> str | None: ...


def read_items(model: type[ItemT], scope: Node, page: Page, known: Mapping[str, Any]) -> Iterator[ItemT]:
    """The items of a page, in document order; those that do not validate are noted on the page instead."""
    plan = _plan_of(model)
    _check_known(model, known)
    for node in _roots(plan, scope, page):
        item = _read(plan, node, page, known)
        if item is not None:
            yield item


def read_item(model: type[ItemT], scope: Node, page: Page, known: Mapping[str, Any]) -> ItemT | None:
    """The first item of a page; None if there is none, or if the first one was rejected."""
    plan = _plan_of(model)
    _check_known(model, known)
    nodes = _roots(plan, scope, page)
    return _read(plan, nodes[0], page, known) if nodes else None


def _check_known(model: type[Item], known: Mapping[str, Any]) -> None:
    for name in known:
        if name not in model.__pydantic_fields__:
            raise TypeError(f"{model.__name__} has no field {name!r}")


# ---- the plan: what to take for each field, decided once for each class ----

_MISSING: Final = object()  # nothing matched
_OMIT: Final = object()  # leave the field out, pydantic knows its default
_REJECT: Final = object()


class _Step:
    """How to fill one field."""

    __slots__ = ("attr", "groups", "many", "miss", "missing", "name", "nested", "query", "recursive", "search", "url")

    def __init__(self, model: type[Item], name: str, field: FieldInfo, shape: _Shape) -> None:
        selector = selector_of(field) or Selector()
        pattern = regex.compile(selector.pattern) if selector.pattern is not None else None
        self.name = name
        self.query, self.attr = selector.query, selector.attr
        self.search = pattern.search if pattern else None
        self.groups = pattern.groups if pattern else 0
        self.many, self.url = shape.many, shape.url
        self.nested = shape.nested
        self.recursive = shape.nested is not None and issubclass(model, shape.nested)
        self.missing = _when_missing(field, shape)
        where = str(selector) or (shape.nested.__scrapekit_root__ if shape.nested else "")
        self.miss = f"{model.__name__}.{name} {where}"

    @property
    def where(self) -> str:
        return self.miss.partition(" ")[2]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a field's annotation says: how many values, of which kind."""

    many: bool
    optional: bool
    url: bool
    nested: type[Item] | None


@dataclass(frozen=True, slots=True)
class _Plan:
    """How to read one class of items from a node."""

    model: type[Item]
    root: str
    steps: tuple[_Step, ...]
    validate: Callable[..., Any]


def _plan_of(model: type[Item]) -> _Plan:
    plan = model.__dict__.get("__scrapekit_plan__")
    return plan if plan is not None else _build(model)


def _build(model: type[Item]) -> _Plan:
    if not (isinstance(model, type) and issubclass(model, Item)):
        raise TypeError(f"{model!r} is not an Item")
    if not model.__pydantic_complete__:  # it names a class that came later
        model.model_rebuild()
    steps = tuple(step for name, field in model.__pydantic_fields__.items() if (step := _step(model, name, field)))
    plan = _Plan(model, model.__scrapekit_root__, steps, model.__pydantic_validator__.validate_python)
    model.__scrapekit_plan__ = plan  # type: ignore[attr-defined]
    return plan


def _step(model: type[Item], name: str, field: FieldInfo) -> _Step | None:
    shape = _shape(field.annotation)
    if shape.nested is None and selector_of(field) is None:
        return None
    step = _Step(model, name, field, shape)
    if step.recursive and not step.query and not (shape.nested and shape.nested.__scrapekit_root__):
        raise BadSelector("", f"{model.__name__}.{name}", "an Item within itself needs a root, or css() with a query")
    return step


def _when_missing(field: FieldInfo, shape: _Shape) -> Any:
    if not field.is_required():
        return _OMIT
    if shape.optional:
        return None
    return () if shape.many else _REJECT


def _shape(annotation: Any) -> _Shape:
    members = list(_members(annotation))
    inner: list[Any] = []
    many = False
    for member in members:
        origin = typing.get_origin(member) or member
        if isinstance(origin, type) and issubclass(origin, Iterable) and not issubclass(origin, _SINGLE):
            many = True
            inner.extend(leaf for argument in typing.get_args(member) for leaf in _members(argument))
        else:
            inner.append(member)
    kinds = [kind for kind in inner if isinstance(kind, type)]
    nested = [kind for kind in kinds if issubclass(kind, Item)]
    return _Shape(
        many=many,
        optional=type(None) in members or Any in members,
        url=any(issubclass(kind, AnyUrl) for kind in kinds),
        nested=nested[0] if len(nested) == 1 else None,
    )


#: Iterable, and yet one value.
_SINGLE: Final = (str, bytes, bytearray, Mapping, BaseModel)


def _members(annotation: Any) -> Iterator[Any]:
    """The types that a union is made of, with Annotated and ``type X = …`` looked through."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _members(annotation.__origin__)
    elif origin in (typing.Union, types.UnionType):
        for argument in typing.get_args(annotation):
            yield from _members(argument)
    elif type(annotation).__name__ == "TypeAliasType":
        yield from _members(annotation.__value__)
    else:
        yield annotation


# ---- reading ----


def _roots(plan: _Plan, scope: Node, page: Page) -> list[Node]:
    nodes = select(scope, plan.root) if plan.root else [scope]
    if not nodes:
        page.misses[f"{plan.model.__name__} {plan.root}"] += 1
    return nodes


def _read(plan: _Plan, node: Node, page: Page, known: Mapping[str, Any]) -> Any:
    """The item at this node, or None if it was rejected."""
    item = _taken(plan, node, page, known)
    if isinstance(item, ItemError):
        page.rejected.append(item)
        return None
    return item


def _taken(plan: _Plan, node: Node, page: Page, known: Mapping[str, Any]) -> Any:
    """The item at this node, or the ItemError, which is not raised: its traceback would keep the tree alive."""
    data = dict(known)
    for step in plan.steps:
        if step.name in data:
            continue
        value = _take(step, node, page)
        if value is _MISSING:
            page.misses[step.miss] += 1
            value = step.missing
            if value is _OMIT:
                continue
            if value is _REJECT:
                return _rejection(plan, node, page, "no match", step.name)
        elif isinstance(value, ItemError):
            return value
        data[step.name] = value
    try:
        return plan.validate(data, by_name=True)
    except ValidationError as error:
        return _invalid(plan, node, page, error)


def _take(step: _Step, node: Node, page: Page) -> Any:
    if step.nested is not None:
        return _take_nested(step, step.nested, node, page)
    if not step.many:
        found = select_first(node, step.query) if step.query else node
        return _value(step, found, page) if found is not None else _MISSING
    nodes = select(node, step.query) if step.query else [node]
    values = [value for each in nodes if (value := _value(step, each, page)) is not _MISSING]
    return values or _MISSING


def _value(step: _Step, node: Node, page: Page) -> Any:
    if step.attr is not None:
        value = node.attrs.sget(step.attr, None)
    elif step.url:
        value = node.attrs.sget("href", None) or node.attrs.sget("src", None) or text_of(node)
    else:
        value = text_of(node)
    if value is None:
        return _MISSING
    if step.search is not None:
        found = step.search(value)
        value = (found[1] if step.groups else found[0]) if found else None
        if value is None:
            return _MISSING
    if step.url:
        return page.absolute(value) or value  # what is no URL is for pydantic to refuse
    return value


def _take_nested(step: _Step, model: type[Item], node: Node, page: Page) -> Any:
    plan = _plan_of(model)
    nodes = _nested_roots(step, plan.root, node)
    if not nodes:
        return _MISSING
    if step.many:
        return [item for each in nodes if (item := _read(plan, each, page, {})) is not None]
    return _taken(plan, nodes[0], page, {})


def _nested_roots(step: _Step, root: str, node: Node) -> list[Node]:
    scopes = _below(node, step.query) if step.query else [node]
    if root:
        scopes = [found for scope in scopes for found in _below(node, root, scope)]
    return outermost(scopes) if step.recursive or len(scopes) > 1 else scopes


def _below(node: Node, query: str, scope: Node | None = None) -> list[Node]:
    """What matches, without the node itself: an item is not part of itself."""
    return [found for found in select(scope or node, query) if found.mem_id != node.mem_id]


# ---- what is noted of an item that was rejected ----


def _invalid(plan: _Plan, node: Node, page: Page, error: ValidationError) -> ItemError:
    problems = error.errors(include_url=False, include_context=False)
    first = problems[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    message = f"{first['msg']}, got {str(first['input'])[:SNIPPET]!r}" if first["loc"] else first["msg"]
    others = [".".join(map(str, problem["loc"])) or problem["msg"] for problem in problems[1:]]
    return _rejection(plan, node, page, message + (f" (also wrong: {', '.join(others)})" if others else ""), field)


def _rejection(plan: _Plan, node: Node, page: Page, message: str, field: str) -> ItemError:
    selector = next((step.where for step in plan.steps if step.name == field), "")
    snippet = (node.html or "")[:SNIPPET]
    return ItemError(message, model=plan.model.__name__, field=field, selector=selector, snippet=snippet, url=page.url)
