"""What every test may ask for: ``run``, a kernel of its own that nothing may outlive, and ``data``, the shared vectors.

With CI=true a skipped test fails the run: what CI did not try, nobody tried.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scrapekit.kernel import Kernel  # first: on Python 3.12 and later curio can be imported only after scrapekit

# isort: split

import curio
import curio.traps
import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
CI = os.environ.get("CI", "").lower() in {"1", "true"}

settings.register_profile("local", deadline=None, print_blob=True)
settings.register_profile(
    "ci", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if CI else "local")


@pytest.fixture
def run() -> Callable[..., Any]:
    """Run a coroutine function in a kernel of its own: ``result = run(main, *args, deadline=30.0, clock=None)``.

    Fails if it takes longer than the deadline (seconds of real time), or leaves a task or a file descriptor behind.
    With ``clock``, a ``VirtualClock``, it runs on that one, which has no deadline: it notices by itself when nothing
    could ever happen again.
    """

    def runner(main: Callable[..., Any], *args: Any, deadline: float = 30.0, clock: Any = None) -> Any:
        __tracebackhide__ = True
        before = open_files()
        left: list[str] = []
        if clock is not None:
            result = clock.run(_watched, main, args, None, left)
        else:
            with Kernel() as kernel:
                result = kernel.run(_watched, main, args, deadline, left)
        if left:
            pytest.fail(f"tasks left running: {', '.join(left)}")
        leaked = {fd: target for fd, target in open_files().items() if before.get(fd) != target}
        if leaked:
            pytest.fail(f"file descriptors left open: {leaked}")
        return result

    return runner


async def _watched(main: Callable[..., Any], args: tuple[Any, ...], deadline: float | None, left: list[str]) -> Any:
    """Await ``main(*args)``, and write down who else is there when it has ended."""
    if deadline is None:
        result = await main(*args)
    else:
        async with curio.timeout_after(deadline):
            result = await main(*args)
    me = await curio.traps._get_current()
    kernel = await curio.traps._get_kernel()
    for task in kernel._tasks.values():
        name = getattr(task.coro, "__qualname__", repr(task.coro))
        if task is not me and not name.endswith("._kernel_task"):
            left.append(name)
    return result


def open_files() -> dict[int, str]:
    """This process's file descriptors and what they stand for; nothing where the system does not tell (not Linux)."""
    found = {}
    folder = Path("/proc/self/fd")
    for entry in os.listdir(folder) if folder.is_dir() else ():
        try:
            found[int(entry)] = os.readlink(folder / entry)
        except FileNotFoundError:  # the descriptor of the listing itself
            continue
    return found


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of test vectors made by others; they are not part of the repository."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no test vectors in ../shared/data")
    return folder


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


_skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(f"{report.nodeid}: {_reason(report)}")


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        _skipped.append(f"{report.nodeid}: {_reason(report)}")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if CI and _skipped and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    if CI and _skipped:
        terminalreporter.section("skipped, which CI does not allow", red=True, bold=True)
        for line in _skipped:
            terminalreporter.line(line, red=True)
