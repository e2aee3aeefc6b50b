"""What a spider makes of an answer: items for the sinks, requests for the frontier.

Between the scheduler, which knows turns, and ``callbacks.py``, which runs user code. Everything that a callback yields
is checked here, and held until the callback has ended.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

import curio.meta
from pydantic import BaseModel

from scrapekit.callbacks import Callbacks
from scrapekit.directives import refusal
from scrapekit.errors import BadURL, CallbackError, ConfigError, ItemError, ScrapekitError
from scrapekit.former import Change, Former, validators_of
from scrapekit.frontier import Found, Outcome, Row, Validators
from scrapekit.reach import Reach
from scrapekit.request import Request
from scrapekit.response import Response
from scrapekit.sinks import Kept, keep, rejected
from scrapekit.sinks.marked import marked
from scrapekit.spider import Failure, Spider, allowed_hosts, callback_name
from scrapekit.stats import Stats
from scrapekit.tables import Limits
from scrapekit.traps import Traps
from scrapekit.url import host_of, is_below, origin_of, split_host

log = logging.getLogger("scrapekit.crawl")

Refusal = tuple[Outcome, str]

#: Of so many hosts at the most is remembered whether they may be crawled.
HOSTS: Final = 10_000
UNKNOWN: Final = (Outcome.DROPPED, "")


@dataclass(slots=True)
class Harvest:
    """What one callback gave; ``error`` is what it died of, if it did.

    ``change`` is how the page stands to the former run; the callback of an unchanged one is not called.
    """

    found: list[Found] = field(default_factory=list)
    items: list[Kept] = field(default_factory=list)
    rejected: list[Kept] = field(default_factory=list)
    error: CallbackError | None = None
    change: Change = Change.NEW
    validators: Validators | None = None

    @property
    def outcome(self) -> Refusal:
        """How the request of an answered page ends, and why so."""
        if self.error is not None:
            return Outcome.FAILED, "callback"
        return Outcome.FETCHED, self.change.value if self.change is Change.UNCHANGED else ""


class Pages:
    """Runs one spider's callbacks and reads what they give.

    ``known`` says of a fingerprint whether it was certainly seen; ``check_host`` raises ConfigError for a host that
    may not be crawled as things are set up, and ``reach`` knows where no page may lead. ``former`` is the run that an
    incremental crawl goes by; with ``archives`` pages are described so that a later one can go by this.
    """

    def __init__(
        self,
        spider: Spider,
        callbacks: Callbacks,
        *,
        known: Callable[[bytes], bool],
        check_host: Callable[[str], None],
        stats: Stats,
        limits_for: Callable[[str], Limits],
        reach: Reach,
        clock: Callable[[], float] = time.time,
        former: Former | None = None,
        archives: bool = False,
    ) -> None:
        self._spider, self._callbacks, self._known, self._stats = spider, callbacks, known, stats
        self._clock, self._reach, self._former, self._archives = clock, reach, former, archives
        self._check_host, self._limits_for, self._traps = check_host, limits_for, Traps()
        self._domains = allowed_hosts(spider)
        self._refusals: dict[str, Refusal | None] = {}
        self._names: dict[Any, str] = {}
        self._methods: set[Any] = set()
        self._warned = False

    async def start(self) -> AsyncIterator[Found]:
        """The spider's first requests, and after them those of the former run.

        Raises CallbackError for what is no request or what ``start()`` itself raises, and ConfigError for a host that
        may not be crawled or a former run that cannot be read.
        """
        times: Counter[bytes] = Counter()
        async with curio.meta.finalize(self._callbacks.each("start", self._first)) as requests:
            async for request in requests:
                host = host_of(request.url)
                self._reach.start(host)
                if self._refusals.get(host, UNKNOWN) is not None:  # None: it was checked, and nothing was wrong
                    self._check_host(host)
                fingerprint = request.fingerprint()
                if request.dont_filter:
                    # A start() that is run again gives it again: it is told from another one by how often it came.
                    times[fingerprint] += 1
                    fingerprint = blake2b(b"%d" % times[fingerprint], digest_size=16, key=fingerprint).digest()
                yield self._found(request, fingerprint, 0, None)
        for request in self._former.requests() if self._former is not None else ():
            host = host_of(request.url)
            yield Found(request, host, request.fingerprint(), *(self._not_let_in(request, host) or (None, "")))

    def _first(self, value: Any) -> Request:
        request = self._request(value, None) if isinstance(value, str) else value
        if not isinstance(request, Request):
            raise CallbackError(f"{self._spider!r}: start() gave {_shown(value)}: neither a Request nor a URL")
        self._check_callbacks(request)
        return request

    async def prepared(self, row: Row) -> Request | Refusal:
        """What the spider's ``prepare`` makes of a request, or the outcome that it gives it.

        A request that was stored by an earlier version of the spider may name a callback that is gone.
        """
        if (gone := self._gone(row.request)) is not None:
            return Outcome.FAILED, f"no callback {gone}"
        if type(self._spider).prepare is Spider.prepare:
            return row.request
        given: list[Any] = []
        error = await self._callbacks.run("prepare", row.request, take=given.append)
        request = given[0] if given else None
        if error is None and isinstance(request, Request) and origin_of(request.url) == origin_of(row.request.url):
            return request
        if error is None and request is None:
            return Outcome.DROPPED, "prepare"
        if error is None:
            log.error("%s: prepare gave %r for %s; it must stay at its origin", self._spider.name, request, row.request)
        return Outcome.FAILED, "prepare"

    def _gone(self, request: Request) -> str | None:
        """The callback that the spider does not have, if it is one; told once each."""
        for name in (request.callback, request.errback):
            if name is not None and name not in self._methods:
                if not callable(getattr(self._spider, str(name), None)):
                    log.warning("%r has no method %r any more: requests that want it fail", self._spider, name)
                    return str(name)
                self._methods.add(name)
        return None

    def conditional(self, row: Row, prepared: Request) -> Request:
        """What to send for a row, of which ``prepared`` made this: in an incremental crawl, if it has changed."""
        return prepared if self._former is None else self._former.conditional(row.request, prepared)

    async def harvest(self, row: Row, response: Response) -> Harvest:
        """Run the callback of an answered request, and its errback if that dies; of an unchanged page, neither."""
        harvest = Harvest()
        if self._archives:
            harvest.validators = validators_of(response)
        if self._former is not None:
            harvest.validators, harvest.change = self._former.judge(response)
            if harvest.change is Change.UNCHANGED:
                return harvest
        method = row.request.callback or "parse"
        harvest.error = await self._run(str(method), response, row.request, harvest)
        said = self._objection(response)
        if said is not None:
            for error in response.rejected:
                error.snippet = ""
        self._read_notes(response, harvest)
        if harvest.error is not None:
            await self._errback(Failure(row.request, harvest.error, response), harvest)
        if said is not None:
            self._leave_out(harvest, said, response.url)
        response.release()
        return harvest

    def _objection(self, response: Response) -> str | None:
        """What the page says against keeping anything of it, as far as the settings heed that."""
        wishes = self._limits_for(host_of(response.url)).respect
        return refusal(response.directives, wishes, self._clock()) if wishes else None

    def _leave_out(self, harvest: Harvest, said: str, url: str) -> None:
        for kept in harvest.items:
            error = ItemError(f"not kept, for the page says {said}", model=kept.kind, url=url)
            harvest.rejected.append(rejected(error))
        harvest.items.clear()

    async def failed(self, request: Request, error: ScrapekitError) -> Harvest:
        """Run the errback of a request that failed; the items of a page that is gone come again, marked so."""
        harvest, former = Harvest(), self._former
        response: Response | None = getattr(error, "response", None)
        if former is not None and response is not None:
            harvest.change = former.judge_failed(response)
            if harvest.change is Change.GONE and self._spider.changes:
                harvest.items += former.items_of(response, self._spider.changes)
        await self._errback(Failure(request, error, response), harvest)
        return harvest

    def refusal(self, request: Request, host: str) -> Refusal | None:
        """Why a request does not enter the frontier, as its outcome and reason."""
        if host not in self._refusals:
            if len(self._refusals) >= HOSTS:
                self._refusals.clear()
            self._refusals[host] = self._host_refusal(host)
        refusal = self._refusals[host]
        asked_for = not request.depth or request.dont_filter  # what the user says is no trap
        if refusal is not None or asked_for:
            return refusal
        trap = self._traps.refusal(request.url, request.depth, self._limits_for(host))
        return (Outcome.DROPPED, trap) if trap is not None else None

    def _not_let_in(self, request: Request, host: str) -> Refusal | None:
        """Why a link does not enter the frontier; where a redirect may lead is the fetcher's to judge."""
        refusal = self.refusal(request, host)
        if refusal is None and self._reach.refuses(host, request.parent):
            return Outcome.DROPPED, "private address"
        return refusal

    def _host_refusal(self, host: str) -> Refusal | None:
        name = split_host(host)[0]
        if self._domains and not any(host == domain or is_below(name, domain) for domain in self._domains):
            return Outcome.DROPPED, "offsite"
        try:
            self._check_host(host)
        except ConfigError as error:
            if not self._warned:
                log.warning("links to other hosts are dropped where settings are wanting, the first of them: %s", error)
            self._warned = True
            return Outcome.DROPPED, f"needs {error.key}"
        return None

    async def _errback(self, failure: Failure, harvest: Harvest) -> None:
        method = failure.request.errback or "errback"
        if method == "errback" and type(self._spider).errback is Spider.errback:
            return
        await self._run(str(method), failure, failure.request, harvest)
        if failure.response is not None:
            self._read_notes(failure.response, harvest)

    async def _run(
        self, method: str, given: Response | Failure, request: Request, harvest: Harvest
    ) -> CallbackError | None:
        page = given if isinstance(given, Response) else given.response
        depth, parent = request.depth + 1, page.url if page is not None else request.url
        known, found = self._known, harvest.found

        def take(value: Any) -> None:
            if value is None:
                return
            if isinstance(value, str):
                value = self._request(value, page)
            if isinstance(value, Request):
                # Most links of a page are known: those cost a fingerprint, and nothing is built of them.
                self._check_callbacks(value)
                fingerprint = None if value.dont_filter else value.fingerprint()
                if fingerprint is None or not known(fingerprint):
                    found.append(self._found(value, fingerprint, depth, parent))
            else:
                self._take_item(value, harvest)

        return await self._callbacks.run(method, given, take=take)

    def _take_item(self, value: Any, harvest: Harvest) -> None:
        if not _is_item(value):
            raise CallbackError(
                f"{self._spider!r} yielded {_shown(value)}; a callback yields items (pydantic models, dataclasses, "
                "dicts), Requests, URLs as str, or None"
            )
        accepted = self._spider.accept(value)
        if accepted is not None:
            try:
                name = self._spider.changes
                harvest.items.append(marked(accepted, name, harvest.change) if name else keep(accepted))
            except TypeError as error:
                raise CallbackError(f"{self._spider!r} yielded {error}") from None

    def _request(self, url: str, page: Response | None) -> Request:
        try:
            return Request(url if page is None else page.urljoin(url))
        except BadURL as error:
            raise CallbackError(f"{self._spider!r} yielded a str that is no URL: {error}") from None

    def _check_callbacks(self, request: Request) -> None:
        """Learn the names of a request's callbacks. Raises CallbackError for what is no method of the spider."""
        for callback in (request.callback, request.errback):
            if callback is not None and callback not in self._names:
                self._names[callback] = callback_name(self._spider, callback)

    def _found(self, request: Request, fingerprint: bytes | None, depth: int, parent: str | None) -> Found:
        """A request as it goes into the frontier."""
        callback = None if request.callback is None else self._names[request.callback]
        errback = None if request.errback is None else self._names[request.errback]
        bound, host = request.bound(callback, errback, depth, parent), host_of(request.url)
        return Found(bound, host, fingerprint, *(self._not_let_in(bound, host) or (None, "")))

    def _read_notes(self, response: Response, harvest: Harvest) -> None:
        """What the response noted of items that it could not give."""
        if response.misses:
            self._stats.misses.update(response.misses)
            response.misses.clear()
        for error in response.rejected:
            log.warning("%s: rejected %s: %s", error.url, error, " ".join(error.snippet.split()))
            harvest.rejected.append(rejected(error))
        response.rejected.clear()


def _is_item(value: Any) -> bool:
    return isinstance(value, (BaseModel, dict)) or (dataclasses.is_dataclass(value) and not isinstance(value, type))


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 80 else text[:77] + '...'}"
