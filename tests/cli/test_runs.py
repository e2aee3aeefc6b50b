from __future__ import annotations

import io
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scrapekit.frontier import Batch, Ended, Found, Outcome, SQLiteFrontier
from scrapekit.request import Request
from scrapekit.sinks import RunFolder, keep
from scrapekit.stats import Stats

DAY = 86_400.0
BEGAN = 1_795_428_902.5  # 2026-11-23 10:15:02 UTC


def make(
    root: Path,
    spider: str = "pages",
    *,
    age: float = 0.0,
    items: int = 3,
    failed: tuple[str, ...] = (),
    waiting: int = 0,
    end: str = "finished",
    **more: Any,
) -> RunFolder:
    """A run as a crawl leaves it: one page fetched, so many requests failed for these reasons, so many waiting."""
    began = BEGAN - age
    run = RunFolder.create(root, spider, now=lambda: began)
    sink = run.open_items()
    sink.write([keep({"n": n}) for n in range(items)])
    position = sink.position()
    sink.close()
    frontier = SQLiteFrontier(run.frontier, dump=json.dumps, load=json.loads)
    urls = [f"http://host/{n}" for n in range(1 + len(failed) + waiting)]
    batch = Batch(found=[Found(Request(url), "host", url.encode()) for url in urls])
    frontier.commit(batch, write)
    (lease,) = frontier.lease(1, len(urls), began).hosts
    stats = Stats(items=items, started=began, duration=65.0, end=end, sends=len(urls), hosts=1)
    stats.statuses = Counter({200: 1})
    stats.reasons = Counter({("failed", reason): failed.count(reason) for reason in failed})
    ended = [Ended(lease.rows[0], Outcome.FETCHED)]
    ended += [Ended(row, Outcome.FAILED, reason) for row, reason in zip(lease.rows[1:], failed, strict=False)]
    notes = {
        "spider": spider,
        "target": spider,
        "arguments": {},
        "exports": [],
        "sinks": {"items": position, "rejected": 0},
        "synced": {"items": position, "rejected": 0},
        "stats": stats.to_dict(),
        "started": began,
        "ended": began + 65 if end else 0,
        "end": end,
        "start_done": True,
    }
    frontier.commit(Batch(ended=ended, tokens={"host": lease.token}, notes=notes | more), write)
    frontier.close()
    return run


def write(batch: Batch, *, sync: bool) -> dict[str, Any]:
    return {}


def table(out: str) -> list[dict[str, str]]:
    """The rows of a list by the heads of their columns."""
    heads, *rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in out.splitlines()]
    return [dict(zip(heads, row, strict=True)) for row in rows]


def test_runs_are_listed_newest_first_with_state_pages_items_and_size(scrapekit, folder):
    make(folder, age=3 * DAY)
    make(folder, "quotes", age=2 * DAY, end="max-pages", waiting=4)
    make(folder, age=DAY, end="", waiting=1200, items=1169)
    said = scrapekit("runs")
    assert (said.code, said.err) == (0, "")
    rows = table(said.out)
    assert [row["state"] for row in rows] == ["killed", "stopped: max-pages", "finished"]
    assert [row["items"] for row in rows] == ["1,169", "3", "3"]
    assert [row["waiting"] for row in rows] == ["1,200", "4", "0"]
    assert [row["pages"] for row in rows] == ["1", "1", "1"]
    assert rows[1]["run"] == "20261121-101502-quotes"
    assert rows[0]["began"] == time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(BEGAN - DAY))
    assert all(row["size"].endswith("KiB") for row in rows)


def test_the_list_can_be_of_one_spider(scrapekit, folder):
    make(folder)
    make(folder, "quotes")
    make(folder, "quotes")
    assert [row["spider"] for row in table(scrapekit("runs", "list", "quotes").out)] == ["quotes", "quotes"]
    said = scrapekit("runs", "list", "other")
    assert said.code == 0
    assert said.refusal == "no run of 'other' is kept here; make one: scrapekit crawl other"


def test_without_a_run_the_way_to_one_is_said(scrapekit, folder):
    assert scrapekit("runs").refusal == "no run is kept here; make one: scrapekit crawl NAME"
    said = scrapekit("runs", "show", "last")
    assert said.code == 2
    assert said.refusal.endswith("there is no run here (crawl first: scrapekit crawl NAME)")


@pytest.mark.parametrize(
    ("made", "state"),
    [
        ({}, "finished"),
        ({"end": "max-pages"}, "finished: max-pages"),  # the bound fell together with the end
        ({"end": "max-pages", "waiting": 1}, "stopped: max-pages"),
        ({"end": "interrupted", "start_done": False}, "stopped: interrupted"),
        ({"end": "finished", "waiting": 1}, "stopped: requests were put back"),
        ({"end": "", "waiting": 1}, "killed"),
        ({"end": "", "start_done": False}, "killed"),
        ({"end": ""}, "finished: killed at its end"),
    ],
)
def test_a_runs_state_is_told_by_its_end_and_what_waits(made, state, scrapekit, folder):
    make(folder, **made)
    assert table(scrapekit("runs").out)[0]["state"] == state


