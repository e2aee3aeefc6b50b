"""The program killed, stopped and starved of room again and again, and what it leaves read as strictly as can be.

Also a program of its own, for more kills and other seeds than the suite has time for::

    python -m tests.real.kills --seed 7 --kills 100 --delay 0.05
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, repeat
from pathlib import Path
from random import Random
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from scrapekit.audit import judge
from scrapekit.ledger import read
from scrapekit.sinks import RunFolder
from tests.real.nginx import Hit, Nginx, least_gap, most_at_once, nginx
from tests.real.pages import TREES

ROOT: Final = Path(__file__).resolve().parents[2]
SPIDER: Final = Path(__file__).with_name("spider.py")
EXPORTS: Final = ("out.jsonl", "out.csv", "out.json", "out.sqlite")
USAGE, WORK_LEFT = 2, 3

#: What the crawls of these tests share.
CONCURRENCY: Final = 8
COMMIT_INTERVAL: Final = 0.1  # the default
#: A page takes a while, so that some are in flight at any moment. Bytes a second.
RATE: Final = "limit_rate 200k;"
#: So many pages are refused once each, and more where there are many kills;
#: half of them with 429, the others with 503.
REFUSED: Final = 4
RETRY_AFTER: Final = 2.0
#: nginx notes a request when it wakes for it, on a busy machine a little late; see test_waits.py. Seconds.
NOTED_LATE: Final = 0.015
#: Over so many gaps in a row the pace is measured.
SPAN: Final = 10
#: A request may be on its way already while the answer that asks for a pause is.
CROSSING: Final = 0.3
#: So many items before the last one, the kills around the end of all begin; then at the last one, until it is over.
SHORT_OF_END: Final = (30, 10, 3)

TOML: Final = """
[limits]
delay = {delay}
concurrency = {concurrency}
"""

#: An item as every format can tell it: URL, title, headings.
Row = tuple[str, str, str]


# -- the program


class Crawls:
    """``scrapekit crawl`` in a folder of its own, one process after the other; what each said is kept."""

    def __init__(self, folder: Path, start: str, *, delay: float, concurrency: int = CONCURRENCY) -> None:
        self.folder, self._start = folder, start
        self.said: list[str] = []
        self.said_file = folder.with_name(f"{folder.name}.said")  # not inside: that may be a full disk
        folder.mkdir(exist_ok=True)
        (folder / "scrapekit.toml").write_text(TOML.format(delay=delay, concurrency=concurrency))

    def begin(self, *options: str) -> subprocess.Popen[bytes]:
        """Start a process; its run gets every kind of export unless it is one that was left."""
        targets = [] if "--resume" in options else [part for name in EXPORTS for part in ("-o", name)]
        command = [sys.executable, "-m", "scrapekit", "crawl", str(SPIDER), "-a", f"start={self._start}"]
        with self.said_file.open("wb") as said:
            return subprocess.Popen(
                [*command, *targets, *options],
                cwd=self.folder,
                env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    def end(self, process: subprocess.Popen[bytes], seconds: float = 120) -> int:
        """Wait for a process; gives its exit code. Fails if it showed a traceback."""
        try:
            code = process.wait(seconds)
        finally:
            process.kill()
            process.wait()
        self.said.append(self.said_file.read_text())
        assert "Traceback" not in self.said[-1], self.said[-1]
        return code

    def whole(self, *options: str, seconds: float = 120) -> int:
        """A process from its start to its end."""
        return self.end(self.begin(*options), seconds)

    @property
    def run(self) -> RunFolder | None:
        """The newest run."""
        return next(iter(RunFolder.all(self.folder)), None)

    def written(self) -> int:
        """How many items there are so far."""
        with suppress(OSError):
            return self.run.items.read_bytes().count(b"\n") if self.run else 0
        return 0

    def sends(self) -> int:
        """How many requests for pages were put on record so far."""
        with suppress(OSError):
            return (self.run.path / "ledger.jsonl").read_bytes().count(b'["page",') if self.run else 0
        return 0


# -- what it leaves


def exports(folder: Path) -> dict[str, Counter[Row]]:
    """The items of each export; fails at anything that its format does not allow."""
    return {name: Counter(_READERS[Path(name).suffix](folder / name)) for name in EXPORTS}


def _rows(objects: Sequence[dict[str, Any]]) -> Iterator[Row]:
    for each in objects:
        assert list(each) == ["url", "title", "headings"], each
        headings = each["headings"]
        text = headings if isinstance(headings, str) else json.dumps(headings)
        yield each["url"], each["title"] or "", json.dumps(json.loads(text))


def _jsonl(path: Path) -> Iterator[Row]:
    text = path.read_bytes().decode()
    assert not text or text.endswith("\n")
    return _rows([_strictly(line) for line in text.split("\n")[:-1]])


def _json(path: Path) -> Iterator[Row]:
    return _rows(_strictly(path.read_bytes().decode()))


def _csv(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, strict=True)
    assert path.read_bytes().endswith(b"\r\n")
    return _rows([dict(zip(header, row, strict=True)) for row in rows])


def _sqlite(path: Path) -> Iterator[Row]:
    with closing(sqlite3.connect(path)) as data:
        assert data.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = data.execute("SELECT url, title, headings FROM items").fetchall()
    return _rows([dict(zip(("url", "title", "headings"), row, strict=True)) for row in rows])


_READERS: Final[dict[str, Callable[[Path], Iterator[Row]]]] = {
    ".jsonl": _jsonl,
    ".json": _json,
    ".csv": _csv,
    ".sqlite": _sqlite,
}


def _strictly(text: str) -> Any:
    def refuse(name: str) -> NoReturn:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


# -- a site that sends some visitors away


class Refusals:
    """Pages that are refused once, with 429 or 503 and a Retry-After: each while its mark stands in ``folder``."""

    def __init__(self, folder: Path, pages: Sequence[str]) -> None:
        self._folder, self._pages = folder, pages
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="refusals")
        self.seen = 0
        folder.mkdir()
        for page in pages:
            (folder / page).touch()

    @property
    def locations(self) -> str:
        """For the server's configuration."""
        half = len(self._pages) // 2
        return "".join(
            f"location ~ ^/({'|'.join(map(re.escape, pages))})$ {{ if (-f {self._folder}$uri) "
            f"{{ add_header Retry-After {RETRY_AFTER:.0f} always; return {status}; }} }}\n"
            for status, pages in ((429, self._pages[:half]), (503, self._pages[half:]))
        )

    @contextmanager
    def taken_away(self, server: Nginx) -> Iterator[None]:
        """While the block lasts, a page that was refused is given to whoever asks again."""
        self._log = server.home / "access.log"
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            text = self._log.read_text()
            for page in self._pages:
                mark = self._folder / page
                if mark.exists() and re.search(rf"\t(429|503)\t/{re.escape(page)}\t", text):
                    mark.unlink()
                    self.seen += 1


