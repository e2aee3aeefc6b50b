"""The one place that runs user code: a spider's methods, whatever they are and whatever they do.

A method may be a plain function, a generator, a coroutine or an async generator. Whatever it raises becomes a
CallbackError, with the traceback logged once for each line of the spider; what it yielded before is kept.
"""

from __future__ import annotations

import logging
import time
import traceback
import types
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import curio
import curio.meta

from scrapekit.errors import CallbackError
from scrapekit.spider import Spider

log = logging.getLogger("scrapekit.spider")

#: A plain callback holds up every fetch while it runs; longer than this is worth a warning. Seconds.
BLOCKS: Final = 0.5

_HERE: Final = Path(__file__).parent
_ASYNCIO: Final = "this is curio, not asyncio: call a blocking client in curio.run_in_thread instead"


class Callbacks:
    """Runs a spider's methods. ``limit`` is how long an async one may take, in seconds."""

    def __init__(self, spider: Spider, *, limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._spider, self._limit, self._clock = spider, limit, clock
        self._told: set[Any] = set()

    async def run(self, method: str, *arguments: Any, take: Callable[[Any], None]) -> CallbackError | None:
        """Call a method and hand each thing that it gives to ``take``; what went wrong, or None.

        A BaseException that means the end of the program (KeyboardInterrupt, a cancelled task) goes through.
        """
        function = getattr(self._spider, method, None)
        if function is None:
            return CallbackError(f"{self._spider!r} has no method {method!r} any more")
        try:
            await self._drain(function, arguments, take)
        except CallbackError as error:
            self._tell(method, error)
            return error
        except (Exception, SystemExit, curio.TaskTimeout) as error:  # noqa: BLE001  (whatever the user's code raises)
            self._tell(method, error)
            return CallbackError(self._in_words(method, error))
        return None

    async def each(self, method: str) -> AsyncIterator[Any]:
        """Call a method and give its results one by one, as they are asked for.

        Raises CallbackError for whatever the method raises. Leave it early only under ``curio.meta.finalize``.
        """
        try:
            given = getattr(self._spider, method)()
            if isinstance(given, types.CoroutineType):
                given = await _guarded(given)
            async with curio.meta.finalize(given if isinstance(given, AsyncIterator) else _async(given)) as values:
                async for value in Steps(values):
                    yield value
        except (Exception, SystemExit) as error:
            self._tell(method, error)
            raise CallbackError(self._in_words(method, error)) from error

    async def _drain(self, function: Any, arguments: tuple[Any, ...], take: Callable[[Any], None]) -> None:
        began = self._clock()
        given = function(*arguments)
        if isinstance(given, (types.CoroutineType, types.AsyncGeneratorType)):
            await self._timed(given, take)
            return
        for value in given if isinstance(given, Iterator) else _listed(given):
            try:
                take(value)
            except CallbackError as error:
                raise CallbackError(f"{error} (at {_line_of(function, given)})") from None
        if self._clock() - began > BLOCKS:
            self._warn_of_blocking(function, self._clock() - began)

    async def _timed(self, given: Any, take: Callable[[Any], None]) -> None:
        async with curio.timeout_after(self._limit):
            if isinstance(given, types.CoroutineType):
                for value in _listed(await _guarded(given)):
                    take(value)
                return
            async with curio.meta.finalize(given) as values:
                async for value in Steps(values):
                    take(value)

    def _in_words(self, method: str, error: BaseException) -> str:
        if isinstance(error, curio.TaskTimeout):
            return f"{method} took longer than {self._limit:g} s"
        hint = f" ({_ASYNCIO})" if "event loop" in str(error) else ""
        return f"{type(error).__name__}: {error}{hint} at {_where(error)}"

    def _tell(self, method: str, error: BaseException) -> None:
        """Log the traceback, once for each line that raises."""
        place = (type(error), _where(error))
        if place not in self._told:
            self._told.add(place)
            words = str(error) if isinstance(error, CallbackError) else self._in_words(method, error)
            trace = "".join(traceback.format_exception(error)) if error.__traceback__ else ""
            log.error("%s: %s.%s: %s", self._spider.name, type(self._spider).__name__, method, words)
            log.info("%s", trace)

    def _warn_of_blocking(self, function: Callable[..., Any], seconds: float) -> None:
        if function.__name__ not in self._told:
            self._told.add(function.__name__)
            code = function.__code__ if hasattr(function, "__code__") else None
            place = f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)
            log.warning(
                "%s (%s) blocked every fetch for %.1f s; make it async and move the work to curio.run_in_thread",
                function.__qualname__,
                place,
                seconds,
            )


def _listed(given: Any) -> Any:
    """What a function returned, as the things that it gives: a list or tuple of them, or one."""
    return given if isinstance(given, (list, tuple)) else (given,)


async def _async(values: Any) -> AsyncIterator[Any]:
    for value in values:
        yield value


def _line_of(function: Any, given: Any) -> str:
    """Where a callback stands that has just yielded; where it begins, if it is no generator."""
    frame = getattr(given, "gi_frame", None) or getattr(given, "ag_frame", None)
    code = getattr(function, "__code__", None)
    if frame is not None:
        return f"{frame.f_code.co_filename}:{frame.f_lineno}"
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)


def _where(error: BaseException) -> str:
    """The innermost line outside of scrapekit, else the innermost."""
    frames = traceback.extract_tb(error.__traceback__)
    outside = [frame for frame in frames if Path(frame.filename).parent != _HERE] or frames
    return f"{outside[-1].filename}:{outside[-1].lineno}" if outside else "?"


class Steps:
    """What an async iterator of the user's gives, one by one, with nothing of asyncio's let through.

    No generator, for curio wants to finalize each of those, and there is nothing here to finalize.
    """

    def __init__(self, values: AsyncIterator[Any]) -> None:
        self._values = values

    def __aiter__(self) -> Steps:
        return self

    async def __anext__(self) -> Any:
        return await _guarded(anext(self._values))


@types.coroutine
def _guarded(awaitable: Any) -> Any:
    """Drive a coroutine of the user's, and let nothing but curio's own requests through to the kernel.

    A future of asyncio's would otherwise reach the kernel, which takes it for a broken task and ends for good.
    """
    step: Any = awaitable.send
    value: Any = None
    while True:
        try:
            trap = step(value)
        except StopIteration as end:
            return end.value
        if not (isinstance(trap, tuple) and trap and str(trap[0]).startswith("trap_")):
            step, value = awaitable.throw, RuntimeError(_ASYNCIO)
            continue
        try:
            step, value = awaitable.send, (yield trap)
        except BaseException as error:  # noqa: BLE001  (whatever it is, it belongs to the user's coroutine)
            step, value = awaitable.throw, error
