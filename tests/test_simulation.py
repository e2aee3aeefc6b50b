"""Crawls of simulated webs, held against what the web saw of them: politeness, completeness, and time."""

from __future__ import annotations

import heapq
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrapekit import Response, Settings, Spider
from scrapekit.crawler import prepare_crawl
from scrapekit.keeper import INTERVAL
from scrapekit.registry import MAX_GROUPS
from scrapekit.scheduler import CONNECTING
from scrapekit.testing import Answer, Knobs, Simulation, VirtualClock, Visit, World
from scrapekit.testing.simulation import CONTACT

#: Nothing is worth waiting less for: the worlds' pauses are virtual.
PATIENT = "crawl.max_wait=1000000"
#: So much that neither slots nor places on the workbench are ever short.
AMPLE = ("crawl.concurrency=10000", "crawl.workbench=100000", "crawl.window=1000", PATIENT)

shares = st.sampled_from([0.0, 0.1, 0.5])
knobs = st.builds(
    Knobs,
    hosts=st.integers(1, 40),
    pages=st.sampled_from([1.0, 4.0, 12.0]),
    latency=st.sampled_from([0.0, 0.1, 2.0]),
    connect=st.sampled_from([0.0, 0.02, 1.0]),
    errors=shares,
    redirects=shares,
    storms=shares,
    dying=shares,
    robots=shares,
    changing=shares,
    change=st.sampled_from([10.0, 50_000.0]),
)


def crawled(seed: int, knobs: Knobs, *sets: str, **more: Any) -> Simulation:
    web = Simulation(seed, knobs)
    web.stats = web.crawl(PATIENT, *sets, **more)  # type: ignore[attr-defined]
    return web


def check(web: Simulation) -> None:
    """Nothing impolite, nothing lost, nothing twice."""
    stats = web.stats  # type: ignore[attr-defined]
    assert stats.end == "finished"
    assert list(web.violations()) == []
    assert list(web.lost()) == []
    assert stats.pending == 0
    assert stats.seen == stats.fetched + stats.failed + stats.disallowed + stats.dropped
    # one outcome for each request: as many callbacks as outcomes, and no page's twice
    assert stats.fetched == len(web.pages) == web.pages.total()
    assert stats.failed == len(web.failures) == web.failures.total()
    assert not web.pages.keys() & web.failures.keys()


# -- politeness, and nothing lost


@settings(max_examples=60)
@given(
    st.integers(0, 1 << 32),
    knobs,
    st.sampled_from([0.0, 0.5, 3.0]),
    st.sampled_from([1, 2, 5]),
    st.sampled_from([1, 3, 64]),
    st.sampled_from([1, 2, 64]),
    st.sampled_from([2, 5, 512]),
)
def test_in_random_webs_nothing_is_impolite_lost_or_done_twice(
    seed: int, knobs: Knobs, delay: float, cap: int, slots: int, window: int, bench: int
) -> None:
    check(
        crawled(
            seed,
            knobs,
            f"limits.delay={delay}",
            f"limits.concurrency={cap}",
            f"crawl.concurrency={slots}",
            f"crawl.window={window}",
            f"crawl.workbench={bench}",
        )
    )


@pytest.mark.simulation
@pytest.mark.parametrize("seed", range(2))
def test_in_a_web_of_thousands_of_hosts_with_everything_nothing_is_impolite_lost_or_done_twice(seed: int) -> None:
    everything = Knobs(hosts=3_000, errors=0.05, redirects=0.1, storms=0.1, dying=0.1, robots=0.5, changing=0.2)
    web = crawled(seed, everything, "crawl.concurrency=256", "crawl.workbench=1000")
    check(web)
    assert len(web.visits) > 20_000


def test_rules_that_change_hold_from_the_moment_at_which_they_are_read() -> None:
    web = crawled(3, Knobs(hosts=12, pages=60, robots=0.6, changing=1.0, change=10 * 3600), "limits.delay=1800")
    check(web)
    robots = [visit for visit in web.visits if visit.url.endswith("/robots.txt")]
    later = [visit for visit in robots if visit.began > web.began + 10 * 3600]
    assert later, "no crawl was long enough to read them again"
    assert web.stats.disallowed  # type: ignore[attr-defined]


def test_the_same_seed_is_the_same_crawl() -> None:
    everything = Knobs(hosts=30, errors=0.1, redirects=0.1, storms=0.2, dying=0.2, robots=0.5)
    first, again, other = (crawled(seed, everything) for seed in (5, 5, 6))
    assert [visit.url for visit in first.visits] == [visit.url for visit in again.visits]
    assert [visit.url for visit in first.visits] != [visit.url for visit in other.visits]