def test_a_run_that_is_being_crawled_is_running(scrapekit, folder):
    run = make(folder, end="", waiting=1)
    with run.take():
        assert table(scrapekit("runs").out)[0]["state"] == f"running: process {os.getpid()}"
        assert "scrapekit crawl" not in scrapekit("runs", "show", "last").out
    assert table(scrapekit("runs").out)[0]["state"] == "killed"


def test_a_run_whose_frontier_is_damaged_keeps_its_items(scrapekit, folder):
    run = make(folder)
    run.frontier.write_bytes(b"\0" * 4096)
    assert (
        table(scrapekit("runs").out)[0] | {"state": "damaged", "items": "3", "spider": "pages"}
        == (table(scrapekit("runs").out)[0])
    )
    shown = scrapekit("runs", "show", "last").out
    assert "damaged: frontier.sqlite is damaged (file is not a database)" in shown
    assert f"scrapekit runs export {run.id} -o FILE" in shown
    with run.items.open("a") as file:
        file.write('{"n":')
    said = scrapekit("runs", "export", "last", "-o", "all.csv")
    assert said.refusal == f"3 items of {run.id} written to all.csv"
    assert (folder / "all.csv").read_bytes() == b"n\r\n0\r\n1\r\n2\r\n"
    assert scrapekit("runs", "retry", "last").code != 0


def test_a_run_that_kept_no_frontier_is_told_by_its_statistics(scrapekit, folder):
    run = RunFolder.create(folder, "pages")
    assert table(scrapekit("runs").out)[0]["state"] == "killed: before anything was kept"
    run.write_stats(Stats(fetched=7, end="finished").to_dict())
    assert table(scrapekit("runs").out)[0] | {"state": "finished", "pages": "7"} == table(scrapekit("runs").out)[0]
    run.write_stats(Stats(pending=7, end="max-time").to_dict())
    assert table(scrapekit("runs").out)[0]["state"] == "stopped: max-time"
    assert "--resume" not in scrapekit("runs", "show", "last").out
    assert scrapekit("runs", "retry", "last").refusal.endswith("keeps nothing that could be fetched again")


def test_the_list_as_json_has_bytes_and_seconds(scrapekit, folder):
    run = make(folder, end="max-time", waiting=2)
    (told,) = json.loads(scrapekit("runs", "list", "--json").out)
    size = told.pop("size")
    assert size == run.size() > 0
    assert told == {
        "id": run.id,
        "spider": "pages",
        "state": "stopped",
        "why": "max-time",
        "pages": 1,
        "items": 3,
        "pending": 2,
        "started": BEGAN,
        "ended": BEGAN + 65,
        "path": str(run.path),
    }
    assert json.loads(scrapekit("runs", "list", "nobody", "--json").out) == []


def test_a_run_is_shown_in_full(scrapekit, folder):
    (folder / "here.csv").touch()
    exports = [
        {"target": name, "append": False, "base": base} for name, base in (("here.csv", 9), ("gone.json", 0), ("-", 0))
    ]
    run = make(
        folder,
        end="max-pages",
        waiting=2,
        failed=("timeout", "status 503", "timeout"),
        target="spiders/pages.py:Pages",
        arguments={"tag": "a b"},
        exports=exports,
        sinks={"items": 24, "here.csv": 12, "gone.json": 1234},
    )  # fmt: skip
    shown = scrapekit("runs", "show", "last").out
    lines = {" ".join(line.split()) for line in shown.splitlines()}
    assert f"run {run.id}" in lines
    assert "state stopped: max-pages" in lines
    assert "called spiders/pages.py:Pages -a 'tag=a b'" in lines
    assert "pages stopped at --max-pages after 1 min 05 s" in lines
    assert "= seen 6" in lines
    assert "failed 2 timeout" in lines
    assert "failed 1 status 503" in lines
    assert "24 bytes items.jsonl" in lines
    assert "export here.csv left at 12, begun at 9" in lines
    assert "export gone.json left at 1,234; the file is not there, a resume writes it anew" in lines
    assert "export - no position, so an item may come twice" in lines
    assert f"next scrapekit crawl spiders/pages.py:Pages --resume --run {run.id}" in lines
    assert f"next scrapekit runs retry {run.id}" in lines


