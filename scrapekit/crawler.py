"""The composition root: settings and a spider become a crawl.

The one place that knows every part. ``crawl()`` is the way in for Python callers, ``Crawl`` for the command line, which
shows and stops what runs.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, Final, Literal, Protocol, overload

import curio

from scrapekit import kernel
from scrapekit.callbacks import Callbacks
from scrapekit.config import Settings, find_project, load
from scrapekit.errors import ConfigError, FetchError, PipeClosed, SinkError
from scrapekit.fetcher import Fetcher, Sender
from scrapekit.files import Files
from scrapekit.frontier import MemoryFrontier
from scrapekit.http import Client, Names, Resolver
from scrapekit.http.pool import MAX_IDLE
from scrapekit.keeper import Call, Keeper, call_here
from scrapekit.kernel import Alarm, steady_clock
from scrapekit.pages import Pages
from scrapekit.record import Record
from scrapekit.registry import HostRegistry
from scrapekit.reload import follow
from scrapekit.scheduler import Bounds, Scheduler
from scrapekit.signing import signer
from scrapekit.sinks import ListSink, RunFolder, Sink, check_targets, open_sink
from scrapekit.spider import Spider
from scrapekit.stats import Stats, View
from scrapekit.tables import Limits
from scrapekit.url import split

#: The limits of so many hosts are remembered.
KNOWN_HOSTS: Final = 10_000


class Wire(Sender, Protocol):
    """What sends a crawl's requests."""

    def has_idle(self, url: str) -> bool: ...
    async def close(self) -> None: ...


class Network(Protocol):
    """What a crawl is connected to: the real network, or one in memory."""

    @property
    def resolver(self) -> Names: ...
    def client(self) -> Wire: ...


