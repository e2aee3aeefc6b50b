"""Header fields: case-insensitive, repeated ones kept, nothing that could break out of its line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar, Union, overload

from scrapekit.errors import BadRequest

_T = TypeVar("_T")
Fields = Union[Mapping[str, Union[str, Iterable[str]]], Iterable[tuple[str, str]]]

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 §5.6.2
#: What ends a line, and what has no bytes at all.
_NOT_IN_A_VALUE: Final = re.compile(r"[\r\n\0\ud800-\udfff]")


class Headers(Mapping[str, str]):
    """An immutable list of fields that reads as a mapping.

    ``headers["x"]`` gives the first value of that name, ``get_all("x")`` every one in order, ``raw`` the pairs as they
    came. Two are equal if their pairs are, names compared in lower case.
    """

    __slots__ = ("_index", "_may_be_sent", "raw")

    def __init__(self, fields: Fields = ()) -> None:
        # A list is what the wire makes, once for each response.
        self.raw: tuple[tuple[str, str], ...] = tuple(fields if type(fields) is list else _pairs(fields))
        self._may_be_sent = False  # not known, until ``checked``
        self._index: dict[str, str] = {}
        for name, value in self.raw:
            self._index.setdefault(name.lower(), value)

    def __getitem__(self, name: str) -> str:
        return self._index[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._index

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return [(n.lower(), v) for n, v in self.raw] == [(n.lower(), v) for n, v in other.raw]

    def __hash__(self) -> int:
        return hash(tuple((name.lower(), value) for name, value in self.raw))

    def __repr__(self) -> str:
        return f"Headers({list(self.raw)!r})"

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, /, default: str | _T) -> str | _T: ...
    def get(self, name: str, /, default: object = None) -> object:
        """The first value of that name, or the default; Mapping's own goes through an exception for each miss."""
        return self._index.get(name.lower(), default)

    def get_all(self, name: str) -> list[str]:
        """Every value of that name, in the order received."""
        lower = name.lower()
        return [value for field, value in self.raw if field.lower() == lower] if lower in self._index else []

    def updated(self, fields: Fields) -> Headers:
        """These fields with others set over them: a name that is given replaces all of that name."""
        new = tuple(_pairs(fields))
        names = {name.lower() for name, _ in new}
        if names.isdisjoint(self._index):
            return Headers([*self.raw, *new])
        return Headers([pair for pair in self.raw if pair[0].lower() not in names] + list(new))

    def without(self, *names: str) -> Headers:
        """These fields but for those named."""
        gone = {name.lower() for name in names}
        return Headers([pair for pair in self.raw if pair[0].lower() not in gone])


def checked(fields: Fields) -> Headers:
    """Headers that may be sent.

    Raises BadRequest for a name that is no token or a value that would end its line (RFC 9110 §5.5).
    """
    try:
        headers = fields if isinstance(fields, Headers) else Headers(_pairs(fields))
    except (TypeError, ValueError, AttributeError):
        raise BadRequest(f"headers {fields!r} are not names with their values, which are str") from None
    if headers._may_be_sent:
        return headers
    for name, value in headers.raw:
        if not _TOKEN.fullmatch(name):
            raise BadRequest(f"header name {name!r} is not a token")
        if not isinstance(value, str) or _NOT_IN_A_VALUE.search(value):
            raise BadRequest(f"header {name}: {value!r} is not a string without CR, LF and NUL")
    headers._may_be_sent = True
    return headers


def _pairs(fields: Fields) -> Iterator[tuple[str, str]]:
    if isinstance(fields, Headers):
        yield from fields.raw
        return
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    for name, value in pairs:
        if isinstance(value, str):
            yield name, value
        else:
            yield from ((name, each) for each in value)
