"""The kernel that a crawl runs on, and what its tasks sleep on."""

from __future__ import annotations

import asyncio
import collections
import threading
import time

import curio
import curio.kernel
import pytest

from scrapekit import kernel
from scrapekit.kernel import Alarm, Kernel, RunClock, steady_clock
from scrapekit.testing import VirtualClock
from scrapekit.testing.clock import Deadlock


async def three():
    await curio.sleep(0)
    return 3


def test_run_gives_the_result_and_lets_errors_out():
    async def broken():
        raise ValueError("x")

    assert kernel.run(three) == 3
    with pytest.raises(ValueError, match="x"):
        kernel.run(broken)


def test_what_is_lent_to_curio_is_given_back():
    before = curio.kernel.time, curio.kernel.deque
    assert before == (time, collections.deque)
    kernel.run(three)
    assert (curio.kernel.time, curio.kernel.deque) == before


def test_kernels_that_start_together_in_threads_give_back_what_was_lent():
    gate = threading.Barrier(8)
    results = []

    def work():
        gate.wait()
        results.extend(kernel.run(three) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [3] * 160
    assert (curio.kernel.time, curio.kernel.deque) == (time, collections.deque)


def test_the_kernel_reads_its_time_from_the_clock_that_it_is_given():
    clock = VirtualClock(5000.0)

    async def main():
        await curio.sleep(3600)
        return await curio.clock()

    begin = time.monotonic()
    assert clock.run(main) == 8600.0
    assert time.monotonic() - begin < 60


def test_the_ready_queue_is_not_searched():
    class Task:
        def __eq__(self, other):
            raise AssertionError("the queue was searched")

        __hash__ = None

    assert Task() not in kernel._Ready([Task()])


def test_the_ready_queue_is_the_kernels():
    seen = []

    class Spying(Kernel):
        def _make_kernel_runtime(self):
            runner = super()._make_kernel_runtime()
            seen.extend(cell.cell_contents for cell in runner.__closure__)
            return runner

    with Spying() as spying:
        spying.run(three)
    assert any(type(content) is kernel._Ready for content in seen)


def test_a_task_that_awaits_something_of_asyncios_is_told_and_the_kernel_lives_on(run):
    async def main():
        task = await curio.spawn(asyncio.sleep, 0)
        with pytest.raises(curio.TaskError) as caught:
            await task.join()
        return caught.value.__cause__, await three()

    error, after = run(main)
    assert str(error).startswith("this is curio, not asyncio")
    assert after == 3


def test_a_task_that_insists_on_asyncio_is_told_each_time(run):
    told = []

    async def stubborn():
        for _ in range(3):
            try:
                await asyncio.sleep(0)
            except RuntimeError as error:
                told.append(str(error))
        return "done"

    assert run(stubborn) == "done"
    assert len(told) == 3


def test_a_steady_clock_tells_seconds_since_the_epoch_and_never_steps_back():
    clock = steady_clock()
    assert abs(clock() - time.time()) < 60
    times = [clock() for _ in range(1000)]
    assert times == sorted(times)


# ---- Alarm ----


def asleep(alarm, seconds=None):
    async def sleeper():
        await alarm.sleep(seconds)
        return await curio.clock()

    return sleeper


def test_a_ring_wakes_the_sleeper(run):
    clock, alarm = VirtualClock(), Alarm()

    async def main():
        task = await curio.spawn(asleep(alarm))
        await curio.sleep(2)
        await alarm.ring()
        return await task.join() - begin

    begin = clock.now
    assert run(main, clock=clock) == 2


def test_without_a_ring_it_wakes_when_its_time_has_come(run):
    clock, alarm = VirtualClock(), Alarm()
    begin = clock.now
    assert run(asleep(alarm, 3), clock=clock) - begin == 3


def test_a_ring_before_the_time_cuts_the_sleep_short(run):
    clock, alarm = VirtualClock(), Alarm()
    begin = clock.now

    async def main():
        task = await curio.spawn(asleep(alarm, 30))
        await curio.sleep(2)
        await alarm.ring()
        return await task.join() - begin

    assert run(main, clock=clock) == 2


@pytest.mark.parametrize("seconds", [None, 5])
def test_a_ring_while_nobody_sleeps_is_kept_once(seconds, run):
    clock, alarm = VirtualClock(), Alarm()
    begin = clock.now

    async def main():
        await alarm.ring()
        await alarm.ring()
        await alarm.sleep(seconds)
        first = clock.now - begin
        await alarm.sleep(7)
        return first, clock.now - begin

    assert run(main, clock=clock) == (0, 7)


@pytest.mark.parametrize("seconds", [0, -1])
def test_no_time_is_no_sleep_and_takes_a_kept_ring(seconds, run):
    clock, alarm = VirtualClock(), Alarm()
    begin = clock.now

    async def main():
        await alarm.ring()
        await alarm.sleep(seconds)
        first = clock.now - begin
        await alarm.sleep(4)
        return first, clock.now - begin

    assert run(main, clock=clock) == (0, 4)


def test_a_sleep_for_ever_that_nobody_ends_is_a_deadlock():
    with pytest.raises(Deadlock):
        VirtualClock().run(asleep(Alarm()))


def test_a_ring_does_not_switch_tasks(run):
    alarm, order = Alarm(), []

    async def sleeper():
        await alarm.sleep()
        order.append("sleeper")

    async def main():
        task = await curio.spawn(sleeper)
        await curio.sleep(0)
        await alarm.ring()
        order.append("ringer")
        await task.join()

    run(main)
    assert order == ["ringer", "sleeper"]


def test_a_runs_clock_does_not_go_back() -> None:
    time = [100.0]
    clock = RunClock(lambda: time[0])
    clock.not_before(90.0)
    assert clock() == 100.0
    clock.not_before(130.0)
    time[0] += 5
    assert (clock(), clock.true()) == (135.0, 105.0)
