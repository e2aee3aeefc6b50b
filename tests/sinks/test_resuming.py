"""A run's record and its exports, against a list: whatever happened to the files, a resume has each item once."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrapekit.errors import SinkError, SinkShort
from scrapekit.sinks import Sink, copy_items, keep, open_sink, resume_sink, write_all
from scrapekit.sinks.jsonlines import JsonLinesSink


def load(name: str) -> ModuleType:
    """A test file beside this one."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


files = load("test_files")
READERS, same = files.READERS, files.same
steps = st.one_of(
    st.tuples(st.just("commit"), st.lists(files.items, max_size=3)),
    st.tuples(st.just("kill"), st.tuples(st.lists(files.items, max_size=2), st.binary(max_size=9), st.booleans())),
    st.tuples(st.just("stop"), st.booleans()),
    st.tuples(st.just("delete"), st.none()),
    st.tuples(st.just("shorten"), st.floats(0, 1)),
)


class Run:
    """A record and one export of it, to which a commit writes both; ``old`` stood in the export before the run."""

    def __init__(self, path: Path, old: list[dict[str, Any]]) -> None:
        self.path, self.record, self.held = path, path.with_name("record"), list(old)
        self.base, self.old = 0, old
        if old:
            self.sink = open_sink(path)
            self.sink.write([keep(item) for item in old])
            self.sink.close()
        self.sink = open_sink(path, append=bool(old))
        self.base = self.position(self.sink)
        self.items: Sink = JsonLinesSink(self.record)
        self.note()

    @staticmethod
    def position(sink: Sink) -> int:
        position = sink.position()
        assert position is not None
        return position

    def note(self) -> None:
        self.noted = self.position(self.items), self.position(self.sink)

    def write(self, new: list[dict[str, Any]]) -> None:
        write_all([self.items, self.sink], [keep(item) for item in new])

    def commit(self, new: list[dict[str, Any]]) -> None:
        self.write(new)
        self.held += new
        self.note()

    def kill(self, how: tuple[list[dict[str, Any]], bytes, bool]) -> None:
        """Written and not committed: some items, and a part of one more; with SQLite that is for itself to undo."""
        beyond, torn, doubt = how
        self.write(beyond)
        left = {file: file.read_bytes() for file in self.path.parent.iterdir() if not file.name.endswith("-shm")}
        self.sink.close()
        for file in self.path.parent.iterdir():
            file.unlink()
        for file, content in left.items():
            file.write_bytes(content + (torn if file != self.path or self.path.suffix in files.TEXTS else b""))
        self.resume(doubt)

    def stop(self, doubt: bool) -> None:
        self.sink.close()
        self.resume(doubt)

    def delete(self, _: None) -> None:
        self.sink.close()
        if not self.old:
            self.path.unlink()
        self.resume(lost=True)

    def shorten(self, share: float) -> None:
        """Cut it off somewhere, unless something stood in it before the run, which nothing can bring back."""
        self.sink.close()
        if not self.old:
            size = self.path.stat().st_size
            with self.path.open("r+b") as file:
                file.truncate(int(size * share))
        self.resume(lost=True)

    def resume(self, doubt: bool = False, *, lost: bool = False) -> None:
        self.items.close()
        self.items = JsonLinesSink(self.record, fresh=False)
        upto, position = self.noted
        self.items.rewind(upto)
        self.sink, anew = resume_sink(
            self.path, position=position, base=self.base, record=self.record, upto=upto, doubt=doubt
        )
        assert lost or anew == doubt, "it is read again only where that must be"
        self.note()

    def check(self) -> None:
        ending = self.path.suffix
        found = READERS[ending](self.path)
        assert len(found) == len(self.held)
        assert all(same(ending, one, item) for one, item in zip(found, self.held, strict=True))


@pytest.mark.parametrize("ending", files.ENDINGS)
@settings(max_examples=100, deadline=None)
@given(old=st.lists(files.items, max_size=2), script=st.lists(steps, max_size=10))
def test_each_item_is_there_once(ending: str, old: list[dict[str, Any]], script: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder, f"items{ending}"), old)
        try:
            for name, argument in script:
                getattr(run, name)(argument)
                run.check()
        finally:
            run.sink.close()
            run.items.close()
        run.check()


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "record.jsonl"
    sink = JsonLinesSink(path)
    sink.write([keep({"n": n}) for n in range(3)])
    sink.close()
    return path


@pytest.fixture(params=files.ENDINGS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"items{request.param}"


def numbers(path: Path) -> list[int]:
    return [int(item["n"]) for item in READERS[path.suffix](path)]


def test_what_lies_beyond_the_records_position_is_not_exported(path: Path, record: Path) -> None:
    sink, anew = resume_sink(path, position=7, record=record, upto=len('{"n":0}\n') * 2)
    sink.close()
    assert anew
    assert numbers(path) == [0, 1]


@pytest.mark.parametrize("upto", [1, 7, 9, 25])
def test_a_record_that_ends_elsewhere_is_refused(upto: int, record: Path, tmp_path: Path) -> None:
    with pytest.raises(SinkShort, match=rf"record\.jsonl: was left at {upto} bytes but has only"):
        resume_sink(tmp_path / "items.jsonl", position=1, record=record, upto=upto)


def test_a_record_that_is_gone_is_said(record: Path, tmp_path: Path) -> None:
    record.unlink()
    with pytest.raises(SinkError, match=r"record\.jsonl: cannot be read: No such file"):
        resume_sink(tmp_path / "items.jsonl", position=1, record=record, upto=8)


def test_where_what_was_added_to_is_gone_nothing_is_made(path: Path, record: Path) -> None:
    with pytest.raises(SinkError, match=r"is not there any more; what stood in it before the run is gone too"):
        resume_sink(path, position=900, base=500, record=record, upto=24)
    assert list(path.parent.iterdir()) == [record]


@pytest.mark.parametrize(("torn", "count"), [("", 3), ('{"n"', 3), ('{"n":3}', 3), ('{"n":3}\n', 4)])
def test_a_torn_last_line_is_left_out_of_a_copy(torn: str, count: int, path: Path, record: Path) -> None:
    with record.open("a") as file:
        file.write(torn)
    sink = open_sink(path)
    assert copy_items(record, sink) == count
    sink.close()
    assert numbers(path) == list(range(count))


def test_a_long_record_is_read_in_pieces(path: Path, record: Path) -> None:
    longest = 60_000 if path.suffix == ".csv" else 2_000_000  # more is more than the standard library reads of a CSV
    texts = ["ä" * length for length in (10, longest, 0, *range(50_000, 50_030))]
    sink = JsonLinesSink(record)
    sink.write([keep({"n": n, "text": text}) for n, text in enumerate(texts)])
    upto = sink.position()
    sink.close()
    again, _ = resume_sink(path, position=1, record=record, upto=upto)
    again.close()
    assert [item["text"] for item in READERS[path.suffix](path)] == texts
