from __future__ import annotations

from pathlib import Path

import pytest

from scrapekit.errors import ConfigError
from scrapekit.sinks import check_targets, keep, open_sink
from scrapekit.sinks.csvfile import CsvSink
from scrapekit.sinks.jsonarray import JsonArraySink
from scrapekit.sinks.jsonlines import JsonLinesSink
from scrapekit.sinks.parquetfile import ParquetSink
from scrapekit.sinks.sqlitefile import SQLiteSink


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jsonl", JsonLinesSink),
        ("a.NDJSON", JsonLinesSink),
        ("a.b.json", JsonArraySink),
        ("a.csv", CsvSink),
        ("a.sqlite", SQLiteSink),
        ("a.db", SQLiteSink),
        ("a.Parquet", ParquetSink),
    ],
)
def test_the_ending_says_the_format(name: str, kind: type, tmp_path: Path) -> None:
    sink = open_sink(str(tmp_path / name))
    assert isinstance(sink, kind)
    sink.close()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "a.xlsx",
            r"a\.xlsx: the ending '\.xlsx' is not known \(known are \.jsonl, \.ndjson, .*, \.db, \.parquet, and - for",
        ),
        ("a", r"has no ending that tells the format"),
        ("none/a.csv", r"there is no folder .*none \(mkdir -p .*none\)"),
        ("folder.csv", r"is not a file"),
        ("old.csv", r"exists already \(--overwrite replaces it, --append adds to it\)"),
    ],
)
def test_a_target_that_cannot_be_is_refused_with_the_way_out(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "old.csv").write_text("a\r\n1\r\n")
    with pytest.raises(ConfigError, match=message):
        open_sink(tmp_path / name)
    assert (tmp_path / "old.csv").read_text() == "a\n1\n"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 300 + ".json")  # no file system takes so long a name, and root may write anywhere
    with pytest.raises(ConfigError, match="cannot be opened: File name too long"):
        open_sink(path)


def test_overwrite_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("old")
    open_sink(path, overwrite=True).close()
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("a.jsonl", b"", b'{"a":1}\n'),
        ("a.jsonl", b'{"b":2}\n', b'{"b":2}\n{"a":1}\n'),
        ("a.jsonl", b'{"b":2}', b'{"b":2}\n{"a":1}\n'),
        ("a.jsonl", b'{"b":"' + b"x" * 200_000 + b'"}', b'{"b":"' + b"x" * 200_000 + b'"}\n{"a":1}\n'),
        ("a.json", b" [ ] ", b' [\n{"a":1}\n]\n'),
        ("a.json", b'[{"b":[]}]', b'[{"b":[]},\n{"a":1}\n]\n'),
        ("a.json", b'[\n{"b": 2}\n]\n', b'[\n{"b": 2},\n{"a":1}\n]\n'),
    ],
)
def test_append_keeps_what_is_there(name: str, before: bytes, after: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(before)
    sink = open_sink(path, append=True)
    sink.write([keep({"a": 1})])
    sink.close()
    assert path.read_bytes() == after


def test_append_makes_a_file_that_is_not_there(tmp_path: Path) -> None:
    open_sink(tmp_path / "a.json", append=True).close()
    assert (tmp_path / "a.json").read_text() == "[\n]\n"


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.jsonl", b'{"a":1}\n{"a":', "ends in the midst of an item"),
        ("a.json", b'[{"a":1}', "is not strict JSON"),
        ("a.json", b"", "is not strict JSON"),
        ("a.json", b"[NaN]", "is not strict JSON"),
        ("a.json", b'{"a":[]}', "holds no JSON array"),
    ],
)
def test_append_to_what_is_not_of_its_kind_is_refused(name: str, content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=why):
        open_sink(path, append=True)
    assert path.read_bytes() == content


def test_all_targets_are_checked_before_any_is_opened(tmp_path: Path) -> None:
    good, bad = tmp_path / "a.json", tmp_path / "b.xls"
    with pytest.raises(ConfigError, match=r"\.xls"):
        check_targets([good, bad, "-"])
    with pytest.raises(ConfigError, match="named twice"):
        check_targets([good, f"{tmp_path}/./a.json"])
    with pytest.raises(ConfigError, match="named twice"):
        check_targets(["-", "-"])
    with pytest.raises(ConfigError, match="exclude"):
        check_targets([good], overwrite=True, append=True)
    check_targets([good, "-"])
    assert list(tmp_path.iterdir()) == []