class Crawl:
    """One execution of a spider.

    ``sinks`` get the items besides the run's own record in ``run``, if there is one. ``clock`` gives seconds since the
    epoch; ``network`` replaces the real one, ``random`` what jitter is drawn from. ``run()`` may be awaited once.
    """

    def __init__(
        self,
        spider: Spider,
        settings: Settings,
        *,
        bounds: Bounds | None = None,
        sinks: Sequence[Sink] = (),
        run: RunFolder | None = None,
        clock: Callable[[], float] | None = None,
        network: Network | None = None,
        random: Random | None = None,
    ) -> None:
        self.spider, self.settings, self.stats = spider, settings, Stats()
        self._bounds = bounds or Bounds(max_failures=settings.crawl.max_failures)
        self._run, self._files = run, Files(run, sinks)
        self._limits: dict[str, Limits] = {}
        self._clock = clock or steady_clock()
        self._resolver: Names = network.resolver if network else Resolver(settings.resolve)
        self._client: Wire = network.client() if network else Client(self._resolver, max_idle=_idle(settings))
        self._random = random or Random()
        self._scheduler: Scheduler | None = None

    def __repr__(self) -> str:
        return f"<Crawl of {self.spider.name}: {self._scheduler!r}>"

    async def run(self) -> Stats:
        """Crawl to the end and give the statistics; ``stats.end`` says why it ended.

        Raises ConfigError for a first request that may not be sent as things are set up, and SinkError if items cannot
        be written any more; the files are closed properly all the same.
        """
        with self._files, ThreadPoolExecutor(1, thread_name_prefix="scrapekit-keeper") as executor:

            async def in_its_thread(function: Callable[..., Any], *arguments: Any) -> Any:
                return await curio.run_in_executor(executor, function, *arguments)

            self.stats.started = began = self._clock()
            self._files.open_ledger(self.spider.name, self.settings, began)
            self._files.open_book()
            scheduler = self._scheduler = self._compose(in_its_thread if self._run else call_here)
            follower = await curio.spawn(follow, self.settings, self._take_over)
            try:
                await self._tell_spider("opened")
                await scheduler.run()
            finally:
                self.stats.duration = self._clock() - began
                self.stats.end = scheduler.end or "aborted"
                await follower.cancel()
                await self._close()
        self._raise_if_broken(scheduler)
        return self.stats

    async def stop(self, reason: str) -> None:
        """Take no more requests; what is in flight may end, then ``run`` returns."""
        if self._scheduler is not None:
            await self._scheduler.stop(reason)

    def view(self, busiest: int = 8) -> View:
        """What the display shows."""
        if self._scheduler is None:
            return View(self.stats, 0, 0, 0.0)
        return self._scheduler.view(busiest)

    def _compose(self, call: Call) -> Scheduler:
        settings, stats, clock = self.settings, self.stats, self._clock
        registry = self._registry = HostRegistry(
            limits_for=self._limits_for,
            agent=settings.identity.name,
            address_of=self._address_of,
            has_idle=self._client.has_idle,
            each=settings.crawl.window,
            random=self._random.random,
        )
        frontier, alarm = MemoryFrontier(), Alarm()
        keeper = Keeper(
            frontier,
            registry,
            write=self._files.write,
            stats=stats,
            clock=clock,
            changed=alarm,
            workbench=settings.crawl.workbench,
            window=settings.crawl.window,
            call=call,
            book=self._files.book,
        )
        self._callbacks = Callbacks(self.spider, limit=settings.crawl.callback_timeout)
        pages = Pages(
            self.spider,
            self._callbacks,
            known=keeper.knows,
            check_host=self._check_host,
            stats=stats,
            limits_for=self._limits_for,
            clock=clock,
        )
        fetcher = Fetcher(
            self._client,
            headers=settings.own_headers,
            clock=clock,
            max_redirects=settings.crawl.max_redirects,
            accept_status=frozenset(self.spider.accept_status),
            agent=settings.identity.name,
            uses_of=registry.uses,
            sign=signer(settings, clock=clock),
            random=self._random,
        )
        return Scheduler(
            registry=registry,
            fetcher=fetcher,
            keeper=keeper,
            pages=pages,
            resolve=self._resolve,
            stats=stats,
            clock=clock,
            alarm=alarm,
            record=Record(self._files.ledger, agent=settings.identity.name),
            slots=settings.crawl.concurrency,
            max_wait=settings.crawl.max_wait,
            bounds=self._bounds,
        )

    def _limits_for(self, host: str) -> Limits:
        """A host's limits; asked for with each link, so those of the last hosts are at hand."""
        limits = self._limits.get(host)
        if limits is None:
            if len(self._limits) >= KNOWN_HOSTS:
                self._limits.clear()
            limits = self._limits[host] = self.settings.limits_for(host, self.spider.name)
        return limits

    def _check_host(self, host: str) -> None:
        self.settings.check_host(host, self.spider.name)

    async def _take_over(self, settings: Settings) -> None:
        """Go by changed settings from now on."""
        self.settings = settings
        self._limits.clear()
        if self._files.ledger is not None:
            self._files.ledger.settings(settings.tables(), now=self._clock())
        self._registry.relimit(self._clock())
        if self._scheduler is not None:
            await self._scheduler.relimit(settings.crawl.concurrency, settings.crawl.max_wait)

    async def _close(self) -> None:
        """Tell the spider, and let go of the network; also when the crawl is being aborted."""
        try:
            await self._tell_spider("closed", self.stats.end)
        finally:
            async with curio.disable_cancellation():
                await self._let_go()

    async def _let_go(self) -> None:
        await self._client.close()
        if isinstance(self._resolver, Resolver):
            await self._resolver.close()
        if self._run is not None:
            try:
                self._run.write_stats(self.stats.to_dict())
            except SinkError:
                if self._scheduler is None or self._scheduler.error is None:
                    raise  # else the first failure is the one to tell

    async def _tell_spider(self, method: str, *arguments: Any) -> None:
        error = await self._callbacks.run(method, *arguments, take=lambda value: None)
        if error is not None and method == "opened":
            raise error

    def _raise_if_broken(self, scheduler: Scheduler) -> None:
        error = scheduler.error
        if isinstance(error, PipeClosed):
            self.stats.end = "closed pipe"
        elif error is not None:
            raise error

    def _address_of(self, url: str) -> str | None:
        """The address that a URL's name is known to have; an empty one if it has none, None if it is not known."""
        parts = split(url)
        answer = self._resolver.cached(parts.hostname, parts.port)
        if isinstance(answer, tuple):
            return answer[0].ip
        return None if answer is None else ""

    async def _resolve(self, url: str) -> None:
        parts = split(url)
        try:
            await self._resolver.resolve(parts.hostname, parts.port)
        except FetchError as error:
            logging.getLogger("scrapekit.crawl").info("%s", error)


