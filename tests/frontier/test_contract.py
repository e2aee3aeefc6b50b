"""The frontier's one contract, for every backend.

First its rules one by one; then random operations against a model that knows nothing of heaps and lines.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from scrapekit.errors import SinkError
from scrapekit.frontier import (
    Batch,
    Ended,
    Found,
    Frontier,
    HostState,
    MemoryFrontier,
    Outcome,
    PutBack,
    Row,
    SQLiteFrontier,
    StaleLease,
    Want,
)
from scrapekit.request import Request
from scrapekit.url import host_of


class Temporary(SQLiteFrontier):
    """A file that goes with it."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.open()

    def open(self) -> None:
        # A clock that stands still: only the first commit waits for the disk.
        path = Path(self.folder.name) / "frontier.sqlite"
        super().__init__(path, dump=json.dumps, load=json.loads, now=lambda: 0.0)

    def restart(self) -> None:
        super().close()
        self.open()

    def close(self) -> None:
        super().close()
        self.folder.cleanup()


BACKENDS: dict[str, Callable[[], Frontier]] = {"memory": MemoryFrontier, "sqlite": Temporary}


@pytest.fixture(params=list(BACKENDS))
def frontier(request: pytest.FixtureRequest) -> Any:
    made = BACKENDS[request.param]()
    yield made
    made.close()


def found(url: str, *, priority: int = 0, dont_filter: bool = False, outcome: Outcome | None = None) -> Found:
    request = Request(url, priority=priority, dont_filter=dont_filter)
    fingerprint = None if dont_filter else request.fingerprint()
    return Found(request, host_of(request.url), fingerprint, outcome, "offsite" if outcome else "")


def nothing(batch: Batch, *, sync: bool) -> dict[str, Any]:
    """A sink that takes everything."""
    return {}


def add(frontier: Frontier, *urls: str | Found) -> Any:
    return frontier.commit(Batch(found=[found(url) if isinstance(url, str) else url for url in urls]), nothing)


def end(frontier: Frontier, row: Row, outcome: Outcome = Outcome.FETCHED, token: int | None = None) -> Any:
    return frontier.commit(Batch(ended=[Ended(row, outcome)], tokens={row.host: token} if token else {}), nothing)


def urls(rows: list[Row]) -> list[str]:
    return [row.request.url.rpartition("/")[2] for row in rows]


def lease_one(frontier: Frontier, each: int = 10, now: float = 100.0) -> Any:
    (lease,) = frontier.lease(1, each, now).hosts
    return lease


def test_what_was_found_is_leased_in_the_order_of_its_finding(frontier: Frontier) -> None:
    add(frontier, "http://a.test/1", "http://a.test/2", "http://a.test/3")
    lease = lease_one(frontier, each=2)
    assert (lease.host, lease.waiting, urls(lease.rows)) == ("a.test", 3, ["1", "2"])


def test_a_higher_priority_goes_first_within_its_host(frontier: Frontier) -> None:
    add(frontier, found("http://a.test/1"), found("http://a.test/2", priority=5), found("http://a.test/3", priority=5))
    assert urls(lease_one(frontier).rows) == ["2", "3", "1"]


def test_what_was_seen_is_a_duplicate_and_not_queued_again(frontier: Frontier) -> None:
    assert add(frontier, "http://a.test/1", "http://a.test/1").duplicates == 1
    row = lease_one(frontier).rows[0]
    end(frontier, row)
    answer = add(frontier, "http://a.test/1")
    assert (answer.new, answer.duplicates, frontier.counts().seen) == (0, 1, 1)


def test_dont_filter_is_queued_each_time(frontier: Frontier) -> None:
    add(frontier, *[found("http://a.test/1", dont_filter=True)] * 2)
    assert len({row.id for row in lease_one(frontier).rows}) == 2


def test_a_link_refused_before_queueing_counts_once_and_is_never_leased(frontier: Frontier) -> None:
    refused = found("http://b.test/1", outcome=Outcome.DROPPED)
    assert add(frontier, refused, refused).refused == [(Outcome.DROPPED, "offsite")]
    counts = frontier.counts()
    assert (counts.seen, counts.ended[Outcome.DROPPED], counts.pending) == (1, 1, 0)
    assert frontier.lease(5, 5, 100.0).hosts == []