def test_a_web_is_as_its_knobs_say() -> None:
    web = Simulation(1, hosts=5_000, pages=8, latency=0.2, dying=0.1, storms=0.2, robots=0.3)
    sizes, latencies = [site.pages for site in web.sites], [site.latency for site in web.sites]
    assert 6 < sum(sizes) / 5_000 < 10
    assert max(sizes) > 40 * sorted(sizes)[2_500]
    assert 0.15 < sum(latencies) / 5_000 < 0.25
    assert sum(site.dead is not None for site in web.sites) == pytest.approx(500, rel=0.2)
    assert sum(site.storm is not None for site in web.sites) == pytest.approx(1_000, rel=0.2)
    assert sum(site.rules[0] != "" for site in web.sites) == pytest.approx(1_500, rel=0.2)


# -- the least possible time


def least(web: Simulation, delay: float, cap: int) -> float:
    """How long the slowest host takes at least: a walk through its requests, each as early as the limits permit."""
    pages: dict[str, list[str]] = defaultdict(list)
    for url in web.urls():
        pages[url.split("/")[2]].append(url)
    return max(_alone([_answer(web, f"http://{host}/robots.txt"), *(_answer(web, url) for url in urls)], delay, cap)
               for host, urls in pages.items())  # fmt: skip


def _answer(web: Simulation, url: str) -> Answer:
    return web.answer(url, 1)


def _alone(answers: list[Answer], delay: float, cap: int) -> float:
    """One host, first come first served: when its last exchange ends, if each begins at once when it may."""
    opens, out, idle, last = 0.0, [], 0, 0.0
    for number, answer in enumerate(answers):
        now = opens if number != 1 else max(opens, last)  # pages wait for robots.txt
        while out and (out[0] <= now or len(out) == cap):
            now = max(now, heapq.heappop(out))
            idle += 1
        sent = now if idle else now + answer.connect
        idle -= idle > 0
        heapq.heappush(out, sent + answer.latency)
        # Without a delay nobody waits until a connection stands.
        opens, last = sent + delay if delay else now, max(last, sent + answer.latency)
    return last


@settings(max_examples=60)
@given(
    st.integers(0, 1 << 32),
    st.builds(
        Knobs,
        hosts=st.integers(1, 60),
        pages=st.sampled_from([1.0, 8.0, 30.0]),
        latency=st.sampled_from([0.01, 0.1, 2.0]),
        connect=st.sampled_from([0.0, 0.02, 1.0]),
    ),
    st.sampled_from([0.0, 0.1, 1.0, 10.0]),
    st.sampled_from([1, 2, 8]),
)
def test_a_crawl_of_known_urls_takes_the_least_time_that_the_limits_permit(
    seed: int, knobs: Knobs, delay: float, cap: int
) -> None:
    web = crawled(seed, knobs, *AMPLE, f"limits.delay={delay}", f"limits.concurrency={cap}", linked=False)
    check(web)
    took, ideal = web.stats.duration, least(web, delay, cap)  # type: ignore[attr-defined]
    assert ideal * 0.999 <= took <= ideal * 1.03


@pytest.mark.parametrize("slots", [32, 64])
def test_slots_that_are_few_beside_the_hosts_cost_next_to_nothing(slots: int) -> None:
    web = crawled(
        2,
        Knobs(hosts=400, pages=20, latency=0.5),
        *AMPLE,
        f"crawl.concurrency={slots}",
        "limits.delay=0.5",
        linked=False,
    )
    check(web)
    assert web.stats.duration <= least(web, 0.5, 1) * 1.03  # type: ignore[attr-defined]


# -- nobody waits who need not


class Watched(VirtualClock):
    """A clock that tells somebody whenever it is about to move: then everybody has had a turn."""

    watch: Any = None

    @property
    def now(self) -> float:
        return self._now

    @now.setter
    def now(self, value: float) -> None:
        if self.watch is not None:
            self.watch(value)
        self._now = value


