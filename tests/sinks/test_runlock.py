from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scrapekit.errors import ConfigError
from scrapekit.sinks import RunFolder

HOLD = """\
import sys
from pathlib import Path
from scrapekit.sinks import RunFolder

with RunFolder(Path(sys.argv[1])).take():
    print("taken", flush=True)
    sys.stdin.read()
print("freed", flush=True)
sys.stdin.close()
"""


FORK = """\
import os, sys
from pathlib import Path
from scrapekit.errors import ConfigError
from scrapekit.sinks import RunFolder

run = RunFolder(Path(sys.argv[1]))
lock = run.take()
if not os.fork():
    try:
        run.take()
    except ConfigError as error:
        print("taken" if str(os.getppid()) in str(error) else error, flush=True)
    lock.close()  # of the parent's, so it does nothing
sys.stdin.read()
"""


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, "quotes")


@pytest.fixture
def crawl(run: RunFolder, root: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a process that takes the run, and frees it when its input ends."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str = HOLD) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(run.path)],
            env=os.environ | {"PYTHONPATH": str(root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_process_is_refused_with_the_number_of_the_first(
    run: RunFolder, crawl: Callable[[], subprocess.Popen[str]]
) -> None:
    first = crawl()
    assert run.holder() == str(first.pid)
    with pytest.raises(ConfigError, match=f"run {run.id} is being crawled by process {first.pid}$"):
        run.take()
    with pytest.raises(ConfigError, match=f"by process {first.pid}$"):
        run.remove()
    assert run.path.is_dir()


def test_a_lock_ends_with_its_crawl(run: RunFolder, crawl: Callable[[], subprocess.Popen[str]]) -> None:
    first = crawl()
    first.communicate()
    assert run.holder() is None
    crawl()


def test_a_lock_of_a_dead_process_is_no_obstacle(run: RunFolder, crawl: Callable[[], subprocess.Popen[str]]) -> None:
    for _ in range(2):
        first = crawl()
        first.kill()
        first.wait()
        assert (run.path / "run.lock").read_text() == f"{first.pid}\n"
        assert run.holder() is None
        with run.take():
            assert run.holder() == str(os.getpid())


def test_two_crawls_of_one_process_stand_in_each_others_way(run: RunFolder) -> None:
    with run.take() as lock:
        with pytest.raises(ConfigError, match=f"by process {os.getpid()}$"):
            RunFolder(run.path).take()
        assert run.holder() == str(os.getpid())
        lock.close()
        lock.close()
        run.take().close()
    assert run.holder() is None


def test_other_runs_are_free(run: RunFolder, tmp_path: Path) -> None:
    with run.take(), RunFolder.create(tmp_path, "quotes").take():
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_has_no_share_in_the_lock(run: RunFolder, crawl: Callable[[str], subprocess.Popen[str]]) -> None:
    first = crawl(FORK)  # it was the fork that said so, having been refused as anybody else
    assert run.holder() == str(first.pid)
    first.kill()
    first.wait()
    with run.take():  # the fork lives
        pass


def test_a_folder_that_is_gone_is_said(run: RunFolder) -> None:
    run.remove()
    assert run.holder() is None
    with pytest.raises(ConfigError, match=r"run\.lock: cannot be opened: No such file"):
        run.take()
