"""A look at sites before a crawl: their robots.txt and what else is asked for by name, and nothing more.

It stands on the same parts as a crawl: the host's limits and its pauses, redirects, fields, deadlines. What a crawl
would try again is told instead, for somebody waits for the answer.

Invariant: one request to a host at a time, and no two starts closer than its pause; a host that the settings refuse is
never asked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import curio

from scrapekit.config import Limits, Settings
from scrapekit.errors import FetchError, TooManyRedirects
from scrapekit.fetcher import Fetcher, Result, Sender
from scrapekit.frontier import Row
from scrapekit.headers import Headers
from scrapekit.hosts import Host, Semaphore, Turn
from scrapekit.http import Client, Names, Resolver
from scrapekit.kernel import Alarm, steady_clock
from scrapekit.origins import MAX_HOPS, Origin, closes
from scrapekit.request import Request
from scrapekit.response import Response
from scrapekit.robots import Verdict
from scrapekit.url import host_of, origin_of


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a URL: a response, or the error that stands for it.

    ``url`` is the one that answered, ``history`` has those that led there.
    """

    url: str
    history: tuple[str, ...] = ()
    response: Response | None = None
    error: FetchError | None = None
    status: int = 0


@dataclass(frozen=True, slots=True)
class Site:
    """One origin's robots.txt as it was read: ``origin`` judges by it, ``answer`` says how it was come by."""

    origin: Origin
    answer: Answer

    def verdict(self, url: str, agent: str) -> Verdict | None:
        """What the file says of a canonical URL; None if it cannot be read, so that nothing may be fetched."""
        return self.origin.rules.verdict(agent, url) if self.origin.rules is not None else None

    def allows(self, url: str, agent: str) -> bool:
        """Whether the URL may be fetched."""
        verdict = self.verdict(url, agent)
        return verdict is not None and verdict.allowed


@dataclass(frozen=True, slots=True)
class _Post:
    """A host, and the lock that lets one of its requests after the other through."""

    host: Host
    lock: curio.Lock = field(default_factory=curio.Lock)


