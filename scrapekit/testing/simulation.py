"""A web from a seed, and the real crawl on it: hosts by the thousand, with everything that hosts do.

    web = Simulation(seed=7, hosts=1_000, dying=0.1, storms=0.05)
    stats = web.crawl("limits.delay=2")
    assert list(web.violations()) == []

Scheduler, registry, frontier, throttle and retries are the real ones; clock and network are not. The same seed and
knobs give the same web, and the same crawl on it. The web remembers what was sent to it, and judges by that alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import Any, Final

from scrapekit.config import Settings
from scrapekit.crawler import prepare_crawl
from scrapekit.response import Response
from scrapekit.spider import Failure, Spider
from scrapekit.stats import Stats
from scrapekit.testing.clock import VirtualClock
from scrapekit.testing.judge import Judge
from scrapekit.testing.world import Answer, World, page

#: Everybody may be crawled, and is named.
CONTACT: Final = "identity.contact=https://example.org/bot"
#: The sizes and latencies of hosts follow a power law: few are large or slow, and those by much.
SIZES, LATENCIES = 1.4, 1.6
#: No answer takes longer, so that latency alone is no timeout. Seconds.
SLOWEST: Final = 20.0
#: Each of a host's pages links to two of its own, so that all can be reached; its front page, to so many other hosts.
OWN, OTHERS = 2, 4
STARTS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """What a web is like. Shares are in [0, 1]; times in seconds, and averages.

    ``pages`` of a host. Of all pages, some have ``errors`` (half of them pass at another try) and some are
    ``redirects``, each to another host. Of all hosts, some answer 429 for a while (``storms``), some do not answer for
    a while (``dying``), some have rules in their ``robots`` and some new ones later (``changing``, after ``change``).
    """

    hosts: int = 100
    pages: float = 8.0
    latency: float = 0.2
    connect: float = 0.02
    errors: float = 0.0
    redirects: float = 0.0
    storms: float = 0.0
    dying: float = 0.0
    robots: float = 0.0
    changing: float = 0.0
    change: float = 60.0


@dataclass(frozen=True, slots=True)
class Site:
    """One host's nature. It storms or is dead between two moments, in seconds from the beginning."""

    name: str
    pages: int
    latency: float
    connect: float
    storm: tuple[float, float] | None
    dead: tuple[float, float] | None
    patience: int | None
    rules: tuple[str, str]


