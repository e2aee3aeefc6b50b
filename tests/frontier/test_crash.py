"""A frontier is stopped between any two of its steps, and opened again: each commit is whole, or never was.

Stopped in three ways: the file as it is at each statement is copied, as a kill would leave it; a statement fails, as on
a full disk; a real process is killed at random moments, and what a loss of power could take is taken on top.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scrapekit.errors import SinkError, Uncommitted
from scrapekit.frontier import (
    Batch,
    Ended,
    Found,
    HostState,
    Outcome,
    PutBack,
    Row,
    SQLiteFrontier,
    archived,
    peek,
)
from scrapekit.request import Request
from scrapekit.sinks import JsonLinesSink, Kept
from scrapekit.url import host_of

ROOT = Path(__file__).resolve().parents[2]
NAME = "frontier.sqlite"
HOSTS = [f"host{n}.test" for n in range(4)]


class Stepping:
    """A connection that calls ``before`` each statement, and is one in all else."""

    def __init__(self, data: sqlite3.Connection, before: Callable[[str], None]) -> None:
        self._data, self._before = data, before

    def execute(self, statement: str, *values: Any) -> Any:
        self._before(statement)
        return self._data.execute(statement, *values)

    def close(self) -> None:
        self._data.close()


def opened(folder: Path, now: Callable[[], float] = lambda: 0.0) -> SQLiteFrontier:
    return SQLiteFrontier(folder / NAME, dump=json.dumps, load=json.loads, now=now)


def step(frontier: SQLiteFrontier, before: Callable[[str], None]) -> None:
    file = frontier._file
    data = file.data._data if isinstance(file.data, Stepping) else file.data
    file.data = Stepping(data, before)  # type: ignore[assignment]


def found(url: str, **fields: Any) -> Found:
    request = Request(url, **fields)
    return Found(request, host_of(request.url), request.fingerprint())


def everything(folder: Path) -> Any:
    """All that a frontier holds, in a form that can be compared."""
    frontier = opened(folder)
    try:
        notes, counts = frontier.notes(), frontier.counts()
        known = [found(f"http://{host}/{n}").fingerprint in frontier.known for host in HOSTS for n in range(40)]
        leases = frontier.lease(100, 10_000, 1e9).hosts
        rows = sorted(
            (row.id, row.host, row.request.url, row.attempt, row.not_before) for x in leases for row in x.rows
        )
        assert all(lease.waiting == len(lease.rows) for lease in leases)
        assert counts.pending == len(rows)
        assert counts.seen == counts.pending + sum(counts.ended.values())
        states = sorted((lease.host, lease.state.opens_at) for lease in leases)
    finally:
        frontier.close()
    return json.dumps([notes, rows, known, states, [repr(one) for one in archived(folder / NAME)], repr(counts)])


def copied(folder: Path, to: Path) -> Path:
    """What a process leaves that is killed now. The log's index is memory that it shared, and is made anew."""
    to.mkdir(exist_ok=True)
    for ending in ("", "-wal"):
        (to / f"{NAME}{ending}").write_bytes((folder / f"{NAME}{ending}").read_bytes())
    (to / f"{NAME}-shm").unlink(missing_ok=True)
    return to


