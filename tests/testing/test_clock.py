"""A clock that moves only when everybody waits."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import curio
import pytest

from scrapekit.testing import Deadlock, VirtualClock


def test_sleeps_pass_in_no_time_and_in_their_order() -> None:
    clock = VirtualClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await curio.sleep(seconds)
        woken.append((name, clock() - began))

    async def main() -> None:
        async with curio.TaskGroup() as group:
            for name, seconds in (("day", 86_400.0), ("second", 1.0), ("hour", 3600.0)):
                await group.spawn(sleeper, name, seconds)

    began, real = clock(), time.monotonic()
    clock.run(main)
    assert woken == [("second", 1.0), ("hour", 3600.0), ("day", 86_400.0)]
    assert time.monotonic() - real < 60


def test_a_timeout_comes_at_its_time() -> None:
    clock = VirtualClock()

    async def main() -> float:
        began = clock()
        with pytest.raises(curio.TaskTimeout):
            async with curio.timeout_after(30):
                await curio.sleep(3600)
        return clock() - began

    assert clock.run(main) == 30.0


def test_who_waits_for_what_can_never_come_is_told() -> None:
    async def main() -> None:
        await curio.Event().wait()

    with pytest.raises(Deadlock, match="nobody sleeps"):
        VirtualClock().run(main)


def test_who_never_waits_is_told() -> None:
    async def main() -> None:
        while True:
            await curio.sleep(0)

    with pytest.raises(Deadlock, match="without a wait"):
        VirtualClock().run(main)


@pytest.mark.parametrize("kind", ["curio's thread", "an executor"])
def test_the_clock_stands_still_while_a_thread_works(kind: str) -> None:
    clock = VirtualClock()
    let_go = threading.Event()
    moved = []

    def work() -> str:
        let_go.wait(30)
        return "done"

    async def other() -> None:
        await curio.sleep(1)
        moved.append(clock())

    async def out(executor: Any) -> Any:
        return await (curio.run_in_thread(work) if executor is None else curio.run_in_executor(executor, work))

    async def main(executor: Any) -> str:
        began = clock()
        job = await curio.spawn(out, executor)
        sleeper = await curio.spawn(other)
        await curio.sleep(0)
        threading.Timer(0.05, let_go.set).start()
        result: str = await job.join()
        assert (clock(), moved) == (began, [])
        await sleeper.join()
        assert moved == [began + 1]
        return result

    if kind == "an executor":
        with ThreadPoolExecutor(1) as executor:
            assert clock.run(main, executor) == "done"
    else:
        assert clock.run(main, None) == "done"
