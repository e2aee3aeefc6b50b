"""When the keeper visits the frontier, what it takes along, and what it leaves as it was when that fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import curio
import pytest

from scrapekit.errors import ConnectFailed, SinkError
from scrapekit.frontier import Batch, Ended, Found, MemoryFrontier, Outcome, PutBack, Row, Write
from scrapekit.headers import Headers
from scrapekit.hosts import Heard, Turn
from scrapekit.keeper import BATCH, CROWDED, INTERVAL, Keeper
from scrapekit.kernel import Alarm
from scrapekit.registry import HostRegistry
from scrapekit.request import Request
from scrapekit.stats import Stats
from scrapekit.tables import Limits
from scrapekit.testing import VirtualClock
from scrapekit.url import host_of

GOOD = Heard(200)


class Noted(MemoryFrontier):
    """A frontier that notes when it was asked to commit, and how much."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock, self.commits = clock, []

    def commit(self, batch: Batch, write: Write) -> Any:
        self.commits.append((round(self.clock(), 6), len(batch)))
        return super().commit(batch, write)

    @property
    def filled(self) -> list[tuple[float, int]]:
        """The commits that had something in them."""
        return [commit for commit in self.commits if commit[1]]


class Rig:
    """A keeper between a frontier in memory and a registry, on a virtual clock."""

    def __init__(self, *, workbench: int = 8, window: int = 8, call: Any = None, **limits: Any) -> None:
        self.clock = VirtualClock(1000.0)
        self.frontier = Noted(self.clock)
        terms = Limits(**{"robots": "ignore", "per_address": 0, "delay": 1.0} | limits)
        self.registry = HostRegistry(
            limits_for=lambda host: terms,
            agent="ours",
            address_of=lambda url: "",
            has_idle=lambda url: True,
            each=window,
            random=lambda: 0.0,
        )
        self.stats, self.changed = Stats(), Alarm()
        self.written: list[Any] = []
        self.broken: Exception | None = None
        more = {} if call is None else {"call": call}
        self.keeper = Keeper(
            self.frontier,
            self.registry,
            write=self.write,
            stats=self.stats,
            clock=self.clock,
            changed=self.changed,
            workbench=workbench,
            window=window,
            **more,
        )

    def write(self, batch: Batch, *, sync: bool) -> dict[str, Any]:
        if self.broken is not None:
            raise self.broken
        self.written += batch.items
        return {}

    def run(self, main: Callable[[], Any]) -> None:
        async def both() -> None:
            task = await curio.spawn(self.keeper.run)
            try:
                await main()
            finally:
                await self.keeper.close()
                await task.join()

        self.clock.run(both)

    async def find(self, *urls: str) -> None:
        for url in urls:
            await self.keeper.found(found(url))

    def visit(self, heard: Heard = GOOD) -> Turn:
        turn = self.registry.take(self.clock())
        assert turn is not None
        self.registry.sent(turn, self.clock())
        self.registry.ended(turn, heard, self.clock())
        return turn

    async def end(self, turn: Turn, *links: str, items: tuple[Any, ...] = ()) -> None:
        await self.keeper.ended(Ended(turn.row, Outcome.FETCHED), [found(link) for link in links], list(items), [])


def found(url: str, **more: Any) -> Found:
    request = Request(url)
    return Found(request, host_of(request.url), request.fingerprint(), **more)


def urls(n: int, host: str = "a.test") -> list[str]:
    return [f"http://{host}/{number}" for number in range(n)]


def test_the_first_requests_are_committed_at_once_and_hosts_leased() -> None:
    rig = Rig()

    async def main() -> None:
        await rig.find("http://a.test/")
        await curio.sleep(0.001)
        assert rig.frontier.filled == [(1000.0, 1)]
        assert "a.test" in rig.registry
        assert rig.stats.pending == 1

    rig.run(main)


def test_an_outcome_waits_for_its_commit_no_longer_than_the_interval() -> None:
    rig = Rig()

    async def main() -> None:
        await rig.find(*urls(5))
        await curio.sleep(1)
        await rig.end(rig.visit())
        await curio.sleep(INTERVAL - 0.001)
        assert len(rig.frontier.filled) == 1
        assert not rig.keeper.quiet
        await curio.sleep(0.002)
        assert rig.frontier.filled[1:] == [(1001.0 + INTERVAL, 1)]
        assert rig.keeper.quiet

    rig.run(main)


@pytest.mark.parametrize("delay", [0.0, 0.03, 0.5])
def test_a_host_that_would_starve_is_not_let_wait(delay: float) -> None:
    rig = Rig(delay=delay)

    async def main() -> None:
        await rig.find("http://a.test/")
        await curio.sleep(1)
        await rig.end(rig.visit(), "http://a.test/next")
        await curio.sleep(INTERVAL + 0.001)
        assert rig.frontier.filled[1:] == [(1001.0 + min(delay, INTERVAL), 2)]

    rig.run(main)


