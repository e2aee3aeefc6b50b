"""Run a crawl under the eyes of a person: a display, the signals that stop it, a summary, an exit code.

The first Ctrl-C or SIGTERM lets what is in flight end; the second ends the process where it stands, which costs no item
that was written: sinks have no buffer.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

import curio

from scrapekit import kernel
from scrapekit.cli import exits
from scrapekit.config import Settings
from scrapekit.crawler import Bounds, Crawl, prepare_crawl
from scrapekit.errors import CallbackError
from scrapekit.importing import shown
from scrapekit.kernel import Alarm
from scrapekit.resume import unfinished
from scrapekit.sinks import STDOUT, RunFolder
from scrapekit.spider import Spider
from scrapekit.watch import Console, Progress, progress, summary

#: The display is brought up to date this often, in seconds, and a signal is noticed as soon.
_TICK: Final = 0.2
_CODES: Final = {signal.SIGINT: exits.SIGINT, signal.SIGTERM: exits.SIGTERM}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person wants of a crawl besides what the settings say.

    ``target`` is how the spider was called. ``targets`` are files, or ``-``; ``arguments`` those of the spider, to be
    noted; ``resume`` is the id of a run to take up.
    """

    target: str = ""
    targets: Sequence[str] = ()
    overwrite: bool = False
    append: bool = False
    bounds: Bounds = field(default_factory=Bounds)
    verbosity: int = 0
    arguments: Mapping[str, str] = field(default_factory=dict)
    resume: str = ""
    since_last: bool = False
    cache: bool = False

    @property
    def to_terminal(self) -> bool:
        """Whether items go where a live display would be."""
        return STDOUT in self.targets and sys.stdout.isatty()


class Stops:
    """The signals that ask a crawl to stop."""

    def __init__(self) -> None:
        self.code = exits.DONE

    def asked(self, number: int, frame: FrameType | None = None) -> None:
        """Note the first; at the second, leave. This runs in the midst of anything, so it does as little as it can."""
        if self.code:
            if sys.stderr.isatty():
                os.write(2, b"\x1b[?25h")  # the live display had hidden the cursor
            os.write(2, b"\nscrapekit: stopped at once\n")
            os._exit(self.code)
        self.code = _CODES[signal.Signals(number)]

    @contextmanager
    def listening(self) -> Iterator[Stops]:
        """Hear the signals while the block lasts."""
        before = {number: signal.signal(number, self.asked) for number in _CODES}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _allow_many_files() -> None:
    """Let as many connections be open as the system permits this user: a host's is kept between its requests."""
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """What is loaded stays: the collector need not look at it, nor at what a page leaves, each few hundred objects."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def run_crawl(spider: Spider, settings: Settings, wish: Wish, console: Console) -> int:
    """Run a spider to its end, shown on the console; gives the exit code.

    Raises ConfigError for a first request that may not be sent, and SinkError when items cannot be written any more.
    """
    _allow_many_files()
    with _seldom_collecting(), Stops().listening() as stops:
        code: int = kernel.run(watched, spider, settings, wish, console, stops)
    return code


def say_what_is_left(spider: str, settings: Settings, wish: Wish, console: Console) -> None:
    """Tell of a run that was left with work, for a new one begins."""
    left = unfinished(settings.root, spider, begun=True)
    if left is not None and wish.verbosity >= 0:
        console.say(f"scrapekit: this is a new run; to go on with {left}, add --resume")


async def watched(
    spider: Spider, settings: Settings, wish: Wish, console: Console, stops: Stops, root: Path | None = None
) -> int:
    """``run_crawl`` inside curio; the run is kept below ``root``, by default the project's folder."""
    new = [Path(each) for each in wish.targets if each != STDOUT and not Path(each).exists()]
    crawl = prepare_crawl(
        spider,
        settings,
        arguments=wish.arguments,
        output=wish.targets,
        overwrite=wish.overwrite,
        append=wish.append,
        resume=wish.resume,
        since_last=wish.since_last,
        cache=wish.cache,
        root=root,
        target=wish.target,
        bounds=wish.bounds,
    )
    run = crawl.run_folder
    assert run is not None
    display = progress(console, title=spider.name, live=_is_live(console, wish))
    try:
        await _run(crawl, display, stops, console)
    except BaseException as error:
        if crawl.stats.sends or crawl.stats.done:
            _say_summary(crawl, wish, console, run)
        elif not wish.resume:
            _clear_away(new, run)
        if isinstance(error, CallbackError):
            return exits.FAILED  # the log has said it, with the line
        raise
    _say_summary(crawl, wish, console, run)
    return stops.code or exits.of_crawl(crawl.stats)


async def _run(crawl: Crawl, display: Progress, stops: Stops, console: Console) -> None:
    ticker = await curio.spawn(_tick, crawl, display, stops, console)
    try:
        await crawl.run()
    finally:
        await ticker.cancel()
        display.close()


async def _tick(crawl: Crawl, display: Progress, stops: Stops, console: Console) -> None:
    """Show how far it is, and pass on that somebody wants it to stop."""
    alarm, told = Alarm(), False
    while True:
        await alarm.sleep(_TICK)
        display.update(crawl.view())
        if stops.code and not told:
            told = True
            console.say(f"scrapekit: stopping, {crawl.view().in_flight} in flight may end; once more stops at once")
        if stops.code:  # at each tick, for a crawl that has not begun yet hears nothing
            await crawl.stop("interrupted")


def _is_live(console: Console, wish: Wish) -> bool:
    return console.is_interactive and wish.verbosity >= 0 and not wish.to_terminal


def _say_summary(crawl: Crawl, wish: Wish, console: Console, run: RunFolder) -> None:
    if wish.verbosity < 0:
        return
    exports = [shown(Path(each.target)) for each in crawl.exports if each.target != STDOUT]
    files: dict[str, Any] = {"items": ", ".join(exports) or shown(run.items)}
    if crawl.stats.rejected:
        files["rejected"] = shown(run.rejected)
    files["run"] = shown(run.path)
    console.say("")
    console.say(summary(crawl.spider.name, crawl.stats, files=files))
    if crawl.stats.end != "finished" and crawl.stats.pending:
        console.say(f"\nTo go on: scrapekit crawl {wish.target or crawl.spider.name} --resume")


def _clear_away(files: Sequence[Path], run: RunFolder) -> None:
    """Nothing was sent: the files would only be in the way of the next try. The run's folder stays if it has a log."""
    for file in files:
        with suppress(OSError):
            file.unlink()
    with suppress(OSError):
        if not run.log.stat().st_size:
            shutil.rmtree(run.path)