def test_notes_take_the_place_of_what_was_noted_before_and_the_sinks_say_goes_along(frontier: Frontier) -> None:
    frontier.commit(Batch(notes={"a": 1, "b": [2]}), nothing)
    frontier.commit(Batch(notes={"a": {"c": None}}), lambda batch, *, sync: {"sinks": {"items": 7}})
    assert {"a": {"c": None}, "b": [2], "sinks": {"items": 7}}.items() <= frontier.notes().items()


def test_a_host_is_handed_over_as_it_stood_at_the_last_commit_or_release(frontier: Frontier) -> None:
    add(frontier, "http://a.test/1", "http://b.test/1")
    one, two = frontier.lease(2, 5, 100.0).hosts
    stands, left = HostState(5.0, "delay", {"x": 1}), HostState(7.0, "rest", {"x": [2.5]})
    frontier.commit(Batch(states={one.host: stands, two.host: stands}), nothing)
    frontier.release({one.host: left}, 100.0)
    frontier.release({two.host: stands}, 100.0)
    assert {lease.host: lease.state for lease in frontier.lease(2, 5, 100.0).hosts} == {
        one.host: left,
        two.host: stands,
    }


def test_failed_requests_can_be_put_back_as_on_their_first_day(frontier: Frontier) -> None:
    add(frontier, "http://a.test/1", "http://a.test/2", "http://a.test/3")
    rows = lease_one(frontier).rows
    tried = Row(rows[0].id, "a.test", rows[0].request, attempt=2, not_before=900.0)
    frontier.commit(Batch(put_back=[PutBack(rows[0], tried)]), nothing)
    ended = [Ended(tried, Outcome.FAILED, "status 503"), Ended(rows[1], Outcome.FAILED, "callback")]
    frontier.commit(Batch(ended=[*ended, Ended(rows[2], Outcome.FETCHED)]), nothing)
    frontier.release({"a.test": HostState()}, 100.0)
    assert frontier.reopen(lambda reason: reason == "status 503") == 1
    assert frontier.reopen(lambda reason: reason == "status 503") == 0
    (row,) = lease_one(frontier).rows
    assert (row.id, row.request, row.attempt, row.not_before) == (rows[0].id, rows[0].request, 0, 0.0)
    counts = frontier.counts()
    assert (counts.seen, counts.pending, counts.ended[Outcome.FAILED], counts.ended[Outcome.FETCHED]) == (3, 1, 1, 1)


def test_known_holds_only_what_is_committed(frontier: Frontier) -> None:
    one = found("http://a.test/1")
    assert one.fingerprint not in frontier.known
    add(frontier, one)
    assert one.fingerprint in frontier.known


def test_a_host_is_leased_to_one_worker_at_a_time(frontier: Frontier) -> None:
    add(frontier, "http://a.test/1", "http://a.test/2")
    assert len(frontier.lease(5, 1, 100.0).hosts) == 1
    assert frontier.lease(5, 1, 100.0).hosts == []


def test_rows_found_for_a_leased_host_come_back_with_the_commit(frontier: Frontier) -> None:
    add(frontier, "http://a.test/1")
    lease_one(frontier)
    assert urls(add(frontier, "http://a.test/2", "http://b.test/9").rows) == ["2"]


def test_refill_gives_the_next_best_beyond_what_is_held(frontier: Frontier) -> None:
    add(frontier, *(f"http://a.test/{n}" for n in range(5)))
    lease = lease_one(frontier, each=2)
    held = [row.id for row in lease.rows]
    add(frontier, found("http://a.test/best", priority=1))
    rows = frontier.refill([Want("a.test", held, 2)], 100.0)["a.test"]
    assert urls(rows) == ["best", "2"]


def test_a_window_may_be_dropped_freely(frontier: Frontier) -> None:
    add(frontier, *(f"http://a.test/{n}" for n in range(3)))
    lease = lease_one(frontier, each=3)
    rows = frontier.refill([Want("a.test", [lease.rows[1].id], 5)], 100.0)["a.test"]
    assert urls(rows) == ["0", "2"]


def test_a_row_with_a_later_time_does_not_block_the_others(frontier: Frontier) -> None:
    add(frontier, "http://a.test/1", "http://a.test/2")
    lease = lease_one(frontier, each=1)
    first = lease.rows[0]
    later = Row(first.id, first.host, first.request, attempt=1, not_before=150.0)
    frontier.commit(Batch(put_back=[PutBack(first, later)]), nothing)
    assert urls(frontier.refill([Want("a.test", [], 1)], 100.0)["a.test"]) == ["2"]