class Scout:
    """Asks sites for single files, politely.

    ``spider`` is whose limits hold. ``clock`` gives seconds since the epoch.
    """

    def __init__(self, wire: Sender, settings: Settings, *, clock: Callable[[], float], spider: str = "") -> None:
        self._settings, self._clock, self._spider = settings, clock, spider
        self._fetcher = Fetcher(
            wire,
            headers=Headers({"User-Agent": settings.user_agent, "Accept": "*/*"}),
            clock=clock,
            max_redirects=settings.crawl.max_redirects,
        )
        self._posts: dict[str, _Post] = {}
        self._sites: dict[str, Site] = {}
        self._asking: dict[str, curio.Lock] = {}
        self._ids = count(1)

    def __repr__(self) -> str:
        return f"<Scout at {len(self._posts)} hosts, {len(self._sites)} robots.txt read>"

    async def site(self, url: str) -> Site:
        """The robots.txt of a canonical URL's origin, asked for once.

        Raises ConfigError where this crawl may not go.
        """
        self._check(url)
        name = origin_of(url)
        async with self._asking.setdefault(name, curio.Lock()):
            if name not in self._sites:
                self._sites[name] = await self._ask_site(Origin(name))
        return self._sites[name]

    async def file(self, url: str) -> Answer:
        """Fetch a URL if the robots.txt of its origin lets us, and of each origin that it leads to.

        Raises ConfigError where this crawl may not go.
        """
        return await self._follow(Request(url))

    def host(self, url: str) -> Host:
        """The host of a canonical URL, with its limits and all that is known of it so far."""
        return self._post(host_of(url)).host

    async def _ask_site(self, origin: Origin) -> Site:
        answer = await self._follow(origin.robots_request(), origin)
        if answer.response is not None:
            origin.learn(answer.status, answer.response.body, self._clock())
        else:
            assert answer.error is not None
            origin.give_up(answer.error)
        host = self.host(origin.name + "/")
        host.origins[origin.name] = origin
        host.learn_delay(self._settings.identity.name)
        return Site(origin, answer)

    async def _follow(self, request: Request, robots_of: Origin | None = None) -> Answer:
        """One request and the hops that it leads to."""
        row = Row(next(self._ids), host_of(request.url), request)
        while True:
            if robots_of is None and (refusal := await self._refusal(row.request)) is not None:
                return Answer(row.request.url, row.history, error=refusal)
            result = await self._send(row, robots_of)
            if result.put_back is None or not (result.cause is None or result.cause.reused):
                return _answer(row, result)
            row = result.put_back.row

    async def _refusal(self, request: Request) -> FetchError | None:
        self._check(request.url)
        if self._limits(request.url).robots == "ignore":
            return None
        site = await self.site(request.url)
        return site.origin.refusal(request, self._settings.identity.name)

    async def _send(self, row: Row, robots_of: Origin | None) -> Result:
        """Wait for the host's turn, and take it."""
        self._check(row.request.url)
        post = self._post(row.host)
        host = post.host
        async with post.lock:
            await self._until(max(host.opens_at, row.not_before))
            turn = Turn(host, row, self._clock(), host.opens_at, host.rule, robots_of)

            async def sent() -> None:
                turn.sent_at = self._clock()

            result = await self._fetcher.fetch(turn, row.request, sent)
            # What was not sent costs the pause all the same.
            host.last_sent = turn.sent_at or self._clock()
            pause = host.pause()
            host.shut_until(host.last_sent + pause.seconds, pause.rule)
            if result.rest is not None:
                host.shut_until(result.rest.until, result.rest.rule)
        return result

    async def _until(self, when: float) -> None:
        alarm = Alarm()
        while (left := when - self._clock()) > 0:
            await alarm.sleep(left)

    def _check(self, url: str) -> None:
        self._settings.check_host(host_of(url), self._spider)

    def _limits(self, url: str) -> Limits:
        return self._settings.limits_for(host_of(url), self._spider)

    def _post(self, name: str) -> _Post:
        if name not in self._posts:
            limits = self._settings.limits_for(name, self._spider)
            self._posts[name] = _Post(Host(name, 0, limits, Semaphore(1), 0.0, "", {}))
        return self._posts[name]


def _answer(row: Row, result: Result) -> Answer:
    error = result.error or result.cause
    return Answer(row.request.url, row.history, result.response, error, result.status)


@asynccontextmanager
async def scouting(
    settings: Settings, *, spider: str = "", network: Any = None, clock: Callable[[], float] | None = None
) -> AsyncIterator[Scout]:
    """A scout on the real network, or on one in memory."""
    resolver: Names = network.resolver if network else Resolver(settings.resolve)
    client = network.client() if network else Client(resolver)
    try:
        yield Scout(client, settings, clock=clock or steady_clock(), spider=spider)
    finally:
        await client.close()
        if isinstance(resolver, Resolver):
            await resolver.close()


def meaning(answer: Answer) -> str:
    """What an answer to a request for robots.txt means, with the section of RFC 9309 that says so."""
    if isinstance(answer.error, TooManyRedirects):
        return f"more than {MAX_HOPS} redirects: nothing may be fetched (RFC 9309 §2.3.1.2 leaves it to us)"
    if answer.status == 429:
        return "nothing may be fetched until it can be read (politer than RFC 9309 §2.3.1.3, which lets us go on)"
    if closes(answer.status) or answer.error is not None:
        return "unreachable: nothing may be fetched until it can be read (RFC 9309 §2.3.1.4)"
    if 200 <= answer.status < 300:
        return "its rules hold (RFC 9309 §2.3.1.1)"
    if answer.status >= 400:
        return "there is none: everything may be fetched (RFC 9309 §2.3.1.3)"
    return "it leads nowhere, as if there were none: everything may be fetched (RFC 9309 §2.3.1.2)"