# -- kills


@dataclass(slots=True)
class Tally:
    """What a series of kills came to."""

    kills: Counter[str] = field(default_factory=Counter)
    started_anew: int = 0
    fetched_twice: int = 0
    allowed_twice: int = 0
    refused: int = 0
    unheard: int = 0
    least_gap: float = 0.0
    least_span: float = 0.0
    seconds: float = 0.0
    items: int = 0


def moments(dice: Random, kills: int) -> list[str]:
    """Which moments are tried, in what order; those around the end of all are not among them."""
    shares = {"start-up": kills // 4, "resume": kills // 5, "closing": kills // 8, "back-off": kills // 10}
    kinds = [kind for kind, times in shares.items() for _ in range(times)]
    kinds += ["mid-crawl"] * (kills - len(kinds))
    dice.shuffle(kinds)
    return kinds


class Killer:
    """Kills a crawl at many moments and resumes it, until it is over."""

    def __init__(self, crawls: Crawls, refusals: Refusals, dice: Random, *, items: int, delay: float) -> None:
        self._crawls, self._refusals, self._dice = crawls, refusals, dice
        self._items, self._delay, self._longest = items, delay, 0.0
        self.tally = Tally()
        self._options: tuple[str, ...] = ()
        self._short = 0

    def kill_all(self, kinds: Sequence[str]) -> None:
        """Kill it at those moments, then around its end until nothing is left to be done."""
        for kills_left, kind in zip(range(len(kinds), 0, -1), kinds, strict=True):
            # So long on the average that the crawl is not over before the last of them.
            self._longest = self._delay * (self._items - self._crawls.written()) / kills_left
            over = self._kill(kind)
            assert not over, f"over before the {kind} kill: {self._crawls.said[-1]}"
        for short in chain(SHORT_OF_END, repeat(0)):
            self._short = short
            if self._kill("the end"):
                return

    def _kill(self, kind: str) -> bool:
        """One process and its death; whether the crawl is over."""
        while True:
            begun = self._crawls.sends()
            process = self._crawls.begin(*self._options)
            self._await(kind, process, begun)
            process.send_signal(signal.SIGKILL)
            code = self._crawls.end(process)
            if code == -signal.SIGKILL:
                self.tally.kills[kind] += 1
                self._options = ("--resume",)
                return False
            if code == USAGE:
                assert "has work left" in self._crawls.said[-1], self._crawls.said[-1]
                if self._crawls.written() >= self._items:
                    return True  # it was killed when all was done
                assert not self._crawls.written(), self._crawls.said[-1]
                self.tally.started_anew += 1
                self._options = ("--overwrite",)
                continue
            if kind == "closing" and code == 143:  # it was quicker
                self._options = ("--resume",)
                continue
            assert code == 0, self._crawls.said[-1]
            return True

    def _await(self, kind: str, process: subprocess.Popen[bytes], begun: int) -> None:
        dice = self._dice
        if kind == "start-up":
            self._sleep(process, dice.uniform(0, 0.3))
        elif kind == "resume":
            self._sleep(process, dice.uniform(0.3, 1.2))
        elif kind == "the end":
            if self._crawls.written() >= self._items:
                process.wait(120)  # all is there before it began: it may say so
            self._until(process, lambda: self._crawls.written() >= self._items - self._short)
            self._sleep(process, dice.uniform(0, 0.1))
        else:
            self._until(process, lambda: self._crawls.sends() > begun)
            self._await_in_midst(kind, process)

    def _await_in_midst(self, kind: str, process: subprocess.Popen[bytes]) -> None:
        dice, refused = self._dice, self._refusals.seen
        if kind == "closing":
            self._sleep(process, dice.uniform(0, self._longest))
            process.send_signal(signal.SIGTERM)
            self._sleep(process, dice.uniform(0, 0.4))
        elif kind == "back-off":
            self._until(process, lambda: self._refusals.seen > refused, 3 * self._longest)
            self._sleep(process, dice.uniform(0, 0.5))
        else:
            self._sleep(process, dice.uniform(0, self._longest))

    def _sleep(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)

    def _until(self, process: subprocess.Popen[bytes], true: Callable[[], bool], seconds: float = 120) -> None:
        give_up = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < give_up and not true():
            time.sleep(0.005)


def kill_again_and_again(folder: Path, *, seed: int, kills: int, delay: float) -> Tally:
    """A crawl of real pages, killed at random moments; fails where anything is lost, doubled or too fast."""
    began, dice = time.monotonic(), Random(seed)
    tree = TREES["postgresql-doc-15"]
    pages = sorted(page.name for page in tree.glob("*.html") if page.name != "index.html")
    refusals = Refusals(folder / "refused", dice.sample(pages, max(REFUSED, kills // 20)))
    with nginx(tree) as server:
        undisturbed = crawl_whole(folder / "undisturbed", server)
    assert len(undisturbed) >= 1_000
    with nginx(tree, locations=RATE + refusals.locations) as server, refusals.taken_away(server):
        crawls = Crawls(folder / "killed", f"{server.base}/index.html", delay=delay)
        killer = Killer(crawls, refusals, dice, items=len(undisturbed), delay=delay)
        killer.kill_all(moments(dice, kills))
        hits = server.hits()
    tally = killer.tally
    check_items(crawls.folder, undisturbed)
    check_hits(tally, hits, crawls, delay)
    tally.items, tally.seconds = len(undisturbed), time.monotonic() - began
    return tally


def crawl_whole(folder: Path, server: Nginx) -> Counter[Row]:
    """The items of a crawl that nothing disturbs, as paths of URLs."""
    crawls = Crawls(folder, f"{server.base}/index.html", delay=0)
    assert crawls.whole() == 0, crawls.said
    found = {name: by_path(rows) for name, rows in exports(folder).items()}
    assert all(rows == found["out.jsonl"] for rows in found.values())
    return found["out.jsonl"]


def by_path(rows: Counter[Row]) -> Counter[Row]:
    """Rows whose URLs are without scheme and host, which differ from one server to the next."""
    return Counter({(url.partition("//")[2].partition("/")[2], *rest): n for (url, *rest), n in rows.items()})


def check_items(folder: Path, undisturbed: Counter[Row]) -> None:
    """Each export has each item once."""
    for name, rows in exports(folder).items():
        found = by_path(rows)
        assert found == undisturbed, (name, "lost", undisturbed - found, "too many", found - undisturbed)
    (items,) = {run.items for run in RunFolder.all(folder) if run.items.exists() and run.items.stat().st_size}
    assert by_path(Counter(_jsonl(items))) == undisturbed


def check_hits(tally: Tally, hits: Sequence[Hit], crawls: Crawls, delay: float) -> None:
    """What the server saw, and what the ledger says: delays and back-offs held, and little was asked for twice."""
    killed = tally.kills.total()
    given = Counter(hit.target for hit in hits if hit.status not in (429, 503) and hit.target != "/robots.txt")
    tally.fetched_twice = given.total() - len(given)
    # What a commit had not taken in yet: what came while one gathered, and what came while the one before was out.
    tally.allowed_twice = killed * (CONCURRENCY + 2 * round(COMMIT_INTERVAL / delay))
    assert tally.fetched_twice <= tally.allowed_twice
    check_ledgers(crawls, tally, hits)
    assert most_at_once(hits) <= CONCURRENCY
    # The delay is hardly longer than what nginx may be late by, so gaps are measured over several at once.
    tally.least_gap = least_gap(list(hits))
    tally.least_span = min(after.began - before.began for before, after in zip(hits, hits[SPAN:], strict=False))
    assert tally.least_span >= SPAN * delay - 4 * NOTED_LATE, tally


def check_ledgers(crawls: Crawls, tally: Tally, hits: Sequence[Hit]) -> None:
    """Every run keeps to the rules, and no host that asked for a pause was denied it, whoever was killed meanwhile."""
    heard: Counter[str] = Counter()
    for run in RunFolder.all(crawls.folder):
        if (run.path / "ledger.jsonl").exists() and (account := read(run.path)).settings and account.sends:
            assert judge(account).violations == []
            heard.update(urlsplit(send.url).path for send in account.sends if send.status in (429, 503))
    for refused in (hit for hit in hits if hit.status in (429, 503)):
        tally.refused += 1
        if not heard[refused.target]:  # whoever asked was killed before it had read the answer
            tally.unheard += 1
            continue
        pause = refused.ended + CROSSING, refused.ended + RETRY_AFTER - NOTED_LATE
        assert [hit for hit in hits if pause[0] < hit.began < pause[1]] == [], refused


def main() -> None:
    """Kill as often as is asked for, and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.real.kills", description=main.__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--delay", type=float, default=0.05, metavar="SECONDS")
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        print(wish, kill_again_and_again(Path(folder), seed=wish.seed, kills=wish.kills, delay=wish.delay), sep="\n")


if __name__ == "__main__":
    main()