def test_a_retry_keeps_its_place_once_its_time_has_come(frontier: Frontier) -> None:
    add(frontier, "http://a.test/1", "http://a.test/2")
    first = lease_one(frontier, each=2).rows[0]
    later = Row(first.id, first.host, first.request, attempt=1, not_before=150.0)
    frontier.commit(Batch(put_back=[PutBack(first, later)]), nothing)
    rows = frontier.refill([Want("a.test", [], 2)], 151.0)["a.test"]
    assert urls(rows) == ["1", "2"]
    assert rows[0].attempt == 1


def test_a_host_of_which_all_wait_for_later_is_leased_when_the_first_may_go(frontier: Frontier) -> None:
    add(frontier, "http://a.test/1")
    lease = lease_one(frontier)
    row = lease.rows[0]
    frontier.commit(Batch(put_back=[PutBack(row, Row(row.id, row.host, row.request, not_before=150.0))]), nothing)
    frontier.release({"a.test": HostState()}, 100.0)
    early = frontier.lease(1, 1, 149.0)
    assert (early.hosts, early.ask_at) == ([], 150.0)
    assert len(frontier.lease(1, 1, 150.0).hosts) == 1


def test_a_host_comes_back_with_the_state_that_it_was_left_with(frontier: Frontier) -> None:
    add(frontier, "http://a.test/1")
    lease_one(frontier)
    frontier.release({"a.test": HostState(opens_at=130.0, rule="Retry-After")}, 100.0)
    assert frontier.lease(1, 1, 129.0).hosts == []
    state = lease_one(frontier, now=130.0).state
    assert (state.opens_at, state.rule) == (130.0, "Retry-After")


def test_a_wanted_host_is_leased_though_nothing_waits_there(frontier: Frontier) -> None:
    (lease,) = frontier.lease(0, 5, 100.0, wanted=["b.test"]).hosts
    assert (lease.host, lease.rows, lease.waiting) == ("b.test", [], 0)
    assert frontier.lease(5, 5, 100.0, wanted=["b.test"]).hosts == []


def test_a_hop_moves_the_row_to_its_new_host_with_its_id(frontier: Frontier) -> None:
    add(frontier, "http://a.test/1")
    row = lease_one(frontier).rows[0]
    target = found("http://b.test/2")
    moved = Row(row.id, "b.test", target.request, history=(row.request.url,))
    answer = frontier.commit(Batch(put_back=[PutBack(row, moved, target.fingerprint)]), nothing)
    assert answer.rows == []  # b.test is nobody's
    assert [lease.rows for lease in frontier.lease(5, 5, 100.0).hosts] == [[moved]]
    assert add(frontier, "http://b.test/2").duplicates == 1


def test_a_hop_to_what_another_request_had_seen_is_dropped_as_a_duplicate(frontier: Frontier) -> None:
    add(frontier, "http://a.test/1", "http://a.test/2")
    row, other = lease_one(frontier).rows
    moved = Row(row.id, "a.test", other.request, history=(row.request.url,))
    answer = frontier.commit(Batch(put_back=[PutBack(row, moved, other.request.fingerprint())]), nothing)
    assert answer.refused == [(Outcome.DROPPED, "duplicate")]
    counts = frontier.counts()
    assert (counts.seen, counts.pending, counts.ended[Outcome.DROPPED]) == (2, 1, 1)


def test_a_batch_with_a_stale_token_is_refused_whole(frontier: Frontier) -> None:
    add(frontier, "http://a.test/1")
    lease = lease_one(frontier)
    frontier.release({"a.test": HostState()}, 100.0)
    written: list[Batch] = []
    batch = Batch(ended=[Ended(lease.rows[0], Outcome.FETCHED)], tokens={"a.test": lease.token})
    with pytest.raises(StaleLease):
        frontier.commit(batch, written.append)
    assert (written, frontier.counts().pending) == ([], 1)


def test_a_wish_for_a_host_that_is_not_leased_is_refused(frontier: Frontier) -> None:
    with pytest.raises(StaleLease):
        frontier.refill([Want("a.test", [], 1)], 100.0)


