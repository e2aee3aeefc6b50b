"""The suite's own tools: a check that cannot fail would hide what it is there to find."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import curio
import pytest

from scrapekit.testing import VirtualClock


async def _answer(value):
    await curio.sleep(0)
    return value


def test_run_gives_the_result(run):
    assert run(_answer, 42) == 42


def test_run_fails_if_a_task_is_left(run):
    async def main():
        await curio.spawn(curio.sleep, 60)

    with pytest.raises(pytest.fail.Exception, match="sleep"):
        run(main)


def test_run_fails_if_a_descriptor_is_left(run):
    left = []

    async def main():
        left.append(socket.socket())

    with pytest.raises(pytest.fail.Exception, match="socket"):
        run(main)
    left[0].close()


def test_run_fails_after_its_deadline(run):
    with pytest.raises(curio.TaskTimeout):
        run(curio.sleep, 60, deadline=0.01)


def test_run_on_a_virtual_clock_takes_no_time_and_still_finds_what_is_left(run):
    clock = VirtualClock()

    async def main():
        await curio.sleep(3600)
        await curio.spawn(curio.sleep, 60)

    begin = clock.now
    with pytest.raises(pytest.fail.Exception, match="sleep"):
        run(main, clock=clock)
    assert clock.now - begin == 3600


@pytest.mark.parametrize("ci", ["true", ""])
def test_a_skip_fails_the_run_in_ci_and_only_there(ci, tmp_path, root):
    (tmp_path / "conftest.py").write_bytes((root / "tests" / "conftest.py").read_bytes())
    (tmp_path / "test_one.py").write_text("import pytest\n\ndef test_it():\n    pytest.skip('not today')\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path],
        env=os.environ | {"CI": ci, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == (1 if ci else 0), done.stdout + done.stderr
    assert ("test_one.py::test_it: Skipped: not today" in done.stdout) == bool(ci)
