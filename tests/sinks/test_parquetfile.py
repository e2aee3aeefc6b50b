from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit.errors import ConfigError, SinkError, SinkShort
from scrapekit.sinks import check_targets, keep, open_sink
from scrapekit.sinks.columns import MOST_LEVELS, MOST_NAMES, Columns

LONG = 2**53


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "items.parquet"


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "items.parquet.part.jsonl"


def made(path: Path, *items: dict[str, Any]) -> None:
    sink = open_sink(path)
    sink.write([keep(item) for item in items])
    sink.close()


def read(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
    return rows


def nested(levels: int) -> Any:
    return {"a": nested(levels - 1)} if levels else 1


@pytest.mark.parametrize(
    ("values", "kind", "stored"),
    [
        ([None, None], "string", [None, None]),
        ([True, None], "bool", [True, None]),
        ([1, -(2**63), 2**63 - 1], "int64", [1, -(2**63), 2**63 - 1]),
        ([1, 2.5], "double", [1.0, 2.5]),
        ([LONG, 2.5], "double", [float(LONG), 2.5]),
        ([LONG + 1, 2.5], "string", [str(LONG + 1), "2.5"]),
        ([1, 2**63], "string", ["1", str(2**63)]),
        ([1, True], "string", ["1", "true"]),
        (["a", 1, ["b"]], "string", ["a", "1", '["b"]']),
        ([[], [1, None], None], "list<element: int64>", [[], [1, None], None]),
        ([[], []], "list<element: string>", [[], []]),
        ([["a", 1]], "list<element: string>", [["a", "1"]]),
        ([{"a": 1}, {"b": "x"}], "struct<a: int64, b: string>", [{"a": 1, "b": None}, {"a": None, "b": "x"}]),
        ([{}, {}], "string", ["{}", "{}"]),
        ([{}, {"a": 1}], "struct<a: int64>", [{"a": None}, {"a": 1}]),
        ([[{"a": {}}]], "list<element: struct<a: string>>", [[{"a": "{}"}]]),
    ],
)  # fmt: skip
def test_a_column_has_the_type_that_holds_all_its_values(
    values: list[Any], kind: str, stored: list[Any], path: Path
) -> None:
    made(path, *({"x": value} for value in values))
    assert str(pyarrow.parquet.read_schema(path).field("x").type) == kind
    assert [row["x"] for row in read(path)] == stored


@pytest.mark.parametrize(("count", "is_text"), [(MOST_NAMES, False), (MOST_NAMES + 1, True)])
def test_an_object_with_names_without_end_is_text(count: int, is_text: bool, path: Path) -> None:
    value = dict.fromkeys(map(str, range(count)), 1)
    made(path, {"x": value})
    found = read(path)[0]["x"]
    assert isinstance(found, str) == is_text
    assert (json.loads(found) if is_text else found) == value


@pytest.mark.parametrize("levels", [MOST_LEVELS, MOST_LEVELS + 1, MOST_LEVELS + 100])
def test_what_is_nested_deep_is_text_from_there_on(levels: int, path: Path) -> None:
    made(path, {"x": nested(levels)})
    found = read(path)[0]["x"]
    for _ in range(min(levels, MOST_LEVELS)):
        found = found["a"]
    assert (json.loads(found) if isinstance(found, str) else found) == nested(max(0, levels - MOST_LEVELS))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)


@given(st.lists(values, max_size=5), st.randoms())
def test_the_order_of_the_values_does_not_matter(values: list[Any], random: Any) -> None:
    def kind(values: list[Any]) -> pa.DataType:
        columns = Columns()
        columns.see([{"x": {"a": None, "b": value}} for value in values])
        return columns.schema()

    shuffled = list(values)
    random.shuffle(shuffled)
    assert sorted_names(kind(values)) == sorted_names(kind(shuffled))


def sorted_names(kind: Any) -> str:
    """A type as text in which the order of names does not show."""
    if isinstance(kind, pa.Schema) or pa.types.is_struct(kind):
        return f"<{sorted((field.name, sorted_names(field.type)) for field in kind)}>"
    return f"[{sorted_names(kind.value_type)}]" if pa.types.is_list(kind) else str(kind)


def test_an_empty_crawl_gives_a_file_without_rows(path: Path) -> None:
    made(path)
    assert read(path) == []


def test_items_stand_in_a_part_until_the_end(path: Path, part: Path) -> None:
    sink = open_sink(path)
    sink.write([keep({"n": 1})])
    assert part.read_text() == '{"n":1}\n'
    assert not path.exists()
    sink.close()
    assert list(path.parent.iterdir()) == [path]