def test_nothing_of_a_batch_is_done_if_its_items_cannot_be_written(frontier: Frontier) -> None:
    add(frontier, "http://a.test/1")
    row = lease_one(frontier).rows[0]

    def full(batch: Batch, *, sync: bool) -> dict[str, Any]:
        raise SinkError("no room", file="items.jsonl")

    with pytest.raises(SinkError):
        frontier.commit(Batch(ended=[Ended(row, Outcome.FETCHED)], found=[found("http://a.test/2")]), full)
    counts = frontier.counts()
    assert (counts.seen, counts.pending) == (1, 1)
    end(frontier, row)
    assert frontier.counts().pending == 0


def test_hosts_are_leased_in_the_order_in_which_they_came(frontier: Frontier) -> None:
    add(frontier, *(f"http://{name}.test/{n}" for n in range(3) for name in "abc"))
    assert [lease.host for lease in frontier.lease(2, 1, 100.0).hosts] == ["a.test", "b.test"]
    assert [lease.host for lease in frontier.lease(2, 1, 100.0).hosts] == ["c.test"]


def test_a_host_with_much_to_do_does_not_come_again_before_one_that_waits(frontier: Frontier) -> None:
    add(frontier, *(f"http://{name}.test/{n}" for name in "ab" for n in range(9)))
    for _ in range(2):
        order = []
        for _ in range(2):
            lease = lease_one(frontier, each=1)
            order.append(lease.host)
            frontier.release({lease.host: HostState()}, 100.0)
        assert order == ["a.test", "b.test"]


HOSTS = ["a.test", "b.test", "c.test:8080"]


