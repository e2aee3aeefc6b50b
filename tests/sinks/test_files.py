"""Every sink that is a file, against a list: after any writes, rewinds, kills and reopenings it holds that list."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrapekit.errors import SinkError, SinkShort
from scrapekit.sinks import Sink, keep, open_sink, write_all, write_each
from scrapekit.sinks.parquetfile import part_of

#: Formats that are text: they are cut at a byte.
TEXTS = (".jsonl", ".json", ".csv")
ENDINGS = (*TEXTS, ".sqlite", ".parquet")

names = st.text(st.sampled_from('aAb%4,"\n\r =é\0'), max_size=4)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = plain | st.lists(plain, max_size=3) | st.dictionaries(names, plain, max_size=2)
items = st.dictionaries(names, values, max_size=4)
steps = st.one_of(
    st.tuples(st.just("write"), st.lists(items, max_size=3)),
    st.tuples(st.just("rewind"), st.integers(0, 20)),
    # after a kill there may be items beyond the position, the last of them torn
    st.tuples(st.just("kill"), st.tuples(st.lists(items, max_size=2), st.binary(max_size=12))),
    st.tuples(st.just("stop"), st.none()),
    st.tuples(st.just("append"), st.none()),
)


def no_constant(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


def loads(text: str) -> Any:
    return json.loads(text, parse_constant=no_constant)


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    text = path.read_bytes().decode()
    assert not text or text.endswith("\n")
    return [loads(line) for line in text.split("\n")[:-1]]


def read_json(path: Path) -> list[dict[str, Any]]:
    found = loads(path.read_bytes().decode())
    assert isinstance(found, list)
    return found


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file, strict=True)) or [[]]
    assert len(set(header)) == len(header)
    return [dict(zip(header, row, strict=True)) for row in rows]


def read_sqlite(path: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        columns = [column for _, column, *_ in database.execute("PRAGMA table_info(items)")]
        rows = database.execute("SELECT * FROM items ORDER BY _rowid_").fetchall() if columns else []
    return [dict(zip(map(unquote, columns), row, strict=True)) for row in rows]


def unquote(column: str) -> str:
    return re.sub("%([0-9A-Fa-f]{2})", lambda code: chr(int(code[1], 16)), column)


def read_parquet(path: Path) -> list[dict[str, Any]]:
    """The file; while it is not made, the part."""
    if part_of(path).exists():
        return read_jsonl(part_of(path))
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
    return rows


READERS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    ".jsonl": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".sqlite": read_sqlite,
    ".parquet": read_parquet,
}


def same(ending: str, found: dict[str, Any], item: dict[str, Any]) -> bool:
    if ending in {".jsonl", ".json"} or (ending == ".parquet" and found == item):
        return found == item
    item = item or {"value": {}}
    alike = SAME[ending]
    return all(alike(cell, item.get(name)) for name, cell in found.items()) and set(item) <= set(found)


def same_text(cell: str, value: Any) -> bool:
    if value is None or isinstance(value, str):
        return cell == (value or "")
    return bool(loads(cell) == value)


def same_value(cell: Any, value: Any) -> bool:
    if isinstance(value, (list, dict)) or (isinstance(value, int) and abs(value) >= 2**63 - 1):
        return same_text(str(cell), value)
    return type(cell) is (int if isinstance(value, bool) else type(value)) and cell == value


def same_typed(cell: Any, value: Any) -> bool:
    """To Parquet what is not there is null, also in an object that became text when its file was added to."""
    if isinstance(cell, list) and isinstance(value, list):
        return len(cell) == len(value) and all(map(same_typed, cell, value))
    if isinstance(cell, dict) and isinstance(value, dict):
        return set(value) <= set(cell) and all(same_typed(one, value.get(name)) for name, one in cell.items())
    if isinstance(cell, str) and not isinstance(value, str):
        return value is not None and same_typed(loads(cell), value)
    return bool(cell == value)


SAME: dict[str, Callable[[Any, Any], bool]] = {".csv": same_text, ".sqlite": same_value, ".parquet": same_typed}


class Model:
    """A list, and the positions at which the sink stood when the list was so long."""

    def __init__(self, path: Path) -> None:
        self.path, self.held = path, list[dict[str, Any]]()
        self.sink = open_sink(path)
        self.marks = [(self.position(), 0)]

    def position(self) -> int:
        position = self.sink.position()
        assert position is not None
        return position

    def write(self, new: list[dict[str, Any]]) -> None:
        self.sink.write([keep(item) for item in new])
        self.held += new
        self.marks.append((self.position(), len(self.held)))

    def rewind(self, back: int) -> None:
        position, length = self.marks[-1 - back % len(self.marks)]
        self.sink.rewind(position)
        del self.held[length:]
        self.marks = [mark for mark in self.marks if mark[1] <= length]

    def kill(self, beyond: tuple[list[dict[str, Any]], bytes]) -> None:
        position = self.position()
        self.sink.write([keep(item) for item in beyond[0]])
        files = {file: file.read_bytes() for file in self.path.parent.iterdir() if not file.name.endswith("-shm")}
        self.sink.close()
        for file in self.path.parent.iterdir():
            file.unlink()
        last = next(file for end in ("-wal", ".part.jsonl", "") if (file := self.named(end)) in files)
        if last != self.path or self.path.suffix in TEXTS:
            files[last] += beyond[1]
        for file, content in files.items():
            file.write_bytes(content)
        self.sink = open_sink(self.path, resume_at=position)

    def named(self, end: str) -> Path:
        return self.path.with_name(self.path.name + end)

    def stop(self, _: None) -> None:
        position = self.position()
        self.sink.close()
        self.sink = open_sink(self.path, resume_at=position)

    def append(self, _: None) -> None:
        self.sink.close()
        self.sink = open_sink(self.path, append=True)

    def check(self) -> None:
        ending = self.path.suffix
        found = READERS[ending](self.path)
        assert len(found) == len(self.held)
        assert all(same(ending, one, item) for one, item in zip(found, self.held, strict=True))


@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=150, deadline=None)
@given(script=st.lists(steps, max_size=12))
def test_holds_what_was_written_and_not_cut_off(ending: str, script: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = Model(Path(folder, f"items{ending}"))
        try:
            for name, argument in script:
                getattr(model, name)(argument)
                model.check()
        finally:
            model.sink.close()
            model.sink.close()
        model.check()


@pytest.fixture(params=ENDINGS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"items{request.param}"


def filled(path: Path, *values: Any) -> Sink:
    sink = open_sink(path)
    sink.write([keep({"n": value}) for value in values])
    return sink


def growing(path: Path) -> Path:
    """The file that grows as items are written."""
    beside = {".parquet": part_of(path), ".sqlite": path.with_name(f"{path.name}-wal")}
    return beside.get(path.suffix, path)


def numbers(path: Path) -> list[int]:
    return [int(item["n"]) for item in READERS[path.suffix](path)]


def test_what_was_written_is_there_before_the_file_is_closed(path: Path) -> None:
    sink = filled(path, 1, 2)
    assert numbers(path) == [1, 2]
    sink.sync()
    sink.close()


def test_an_empty_crawl_gives_an_empty_file_of_its_kind(path: Path) -> None:
    open_sink(path).close()
    assert READERS[path.suffix](path) == []


@pytest.mark.parametrize("ending", TEXTS)
def test_any_tear_is_cut_off_on_resume(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"items{ending}"
    sink = filled(path, 1)
    position = sink.position()
    sink.write([keep({"n": 2, "text": 'a "b",\nc'}), keep({"n": 3})])
    sink.close()
    whole = path.read_bytes()
    at_least = len(whole) if ending == ".csv" else position or 0  # a CSV file with a new column is replaced, not torn
    for cut in range(at_least, len(whole) + 1):
        path.write_bytes(whole[:cut])
        again = open_sink(path, resume_at=position)
        assert numbers(path) == [1]
        again.close()


def test_a_torn_first_row_of_csv_is_cut_off_with_its_header(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    sink = open_sink(path)
    sink.write([keep({"a,b": "one\ntwo"})])
    sink.close()
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        again = open_sink(path, resume_at=0)
        again.write([keep({"a,b": "x"})])
        again.close()
        assert read_csv(path) == [{"a,b": "x"}]


def test_a_file_shorter_than_its_position_is_refused_and_left_as_it_is(path: Path) -> None:
    sink = filled(path, 1)
    before = sink.position()
    sink.write([keep({"n": 2})])
    after = sink.position()
    assert before is not None
    assert after is not None
    with pytest.raises(SinkShort, match="was left at"):
        sink.rewind(after + 10)
    sink.rewind(before)
    sink.close()
    size = path.stat().st_size
    with pytest.raises(SinkShort, match=path.name):
        open_sink(path, resume_at=before + size)
    assert numbers(path) == [1]
    assert path.stat().st_size == size


def test_what_was_begun_and_not_committed_is_begun_anew(path: Path) -> None:
    (part_of(path) if path.suffix == ".parquet" else path).touch()  # killed before anything was written
    for _ in range(2):
        sink = open_sink(path, resume_at=0)
        assert READERS[path.suffix](path) == []
        sink.write([keep({"n": 1})])
        sink.close()
        assert numbers(path) == [1]


def test_a_file_that_is_gone_cannot_be_resumed(path: Path) -> None:
    with pytest.raises(SinkShort, match="not there"):
        open_sink(path, resume_at=0)
    assert not path.exists()


def test_a_disk_that_fills_up_leaves_the_former_items(
    path: Path, small_files: Callable[[int], AbstractContextManager[None]]
) -> None:
    sink = filled(path, 1)
    position = sink.position()
    full = small_files(growing(path).stat().st_size + 100)
    with full, pytest.raises(SinkError, match=r"cannot be written: (File too large|disk I/O error)") as caught:
        sink.write([keep({"n": "2" * 300, "new": 1})] if path.suffix == ".sqlite" else [keep({"n": "2" * 300})])
    assert caught.value.file in {path, growing(path)}
    assert numbers(path) == [1]
    assert sink.position() == position
    sink.write([keep({"n": 3})])
    sink.close()
    assert numbers(path) == [1, 3]


def test_a_csv_that_cannot_be_widened_stays_as_it_was(
    tmp_path: Path, small_files: Callable[[int], AbstractContextManager[None]]
) -> None:
    path = tmp_path / "items.csv"
    sink = filled(path, *range(50))
    content = path.read_bytes()
    with small_files(len(content) + 20), pytest.raises(SinkError):
        sink.write([keep({"m": 1})])
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]
    sink.write([keep({"n": 50})])
    sink.close()
    assert numbers(path) == list(range(51))


def test_several_sinks_are_written_as_one(
    tmp_path: Path, small_files: Callable[[int], AbstractContextManager[None]]
) -> None:
    paths = [tmp_path / "a.csv", tmp_path / "b.jsonl", tmp_path / "c.json"]
    sinks = [filled(path, 1) for path in paths]
    long = keep({"n": "2" * 34})  # the third file would be 56 bytes, the others are shorter
    with small_files(52), pytest.raises(SinkError, match=r"c\.json"):
        write_all(sinks, [long])
    with small_files(52), pytest.raises(SinkError, match=r"c\.json"):
        write_each([(sinks[0], [keep({"n": 2})]), (sinks[2], [long])])
    assert [numbers(path) for path in paths] == [[1], [1], [1]]
    for sink in sinks:
        sink.close()


@pytest.fixture
def small_files() -> Callable[[int], AbstractContextManager[None]]:
    """A block within which no file of this process grows beyond a size, as on a full disk.

    Not longer than that: what the tests are told of may be a file too.
    """
    resource = pytest.importorskip("resource")
    import signal

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)

    return limited