class Worker:
    """Does random things with a frontier, as a crawl would."""

    def __init__(self, frontier: SQLiteFrontier, seed: int) -> None:
        self.frontier, self.random = frontier, random.Random(seed)
        self.now, self.turn = 100.0, 0
        self.leases: dict[str, Any] = {}
        self.held: dict[int, Row] = {}
        self.written = 0

    def next(self) -> Callable[[], Any]:
        """Something to do, which may be done again where it failed."""
        self.now += 10.0
        if not self.leases or self.random.random() < 0.3:
            return lambda: self.take(self.frontier.lease(2, 5, self.now).hosts)
        if self.random.random() < 0.2:
            host = self.random.choice(list(self.leases))
            return lambda: self.release(host, HostState(self.now + 5.0, "delay", {"turn": self.turn}))
        batch = self.batch()
        return lambda: self.commit(batch, self.write)

    def write(self, batch: Batch, *, sync: bool) -> dict[str, Any]:
        self.written += 1
        return {"sinks": {"items": self.turn}}

    def take(self, leases: list[Any]) -> None:
        for lease in leases:
            self.leases[lease.host] = lease
            self.held |= {row.id: row for row in lease.rows}

    def release(self, host: str, state: HostState) -> None:
        self.frontier.release({host: state}, self.now)
        del self.leases[host]
        self.held = {id_: row for id_, row in self.held.items() if row.host != host}

    def commit(self, batch: Batch, write: Any) -> None:
        answer = self.frontier.commit(batch, write)
        for row in [ended.row for ended in batch.ended] + [put_back.old for put_back in batch.put_back]:
            self.held.pop(row.id, None)
        self.held |= {row.id: row for row in answer.rows}

    def batch(self) -> Batch:
        self.turn += 1
        batch = Batch(notes={"turn": self.turn}, items=[Kept(json.dumps({"turn": self.turn, "text": "x" * 100}))])
        for row in self.random.sample(list(self.held.values()), min(len(self.held), 4)):
            if self.random.random() < 0.3:
                later = Row(row.id, row.host, row.request, row.attempt + 1, row.history, self.now + 7.5)
                batch.put_back.append(PutBack(row, later))
            elif self.random.random() < 0.3:
                hop = found(f"http://{self.random.choice(HOSTS)}/{self.random.randrange(40)}")
                moved = Row(row.id, hop.host, hop.request, 0, (row.request.url,))
                batch.put_back.append(PutBack(row, moved, hop.fingerprint))
            else:
                outcome = self.random.choice([Outcome.FETCHED, Outcome.FAILED])
                batch.ended.append(Ended(row, outcome, "why", items=1))
        urls = [f"http://{self.random.choice(HOSTS)}/{self.random.randrange(40)}" for _ in range(6)]
        batch.found = [found(url, parent="http://parent.test/") for url in urls]
        batch.states = {host: HostState(self.now, "delay") for host in list(self.leases)[:1]}
        return batch


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_left_at_any_step_is_what_was_before_or_what_is_after(tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    frontier = opened(folder)
    frontier.commit(Batch(found=[found(f"http://{host}/0") for host in HOSTS]), lambda batch, *, sync: {})
    worker, steps = Worker(frontier, seed), 0
    left: list[str] = []
    before = everything(copied(folder, tmp_path / "before"))
    for _ in range(16):
        left.clear()
        step(frontier, lambda statement: left.append(everything(copied(folder, tmp_path / "copy"))))
        worker.next()()
        step(frontier, lambda statement: None)
        after = everything(copied(folder, tmp_path / "copy"))
        assert set(left) <= {before, after}
        assert left[:1] in ([], [before])
        before, steps = after, steps + len(left)
    frontier.close()
    assert everything(folder) == before
    assert steps > 60


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_what_fails_at_any_step_has_changed_nothing_and_can_be_done_again(tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    frontier = opened(folder)
    frontier.commit(Batch(found=[found(f"http://{host}/0") for host in HOSTS]), lambda batch, *, sync: {})
    worker, failures = Worker(frontier, seed), 0
    for _ in range(16):
        before, do = everything(copied(folder, tmp_path / "copy")), worker.next()
        counts, at = frontier.counts(), 0
        while error := failed_at(worker, at, do):
            assert isinstance(error, Uncommitted) == bool(worker.written)  # then the sinks must go back
            assert frontier.counts() == counts
            assert everything(copied(folder, tmp_path / "copy")) == before
            at, failures = at + 1, failures + 1
    frontier.close()
    assert failures > 40


def failed_at(worker: Worker, at: int, do: Callable[[], Any]) -> SinkError | None:
    """Do it, with its statement of this number failing; None if it had not so many, and is done."""
    done, worker.written = 0, 0

    def before(statement: str) -> None:
        nonlocal done
        done += statement != "ROLLBACK"
        if statement != "ROLLBACK" and done == at + 1:
            raise sqlite3.OperationalError("disk I/O error")

    step(worker.frontier, before)
    try:
        do()
    except SinkError as error:
        return error
    finally:
        step(worker.frontier, lambda statement: None)
    return None


# -- a real process

PAGES = 1000


def crawl(folder: Path) -> None:
    """Visit pages that link to each other, with one item each, and come back to what an earlier process left."""
    frontier = opened(folder, lambda: time.monotonic() * 20)  # the disk is waited for each 50 ms
    items = restored(folder, frontier.notes())

    def write(batch: Batch, *, sync: bool) -> dict[str, Any]:
        items.write(batch.items)
        if sync:
            items.sync()
        return {"sinks": items.position()} | ({"synced": items.position()} if sync else {})

    if not frontier.counts().seen:
        frontier.commit(Batch(found=[page(0)]), write)
    chance = random.Random()
    while leases := frontier.lease(3, 8, 100.0).hosts:
        rows = [row for lease in leases for row in lease.rows]
        tokens = {lease.host: lease.token for lease in leases}
        for row in rows:
            frontier.commit(visited(row, tokens, chance), write)
        frontier.release({lease.host: HostState(50.0, "delay", {"n": 1}) for lease in leases}, 100.0)
    frontier.close()
    items.close()
    (folder / "finished").touch()


def visited(row: Row, tokens: dict[str, int], chance: random.Random) -> Batch:
    number = int(row.request.url.rpartition("/")[2])
    if row.attempt == 0 and chance.random() < 0.1:
        again = Row(row.id, row.host, row.request, 1, (), 60.0)
        return Batch(put_back=[PutBack(row, again)], tokens={row.host: tokens[row.host]})
    links = [page(child) for child in (2 * number + 1, 2 * number + 2, number // 2) if child < PAGES]
    item = Kept(json.dumps({"page": number, "text": "x" * chance.randrange(300)}))
    ended = Ended(row, Outcome.FETCHED, items=1)
    return Batch(ended=[ended], found=links, items=[item], tokens={row.host: tokens[row.host]})


def page(number: int) -> Found:
    return found(f"http://{HOSTS[number % len(HOSTS)]}/{number}", parent=f"http://host0.test/{number // 2}")


def restored(folder: Path, notes: dict[str, Any]) -> JsonLinesSink:
    """The items up to the last time that they were synced, and then those that the frontier kept."""
    path = folder / "items.jsonl"
    sink = JsonLinesSink(path, fresh=not path.exists())
    sink.rewind(notes.get("synced", 0))
    sink.write([Kept(line) for line in notes.get("tail", {}).get("items", ())])
    assert sink.position() == notes.get("sinks", 0)
    return sink


def lose_power(folder: Path, chance: random.Random) -> None:
    """Take from the files what was never waited for: ends of the log and of the items, each for itself."""
    log, items = folder / f"{NAME}-wal", folder / "items.jsonl"
    if log.exists():
        os.truncate(log, chance.randint(log.stat().st_size * 9 // 10, log.stat().st_size))
    if items.exists():
        synced = peek(folder / NAME).notes.get("synced", 0)
        os.truncate(items, chance.randint(synced, items.stat().st_size))


@pytest.mark.kill
@pytest.mark.parametrize("power", [False, True], ids=["killed", "without power"])
def test_a_process_killed_at_random_moments_writes_each_item_once(tmp_path: Path, power: bool) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance, kills = random.Random(seed), 0
    while not (tmp_path / "finished").exists():
        with subprocess.Popen(
            [sys.executable, __file__, str(tmp_path)], env={**os.environ, "PYTHONPATH": str(ROOT)}
        ) as it:
            target = size(tmp_path) + chance.randint(-1, 50_000)
            while it.poll() is None and size(tmp_path) <= target:
                time.sleep(chance.uniform(0.0, 0.002))
            it.kill()
            kills += it.poll() is None
        assert it.returncode in (0, -signal.SIGKILL)
        if power and not (tmp_path / "finished").exists():
            lose_power(tmp_path, chance)
    lines = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    assert sorted(line["page"] for line in lines) == list(range(PAGES))
    ended = list(archived(tmp_path / NAME))
    assert sorted(lines[one.place]["page"] for one in ended) == list(range(PAGES))
    assert all(one.request.url.endswith(f"/{lines[one.place]['page']}") for one in ended)
    assert kills >= 2


def size(folder: Path) -> int:
    items = folder / "items.jsonl"
    return items.stat().st_size if items.exists() else -1


if __name__ == "__main__":
    crawl(Path(sys.argv[1]))
