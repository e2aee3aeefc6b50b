"""The one place that runs user code: a spider's methods, whatever they are and whatever they do.

A method may be a plain function, a generator, a coroutine or an async generator. Whatever it raises becomes a
CallbackError, with the traceback logged once for each line of the spider; what it yielded before is kept.
"""

from __future__ import annotations

import inspect
import logging
import time
import traceback
import types
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import curio

from scrapekit.errors import CallbackError
from scrapekit.kernel import NOT_ASYNCIO
from scrapekit.spider import Spider

log = logging.getLogger("scrapekit.spider")

#: A plain callback holds up every fetch while it runs; longer than this is worth a warning. Seconds.
BLOCKS: Final = 0.5

_HERE: Final = Path(__file__).parent


class Callbacks:
    """Runs a spider's methods. ``limit`` is how long an async one may take, in seconds."""

    def __init__(self, spider: Spider, *, limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._spider, self._limit, self._clock = spider, limit, clock
        self._files = _files_of(type(spider))
        self._told: set[Any] = set()

    async def run(self, method: str, *arguments: Any, take: Callable[[Any], None]) -> CallbackError | None:
        """Call a method and hand each thing that it gives to ``take``; what went wrong, or None.

        ``take`` raises CallbackError for what may not be given. A BaseException that means the end of the program
        (KeyboardInterrupt, a cancelled task) goes through.
        """
        try:
            function = getattr(self._spider, method, None)
            if function is None:
                raise CallbackError(f"{self._spider!r} has no method {method!r} any more")
            await self._drain(method, function, arguments, take)
        except BaseException as error:  # noqa: BLE001  (whatever the user's code raises)
            return self._as_outcome(method, error)
        return None

    async def each(self, method: str, make: Callable[[Any], Any]) -> AsyncIterator[Any]:
        """Call a method and give its results one by one, as they are asked for, each as ``make`` makes it.

        Raises CallbackError for whatever the method raises, and for what ``make`` refuses. Leave it early only under
        ``curio.meta.finalize``.
        """
        function = given = None
        try:
            function = getattr(self._spider, method)
            given = function()
            if isinstance(given, types.CoroutineType):
                given = await _guarded(given)
            if isinstance(given, AsyncIterator):
                while (value := await _next(given)) is not _END:
                    yield make(value)
            else:
                for value in self._iterable(method, given):
                    yield make(value)
        except GeneratorExit:
            raise
        except CallbackError as error:
            raise self._as_outcome(method, _placed(error, function, given)) from None
        except BaseException as error:
            raise self._as_outcome(method, error) from error
        finally:
            await self._close(method, given)

    def _iterable(self, method: str, given: Any) -> Any:
        if isinstance(given, (str, bytes)) or not hasattr(given, "__iter__"):
            raise CallbackError(f"{self._spider!r}: {method}() gave {given!r} instead of yielding or a list")
        return given

    async def _close(self, method: str, given: Any) -> None:
        """Let a generator that was left early run its ``finally``; what that raises is told."""
        try:
            await _closed(given)
        except BaseException as error:  # noqa: BLE001  (as above)
            self._as_outcome(method, error)

    async def _drain(self, method: str, function: Any, arguments: tuple[Any, ...], take: Callable[[Any], None]) -> None:
        began = self._clock()
        try:
            given = function(*arguments)
            waits = isinstance(given, (types.CoroutineType, types.AsyncGeneratorType))
            if not waits:
                _take_all(function, given, take)
        finally:
            if (seconds := self._clock() - began) > BLOCKS:
                self._warn_of_blocking(method, function, seconds)
        if waits:
            await self._timed(function, given, take)

    async def _timed(self, function: Any, given: Any, take: Callable[[Any], None]) -> None:
        """Take what an async method gives, within the limit."""
        try:
            async with curio.timeout_after(self._limit):
                if isinstance(given, types.CoroutineType):
                    _take_all(function, await _guarded(given), take)
                else:
                    await _take_each(function, given, take)
        except curio.TaskTimeout:
            raise CallbackError(f"took longer than {self._limit:g} s", place=_beginning(function)) from None

    def _as_outcome(self, method: str, error: BaseException) -> CallbackError:
        """What a method died of, which is told; what means the end of the program is raised again."""
        if isinstance(error, curio.UncaughtTimeoutError) and error.__context__ is not None:
            error = error.__context__  # a time limit of the spider's own that it did not catch
        elif isinstance(error, (KeyboardInterrupt, GeneratorExit, curio.CancelledError)):
            if not isinstance(error, curio.TaskTimeout):
                raise error
        if not isinstance(error, CallbackError):
            outcome = CallbackError(_in_words(error), place=self._where(error))
        else:
            outcome = error
        self._tell(method, outcome, error)
        return outcome

    def _tell(self, method: str, outcome: CallbackError, error: BaseException) -> None:
        """Log an error with its traceback, once for each line that raises."""
        spot = (type(error), outcome.place or str(outcome))
        if spot not in self._told:
            self._told.add(spot)
            log.error("%s: %s.%s: %s", self._spider.name, type(self._spider).__name__, method, outcome)
            if error is not outcome:
                log.info("%s", "".join(traceback.format_exception(error)))

    def _where(self, error: BaseException) -> str:
        """The innermost line of the spider's own files, else outside of scrapekit."""
        chain = (error, error.__cause__, error.__context__)
        steps = [step for link in chain if link is not None for step in traceback.walk_tb(link.__traceback__)]
        places = [(frame.f_code.co_filename, line) for frame, line in steps]
        own = [place for place in places if place[0] in self._files]
        outside = [place for place in places if _HERE not in Path(place[0]).parents]
        best = own or outside
        return f"{best[-1][0]}:{best[-1][1]}" if best else ""

    def _warn_of_blocking(self, method: str, function: Any, seconds: float) -> None:
        if method not in self._told:
            self._told.add(method)
            log.warning(
                "%s: %s (%s) blocked every fetch for %.1f s; make it async and move the work to curio.run_in_thread",
                self._spider.name,
                method,
                _beginning(function),
                seconds,
            )


def _take_all(function: Any, given: Any, take: Callable[[Any], None]) -> None:
    """What a plain method gives: an iterator, a list or tuple, or one thing."""
    values = given if isinstance(given, (Iterator, list, tuple)) else (given,)
    try:
        for value in values:
            take(value)
    except CallbackError as error:
        raise _placed(error, function, given) from None
    finally:
        if isinstance(given, types.GeneratorType):
            given.close()  # here, where what its ``finally`` raises is an outcome too


async def _take_each(function: Any, given: Any, take: Callable[[Any], None]) -> None:
    try:
        while (value := await _next(given)) is not _END:
            take(value)
    except CallbackError as error:
        raise _placed(error, function, given) from None
    finally:
        await _closed(given)


_END: Final = object()


async def _next(values: AsyncIterator[Any]) -> Any:
    try:
        return await _guarded(anext(values))
    except StopAsyncIteration:
        return _END


async def _closed(given: Any) -> None:
    """Close a generator of either kind."""
    if isinstance(given, types.GeneratorType):
        given.close()
    elif hasattr(given, "aclose"):
        await _guarded(given.aclose())


def _files_of(spider: type[Spider]) -> frozenset[str]:
    """The files in which a spider's methods stand."""
    classes = [each for each in spider.__mro__ if each not in Spider.__mro__]
    methods = [inspect.unwrap(value) for each in classes for value in vars(each).values()]
    return frozenset(method.__code__.co_filename for method in methods if hasattr(method, "__code__"))


def _in_words(error: BaseException) -> str:
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{words} ({NOT_ASYNCIO})" if _is_of_asyncio(error) else words


def _is_of_asyncio(error: BaseException) -> bool:
    """Whether asyncio raised it, for want of its own loop."""
    if NOT_ASYNCIO in str(error):
        return False
    files = (frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__))
    return "event loop" in str(error) or any(Path(file).parent.name == "asyncio" for file in files)


