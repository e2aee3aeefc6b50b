"""A crawl of 2,000 pages of which one request in five meets a scenario: it ends, and everything adds up.

Once over real sockets, in a time that passes twenty times as fast, and once in memory on a virtual clock.
"""

from __future__ import annotations

import selectors
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

import pytest

from scrapekit.errors import FetchTimeout
from scrapekit.kernel import Kernel
from scrapekit.testing import FakeNetwork
from tests.scenarios import plays
from tests.scenarios.crawling import Crawled, Visit
from tests.scenarios.server import GOOD, NOT_FOUND, Forever, answer
from tests.scenarios.web import in_memory

pytestmark = pytest.mark.simulation

PAGES: Final = 2_000
HOSTS: Final = 20
SPEED: Final = 20.0
#: One in so many requests for a page meets a scenario.
ODDS: Final = 5
SETS: Final = (
    "limits.concurrency=16",
    "crawl.concurrency=256",
    "limits.per_address=0",
    "limits.circuit_failures=0",
    "limits.max_size=1 MiB",
    "limits.max_head=256 KiB",
    "limits.timeout=60",
)

H: Final[dict[str, Any]] = {
    "/H01": answer(b"later", 429, "Retry-After: 1"),
    "/H02": answer(b"later", 503, "Retry-After: 2"),
    **{f"/H05/{status}": answer(b"no", status) for status in (400, 401, 403, 404, 405, 408, 410, 451, 500, 502, 520)},
    "/H07": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n",
}
#: What comes a moment after its answer may come after the next request, and is its answer then: nobody can tell.
LATE: Final = {"/B20/later"}
BAD: Final = {
    path: play
    for letter in (plays.A, plays.B, plays.C, plays.D, plays.E, H)
    for path, play in letter.items()
    if path not in LATE
}
#: Bodies of scenarios that end well. Anything else in an answer is another request's.
BODIES: Final = {b"good", b"good!", b"", plays.PACKED}


class FastClock:
    """Seconds since the epoch that pass ``speed`` times as fast; a kernel that runs on them."""

    def __init__(self, speed: float = SPEED) -> None:
        self._speed, self._real, self._start = speed, time.monotonic(), time.time()

    def __call__(self) -> float:
        return self._start + (time.monotonic() - self._real) * self._speed

    def run(self, main: Callable[..., Any], *arguments: Any) -> Any:
        with Kernel(clock=self, selector=_FastSelector(self._speed)) as kernel:
            return kernel.run(main, *arguments)


class _FastSelector(selectors.DefaultSelector):
    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> Any:
        return super().select(timeout / self._speed if timeout else timeout)


class Chaos:
    """Answers requests; keeps how often each page was asked for, and which were answered well."""

    def __init__(self, seed: int, scenarios: dict[str, Any]) -> None:
        self.seed, self.scenarios = seed, scenarios
        self.names = sorted(scenarios)
        self.asked = 0
        self.times: Counter[tuple[str, str]] = Counter()
        self.well: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Chaos of seed {self.seed}: {self.asked} requests>"

    def urls(self) -> list[str]:
        return [f"http://h{number % HOSTS}.test/page/{number}" for number in range(PAGES)]

    def __call__(self, asked: Any) -> Any:
        """The play for a request; the same for the same page and try, whatever the order in which they come."""
        with self._lock:
            self.asked += 1
            if asked.target in self.scenarios:  # where a scenario's redirect has led
                return self.scenarios[asked.target]
            if not asked.target.startswith("/page/"):
                return GOOD if asked.target in ("/good", "/x") else NOT_FOUND
            page = asked.headers["host"], asked.target
            self.times[page] += 1
            dice = Random(f"{self.seed} {page} {self.times[page]}")
            if not dice.randrange(ODDS):
                return self.scenarios[dice.choice(self.names)]
            self.well.add(page)
            return self.good(*page)

    def good(self, host: str, target: str) -> bytes:
        number = int(target.partition("?")[0].rpartition("/")[2])
        links = "".join(f'<a href="/page/{(number + HOSTS * step) % PAGES}">x</a>' for step in (1, 2, 3))
        return answer(f"<p>http://{host}{target}</p>{links}", 200, "Content-Type: text/html")