def test_many_rows_are_written_in_groups(path: Path) -> None:
    sink = open_sink(path)
    sink.write([keep({"n": n}) for n in range(250_000)])
    sink.close()
    with pyarrow.parquet.ParquetFile(path) as file:
        sizes = [file.metadata.row_group(at).num_rows for at in range(file.metadata.num_row_groups)]
    assert sum(sizes) == 250_000
    assert len(sizes) == 2


def test_what_a_killed_run_left_is_not_written_over_unasked(path: Path, part: Path) -> None:
    part.write_text('{"n":1}\n{"n":2}\n{"n"')
    for append in (False, True):
        with pytest.raises(ConfigError, match=r"items\.parquet\.part\.jsonl is left of a run .* \(resume that run"):
            check_targets([path], append=append)
    sink = open_sink(path, resume_at=2)
    sink.close()
    assert read(path) == [{"n": 1}, {"n": 2}]
    part.write_text('{"n":1}\n')
    open_sink(path, overwrite=True).close()
    assert read(path) == []


def test_a_link_stays_one(path: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    path.symlink_to(tmp_path / "disk" / "real.parquet")
    made(path, {"n": 1})
    (tmp_path / "disk" / "real.parquet.part.jsonl").write_text('{"n":1}\n{"n":2}\n')
    with pytest.raises(ConfigError, match=r"real\.parquet\.part\.jsonl is left"):
        check_targets([path], append=True)
    open_sink(path, resume_at=2).close()
    assert path.is_symlink()
    assert read(path) == [{"n": 1}, {"n": 2}]


def test_a_stopped_run_goes_on_from_the_rows_of_the_file(path: Path) -> None:
    made(path, {"n": 1, "m": None}, {"n": 2.5}, {"n": 3, "m": ["x"]})
    sink = open_sink(path, resume_at=2)
    assert sink.position() == 2
    sink.write([keep({"n": "4"})])
    sink.close()
    assert read(path) == [{"n": "1.0", "m": None}, {"n": "2.5", "m": None}, {"n": "4", "m": None}]
    with pytest.raises(SinkShort, match="was left at 4 items but has only 3"):
        open_sink(path, resume_at=4)


def test_a_file_of_another_program_is_added_to(path: Path) -> None:
    table = pa.table({"n": pa.array([1, None], pa.int16()), "t": pa.array(["a", "b"], pa.large_string())})
    pyarrow.parquet.write_table(table, path)
    sink = open_sink(path, append=True)
    assert sink.position() == 2
    sink.write([keep({"n": 3, "new": True})])
    sink.close()
    assert read(path) == [
        {"n": 1, "t": "a", "new": None},
        {"n": None, "t": "b", "new": None},
        {"n": 3, "t": None, "new": True},
    ]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            pa.table({"at": pa.array([0], pa.timestamp("s"))}),
            r"its column 'at' is of type timestamp\[.*, which JSON has",
        ),
        (pa.table({"x": pa.array([[b""]])}), r"its column 'x' is of type list<element: binary>"),
        (pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), "two columns of the same name"),
    ],
)
def test_a_file_with_types_that_json_has_not_is_left_alone(table: pa.Table, message: str, path: Path) -> None:
    pyarrow.parquet.write_table(table, path)
    content = path.read_bytes()
    with pytest.raises(ConfigError, match=message):
        open_sink(path, append=True)
    with pytest.raises(SinkShort):
        open_sink(path, resume_at=1)
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_no_parquet_is_left_alone(path: Path) -> None:
    path.write_text("n\n1\n" * 10)
    with pytest.raises(ConfigError, match="is not Parquet that can be read"):
        open_sink(path, append=True)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert path.read_text() == "n\n1\n" * 10


def test_where_the_file_cannot_be_made_the_items_stay_in_the_part(path: Path, part: Path) -> None:
    sink = open_sink(path)
    sink.write([keep({"n": 1})])
    path.mkdir()
    (path / "in the way").touch()
    with pytest.raises(SinkError, match=r"cannot be written: .*; the items are in items\.parquet\.part\.jsonl"):
        sink.close()
    sink.close()
    assert part.read_text() == '{"n":1}\n'
    assert sorted(path.parent.iterdir()) == [path, part]


def test_without_pyarrow_the_extra_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"not installed \(pip install 'polite-scrapekit\[parquet\]'\)"):
        check_targets([path])