def _placed(error: CallbackError, function: Any, given: Any) -> CallbackError:
    """The error with the line at which the callback has just yielded what it may not."""
    return CallbackError(error.message, place=error.place or _line_of(function, given))


def _line_of(function: Any, given: Any) -> str:
    """Where a callback stands that has just yielded; where it begins, if it is no generator."""
    frame = getattr(given, "gi_frame", None) or getattr(given, "ag_frame", None)
    if frame is None or _HERE in Path(frame.f_code.co_filename).parents:
        return _beginning(function)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _beginning(function: Any) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)


@types.coroutine
def _guarded(awaitable: Any) -> Any:
    """Drive a coroutine of the user's, and let nothing but curio's own requests through to the kernel.

    A future of asyncio's would otherwise reach the kernel, which ends for good, if it is one that is not ours.
    """
    step: Any = awaitable.send
    value: Any = None
    while True:
        try:
            trap = step(value)
        except StopIteration as end:
            return end.value
        if not (isinstance(trap, tuple) and trap and str(trap[0]).startswith("trap_")):
            step, value = awaitable.throw, RuntimeError(NOT_ASYNCIO)
            continue
        try:
            step, value = awaitable.send, (yield trap)
        except BaseException as error:  # noqa: BLE001  (whatever it is, it belongs to the user's coroutine)
            step, value = awaitable.throw, error