class Against(RuleBasedStateMachine):
    """Random operations; the model is a dict of pending rows and a set of what was seen."""

    backend = "memory"

    @initialize()
    def begin(self) -> None:
        self.frontier = BACKENDS[self.backend]()
        self.now = 100.0
        self.seen: set[bytes] = set()
        self.pending: dict[int, Row] = {}
        self.ended = dict.fromkeys(Outcome, 0)
        self.total = 0
        self.leases: dict[str, Any] = {}
        self.held: dict[str, dict[int, Row]] = {}
        self.states: dict[str, float] = {}

    def teardown(self) -> None:
        if hasattr(self, "frontier"):
            self.frontier.close()

    @rule(
        host=st.sampled_from(HOSTS),
        number=st.integers(0, 12),
        priority=st.integers(-1, 1),
        dont_filter=st.booleans(),
        refused=st.booleans(),
    )
    def finds(self, host: str, number: int, priority: int, dont_filter: bool, refused: bool) -> None:
        outcome = Outcome.DROPPED if refused and number % 5 == 0 else None
        one = found(f"http://{host}/{number}", priority=priority, dont_filter=dont_filter, outcome=outcome)
        answer = add(self.frontier, one)
        duplicate = one.fingerprint in self.seen and not dont_filter
        assert (answer.new, answer.duplicates) == ((0, 1) if duplicate else (1, 0))
        if duplicate:
            return
        self.total += 1
        if not dont_filter:
            self.seen.add(one.fingerprint)
        if outcome is not None:
            self.ended[outcome] += 1
        else:
            self.unknown_ids(host, one, answer)

    def unknown_ids(self, host: str, one: Found, answer: Any) -> None:
        """The model learns a row's id where the frontier first says it: at once for a leased host."""
        if host in self.leases:
            (row,) = answer.rows
            self.pending[row.id] = row
        else:
            self.nameless.setdefault(host, []).append(one)

    @property
    def nameless(self) -> dict[str, list[Found]]:
        return self.__dict__.setdefault("_nameless", {})

    @rule(n=st.integers(0, 3), each=st.integers(1, 4))
    def leases_some(self, n: int, each: int) -> None:
        answer = self.frontier.lease(n, each, self.now)
        assert len(answer.hosts) <= n
        for lease in answer.hosts:
            assert lease.host not in self.leases
            assert self.states.get(lease.host, 0.0) <= self.now
            assert lease.state.opens_at == self.states.get(lease.host, 0.0)
            self.leases[lease.host] = lease
            self.held[lease.host] = {}
            self.take(lease.host, lease.rows, each)

    def take(self, host: str, rows: list[Row], n: int) -> None:
        """Rows that were handed out: new ones get their place in the model, known ones must be as they were."""
        for row in rows:
            if row.id not in self.pending:
                names = self.nameless[host]
                names.remove(next(one for one in names if one.request == row.request))
                self.pending[row.id] = row
            assert self.pending[row.id] == row
            assert row.id not in self.held[host]
            self.held[host][row.id] = row
        assert len(rows) <= n
        ready = [row for row in rows if row.not_before <= self.now]
        assert rows[: len(ready)] == sorted(ready, key=lambda row: row.key)
        assert [row.not_before for row in rows[len(ready) :]] == sorted(row.not_before for row in rows[len(ready) :])

    @rule(host=st.sampled_from(HOSTS), n=st.integers(1, 4), forget=st.booleans())
    def refills(self, host: str, n: int, forget: bool) -> None:
        if host not in self.leases:
            return
        if forget:
            self.held[host] = dict(list(self.held[host].items())[1:])
        rows = self.frontier.refill([Want(host, list(self.held[host]), n)], self.now)[host]
        waiting = [row for row in self.pending.values() if row.host == host and row.id not in self.held[host]]
        assert len(rows) == min(n, len(waiting) + len(self.nameless.get(host, [])))
        self.take(host, rows, n)

    @rule(host=st.sampled_from(HOSTS), outcome=st.sampled_from(list(Outcome)))
    def ends_one(self, host: str, outcome: Outcome) -> None:
        if self.held.get(host):
            _, row = self.held[host].popitem()
            end(self.frontier, row, outcome, self.leases[host].token)
            del self.pending[row.id]
            self.ended[outcome] += 1

    @rule(host=st.sampled_from(HOSTS), wait=st.sampled_from([0.0, 5.0, 50.0]))
    def retries_one(self, host: str, wait: float) -> None:
        if self.held.get(host):
            _, row = self.held[host].popitem()
            again = Row(row.id, host, row.request, row.attempt + 1, row.history, self.now + wait if wait else 0.0)
            answer = self.frontier.commit(Batch(put_back=[PutBack(row, again)]), nothing)
            assert answer.rows == [again]
            self.pending[row.id] = again

    @rule(host=st.sampled_from(HOSTS), to=st.sampled_from(HOSTS), number=st.integers(0, 12))
    def hops_one(self, host: str, to: str, number: int) -> None:
        if not self.held.get(host):
            return
        _, row = self.held[host].popitem()
        request = row.request.replace(url=f"http://{to}/{number}", dont_filter=False)
        moved = Row(row.id, to, request, 0, (*row.history, row.request.url))
        seen = request.fingerprint() in self.seen
        answer = self.frontier.commit(Batch(put_back=[PutBack(row, moved, request.fingerprint())]), nothing)
        self.seen.add(request.fingerprint())
        if seen:
            del self.pending[row.id]
            self.ended[Outcome.DROPPED] += 1
        else:
            self.pending[row.id] = moved
        assert answer.rows == ([moved] if to in self.leases and not seen else [])

    @rule(host=st.sampled_from(HOSTS), wait=st.sampled_from([0.0, 20.0]))
    def releases(self, host: str, wait: float) -> None:
        if host in self.leases:
            self.states[host] = self.now + wait if wait else 0.0
            self.frontier.release({host: HostState(self.states[host], "test")}, self.now)
            del self.leases[host], self.held[host]

    @rule(seconds=st.sampled_from([1.0, 10.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def the_counters_add_up(self) -> None:
        if not hasattr(self, "frontier"):
            return
        counts = self.frontier.counts()
        nameless = sum(len(names) for names in self.nameless.values())
        assert counts.ended == self.ended
        assert counts.pending == len(self.pending) + nameless
        assert counts.seen == self.total == counts.pending + sum(self.ended.values())


TestMemoryAgainstTheModel = Against.TestCase
TestMemoryAgainstTheModel.settings = settings(max_examples=60, stateful_step_count=40)


class AgainstSQLite(Against):
    backend = "sqlite"

    @rule()
    def is_opened_again(self) -> None:
        """What was leased comes back, as it stood when it was last released."""
        self.frontier.restart()
        self.leases.clear()
        self.held.clear()


TestSQLiteAgainstTheModel = AgainstSQLite.TestCase
TestSQLiteAgainstTheModel.settings = settings(max_examples=30, stateful_step_count=40)