class Everywhere(dict[str, Any]):
    """Every path is answered by the chaos."""

    def __init__(self, chaos: Chaos) -> None:
        super().__init__()
        self.chaos = chaos

    def __contains__(self, path: object) -> bool:
        return path != "connect"

    def get(self, path: str, default: Any = None) -> Any:
        return self.chaos


def adds_up(chaos: Chaos, crawled: Crawled, *, in_real_time: bool = False) -> None:
    """What must hold, whatever happened."""
    stats = crawled.stats
    assert (stats.end, stats.pending) == ("finished", 0)
    assert stats.seen == stats.fetched + stats.failed + stats.disallowed + stats.dropped
    assert stats.sends == chaos.asked
    assert stats.fetched == stats.items == len(crawled.items) == len(crawled.answers)
    assert stats.failed == len(crawled.failures)
    assert sum(stats.reasons.values()) == stats.failed + stats.disallowed + stats.dropped
    whole = {response.url for response in crawled.answers if response.body.startswith(b"<p>")}
    for response in crawled.answers:
        own = f"<p>{response.url}</p>".encode()
        assert response.body.startswith(own) or response.body in BODIES or b"refresh" in response.body, response
    well = {f"http://{host}{target}" for host, target in chaos.well}
    assert whole <= well
    # On a busy machine an answer may come too late, which says so, or is followed by another try.
    late = {failure.request.url for failure in crawled.failures if isinstance(failure.error, FetchTimeout)}
    once = {f"http://{host}{target}" for (host, target), times in chaos.times.items() if times == 1}
    assert well - whole <= (late | (well - once) if in_real_time else set())
    asked = {page for page in chaos.times if "?" not in page[1]}
    assert stats.seen == len(asked) == PAGES


def shown(chaos: Chaos, crawled: Crawled, seconds: float) -> None:
    s = crawled.stats
    print(f"{chaos!r} in {seconds:.1f} s; {s.fetched} fetched, {s.failed} failed, {s.dropped} dropped")
    print(f"{s.retries} retries, {s.redirects} redirects; {dict(s.reasons)}")


@pytest.fixture(params=[1, pytest.param(0, id="random")])
def seed(request: pytest.FixtureRequest) -> int:
    made = request.param or Random().randrange(10**6)
    print(f"seed {made}")
    return int(made)


def test_a_crawl_through_chaos_over_real_sockets_adds_up(web: Callable[..., Any], seed: int) -> None:
    chaos, clock, began = Chaos(seed, BAD), FastClock(), time.monotonic()
    site = web({})
    site.server.plays = Everywhere(chaos)
    site.more_names = [f"h{number}.test" for number in range(HOSTS)]
    crawled = site.crawl(chaos.urls(), *SETS, spider=Follow, clock=clock)
    adds_up(chaos, crawled, in_real_time=True)
    shown(chaos, crawled, time.monotonic() - began)
    assert len(site.server.asked) == chaos.asked
    assert site.server.unfinished == []


class Follow(Visit):
    """Follows links too, all of which are known."""

    name = "follow"

    def parse(self, response: Any) -> Iterator[Any]:
        yield from super().parse(response)
        yield from response.follow_all()


def finite(play: Any) -> Any:
    """A play for the fake network, on which nothing goes on for ever."""
    steps = []
    for step in in_memory(play) if not callable(play) else (play,):
        if isinstance(step, Forever):
            times = min(2000, 3 * 1024**2 // len(step.data) + 1)
            steps += [step.data, step.pause] * times if step.pause else [step.data * times]
        else:
            steps.append(step)
    return steps[0] if len(steps) == 1 and callable(steps[0]) else tuple(steps)


def test_a_crawl_through_chaos_in_memory_adds_up(crawl: Callable[..., Any], seed: int) -> None:
    chaos, began = Chaos(seed, {path: finite(play) for path, play in BAD.items()}), time.monotonic()
    network = FakeNetwork({f"h{number}.test": {} for number in range(HOSTS)})
    for host in [f"h{number}.test" for number in range(HOSTS)] + ["b.test"]:
        network.site(host)._pages = Everywhere(chaos)
    crawled = crawl(network, chaos.urls(), *SETS, spider=Follow)
    adds_up(chaos, crawled)
    shown(chaos, crawled, time.monotonic() - began)
    assert len(network.log) == chaos.asked
