"""A web in memory that answers whole requests, for simulations: no sockets, no bytes on a wire.

The real scheduler, registry, keeper, frontier and fetcher crawl it on a virtual clock. It keeps a record of what was
sent to it and when, which ``violations`` holds against delays and caps: it trusts nothing that the crawl computed.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import Final

import curio

from scrapekit.errors import ConnectFailed, FetchError, FetchTimeout, Overtaken
from scrapekit.headers import Headers
from scrapekit.http import DIRECT, Deadlines, Reply, Terms, Way
from scrapekit.http.address import Address
from scrapekit.url import host_of, origin_of, split_host


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server gives: after ``latency`` seconds a reply, or ``error``, which may come before a byte was sent.

    ``connect`` is how long a new connection takes; ``refuses`` fails it.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    latency: float = 0.05
    connect: float = 0.02
    refuses: bool = False
    resets: bool = False


_NOTHING: Final = Answer(404)


def page(*links: str, **facts: float) -> Answer:
    """An HTML page with these links."""
    body = "<html><body>" + "".join(f'<a href="{link}">x</a>' for link in links)
    return Answer(body=body.encode(), headers={"Content-Type": "text/html"}, **facts)  # type: ignore[arg-type]


@dataclass(slots=True)
class Visit:
    """One request as the server saw it; times in seconds. ``sent`` is None if it never arrived.

    ``status`` is 0 where the answer did not come through; ``answer`` is what the server had for it.
    """

    url: str
    host: str
    began: float
    sent: float | None = None
    ended: float = math.inf
    status: int = 0
    answer: Answer = _NOTHING


class World:
    """Answers every request by ``answer(url, nth)``, where ``nth`` counts the requests for this URL from 1."""

    def __init__(self, answer: Callable[[str, int], Answer], clock: Callable[[], float]) -> None:
        self._answer, self._clock = answer, clock
        self._times: Counter[str] = Counter()
        self._idle: Counter[str] = Counter()
        self.visits: list[Visit] = []

    def __repr__(self) -> str:
        return f"<World {len(self.visits)} visits>"

    @property
    def resolver(self) -> World:
        return self

    def client(self) -> World:
        return self

    def cached(self, hostname: str, port: int) -> tuple[Address, ...]:
        """Each name has an address of its own, unless it says so: ``a--10.0.0.1.test`` shares ``10.0.0.1``."""
        shared = hostname.partition("--")[2]
        return (Address(shared.rpartition(".")[0] or f"name:{hostname}", port),)

    async def resolve(self, hostname: str, port: int) -> tuple[Address, ...]:
        return self.cached(hostname, port)

    def has_idle(self, url: str, way: Way = DIRECT) -> bool:
        return self._idle[origin_of(url)] > 0

    async def close(self) -> None:
        self._idle.clear()

    def note(self, visit: Visit) -> None:
        """Keep a visit, which begins now."""
        self.visits.append(visit)

    async def send(
        self,
        method: str,
        url: str,
        headers: Headers,
        body: bytes = b"",
        *,
        terms: Terms,
        on_sent: Callable[[], Awaitable[None]] | None = None,
        may_go: Callable[[], bool] | None = None,
        fresh: bool = False,
    ) -> Reply:
        """Play one exchange, in virtual time."""
        self._times[url] += 1
        answer = self._answer(url, self._times[url])
        visit = Visit(url, host_of(url), self._clock(), answer=answer)
        self.note(visit)
        try:
            await self._connect(url, answer, terms.deadlines)
            if may_go is not None and not may_go():
                raise Overtaken("the host asked for a rest meanwhile", url=url)
            visit.sent = self._clock()
            if on_sent is not None:
                await on_sent()
            return await self._reply(url, answer, visit, terms.deadlines)
        finally:
            visit.ended = self._clock()

    async def _connect(self, url: str, answer: Answer, deadlines: Deadlines) -> None:
        origin = origin_of(url)
        if self._idle[origin]:
            self._idle[origin] -= 1
            return
        await curio.sleep(min(answer.connect, deadlines.connect))
        if answer.connect > deadlines.connect:
            raise FetchTimeout("no connection", url=url, phase="connect")
        if answer.refuses:
            raise ConnectFailed("refused", url=url, phase="connect")

    async def _reply(self, url: str, answer: Answer, visit: Visit, deadlines: Deadlines) -> Reply:
        await curio.sleep(min(answer.latency, deadlines.total))
        error: FetchError | None = None
        if answer.latency > deadlines.total:
            error = FetchTimeout("no answer", url=url, phase="head", sent=True)
        elif answer.resets:
            error = ConnectFailed("reset", url=url, phase="head", sent=True)
        if error is not None:
            raise error
        self._idle[origin_of(url)] += 1
        visit.status = answer.status
        body = answer.body
        address = self.cached(split_host(visit.host)[0], 0)[0].ip
        return Reply(answer.status, Headers(answer.headers), body, "1.1", address, len(body), False)


def violations(visits: Iterable[Visit], delay: Callable[[str], float], cap: Callable[[str], int]) -> Iterator[str]:
    """Where two sends to one host came closer than its delay, or more than its cap were out at once."""
    by_host: dict[str, list[Visit]] = defaultdict(list)
    for visit in visits:
        if visit.sent is not None:
            by_host[visit.host].append(visit)
    for host, sent in by_host.items():
        times = sorted(visit.sent or 0.0 for visit in sent)
        for breach in chain(gaps(times, delay(host)), overlaps(sent, cap(host))):
            yield f"{host}: {breach}"


#: What is lost when seconds since the epoch are added up.
ROUNDING: Final = 1e-6


def gaps(times: Iterable[float], least: float) -> Iterator[str]:
    """Two of these times, in order, that are closer than the least gap."""
    for earlier, later in pairwise(times):
        if later - earlier < least - ROUNDING:
            yield f"sent after {later - earlier:.6f} s, the delay is {least} s"


def overlaps(visits: Iterable[Visit], cap: int) -> Iterator[str]:
    """More of these visits out at once than the cap."""
    # At one moment the end of an exchange goes before the start of the next.
    moments = sorted(chain.from_iterable(((visit.sent or 0.0, 1), (visit.ended, -1)) for visit in visits))
    out = 0
    for _, step in moments:
        out += step
        if out > cap:
            yield f"{out} at once, the cap is {cap}"
            return
