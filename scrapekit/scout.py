"""A look at sites before a crawl: their robots.txt and what else is asked for by name, and nothing more.

It goes by the rules of a crawl (limits, pauses, redirects, what an answer to robots.txt means) and needs none of its
machinery: one file is asked for after the other, and what a crawl would try again is told instead, for somebody waits.

Invariant: one request to a host at a time, and no two starts closer than its pause; a host that the settings refuse is
never asked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import curio

from scrapekit.config import Limits, Settings
from scrapekit.credentials import Credentials
from scrapekit.errors import BadStatus, Disallowed, FetchError, PrivateAddress, RobotsUnreachable, TooManyRedirects
from scrapekit.fetcher import Sender, terms_of
from scrapekit.headers import Headers
from scrapekit.http import Client, Names, Reply, Resolver, next_hop
from scrapekit.kernel import Alarm, steady_clock
from scrapekit.origins import ALLOW_ALL, MAX_HOPS, closes
from scrapekit.reach import Reach
from scrapekit.request import Request
from scrapekit.response import Response
from scrapekit.retry import ASKS_FOR_PAUSE, pause_of_host, retry_after
from scrapekit.robots import Robots, Verdict, parse
from scrapekit.signing import signer
from scrapekit.throttle import Pause
from scrapekit.url import host_of, origin_of, split
from scrapekit.ways import Ways, surroundings

#: A host that asks to be left alone for longer than this is not waited for. Seconds.
PATIENCE: Final = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a URL: a response, or the error that stands for it.

    ``url`` is the one that answered, ``history`` has those that led there; ``status`` is 0 where nothing answered.
    """

    url: str
    history: tuple[str, ...] = ()
    response: Response | None = None
    error: FetchError | None = None
    status: int = 0


@dataclass(frozen=True, slots=True)
class Site:
    """One origin's robots.txt: the ``rules`` in it, None if it cannot be read; ``answer`` says how it was come by."""

    rules: Robots | None
    answer: Answer

    @classmethod
    def made(cls, answer: Answer) -> Site:
        """What an answer means (RFC 9309 §2.3.1)."""
        if answer.response is None or closes(answer.status):
            return cls(None, answer)
        return cls(parse(answer.response.body) if 200 <= answer.status < 300 else ALLOW_ALL, answer)

    def verdict(self, url: str, agent: str) -> Verdict | None:
        """What the file says of a canonical URL; None if it cannot be read, so that nothing may be fetched."""
        return self.rules.verdict(agent, url) if self.rules is not None else None

    def allows(self, url: str, agent: str) -> bool:
        """Whether the URL may be fetched."""
        verdict = self.verdict(url, agent)
        return verdict is not None and verdict.allowed

    def asked(self, agent: str) -> Pause | None:
        """The longest pause that the file asks for."""
        return asked_pause(self.rules, agent) if self.rules is not None else None


@dataclass(slots=True)
class _Post:
    """A host: what it is asked to bear, when it opens, and the lock that lets one request after the other through."""

    limits: Limits
    pause: float
    sent_at: float = 0.0
    rests_until: float = 0.0
    lock: curio.Lock = field(default_factory=curio.Lock)


