"""Whatever a spider's method is and does, the crawl goes on: what it gave is kept, what it died of is an outcome."""

from __future__ import annotations

import asyncio
import logging
import sys
import warnings
from pathlib import Path

import curio
import curio.meta
import pytest

from scrapekit import Spider
from scrapekit.callbacks import Callbacks
from scrapekit.errors import CallbackError
from scrapekit.testing import VirtualClock

HERE = str(Path(__file__))


class Pure(Spider):
    """Methods of every kind that give 1, 2, 3."""

    name = "pure"

    def generator(self):
        yield 1
        yield from (2, 3)

    def listed(self):
        return [1, 2, 3]

    def tupled(self):
        return 1, 2, 3

    def mapped(self):
        return map(int, "123")

    def handed_on(self):
        return self.generator()

    async def coroutine(self):
        await curio.sleep(0)
        return [1, 2, 3]

    async def coroutine_of_generator(self):
        return self.generator()

    async def async_generator(self):
        for number in (1, 2, 3):
            await curio.sleep(0)
            yield number

    def returns_coroutine(self):
        return self.coroutine()

    @staticmethod
    def static():
        yield from (1, 2, 3)


KINDS = [kind for kind in vars(Pure) if callable(getattr(Pure, kind)) and not kind.startswith("_")]


def line_of(marker):
    """``this file:N`` for the only line that ends with a marker."""
    lines = Path(HERE).read_text().splitlines()
    (number,) = [number for number, line in enumerate(lines, 1) if line.endswith("# " + marker)]
    return f"{HERE}:{number}"


def called(spider, method, *arguments, run, limit=60.0, clock=None, take=None, callbacks=None):
    """What a method gave, and what it died of."""
    given = []
    callbacks = callbacks or Callbacks(spider, limit=limit, **({"clock": clock} if clock else {}))

    async def main():
        return await callbacks.run(method, *arguments, take=take or given.append)

    return given, run(main, clock=clock)


@pytest.mark.parametrize("kind", KINDS)
def test_a_callback_may_be_of_any_kind(kind, run):
    assert called(Pure(), kind, run=run) == ([1, 2, 3], None)


def test_there_are_as_many_kinds_as_there_should_be():
    assert len(KINDS) == 10


def test_a_plain_function_gives_what_it_returns(run):
    class One(Spider):
        name = "one"

        def item(self):
            return {"a": 1}

        def nothing(self):
            return None

        async def later(self):
            return {"a": 1}

    assert called(One(), "item", run=run) == ([{"a": 1}], None)
    assert called(One(), "nothing", run=run) == ([None], None)
    assert called(One(), "later", run=run) == ([{"a": 1}], None)


def test_arguments_are_handed_on(run):
    class Echo(Spider):
        name = "echo"

        def parse(self, one, other):
            yield one + other

    assert called(Echo(), "parse", 1, 2, run=run) == ([3], None)


# ---- what it dies of ----


class Dying(Spider):
    name = "dying"

    def generator(self):
        yield 1
        raise ValueError("no price")  # generator dies

    def function(self):
        raise ValueError("no price")  # function dies

    async def coroutine(self):
        raise ValueError("no price")  # coroutine dies

    async def async_generator(self):
        yield 1
        await curio.sleep(0)
        raise ValueError("no price")  # async_generator dies

    def deep(self):
        yield 1
        int("x")  # deep dies

    def library(self):
        yield 1
        Path("/nowhere/at/all").read_text()  # library dies

    @property
    def broken(self):
        raise ValueError("no price")  # broken dies


@pytest.mark.parametrize(
    ("method", "kept", "words"),
    [
        ("generator", [1], "ValueError: no price"),
        ("function", [], "ValueError: no price"),
        ("coroutine", [], "ValueError: no price"),
        ("async_generator", [1], "ValueError: no price"),
        ("deep", [1], "ValueError: invalid literal for int() with base 10: 'x'"),
        ("library", [1], "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/at/all'"),
        ("broken", [], "ValueError: no price"),
    ],
)
def test_what_it_yielded_before_it_raised_is_kept_and_the_error_names_the_spiders_line(method, kept, words, run):
    given, error = called(Dying(), method, run=run)
    assert given == kept
    assert isinstance(error, CallbackError)
    assert error.place == line_of(f"{method} dies")
    assert str(error) == f"{words} (at {error.place})"


class Fatal(Spider):
    name = "fatal"
    error: BaseException

    def sync(self):
        yield 1
        raise self.error

    async def late(self):
        yield 1
        raise self.error


