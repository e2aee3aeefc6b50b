"""What the SQLite frontier does beyond the contract: it outlives its process, and says clearly when it cannot."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from scrapekit.errors import ConfigError, ScrapekitError, SinkError, Uncommitted
from scrapekit.frontier import (
    Archived,
    Batch,
    Ended,
    Found,
    HostState,
    Outcome,
    PutBack,
    Row,
    SQLiteFrontier,
    StaleLease,
    Validators,
    Want,
    archived,
    peek,
    schema,
)
from scrapekit.request import Request
from scrapekit.sinks import Kept
from scrapekit.url import host_of

LATE = 1e6


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "frontier.sqlite"


@pytest.fixture
def make(path: Path, clock: Clock) -> Iterator[Callable[..., SQLiteFrontier]]:
    made: list[SQLiteFrontier] = []

    def maker(where: Path = path, **options: Any) -> SQLiteFrontier:
        made.append(SQLiteFrontier(where, dump=json.dumps, load=json.loads, now=clock, **options))
        return made[-1]

    yield maker
    for frontier in made:
        frontier.close()


def found(url: str, **fields: Any) -> Found:
    request = Request(url, **fields)
    return Found(request, host_of(request.url), request.fingerprint())


def nothing(batch: Batch, *, sync: bool) -> dict[str, Any]:
    return {}


def add(frontier: SQLiteFrontier, *urls: str | Found) -> Any:
    return frontier.commit(Batch(found=[found(url) if isinstance(url, str) else url for url in urls]), nothing)


def all_rows(frontier: SQLiteFrontier, now: float = LATE) -> list[Row]:
    return [row for lease in frontier.lease(100, 100, now).hosts for row in lease.rows]


def items(*lines: str) -> Batch:
    return Batch(items=[Kept(line) for line in lines])


# -- opened again


def test_all_of_a_request_survives(make: Callable[..., SQLiteFrontier]) -> None:
    rich = found(
        "http://a.test/form?q=%C3%A9",
        callback="parse_it",
        errback="failed",
        method="POST",
        headers={"X-A": "é", "Accept": "*/*"},
        body=b"\x00\xff",
        cookies={"a": "b"},
        jar="second",
        meta={"deep": [1, {"é": None}], "nul": "\0", "half": "\ud800"},
        priority=-3,
        timeout=2.5,
        idempotent=True,
        accept_status=[404, 410],
        depth=7,
        parent="https://elsewhere.test/page",
    )
    frontier = make()
    add(frontier, rich, found("https://a.test/", priority=5, parent="https://elsewhere.test/page"))
    frontier.close()
    rows = all_rows(make())
    assert [row.request.url for row in rows] == ["https://a.test/", rich.request.url]
    assert rows[1].request == rich.request
    assert rows[0].request.parent == "https://elsewhere.test/page"


def test_a_row_that_waits_keeps_its_exact_time_its_attempts_and_its_history(
    make: Callable[..., SQLiteFrontier],
) -> None:
    frontier = make()
    add(frontier, "http://a.test/1")
    (row,) = all_rows(frontier)
    later = Row(row.id, "b.test", Request("http://b.test/2"), 3, ("http://a.test/1",), 1763874094.1234567)
    frontier.commit(Batch(put_back=[PutBack(row, later)]), nothing)
    frontier.close()
    frontier = make()
    assert all_rows(frontier, 1763874094.123) == []
    assert all_rows(frontier, 1763874094.2) == [later]
    frontier.commit(Batch(ended=[Ended(later, Outcome.FETCHED)]), nothing)
    assert frontier.counts().pending == 0


def test_what_a_killed_process_had_leased_comes_back_as_the_last_commit_said(
    make: Callable[..., SQLiteFrontier], tmp_path: Path
) -> None:
    frontier = make()
    add(frontier, "http://a.test/1", "http://b.test/1")
    frontier.lease(2, 5, 100.0)
    frontier.commit(Batch(states={"a.test": HostState(130.0, "delay", {"x": [1]})}), nothing)
    again = make(copied(tmp_path, "killed"))
    leased = again.lease(5, 5, 100.0)
    assert ([lease.host for lease in leased.hosts], leased.ask_at) == (["b.test"], 130.0)
    (lease,) = again.lease(5, 5, 130.0).hosts
    assert (lease.state, lease.waiting, len(lease.rows)) == (HostState(130.0, "delay", {"x": [1]}), 1, 1)


def test_ids_are_never_given_twice(make: Callable[..., SQLiteFrontier]) -> None:
    frontier = make()
    add(frontier, "http://a.test/1")
    (row,) = all_rows(frontier)
    frontier.commit(Batch(ended=[Ended(row, Outcome.FETCHED)]), nothing)
    frontier.close()
    frontier = make()
    add(frontier, "http://a.test/2")
    assert [again.id for again in all_rows(frontier)] == [row.id + 1]


def test_hosts_and_their_waiting_rows_are_counted_over_a_restart(make: Callable[..., SQLiteFrontier]) -> None:
    frontier = make()
    add(frontier, *(f"http://a.test/{n}" for n in range(5)), "http://b.test/1")
    frontier.lease(1, 2, 100.0)
    add(frontier, "http://a.test/6")
    frontier.close()
    frontier = make()
    assert frontier.counts().hosts == 2
    assert {lease.host: lease.waiting for lease in frontier.lease(5, 1, 100.0).hosts} == {"a.test": 6, "b.test": 1}


def test_hosts_that_are_not_remembered_are_looked_up(
    make: Callable[..., SQLiteFrontier], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scrapekit.frontier.hostids.REMEMBERED", 3)
    frontier = make()
    for turn in range(3):
        add(frontier, *(f"http://host{n}.test/{turn}" for n in range(7)))
    assert frontier.counts().hosts == 7
    assert {lease.waiting for lease in frontier.lease(9, 9, 100.0).hosts} == {3}


def test_a_clock_set_back_makes_nobody_wait_for_the_time_that_was(make: Callable[..., SQLiteFrontier]) -> None:
    frontier = make()
    frontier.lease(1, 1, 5000.0)
    add(frontier, "http://a.test/1")  # comes into line at 5000
    assert [lease.host for lease in frontier.lease(1, 1, 100.0).hosts] == ["a.test"]
    frontier.release({"a.test": HostState(300.0)}, 6000.0)
    frontier.close()
    frontier = make()
    assert frontier.lease(1, 1, 200.0).ask_at == 300.0  # but never sooner than it opens
    assert len(frontier.lease(1, 1, 300.0).hosts) == 1


def test_hosts_whose_time_has_come_go_in_the_order_of_their_times(make: Callable[..., SQLiteFrontier]) -> None:
    frontier = make()
    add(frontier, "http://late.test/1", "http://early.test/1")
    frontier.lease(2, 1, 100.0)
    frontier.release({"late.test": HostState(120.0), "early.test": HostState(110.0)}, 100.0)
    frontier.lease(0, 1, 115.0)
    add(frontier, "http://new.test/1")  # at 115
    assert [lease.host for lease in frontier.lease(9, 1, 130.0).hosts] == ["early.test", "new.test", "late.test"]


def test_a_row_that_ended_cannot_end_again(make: Callable[..., SQLiteFrontier]) -> None:
    frontier = make()
    add(frontier, "http://a.test/1", "http://a.test/2")
    row, _ = all_rows(frontier)
    frontier.commit(Batch(ended=[Ended(row, Outcome.FETCHED)]), nothing)
    with pytest.raises(StaleLease):
        frontier.commit(Batch(ended=[Ended(row, Outcome.FETCHED)], found=[found("http://a.test/3")]), nothing)
    assert (frontier.counts().pending, frontier.counts().seen) == (1, 2)


# -- what reaches the disk when


class Writer:
    """A sink that remembers what it was asked."""

    def __init__(self) -> None:
        self.synced: list[bool] = []

    def __call__(self, batch: Batch, *, sync: bool) -> dict[str, Any]:
        self.synced.append(sync)
        return {}


def test_one_commit_each_second_waits_for_the_disk(make: Callable[..., SQLiteFrontier], clock: Clock) -> None:
    frontier, write = make(), Writer()
    for time in (0.0, 0.5, 0.99, 1.0, 1.5, 2.5, 2.6):
        clock.time = 1000.0 + time
        frontier.commit(items("{}"), write)
    assert write.synced == [True, False, False, True, False, True, False]


def test_it_says_when_a_last_commit_is_wanted_though_there_is_nothing_new(
    make: Callable[..., SQLiteFrontier], clock: Clock
) -> None:
    frontier, write = make(), Writer()
    frontier.commit(items("1"), write)
    assert frontier.sync_at is None
    frontier.commit(items("2"), write)
    assert frontier.sync_at == 1001.0
    frontier.commit(Batch(), write)  # too early, and nothing to write
    clock.time = 1001.0
    frontier.commit(Batch(), write)
    assert (write.synced, frontier.sync_at, "tail" in frontier.notes()) == ([True, False, True], None, False)


def test_lines_that_the_sinks_may_lose_are_kept_until_they_cannot(
    make: Callable[..., SQLiteFrontier], clock: Clock
) -> None:
    frontier = make()
    frontier.commit(items('{"n":1}'), nothing)
    assert "tail" not in frontier.notes()
    frontier.commit(items('{"n":2}', '{"é":3}'), nothing)
    frontier.commit(Batch(rejected=[Kept('{"r":1}')]), nothing)
    tail = {"items": ['{"n":2}', '{"é":3}'], "rejected": ['{"r":1}']}
    assert frontier.notes()["tail"] == tail
    frontier.close()
    frontier = make()
    assert frontier.notes()["tail"] == tail
    frontier.commit(items('{"n":4}'), nothing)  # the first one waits for the disk
    assert "tail" not in frontier.notes()


def test_notes_hold_any_json(make: Callable[..., SQLiteFrontier]) -> None:
    facts = {"state": {"é": [None, 1.5, "\0"], "half": "\ud800"}, "text": "plain", "none": None, "": 0}
    frontier = make()
    frontier.commit(Batch(notes=facts), nothing)
    frontier.close()
    assert make().notes() == facts


def test_a_note_that_is_no_json_is_refused_before_anything_is_written(make: Callable[..., SQLiteFrontier]) -> None:
    frontier, write = make(), Writer()
    with pytest.raises(TypeError):
        frontier.commit(Batch(found=[found("http://a.test/1")], notes={"state": object()}), write)
    assert (write.synced, frontier.counts().seen, frontier.notes()) == ([], 0, {})


# -- looked into from outside


def test_a_peek_reads_a_run_that_is_alive(make: Callable[..., SQLiteFrontier], path: Path) -> None:
    frontier = make()
    frontier.commit(Batch(found=[found("http://a.test/1")], notes={"pid": 7}), nothing)
    seen = peek(path)
    assert (seen.version, seen.notes, seen.counts) == (schema.VERSION, {"pid": 7}, frontier.counts())
    add(frontier, "http://b.test/2")
    assert peek(path).counts.seen == 2


def test_a_peek_leaves_a_finished_run_as_it_is(make: Callable[..., SQLiteFrontier], path: Path) -> None:
    frontier = make()
    add(frontier, "http://a.test/1")
    frontier.close()
    before = path.read_bytes()
    assert peek(path).counts.seen == 1
    assert ([each.name for each in path.parent.iterdir()], path.read_bytes()) == ([path.name], before)


def test_a_peek_reads_a_killed_run(make: Callable[..., SQLiteFrontier], tmp_path: Path) -> None:
    frontier = make()
    add(frontier, "http://a.test/1")
    assert peek(copied(tmp_path, "killed")).counts.seen == 1


def test_what_ended_can_be_visited_again(make: Callable[..., SQLiteFrontier], path: Path, tmp_path: Path) -> None:
    frontier = make()
    add(frontier, *(found(f"https://a.test/{n}", callback="page", parent="https://a.test/", depth=2) for n in range(4)))
    one, two, three, _ = all_rows(frontier)
    hop = Row(two.id, "b.test", Request("http://b.test/x", meta={"a": 1}), history=(two.request.url,))
    frontier.commit(Batch(put_back=[PutBack(two, hop)]), nothing)
    validators = Validators('"etag"', "Mon, 23 Nov 2026 05:00:00 GMT", b"\x00\xff")
    first = Batch(ended=[Ended(one, Outcome.FETCHED, "", validators, items=2)], items=items("1", "2").items)
    second = [Ended(three, Outcome.FAILED, "callback: \ud800 é", items=1), Ended(hop, Outcome.DISALLOWED, "robots")]
    frontier.commit(first, nothing)
    frontier.commit(Batch(ended=second, items=items("3").items), nothing)
    expected = [
        Archived(one.id, one.request, (), Outcome.FETCHED, "", validators, 0, 2),
        Archived(hop.id, hop.request, hop.history, Outcome.DISALLOWED, "robots", None, 3, 0),
        Archived(three.id, three.request, (), Outcome.FAILED, "callback: \ud800 é", None, 2, 1),
    ]
    assert list(archived(path)) == expected
    assert list(archived(copied(tmp_path, "killed"))) == expected
    frontier.close()
    assert list(archived(path)) == expected


def test_failed_requests_are_put_back_in_a_later_process(make: Callable[..., SQLiteFrontier], path: Path) -> None:
    frontier = make()
    add(frontier, "http://a.test/1", "http://a.test/2", "http://b.test/1")
    rows = all_rows(frontier)
    frontier.commit(Batch(ended=[Ended(row, Outcome.FAILED, "timeout") for row in rows]), nothing)
    frontier.close()
    frontier = make()
    assert frontier.reopen(lambda reason: reason == "timeout", {"said": "again"}) == 3
    frontier.close()
    frontier = make()
    assert frontier.notes() == {"said": "again"}
    assert all_rows(frontier) == rows
    assert list(archived(path)) == []


# -- bad days


def test_a_frontier_that_is_to_be_resumed_must_be_there(make: Callable[..., SQLiteFrontier], path: Path) -> None:
    with pytest.raises(SinkError, match="is not there"):
        make(resumed=True)
    path.touch()
    with pytest.raises(SinkError, match="it is empty"):
        make(resumed=True)


def test_a_newer_file_is_refused_with_what_to_do(make: Callable[..., SQLiteFrontier], path: Path) -> None:
    make().close()
    tamper(path, f"PRAGMA user_version = {schema.VERSION + 1}")
    for opened in (make, lambda: peek(path), lambda: list(archived(path))):
        with pytest.raises(ConfigError) as caught:
            opened()
        assert (caught.value.file, "newer scrapekit" in str(caught.value)) == (path, True)
        assert "update scrapekit" in str(caught.value)


def test_another_sqlite_file_is_refused(make: Callable[..., SQLiteFrontier], path: Path) -> None:
    tamper(path, "CREATE TABLE other (x)")
    with pytest.raises(ConfigError, match="not the frontier"):
        make()


def test_an_old_sqlite_is_refused_with_what_to_do(
    make: Callable[..., SQLiteFrontier], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "LEAST_SQLITE", (99, 1, 0))
    for opened in (make, lambda: peek(path)):
        with pytest.raises(ConfigError, match=r"needs 99\.1\.0 or later"):
            opened()


@pytest.mark.parametrize("damage", ["header", "truncated", "pages"])
def test_a_damaged_file_is_told_with_what_can_be_saved(
    make: Callable[..., SQLiteFrontier], path: Path, damage: str
) -> None:
    frontier = make()
    add(frontier, *(f"http://a.test/{n}" for n in range(2000)))
    frontier.close()
    data = bytearray(path.read_bytes())
    if damage == "header":
        data[:40] = bytes(40)
    elif damage == "truncated":
        del data[len(data) // 2 :]
    else:
        data[3 * schema.PAGE : -schema.PAGE] = b"\xa5" * (len(data) - 4 * schema.PAGE)
    path.write_bytes(data)
    with pytest.raises(SinkError) as caught:
        make(resumed=True)
    assert (caught.value.file, "is damaged" in str(caught.value)) == (path, True)
    assert "runs export RUN -o FILE" in str(caught.value)
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE seen SET prints = x'00'",
        "UPDATE seen SET prints = 1",
        "UPDATE notes SET value = '{'",
        "UPDATE notes SET name = CAST(x'ff' AS TEXT)",
        "UPDATE notes SET value = '[]'",
        "UPDATE notes SET value = '{\"seen\": \"many\"}' WHERE name = '#frontier'",
        "INSERT INTO tail VALUES (1, 'x', '[]')",
    ],
)
def test_values_that_make_no_sense_are_damage_too(
    make: Callable[..., SQLiteFrontier], path: Path, statement: str
) -> None:
    frontier = make()
    add(frontier, "http://a.test/1")
    frontier.close()
    tamper(path, statement)
    with pytest.raises(SinkError, match="is damaged"):
        make()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ready SET more = '{'",
        "UPDATE ready SET more = '[1]'",
        "UPDATE hosts SET state = '[1]'",
        'UPDATE hosts SET state = \'[0, "", "no json"]\'',
    ],
)
def test_a_row_that_makes_no_sense_is_damage_too(
    make: Callable[..., SQLiteFrontier], path: Path, statement: str
) -> None:
    frontier = make()
    add(frontier, "http://a.test/1")
    frontier.close()
    tamper(path, statement)
    frontier = make()
    with pytest.raises(SinkError, match="is damaged"):
        frontier.lease(1, 1, 100.0)


def test_an_archive_that_makes_no_sense_is_damage_too(make: Callable[..., SQLiteFrontier], path: Path) -> None:
    frontier = make()
    add(frontier, "http://a.test/1")
    frontier.commit(Batch(ended=[Ended(row, Outcome.FETCHED) for row in all_rows(frontier)]), nothing)
    frontier.close()
    tamper(path, "UPDATE archive SET packed = x'0102'")
    with pytest.raises(SinkError, match="is damaged"):
        list(archived(path))


@pytest.mark.parametrize("seed", range(40))
def test_bytes_that_flipped_are_harmless_or_told(make: Callable[..., SQLiteFrontier], path: Path, seed: int) -> None:
    frontier, chance = make(), random.Random(seed)
    add(frontier, *(f"http://{name}.test/{n}" for name in "abc" for n in range(20)))
    rows = all_rows(frontier)
    ended = [Ended(row, chance.choice([Outcome.FETCHED, Outcome.FAILED]), "why") for row in rows[:30]]
    frontier.commit(Batch(ended=ended, notes={"note": 1}), nothing)
    frontier.close()
    data = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 5, 50])):
        data[chance.randrange(len(data))] = chance.randrange(256)
    path.write_bytes(data)
    for use in (use_from_outside, lambda path: use_again(make(resumed=True))):
        with suppress(ScrapekitError):  # whatever else is raised fails the test
            use(path)


def use_from_outside(path: Path) -> None:
    peek(path)
    list(archived(path))


def use_again(frontier: SQLiteFrontier) -> None:
    frontier.notes()
    rows = all_rows(frontier)
    frontier.reopen(lambda reason: True)
    frontier.commit(Batch(ended=[Ended(row, Outcome.FETCHED) for row in rows[:9]]), nothing)
    add(frontier, "http://d.test/1")


def test_a_peek_at_nothing_or_rubbish_says_so(path: Path) -> None:
    with pytest.raises(SinkError, match="is not there"):
        peek(path)
    path.write_bytes(b"no database at all, but long enough to be looked at" * 50)
    with pytest.raises(SinkError, match="is damaged"):
        peek(path)


def test_a_folder_that_is_gone_is_told(make: Callable[..., SQLiteFrontier], tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="cannot be written"):
        make(tmp_path / "gone" / "frontier.sqlite")


def test_a_full_disk_undoes_the_batch_and_nothing_is_written(make: Callable[..., SQLiteFrontier]) -> None:
    frontier, write = make(), Writer()
    add(frontier, "http://a.test/1")
    limit(frontier, pages=0)
    batch = Batch(found=[found(f"http://a.test/{n}") for n in range(500)], items=items("{}").items)
    with pytest.raises(SinkError, match="full"):
        frontier.commit(batch, write)
    assert (write.synced, frontier.counts().seen, frontier.notes()) == ([], 1, {})
    assert found("http://a.test/9").fingerprint not in frontier.known
    limit(frontier, pages=1 << 20)
    frontier.commit(batch, write)
    assert frontier.counts().seen == 500


def test_a_commit_that_fails_after_the_sinks_have_written_says_so(make: Callable[..., SQLiteFrontier]) -> None:
    frontier = make()
    add(frontier, "http://a.test/1")

    def write(batch: Batch, *, sync: bool) -> dict[str, Any]:
        limit(frontier, pages=0)
        return {"sinks": "x" * 100_000}

    with pytest.raises(Uncommitted, match="full"):
        frontier.commit(Batch(found=[found("http://a.test/2")], items=items("{}").items), write)
    limit(frontier, pages=1 << 20)
    assert (frontier.counts().seen, frontier.notes()) == (1, {})
    add(frontier, "http://a.test/2")
    assert [row.request.url for row in all_rows(frontier)] == ["http://a.test/1", "http://a.test/2"]


def test_a_refill_of_two_hosts_gives_each_its_own(make: Callable[..., SQLiteFrontier]) -> None:
    frontier = make()
    add(frontier, *(f"http://{name}.test/{n}" for name in "ab" for n in range(6)))
    one, two = frontier.lease(2, 1, 100.0).hosts
    wants = [Want("a.test", {one.rows[0].id}, 1), Want("b.test", [two.rows[0].id], 4)]
    rows = frontier.refill(wants, 100.0)
    assert {host: [row.request.url[-1] for row in some] for host, some in rows.items()} == {
        "a.test": ["1"],
        "b.test": ["1", "2", "3", "4"],
    }


def limit(frontier: SQLiteFrontier, *, pages: int) -> None:
    """No more pages than so many, or than there are: as on a disk that is full."""
    frontier._file.data.execute(f"PRAGMA max_page_count = {pages or 1}")


def tamper(path: Path, statement: str) -> None:
    data = sqlite3.connect(path, isolation_level=None)
    data.execute(statement)
    data.close()


def copied(folder: Path, name: str) -> Path:
    """What a process leaves that is killed now."""
    to = folder / name
    to.mkdir()
    for ending in ("", "-wal"):
        source = folder / f"frontier.sqlite{ending}"
        (to / source.name).write_bytes(source.read_bytes())
    return to / "frontier.sqlite"