class Watch:
    """Keeps its own account of a web's hosts, and writes down who was not served that could have been.

    ``delay``, ``cap`` and ``slots`` are those of the crawl; the web must answer every request.
    """

    def __init__(self, web: Simulation, delay: float, cap: int, slots: int) -> None:
        self.web, self.delay, self.cap, self.slots = web, delay, cap, slots
        self.unserved: list[str] = []
        self.looks = self._read = 0
        self._out: set[int] = set()
        self._visits: dict[str, list[Visit]] = defaultdict(list)
        self._asked: set[str] = set()
        self._waiting: dict[str, dict[str, float]] = defaultdict(dict)
        for url in web.start():
            self._found(url, web.began)

    def __call__(self, until: float) -> None:
        """The clock is about to move to ``until``: is anybody left who could be served from some moment before?"""
        now = self.web.clock.now
        self._catch_up()
        connecting = sum(self.web.visits[number].sent is None for number in self._out)
        if len(self._out) >= self.slots or connecting >= max(1, self.slots * CONNECTING):
            return
        self.looks += 1
        for host, waiting in self._waiting.items():
            if waiting and (opens := max(self._opens(host), min(waiting.values()))) < until - 1e-9:
                self.unserved.append(f"{host} could go at {opens:.3f}, it is {now:.3f} and will be {until:.3f}")

    def _catch_up(self) -> None:
        visits = self.web.visits
        for number in range(self._read, len(visits)):
            visit = visits[number]
            self._out.add(number)
            self._visits[visit.host].append(visit)
            self._asked.add(visit.url)
            self._waiting[visit.host].pop(visit.url, None)
        self._read = len(visits)
        for number in [number for number in self._out if visits[number].ended <= self.web.clock.now]:
            self._out.remove(number)
            visit = visits[number]
            if visit.status == 200:
                for url in self.web.links(visit.url):
                    # What is found for another host is committed within the interval.
                    own = url.startswith(f"http://{visit.host}/")
                    self._found(url, visit.ended if own else visit.ended + INTERVAL)

    def _found(self, url: str, when: float) -> None:
        if url not in self._asked:
            waiting = self._waiting[url.split("/")[2]]
            waiting[url] = min(when, waiting.get(url, when))

    def _opens(self, host: str) -> float:
        visits = self._visits[host]
        if not visits:
            return 0.0
        now = self.web.clock.now
        out = sum(self.web.visits[number].host == host for number in self._out)
        if out >= self.cap or visits[-1].sent is None or visits[0].ended > now:
            return float("inf")
        return visits[-1].sent + self.delay


@settings(max_examples=60)
@given(
    st.integers(0, 1 << 32),
    st.builds(
        Knobs,
        hosts=st.integers(1, 30),
        pages=st.sampled_from([1.0, 8.0, 30.0]),
        latency=st.sampled_from([0.01, 0.1, 2.0]),
        connect=st.sampled_from([0.0, 0.02, 1.0]),
    ),
    st.sampled_from([0.0, 0.1, 1.0]),
    st.sampled_from([1, 3]),
    st.sampled_from([4, 16, 200]),
    st.sampled_from([1, 8, 64]),
)
def test_no_open_host_with_a_request_waiting_stays_unserved_while_a_slot_is_free(
    seed: int, knobs: Knobs, delay: float, cap: int, slots: int, window: int
) -> None:
    clock = Watched()
    web = Simulation(seed, knobs, clock=clock)
    clock.watch = watch = Watch(web, delay, cap, slots)
    sets = (
        f"limits.delay={delay}",
        f"limits.concurrency={cap}",
        f"crawl.concurrency={slots}",
        f"crawl.window={window}",
    )
    web.crawl(PATIENT, *sets)
    assert watch.unserved == []
    assert watch.looks


# -- many hosts


def test_an_address_counts_as_long_as_its_pause_however_many_others_were_asked_meanwhile() -> None:
    others = [f"http://h{number}.test/" for number in range(MAX_GROUPS)]

    class Many(Spider):
        name = "many"
        start_urls = ("http://a--10.0.0.1.test/", *others, "http://b--10.0.0.1.test/")

        def parse(self, response: Response) -> None: ...

    clock = VirtualClock()
    world = World(lambda url, nth: Answer(), clock)
    sets = (CONTACT, "limits.delay=100", "limits.per_address=1", "limits.robots=ignore", "limits.robots_reason=a test")
    tables = Settings().overridden([*sets, "crawl.workbench=2000", "crawl.concurrency=1000"])
    stats = clock.run(prepare_crawl(Many, tables, network=world, clock=clock).run)
    first, second = (visit.sent for visit in world.visits if "10.0.0.1" in visit.url)
    assert stats.fetched == len(others) + 2
    assert (second or 0.0) - (first or 0.0) >= 100