def test_a_full_batch_goes_at_once() -> None:
    rig = Rig(window=2000, delay=0.0)

    async def main() -> None:
        await rig.find(*urls(BATCH + 5))
        await curio.sleep(1)
        for n in range(BATCH):
            assert len(rig.frontier.filled) == 1, n
            await rig.end(rig.visit())
        await curio.sleep(0)
        assert rig.frontier.filled[1:] == [(1001.0, BATCH)]

    rig.run(main)


def test_flush_commits_now_and_does_nothing_where_there_is_nothing() -> None:
    rig = Rig()

    async def main() -> None:
        await rig.find(*urls(3))
        await curio.sleep(1)
        await rig.end(rig.visit())
        await rig.keeper.flush()
        await curio.sleep(0.001)
        assert rig.frontier.filled[1:] == [(1001.0, 1)]
        visits = len(rig.frontier.commits)
        await rig.keeper.flush()
        await curio.sleep(0.001)
        assert len(rig.frontier.commits) == visits

    rig.run(main)


@pytest.mark.parametrize(("n", "behind"), [(4 * BATCH - 1, False), (4 * BATCH, True)])
def test_so_many_uncommitted_outcomes_stop_the_scheduler(n: int, behind: bool) -> None:
    rig = Rig()
    for _ in range(n):
        rig.keeper._batch.found.append(found("http://a.test/"))
    assert rig.keeper.behind == behind


def test_items_are_written_within_the_commit_and_counted_before() -> None:
    rig = Rig()

    async def main() -> None:
        await rig.find(*urls(2))
        await curio.sleep(1)
        await rig.end(rig.visit(), items=("a", "b"))
        assert (rig.written, rig.keeper.items, rig.stats.items) == ([], 2, 0)
        await rig.keeper.flush()
        await curio.sleep(0.001)
        assert (rig.written, rig.keeper.items, rig.stats.items) == (["a", "b"], 2, 2)

    rig.run(main)


def test_a_sink_that_fails_ends_it_and_nothing_of_the_batch_is_done() -> None:
    rig = Rig()

    async def main() -> None:
        await rig.find(*urls(3))
        await curio.sleep(1)
        rig.broken = SinkError("disk full", file="x")
        await rig.end(rig.visit(), "http://a.test/new", items=("a",))
        await rig.keeper.flush()
        await curio.sleep(1)
        assert rig.keeper.error is rig.broken
        assert not rig.keeper.quiet
        assert len(rig.keeper._batch.ended) == 1
        assert (rig.stats.fetched, rig.stats.pending, rig.stats.items) == (0, 3, 0)
        assert rig.frontier.counts().seen == 3
        visits = len(rig.frontier.commits)
        await rig.keeper.flush()
        await curio.sleep(1)
        assert len(rig.frontier.commits) == visits

    rig.run(main)


def test_closing_commits_what_is_left_and_gives_every_host_back() -> None:
    rig = Rig()

    async def main() -> None:
        await rig.find(*urls(2))
        await curio.sleep(1)
        await rig.end(rig.visit(), items=("a",))

    rig.run(main)
    assert (rig.written, len(rig.registry)) == (["a"], 0)
    (lease,) = rig.frontier.lease(1, 8, rig.clock() + 100).hosts
    assert (lease.host, lease.waiting, lease.state.memory["last_sent"]) == ("a.test", 1, 1001.0)


def test_a_host_with_nothing_left_makes_room_at_the_next_visit_and_keeps_its_pace() -> None:
    rig = Rig(workbench=1, delay=5.0)

    async def main() -> None:
        await rig.find("http://a.test/", "http://b.test/")
        await curio.sleep(1)
        (first,) = [name for name in ("a.test", "b.test") if name in rig.registry]
        await rig.end(rig.visit())
        await curio.sleep(1)
        assert first not in rig.registry
        assert len(rig.registry) == 1
        await rig.end(rig.visit(), f"http://{first}/again")
        await curio.sleep(0.5)
        assert rig.registry.crowd == 0  # it is not open
        assert rig.keeper.ask_at == 1006.0
        await curio.sleep(4)
        assert first in rig.registry

    rig.run(main)


def test_a_sleeper_gives_up_its_place_where_others_wait_for_one() -> None:
    rig = Rig(workbench=1)

    async def main() -> None:
        await rig.find(*urls(2))
        await curio.sleep(0.5)
        turn = rig.visit(Heard(503, Headers({"Retry-After": "500"})))
        await rig.keeper.put_back(PutBack(turn.row, Row(turn.row.id, "a.test", turn.row.request, attempt=1)))
        await curio.sleep(0.5)
        assert "a.test" in rig.registry  # nobody wants its place
        await rig.find("http://b.test/")
        await curio.sleep(2 * CROWDED)
        assert ("a.test" in rig.registry, "b.test" in rig.registry) == (False, True)
        await rig.end(rig.visit())
        await curio.sleep(400)
        assert "a.test" not in rig.registry
        await curio.sleep(100)
        assert "a.test" in rig.registry
        assert rig.registry.next_opening()[0] == 1000.5 + 500

    rig.run(main)