def test_a_run_as_json_has_its_exports_and_counters(scrapekit, folder):
    make(folder, exports=[{"target": "a.csv", "append": False, "base": 0}], sinks={"a.csv": 4}, arguments={"a": "b"})
    told = json.loads(scrapekit("runs", "show", "last", "--json").out)
    assert told["exports"] == [{"target": "a.csv", "append": False, "base": 0, "position": 4}]
    assert told["arguments"] == {"a": "b"}
    assert (told["stats"]["seen"], told["stats"]["fetched"], told["state"]) == (1, 1, "finished")


def test_a_run_that_is_not_there_is_refused_with_the_nearest(scrapekit, folder):
    make(folder)
    for command in (("show",), ("export", "-o", "x.csv"), ("retry",)):
        said = scrapekit("runs", command[0], "20261123-101502-page", *command[1:])
        assert said.code == 0  # the beginning of one
    said = scrapekit("runs", "show", "20261123-101502-pagez")
    assert said.code == 2
    assert said.refusal == "there is no run '20261123-101502-pagez' (there is 20261123-101502-pages)"


def test_a_command_that_is_not_there_is_refused(scrapekit, folder):
    said = scrapekit("runs", "shwo")
    assert said.code == 2
    assert "no such command 'shwo'" in said.refusal.lower()


@pytest.mark.parametrize("ending", [".json", ".jsonl", ".csv", ".sqlite", ".db", ".parquet"])
def test_items_are_exported_again_in_every_format(ending, scrapekit, folder):
    run = make(folder)
    said = scrapekit("runs", "export", "last", "-o", f"again{ending}")
    assert (said.code, said.refusal) == (0, f"3 items of {run.id} written to again{ending}")
    assert (folder / f"again{ending}").stat().st_size > 0
    said = scrapekit("runs", "export", "last", "-o", f"again{ending}")
    assert (said.code, "--overwrite replaces it" in said.refusal) == (2, True)
    assert scrapekit("runs", "export", "last", "-o", f"again{ending}", "--overwrite").code == 0


def test_items_are_exported_to_standard_output(scrapekit, folder):
    make(folder)
    said = scrapekit("runs", "export", "last", "-o", "-")
    assert said.out == '{"n":0}\n{"n":1}\n{"n":2}\n'
    assert said.err.endswith("written to standard output\n")


def test_only_what_is_committed_is_exported(scrapekit, folder):
    run = make(folder, end="", synced={"items": 8}, tail={"items": ['{"n":1}', '{"n":"in the frontier"}']})
    with run.items.open("a") as file:
        file.write('{"n":99}\n')
    assert scrapekit("runs", "export", "last", "-o", "-").out == '{"n":0}\n{"n":1}\n{"n":"in the frontier"}\n'


def test_a_record_that_was_cut_is_exported_as_far_as_it_goes(scrapekit, folder):
    run = make(folder)
    run.items.write_text('{"n":0}\n{"n"')
    said = scrapekit("runs", "export", "last", "-o", "-")
    assert (said.code, said.out) == (0, '{"n":0}\n')
    assert "is shorter than it was left, so some items are lost" in said.err


def test_a_run_is_not_exported_onto_itself(scrapekit, folder):
    run = make(folder)
    said = scrapekit("runs", "export", "last", "-o", str(run.items), "--overwrite")
    assert said.refusal.endswith("is the run's own record")
    assert len(run.items.read_text().splitlines()) == 3


FAILED = ("status 503", "status 500", "status 404", "timeout", "timeout", "callback", "prepare")


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ((), 6),
        (("--callback-errors",), 7),
        (("--status", "5xx"), 2),
        (("--status", "5XX", "--status", "404"), 3),
        (("--status", "503"), 1),
        (("--status", "50"), None),
        (("--status", "6xx"), None),
        (("--reason", "timeout"), 2),
        (("--reason", "time"), 0),
        (("--reason", ".*"), 0),
        (("--reason", "callback"), None),
        (("--reason", "callback", "--callback-errors"), 1),
        (("--reason", "timeout", "--status", "4xx", "--callback-errors"), 4),
        (("--status", "403"), 0),
    ],
)
def test_failed_requests_are_put_back_as_asked(options, count, scrapekit, folder):
    run = make(folder, failed=FAILED)
    said = scrapekit("runs", "retry", "last", *options)
    if count is None:
        assert said.code == 2
    elif count:
        assert said.refusal == f"{count} put back; fetch them: scrapekit crawl pages --resume --run {run.id}"
    else:
        assert said.refusal.startswith("nothing was put back; by what requests failed: timeout (2), status 503 (1)")
    row = table(scrapekit("runs").out)[0]
    assert row["waiting"] == str(count or 0)
    assert row["state"] == ("stopped: requests were put back" if count else "finished")
    told = json.loads(scrapekit("runs", "show", "last", "--json").out)["stats"]
    assert told["failed"] == len(FAILED) - (count or 0)
    assert sum(told["reasons"].values()) == told["failed"], "none is told that waits again"


