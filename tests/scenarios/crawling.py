"""A spider that keeps what it is given, and crawls of it: in memory on a virtual clock, or over real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scrapekit import Failure, Request, Response, Settings, Spider, Stats, crawl_async
from scrapekit.testing import FakeNetwork, VirtualClock

#: Everybody may be crawled, and is named; nothing is waited for that a scenario does not ask for.
SETS: Final = ("identity.contact=https://example.org/bot", "limits.delay=0")


class Visit(Spider):
    """An item for each answer, an entry in ``failures`` for each error; follows links where told."""

    name = "visit"

    def __init__(self, urls: Sequence[str | Request], *, follow: bool = False) -> None:
        self.urls, self.follow = urls, follow
        self.answers: list[Response] = []
        self.failures: list[Failure] = []

    def start(self) -> Iterator[str | Request]:
        return iter(self.urls)

    def parse(self, response: Response) -> Iterator[Any]:
        self.answers.append(response)
        yield {"url": response.url}
        if self.follow:
            yield from response.follow_all()

    def errback(self, failure: Failure) -> None:
        self.failures.append(failure)


@dataclass(frozen=True, slots=True)
class Crawled:
    """What came of a crawl; ``seconds`` in the time of its clock."""

    stats: Stats
    items: list[dict[str, Any]]
    answers: list[Response]
    failures: list[Failure]
    seconds: float

    @property
    def outcomes(self) -> tuple[int, int, int, int]:
        """How many were fetched, failed, disallowed, dropped; all that was seen has one of these."""
        s = self.stats
        assert s.seen == s.fetched + s.failed + s.disallowed + s.dropped
        assert s.pending == 0
        return s.fetched, s.failed, s.disallowed, s.dropped

    @property
    def bodies(self) -> list[bytes]:
        return [response.body for response in self.answers]

    @property
    def urls(self) -> list[str]:
        return [response.url for response in self.answers]

    @property
    def reasons(self) -> dict[str, int]:
        return {f"{outcome}: {why}": count for (outcome, why), count in self.stats.reasons.items()}


async def crawl_of(
    urls: Sequence[str | Request], *sets: str, follow: bool = False, spider: type[Visit] = Visit, **more: Any
) -> Crawled:
    """Crawl these, inside curio."""
    made = spider(urls, follow=follow)
    settings = Settings().overridden([*SETS, *sets])
    stats, items = await crawl_async(made, settings, items=True, **{"keep": False, **more})
    return Crawled(stats, items, made.answers, made.failures, stats.duration)


def crawl_in_memory(
    run: Callable[..., Any], network: FakeNetwork, urls: Sequence[str | Request], *sets: str, **more: Any
) -> Crawled:
    """Crawl a fake network on a virtual clock; afterwards no connection is open."""
    clock = VirtualClock()

    async def whole() -> Crawled:
        return await crawl_of(urls, *sets, network=network, clock=clock, **more)

    crawled: Crawled = run(whole, clock=clock)
    assert network.open == 0, "a connection was left open"
    return crawled