class Scout:
    """Asks sites for single files, politely.

    ``spider`` is whose limits hold. ``names`` tells which hosts share an address. ``environment`` has proxies and
    credentials; ``clock`` gives seconds since the epoch.

    Raises ConfigError for a secret or a file that the settings name and that cannot be read.
    """

    def __init__(
        self,
        wire: Sender,
        settings: Settings,
        *,
        names: Names,
        clock: Callable[[], float],
        spider: str = "",
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._wire, self._settings, self._names, self._clock, self._spider = wire, settings, names, clock, spider
        self._reach = Reach(limits_for=lambda host: settings.limits_for(host, spider), static=settings.static)
        self._ways = Ways(
            settings, environment=environment, spider=spider, may_be_private=self._reach.may_be_private, now=clock
        )
        self._credentials = Credentials(settings, spider, environment=environment)
        self._agent = settings.identity.name
        self._headers = settings.own_headers.updated({"Accept": "*/*"})
        self._sign = signer(settings, clock=clock)
        self._posts: dict[str, _Post] = {}
        self._at_address: dict[str, float] = {}
        self._sites: dict[str, Site] = {}
        self._asking: dict[str, curio.Lock] = {}

    def __repr__(self) -> str:
        return f"<Scout at {len(self._posts)} hosts, {len(self._sites)} robots.txt read>"

    async def site(self, url: str) -> Site:
        """The robots.txt of the origin of a canonical URL that a person gave, asked for once.

        Raises ConfigError where this crawl may not go.
        """
        self._reach.start(host_of(url))
        return await self._site(url)

    async def _site(self, url: str) -> Site:
        self.check(host_of(url))
        name = origin_of(url)
        async with self._asking.setdefault(name, curio.Lock()):
            if name not in self._sites:
                self._sites[name] = await self._ask_site(name)
        return self._sites[name]

    async def file(self, url: str) -> Answer:
        """Fetch a URL that a site gave, if the robots.txt of its origin lets us, and of each origin that it leads to.

        Raises ConfigError where this crawl may not go.
        """
        if self._reach.is_closed(host_of(url)):
            return Answer(url, error=PrivateAddress(f"{host_of(url)} is not for others to lead to", url=url))
        answer = await self._follow(Request(url), self._settings.crawl.max_redirects, obeying=True)
        if answer.response is not None and answer.status >= 400:
            return Answer(answer.url, answer.history, None, BadStatus(answer.status, url=answer.url), answer.status)
        return answer

    def pause(self, host: str) -> float:
        """The least time between two requests to a host, as far as is known by now. Seconds."""
        return self._post(host).pause

    def check(self, host: str) -> None:
        """Raise ConfigError for a host to which this crawl may not go."""
        self._settings.check_host(host, self._spider)

    def limits(self, host: str) -> Limits:
        """What a host is asked to bear."""
        return self._post(host).limits

    async def _ask_site(self, origin: str) -> Site:
        site = Site.made(await self._follow(Request(f"{origin}/robots.txt"), MAX_HOPS, obeying=False))
        post, asked = self._post(host_of(origin + "/")), site.asked(self._agent)
        if asked is not None and post.limits.robots == "obey":
            post.pause = max(post.pause, min(asked.seconds, post.limits.max_crawl_delay))
        return site

    async def _follow(self, request: Request, max_hops: int, *, obeying: bool) -> Answer:
        """One request and the hops that it leads to."""
        history: tuple[str, ...] = ()
        status = 0
        while True:
            url = request.url
            try:
                if obeying:
                    await self._check_rules(request)
                reply = await self._send(request)
                status = reply.status
                hop = next_hop(
                    request.method,
                    url,
                    request.headers,
                    request.body,
                    status=status,
                    location=reply.headers.get("location"),
                    hops=len(history),
                    max_hops=max_hops,
                )
                if hop is not None and self._reach.refuses_hop(hop.url, url):
                    raise PrivateAddress(f"leads to {host_of(hop.url)}", url=url, phase="redirect")
            except FetchError as error:
                return Answer(url, history, error=error, status=status if isinstance(error, TooManyRedirects) else 0)
            if hop is None:
                return Answer(url, history, Response(url, request, status, reply.headers, reply.content), status=status)
            history, request = (*history, url), request.replace(url=hop.url)

    async def _check_rules(self, request: Request) -> None:
        """Raise what keeps us from a URL, if anything does."""
        site = await self._site(request.url)
        if self._post(host_of(request.url)).limits.robots == "ignore" or site.allows(request.url, self._agent):
            return
        if (verdict := site.verdict(request.url, self._agent)) is None:
            raise site.answer.error or RobotsUnreachable(f"robots.txt answers {site.answer.status}", url=request.url)
        raise Disallowed(f"robots.txt line {verdict.line}: {verdict.rule}", url=request.url)

    async def _send(self, request: Request) -> Reply:
        """Wait for the host's turn, and take it; once more where a kept connection was cut under us."""
        self.check(host_of(request.url))
        post = self._post(host_of(request.url))
        async with post.lock:
            try:
                return await self._send_once(post, request)
            except FetchError as error:
                if not error.reused:
                    raise
            return await self._send_once(post, request, fresh=True)

    async def _send_once(self, post: _Post, request: Request, *, fresh: bool = False) -> Reply:
        limits = post.limits
        address = await self._address(request.url, limits)
        await self._wait(post, address)
        # What is never sent costs the pause all the same.
        post.sent_at = self._at_address[address] = self._clock()

        async def sent() -> None:
            post.sent_at = self._at_address[address] = self._clock()

        fields = self._headers.updated(limits.headers)
        if authorization := self._credentials.field(request.url):
            fields = fields.updated({"Authorization": authorization})
        if self._sign is not None:
            fields = fields.updated(self._sign(request.method, request.url))
        reply = await self._wire.send(
            request.method,
            request.url,
            Headers([pair for pair in fields.raw if pair[1]]),
            terms=terms_of(limits, None, limits.max_size, way=self._ways.of(request.url, limits)),
            on_sent=sent,
            fresh=fresh,
        )
        asked = retry_after(reply.headers.get("retry-after"), self._clock())
        if asked is None and reply.status in ASKS_FOR_PAUSE:
            asked = pause_of_host(reply.status, attempt=1)
        if asked is not None:
            post.rests_until = self._clock() + min(asked, limits.max_retry_after)
        return reply

    async def _address(self, url: str, limits: Limits) -> str:
        """The address by which hosts share a pause; where a proxy looks the name up, the name."""
        parts = split(url)
        if not self._ways.names_here(url, limits):
            return parts.hostname
        return (await self._names.resolve(parts.hostname, parts.port))[0].ip

    async def _wait(self, post: _Post, address: str) -> None:
        """Until the host may be asked; where that is long, say so instead."""
        now, hours = self._clock(), post.limits.visit
        if post.rests_until - now > PATIENCE:
            raise FetchError(f"the host asks to be left alone for {post.rests_until - now:.0f} s", phase="status")
        if hours is not None and hours.opens(now) - now > PATIENCE:
            raise FetchError(f"the settings let this host be visited at {hours} only", phase="send")
        alarm = Alarm()
        while (left := self._opens(post, address) - self._clock()) > 0:
            await alarm.sleep(left)

    def _opens(self, post: _Post, address: str) -> float:
        limits = post.limits
        opens = max(post.sent_at + post.pause, post.rests_until)
        if limits.per_address and (before := self._at_address.get(address)) is not None:
            opens = max(opens, before + post.pause / limits.per_address)
        return limits.visit.opens(opens) if limits.visit is not None else opens

    def _post(self, name: str) -> _Post:
        if name not in self._posts:
            limits = self._settings.limits_for(name, self._spider)
            self._posts[name] = _Post(limits, limits.delay)
        return self._posts[name]


@asynccontextmanager
async def scouting(
    settings: Settings, *, spider: str = "", network: Any = None, clock: Callable[[], float] | None = None
) -> AsyncIterator[Scout]:
    """A scout on the real network, or on one in memory."""
    resolver: Names = network.resolver if network else Resolver(settings.resolve)
    client = network.client() if network else Client(resolver)
    try:
        environment = surroundings(real=network is None)
        yield Scout(
            client, settings, names=resolver, clock=clock or steady_clock(), spider=spider, environment=environment
        )
    finally:
        await client.close()
        if isinstance(resolver, Resolver):
            await resolver.close()


def asked_pause(rules: Robots, agent: str) -> Pause | None:
    """The longest pause that a robots.txt asks an agent for: its Crawl-delay, or its Request-rate as a pause."""
    asked = [Pause(delay, "Crawl-delay")] if (delay := rules.delay(agent)) is not None else []
    if (rate := rules.request_rate(agent)) is not None:
        asked.append(Pause(rate.seconds / rate.requests, "Request-rate"))
    return max(asked, key=lambda each: each.seconds, default=None)


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