@pytest.mark.parametrize("method", ["sync", "late"])
@pytest.mark.parametrize(
    "error",
    [SystemExit(3), SystemExit("done"), curio.TaskTimeout(5.0), curio.TaskTimeout(), curio.TaskError(),
     MemoryError(), StopAsyncIteration(), StopIteration(),
     asyncio.CancelledError(), BaseExceptionGroup("two", [SystemExit(), ValueError()]), AssertionError()],
    ids=repr,
)  # fmt: skip
def test_what_would_end_the_program_elsewhere_is_an_outcome(method, error, run):
    given, outcome = called(Fatal(error=error), method, run=run)
    assert given == [1]
    assert isinstance(outcome, CallbackError)


def test_endless_recursion_is_an_outcome(run):
    class Recursive(Spider):
        name = "recursive"

        def parse(self):
            yield 1
            yield self.deeper()

        def deeper(self):
            return self.deeper()

    given, error = called(Recursive(), "parse", run=run)
    assert given == [1]
    assert str(error).startswith("RecursionError: maximum recursion depth exceeded")
    assert HERE in error.place


@pytest.mark.parametrize("method", ["sync", "late"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), curio.TaskCancelled()], ids=repr)
def test_the_wish_to_stop_goes_through(method, error, run):
    with pytest.raises(type(error)):
        called(Fatal(error=error), method, run=run)


def test_a_method_that_is_gone_is_an_outcome(run):
    _, error = called(Pure(), "parse_book", run=run)
    assert str(error) == "<Pure 'pure'> has no method 'parse_book' any more"


# ---- what may not be given ----


def refuse_two(value):
    if value == 2:
        raise CallbackError("two is not wanted")


class Two(Spider):
    name = "two"

    def generator(self):
        yield 1
        yield 2  # generator gives two
        yield 3

    def outer(self):
        yield 1
        yield from self.inner()  # outer gives two

    def inner(self):
        yield 2

    def listed(self):  # listed gives two
        return [1, 2, 3]

    async def coroutine(self):  # coroutine gives two
        return 2

    async def async_generator(self):
        yield 1
        yield 2  # async_generator gives two
        yield 3


@pytest.mark.parametrize("method", ["generator", "outer", "listed", "coroutine", "async_generator"])
def test_what_may_not_be_given_is_an_error_with_the_line_that_gave_it(method, run):
    taken = []

    def take(value):
        refuse_two(value)
        taken.append(value)

    _, error = called(Two(), method, run=run, take=take)
    assert error.place == line_of(f"{method} gives two")
    assert str(error) == f"two is not wanted (at {error.place})"
    assert taken == ([] if method == "coroutine" else [1])


@pytest.mark.parametrize("method", ["generator", "async_generator"])
def test_a_generator_that_is_left_early_runs_its_finally_at_once(method, run):
    done = []

    class Careful(Spider):
        name = "careful"

        def generator(self):
            try:
                yield 2
            finally:
                done.append("closed")

        async def async_generator(self):
            try:
                yield 2
            finally:
                await curio.sleep(0)
                done.append("closed")

    callbacks = Callbacks(Careful(), limit=60)

    async def main():
        error = await callbacks.run(method, take=refuse_two)
        return error, list(done)

    error, closed = run(main)
    assert "two is not wanted" in str(error)
    assert closed == ["closed"]


# ---- time ----


class Slow(Spider):
    name = "slow"
    clock: VirtualClock
    seconds = 0.0

    def sync(self):  # sync begins
        yield 1
        self.clock.now += self.seconds
        yield 2

    def sync_that_dies(self):
        self.clock.now += self.seconds
        raise ValueError

    async def coroutine(self):  # coroutine begins
        await curio.sleep(self.seconds)
        return 1

    async def async_generator(self):  # async_generator begins
        yield 1
        await curio.sleep(self.seconds)
        yield 2

    async def stubborn(self):
        yield 1
        try:
            await curio.sleep(self.seconds)
        finally:
            yield 2


@pytest.mark.parametrize("method", ["coroutine", "async_generator"])
def test_an_async_callback_may_take_as_long_as_its_limit_and_no_longer(method, run):
    clock = VirtualClock()
    given, error = called(Slow(clock=clock, seconds=59.9), method, run=run, clock=clock)
    assert error is None
    assert given[-1] == (1 if method == "coroutine" else 2)
    given, error = called(Slow(clock=clock, seconds=60.1), method, run=run, clock=clock)
    assert error.place == line_of(f"{method} begins")
    assert str(error) == f"took longer than 60 s (at {error.place})"
    assert given == ([] if method == "coroutine" else [1])


def test_a_generator_that_yields_while_it_is_stopped_does_not_hold_up_the_crawl(run):
    clock = VirtualClock()
    begin = clock.now
    _, error = called(Slow(clock=clock, seconds=1000), "stubborn", run=run, clock=clock)
    assert error is not None
    assert clock.now - begin <= 1060