@overload
def crawl(
    spider: Spider | type[Spider], settings: Settings | None = ..., *, items: Literal[True], **more: Any
) -> tuple[Stats, list[Any]]: ...
@overload
def crawl(
    spider: Spider | type[Spider], settings: Settings | None = ..., *, items: Literal[False] = ..., **more: Any
) -> Stats: ...
def crawl(spider: Spider | type[Spider], settings: Settings | None = None, *, items: bool = False, **more: Any) -> Any:
    """Run a spider to its end, and give the statistics; with ``items=True`` also the items, as (stats, items).

    Blocks; takes what ``crawl_async`` takes, and raises the same.
    """
    return kernel.run(_crawl, spider, settings, items, more)


async def crawl_async(
    spider: Spider | type[Spider], settings: Settings | None = None, *, items: bool = False, **more: Any
) -> Any:
    """``crawl`` inside curio.

    ``arguments``: for the spider's ``__init__``, where a class is given. ``output``: files or sinks for the items, with
    ``overwrite`` or ``append``. ``keep``: whether the run has a folder of its own below ``.scrapekit/runs``; by default
    it has, but on a fake ``network``. ``max_pages``, ``max_items``, ``max_time``, ``max_failures``, ``fail_fast``: see
    Bounds. Settings are those of the nearest scrapekit.toml by default.

    Raises ConfigError or SinkError.
    """
    return await _crawl(spider, settings, items, more)


async def _crawl(spider: Spider | type[Spider], settings: Settings | None, items: bool, more: dict[str, Any]) -> Any:
    kept = ListSink()
    made = prepare_crawl(spider, settings, extra_sinks=(kept,) if items else (), **more)
    stats = await made.run()
    return (stats, kept.items) if items else stats


def prepare_crawl(
    spider: Spider | type[Spider],
    settings: Settings | None = None,
    *,
    arguments: Mapping[str, Any] | None = None,
    output: Sequence[str | Path | Sink] | str | Path = (),
    overwrite: bool = False,
    append: bool = False,
    keep: bool | None = None,
    network: Network | None = None,
    clock: Callable[[], float] | None = None,
    extra_sinks: Sequence[Sink] = (),
    random: Random | None = None,
    **bounds: Any,
) -> Crawl:
    """A crawl with its files opened, not yet running. Raises ConfigError."""
    settings = settings or _found_settings()
    made = spider if isinstance(spider, Spider) else spider(**(arguments or {}))
    targets = [output] if isinstance(output, (str, Path)) else output
    check_targets([target for target in targets if isinstance(target, (str, Path))], overwrite=overwrite, append=append)
    bounds.setdefault("max_failures", settings.crawl.max_failures)
    wants_folder = keep if keep is not None else network is None
    run = RunFolder.create(settings.root, made.name) if wants_folder else None
    sinks = [
        open_sink(target, overwrite=overwrite, append=append) if isinstance(target, (str, Path)) else target
        for target in targets
    ]
    return Crawl(
        made,
        settings,
        bounds=Bounds(**bounds),
        sinks=[*sinks, *extra_sinks],
        run=run,
        clock=clock,
        network=network,
        random=random,
    )


def _idle(settings: Settings) -> int:
    """How many idle connections are kept: one for each host on the workbench, as far as files may be open."""
    wanted = settings.crawl.workbench
    if sys.platform == "win32":
        return min(wanted, MAX_IDLE)
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if files == resource.RLIM_INFINITY else min(wanted, files // 2)


def _found_settings() -> Settings:
    file = find_project(Path.cwd())
    return load(file) if file else Settings()


__all__ = ["Bounds", "ConfigError", "Crawl", "crawl", "crawl_async", "prepare_crawl"]
