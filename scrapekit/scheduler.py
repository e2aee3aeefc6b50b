"""The scheduler coroutine and its fetch tasks.

The scheduler takes turns from the host registry while slots are free, and spawns one fetch task for each; no task ever
waits for a host's semaphore or delay. A fetch task has one turn: it sends, gives the host's permit back, runs the
callback, hands the outcome to the keeper, and gives its slot back.

The end of a crawl is a state: ``start()`` is exhausted, nothing is in flight, nothing is uncommitted, nothing pends.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import curio
import curio.meta

from scrapekit.errors import CallbackError, FetchError, Overtaken, ScrapekitError, SinkError, TooManyRedirects
from scrapekit.fetcher import Fetcher, Result
from scrapekit.frontier import Ended, Found, Outcome, Row
from scrapekit.hosts import UNHEARD, Turn
from scrapekit.http import Reply
from scrapekit.keeper import Keeper
from scrapekit.kernel import Alarm
from scrapekit.origins import Origin
from scrapekit.pages import Harvest, Pages, Refusal
from scrapekit.record import Record
from scrapekit.registry import HostRegistry
from scrapekit.request import Request
from scrapekit.stats import HostView, Stats, View
from scrapekit.window import NEVER

log = logging.getLogger("scrapekit.crawl")

#: At most this share of the slots may be connecting, so that dead hosts cannot hold the crawl.
CONNECTING: Final = 0.25
#: So many requests of ``start()`` are pulled before others are let run.
HANDFUL: Final = 100


@dataclass(frozen=True, slots=True)
class Bounds:
    """When a crawl stops of its own: pages (callbacks on responses), items, seconds, failures (a count or a share).

    ``fail_fast`` stops at the first failure of a callback or an item.
    """

    max_pages: int | None = None
    max_items: int | None = None
    max_time: float | None = None
    max_failures: int | float | None = None
    fail_fast: bool = False


class Scheduler:
    """Runs a crawl from its first request to its last outcome.

    ``resolve`` looks a URL's name up and never raises; ``max_wait`` is how long, in seconds, nothing may be open before
    the crawl ends with work left. ``starts`` is whether ``start()`` has first requests to tell. Bounds are those of
    this execution, whatever the run had counted before. ``answer_kept`` gives the answer to a request that the registry
    holds to be at hand.
    """

    def __init__(
        self,
        *,
        registry: HostRegistry,
        fetcher: Fetcher,
        keeper: Keeper,
        pages: Pages,
        resolve: Callable[[str], Awaitable[None]],
        stats: Stats,
        clock: Callable[[], float],
        alarm: Alarm,
        record: Record,
        slots: int,
        max_wait: float,
        bounds: Bounds,
        starts: bool = True,
        answer_kept: Callable[[Request], Reply | None] | None = None,
    ) -> None:
        self._answer_kept = answer_kept
        self._registry, self._fetcher, self._keeper, self._pages = registry, fetcher, keeper, pages
        self._resolve, self._stats, self._clock, self._alarm = resolve, stats, clock, alarm
        self._record, self._slots, self._max_wait, self._bounds = record, slots, max_wait, bounds
        self._began = clock()
        self._in_flight = self._connecting = self._pages_done = self._busy = 0
        self._feeding, self._starts = True, starts
        self._items_before, self._failed_before, self._done_before = stats.items, stats.failed, stats.done
        self._hungry = Alarm()
        #: Why the crawl stops, from the moment that it does; and the error, if it was one.
        self.end = ""
        self.error: ScrapekitError | None = None

    def __repr__(self) -> str:
        return f"<Scheduler {self._in_flight} in flight, {self._stats.pending} pending, {self._stats.done} done>"

    @property
    def kept_all(self) -> bool:
        """Whether all that came of it so far could be committed."""
        return self._keeper.error is None

    async def run(self) -> str:
        """Crawl, and say why it ended. Only bugs escape."""
        async with curio.TaskGroup() as group:
            await group.spawn(self._keeper.run)
            await group.spawn(self._schedule, group, await group.spawn(self._feed))
            # A group keeps every finished task until somebody collects it.
            async for task in group:
                if task.exception is not None and not task.cancelled:
                    raise task.exception
        if self._keeper.error is not None and self.error is None:
            # What failed was the last commit, when the scheduler was done.
            self.error, self.end = self._keeper.error, _failed(self._keeper.error)
        return self.end

    async def stop(self, reason: str) -> None:
        """Take no more turns, and end when what is in flight has ended."""
        if not self.end:
            self.end = reason
            await self._alarm.ring()

    async def relimit(self, slots: int, max_wait: float) -> None:
        """The settings have changed: so many fetches at once, and so long a wait, from now on."""
        self._slots, self._max_wait = slots, max_wait
        await self._alarm.ring()

    def view(self, busiest: int = 8) -> View:
        """What the display shows."""
        now = self._clock()
        hosts = []
        for host in self._registry.busiest(busiest):
            why, wait = self._registry.why(host, now)
            hosts.append(HostView(host.name, host.permits.taken, host.waiting, why, wait))
        queued = max(0, self._stats.pending - self._in_flight)
        return View(self._stats, self._in_flight, queued, now - self._began, tuple(hosts))

    # -- the scheduler coroutine

    async def _schedule(self, group: Any, feeder: Any) -> None:
        while True:
            await self._serve(group)
            if self._registry.asks:
                await self._keeper.serve()
            if self._in_flight == self._busy == 0:
                await self._keeper.flush()
            if self._is_over():
                break
            if self._keeper.hungry(self._slots):
                await self._hungry.ring()
            await self._alarm.sleep(self._until_next())
        await feeder.cancel()
        await self._keeper.close()

    async def _serve(self, group: Any) -> None:
        """Take all the turns that may be taken now."""
        await self._see_to_the_rest(group)
        while self._may_take():
            turn = self._registry.take(self._clock(), may_connect=self._connecting < max(1, self._slots * CONNECTING))
            await self._see_to_the_rest(group)
            if turn is None:
                break
            self._in_flight += 1
            self._connecting += turn.connecting
            await group.spawn(self._fetch, turn)
        while self._may_take() and (replay := self._registry.replay(self._clock())) is not None:
            self._in_flight += 1
            await group.spawn(self._replay, replay)

    async def _see_to_the_rest(self, group: Any) -> None:
        """What a look for turns brings up besides: rows that may not go, names that are not known."""
        registry = self._registry
        while registry.refused:
            refused = registry.refused.popleft()
            self._record.refused(refused, self._clock())
            if refused.error is not None:
                await self._aside(group, self._give_up, refused.row, refused.error)
            else:
                log.info("%s %s: %s", refused.outcome.value, refused.row.request.url, refused.reason)
                await self._hand_over(refused.row, refused.outcome, refused.reason, Harvest())
        while registry.unresolved:
            await self._aside(group, self._look_up, *registry.unresolved.popleft())

    async def _aside(self, group: Any, work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        """Spawn what needs no slot."""
        self._busy += 1
        await group.spawn(self._count_busy, work, *arguments)

    async def _count_busy(self, work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        try:
            await work(*arguments)
        finally:
            self._busy -= 1
            await self._alarm.ring()

    def _may_take(self) -> bool:
        bounds = self._bounds
        if self.end or self._in_flight >= self._slots or self._keeper.behind:
            return False
        if bounds.max_pages is not None and self._pages_done + self._in_flight >= bounds.max_pages:
            return False
        return bounds.max_items is None or self._items < bounds.max_items

    def _is_over(self) -> bool:
        self._check_bounds()
        if self._in_flight or self._busy:
            return False
        if self.end:
            return True
        if self._feeding or self._registry.asks or not self._keeper.quiet:
            return False
        if not self._stats.pending:
            self.end = "finished"
        elif self._stalls_until() is not None:
            self.end = "stalled"
            self._say_who_stalls()
        return bool(self.end)

    def _check_bounds(self) -> None:
        bounds = self._bounds
        if self.end:
            return
        if self._keeper.error is not None:
            self.error, self.end = self._keeper.error, _failed(self._keeper.error)
        elif bounds.max_pages is not None and self._pages_done >= bounds.max_pages:
            self.end = "max-pages"
        elif bounds.max_items is not None and self._items >= bounds.max_items:
            self.end = "max-items"
        elif bounds.max_time is not None and self._clock() >= self._began + bounds.max_time:
            self.end = "max-time"
        elif self._too_many_failures():
            self.end = "max-failures"

    @property
    def _items(self) -> int:
        return self._keeper.items - self._items_before

    def _too_many_failures(self) -> bool:
        limit, failed = self._bounds.max_failures, self._stats.failed - self._failed_before
        if limit is None:
            return False
        done = self._stats.done - self._done_before
        # A share means little among the first few.
        return failed > limit if isinstance(limit, int) else done >= 20 and failed > limit * done

    def _next_opening(self) -> tuple[float, str]:
        """When something opens next, here or off the workbench, and at which host."""
        opening = self._registry.next_opening()
        when, name = (opening[0], opening[1].name) if opening else (NEVER, "")
        return (self._keeper.ask_at, "") if self._keeper.ask_at < when else (when, name)

    def _stalls_until(self) -> float | None:
        """When something opens next, if the crawl does not wait for that: too late, or a host that is set aside."""
        when, _ = self._next_opening()
        opening = self._registry.next_opening()
        aside = opening is not None and opening[0] == when > self._clock() and opening[1].aside
        return when if aside or when > self._clock() + self._max_wait else None

    def _say_who_stalls(self) -> None:
        when, name = self._next_opening()
        opening = self._registry.next_opening()
        rule = f" ({opening[1].rule})" if opening is not None and opening[1].name == name else ""
        wait = "never" if when == NEVER else f"in {when - self._clock():.0f} s"
        why = "it is set aside" if opening is not None and opening[1].aside else f"max_wait is {self._max_wait:g} s"
        log.warning("nothing is open: %s opens %s%s, and the crawl does not wait: %s", name, wait, rule, why)

    def _until_next(self) -> float | None:
        """How long the scheduler may sleep unless somebody wakes it."""
        now = self._clock()
        until = NEVER
        if self._may_take():
            until = self._next_opening()[0]
        if self._bounds.max_time is not None and not self.end:
            until = min(until, self._began + self._bounds.max_time)
        return None if until == NEVER else max(0.0, until - now)

    # -- the feed

    async def _feed(self) -> None:
        """Pull ``start()`` while few requests wait."""
        try:
            if self._starts:
                async with curio.meta.finalize(self._pages.start()) as first:
                    await self._pull(first)
                await self._keeper.note(start_done=True)
        except ScrapekitError as error:
            self.error = error
            await self.stop("start failed")
        finally:
            self._feeding = False
            await self._alarm.ring()

    async def _pull(self, first: AsyncIterator[Found]) -> None:
        pulled = 0
        async for found in first:
            await self._keeper.found(found)
            pulled += 1
            if pulled % HANDFUL == 0:
                await curio.sleep(0)  # or a plain generator would let nobody else run
            while not self._keeper.hungry(self._slots):
                await self._hungry.sleep()

    # -- fetch tasks

    async def _fetch(self, turn: Turn) -> None:
        """One turn, from sending to its outcome's hand-over."""
        try:
            if turn.robots_of is not None:
                self._robots(turn.robots_of, turn.row, await self._send(turn, turn.row.request))
            elif isinstance(request := await self._pages.prepared(turn.row), Request):
                await self._send_prepared(turn, request)
            else:
                await self._skip(turn, request)
        except SinkError as error:
            # What cannot be put on record is not sent.
            self.error = error
            await self.stop("sink failed")
        finally:
            self._in_flight -= 1
            await self._alarm.ring()

    async def _replay(self, turn: Turn) -> None:
        """A row whose answer is kept, from there to its outcome's hand-over: nothing is sent, and nobody is asked."""
        try:
            request = await self._pages.prepared(turn.row)
            reply = None if self._answer_kept is None else self._answer_kept(turn.row.request)
            if reply is None:
                self._registry.not_at_hand(turn, self._clock())
            elif isinstance(request, Request):
                await self._conclude(turn.row, self._fetcher.replayed(turn, request, reply), "cached")
            else:
                await self._refuse(turn.row, request)
        except SinkError as error:
            self.error = error
            await self.stop("sink failed")
        finally:
            self._in_flight -= 1
            await self._alarm.ring()

    async def _send_prepared(self, turn: Turn, request: Request) -> None:
        """Send what the spider's ``prepare`` made of a row, if robots.txt lets that go too."""
        if request is not turn.row.request and (refused := self._registry.refusal(turn, request)) is not None:
            self._record.refused(refused, self._clock())
            await self._skip(turn, (refused.outcome, refused.reason))
        else:
            await self._conclude(turn.row, await self._send(turn, self._pages.conditional(turn.row, request)))

    async def _skip(self, turn: Turn, end: Refusal) -> None:
        """Give a turn back unused; its row ends all the same."""
        self._registry.skipped(turn, self._clock())
        self._stop_connecting(turn)
        await self._refuse(turn.row, end)

    async def _refuse(self, row: Row, end: Refusal) -> None:
        failed = end[0] is Outcome.FAILED
        harvest = await self._pages.failed(row.request, CallbackError(end[1])) if failed else Harvest()
        await self._hand_over(row, *end, harvest)

    async def _send(self, turn: Turn, request: Request) -> Result:
        async def on_sent() -> None:
            self._stop_connecting(turn)
            self._registry.sent(turn, self._clock())
            self._stats.sends += 1
            # The host's next opening is known only now.
            await self._alarm.ring()

        heard, registry = UNHEARD, self._registry
        handle = self._record.about_to_send(turn, request, self._clock())
        try:
            result = await self._fetcher.fetch(turn, request, on_sent, lambda: registry.may_go(turn, self._clock()))
            heard = result.heard
        finally:
            now = self._clock()
            self._stop_connecting(turn)
            registry.ended(turn, heard, now)
            self._record.ended(handle, turn, heard, now)
        return result

    def _stop_connecting(self, turn: Turn) -> None:
        if turn.connecting:
            turn.connecting = False
            self._connecting -= 1

    async def _conclude(self, row: Row, result: Result, reason: str = "") -> None:
        """Hand over what became of a row; ``reason`` is that of a page, where nothing else is."""
        self._stats.bytes += result.heard.size
        if result.heard.status:
            self._stats.statuses[result.heard.status] += 1
        if result.put_back is not None:
            await self._move(row, result)
        elif result.response is not None:
            self._pages_done += 1
            harvest = await self._pages.harvest(row, result.response)
            outcome, why = harvest.outcome
            await self._hand_over(row, outcome, why or reason, harvest)
        else:
            assert result.error is not None
            await self._give_up(row, result.error)

    async def _move(self, row: Row, result: Result) -> None:
        assert result.put_back is not None
        target = result.put_back.row
        if isinstance(result.cause, Overtaken):
            log.debug("overtaken %s: %s", row.request.url, result.cause)
        elif result.cause is not None:
            self._stats.retries += 1
            log.info("retry %s: %s", row.request.url, result.cause)
        else:
            self._stats.redirects += 1
            if (refusal := self._pages.refusal(target.request, target.host)) is not None:
                await self._hand_over(row, *refusal, Harvest())
                return
        await self._keeper.put_back(result.put_back)

    async def _give_up(self, row: Row, error: FetchError) -> None:
        harvest = await self._pages.failed(row.request, error)
        log.info("failed %s: %s", row.request.url, error)
        await self._hand_over(row, Outcome.FAILED, error.reason, harvest)

    async def _hand_over(self, row: Row, outcome: Outcome, reason: str, harvest: Harvest) -> None:
        if row.request.parent is None:
            self._stats.starts += 1
            self._stats.starts_failed += outcome is Outcome.FAILED
        self._record.left_out(harvest.found, self._clock())
        ended = Ended(row, outcome, reason, harvest.validators, len(harvest.items))
        await self._keeper.ended(ended, harvest.found, harvest.items, harvest.rejected)
        if self._bounds.fail_fast and (harvest.error or harvest.rejected):
            await self.stop("fail-fast")

    def _robots(self, origin: Origin, row: Row, result: Result) -> None:
        """Tell the registry what became of a request for robots.txt."""
        registry, now = self._registry, self._clock()
        self._stats.bytes += result.heard.size
        if result.put_back is not None:
            registry.robots_put_back(origin, result.put_back.row, now)
        elif result.response is not None:
            registry.robots_known(origin, result.response.status, result.response.body, now)
            self._record.robots(origin, now)
        elif isinstance(result.error, TooManyRedirects):
            # As if there were none (RFC 9309 §2.3.1.2).
            registry.robots_known(origin, 404, b"", now)
            self._record.robots(origin, now)
        else:
            assert result.error is not None
            registry.robots_failed(origin, result.error, now)
            self._record.robots_failed(origin, now, status=result.heard.status, error=result.error.reason)
            log.warning("%s cannot be crawled: robots.txt: %s", origin.name, result.error)

    async def _look_up(self, host: str, url: str) -> None:
        try:
            await self._resolve(url)
        finally:
            self._registry.resolved(host, self._clock())


def _failed(error: ScrapekitError) -> str:
    """What ends a crawl of which nothing more can be committed."""
    return "sink failed" if isinstance(error, SinkError) else "state failed"