def test_a_time_limit_of_the_spiders_own_is_not_taken_for_ours(run):
    class Impatient(Spider):
        name = "impatient"

        async def parse(self):
            async with curio.timeout_after(1):
                await curio.sleep(5)  # impatient stops

    _, error = called(Impatient(), "parse", run=run, clock=VirtualClock())
    assert error.message.startswith("TaskTimeout")
    assert error.place == line_of("impatient stops")


@pytest.mark.parametrize("method", ["sync", "sync_that_dies"])
def test_a_plain_callback_that_blocks_is_warned_of_once_by_name_and_line(method, run, caplog):
    clock = VirtualClock()
    callbacks = Callbacks(Slow(clock=clock, seconds=0.6), limit=60, clock=clock)
    for _ in range(3):
        called(None, method, run=run, callbacks=callbacks)
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    begins = f"{HERE}:{getattr(Slow, method).__code__.co_firstlineno}"
    assert record.getMessage().startswith(f"slow: {method} ({begins}) blocked every fetch for 0.6 s;")


def test_a_plain_callback_within_half_a_second_is_not_warned_of(run, caplog):
    clock = VirtualClock()
    assert called(Slow(clock=clock, seconds=0.5), "sync", run=run, clock=clock) == ([1, 2], None)
    assert called(Slow(clock=clock, seconds=5), "async_generator", run=run, clock=clock) == ([1, 2], None)
    assert caplog.records == []


# ---- asyncio ----


class Foreign(Spider):
    name = "foreign"

    async def sleeps(self):
        yield 1
        await asyncio.sleep(1)  # sleeps

    async def switches(self):
        yield 1
        await asyncio.sleep(0)  # switches

    async def waits(self):
        yield 1
        loop = asyncio.new_event_loop()
        try:
            await asyncio.Future(loop=loop)  # waits
        finally:
            loop.close()

    async def queues(self):
        yield 1
        await asyncio.Queue().get()  # queues

    async def limits(self):
        yield 1
        async with asyncio.timeout(1):  # limits
            pass

    async def locks(self):
        yield 1
        lock = asyncio.Lock()
        await lock.acquire()
        await lock.acquire()  # locks

    def starts(self):
        yield 1
        asyncio.get_running_loop()  # starts

    async def cleans_up(self):
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)  # cleans_up


@pytest.mark.parametrize("method", ["sleeps", "switches", "waits", "queues", "limits", "locks", "starts", "cleans_up"])
def test_a_call_into_asyncio_is_told_that_this_is_curio_and_the_kernel_lives_on(method, run):
    async def main():
        given = []
        callbacks = Callbacks(Foreign(), limit=60)
        error = await callbacks.run(method, take=given.append)
        await curio.sleep(0)
        return given, error, await curio.run_in_thread(lambda: "alive")

    given, error, alive = run(main)
    assert given[0] == 1
    assert str(error).count("this is curio, not asyncio: call a blocking client in curio.run_in_thread") == 1
    assert error.place == line_of(method)
    assert alive == "alive"


def test_a_cleanup_by_asyncio_of_what_is_left_early_does_not_kill_the_kernel(run):
    given, error = called(Foreign(), "cleans_up", run=run, take=lambda value: refuse_two(value + 1))
    assert given == []
    assert error is not None


def test_curios_own_calls_work_in_async_callbacks(run):
    class Native(Spider):
        name = "native"

        async def parse(self):
            yield await curio.run_in_thread(lambda: "thread")
            task = await curio.spawn(curio.sleep, 0)
            await task.join()
            yield "task"
            async with curio.ignore_after(0.001):
                await curio.sleep(1000)
            yield "after"

    assert called(Native(), "parse", run=run) == (["thread", "task", "after"], None)


# ---- told ----


def test_an_error_is_logged_with_its_traceback_once_for_each_line(run, caplog):
    caplog.set_level(logging.INFO, logger="scrapekit.spider")
    callbacks = Callbacks(Dying(), limit=60)
    for method in ("generator", "generator", "function", "generator"):
        called(None, method, run=run, callbacks=callbacks)
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == [
        f"dying: Dying.generator: ValueError: no price (at {line_of('generator dies')})",
        f"dying: Dying.function: ValueError: no price (at {line_of('function dies')})",
    ]
    traces = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert len(traces) == 2
    assert all("Traceback" in trace and 'raise ValueError("no price")' in trace for trace in traces)


def test_what_may_not_be_given_is_logged_once_for_each_line_too(run, caplog):
    callbacks = Callbacks(Two(), limit=60)
    for method in ("generator", "generator", "outer", "listed", "async_generator", "outer"):
        called(None, method, run=run, callbacks=callbacks, take=refuse_two)
    methods = [record.getMessage().split(": ")[1] for record in caplog.records]
    assert methods == ["Two.generator", "Two.outer", "Two.listed", "Two.async_generator"]


