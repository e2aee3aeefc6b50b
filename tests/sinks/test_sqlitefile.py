from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from scrapekit.errors import ConfigError, SinkError, SinkShort
from scrapekit.sinks import keep, open_sink


def ask(path: Path, question: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(question).fetchall()


def made(path: Path, *items: dict[str, Any]) -> None:
    sink = open_sink(path)
    sink.write([keep(item) for item in items])
    sink.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "items.sqlite"


@pytest.mark.parametrize(
    ("value", "stored", "kind"),
    [
        (1, 1, "integer"),
        (1.0, 1.0, "real"),
        ("1", "1", "text"),
        ("a\0b", "a\0b", "text"),
        (True, 1, "integer"),
        (None, None, "null"),
        ([1, "a"], '[1,"a"]', "text"),
        ({"a": None}, '{"a":null}', "text"),
        (2**63 - 1, 2**63 - 1, "integer"),
        (2**63, "9223372036854775808", "text"),
        (-(2**63) - 1, "-9223372036854775809", "text"),
    ],
)
def test_each_value_keeps_its_type_whatever_else_is_in_its_column(
    value: Any, stored: Any, kind: str, path: Path
) -> None:
    made(path, {"x": "text"}, {"x": value}, {"x": 7})
    assert ask(path, "SELECT x, typeof(x) FROM items")[1] == (stored, kind)


def test_fields_get_columns_as_they_come(path: Path) -> None:
    made(path, {"b": 1}, {"a": 2, "b": 3}, {})
    assert ask(path, "SELECT b, a, value FROM items") == [(1, None, None), (3, 2, None), (None, None, "{}")]


def test_no_name_of_a_field_is_too_odd_for_a_column(path: Path) -> None:
    names = [
        "rowid",
        "_rowid_",
        "oid",
        "select",
        'a"b',
        "Title",
        "title",
        "TITLE",
        "",
        "a\0b",
        "%41",
        "ä",
        "Ä",
        "x" * 500,
    ]
    made(path, dict.fromkeys(names, 0))
    again = open_sink(path, append=True)
    again.write([keep({name: at for at, name in enumerate(names)})])
    again.close()
    columns = [name for _, name, *_ in ask(path, "PRAGMA table_info(items)")]
    assert columns[:7] == ["rowid", "%5F%72%6F%77%69%64%5F", "oid", "select", 'a"b', "Title", "%74%69%74%6C%65"]
    assert len(columns) == len(names)
    assert ask(path, "SELECT * FROM items")[1] == tuple(range(len(names)))


def test_others_may_read_while_the_crawl_writes(path: Path) -> None:
    sink = open_sink(path)
    sink.write([keep({"n": 1})])
    with closing(sqlite3.connect(path)) as reader:
        reading = reader.execute("SELECT n FROM items")
        assert reading.fetchone() == (1,)
        sink.write([keep({"n": 2, "m": 3})])
        sink.sync()
        sink.close()  # also while somebody reads
    assert ask(path, "SELECT n FROM items") == [(1,), (2,)]


def test_it_is_one_file_again_once_it_is_closed(path: Path) -> None:
    made(path, {"n": 1})
    assert list(path.parent.iterdir()) == [path]
    assert ask(path, "PRAGMA journal_mode") == [("delete",)]


def test_a_database_is_added_to_and_keeps_what_else_it_holds(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "PRAGMA journal_mode = WAL; CREATE TABLE other (a); INSERT INTO other VALUES (1);"
            "CREATE TABLE items (Title, n INTEGER); INSERT INTO items VALUES ('old', 1), ('gone', 2), ('old', 3);"
            "DELETE FROM items WHERE n = 2"
        )
    sink = open_sink(path, append=True)
    assert sink.position() == 3
    sink.write([keep({"Title": "new", "price": 2.5})])
    position = sink.position()
    sink.write([keep({"Title": "beyond"})])
    assert position is not None
    sink.rewind(position)
    sink.close()
    assert ask(path, "SELECT Title, n, price FROM items") == [("old", 1, None), ("old", 3, None), ("new", None, 2.5)]
    assert ask(path, "SELECT * FROM other") == [(1,)]
    assert ask(path, "PRAGMA journal_mode") == [("wal",)]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("CREATE TABLE t (a); CREATE VIEW items AS SELECT a FROM t", "nothing can be added: items is a view"),
        ("CREATE TABLE items (a PRIMARY KEY) WITHOUT ROWID", "nothing can be added: .*_rowid_"),
    ],
)
def test_what_cannot_be_added_to_is_refused(script: str, message: str, path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(script)
    with pytest.raises(ConfigError, match=message):
        open_sink(path, append=True)


def test_a_file_that_is_no_database_is_refused_and_stays(path: Path) -> None:
    path.write_text("title,price\n" * 100)
    with pytest.raises(ConfigError, match=r"items\.sqlite: nothing can be added: file is not a database"):
        open_sink(path, append=True)
    with pytest.raises(SinkShort, match="is no whole database any more"):
        open_sink(path, resume_at=1)
    assert path.read_text() == "title,price\n" * 100


def test_a_database_that_was_cut_is_not_gone_on_with(path: Path) -> None:
    made(path, *({"text": "x" * 3000, "n": n} for n in range(20)))
    whole = path.read_bytes()
    for size in (0, 50, 4096, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(SinkShort):
            open_sink(path, resume_at=20)


def test_the_log_of_another_database_does_no_harm(path: Path) -> None:
    sink = open_sink(path)
    sink.write([keep({"old": n}) for n in range(100)])
    log = path.with_name("items.sqlite-wal").read_bytes()
    sink.close()
    path.with_name("items.sqlite-wal").write_bytes(log)
    sink = open_sink(path, overwrite=True)
    sink.write([keep({"new": 1})])
    sink.close()
    assert ask(path, "SELECT * FROM items") == [(1,)]


def test_a_constraint_that_an_item_breaks_is_said_and_nothing_is_written(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE items (n NOT NULL)")
    sink = open_sink(path, append=True)
    with pytest.raises(SinkError, match=r"cannot be written: NOT NULL constraint failed: items\.n"):
        sink.write([keep({"n": 1}), keep({"m": 1})])
    sink.write([keep({"n": 2, "m": 3})])
    sink.close()
    assert ask(path, "SELECT n, m FROM items") == [(2, 3)]
