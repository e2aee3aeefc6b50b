from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from scrapekit.errors import ConfigError, SinkError
from scrapekit.sinks import RunFolder, keep


def noon() -> float:
    return 1_795_428_902.5  # 2026-11-23 10:15:02 UTC


def test_a_run_is_named_by_time_and_spider(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "quotes", now=noon)
    assert run.path == tmp_path / ".scrapekit" / "runs" / "20261123-101502-quotes"
    assert run.path.is_dir()
    assert run.id == "20261123-101502-quotes"


def test_runs_of_one_second_are_apart_and_sort_by_age(tmp_path: Path) -> None:
    runs = [RunFolder.create(tmp_path, "quotes", now=noon).id for _ in range(12)]
    assert len(set(runs)) == 12
    assert sorted(runs) == runs


def test_a_spiders_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    assert RunFolder.create(tmp_path, "../a b/" + "x" * 300, now=noon).path.parent == tmp_path / ".scrapekit" / "runs"


def test_git_is_kept_out(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, "quotes")
    assert (tmp_path / ".scrapekit" / ".gitignore").read_text() == "*\n"


def test_where_nothing_can_be_made_the_crawl_does_not_begin(tmp_path: Path) -> None:
    (tmp_path / ".scrapekit").write_text("a file in the way")
    with pytest.raises(ConfigError, match=r"no run can be kept here: .* \(start it in a folder"):
        RunFolder.create(tmp_path, "quotes")


def test_records_are_opened_anew_or_where_they_were_left(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "quotes")
    with_one = run.open_items()
    with_one.write([keep({"n": 1})])
    position = with_one.position()
    with_one.write([keep({"n": 2})])
    with_one.close()
    again = RunFolder(run.path).open_items()
    again.rewind(position)
    again.write([keep({"n": 3})])
    again.close()
    assert run.items.read_text() == '{"n":1}\n{"n":3}\n'
    run.open_rejected().close()
    assert run.rejected.read_bytes() == b""


def test_stats_are_replaced_whole(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "quotes")
    run.write_stats({"items": 1})
    run.write_stats({"items": 2})
    assert json.loads(run.stats.read_text()) == {"items": 2}
    assert [path.name for path in run.path.iterdir()] == ["stats.json"]


def test_stats_that_cannot_be_written_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"stats\.json: cannot be written"):
        RunFolder(tmp_path / "gone").write_stats({})
    (tmp_path / "stats.json").mkdir()
    with pytest.raises(SinkError):
        RunFolder(tmp_path).write_stats({})
    assert [path.name for path in tmp_path.iterdir()] == ["stats.json"]


def test_the_log_has_time_level_and_message(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "quotes")
    handler = run.log_handler()
    record = logging.LogRecord("scrapekit.x", logging.WARNING, "", 1, "slow %s \ud800", ("host",), None)
    record.created, record.msecs = 0.25, 250.0
    handler.handle(record)
    handler.close()
    time, rest = run.log.read_text().split(" WARNING ")
    assert time.endswith(".250")
    assert rest == "scrapekit.x: slow host \\ud800\n"


@pytest.fixture
def three(tmp_path: Path) -> list[RunFolder]:
    names = ["20261121-080000-books", "20261122-080000-quotes", "20261123-080000-books"]
    for name in names:
        (tmp_path / ".scrapekit" / "runs" / name).mkdir(parents=True)
    (tmp_path / ".scrapekit" / "runs" / "a file").touch()
    return [RunFolder(tmp_path / ".scrapekit" / "runs" / name) for name in names]


def test_runs_are_listed_newest_first(three: list[RunFolder], tmp_path: Path) -> None:
    assert RunFolder.all(tmp_path) == three[::-1]
    assert RunFolder.all(tmp_path / "elsewhere") == []


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("20261121-080000-books", 0),
        ("20261122", 1),
        ("quotes", 1),
        ("3-080000-books", 2),
        ("last", 2),
    ],
)
def test_a_run_is_named_by_its_id_or_by_one_of_its_ends(
    name: str, index: int, three: list[RunFolder], tmp_path: Path
) -> None:
    assert RunFolder.open(tmp_path, name) == three[index]


def test_a_run_may_be_named_by_its_folder(
    three: list[RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert RunFolder.open(tmp_path, ".scrapekit/runs/20261122-080000-quotes/") == three[1]
    with pytest.raises(ConfigError, match="there is no run"):
        RunFolder.open(tmp_path, "elsewhere/20261122-080000-quotes/")


def test_a_whole_id_means_one_run_though_others_begin_with_it(tmp_path: Path) -> None:
    runs = [RunFolder.create(tmp_path, "quotes", now=noon) for _ in range(3)]
    assert RunFolder.open(tmp_path, runs[0].id) == runs[0]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("books", r"2 runs are meant by 'books' \(they are 20261123-080000-books, 20261121-080000-books\)"),
        ("20261122-quotes", r"there is no run '20261122-quotes' \(there is 20261122-080000-quotes"),
        ("080000-quot", r"there is no run '080000-quot' \(there is 20261122-080000-quotes\)"),
        ("zzz", r"there is no run 'zzz' \(there is 20261123-080000-books, 20261122-080000-quotes, 2026"),
        ("", r"there is no run ''"),
    ],
)
def test_a_name_that_means_none_or_several_is_refused_with_the_nearest(
    name: str, message: str, three: list[RunFolder], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        RunFolder.open(tmp_path, name)


def test_where_there_is_no_run_it_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no run here \(crawl first: scrapekit crawl NAME\)"):
        RunFolder.open(tmp_path, "last")


def test_a_run_that_is_removed_frees_what_it_took(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "quotes")
    before = run.size()
    run.items.write_bytes(b"x" * 100_000)
    run.files.mkdir()
    (run.files / "a").write_bytes(b"x" * 100_000)
    assert run.size() - before >= 200_000
    assert run.remove() >= 200_000
    assert not run.path.exists()