def test_the_line_is_the_spiders_also_where_a_decorator_stands_around_it(run, tmp_path):
    code = tmp_path / "decorators.py"
    code.write_text(
        "import functools\n"
        "def around(function):\n"
        "    @functools.wraps(function)\n"
        "    def wrapper(*args):\n"
        "        yield from function(*args)\n"
        "    return wrapper\n"
    )
    names = {}
    exec(compile(code.read_text(), str(code), "exec"), names)

    class Wrapped(Spider):
        name = "wrapped"

        @names["around"]
        def parse(self):
            yield 1
            raise ValueError  # wrapped dies

    _, error = called(Wrapped(), "parse", run=run)
    assert error.place == line_of("wrapped dies")


# ---- start() ----


def drained(spider, run, make=lambda value: value, n=None):
    """What ``start`` gave, and what it died of; ``n`` leaves it early."""
    given = []
    callbacks = Callbacks(spider, limit=60)

    async def main():
        try:
            async with curio.meta.finalize(callbacks.each("start", make)) as values:
                async for value in values:
                    given.append(value)
                    if len(given) == n:
                        break
        except CallbackError as error:
            return error
        return None

    return given, run(main)


def spider_with(start):
    return type("Starting", (Spider,), {"name": "starting", "start": start})()


@pytest.mark.parametrize("kind", KINDS)
def test_start_may_be_of_any_kind(kind, run):
    spider = type("Starting", (Pure,), {"start": vars(Pure)[kind]})()
    assert drained(spider, run) == ([1, 2, 3], None)


def test_start_that_raises_gives_what_it_gave_before_and_the_line(run):
    for kind in ("generator", "async_generator"):
        given, error = drained(spider_with(vars(Dying)[kind]), run)
        assert given == [1]
        assert str(error) == f"ValueError: no price (at {line_of(kind + ' dies')})"
    for kind in ("function", "coroutine"):
        given, error = drained(spider_with(vars(Dying)[kind]), run)
        assert given == []
        assert error.place == line_of(kind + " dies")


@pytest.mark.parametrize("error", [SystemExit(1), curio.TaskTimeout(1.0), RecursionError()], ids=repr)
def test_start_that_would_end_the_program_is_a_callback_error(error, run):
    def start(self):
        yield 1
        raise error

    given, died = drained(spider_with(start), run)
    assert given == [1]
    assert isinstance(died, CallbackError)


@pytest.mark.parametrize("value", [None, "https://a.test/", 5])
def test_start_that_gives_no_list_says_so(value, run):
    given, error = drained(spider_with(lambda self: value), run)
    assert given == []
    assert f"start() gave {value!r} instead of yielding or a list" in str(error)


@pytest.mark.parametrize("method", ["generator", "listed", "async_generator"])
def test_what_start_may_not_give_is_an_error_with_the_line(method, run):
    def make(value):
        refuse_two(value)
        return value * 10

    given, error = drained(spider_with(vars(Two)[method]), run, make)
    assert given == [10]
    assert error.place == line_of(f"{method} gives two")


@pytest.mark.parametrize("method", ["switches", "waits", "sleeps"])
def test_start_that_calls_into_asyncio_is_told_that_this_is_curio(method, run):
    given, error = drained(spider_with(vars(Foreign)[method]), run)
    assert given == [1]
    assert "this is curio, not asyncio" in str(error)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_start_is_pulled_one_by_one_and_closed_when_it_is_left_early(kind, run):
    seen = []

    def start(self):
        try:
            for number in range(10**9):
                seen.append(number)
                yield number
        finally:
            seen.append("closed")

    async def async_start(self):
        try:
            for number in range(10**9):
                seen.append(number)
                yield number
        finally:
            await curio.sleep(0)
            seen.append("closed")

    given, error = drained(spider_with(start if kind == "sync" else async_start), run, n=3)
    assert (given, error, seen) == ([0, 1, 2], None, [0, 1, 2, "closed"])


def test_what_the_end_of_a_start_left_early_raises_is_told_and_stops_nothing(run, caplog):
    def start(self):
        try:
            yield 1
            yield 2
        finally:
            raise ValueError("too late")

    assert drained(spider_with(start), run, n=1) == ([1], None)
    assert "ValueError: too late" in caplog.text


def test_no_warning_is_left_for_the_garbage_collector(run):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for method in ("generator", "async_generator"):
            called(Two(), method, run=run, take=refuse_two)
            drained(spider_with(vars(Two)[method]), run, n=1)
    assert sys.exc_info() == (None, None, None)
