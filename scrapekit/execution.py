"""One execution of a spider: what runs, and what is noted of it for whoever takes the run up again.

The composition root: the one place that knows every part.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from typing import Any, Final

import curio

from scrapekit.access import Access, Network
from scrapekit.callbacks import Callbacks
from scrapekit.config import Settings
from scrapekit.errors import CallbackError, ConfigError, PipeClosed, SinkError
from scrapekit.fetcher import Fetcher
from scrapekit.files import Export, Files, boot_id
from scrapekit.hosts import Past
from scrapekit.keeper import Call, Keeper, call_here
from scrapekit.kernel import Alarm, RunClock, steady_clock
from scrapekit.ledger import aftermath, without_secrets
from scrapekit.notes import Notes
from scrapekit.pages import Pages
from scrapekit.record import Record
from scrapekit.registry import HostRegistry
from scrapekit.reload import follow
from scrapekit.resume import changed, past_of
from scrapekit.scheduler import Bounds, Scheduler
from scrapekit.signing import signer
from scrapekit.sinks import RunFolder, Sink
from scrapekit.spider import Spider
from scrapekit.stats import Stats, View

log = logging.getLogger("scrapekit.crawl")

_NO_FACTS: Final[Mapping[str, Any]] = {}


class Crawl:
    """One execution of a spider.

    ``exports`` and ``sinks`` get the items besides the run's own record in ``run``, if there is one; one that was left
    is taken up. ``since`` is the run that a new one asks what has changed since; with ``cache`` what the project keeps
    of pages is asked before the sites are. ``facts`` are noted of it (what the spider was called by, its arguments).
    ``clock`` gives seconds since the epoch; ``network`` replaces the real one, ``random`` what jitter is drawn from.
    ``run()`` may be awaited once.
    """

    def __init__(
        self,
        spider: Spider,
        settings: Settings,
        *,
        bounds: Bounds | None = None,
        exports: Sequence[Export] = (),
        sinks: Sequence[Sink] = (),
        run: RunFolder | None = None,
        resumed: bool = False,
        since: RunFolder | None = None,
        cache: bool = False,
        facts: Mapping[str, Any] = _NO_FACTS,
        clock: Callable[[], float] | None = None,
        network: Network | None = None,
        random: Random | None = None,
    ) -> None:
        self.spider, self.stats = spider, Stats()
        self._bounds = bounds or Bounds(max_failures=settings.crawl.max_failures)
        self._run, self._since, self._facts, self._cached = run, since, facts, cache
        self._files = Files(run, exports, sinks, resumed=resumed)
        self._clock = RunClock(clock or steady_clock())
        self._random = random or Random()
        folder = run.files if run else None
        self._access = Access(settings, spider.name, clock=self._clock, network=network, folder=folder)
        self._notes = Notes(spider, self.stats, clock=self._clock, reach=self._access.reach)
        self._scheduler: Scheduler | None = None

    def __repr__(self) -> str:
        return f"<Crawl of {self.spider.name}: {self._scheduler!r}>"

    @property
    def settings(self) -> Settings:
        """Those that hold now."""
        return self._access.settings

    @property
    def run_folder(self) -> RunFolder | None:
        """Where the run is kept."""
        return self._run

    @property
    def exports(self) -> Sequence[Export]:
        """The files that the items are written to besides; known once the crawl runs."""
        return self._files.exports

    async def run(self) -> Stats:
        """Crawl to the end and give the statistics; ``stats.end`` says why it ended.

        Raises ConfigError for a first request that may not be sent as things are set up, and SinkError if items cannot
        be written any more; the files are closed properly all the same.
        """
        with self._files, ThreadPoolExecutor(1, thread_name_prefix="scrapekit-keeper") as executor:

            async def in_its_thread(function: Callable[..., Any], *arguments: Any) -> Any:
                return await curio.run_in_executor(executor, function, *arguments)

            past = self._take_up()
            await in_its_thread(self._files.open_former, self._since)
            if self._cached:
                self._files.open_cache()
            scheduler = self._scheduler = self._compose(in_its_thread if self._run else call_here, past)
            follower = await curio.spawn(follow, self.settings, self._take_over)
            try:
                await self._tell_spider("opened")
                await scheduler.run()
            finally:
                self._notes.count_time()
                self.stats.end = scheduler.end or "aborted"
                await follower.cancel()
                await self._close()
        self._raise_if_broken(scheduler)
        return self.stats

    def _take_up(self) -> dict[str, Past]:
        """Begin the run, or go on where it was left; gives what went on at hosts beyond the last commit."""
        files, before, past = self._files, self._files.notes, {}
        settings = without_secrets(self.settings.tables())
        if before and self._run is not None:
            late = aftermath(self._run.path, before["ledger"])
            self._clock.not_before(max(before["at"], late.last))
            now = self._notes.begin()
            self._notes.restore(before)
            past = past_of(late, now)
            self._say_what_changed(before, settings)
        else:
            self.stats.started = now = self._notes.begin()
        self._access.spool.clear()
        files.open_ledger(self.spider.name, self.settings, now)
        files.open_book()
        self._notes.ledger = files.ledger
        if self._run is not None:
            exports = [export.to_dict() for export in files.exports]
            facts = {"spider": self.spider.name, "settings": settings, "exports": exports, "boot": boot_id()}
            files.note({"started": self.stats.started, **self._facts, **facts, "end": "", **self._notes.each()})
        return past

    def _say_what_changed(self, before: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        log.info("run %s is taken up again", self._run and self._run.id)
        if keys := changed(before.get("settings", {}), settings):
            log.warning("settings have changed since the run was left: %s", ", ".join(keys))

    async def stop(self, reason: str) -> None:
        """Take no more requests; what is in flight may end, then ``run`` returns."""
        if self._scheduler is not None:
            await self._scheduler.stop(reason)

    def view(self, busiest: int = 8) -> View:
        """What the display shows."""
        if self._scheduler is None:
            return View(self.stats, 0, 0, 0.0)
        return self._scheduler.view(busiest)

    def _compose(self, call: Call, past: Mapping[str, Past]) -> Scheduler:
        settings, access, files, alarm = self.settings, self._access, self._files, Alarm()
        registry = self._registry = HostRegistry(
            limits_for=access.limits_for,
            agent=settings.identity.name,
            address_of=access.address_of,
            has_idle=access.has_idle,
            each=settings.crawl.window,
            random=self._random.random,
            past=past,
        )
        keeper = self._keeper(registry, call, alarm)
        self._callbacks = Callbacks(self.spider, limit=settings.crawl.callback_timeout)
        fetcher = self._fetcher(registry)
        self._notes.restore_jars(files.notes, fetcher)
        return Scheduler(
            registry=registry,
            fetcher=fetcher,
            keeper=keeper,
            pages=self._pages(keeper),
            resolve=access.resolve,
            stats=self.stats,
            clock=self._clock,
            alarm=alarm,
            record=Record(files.ledger, agent=settings.identity.name),
            slots=settings.crawl.concurrency,
            max_wait=settings.crawl.max_wait,
            bounds=self._bounds,
            starts=not files.notes.get("start_done", False),
            answer_kept=files.cache.get if files.cache else None,
        )

    def _keeper(self, registry: HostRegistry, call: Call, alarm: Alarm) -> Keeper:
        settings, files = self.settings.crawl, self._files
        return Keeper(
            files.frontier,
            registry,
            write=files.write,
            undo=files.undo,
            notes=self._notes.each if self._run else dict,
            stats=self.stats,
            clock=self._clock,
            changed=alarm,
            workbench=settings.workbench,
            window=settings.window,
            interval=settings.commit_interval,
            call=call,
            book=files.book,
            resumed=bool(files.notes),
            durable=self._run is not None,
            kept=files.cache.has if files.cache else None,
        )

    def _pages(self, keeper: Keeper) -> Pages:
        return Pages(
            self.spider,
            self._callbacks,
            known=keeper.knows,
            check_host=self._access.check_host,
            stats=self.stats,
            limits_for=self._access.limits_for,
            clock=self._clock,
            reach=self._access.reach,
            former=self._files.former,
            archives=self._run is not None,
        )

    def _fetcher(self, registry: HostRegistry) -> Fetcher:
        settings, access, cache = self.settings, self._access, self._files.cache
        return Fetcher(
            access.client,
            headers=settings.own_headers,
            clock=self._clock,
            max_redirects=settings.crawl.max_redirects,
            accept_status=frozenset(self.spider.accept_status),
            agent=settings.identity.name,
            uses_of=registry.uses,
            sign=signer(settings, clock=self._clock.true),
            authorization=access.authorization,
            refuses_hop=access.reach.refuses_hop,
            way_of=access.ways.of,
            way_failed=access.ways.failed,
            keep=partial(cache.put, now=self._clock) if cache else None,
            random=self._random,
        )

    async def _take_over(self, settings: Settings) -> None:
        """Go by changed settings from now on; by none of them where some cannot be."""
        try:
            self._access.apply(settings)
        except ConfigError as error:
            log.error("%s; the crawl goes on with the settings that it has", error)
            return
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
        await self._access.close()
        if self._run is not None:
            try:
                whole = self._scheduler is None or self._scheduler.kept_all
                self._files.note(self._notes.last(self.stats.end) if whole else self._notes.end(self.stats.end))
                self._run.write_stats(self.stats.to_dict())
            except (SinkError, CallbackError):
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
