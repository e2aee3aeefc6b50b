"""Which type a column of Parquet has, by the JSON values that it must hold.

Knows nothing of files. The same values give the same types in whatever order they come, and values that were read back
from a file give the type that the file had.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json

if TYPE_CHECKING:
    import pyarrow as pa

#: An object with more names than this has data for names; nested deeper than that, nobody asks for a part of it.
MOST_NAMES: Final = 200
MOST_LEVELS: Final = 20
#: Whole numbers beyond the first are not exact as floating-point numbers, beyond the second not of 64 bits.
_EXACT: Final = 2**53
_BIGGEST: Final = 2**63


class Kind(Enum):
    """What a column holds; WIDE numbers are whole ones that are no exact floating-point numbers."""

    NOTHING = auto()
    BOOL = auto()
    INT = auto()
    WIDE = auto()
    FLOAT = auto()
    TEXT = auto()
    LIST = auto()
    OBJECT = auto()
    MIXED = auto()


_OF_TYPE: Final[Mapping[type, Kind]] = {
    type(None): Kind.NOTHING,
    bool: Kind.BOOL,
    int: Kind.INT,
    float: Kind.FLOAT,
    str: Kind.TEXT,
    list: Kind.LIST,
    dict: Kind.OBJECT,
}
#   two that go together             as what
_TOGETHER: Final[Mapping[frozenset[Kind], Kind]] = {
    frozenset({Kind.INT, Kind.WIDE}): Kind.WIDE,
    frozenset({Kind.INT, Kind.FLOAT}): Kind.FLOAT,
}


class Column:
    """What is known of one column, or of the items of a list (``each``), or of a name of an object (``names``)."""

    __slots__ = ("each", "kind", "level", "names")

    def __init__(self, level: int = 0) -> None:
        self.kind, self.level = Kind.NOTHING, level
        self.each: Column | None = None
        self.names: dict[str, Column] = {}

    def __repr__(self) -> str:
        return f"<Column of {self.kind.name}>"

    def see(self, value: Any) -> None:
        """Take one more value into account, so that the type fits it too."""
        kind = _kind(value)
        if kind is not self.kind:
            if kind is Kind.NOTHING or self.kind is Kind.MIXED:
                return
            if self.kind is not Kind.NOTHING:
                kind = _TOGETHER.get(frozenset({kind, self.kind}), Kind.MIXED)
            self.kind = kind
        if kind is Kind.LIST:
            self._see_list(value)
        elif kind is Kind.OBJECT:
            self._see_object(value)

    def holds(self, value: Any) -> Any:
        """The value as this column has it: JSON where it is text and the value is none."""
        if value is None or self.is_plain:
            return value
        if self.each is not None and self.kind is Kind.LIST:
            return [self.each.holds(one) for one in value]
        if self.kind is Kind.OBJECT and self.names:
            return {name: self.names[name].holds(one) for name, one in value.items()}
        return value if isinstance(value, str) else to_json(value).decode()

    @property
    def is_plain(self) -> bool:
        """Whether no value needs a change."""
        if self.kind is Kind.LIST:
            return self.each is None or self.each.is_plain
        if self.kind is Kind.OBJECT:
            return bool(self.names) and all(column.is_plain for column in self.names.values())
        return self.kind is not Kind.MIXED

    def _see_list(self, values: list[Any]) -> None:
        if self.level >= MOST_LEVELS:
            self.kind = Kind.MIXED
            return
        each = self.each = self.each or Column(self.level + 1)
        for value in values:
            each.see(value)

    def _see_object(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            column = self.names.get(name)
            if column is None:
                column = self.names[name] = Column(self.level + 1)
            column.see(value)
        if len(self.names) > MOST_NAMES or self.level >= MOST_LEVELS:
            self.kind = Kind.MIXED


class Columns:
    """The columns of a file, by name, in the order in which they came."""

    def __init__(self) -> None:
        self._columns: dict[str, Column] = {}

    def see(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take these rows into account."""
        columns = self._columns
        for row in rows:
            for name, value in row.items():
                column = columns.get(name)
                if column is None:
                    column = columns[name] = Column()
                column.see(value)

    def schema(self) -> pa.Schema:
        """The types, as Arrow names them."""
        import pyarrow as pa

        return pa.schema([(name, _arrow(column)) for name, column in self._columns.items()])

    def batch(self, rows: list[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
        """Rows as columns, of this schema."""
        import pyarrow as pa

        changed = {name: column for name, column in self._columns.items() if not column.is_plain}
        for row in rows:
            for name in changed.keys() & row.keys():
                row[name] = changed[name].holds(row[name])
        return pa.RecordBatch.from_pylist(rows, schema=schema)


def is_like_json(kind: pa.DataType) -> bool:
    """Whether values of that type come back as they are when they are written as JSON."""
    from pyarrow import types

    if types.is_dictionary(kind) or types.is_list(kind) or types.is_large_list(kind):
        return is_like_json(kind.value_type)
    if types.is_struct(kind):
        return all(is_like_json(field.type) for field in kind)
    plain = (types.is_null, types.is_boolean, types.is_integer, types.is_floating, types.is_string)
    return any(fits(kind) for fits in plain) or types.is_large_string(kind)


def _kind(value: Any) -> Kind:
    kind = _OF_TYPE[type(value)]
    if kind is Kind.INT and not -_EXACT <= value <= _EXACT:
        return Kind.WIDE if -_BIGGEST <= value < _BIGGEST else Kind.MIXED
    return kind


def _arrow(column: Column) -> pa.DataType:
    """What was always null is text: not every reader knows a type that has no values."""
    import pyarrow as pa

    if column.kind is Kind.LIST:
        return pa.list_(_arrow(column.each) if column.each else pa.string())
    if column.kind is Kind.OBJECT and column.names:
        return pa.struct([(name, _arrow(one)) for name, one in column.names.items()])
    plain = {Kind.BOOL: pa.bool_(), Kind.INT: pa.int64(), Kind.WIDE: pa.int64(), Kind.FLOAT: pa.float64()}
    return plain.get(column.kind, pa.string())