def test_a_run_without_failures_has_none_to_put_back(scrapekit, folder):
    make(folder)
    assert scrapekit("runs", "retry", "last").refusal == "nothing was put back; no request failed"


def test_a_run_that_is_being_crawled_is_not_changed(scrapekit, folder):
    run = make(folder, failed=("timeout",))
    with run.take():
        said = scrapekit("runs", "retry", "last")
    assert (said.code, said.refusal) == (2, f"run {run.id} is being crawled by process {os.getpid()}")


@pytest.fixture
def several(folder: Path) -> dict[str, RunFolder]:
    """By a letter each, oldest first."""
    return {
        "a": make(folder, age=40 * DAY),
        "b": make(folder, "quotes", age=30 * DAY),
        "c": make(folder, age=20 * DAY, end="max-pages", waiting=1),
        "d": make(folder, age=10 * DAY),
        "e": make(folder, age=5 * DAY, end="", waiting=1),
        "f": make(folder),
    }


def days_ago(days: float) -> str:
    """How long ago that was of a run of that age, for the option."""
    return f"{round(time.time() - BEGAN + days * DAY)}s"


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        (("--keep", "0"), "abdf"),
        (("--keep", "1"), "ad"),
        (("--keep", "2"), "a"),
        (("--keep", "9"), ""),
        (("--state", "finished"), "abdf"),
        (("--state", "stopped", "--state", "killed"), "ce"),
        (("--state", "any", "--keep", "1"), "acde"),
        (("--older-than", 15), "ab"),
        (("--older-than", 15, "--state", "any"), "abc"),
        (("--older-than", 15, "--keep", "2"), "a"),
        (("--older-than", 999), ""),
    ],
)
def test_runs_are_deleted_as_asked(options, gone, several, scrapekit):
    options = [each if isinstance(each, str) else days_ago(each) for each in options]
    sizes = sum(several[letter].size() for letter in gone)
    said = scrapekit("runs", "prune", *options, "--dry-run")
    assert (said.code, all(run.path.exists() for run in several.values())) == (0, True)
    assert said.err.splitlines()[-1].startswith(f"scrapekit: {len(gone)} run{'s' * (len(gone) != 1)} to delete, ")
    said = scrapekit("runs", "prune", *options, "--yes")
    assert said.code == 0
    assert "".join(letter for letter, run in several.items() if not run.path.exists()) == gone
    if gone:
        assert f"{sizes / 1024:,.1f} KiB freed" in said.err
        assert all(several[letter].id in said.err for letter in gone)


def test_nothing_is_deleted_unless_it_is_said_what(several, scrapekit):
    said = scrapekit("runs", "prune", "--yes")
    assert (said.code, "say which: --keep, --older-than or --state" in said.refusal) == (2, True)
    assert all(run.path.exists() for run in several.values())


def test_without_a_terminal_nothing_is_deleted_unasked(several, scrapekit):
    said = scrapekit("runs", "prune", "--keep", "0")
    assert said.code == 2
    assert said.err.endswith("nothing was deleted (--yes deletes without asking, --dry-run shows what)\n")
    assert all(run.path.exists() for run in several.values())


class Terminal(io.StringIO):
    """What a person types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "stays"), [("y\n", False), ("n\n", True), ("\n", True), ("what\nyes\n", False)])
def test_a_person_is_asked(typed, stays, several, scrapekit, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    said = scrapekit("runs", "prune", "--keep", "2")
    assert said.code == 0
    assert "Delete 1 run, " in said.err
    assert several["a"].path.exists() == stays


def test_a_run_that_is_being_crawled_is_never_deleted(several, scrapekit):
    with several["f"].take():
        assert scrapekit("runs", "prune", "--state", "any", "--yes").code == 0
    assert [letter for letter, run in several.items() if run.path.exists()] == ["f"]


def test_what_was_crawled_can_be_looked_at(scrapekit, project, site):
    site.chain(5)
    assert scrapekit("crawl", "pages", "-o", "items.sqlite", "--max-pages", "2").code == 3
    row = table(scrapekit("runs").out)[0]
    assert (row["state"], row["pages"], row["items"]) == ("stopped: max-pages", "2", "2")
    run = row["run"]
    assert f"scrapekit crawl pages --resume --run {run}" in scrapekit("runs", "show", run).out
    scrapekit("runs", "export", run, "-o", "again.jsonl")
    assert [json.loads(line)["title"] for line in (project / "again.jsonl").read_text().splitlines()] == [
        "page 0",
        "page 1",
    ]
    assert scrapekit("crawl", "pages", "--resume", "--run", run).code == 0
    assert table(scrapekit("runs").out)[0]["state"] == "finished"
    scrapekit("runs", "export", run, "-o", "again.jsonl", "--overwrite")
    assert len((project / "again.jsonl").read_text().splitlines()) == 5
