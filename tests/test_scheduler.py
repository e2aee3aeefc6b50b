"""The crawl's core on a virtual clock: what was sent and when is read off the world, not off the crawl."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrapekit import Item, Request, Response, Settings, Spider, Stats, css
from scrapekit.crawler import prepare_crawl
from scrapekit.errors import CallbackError, ConfigError, SinkError
from scrapekit.sinks import ListSink
from scrapekit.testing import Answer, VirtualClock, World, page, violations

#: Everybody may be crawled, and is named.
CONTACT = "identity.contact=https://example.org/bot"

Site = Callable[[str, int], Answer]


class Follow(Spider):
    """Follows every link, and yields an item for each page."""

    name = "follow"
    start_urls = ("http://a.test/",)

    def parse(self, response: Response) -> Iterator[Any]:
        yield {"url": response.url}
        yield from response.follow_all(css="a")


class Crawled:
    """One crawl of a world: its statistics, its items, and the world."""

    def __init__(self, site: Site, *sets: str, spider: type[Spider] = Follow, **more: Any) -> None:
        self.clock = VirtualClock()
        self.world = World(site, self.clock)
        self.settings = Settings().overridden([CONTACT, *sets])
        self.items: list[Any] = []
        crawl = prepare_crawl(spider, self.settings, network=self.world, clock=self.clock, output=[self], **more)
        self.stats: Stats = self.clock.run(crawl.run)

    # a sink
    def write(self, kept: Any, /) -> None:
        self.items += [each.item for each in kept]

    def position(self) -> int:
        return len(self.items)

    def rewind(self, position: int, /) -> None:
        del self.items[position:]

    def sync(self) -> None: ...
    def close(self) -> None: ...

    def sent(self, *, robots: bool = False) -> list[str]:
        visits = sorted((visit for visit in self.world.visits if visit.sent is not None), key=lambda visit: visit.sent)
        return [visit.url for visit in visits if robots or not visit.url.endswith("/robots.txt")]

    def times(self, url: str) -> list[float]:
        return [visit.sent for visit in self.world.visits if visit.url == url and visit.sent is not None]

    def violations(self) -> list[str]:
        def limits(host: str) -> Any:
            return self.settings.limits_for(host)

        return list(violations(self.world.visits, lambda h: limits(h).delay, lambda h: limits(h).concurrency))

    def adds_up(self) -> bool:
        s = self.stats
        return s.seen == s.fetched + s.failed + s.disallowed + s.dropped + s.pending


def no_robots(site: Site) -> Site:
    return lambda url, nth: Answer(404) if url.endswith("/robots.txt") else site(url, nth)


def star(n: int, **facts: float) -> Site:
    """A start page with links to n pages of one host."""
    return no_robots(lambda url, nth: page(*(f"/{i}" for i in range(n)), **facts) if url.endswith("t/") else page())


# -- politeness


def test_two_sends_to_a_host_are_never_closer_than_its_delay() -> None:
    crawled = Crawled(star(10), "limits.delay=2")
    assert crawled.violations() == []
    assert crawled.stats.fetched == 11
    # twelve sends, robots.txt among them; the first one had to connect
    assert crawled.stats.duration == pytest.approx(11 * 2 + 0.02 + 0.05)


@pytest.mark.parametrize("connect", [0.0, 0.05, 0.45, 3.0])
def test_a_slow_connect_does_not_bring_two_sends_together(connect: float) -> None:
    def site(url: str, nth: int) -> Answer:
        links = [f"/{i}" for i in range(20)] if url.endswith("t/") else []
        # every other connection is slow, and none is kept
        return page(*links, connect=connect if nth % 2 else 0.0, latency=0.3)

    crawled = Crawled(no_robots(site), "limits.delay=0.2", "limits.concurrency=4")
    assert crawled.violations() == []
    assert crawled.stats.fetched == 21


@pytest.mark.parametrize("cap", [1, 2, 16])
def test_never_more_than_the_cap_are_out_at_once(cap: int) -> None:
    crawled = Crawled(star(50, latency=1.0), "limits.delay=0", f"limits.concurrency={cap}")
    assert crawled.violations() == []
    assert crawled.stats.fetched == 51


def test_the_cap_is_reached_where_there_is_enough_to_do() -> None:
    site = no_robots(lambda url, nth: page(*(f"/{i}" for i in range(40)), latency=1.0))
    crawled = Crawled(site, "limits.delay=0", "limits.concurrency=4")
    # 40 pages, four at a time, a second each; the start page and robots.txt before them
    assert crawled.stats.duration == pytest.approx(10 + 1 + 0.07, abs=0.05)


def test_retry_after_rests_the_whole_host() -> None:
    def site(url: str, nth: int) -> Answer:
        if url.endswith("/1") and nth == 1:
            return Answer(429, headers={"Retry-After": "30"})
        return page(*(f"/{i}" for i in range(5))) if url.endswith("t/") else page()

    crawled = Crawled(no_robots(site), "limits.delay=0.5")
    first, second = crawled.times("http://a.test/1")
    assert second - first == pytest.approx(30 + 0.05)
    order = crawled.sent()
    assert order.index("http://a.test/2") == order.index("http://a.test/1", order.index("http://a.test/1") + 1) + 1
    assert (crawled.stats.fetched, crawled.stats.retries) == (6, 1)


def test_a_503_without_retry_after_rests_the_host_too() -> None:
    def site(url: str, nth: int) -> Answer:
        if url.endswith("/0") and nth == 1:
            return Answer(503)
        return page("/0", "/1") if url.endswith("t/") else page()

    crawled = Crawled(no_robots(site))
    first, second = crawled.times("http://a.test/0")
    assert second - first >= 60
    assert crawled.times("http://a.test/1")[0] - first >= 60


def test_a_retry_of_one_request_does_not_hold_up_the_others() -> None:
    def site(url: str, nth: int) -> Answer:
        if url.endswith("/0"):
            return Answer(500)
        return page(*(f"/{i}" for i in range(5))) if url.endswith("t/") else page()

    crawled = Crawled(no_robots(site))
    tries = crawled.times("http://a.test/0")
    assert len(tries) == 3
    assert max(crawled.times(f"http://a.test/{i}")[0] for i in range(1, 5)) < tries[1]
    assert crawled.stats.reasons["failed", "status 500"] == 1


def test_no_turn_that_was_taken_before_a_rest_is_used_in_it() -> None:
    def site(url: str, nth: int) -> Answer:
        if url.endswith("/0") and nth == 1:
            return Answer(429, headers={"Retry-After": "90"}, latency=1.0)
        # the connections of the other turns are there only when the rest has begun
        connect = 3.0 if url[-1] in "123" and nth == 1 else 0.0
        return page(*(f"/{n}" for n in range(4)), connect=connect) if url.endswith("t/") else page(connect=connect)

    crawled = Crawled(no_robots(site), "limits.delay=0", "limits.concurrency=4")
    (busy,) = [visit for visit in crawled.world.visits if visit.status == 429]
    after = [visit.sent for visit in crawled.world.visits if visit.sent is not None and visit.sent > busy.ended]
    assert min(after) >= busy.ended + 90
    assert (crawled.stats.fetched, crawled.stats.pending) == (5, 0)


def test_a_turn_is_void_if_robots_txt_has_changed_before_its_first_byte() -> None:
    # While /slow is connecting, the copy that is asked for again after twelve hours comes, and says no.
    def site(url: str, nth: int) -> Answer:
        if url.endswith("/robots.txt"):
            return Answer(body=b"User-agent: *\nDisallow: /slow" if nth > 1 else b"", latency=2.0)
        if url.endswith("/first"):
            return page("/slow", "/other", latency=13 * 3600.0)
        return page(connect=5.0 if url.endswith("/slow") else 0.0)

    class First(Follow):
        name = "first"
        start_urls = ("http://a.test/first",)

    crawled = Crawled(site, "limits.delay=0", "limits.concurrency=4", "limits.timeout=20 h", spider=First)
    assert "http://a.test/slow" not in crawled.sent()
    assert crawled.stats.disallowed == 1


def test_a_host_that_is_set_aside_is_not_waited_for_however_patient_the_crawl_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def site(url: str, nth: int) -> Answer:
        return Answer(503, headers={"Retry-After": "7200"}) if url.endswith("/1") else page("/1", "/2")

    crawled = Crawled(no_robots(site), "crawl.max_wait=10 h")
    assert (crawled.stats.end, crawled.stats.pending) == ("stalled", 2)
    assert crawled.stats.duration < 60
    assert "set aside" in caplog.text
    waited_for = Crawled(no_robots(site), "crawl.max_wait=10 h", "limits.max_retry_after=3 h")
    assert waited_for.stats.duration > 7200


def test_a_turn_says_that_a_retry_was_waited_for() -> None:
    def site(url: str, nth: int) -> Answer:
        return Answer(500) if url.endswith("/1") and nth == 1 else page("/1")

    clock = VirtualClock()
    world = World(no_robots(site), clock)
    crawl = prepare_crawl(Follow, Settings().overridden([CONTACT]), network=world, clock=clock)
    why: list[str] = []

    async def watched() -> None:
        import curio

        task = await curio.spawn(crawl.run)
        await curio.sleep(8)
        why.extend(host.why for host in crawl.view().busiest)
        await task.join()

    clock.run(watched)
    assert why == ["retry"]


# -- robots.txt


def rules(text: str, site: Site) -> Site:
    def answer(url: str, nth: int) -> Answer:
        if url.endswith("/robots.txt"):
            return Answer(body=text.encode(), headers={"Content-Type": "text/plain"})
        return site(url, nth)

    return answer


def test_robots_is_fetched_first_and_once() -> None:
    crawled = Crawled(star(5))
    assert crawled.sent(robots=True)[0] == "http://a.test/robots.txt"
    assert crawled.sent(robots=True).count("http://a.test/robots.txt") == 1


def test_what_robots_disallows_is_not_fetched_and_has_its_outcome() -> None:
    site = rules("User-agent: *\nDisallow: /1\n", lambda url, nth: page("/1", "/2"))
    crawled = Crawled(site)
    assert "http://a.test/1" not in crawled.sent()
    assert (crawled.stats.disallowed, crawled.stats.reasons["disallowed", "robots.txt"]) == (1, 1)
    assert crawled.adds_up()


def test_crawl_delay_holds_from_the_fetch_of_robots_on() -> None:
    site = rules("User-agent: *\nCrawl-delay: 3.5\n", lambda url, nth: page(*(f"/{i}" for i in range(4))))
    crawled = Crawled(site)
    assert list(violations(crawled.world.visits, lambda host: 3.5, lambda host: 1)) == []
    assert crawled.stats.duration == pytest.approx(5 * 3.5 + 0.07, abs=0.01)


def test_a_crawl_delay_beyond_the_cap_counts_as_the_cap() -> None:
    site = rules("User-agent: *\nCrawl-delay: 86400\n", lambda url, nth: page())
    crawled = Crawled(site, "limits.max_crawl_delay=10")
    assert crawled.stats.duration == pytest.approx(10 + 0.07, abs=0.01)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_other_4xx_on_robots_allow_everything(status: int) -> None:
    site: Site = lambda url, nth: Answer(status) if url.endswith("robots.txt") else page()  # noqa: E731
    assert Crawled(site).stats.fetched == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_robots_that_cannot_be_read_close_the_origin_and_its_requests_fail(status: int) -> None:
    site: Site = lambda url, nth: Answer(status) if url.endswith("robots.txt") else page()  # noqa: E731
    crawled = Crawled(site)
    assert crawled.sent() == []
    assert crawled.stats.reasons["failed", "robots unreachable"] == 1
    assert crawled.stats.end == "finished"
    assert len(crawled.times("http://a.test/robots.txt")) > 1


def test_robots_that_come_back_open_the_origin() -> None:
    def site(url: str, nth: int) -> Answer:
        if url.endswith("robots.txt"):
            return Answer(503) if nth < 3 else Answer(body=b"User-agent: *\nDisallow: /2")
        return page("/1", "/2")

    crawled = Crawled(site)
    assert (crawled.stats.fetched, crawled.stats.disallowed) == (2, 1)


def test_a_dead_host_ends_as_failed_with_its_error() -> None:
    crawled = Crawled(lambda url, nth: Answer(refuses=True))
    assert crawled.stats.reasons["failed", "connection"] == 1
    assert crawled.stats.end == "finished"


@pytest.mark.parametrize("hops", [5, 6])
def test_robots_follows_five_redirects_also_across_hosts_and_more_mean_none(hops: int) -> None:
    def site(url: str, nth: int) -> Answer:
        if url.endswith("robots.txt"):
            return Answer(301, headers={"Location": "http://b0.test/r"})
        if "//b" in url:
            n = int(urlsplit(url).netloc[1:-5])
            if n + 1 < hops:
                return Answer(301, headers={"Location": f"http://b{n + 1}.test/r"})
            return Answer(body=b"User-agent: *\nDisallow: /1")
        return page("/1")

    crawled = Crawled(site)
    assert crawled.stats.disallowed == (1 if hops == 5 else 0)
    assert crawled.violations() == []


def test_robots_ignored_where_settings_say_so() -> None:
    site = rules("User-agent: *\nDisallow: /\nCrawl-delay: 50", lambda url, nth: page("/1"))
    crawled = Crawled(site, "limits.robots=ignore", "limits.robots_reason=they asked us to")
    assert crawled.stats.fetched == 2
    assert crawled.stats.duration < 5
    assert "http://a.test/robots.txt" not in crawled.sent(robots=True)


def test_each_origin_of_a_host_has_its_own_robots() -> None:
    def site(url: str, nth: int) -> Answer:
        if url == "https://a.test/robots.txt":
            return Answer(body=b"User-agent: *\nDisallow: /x")
        return Answer(404) if url.endswith("robots.txt") else page("http://a.test/x", "https://a.test/x")

    crawled = Crawled(site)
    assert "http://a.test/x" in crawled.sent()
    assert "https://a.test/x" not in crawled.sent()
    assert crawled.violations() == []


# -- redirects


def test_each_hop_waits_for_a_turn_at_its_own_host() -> None:
    def site(url: str, nth: int) -> Answer:
        if url == "http://a.test/":
            return Answer(302, headers={"Location": "http://b.test/1"})
        if url == "http://b.test/1":
            return Answer(301, headers={"Location": "/2"})
        return page("http://b.test/3")

    crawled = Crawled(no_robots(site))
    assert crawled.sent() == ["http://a.test/", "http://b.test/1", "http://b.test/2", "http://b.test/3"]
    assert crawled.violations() == []
    assert (crawled.stats.seen, crawled.stats.fetched, crawled.stats.redirects) == (2, 2, 2)
    assert crawled.items[0] == {"url": "http://b.test/2"}


def test_a_loop_of_redirects_ends_at_the_limit() -> None:
    site = no_robots(lambda url, nth: Answer(302, headers={"Location": url}))
    crawled = Crawled(site, "crawl.max_redirects=4")
    assert len(crawled.sent()) == 5
    assert crawled.stats.reasons["failed", "too many redirects"] == 1


def test_a_hop_to_what_was_seen_is_dropped_as_a_duplicate() -> None:
    def site(url: str, nth: int) -> Answer:
        if url.endswith("/old"):
            return Answer(301, headers={"Location": "/new"})
        return page("/old", "/new") if url.endswith("t/") else page()

    crawled = Crawled(no_robots(site))
    assert crawled.times("http://a.test/new") != []
    assert len(crawled.times("http://a.test/new")) == 1
    assert crawled.stats.reasons["dropped", "duplicate"] == 1
    assert crawled.adds_up()


def test_a_hop_to_what_robots_disallows_is_not_fetched() -> None:
    site = rules("User-agent: *\nDisallow: /no", lambda url, nth: Answer(302, headers={"Location": "/no"}))
    crawled = Crawled(site)
    assert crawled.sent() == ["http://a.test/"]
    assert crawled.stats.disallowed == 1


def test_a_hop_offsite_is_dropped() -> None:
    class Inside(Follow):
        name = "inside"
        allowed_domains = ("a.test",)

    site = no_robots(lambda url, nth: Answer(302, headers={"Location": "http://b.test/"}))
    crawled = Crawled(site, spider=Inside)
    assert crawled.sent() == ["http://a.test/"]
    assert crawled.stats.reasons["dropped", "offsite"] == 1


# -- who waits for whom


def test_one_slow_host_does_not_hold_up_the_others() -> None:
    def site(url: str, nth: int) -> Answer:
        if url == "http://a.test/":
            return page(*(f"http://slow.test/{i}" for i in range(100)), *(f"http://fast.test/{i}" for i in range(20)))
        return page(latency=25.0 if "slow" in url else 0.05)

    crawled = Crawled(no_robots(site), "crawl.concurrency=4")
    fast = [visit.sent for visit in crawled.world.visits if visit.host == "fast.test"]
    assert max(fast) - min(fast) == pytest.approx(20, abs=0.5)


def test_dead_hosts_take_no_more_than_a_quarter_of_the_slots() -> None:
    class Many(Follow):
        name = "many"
        start_urls = (
            *(f"http://dead{i}.test/" for i in range(60)),
            *(f"http://live{i}.test/" for i in range(20)),
        )

    def site(url: str, nth: int) -> Answer:
        return page(connect=60.0) if "dead" in url else page(*(f"/{i}" for i in range(5)))

    crawled = Crawled(
        lambda url, nth: site(url, nth) if "dead" in url else no_robots(site)(url, nth),
        "crawl.concurrency=8",
        spider=Many,
    )
    for moment in (visit.began for visit in crawled.world.visits):
        connecting = [
            visit
            for visit in crawled.world.visits
            if visit.began <= moment < (visit.sent or visit.ended) and (visit.sent or visit.ended) > visit.began
        ]
        assert len(connecting) <= 2
    assert crawled.stats.reasons["failed", "timeout"] == 60
    assert crawled.stats.fetched == 20 * 6


def test_the_crawl_ends_and_names_the_host_if_nothing_opens_within_max_wait(caplog: pytest.LogCaptureFixture) -> None:
    def site(url: str, nth: int) -> Answer:
        return Answer(503, headers={"Retry-After": "3600"}) if url.endswith("/1") else page("/1", "/2")

    crawled = Crawled(no_robots(site))
    assert crawled.stats.end == "stalled"
    assert crawled.stats.pending == 2
    assert crawled.stats.duration < 60
    assert "a.test opens in 36" in caplog.text


# -- several hosts on one server

SHARED = [f"http://{name}--10.0.0.1.test/" for name in ("a", "b", "c", "d", "e", "f")]


class Shared(Follow):
    """Six names for one address, with five pages each."""

    name = "shared"
    start_urls = tuple(f"{home}{n}" for home in SHARED for n in range(5))


def sends_at_one_address(crawled: Crawled) -> list[Any]:
    sent = [visit for visit in crawled.world.visits if visit.sent is not None]
    return [replace(visit, host="10.0.0.1") for visit in sent]


@pytest.mark.parametrize("share", [1, 2, 4])
def test_hosts_at_one_address_are_together_asked_as_much_as_some_alone(share: int) -> None:
    site = no_robots(lambda url, nth: page(latency=0.3, connect=0.2 if nth % 2 else 0.0))
    crawled = Crawled(site, f"limits.per_address={share}", spider=Shared)
    together = sends_at_one_address(crawled)
    assert list(violations(together, lambda host: 1.0 / share, lambda host: share)) == []
    assert crawled.violations() == []
    assert crawled.stats.fetched == 30
    assert crawled.stats.duration == pytest.approx(36 / share, abs=36 / share * 0.25 + 1)


def test_an_address_caps_what_is_out_at_once_also_without_a_delay() -> None:
    site = no_robots(lambda url, nth: page(latency=1.0))
    crawled = Crawled(site, "limits.per_address=2", "limits.delay=0", "limits.concurrency=2", spider=Shared)
    assert list(violations(sends_at_one_address(crawled), lambda host: 0.0, lambda host: 4)) == []
    assert crawled.stats.duration == pytest.approx(30 / 4 + 0.5, abs=1)


def test_without_a_limit_by_address_each_host_goes_by_its_own() -> None:
    crawled = Crawled(no_robots(lambda url, nth: page()), "limits.per_address=0", spider=Shared)
    assert crawled.stats.duration == pytest.approx(5.07, abs=0.1)


def test_hosts_of_one_registrable_domain_share_where_asked() -> None:
    class Family(Follow):
        name = "family"
        start_urls = tuple(f"http://{name}.example.co.uk/{n}" for name in "abcd" for n in range(5))

    site = no_robots(lambda url, nth: page())
    crawled = Crawled(site, "limits.per_domain=2", spider=Family)
    together = [replace(visit, host="example.co.uk") for visit in crawled.world.visits]
    assert list(violations(together, lambda host: 0.5, lambda host: 2)) == []
    assert Crawled(site, spider=Family).stats.duration < 6 < crawled.stats.duration


# -- user code and bounds


def test_the_start_is_pulled_only_while_few_requests_wait() -> None:
    pulled: list[int] = []

    class Endless(Follow):
        name = "endless"

        def start(self) -> Iterator[Request]:
            for n in range(100_000):
                pulled.append(n)
                yield Request(f"http://a.test/{n}")

    Crawled(no_robots(lambda url, nth: page()), "crawl.concurrency=2", "crawl.workbench=4", spider=Endless, max_pages=5)
    assert len(pulled) < 300


def test_a_start_that_tells_one_host_after_another_keeps_all_of_them_busy_while_there_is_room() -> None:
    class OneByOne(Follow):
        name = "onebyone"
        start_urls = tuple(f"http://h{host}.test/{page}" for host in range(300) for page in range(10))

    crawled = Crawled(
        no_robots(lambda url, nth: page()), "crawl.concurrency=64", "crawl.workbench=300", spider=OneByOne
    )
    assert crawled.stats.duration == pytest.approx(10.05, abs=0.5)  # ten pauses, robots.txt before the first page


def test_an_async_start_feeds_the_crawl_while_it_runs(run: Any) -> None:
    import curio

    class Slow(Follow):
        name = "slow"

        async def start(self) -> Any:  # type: ignore[override]
            for n in range(3):
                yield f"http://a.test/{n}"
                await curio.sleep(10)

    crawled = Crawled(no_robots(lambda url, nth: page()), spider=Slow)
    assert crawled.stats.fetched == 3
    assert crawled.stats.duration == pytest.approx(30, abs=0.1)


def test_a_start_that_raises_ends_the_crawl_with_its_error() -> None:
    class Broken(Follow):
        name = "broken"

        def start(self) -> Iterator[str]:
            yield "http://a.test/"
            raise RuntimeError("no more")

    with pytest.raises(CallbackError, match="no more"):
        Crawled(no_robots(lambda url, nth: page()), spider=Broken)


def test_a_host_off_loopback_is_refused_before_the_first_request_without_a_contact() -> None:
    clock = VirtualClock()
    world = World(lambda url, nth: page(), clock)
    with pytest.raises(ConfigError, match="contact"):
        clock.run(prepare_crawl(Follow, Settings(), network=world, clock=clock).run)
    assert world.visits == []


def test_an_exception_in_a_callback_is_an_outcome_and_what_it_yielded_is_kept() -> None:
    class Fragile(Follow):
        name = "fragile"

        def parse(self, response: Response) -> Iterator[Any]:
            yield {"url": response.url}
            yield from response.follow_all(css="a")
            if response.url.endswith("/1"):
                raise ValueError("bad page")

    crawled = Crawled(star(3), spider=Fragile)
    assert (crawled.stats.fetched, crawled.stats.reasons["failed", "callback"], len(crawled.items)) == (3, 1, 4)
    assert crawled.stats.end == "finished"


def test_fail_fast_makes_it_the_end() -> None:
    class Fragile(Follow):
        name = "fragile"

        def parse(self, response: Response) -> Iterator[Any]:
            yield from response.follow_all(css="a")
            if response.url.endswith("/1"):
                raise ValueError("bad page")

    crawled = Crawled(star(9), spider=Fragile, fail_fast=True)
    assert crawled.stats.end == "fail-fast"
    assert crawled.stats.pending > 5


@pytest.mark.parametrize("n", [1, 2, 7])
def test_max_pages_is_never_more_than_n_callbacks(n: int) -> None:
    crawled = Crawled(star(30, latency=0.5), "limits.delay=0", "limits.concurrency=8", max_pages=n)
    assert len(crawled.items) == n
    assert crawled.stats.end == "max-pages"


def test_after_max_items_no_request_starts_and_pages_in_hand_are_finished() -> None:
    crawled = Crawled(star(30, latency=0.5), "limits.delay=0", "limits.concurrency=8", max_items=3)
    assert 3 <= len(crawled.items) <= 3 + 7
    assert len(crawled.sent()) == len(crawled.items)
    assert crawled.stats.end == "max-items"


def test_max_time_ends_the_crawl() -> None:
    crawled = Crawled(star(1000), max_time=20.5)
    assert crawled.stats.end == "max-time"
    assert crawled.stats.duration == pytest.approx(20.5, abs=0.1)


@pytest.mark.parametrize(("limit", "ends"), [("2", "max-failures"), ("3", "finished"), ("0.5", "finished")])
def test_more_failures_than_allowed_end_the_crawl(limit: str, ends: str) -> None:
    def site(url: str, nth: int) -> Answer:
        return page(*(f"/{i}" for i in range(8))) if url.endswith("t/") else Answer(404 if url[-1] in "012" else 200)

    crawled = Crawled(no_robots(site), f"crawl.max_failures={limit}")
    assert crawled.stats.end == ends


def test_a_sink_that_fails_while_pages_are_under_way_ends_the_crawl_with_its_error() -> None:
    class Full(ListSink):
        def write(self, kept: Any, /) -> None:
            raise SinkError("the disk is full", file="items")

    class Many(Follow):
        name = "many"
        start_urls = tuple(f"http://h{host}.test/{page}" for host in range(20) for page in range(10))

    clock = VirtualClock()
    world = World(lambda url, nth: page(latency=0.01 * len(url)), clock)
    tables = Settings().overridden([CONTACT, "limits.delay=0.1"])
    with pytest.raises(SinkError, match="full"):
        clock.run(prepare_crawl(Many, tables, network=world, clock=clock, output=[Full()]).run)


def test_an_item_that_does_not_validate_costs_neither_its_siblings_nor_its_page() -> None:
    class Price(Item, root="p"):
        price: int = css("b")

    class Prices(Follow):
        name = "prices"

        def parse(self, response: Response) -> Iterator[Any]:
            yield from response.items(Price)

    body = b"<p><b>1</b></p><p><b>cheap</b></p><p><b>3</b></p>"
    site = no_robots(lambda url, nth: Answer(body=body, headers={"Content-Type": "text/html"}))
    crawled = Crawled(site, spider=Prices)
    assert [item.price for item in crawled.items] == [1, 3]
    assert (crawled.stats.fetched, crawled.stats.rejected) == (1, 1)


def test_statuses_other_than_2xx_go_to_the_errback_once() -> None:
    told: list[Any] = []

    class Told(Follow):
        name = "told"

        def errback(self, failure: Any) -> Iterator[Any]:
            told.append((failure.request.url, str(failure.error), failure.response.status))
            yield {"failed": failure.request.url}

    site = no_robots(lambda url, nth: page("/gone") if url.endswith("t/") else Answer(410))
    crawled = Crawled(site, spider=Told)
    assert told == [("http://a.test/gone", "status 410", 410)]
    assert {"failed": "http://a.test/gone"} in crawled.items
    assert crawled.stats.reasons["failed", "status 410"] == 1


def test_items_are_kept_from_no_page_that_says_no_where_the_settings_heed_that() -> None:
    def site(url: str, nth: int) -> Answer:
        headers = {"Content-Type": "text/html"}
        if url.endswith("/no"):
            headers["X-Robots-Tag"] = "noindex"
        if url.endswith("/train"):
            headers["Content-Usage"] = "ai-train=n"
        return Answer(body=b'<a href="/no">x</a><a href="/train">x</a>', headers=headers)

    heeding = Crawled(no_robots(site), 'limits.respect=["noindex", "ai-train=n"]')
    assert [item["url"] for item in heeding.items] == ["http://a.test/"]
    assert (heeding.stats.items, heeding.stats.rejected, heeding.stats.fetched) == (1, 2, 3)
    assert len(Crawled(no_robots(site)).items) == 3


# -- budgets


@pytest.mark.parametrize("cap", [1, 5])
@pytest.mark.parametrize("n", [0, 1, 7])
def test_of_a_host_exactly_as_many_pages_are_fetched_as_its_budget_has(cap: int, n: int) -> None:
    crawled = Crawled(star(30, latency=0.7), "limits.delay=0.1", f"limits.concurrency={cap}", f"limits.max_pages={n}")
    assert (crawled.stats.fetched, len(crawled.sent())) == (n, n)
    assert crawled.stats.reasons["dropped", "budget: pages"] == crawled.stats.seen - n
    assert (crawled.stats.end, crawled.adds_up()) == ("finished", True)


def test_a_page_that_fails_leaves_its_part_of_the_budget_to_another() -> None:
    def site(url: str, nth: int) -> Answer:
        links = [f"/{i}" for i in range(9)] if url.endswith("t/") else []
        return Answer(404) if url[-1] in "0246" else page(*links)

    crawled = Crawled(no_robots(site), "limits.concurrency=3", "limits.delay=0", "limits.max_pages=5")
    assert crawled.stats.fetched == 5


@pytest.mark.parametrize(
    ("limit", "reason", "fetched"),
    [
        ("max_bytes=2500", "budget: bytes", 3),
        ("max_time=4.5", "budget: time", 4),
        ("max_errors=2", "budget: errors", 3),
    ],
)
def test_what_goes_beyond_bytes_time_or_errors_is_dropped(limit: str, reason: str, fetched: int) -> None:
    def site(url: str, nth: int) -> Answer:
        if "errors" in reason and url[-1] in "13":
            return Answer(410)
        answer = page(*(f"/{i}" for i in range(9))) if url.endswith("t/") else page()
        return replace(answer, body=answer.body.ljust(1000))

    crawled = Crawled(no_robots(site), f"limits.{limit}")
    assert crawled.stats.fetched == fetched
    assert crawled.stats.reasons["dropped", reason] > 0
    assert (crawled.stats.end, crawled.adds_up(), crawled.stats.pending) == ("finished", True, 0)


def test_the_budget_of_one_host_is_not_anothers() -> None:
    class Two(Follow):
        name = "two"
        start_urls = ("http://a.test/", "http://b.test/")

    crawled = Crawled(star(9), "hosts.'a.test'.max_pages=2", spider=Two)
    assert Counter(urlsplit(url).netloc for url in crawled.sent()) == {"a.test": 2, "b.test": 10}


# -- hours


def test_a_host_is_visited_only_at_its_hours() -> None:
    # The clock starts at 13:46:40 UTC.
    crawled = Crawled(star(5), "limits.visit='14:00-14:01'", "crawl.max_wait=1d", "limits.delay=20")
    hours = [visit.sent % 86400 for visit in crawled.world.visits if visit.sent is not None]
    assert all(14 * 3600 <= hour < 14 * 3600 + 60 for hour in hours)
    assert len(crawled.sent()) == 6
    assert len(crawled.times("http://a.test/robots.txt")) == 3  # each day a new copy
    assert crawled.stats.duration == pytest.approx(2 * 86400 + 800 + 40, abs=0.1)
    assert crawled.stats.end == "finished"


def test_hours_beyond_max_wait_end_the_crawl_with_work_left(caplog: pytest.LogCaptureFixture) -> None:
    crawled = Crawled(star(5), "limits.visit='15:00-16:00'")
    assert (crawled.stats.end, crawled.sent(robots=True)) == ("stalled", [])
    assert "a.test opens in 4400 s (visiting hours)" in caplog.text


def test_a_visit_time_of_robots_holds_from_its_reading_on() -> None:
    site = rules("User-agent: *\nVisit-time: 1400-1500", lambda url, nth: page("/1"))
    crawled = Crawled(site, "crawl.max_wait=1h")
    first, *others = [visit.sent for visit in crawled.world.visits]
    assert first % 86400 < 14 * 3600
    assert [other % 86400 for other in others if other] == [14 * 3600, 14 * 3600 + 1]


def test_a_request_rate_of_robots_is_a_delay() -> None:
    site = rules("User-agent: *\nRequest-rate: 2/7", lambda url, nth: page(*(f"/{i}" for i in range(4))))
    crawled = Crawled(site)
    assert list(violations(crawled.world.visits, lambda host: 3.5, lambda host: 1)) == []
    assert crawled.stats.duration == pytest.approx(5 * 3.5 + 0.07, abs=0.01)


# -- a host that does not answer


def dies(after: int, until: float) -> Callable[[VirtualClock], Site]:
    """A host that answers so many pages, and then no more for so many seconds."""

    def build(clock: VirtualClock) -> Site:
        begun = clock()
        answered = 0

        def site(url: str, nth: int) -> Answer:
            nonlocal answered
            answered += 1
            if answered > after and clock() < begun + until:
                return Answer(refuses=True, resets=True)
            return page(*(f"/{i}" for i in range(30))) if url.endswith("t/") else page()

        return no_robots(site)

    return build


class Timed(Crawled):
    """A crawl of a world that knows the time."""

    def __init__(self, build: Callable[[VirtualClock], Site], *sets: str, **more: Any) -> None:
        holder: list[Site] = []

        def site(url: str, nth: int) -> Answer:
            if not holder:
                holder.append(build(self.clock))
            return holder[0](url, nth)

        super().__init__(site, *sets, **more)


def test_a_host_that_dies_is_left_alone_tried_and_goes_on_when_it_is_back() -> None:
    crawled = Timed(dies(10, 100.0), "crawl.max_wait=1h")
    tries = [visit.began for visit in crawled.world.visits]
    rests = [later - earlier for earlier, later in pairwise(tries) if later - earlier > 30]
    assert rests == [pytest.approx(60, abs=0.1), pytest.approx(120, abs=0.1)]
    assert crawled.stats.end == "finished"
    assert (crawled.stats.fetched, crawled.stats.failed) == (31, 0)
    assert crawled.violations() == []


def test_a_host_that_stays_dead_is_given_up_with_all_that_waits_there() -> None:
    crawled = Timed(dies(10, 1e9), "crawl.max_wait=1h", "limits.circuit_trials=2")
    failed = crawled.stats.reasons
    assert crawled.stats.end == "finished"
    assert crawled.stats.fetched == 10
    assert failed["failed", "host down"] + failed["failed", "connection"] == 21
    assert failed["failed", "host down"] >= 15
    assert crawled.stats.duration < 10 + 60 + 120 + 60
    assert crawled.adds_up()


def test_a_host_that_is_down_holds_up_nobody_else() -> None:
    def site(url: str, nth: int) -> Answer:
        if "dead" in url:
            return Answer(refuses=True) if not url.endswith("robots.txt") else Answer(404)
        links = [f"http://dead.test/{i}" for i in range(20)] + [f"/{i}" for i in range(50)]
        return page(*links) if url.endswith("t/") else Answer(404) if url.endswith("robots.txt") else page()

    crawled = Crawled(site)
    live = crawled.times("http://a.test/") + [t for i in range(50) for t in crawled.times(f"http://a.test/{i}")]
    assert max(live) - min(live) == pytest.approx(50, abs=0.1)


# -- what a host asks for


def test_a_retry_after_beyond_the_setting_sets_the_host_aside(caplog: pytest.LogCaptureFixture) -> None:
    def site(url: str, nth: int) -> Answer:
        if url.endswith("/1"):
            return Answer(503, headers={"Retry-After": "90000"})
        return page("/1", "/2", "http://b.test/") if "a.test" in url else page()

    crawled = Crawled(no_robots(site), "limits.max_retry_after=1h")
    assert (crawled.stats.end, crawled.stats.pending) == ("stalled", 2)
    assert "http://b.test/" in crawled.sent()
    assert "a.test opens in 90000 s (Retry-After)" in caplog.text


def test_after_a_429_the_pace_grows_back_to_exactly_what_is_configured() -> None:
    def site(url: str, nth: int) -> Answer:
        if url.endswith("/5") and nth == 1:
            return Answer(429)
        return page(*(f"/{i}" for i in range(60))) if url.endswith("t/") else page()

    crawled = Crawled(no_robots(site), "limits.delay=2")
    times = sorted(visit.sent for visit in crawled.world.visits if visit.sent is not None)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    rest = max(gaps)
    after = gaps[gaps.index(rest) + 1 :]
    assert 60 <= rest <= 66
    assert after[:2] == [pytest.approx(4.0, abs=0.001), pytest.approx(2 / 0.52, abs=0.001)]
    assert all(later <= earlier + 1e-6 for earlier, later in pairwise(after))
    assert after[-10:] == [pytest.approx(2.0, abs=1e-6)] * 10
    assert min(gaps) >= 2.0 - 1e-6


def test_while_a_host_grants_less_it_is_asked_less() -> None:
    def site(url: str, nth: int) -> Answer:
        answer = page(*(f"/{i}" for i in range(8))) if url.endswith("t/") else page()
        return replace(answer, headers={**answer.headers, "RateLimit": '"default";r=5;t=50'})

    crawled = Crawled(no_robots(site))
    first, *others = [visit.sent for visit in crawled.world.visits if not visit.url.endswith("robots.txt")]
    assert [later - earlier for earlier, later in pairwise([first, *others])] == [pytest.approx(10.0, abs=0.01)] * 8


def test_a_host_that_grants_nothing_more_is_left_alone_until_it_does() -> None:
    def site(url: str, nth: int) -> Answer:
        answer = page("/1")
        return replace(answer, headers={**answer.headers, "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "40"})

    first, second = Crawled(no_robots(site)).sent()
    crawled = Crawled(no_robots(site))
    assert crawled.times(second)[0] - crawled.times(first)[0] == pytest.approx(40.05, abs=0.001)


def test_adaptive_keeps_a_slow_host_at_a_share_of_its_time() -> None:
    def site(url: str, nth: int) -> Answer:
        if url.endswith("/robots.txt"):
            return Answer(latency=3.0)
        return page(*(f"/{i}" for i in range(10)), latency=3.0)

    crawled = Crawled(site, "limits.adaptive=4")
    times = [visit.sent for visit in crawled.world.visits]
    assert [later - earlier for earlier, later in pairwise(times)] == [pytest.approx(12.0, abs=0.001)] * 11


def test_jitter_is_never_below_the_delay_and_not_always_the_same() -> None:
    crawled = Crawled(star(40), "limits.delay=1", "limits.jitter=0.5")
    times = sorted(visit.sent for visit in crawled.world.visits if visit.sent is not None)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert crawled.violations() == []
    assert 1.0 - 1e-6 <= min(gaps) < max(gaps) <= 1.5 + 0.08
    assert len({round(gap, 3) for gap in gaps}) > 20


# -- traps


@pytest.mark.parametrize(
    ("links", "sets", "reason", "dropped"),
    [
        (lambda url: [url + "x/"], "limits.max_depth=3", "trap: depth", 1),
        (lambda url: ["/" + "y" * 30, "/" + "y" * 300], "limits.max_url=100", "trap: url length", 1),
        (lambda url: [url + "p/q/"], "limits.max_depth=90", "trap: repeated segments", 1),
        (lambda url: [f"/s?a={i}&b={i}" for i in range(30)], "limits.max_variations=10", "trap: pattern", 20),
    ],
)
def test_a_trap_is_dropped_with_its_sign(
    links: Callable[[str], list[str]], sets: str, reason: str, dropped: int
) -> None:
    crawled = Crawled(no_robots(lambda url, nth: page(*links(url) if "?" not in url else [])), sets)
    assert crawled.stats.reasons["dropped", reason] == dropped
    assert (crawled.stats.end, crawled.adds_up()) == ("finished", True)


# -- robots.txt over a day


def slow_star(robots: Callable[[str, int], Answer]) -> Site:
    def site(url: str, nth: int) -> Answer:
        if url.endswith("/robots.txt"):
            return robots(url, nth)
        return page(*(f"/{i}" for i in range(40))) if url.endswith("t/") else page()

    return site


HOURLY = ("limits.delay=1h", "crawl.max_wait=1d")


def test_robots_is_read_again_after_half_a_day_and_what_it_says_then_holds() -> None:
    def robots(url: str, nth: int) -> Answer:
        return Answer(body=b"User-agent: *\nDisallow: " + (b"/none" if nth == 1 else b"/3"))

    crawled = Crawled(slow_star(robots), *HOURLY)
    first, second, *_ = [t - crawled.world.visits[0].began for t in crawled.times("http://a.test/robots.txt")]
    assert second - first == pytest.approx(12 * 3600, abs=3600)
    # /3 had been fetched by then, /30 to /39 had not
    assert "http://a.test/3" in crawled.sent()
    assert crawled.stats.reasons["disallowed", "robots.txt"] == 10
    assert crawled.violations() == []


def test_the_old_copy_is_in_force_where_robots_cannot_be_read_again_and_for_no_longer_than_a_day() -> None:
    def robots(url: str, nth: int) -> Answer:
        return Answer(body=b"User-agent: *\nDisallow: /2") if nth == 1 else Answer(500)

    crawled = Crawled(slow_star(robots), *HOURLY)
    began = crawled.times("http://a.test/robots.txt")[0]
    pages = [t - began for url in crawled.sent() for t in crawled.times(url)]
    assert 20 * 3600 < max(pages) < 24 * 3600 + 0.1  # it was read a moment after it was asked for
    assert crawled.stats.reasons["disallowed", "robots.txt"] > 0
    assert crawled.stats.reasons["failed", "robots unreachable"] > 0
    assert not [url for url in crawled.sent() if url.startswith("http://a.test/2")]
    assert (crawled.stats.end, crawled.adds_up()) == ("finished", True)


# -- many names, one server


def test_one_with_little_to_fetch_does_not_wait_for_the_large_ones_at_its_address() -> None:
    class Crowd(Follow):
        name = "crowd"
        start_urls = (
            *(f"http://large{n}--10.0.0.1.test/{i}" for n in range(4) for i in range(100)),
            *(f"http://small--10.0.0.1.test/{i}" for i in range(3)),
        )

    crawled = Crawled(no_robots(lambda url, nth: page()), "limits.per_address=1", spider=Crowd)
    small = [t for i in range(3) for t in crawled.times(f"http://small--10.0.0.1.test/{i}")]
    assert max(small) - crawled.world.visits[0].began < 5 * 5
    assert crawled.stats.fetched == 403


# -- worlds at random


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Site, dict[str, list[str]], dict[str, Any]]:
    """A site of a few hosts: links, latencies, redirects, errors that pass and errors that stay, robots.txt."""
    hosts = [f"http://h{i}.test" for i in range(draw(st.integers(1, 5)))]
    urls = [f"{host}/{n}" for host in hosts for n in range(draw(st.integers(1, 8)))]
    seed = draw(st.randoms(use_true_random=False))
    links = {url: seed.sample(urls, min(len(urls), seed.randint(0, 4))) for url in urls}
    kinds = {url: seed.choice(["page"] * 6 + ["hop", "passes", "stays", "resets", "limits"]) for url in urls}
    robots = {host: seed.choice([404, 404, 500, "Disallow: /3", "Crawl-delay: 2"]) for host in hosts}
    latency = {url: seed.choice([0.0, 0.01, 0.3, 4.0]) for url in urls}
    connect = {host: seed.choice([0.0, 0.05, 2.0]) for host in hosts}

    def answer(url: str, nth: int) -> Answer:
        host, _, name = url.rpartition("/")
        if name == "robots.txt":
            rule = robots[host]
            if isinstance(rule, int):
                return Answer(rule)
            return Answer(body=f"User-agent: *\n{rule}\n".encode())
        facts = {"latency": latency[url], "connect": connect[host]}
        match kinds[url]:
            case "hop":
                target = links[url][0] if links[url] else url
                return Answer(302, headers={"Location": target}, **facts)
            case "passes" if nth < 3:
                return Answer(502, **facts)
            case "limits" if nth < 2:
                return Answer(429, headers={"Retry-After": "20"}, **facts)
            case "stays":
                return Answer(500, **facts)
            case "resets":
                return Answer(resets=True, **facts)
        return page(*links[url], **facts)

    facts = {"kinds": kinds, "robots": robots, "links": links, "start": urls[0]}
    return answer, links, facts


def reachable(facts: dict[str, Any]) -> set[str]:
    """The pages whose callback must run: a walk by the facts alone."""
    seen, waiting = {facts["start"]}, [facts["start"]]
    pages: set[str] = set()
    while waiting:
        url = waiting.pop()
        rule = facts["robots"][url.rpartition("/")[0]]
        if rule == 500 or (rule == "Disallow: /3" and url.endswith("/3")) or facts["kinds"][url] in ("stays", "resets"):
            continue
        if facts["kinds"][url] == "hop":
            targets = facts["links"][url][:1]
        else:
            pages.add(url)
            targets = facts["links"][url]
        waiting += [target for target in targets if target not in seen]
        seen.update(targets)
    return pages


@settings(max_examples=80)
@given(
    worlds(),
    st.sampled_from([0.0, 0.1, 1.0]),
    st.sampled_from([1, 2, 5]),
    st.sampled_from([1, 3, 64]),
    st.sampled_from([1, 2, 64]),
)
def test_in_random_worlds_nothing_is_impolite_lost_or_done_twice(
    world: Any, delay: float, cap: int, slots: int, window: int
) -> None:
    site, _, facts = world

    class Start(Follow):
        name = "start"
        start_urls = (facts["start"],)

    crawled = Crawled(
        site,
        f"limits.delay={delay}",
        f"limits.concurrency={cap}",
        f"crawl.concurrency={slots}",
        f"crawl.window={window}",
        f"crawl.workbench={window}",
        spider=Start,
    )
    assert crawled.stats.end == "finished"
    assert crawled.violations() == []
    crawl_delays = {host[7:]: 2.0 for host, rule in facts["robots"].items() if rule == "Crawl-delay: 2"}
    assert list(violations(crawled.world.visits, lambda host: crawl_delays.get(host, 0.0), lambda host: cap)) == []
    asked = [visit for visit in crawled.world.visits if visit.status == 429]
    too_soon = [
        later.url
        for busy in asked
        for later in crawled.world.visits
        if later.host == busy.host and later.sent is not None and busy.ended < later.sent < busy.ended + 20
    ]
    assert too_soon == []
    assert crawled.adds_up()
    assert crawled.stats.pending == 0
    pages = Counter(item["url"] for item in crawled.items)
    assert set(pages) == reachable(facts)
    assert set(pages.values()) <= {1}
    allowed = [url for url in crawled.sent() if facts["robots"][url.rpartition("/")[0]] == "Disallow: /3"]
    assert not [url for url in allowed if url.endswith("/3")]