class Simulation(World):
    """The web of one seed, on a clock of its own. It is a network: ``prepare_crawl`` takes it, and ``clock`` with it.

    ``crawl`` may be called once. ``pages`` and ``failures`` count by URL how often the spider was handed one.
    """

    def __init__(
        self, seed: int = 0, knobs: Knobs | None = None, *, clock: VirtualClock | None = None, **more: Any
    ) -> None:
        self.seed, self.knobs, self.clock = seed, knobs or Knobs(**more), clock or VirtualClock()
        super().__init__(self.answer, self.clock)
        self.began = self.clock()
        self.sites = [self._site(number) for number in range(self.knobs.hosts)]
        self.settings = Settings().overridden([CONTACT])
        self.pages: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Simulation {self.seed} of {len(self.sites)} hosts, {len(self.visits)} visits>"

    def crawl(self, *sets: str, linked: bool = True, spider: Spider | None = None, **more: Any) -> Stats:
        """Crawl the web with these settings, such as ``"limits.delay=2"``, and give the statistics.

        ``linked``: from a few front pages by links; else every URL is known at the start. ``spider`` replaces
        the one that follows all links.
        """
        self.settings = self.settings.overridden(sets)
        crawl = prepare_crawl(
            spider or _Follow(self, linked),
            self.settings,
            network=self,
            clock=self.clock,
            random=Random(self.seed),
            **more,
        )
        stats: Stats = self.clock.run(crawl.run)
        return stats

    def violations(self) -> Iterator[str]:
        """Where the crawl was not polite, by what the web saw of it."""
        return self._judge().violations()

    def lost(self) -> Iterator[str]:
        """What a page that was answered links to, and robots.txt allows, and yet nobody asked for."""
        return self._judge().lost(self.start())

    def start(self) -> list[str]:
        """The URLs from which every other is reached: some, for a host may be dead when it is asked."""
        return [self._url(number, 0) for number in range(min(STARTS, len(self.sites)))]

    def urls(self) -> Iterator[str]:
        """The URL of each page, host by host."""
        for number, site in enumerate(self.sites):
            for index in range(site.pages):
                yield self._url(number, index)

    def links(self, url: str) -> list[str]:
        """The URLs to which a page links: a tree of each host's pages, a tree of hosts, and one host at random."""
        number, index = self._place(url)
        own = [self._url(number, each) for each in _children(index, OWN, self.sites[number].pages)]
        others = _children(number, OTHERS, len(self.sites)) if index == 0 else range(0)
        anywhere = int(self._dice("link", url) * len(self.sites))
        return own + [self._url(each, 0) for each in (*others, anywhere)]

    # -- what the servers do

    def answer(self, url: str, nth: int) -> Answer:
        """What a URL's server answers at this moment, to the nth request for it."""
        site, now = self._site_of(url), self.clock() - self.began
        facts: dict[str, Any] = {"latency": self._latency(site, url), "connect": site.connect}
        if site.dead is not None and site.dead[0] <= now < site.dead[1]:
            return Answer(refuses=True, resets=True, **facts)
        if site.storm is not None and site.storm[0] <= now < site.storm[1]:
            fields = {"Retry-After": str(site.patience)} if site.patience else {}
            return Answer(429, headers=fields, **facts)
        if url.endswith("/robots.txt"):
            text = site.rules[now >= self.knobs.change]
            return Answer(body=text.encode(), **facts) if text else Answer(404, **facts)
        return self._page(url, nth, facts)

    def _page(self, url: str, nth: int, facts: dict[str, Any]) -> Answer:
        error = self._dice("error", url)
        if error < self.knobs.errors:
            passes = error < self.knobs.errors / 2
            if not passes or nth == 1:
                return Answer(resets=True, **facts) if error * 1e6 % 1 < 0.5 else Answer(502, **facts)
        if "moved" not in url and self._dice("redirect", url) < self.knobs.redirects:
            number, index = self._place(url)
            host = int(self._dice("target", url) * len(self.sites))
            return Answer(302, headers={"Location": f"http://{self.sites[host].name}/moved/{number}/{index}"}, **facts)
        return page(*self.links(url), **facts)

    def _latency(self, site: Site, url: str) -> float:
        return min(site.latency * (0.5 + self._dice("latency", url)), SLOWEST)

    # -- how it is made

    def _site(self, number: int) -> Site:
        knobs, dice = self.knobs, Random(f"{self.seed} {number}")
        mean = SIZES / (SIZES - 1)
        pages = max(1, round(knobs.pages * min(dice.paretovariate(SIZES) / mean, 100.0)))
        latency = knobs.latency * dice.paretovariate(LATENCIES) * (LATENCIES - 1) / LATENCIES
        storm = self._while(dice, knobs.storms)
        dead = self._while(dice, knobs.dying)
        patience = dice.choice([None, 5, 30, 90])
        before = _rules(dice) if dice.random() < knobs.robots else ""
        after = _rules(dice) if dice.random() < knobs.changing else before
        return Site(f"h{number}.test", pages, latency, knobs.connect, storm, dead, patience, (before, after))

    def _while(self, dice: Random, share: float) -> tuple[float, float] | None:
        chosen, begin, length = dice.random() < share, dice.uniform(-5.0, 30.0), dice.uniform(5.0, 120.0)
        return (begin, begin + length) if chosen else None

    def _dice(self, what: str, url: str) -> float:
        """A number in [0, 1) that a URL has for a purpose."""
        digest = blake2b(f"{self.seed} {what} {url}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) / 2.0**64

    def _url(self, number: int, index: int) -> str:
        return f"http://{self.sites[number].name}/{index}"

    def _place(self, url: str) -> tuple[int, int]:
        """The host and the index of a page, wherever it has moved to."""
        *_, host, index = url.split("/")
        return int(host.removeprefix("h").removesuffix(".test")), int(index)

    def _site_of(self, url: str) -> Site:
        return self.sites[int(url[8 : url.index(".")])]

    def _judge(self) -> Judge:
        return Judge(self.visits, self.settings.limits_for, self.links)


def _children(parent: int, arity: int, size: int) -> range:
    first = parent * arity + 1
    return range(first, max(first, min(first + arity, size)))


def _rules(dice: Random) -> str:
    rule = dice.choice(["Disallow: /3", "Disallow: /moved/", "Crawl-delay: 2", "Crawl-delay: 3.5\nDisallow: /1"])
    return f"User-agent: *\n{rule}\n"


class _Follow(Spider):
    """Follows every link."""

    name = "simulation"

    def __init__(self, web: Simulation, linked: bool) -> None:
        self._web, self._linked = web, linked

    def start(self) -> Iterator[str]:
        yield from self._web.start() if self._linked else self._web.urls()

    def parse(self, response: Response) -> Iterator[Any]:
        self._web.pages[response.url] += 1
        if self._linked:
            yield from response.follow_all(css="a")

    def errback(self, failure: Failure) -> None:
        self._web.failures[failure.request.url] += 1
