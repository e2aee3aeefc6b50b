"""The program killed at any instant, out of room, stopped for a while, and started twice: what it leaves is whole."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.real.kills import (
    NOTED_LATE,
    RATE,
    USAGE,
    WORK_LEFT,
    Crawls,
    Row,
    by_path,
    crawl_whole,
    exports,
    kill_again_and_again,
)
from tests.real.nginx import Nginx, least_gap
from tests.real.test_names import OWN

pytestmark = [pytest.mark.server, pytest.mark.kill]

SEED = 2026
#: The crawl lasts half a minute if nobody disturbs it; ``python -m tests.real.kills`` tries longer ones.
DELAY = 0.02
KILLS = 25

#: So many pages are enough for a crawl that is stopped for a while.
SOME = 120
STOPPED = 3.0
PATIENT = 0.06


@pytest.fixture
def own_mounts() -> list[str]:
    """The command before a program that gives it mounts of its own."""
    own = ["unshare", *(option for option in OWN if option != "-n")]
    for program, package in (("unshare", "util-linux"), ("mount", "mount")):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is missing (apt-get install {package})")
    tried = subprocess.run([*own, "true"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no mounts of one's own can be made here: {tried.stderr.strip()}")
    return own


@pytest.fixture
def some(tree, tmp_path: Path) -> Path:
    """Some of the pages, with links to one another only, and one that leads to all of them."""
    site = tmp_path / "site"
    site.mkdir()
    pages = sorted(tree("postgresql-doc-15").glob("sql-*.html"))[:SOME]
    names = "|".join(re.escape(page.name) for page in pages)
    for page in pages:
        (site / page.name).write_text(re.sub(rf'href="(?!({names})["#])[^"]*"', "", page.read_text()))
    links = "".join(f'<a href="{page.name}">on</a>' for page in pages)
    (site / "index.html").write_text(f"<title>all</title>{links}")
    return site


@pytest.fixture
def undisturbed(serve: Callable[..., Nginx], tmp_path: Path) -> Callable[[Path], Counter[Row]]:
    """The items of a crawl of these pages that nothing disturbs."""
    return lambda root: crawl_whole(tmp_path / "undisturbed", serve(root))


def test_a_crawl_that_is_killed_again_and_again_gives_each_item_once_and_keeps_its_pace(serve, tree, tmp_path):
    tree("postgresql-doc-15")
    print(f"seed {SEED}")
    tally = kill_again_and_again(tmp_path, seed=SEED, kills=KILLS, delay=DELAY)
    print(tally)
    assert tally.kills.total() >= KILLS
    assert {"start-up", "resume", "closing", "back-off", "mid-crawl"} <= set(tally.kills)
    assert tally.refused > tally.unheard


def test_a_crawl_that_runs_out_of_room_goes_on_when_there_is_some(own_mounts, serve, tree, undisturbed, tmp_path, root):
    pages = tree("postgresql-doc-15")
    expected = undisturbed(pages)
    print(f"seed {SEED}")
    done = subprocess.run(
        [*own_mounts, sys.executable, "-m", "tests.real.room", tmp_path, f"{serve(pages).base}/index.html", f"{SEED}"],
        env={"PYTHONPATH": str(root), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    *stops, (code, said) = json.loads(done.stdout)
    assert code == 0, said
    assert len(stops) >= 3
    disk = tmp_path / "disk"
    for code, said in stops:
        assert code == WORK_LEFT
        told = said.splitlines()[-1]
        assert re.match(rf"scrapekit: {re.escape(str(disk))}/\S+: .*(No space left on device|disk is full)", told), said
    assert {name: by_path(rows) for name, rows in exports(tmp_path / "left").items()} == dict.fromkeys(
        exports(tmp_path / "left"), expected
    )


def test_a_crawl_that_is_stopped_for_a_while_goes_on_as_if_nothing_had_happened(serve, some, undisturbed, tmp_path):
    expected = undisturbed(some)
    server = serve(some, locations=RATE)
    crawls = Crawls(tmp_path / "stopped", f"{server.base}/index.html", delay=PATIENT)
    process = crawls.begin()
    await_items(crawls, process, 20)
    for enough in (40, 80):
        process.send_signal(signal.SIGSTOP)
        time.sleep(STOPPED)
        process.send_signal(signal.SIGCONT)
        await_items(crawls, process, enough)
    assert crawls.end(process) == 0, crawls.said
    assert all(by_path(rows) == expected for rows in exports(crawls.folder).values())
    hits = server.hits()
    assert max(Counter(hit.target for hit in hits).values()) == 1
    assert least_gap(hits) >= PATIENT - NOTED_LATE
    assert sum(after.began - before.began > STOPPED - 1 for before, after in pairwise(hits)) == 2


def test_a_second_process_on_a_run_is_refused_with_the_pid_of_the_first(serve, some, undisturbed, tmp_path):
    expected = undisturbed(some)
    server = serve(some)
    crawls = Crawls(tmp_path / "twice", f"{server.base}/index.html", delay=PATIENT)
    process = crawls.begin()
    await_items(crawls, process, 5)
    assert crawls.run is not None
    second = Crawls(tmp_path / "twice", f"{server.base}/index.html", delay=PATIENT)
    second.said_file = tmp_path / "second.said"
    assert second.whole("--resume", "--run", crawls.run.id) == USAGE
    assert f"is being crawled by process {process.pid}" in second.said[-1]
    os.kill(process.pid, signal.SIGKILL)
    crawls.end(process)
    assert crawls.whole("--resume") == 0  # a dead process's lock is no obstacle
    assert all(by_path(rows) == expected for rows in exports(crawls.folder).values())


def await_items(crawls: Crawls, process: subprocess.Popen[bytes], enough: int) -> None:
    """Wait until the crawl has written so many."""
    give_up = time.monotonic() + 60
    while crawls.written() < enough:
        assert process.poll() is None, "the crawl is over"
        assert time.monotonic() < give_up
        time.sleep(0.01)