def test_on_a_workbench_full_of_those_who_are_awake_nobody_asks_all_the_time() -> None:
    rig = Rig(workbench=1, delay=1.0)

    async def main() -> None:
        await rig.find(*urls(50), "http://b.test/")
        await curio.sleep(10)
        assert "b.test" not in rig.registry
        assert len(rig.frontier.commits) <= 2 + 10 / CROWDED

    rig.run(main)


def test_windows_that_run_low_are_filled() -> None:
    rig = Rig(window=4, delay=0.0)

    async def main() -> None:
        await rig.find(*urls(20))
        served = []
        while len(served) < 20:
            await curio.sleep(0.01)
            while (turn := rig.registry.take(rig.clock())) is not None:
                served.append(turn.row.id)
                rig.registry.sent(turn, rig.clock())
                rig.registry.ended(turn, GOOD, rig.clock())
                await rig.end(turn)
            if rig.registry.asks:
                await rig.keeper.serve()
        assert served == list(range(1, 21))

    rig.run(main)


def test_a_put_back_stands_in_the_frontier_and_in_the_window_with_its_time() -> None:
    rig = Rig()

    async def main() -> None:
        await rig.find("http://a.test/")
        await curio.sleep(1)
        row = rig.visit(Heard(error=ConnectFailed("x"))).row
        await rig.keeper.put_back(PutBack(row, Row(row.id, "a.test", row.request, attempt=1, not_before=1050.0)))
        await curio.sleep(5)
        assert rig.registry.next_opening()[0] == 1050.0
        assert (rig.stats.pending, rig.stats.seen) == (1, 1)

    rig.run(main)


def test_a_hop_to_another_host_leaves_the_first_one_idle() -> None:
    rig = Rig()

    async def main() -> None:
        await rig.find("http://a.test/")
        await curio.sleep(1)
        row = rig.visit().row
        target = Request("http://b.test/")
        moved = Row(row.id, "b.test", target, history=(row.request.url,))
        await rig.keeper.put_back(PutBack(row, moved, target.fingerprint()))
        await rig.keeper.flush()
        await curio.sleep(0.5)
        assert "b.test" in rig.registry
        assert rig.registry.crowd == 1

    rig.run(main)


def test_what_is_certainly_known_is_counted_as_a_duplicate() -> None:
    rig = Rig()

    async def main() -> None:
        await rig.find("http://a.test/")
        await curio.sleep(1)
        asked = [rig.keeper.knows(Request(url).fingerprint()) for url in ("http://a.test/", "http://a.test/new")]
        assert (asked, rig.stats.duplicates) == ([True, False], 1)

    rig.run(main)


def test_reasons_are_counted_wherever_the_outcome_came_about() -> None:
    rig = Rig()

    async def main() -> None:
        await rig.find("http://a.test/", "http://a.test/")
        await rig.keeper.found(found("http://b.test/", outcome=Outcome.DROPPED, reason="offsite"))
        await curio.sleep(1)
        await rig.keeper.ended(Ended(rig.visit().row, Outcome.FAILED, "status 404"), [], [], [])
        await curio.sleep(1)

    rig.run(main)
    assert rig.stats.reasons == {("dropped", "offsite"): 1, ("failed", "status 404"): 1}
    assert (rig.stats.seen, rig.stats.failed, rig.stats.dropped, rig.stats.duplicates) == (2, 1, 1, 1)


def test_while_a_visit_is_out_nothing_is_quiet_and_what_comes_meanwhile_waits_for_the_next() -> None:
    gate = curio.Event()

    async def slowly(function: Callable[..., Any], *arguments: Any) -> Any:
        result = function(*arguments)
        await gate.wait()
        return result

    rig = Rig(call=slowly)

    async def main() -> None:
        await rig.find("http://a.test/")
        await curio.sleep(1)
        assert (len(rig.registry), rig.keeper.quiet, rig.keeper.waiting) == (0, False, 1)
        assert repr(rig.keeper) == "<Keeper 0 to commit, out>"
        await rig.find("http://a.test/2")
        assert rig.keeper.waiting == 2
        await gate.set()
        await curio.sleep(1)
        assert rig.frontier.filled == [(1000.0, 1), (1001.0, 1)]
        assert (rig.stats.pending, rig.keeper.quiet) == (2, True)

    rig.run(main)


def test_every_visit_rings_who_waits_for_it() -> None:
    rig = Rig()

    async def main() -> None:
        await rig.find("http://a.test/")
        await rig.changed.sleep(5.0)
        assert rig.clock() == 1000.0

    rig.run(main)
