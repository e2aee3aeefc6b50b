from __future__ import annotations

from pathlib import Path

import pytest

from scrapekit.errors import ConfigError
from scrapekit.sinks import CsvSink, keep, open_sink


def written(path: Path, *batches: list[dict[str, object]]) -> bytes:
    sink = CsvSink(path)
    for batch in batches:
        sink.write([keep(item) for item in batch])
    sink.close()
    return path.read_bytes()


def test_the_header_is_the_fields_of_the_first_items(tmp_path: Path) -> None:
    text = written(tmp_path / "x.csv", [{"title": "A", "price": 1.5}, {"title": "B", "stock": 3}])
    assert text == b"title,price,stock\r\nA,1.5,\r\nB,,3\r\n"


def test_a_field_that_comes_later_becomes_a_column(tmp_path: Path) -> None:
    text = written(tmp_path / "x.csv", [{"title": "A"}], [{"title": "B"}], [{"name": "C", "born": 1900}])
    assert text == b"title,name,born\r\nA,,\r\nB,,\r\n,C,1900\r\n"


def test_values_are_written_as_they_are_and_nested_ones_as_json(tmp_path: Path) -> None:
    item = {"a": None, "b": True, "c": [1, "x"], "d": {"é": None}, "e": "=1+1", "f": 'say "hi"', "g": "\r"}
    head, row = written(tmp_path / "x.csv", [item]).decode().split("\r\n")[:2]
    assert head == "a,b,c,d,e,f,g"
    assert row == ',true,"[1,""x""]","{""é"":null}",=1+1,"say ""hi""","\r"'


def test_a_cell_may_be_of_any_size(tmp_path: Path) -> None:
    path, long = tmp_path / "x.csv", 'x"\n' * 100_000
    written(path, [{"a": long}], [{"a": "1", "b": "2"}])
    sink = open_sink(path, resume_at=2)
    assert path.read_bytes() == b'a,b\r\n"' + long.encode().replace(b'"', b'""') + b'",\r\n'
    sink.close()


def test_what_a_kill_left_while_columns_were_added_is_cleared_away(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    written(path, [{"a": 1}])
    (tmp_path / ".x.csv.part").write_text("a,b")
    open_sink(path, resume_at=2).close()
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_written_through_not_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "target.csv", tmp_path / "link.csv"
    target.touch(mode=0o640)
    link.symlink_to(target)
    written(link, [{"a": 1}], [{"b": 2}])
    assert link.is_symlink()
    assert target.read_bytes() == b"a,b\r\n1,\r\n,2\r\n"
    assert target.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"a\r\n1\r\n"),
        (b"a\r\n", b"a\r\n1\r\n"),
        (b"a,b\r\nx,y\r\n", b"a,b\r\nx,y\r\n1,\r\n"),
        (b"b\r\nx\r\n", b"b,a\r\nx,\r\n,1\r\n"),
        (b"b\nx", b"b,a\nx,\n,1\n"),
        (b'\xef\xbb\xbf"b"\n\nx\n', b'\xef\xbb\xbf"b",a\nx,\n,1\n'),
    ],
)
def test_appending_keeps_what_is_there(before: bytes, after: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(before)
    sink = open_sink(path, append=True)
    sink.write([keep({"a": 1})])
    sink.close()
    assert path.read_bytes() == after


def test_a_header_that_was_there_before_is_kept_and_one_not_committed_is_not(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"a;b\n")
    before = 1
    open_sink(path, resume_at=before).close()
    assert path.read_bytes() == b"a;b\n"
    sink = open_sink(path, resume_at=0)
    assert path.read_bytes() == b""
    assert sink.position() == 0
    sink.close()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"a;b\n1;2\n", "not separated by commas"),
        (b"a,a\n1,2\n", "two columns of the same name"),
        (b"a,b\n1\n", "row 1 has 1 cells, the header 2"),
        (b'a,b\n1,"2\n', "in the midst of a row"),
        (b"\xff\xfe\n1\n", "no header that can be read"),
    ],
)
def test_appending_to_what_is_no_csv_like_ours_is_refused(content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=why):
        open_sink(path, append=True)
    assert path.read_bytes() == content
