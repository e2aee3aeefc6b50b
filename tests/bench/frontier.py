"""What the frontier costs a URL: ``python -m tests.bench.frontier [--urls 1000000] [--backends sqlite memory index]``.

URLs of 80 characters on average at ``--hosts`` hosts, pushed 22 at a time as the links of one page, of which two lead
to other hosts. Then nine tenths of them are taken and ended, 100 a commit. At last the file is closed, opened again,
and asked for its hosts. Each backend runs in a process of its own; ``index`` is the plain way, a unique index on
fingerprints, and is pushed to only. ``--folder`` says where the file stands: on a disk, or in memory.

Time is that of the frontier's own calls; the least of its kind is not sought, since the disk is part of the matter.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from scrapekit.frontier import (
    Batch,
    Ended,
    Found,
    HostState,
    MemoryFrontier,
    Outcome,
    Row,
    SQLiteFrontier,
    Validators,
    Want,
)
from scrapekit.request import Request
from scrapekit.url import host_of

PAGE = 22
ABROAD = 2
OUTCOMES = 100
WINDOW = 64
WORKBENCH = 128


def url(host: int, number: int) -> str:
    return f"https://www.shop{host:05}.example/catalogue/section-{number % 97:02}/article-{number:09}/a-name.html"


def links(page: int, hosts: int) -> list[Found]:
    """What a page gives: most of it at its own host."""
    home = page * 7919 % hosts
    parent, first = url(home, page), page * PAGE
    places = [home] * (PAGE - ABROAD) + [(home + 1 + n * 31) % hosts for n in range(ABROAD)]
    return [found(url(place, first + n), parent) for n, place in enumerate(places)]


def found(address: str, parent: str) -> Found:
    request = Request(address).bound("parse_article", None, 3, parent)
    return Found(request, host_of(request.url), request.fingerprint())


def nothing(batch: Batch, *, sync: bool) -> dict[str, Any]:
    return {"sinks": {"items": [123456, 789]}}


class Plain:
    """The plain way: one table with a unique index on fingerprints, one row a step."""

    def __init__(self, path: Path) -> None:
        self._data = sqlite3.connect(path, isolation_level=None)
        self._data.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
            "CREATE TABLE rows (id INTEGER PRIMARY KEY, print BLOB UNIQUE, host TEXT, url TEXT, depth, parent, done);"
            "CREATE INDEX waiting ON rows (host, id) WHERE done IS NULL"
        )

    def commit(self, batch: Batch, write: Any) -> None:
        rows = [(f.fingerprint, f.host, f.request.url, f.request.depth, f.request.parent) for f in batch.found]
        self._data.execute("BEGIN")
        self._data.executemany("INSERT OR IGNORE INTO rows (print, host, url, depth, parent) VALUES (?,?,?,?,?)", rows)
        self._data.execute("COMMIT")

    def close(self) -> None:
        self._data.close()


class Watch:
    """Seconds spent in what is timed, and what the process has written meanwhile."""

    def __init__(self) -> None:
        self.spent, self.busy, self._wrote = 0.0, 0.0, written()

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        began, busy = time.perf_counter(), time.process_time()
        answer = function(*arguments)
        self.spent, self.busy = self.spent + time.perf_counter() - began, self.busy + time.process_time() - busy
        return answer

    @property
    def wrote(self) -> int:
        return written() - self._wrote


def written() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("wchar")).split()[1])


def resident(name: str = "VmRSS") -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024


def on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def push(frontier: Any, urls: int, hosts: int) -> Watch:
    watch = Watch()
    for page in range(urls // PAGE):
        watch(frontier.commit, Batch(found=links(page, hosts)), nothing)
    return watch


def crawl(frontier: Any, end: int) -> tuple[Watch, int]:
    """Take and end so many rows, as a keeper would."""
    watch, done = Watch(), 0
    while done < end:
        leased = watch(frontier.lease, WORKBENCH, WINDOW, 100.0)
        rows = [row for lease in leased.hosts for row in lease.rows]
        tokens = {lease.host: lease.token for lease in leased.hosts}
        for _ in range(4):
            rows = rows[: end - done]
            for some in cut(rows, OUTCOMES):
                batch = Batch(
                    ended=[Ended(row, Outcome.FETCHED, "", Validators('"5e3f"', "", b"8" * 8)) for row in some]
                )
                batch.tokens = {row.host: tokens[row.host] for row in some}
                watch(frontier.commit, batch, nothing)
            done += len(rows)
            wants = [Want(host, (), WINDOW) for host in tokens]
            rows = [row for some in watch(frontier.refill, wants, 100.0).values() for row in some]
        watch(frontier.release, {host: HostState(99.0, "delay", {"last_sent": 98.0}) for host in tokens}, 100.0)
    return watch, done


def cut(rows: list[Row], size: int) -> Iterator[list[Row]]:
    return (rows[at : at + size] for at in range(0, len(rows), size))


def measure(backend: str, urls: int, hosts: int, where: str | None) -> Iterator[str]:
    with tempfile.TemporaryDirectory(dir=where) as name:
        folder, before = Path(name), resident()
        make = {
            "sqlite": lambda: SQLiteFrontier(folder / "frontier.sqlite", dump=json.dumps, load=json.loads),
            "memory": MemoryFrontier,
            "index": lambda: Plain(folder / "plain.sqlite"),
        }[backend]
        frontier: Any = make()
        pushed = push(frontier, urls, hosts)
        yield figures("push", pushed, urls, folder, before)
        if backend != "index":
            ended, done = crawl(frontier, urls * 9 // 10)
            yield figures("take, end and commit", ended, done, folder, before)
        frontier.close()
        yield f"closed: {on_disk(folder) / urls:.0f} B/URL on disk"
        if backend == "sqlite":
            yield reopened(make)


def figures(what: str, watch: Watch, n: int, folder: Path, before: int) -> str:
    spent, busy = watch.spent / n * 1e6, watch.busy / n * 1e6
    return (
        f"{what}: {spent:.1f} µs ({busy:.1f} of the processor), {watch.wrote / n:.0f} B written each;"
        f" {on_disk(folder) / n:.0f} B each on disk, log included; RSS {resident() / 1e6:.0f} MB"
        f" (at most {resident('VmHWM') / 1e6:.0f}, {before / 1e6:.0f} at the beginning)"
    )


def reopened(make: Callable[[], Any]) -> str:
    began = time.perf_counter()
    frontier = make()
    took, began = time.perf_counter() - began, time.perf_counter()
    leased = frontier.lease(WORKBENCH, WINDOW, 1000.0)
    answer = f"opened again in {took:.2f} s, {len(leased.hosts)} hosts leased in {time.perf_counter() - began:.3f} s"
    counts = frontier.counts()
    frontier.close()
    return f"{answer}; {counts.seen:,} seen, {counts.pending:,} pending; RSS {resident() / 1e6:.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--urls", type=int, default=1_000_000)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--backends", nargs="+", default=["sqlite", "memory", "index"])
    parser.add_argument("--folder")
    parser.add_argument("--here", action="store_true", help="in this very process")
    chosen = parser.parse_args()
    if chosen.here:
        for line in measure(chosen.backends[0], chosen.urls, chosen.hosts, chosen.folder):
            print(f"{chosen.backends[0]}, {chosen.urls:,} URLs: {line}", flush=True)
        return
    for backend in chosen.backends:
        size = ["--urls", str(chosen.urls), "--hosts", str(chosen.hosts)]
        size += ["--folder", chosen.folder] if chosen.folder else []
        subprocess.run(
            [sys.executable, "-m", "tests.bench.frontier", *size, "--backends", backend, "--here"], check=True
        )


if __name__ == "__main__":
    main()
