"""Who is served, and who waits for what: the rules one by one, then random operations against a model without heaps."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from scrapekit.errors import ConnectFailed, FetchError, HostDown, RobotsUnreachable
from scrapekit.frontier import HostState, Lease, Outcome, Row
from scrapekit.headers import Headers
from scrapekit.hosts import UNHEARD, Heard, Refused, Turn
from scrapekit.hours import parse
from scrapekit.origins import AGAIN, MAX_AGE, STALE
from scrapekit.registry import SLEEPER, HostRegistry
from scrapekit.request import Request
from scrapekit.tables import Limits

START = 1_000_000.0
GOOD = Heard(200, size=100)


class Bench:
    """A registry on a clock that the test turns. Hosts are ``a.test``; robots.txt is ignored unless asked for."""

    def __init__(self, *, each: int = 8, addresses: dict[str, str | None] | None = None, **limits: Any) -> None:
        self.now = START
        self.addresses = addresses or {}
        self.idle: set[str] | None = None  # None: a connection is open everywhere
        self.limits = Limits(**{"robots": "ignore", "per_address": 0} | limits)
        self.own: dict[str, Limits] = {}
        self.ids, self.tokens = count(1), count(1)
        self.registry = HostRegistry(
            limits_for=lambda host: self.own.get(host, self.limits),
            agent="ours",
            address_of=lambda url: self.addresses.get(url.split("/")[2], ""),
            has_idle=lambda url: self.idle is None or url.split("/")[2] in self.idle,
            each=each,
            random=lambda: 0.5,
        )

    def row(self, host: str = "a.test", path: str = "", **more: Any) -> Row:
        id_ = next(self.ids)
        request = Request(f"http://{host}/{path or id_}", priority=more.pop("priority", 0))
        return Row(id_, host, request, **more)

    def lease(self, host: str = "a.test", n: int = 1, *, state: HostState | None = None, waiting: int = 0) -> list[Row]:
        return self.lease_rows(host, [self.row(host) for _ in range(n)], state=state, waiting=waiting)

    def lease_rows(self, host: str, rows: list[Row], *, state: HostState | None = None, waiting: int = 0) -> list[Row]:
        lease = Lease(host, next(self.tokens), state or HostState(), max(waiting, len(rows)), rows)
        self.registry.add(lease, self.now)
        return rows

    def host(self, name: str = "a.test") -> Any:
        return self.registry._hosts[name]

    def take(self, *, may_connect: bool = True) -> Turn | None:
        return self.registry.take(self.now, may_connect=may_connect)

    def must(self) -> Turn:
        turn = self.take()
        assert turn is not None
        return turn

    def send(self, turn: Turn) -> Turn:
        self.registry.sent(turn, self.now)
        return turn

    def end(self, turn: Turn, heard: Heard = GOOD) -> None:
        self.registry.ended(turn, heard, self.now)
        self.registry.forget(turn.row, self.now)

    def visit(self, heard: Heard = GOOD) -> Turn:
        """One turn from its taking to its commit, at this moment."""
        turn = self.send(self.must())
        self.end(turn, heard)
        return turn

    def opens(self) -> float | None:
        opening = self.registry.next_opening()
        return None if opening is None else opening[0]

    def refusals(self) -> list[Refused]:
        self.take()
        refused = list(self.registry.refused)
        self.registry.refused.clear()
        return refused

    def order(self, seconds: float, step: float = 0.25, *, takes: float = 0.0) -> list[tuple[float, str]]:
        """Who is sent to in the next so many seconds, where each exchange is over after ``takes``."""
        sent, out = [], []
        end = self.now + seconds
        while self.now < end:
            for turn in [turn for turn in out if self.now >= turn.sent_at + takes]:
                out.remove(turn)
                self.end(turn)
            while (turn := self.take()) is not None:
                sent.append((self.now - START, turn.host.name))
                out.append(self.send(turn))
                if not takes:
                    self.end(out.pop())
            self.now += step
        for turn in out:
            self.end(turn)
        return sent


# -- one host


def test_nobody_is_served_where_nobody_waits() -> None:
    bench = Bench()
    assert (bench.take(), bench.opens(), len(bench.registry)) == (None, None, 0)


def test_a_host_is_shut_from_the_taking_of_a_turn_until_its_first_byte_is_out() -> None:
    bench = Bench(delay=1.0, concurrency=5)
    bench.lease(n=3)
    turn = bench.must()
    bench.now += 100
    assert (bench.take(), bench.opens()) == (None, None)
    bench.send(turn)
    assert bench.opens() == bench.now + 1.0
    bench.now += 0.999
    assert bench.take() is None
    bench.now = turn.sent_at + 1.0
    assert bench.take() is not None


def test_a_turn_that_never_sent_costs_the_pause_all_the_same() -> None:
    bench = Bench(delay=2.0)
    bench.lease(n=2)
    turn = bench.must()
    bench.now += 10
    bench.end(turn, Heard(error=ConnectFailed("refused")))
    assert bench.opens() == bench.now + 2.0


def test_a_turn_that_never_sent_says_so() -> None:
    bench = Bench(delay=2.0)
    bench.lease()
    turn = bench.must()
    bench.end(turn, Heard(error=ConnectFailed("refused")))
    assert turn.sent_at is None


def test_a_turn_that_is_skipped_is_as_if_it_had_not_been_taken() -> None:
    bench = Bench(delay=2.0, per_address=1, addresses={"a.test": "10.0.0.1", "b.test": "10.0.0.1"})
    bench.lease("a.test", 2)
    bench.registry.skipped(bench.must(), bench.now)
    assert bench.must().host.name == "a.test"


@pytest.mark.parametrize("cap", [1, 2, 3])
def test_permits_are_never_more_than_the_cap_and_come_back_once(cap: int) -> None:
    bench = Bench(delay=0, concurrency=cap)
    bench.lease(n=9)
    turns = [bench.must() for _ in range(cap)]
    assert (bench.take(), bench.opens()) == (None, None)
    for turn in turns:
        bench.end(turn)
    with pytest.raises(AssertionError, match="twice"):
        bench.registry.ended(turns[0], GOOD, bench.now)
    assert [bench.take() is not None for _ in range(cap + 1)] == [True] * cap + [False]


def test_the_delay_counts_from_the_send_and_not_from_the_end() -> None:
    bench = Bench(delay=2.0)
    bench.lease(n=2)
    turn = bench.send(bench.must())
    bench.now += 1.5
    bench.end(turn)
    assert bench.opens() == turn.sent_at + 2.0


def test_a_turn_says_since_when_it_might_have_been_taken_and_what_had_kept_the_host_shut() -> None:
    bench = Bench(delay=2.0)
    bench.lease(n=3)
    assert (bench.must().due, bench.host().rule) == (0.0, "free")
    bench.registry.skipped(Turn(bench.host(), bench.row(), 0, 0, "", (), "", None, None), bench.now)
    bench.visit()
    bench.now += 7
    turn = bench.must()
    assert (turn.due, turn.rule) == (START + 2.0, "delay")


def test_rows_go_by_priority_and_then_in_their_order() -> None:
    bench = Bench(delay=0)
    rows = [bench.row(priority=p) for p in (0, 5, -1, 5, 0)]
    bench.lease_rows("a.test", rows)
    assert [bench.visit().row.id for _ in rows] == [2, 4, 1, 5, 3]


def test_a_row_for_later_waits_and_holds_up_nobody() -> None:
    bench = Bench(delay=0)
    later = bench.row(not_before=START + 50)
    bench.lease_rows("a.test", [later, bench.row()])
    assert bench.visit().row.id == 2
    assert (bench.take(), bench.opens()) == (None, START + 50)
    bench.now += 50
    assert bench.visit().row is later


def test_a_429_without_retry_after_rests_the_whole_host() -> None:
    bench = Bench(delay=1.0)
    bench.lease(n=2)
    bench.visit(Heard(429))
    assert bench.opens() == START + 60 * 1.05
    assert bench.host().rule == "back-off after 429"


def test_what_the_pause_grows_to_by_an_answer_holds_from_the_last_send_on() -> None:
    bench = Bench(delay=1.0, adaptive=5.0)
    bench.lease(n=2)
    turn = bench.send(bench.must())
    bench.now += 2.0
    bench.end(turn)
    assert bench.opens() == turn.sent_at + 10.0
    assert bench.host().rule == "adaptive"


# -- the line


def test_no_host_is_served_before_its_time_and_each_in_its_own() -> None:
    bench = Bench()
    bench.own = {f"h{n}.test": Limits(robots="ignore", per_address=0, delay=n) for n in range(1, 6)}
    for name in bench.own:
        bench.lease(name, 200)
    times = defaultdict(list)
    for at, name in bench.order(60):
        times[name].append(at)
    for n in range(1, 6):
        assert times[f"h{n}.test"] == [float(t) for t in range(0, 60, n)]


def test_the_largest_backlog_goes_first_but_nobody_waits_for_long() -> None:
    bench = Bench(delay=0)
    bench.lease("small.test", 1)
    bench.lease("large.test", 500)
    assert bench.visit().host.name == "large.test"
    names = []
    while "small.test" not in names:
        bench.now += 0.1
        names.append(bench.visit().host.name)
    assert len(names) < 100


def test_a_host_that_has_nothing_left_stands_nowhere() -> None:
    bench = Bench(delay=1.0)
    bench.lease()
    bench.visit()
    bench.now += 100
    assert (bench.take(), bench.opens()) == (None, None)


def test_next_opening_never_misses_a_host_and_names_it() -> None:
    bench = Bench(delay=3.0)
    bench.lease("a.test", 2)
    bench.visit()
    bench.now += 1
    bench.lease("b.test", 2)
    bench.visit()
    opening = bench.registry.next_opening()
    assert opening is not None
    assert (opening[0], opening[1].name) == (START + 3.0, "a.test")


# -- the gate for connecting


def test_without_the_right_to_connect_only_hosts_with_an_open_connection_are_served() -> None:
    bench = Bench(delay=0)
    bench.idle = {"b.test"}
    bench.lease("a.test")
    bench.lease("b.test", 2)
    names = [bench.take(may_connect=False) for _ in range(2)]
    assert [turn and turn.host.name for turn in names] == ["b.test", None]
    turn = bench.must()
    assert (turn.host.name, turn.connecting) == ("a.test", True)


def test_who_waits_at_the_gate_goes_first_and_in_order_once_there_is_the_right() -> None:
    bench = Bench(delay=0)
    bench.idle = {"b.test"}
    for name in ("a.test", "c.test"):
        bench.lease(name, 1)
    assert bench.take(may_connect=False) is None
    bench.lease("b.test", 500)
    assert [bench.must().host.name for _ in range(3)] == ["a.test", "c.test", "b.test"]


def test_a_host_that_rests_meanwhile_leaves_the_gate() -> None:
    bench = Bench(delay=0, concurrency=2)
    bench.lease(n=3)
    turn = bench.send(bench.must())
    bench.idle = set()
    assert bench.take(may_connect=False) is None
    bench.end(turn, Heard(429))
    assert bench.take() is None
    bench.now += 63
    assert bench.must().connecting


# -- names


def test_a_name_is_looked_up_once_before_a_turn_is_taken() -> None:
    bench = Bench(addresses={"a.test": None})
    (row, _) = bench.lease(n=2)
    assert (bench.take(), bench.take(), bench.opens()) == (None, None, None)
    assert list(bench.registry.unresolved) == [("a.test", row.request.url)]
    bench.addresses["a.test"] = "10.0.0.1"
    bench.registry.resolved("a.test", bench.now)
    turn = bench.must()
    assert (turn.row, turn.address) == (row, "10.0.0.1")


def test_a_look_up_that_found_nothing_lets_the_turn_find_out() -> None:
    bench = Bench(addresses={"a.test": None}, delay=0)
    bench.lease(n=2)
    assert bench.take() is None
    bench.registry.resolved("a.test", bench.now)
    assert bench.visit().address == ""
    assert bench.take() is None  # and the next one looks again
    assert len(bench.registry.unresolved) == 2


def test_a_look_up_of_a_host_that_is_gone_is_no_matter() -> None:
    Bench().registry.resolved("gone.test", START)


# -- addresses and domains

ONE = {f"{name}.test": "10.0.0.1" for name in "abcdef"}


@pytest.mark.parametrize("share", [1, 2, 4])
def test_hosts_at_one_address_are_sent_to_as_often_as_so_many_alone(share: int) -> None:
    bench = Bench(per_address=share, addresses=ONE, delay=1.0)
    for name in ONE:
        bench.lease(name, 100)
    times = [at for at, _ in bench.order(20, step=1 / 64)]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) >= 1.0 / share
    assert len(times) >= 20 * share - 1


def test_between_taking_and_sending_no_other_host_of_the_address_is_served() -> None:
    bench = Bench(per_address=8, addresses=ONE, delay=1.0)
    bench.lease("a.test")
    bench.lease("b.test")
    turn = bench.must()
    assert (bench.take(), bench.opens()) == (None, None)
    bench.send(turn)
    assert bench.opens() == bench.now + 1.0 / 8


def test_an_address_caps_what_is_out_at_once() -> None:
    bench = Bench(per_address=2, addresses=ONE, delay=0, concurrency=2)
    for name in ONE:
        bench.lease(name, 5)
    turns = [bench.must() for _ in range(4)]
    assert (bench.take(), bench.opens()) == (None, None)
    bench.end(turns.pop())
    assert bench.must() is not None
    assert bench.take() is None


@pytest.mark.parametrize("share", [1, 2])
def test_hosts_of_a_group_take_turns(share: int) -> None:
    bench = Bench(per_address=share, addresses=ONE, delay=1.0)
    for name in ONE:
        bench.lease(name, 100)
    served = [name for _, name in bench.order(24 / share, step=1 / 64)]
    for first in range(0, len(served) - 6, 6):
        assert set(served[first : first + 6]) == set(ONE)


def test_a_large_host_does_not_push_in_before_the_others_of_its_group() -> None:
    bench = Bench(per_address=1, addresses=ONE, delay=1.0)
    bench.lease("a.test", 2000)
    bench.lease("b.test", 3)
    served = [name for _, name in bench.order(8)]
    assert served.count("b.test") == 3


def test_a_host_with_a_long_pause_is_not_overtaken_for_ever_by_others_of_its_group() -> None:
    bench = Bench(per_address=1, addresses=ONE, delay=1.0)
    bench.own["b.test"] = bench.limits.model_copy(update={"delay": 10.0})
    bench.lease("a.test", 500)
    bench.lease("c.test", 500)
    bench.lease("b.test", 3)
    served = [name for _, name in bench.order(60)]
    assert served.count("b.test") == 3


def test_a_host_that_has_nothing_to_send_after_all_lets_the_next_one_go() -> None:
    bench = Bench(per_address=1, addresses=ONE, delay=1.0, max_pages=1)
    for name in ONE:
        bench.lease(name, 2)
    # The second row of each is beyond its budget: refused, and nobody waits for it.
    assert [name for _, name in bench.order(12)] == list(ONE)
    bench.now += 1
    bench.take()
    assert [refused.reason for refused in bench.registry.refused] == ["budget: pages"] * 6


def test_a_host_whose_name_must_be_looked_up_again_lets_the_next_one_go() -> None:
    addresses: dict[str, str | None] = dict(ONE)
    bench = Bench(per_address=1, addresses=addresses, delay=1.0)
    for name in "abc":
        bench.lease(f"{name}.test", 2)
    assert bench.visit().host.name == "a.test"
    assert bench.take() is None
    addresses["b.test"] = None
    bench.now += 1
    assert bench.must().host.name == "c.test"
    bench.registry.resolved("b.test", bench.now)


def test_a_host_that_is_released_lets_the_next_one_go() -> None:
    bench = Bench(per_address=1, addresses=ONE, delay=1.0, concurrency=2)
    for name in "abc":
        bench.lease(f"{name}.test", 2)
    assert bench.visit().host.name == "a.test"
    assert bench.take() is None
    bench.now += 1
    bench.own["b.test"] = bench.limits.model_copy(update={"visit": parse("01:00-02:00")})
    bench.registry.relimit(bench.now)
    assert {name for _, name in bench.order(5)} == {"a.test", "c.test"}
    assert set(bench.registry.release_sleepers(bench.now)) >= {"b.test"}
    assert bench.registry.next_opening() is None or bench.registry.next_opening()[1].name != "b.test"


def test_a_group_in_which_a_host_gates_is_not_lost() -> None:
    bench = Bench(per_address=1, addresses=ONE, delay=1.0)
    bench.idle = set()
    for name in "abc":
        bench.lease(f"{name}.test", 3)
    bench.visit()
    bench.now += 1
    assert bench.take(may_connect=False) is None
    assert {name for _, name in bench.order(20)} == {"a.test", "b.test", "c.test"}
    assert bench.registry.next_opening() is None


def test_a_host_may_share_both_its_address_and_its_domain() -> None:
    names = [f"{name}.example.co.uk" for name in "abcdef"]
    bench = Bench(per_address=2, per_domain=1, addresses=dict.fromkeys(names, "10.0.0.1"), delay=1.0)
    for name in names:
        bench.lease(name, 4)
    served = bench.order(40, step=1 / 16)
    times = [at for at, _ in served]
    assert len(served) == 24
    assert min(later - earlier for earlier, later in pairwise(times)) >= 1.0


def test_two_kinds_of_groups_that_cross_hold_each_other_up_for_no_longer_than_they_must() -> None:
    # Each domain lies on both addresses, each address serves both domains.
    addresses = {"a.one.test": "1", "b.one.test": "2", "a.two.test": "1", "b.two.test": "2"}
    bench = Bench(per_address=1, per_domain=1, addresses=addresses, delay=1.0)
    for name in addresses:
        bench.lease(name, 10)
    served = bench.order(60, step=1 / 16)
    assert len(served) == 40
    assert {name for _, name in served[:8]} == set(addresses)


# -- robots.txt


def robots(bench: Bench, body: bytes = b"", status: int = 200) -> Turn:
    """Take the turn for a robots.txt, and answer it."""
    turn = bench.send(bench.must())
    assert turn.robots_of is not None
    bench.registry.ended(turn, Heard(status, is_page=False), bench.now)
    bench.registry.robots_known(turn.robots_of, status, body, bench.now)
    return turn


def robots_fails(bench: Bench, error: FetchError) -> Turn:
    turn = bench.send(bench.must())
    assert turn.robots_of is not None
    bench.registry.ended(turn, Heard(error=error, is_page=False), bench.now)
    bench.registry.robots_failed(turn.robots_of, error, bench.now)
    return turn


def test_robots_is_asked_for_once_however_many_wait() -> None:
    bench = Bench(robots="obey", delay=1.0, concurrency=5)
    bench.lease(n=5)
    turn = bench.send(bench.must())
    assert (turn.row.request.url, turn.row.id < 0) == ("http://a.test/robots.txt", True)
    bench.now += 100
    assert bench.take() is None
    assert bench.registry.why(bench.host(), bench.now)[0] == "robots.txt"
    bench.registry.ended(turn, Heard(404, is_page=False), bench.now)
    bench.registry.robots_known(turn.robots_of, 404, b"", bench.now)
    assert [bench.visit().robots_of, *(name for _, name in bench.order(10))] == [None] + ["a.test"] * 4


def test_what_it_disallows_is_refused_with_the_line() -> None:
    bench = Bench(robots="obey", delay=0)
    rows = [bench.row(path="x"), bench.row(path="private")]
    bench.lease_rows("a.test", rows)
    origin = robots(bench, b"User-agent: *\nDisallow: /private\n").robots_of
    origin.digest = "abc"
    turn = bench.visit()
    assert (turn.row, turn.origin) == (rows[0], origin)
    (refused,) = bench.refusals()
    assert refused == Refused(rows[1], Outcome.DISALLOWED, "robots.txt", None, "abc", 2)


def test_what_prepare_made_of_a_request_is_held_against_robots_too() -> None:
    bench = Bench(robots="obey", delay=0)
    bench.lease()
    robots(bench, b"User-agent: *\nDisallow: /private\n")
    turn = bench.must()
    assert bench.registry.refusal(turn, turn.row.request) is None
    refused = bench.registry.refusal(turn, Request("http://a.test/private"))
    assert refused is not None
    assert (refused.row, refused.line) == (turn.row, 2)


def test_an_origin_that_cannot_be_read_fails_all_that_waits_there() -> None:
    bench = Bench(robots="obey", delay=0)
    rows = bench.lease(n=3)
    error = RobotsUnreachable("robots.txt answers 503")
    robots_fails(bench, error)
    assert [(r.row, r.outcome, r.reason, r.error) for r in bench.refusals()] == [
        (row, Outcome.FAILED, "robots unreachable", error) for row in rows
    ]


def test_a_copy_is_asked_for_again_after_half_a_day_and_is_in_force_meanwhile() -> None:
    bench = Bench(robots="obey", delay=0, concurrency=2)
    bench.lease(n=9)
    robots(bench, b"User-agent: *\nDisallow: /9\n")
    bench.now += STALE - 0.001
    assert bench.visit().robots_of is None
    bench.now = START + STALE
    again = bench.send(bench.must())
    assert again.robots_of is not None
    assert bench.visit().robots_of is None  # by the old copy
    bench.registry.ended(again, Heard(200, is_page=False), bench.now)
    bench.registry.robots_known(again.robots_of, 200, b"User-agent: *\nDisallow: /\n", bench.now)
    assert len(bench.refusals()) == 7


def test_a_copy_that_cannot_be_read_again_is_used_until_it_is_a_day_old() -> None:
    bench = Bench(robots="obey", delay=0)
    bench.lease(n=9)
    robots(bench)
    bench.now = START + STALE
    robots_fails(bench, ConnectFailed("refused"))
    assert bench.visit().robots_of is None
    bench.now += AGAIN
    robots_fails(bench, ConnectFailed("refused"))
    assert bench.visit().robots_of is None
    bench.now = START + MAX_AGE
    robots_fails(bench, ConnectFailed("refused"))
    assert {refused.reason for refused in bench.refusals()} == {"connection"}


def moved(turn: Turn, host: str) -> Row:
    return Row(turn.row.id, host, Request(f"http://{host}/r", dont_filter=True), history=(turn.row.request.url,))


def test_a_robots_txt_elsewhere_waits_for_a_turn_there_ahead_of_its_queue() -> None:
    bench = Bench(robots="obey", delay=1.0)
    bench.lease("a.test")
    bench.lease("b.test", 3)
    turn = bench.send(bench.must())
    if turn.host.name == "b.test":
        bench.registry.ended(turn, Heard(404, is_page=False), bench.now)
        bench.registry.robots_known(turn.robots_of, 404, b"", bench.now)
        turn = bench.send(bench.must())
    bench.registry.ended(turn, Heard(302, is_page=False), bench.now)
    bench.registry.robots_put_back(turn.robots_of, moved(turn, "b.test"), bench.now)
    bench.now += 5
    errand = bench.send(bench.must())
    assert (errand.host.name, errand.robots_of.name) == ("b.test", "http://a.test")
    assert errand.origin is None
    bench.registry.ended(errand, Heard(200, is_page=False), bench.now)
    bench.registry.robots_known(errand.robots_of, 200, b"User-agent: *\nDisallow: /", bench.now)
    assert [refused.row.host for refused in bench.refusals()] == ["a.test"]


def test_an_errand_at_a_host_that_is_not_leased_asks_for_it_and_goes_first_there() -> None:
    bench = Bench(robots="obey", delay=0)
    bench.lease("a.test")
    turn = bench.send(bench.must())
    bench.registry.ended(turn, Heard(302, is_page=False), bench.now)
    bench.registry.robots_put_back(turn.robots_of, moved(turn, "b.test"), bench.now)
    assert bench.registry.asks
    assert bench.registry.wanted() == ["b.test"]
    bench.lease("b.test", 2)
    assert bench.must().robots_of.name == "http://a.test"
    assert (bench.registry.wanted(), bench.registry.asks) == ([], False)


def test_a_robots_txt_that_is_asked_for_later_waits_so_long() -> None:
    bench = Bench(robots="obey", delay=0)
    bench.lease("a.test")
    turn = bench.send(bench.must())
    bench.registry.ended(turn, Heard(503, is_page=False), bench.now)
    later = Row(turn.row.id, "a.test", turn.row.request, attempt=1, not_before=bench.now + 500)
    bench.registry.robots_put_back(turn.robots_of, later, bench.now)
    assert bench.opens() == START + 500


@pytest.mark.parametrize("known", [True, False])
def test_the_verdict_of_a_host_that_has_gone_meanwhile_is_no_matter(known: bool) -> None:
    bench = Bench(robots="obey", delay=0)
    bench.lease("a.test")
    robots(bench)
    bench.lease("b.test")
    bench.now += STALE
    turn = next(turn for turn in iter(bench.take, None) if turn.host.name == "a.test")
    bench.send(turn)
    bench.registry.ended(turn, Heard(302, is_page=False), bench.now)
    bench.registry.robots_put_back(turn.robots_of, moved(turn, "c.test"), bench.now)
    bench.end(next(turn for turn in iter(bench.take, None) if turn.host.name == "a.test"))
    state = bench.registry.release_idle()["a.test"]
    if known:
        bench.registry.robots_known(turn.robots_of, 200, b"User-agent: *\nDisallow: /", bench.now)
    else:
        bench.registry.robots_failed(turn.robots_of, ConnectFailed("refused"), bench.now)
    bench.lease("a.test", state=state)
    assert len(bench.refusals()) == known


def test_a_crawl_delay_holds_from_the_fetch_of_the_file_on_and_is_told_beyond_the_cap(caplog: Any) -> None:
    bench = Bench(robots="obey", delay=1.0, max_crawl_delay=20.0)
    bench.lease(n=2)
    with caplog.at_level(logging.WARNING):
        robots(bench, b"User-agent: *\nCrawl-delay: 500\n")
    assert (bench.opens(), bench.host().rule) == (START + 20.0, "crawl-delay")
    assert "a.test asks for a crawl-delay of 500 s, which counts as max_crawl_delay" in caplog.text


# -- what stops a host


def test_what_goes_beyond_the_pages_is_dropped_and_no_more_is_out_than_is_left() -> None:
    bench = Bench(delay=0, concurrency=5, max_pages=3)
    bench.lease(n=5)
    turns = [bench.must() for _ in range(3)]
    assert bench.take() is None  # these may be the last ones
    assert not bench.registry.refused
    bench.end(turns[0], Heard(404, error=ConnectFailed("x")))
    turns.append(bench.must())
    for turn in turns[1:]:
        bench.end(turn)
    assert [(refused.outcome, refused.reason) for refused in bench.refusals()] == [(Outcome.DROPPED, "budget: pages")]


def test_a_robots_txt_that_is_not_there_is_no_error_of_the_budget() -> None:
    bench = Bench(robots="obey", delay=0, max_errors=1)
    bench.lease(n=2)
    robots(bench, status=404)
    assert bench.refusals() == []


def test_a_host_that_is_down_fails_all_that_waits_there_at_once() -> None:
    bench = Bench(delay=1.0, circuit_failures=2, circuit_trials=1)
    bench.lease(n=6)
    for _ in range(3):
        assert not bench.registry.refused
        bench.visit(Heard(error=ConnectFailed("refused")))
        assert bench.opens() is not None
        bench.now = max(bench.now, bench.opens())
    given_up = bench.now
    refused = bench.refusals()
    assert given_up < START + 1 + 60 + 2
    assert [(each.outcome, each.reason) for each in refused] == [(Outcome.FAILED, "host down")] * 3
    assert isinstance(refused[0].error, HostDown)
    assert str(refused[0].error) == "host down: a.test did not answer 3 times in a row [connect]"


def test_an_open_circuit_lets_one_at_a_time_go_and_an_answer_closes_it() -> None:
    bench = Bench(delay=0, concurrency=4, circuit_failures=2)
    bench.lease(n=9)
    for _ in range(2):
        bench.visit(Heard(error=ConnectFailed("refused")))
    assert (bench.opens(), bench.host().rule) == (START + 60.0, "circuit")
    bench.now += 60
    trial = bench.send(bench.must())
    assert bench.take() is None
    bench.end(trial)
    assert [bench.take() is not None for _ in range(5)] == [True] * 4 + [False]


def test_outside_its_hours_a_host_is_shut_and_says_so() -> None:
    bench = Bench(delay=1.0, visit=parse("00:00-12:00"), robots="obey")
    bench.lease()
    bench.now = 11.5 * 3600 + 20 * 86400
    robots(bench, b"User-agent: *\nVisit-time: 0600-0900\n")
    assert bench.take() is None
    bench.now += 60
    assert bench.take() is None
    assert (bench.opens(), bench.host().rule) == (21 * 86400 + 6 * 3600, "visiting hours")
    bench.now = bench.opens()
    turn = bench.must()
    assert (turn.due, turn.rule) == (21 * 86400 + 6 * 3600, "visiting hours")


def test_hours_that_never_meet_shut_a_host_for_good() -> None:
    bench = Bench(delay=1.0, visit=parse("00:00-05:00"), robots="obey")
    bench.now = 20 * 86400.0
    bench.lease()
    robots(bench, b"User-agent: *\nVisit-time: 0600-0900\n")
    bench.now += 60
    assert (bench.take(), bench.opens()) == (None, None)


# -- settings that change


@pytest.mark.parametrize("delay", [0.0, 0.5, 3.0, 10.0])
def test_a_changed_delay_holds_at_once_from_the_last_send_on(delay: float) -> None:
    bench = Bench(delay=3.0)
    bench.lease(n=3)
    bench.visit()
    bench.now += 1
    bench.limits = bench.limits.model_copy(update={"delay": delay})
    bench.registry.relimit(bench.now)
    assert bench.opens() == START + delay
    bench.now = max(bench.now, START + delay)
    assert bench.take() is not None


def test_a_changed_delay_holds_at_once_for_who_waits_for_others_too() -> None:
    bench = Bench(delay=30.0, per_address=1, addresses=ONE)
    bench.lease("a.test")
    bench.lease("b.test")
    bench.visit()
    assert (bench.take(), bench.opens()) == (None, START + 30)
    bench.limits = bench.limits.model_copy(update={"delay": 2.0})
    bench.registry.relimit(bench.now)
    assert (bench.take(), bench.opens()) == (None, START + 2)
    bench.now += 2
    assert bench.must().host.name == "b.test"


@pytest.mark.parametrize(("before", "after"), [(1, 4), (8, 2), (2, 0)])
def test_a_changed_share_of_an_address_holds_at_once(before: int, after: int) -> None:
    bench = Bench(delay=8.0, per_address=before, addresses=ONE)
    for name in "abc":
        bench.lease(f"{name}.test")
    bench.visit()
    assert (bench.take(), bench.opens()) == (None, START + 8.0 / before)
    bench.limits = bench.limits.model_copy(update={"per_address": after})
    bench.registry.relimit(bench.now)
    bench.now += 8.0 / after if after else 0.0
    assert bench.visit().host.name == "b.test"
    assert (bench.take() is None) == bool(after)


def test_hosts_of_a_domain_share_from_the_moment_that_the_settings_ask_for_it() -> None:
    bench = Bench(delay=1.0)
    for name in ("a.x.test", "b.x.test"):
        bench.lease(name, 5)
    bench.limits = bench.limits.model_copy(update={"per_domain": 1})
    bench.registry.relimit(bench.now)
    times = [at for at, _ in bench.order(8)]
    assert min(later - earlier for earlier, later in pairwise(times)) >= 1.0


def test_a_changed_cap_holds_at_once_and_what_is_out_beyond_it_comes_back() -> None:
    bench = Bench(delay=0, concurrency=3)
    bench.lease(n=9)
    turns = [bench.must() for _ in range(3)]
    bench.limits = bench.limits.model_copy(update={"concurrency": 1})
    bench.registry.relimit(bench.now)
    for turn in turns:
        assert bench.take() is None
        bench.end(turn)
    assert [bench.take() is not None for _ in range(2)] == [True, False]
    bench.limits = bench.limits.model_copy(update={"concurrency": 5})
    bench.registry.relimit(bench.now)
    assert [bench.take() is not None for _ in range(5)] == [True] * 4 + [False]


def test_a_budget_that_is_raised_lets_more_go() -> None:
    bench = Bench(delay=0, max_pages=1)
    bench.lease(n=2)
    bench.visit()
    bench.limits = bench.limits.model_copy(update={"max_pages": 2})
    bench.registry.relimit(bench.now)
    assert bench.take() is not None


# -- windows


def test_a_window_that_runs_low_is_asked_for_once_with_what_is_held() -> None:
    bench = Bench(delay=0, each=8)
    rows = bench.lease(n=8, waiting=20)
    for _ in range(5):
        bench.visit()
    assert not bench.registry.asks
    turn = bench.send(bench.must())
    assert bench.registry.asks
    (want,) = bench.registry.wants()
    assert (want.host, want.n, set(want.held)) == ("a.test", 6, {row.id for row in rows[5:]})
    bench.end(turn)
    bench.visit()
    assert (bench.registry.asks, bench.registry.wants()) == (False, [])
    bench.registry.refilled(want, [bench.row() for _ in range(6)], bench.now)
    assert bench.host().backlog == 6
    for _ in range(6):
        bench.visit()
    assert bench.registry.asks


def test_a_row_whose_answer_is_at_hand_takes_nothing_of_its_host() -> None:
    bench = Bench(delay=10, concurrency=1)
    rows = [bench.row() for _ in range(4)]
    bench.registry.at_hand = {rows[0].id, rows[2].id}
    bench.lease_rows("a.test", rows)
    first, second = bench.registry.replay(bench.now), bench.registry.replay(bench.now)
    assert first is not None
    assert second is not None
    assert [first.row, second.row] == [rows[0], rows[2]]
    assert bench.registry.replay(bench.now) is None
    turn = bench.must()
    assert turn.row == rows[1]
    assert bench.take() is None  # it waits for the delay
    bench.registry.not_at_hand(first, bench.now)
    bench.end(bench.send(turn))
    bench.now += 10
    assert bench.must().row == rows[0]


def test_what_is_at_hand_keeps_its_host_until_it_is_committed() -> None:
    bench = Bench()
    row = bench.row()
    bench.registry.at_hand = {row.id}
    bench.lease_rows("a.test", [row])
    bench.registry.replay(bench.now)
    assert bench.registry.release_idle() == {}
    assert bench.registry.release_sleepers(bench.now) == {}
    bench.registry.forget(row, bench.now)
    assert list(bench.registry.release_idle()) == ["a.test"]


@pytest.mark.parametrize(("replays", "asks"), [(31, True), (32, False), (33, False)])
def test_no_more_is_taken_in_while_many_wait_to_be_replayed(replays: int, asks: bool) -> None:
    bench = Bench(each=8)
    rows = [bench.row() for _ in range(replays)]
    bench.registry.at_hand = {row.id for row in rows}
    bench.lease_rows("a.test", rows, waiting=1000)
    assert bool(bench.registry.wants()) is asks
    for _ in range(3):
        turn = bench.registry.replay(bench.now)
        assert turn is not None
        bench.registry.forget(turn.row, bench.now)
    assert bool(bench.registry.wants()) is not asks


def test_a_refill_that_gives_less_than_was_asked_for_says_that_no_more_waits() -> None:
    bench = Bench(delay=0)
    bench.lease(n=1, waiting=50)
    (want,) = bench.registry.wants()
    bench.registry.refilled(want, [bench.row()], bench.now)
    assert bench.host().backlog == 0
    for _ in range(2):
        bench.visit()
    assert list(bench.registry.release_idle()) == ["a.test"]


def test_a_row_that_is_held_already_is_taken_in_once() -> None:
    bench = Bench(delay=0)
    (row,) = bench.lease(n=1, waiting=3)
    bench.registry.admit(row, bench.now)
    (want,) = bench.registry.wants()
    bench.registry.refilled(want, [row], bench.now)
    assert [bench.visit().row] == [row]
    assert bench.take() is None


def test_new_rows_wait_behind_those_of_the_frontier_unless_they_go_before() -> None:
    bench = Bench(delay=0, each=8)
    bench.lease(n=8, waiting=20)
    bench.registry.admit(bench.row(), bench.now)
    assert (bench.host().backlog, len(bench.host().window)) == (13, 8)
    urgent = bench.row(priority=5)
    bench.registry.admit(urgent, bench.now)
    assert (bench.host().backlog, len(bench.host().window)) == (13, 9)
    assert bench.visit().row is urgent


def test_a_put_back_keeps_its_place_in_the_line() -> None:
    bench = Bench(delay=0, each=8)
    rows = bench.lease(n=3, waiting=20)
    turn = bench.visit()
    bench.registry.admit(Row(turn.row.id, "a.test", turn.row.request, attempt=1), bench.now)
    assert bench.visit().row.id == rows[0].id


def test_a_window_is_never_more_than_four_times_its_size() -> None:
    bench = Bench(delay=0, each=2)
    bench.lease(n=1)
    for _ in range(20):
        bench.registry.admit(bench.row(priority=9), bench.now)
    assert (len(bench.host().window), bench.host().backlog) == (8, 13)


def test_a_row_for_a_host_that_is_not_leased_is_left_to_the_frontier() -> None:
    bench = Bench()
    bench.registry.admit(bench.row("b.test"), bench.now)
    assert (len(bench.registry), bench.take()) == (0, None)


# -- the end of a lease


def test_a_host_is_idle_only_when_all_that_it_held_is_committed() -> None:
    bench = Bench(delay=0)
    bench.lease()
    turn = bench.send(bench.must())
    assert bench.registry.release_idle() == {}
    bench.registry.ended(turn, GOOD, bench.now)
    assert (bench.registry.release_idle(), bench.registry.crowd) == ({}, 1)
    bench.registry.forget(turn.row, bench.now)
    assert (bench.registry.crowd, len(bench.registry)) == (0, 1)
    assert list(bench.registry.release_idle()) == ["a.test"]
    assert len(bench.registry) == 0


@pytest.mark.parametrize("since", [0.0, 0.3, 5.0])
def test_a_host_that_is_leased_again_keeps_its_delay_to_the_microsecond(since: float) -> None:
    bench = Bench(delay=1.0)
    bench.now = START + 0.123457
    bench.lease()
    sent = bench.visit().sent_at
    state = bench.registry.release_idle()["a.test"]
    assert state.opens_at == sent + 1.0
    bench.now += since
    bench.lease(state=state)
    assert bench.opens() == sent + 1.0
    bench.now = max(bench.now, sent + 1.0 - 1e-6)
    assert (bench.take() is None) == (since < 1)


def test_throttle_circuit_and_budget_survive_a_lease() -> None:
    bench = Bench(delay=1.0, circuit_failures=2, max_pages=2)
    bench.lease(n=4)
    bench.visit()
    for heard in (Heard(429), Heard(error=ConnectFailed("refused")), Heard(error=ConnectFailed("refused"))):
        bench.now = bench.opens()
        bench.visit(heard)
    pause, opens = bench.host().throttle.pause(), bench.host().opens_at
    assert (pause.seconds, pause.rule, bench.host().rule) == (2.0, "back-off", "circuit")
    state = bench.registry.release_idle()["a.test"]
    bench.lease(n=3, state=state)
    host = bench.host()
    assert (host.throttle.pause(), host.opens_at, host.rule) == (pause, opens, "circuit")
    assert host.permits.size == 1
    bench.now = opens
    bench.visit()
    assert bench.host().circuit.failures == 0
    bench.now = bench.opens()
    assert [refused.reason for refused in bench.refusals()] == ["budget: pages"] * 2


def test_robots_rules_survive_a_lease() -> None:
    bench = Bench(robots="obey", delay=1.0)
    bench.lease()
    robots(bench, b"User-agent: *\nCrawl-delay: 9\nDisallow: /3\n")
    bench.now += 9
    sent = bench.visit().sent_at
    bench.lease(n=2, state=bench.registry.release_idle()["a.test"])
    assert (bench.opens(), bench.host().rule) == (sent + 9, "crawl-delay")
    bench.now += 9
    assert bench.visit().robots_of is None
    bench.now += 9
    assert [refused.line for refused in bench.refusals()] == [3]


def test_a_sleeper_gives_up_its_place_and_comes_back_with_its_rest() -> None:
    bench = Bench(delay=1.0)
    bench.lease("a.test", 5, waiting=9)
    bench.visit(Heard(429, Headers({"Retry-After": "3600"})))
    bench.lease("b.test", 5)
    bench.visit()
    states = bench.registry.release_sleepers(bench.now)
    assert {name: (state.opens_at, state.rule) for name, state in states.items()} == {
        "a.test": (START + 3600, "Retry-After")
    }
    assert ("a.test" in bench.registry, "b.test" in bench.registry) == (False, True)
    bench.lease("a.test", 4, state=states["a.test"])
    assert (bench.host().opens_at, bench.host().rule) == (START + 3600, "Retry-After")


@pytest.mark.parametrize(("rest", "sleeps"), [(SLEEPER, False), (SLEEPER + 1, True)])
def test_who_opens_soon_is_no_sleeper(rest: float, sleeps: bool) -> None:
    bench = Bench(delay=0)
    bench.lease(n=2)
    bench.visit(Heard(503, Headers({"Retry-After": str(int(rest))})))
    assert bool(bench.registry.release_sleepers(bench.now)) == sleeps


def test_a_host_of_which_something_is_out_uncommitted_or_parked_is_no_sleeper() -> None:
    bench = Bench(delay=100.0, concurrency=2)
    bench.lease(n=3)
    turn = bench.send(bench.must())
    assert bench.registry.release_sleepers(bench.now) == {}
    bench.registry.ended(turn, GOOD, bench.now)
    assert bench.registry.release_sleepers(bench.now) == {}
    bench.registry.forget(turn.row, bench.now)
    assert list(bench.registry.release_sleepers(bench.now)) == ["a.test"]


def test_at_the_end_every_host_is_given_back_with_its_state() -> None:
    bench = Bench(delay=5.0)
    bench.lease("a.test", 2)
    bench.lease("b.test", 2)
    bench.visit()
    states = bench.registry.release_all()
    assert sorted(state.opens_at for state in states.values()) == [0.0, START + 5.0]
    assert len(bench.registry) == 0


# -- what the display asks


def test_why_a_host_waits() -> None:
    bench = Bench(delay=4.0, addresses={"a.test": None})
    bench.lease(n=2)
    host = bench.host()
    bench.take()
    assert bench.registry.why(host, bench.now) == ("resolving", 0.0)
    bench.registry.resolved("a.test", bench.now)
    bench.addresses["a.test"] = ""
    turn = bench.must()
    assert bench.registry.why(host, bench.now) == ("fetching", 0.0)
    bench.send(turn)
    bench.end(turn)
    assert bench.registry.why(host, bench.now + 1) == ("delay", 3.0)
    assert bench.registry.busiest(5) == [host]


def test_who_could_use_a_row_is_said_with_the_time() -> None:
    bench = Bench(delay=4.0)
    bench.lease()
    assert bench.registry.starves_at("a.test") == float("inf")
    bench.send(bench.must())
    assert bench.registry.starves_at("a.test") == START + 4.0
    assert bench.registry.starves_at("gone.test") == float("inf")


# -- random operations against a model


@dataclass
class Model:
    """One host as a list of sends and of what is out: no heaps, no lines."""

    waiting: dict[int, float] = field(default_factory=dict)  # row id: not before
    out: list[Turn] = field(default_factory=list)
    unsent: list[Turn] = field(default_factory=list)
    last_sent: float = -1e9


class Machine(RuleBasedStateMachine):
    """Hosts at two addresses, served at random; each turn is held against all that was ever sent."""

    @initialize(
        delay=st.sampled_from([0.0, 0.5, 1.0]),
        cap=st.integers(1, 3),
        share=st.integers(0, 3),
        domain=st.integers(0, 2),
        each=st.sampled_from([1, 4, 64]),
    )
    def begin(self, delay: float, cap: int, share: int, domain: int, each: int) -> None:
        self.names = [f"{name}.{domain}.test" for domain in ("x", "y") for name in "abc"]
        addresses = {name: str(number % 2) for number, name in enumerate(self.names)}
        self.bench = Bench(
            each=each, addresses=addresses, delay=delay, concurrency=cap, per_address=share, per_domain=domain
        )
        self.delay, self.cap, self.share, self.domain = delay, cap, share, domain
        self.models: dict[str, Model] = {}
        self.states: dict[str, HostState] = {}
        self.group_sent: dict[str, float] = defaultdict(lambda: -1e9)
        self.may_connect = True

    def groups(self, name: str) -> list[tuple[str, int]]:
        groups = [(self.bench.addresses[name] or "", self.share), (name[2:], self.domain)]
        return [(group, share) for group, share in groups if share]

    def members(self, group: str) -> list[Model]:
        return [model for name, model in self.models.items() if group in dict(self.groups(name))]

    @rule(data=st.data(), n=st.integers(1, 5), later=st.sampled_from([0.0, 0.0, 0.7, 40.0]))
    def lease_or_admit(self, data: st.DataObject, n: int, later: float) -> None:
        name = data.draw(st.sampled_from(self.names))
        model = self.models.setdefault(name, Model())
        not_before = self.bench.now + later if later else 0.0
        rows = [self.bench.row(name, not_before=not_before) for _ in range(n)]
        if name not in self.bench.registry:
            self.bench.lease_rows(name, rows, state=self.states.pop(name, None))
        else:
            for row in rows:
                host = self.bench.host(name)
                backlog = host.backlog
                self.bench.registry.admit(row, self.bench.now)
                if host.backlog > backlog:  # left to the frontier, which gives it at once here
                    rows = [each for each in rows if each is not row]
                    host.backlog = backlog
        model.waiting |= {row.id: row.not_before for row in rows if row.id in self.bench.host(name).held}

    @rule(seconds=st.sampled_from([0.1, 0.25, 0.5, 1.0, 33.0]))
    def wait(self, seconds: float) -> None:
        self.bench.now += seconds

    @rule()
    def serve(self) -> None:
        turn = self.bench.take(may_connect=self.may_connect)
        if turn is None:
            self.nobody_could_go()
            return
        now, name = self.bench.now, turn.host.name
        model = self.models[name]
        assert model.waiting.pop(turn.row.id) <= now
        assert len(model.out) < self.cap
        assert now >= model.last_sent + self.delay
        assert not (self.delay and model.unsent)
        for group, share in self.groups(name):
            members = self.members(group)
            assert sum(len(member.out) for member in members) < self.cap * share
            assert now >= self.group_sent[group] + self.delay / share
            assert not (self.delay and any(member.unsent for member in members))
        model.out.append(turn)
        model.unsent.append(turn)

    def nobody_could_go(self) -> None:
        """There was none to serve, and so the model must know of none."""
        if not self.may_connect:
            return
        now = self.bench.now
        for name, model in self.models.items():
            if not any(not_before <= now for not_before in model.waiting.values()):
                continue
            shut = [len(model.out) >= self.cap, bool(self.delay and model.unsent), now < model.last_sent + self.delay]
            for group, share in self.groups(name):
                members = self.members(group)
                shut.append(sum(len(member.out) for member in members) >= self.cap * share)
                shut.append(bool(self.delay) and any(member.unsent for member in members))
                shut.append(now < self.group_sent[group] + self.delay / share)
            assert any(shut), f"{name} could go"

    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        if turns := [turn for model in self.models.values() for turn in model.unsent]:
            turn = data.draw(st.sampled_from(turns))
            self.bench.send(turn)
            self.went(turn)

    def went(self, turn: Turn) -> None:
        model = self.models[turn.host.name]
        model.unsent.remove(turn)
        model.last_sent = self.bench.now
        for group, _ in self.groups(turn.host.name):
            self.group_sent[group] = self.bench.now

    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        if turns := [turn for model in self.models.values() for turn in model.out]:
            turn = data.draw(st.sampled_from(turns))
            model = self.models[turn.host.name]
            if turn in model.unsent:
                self.went(turn)
                self.bench.end(turn, UNHEARD)
            else:
                self.bench.end(turn)
            model.out.remove(turn)

    @rule(data=st.data())
    def skip(self, data: st.DataObject) -> None:
        if turns := [turn for model in self.models.values() for turn in model.unsent]:
            turn = data.draw(st.sampled_from(turns))
            self.bench.registry.skipped(turn, self.bench.now)
            self.bench.registry.forget(turn.row, self.bench.now)
            self.models[turn.host.name].unsent.remove(turn)
            self.models[turn.host.name].out.remove(turn)

    @rule()
    def release(self) -> None:
        states = self.bench.registry.release_idle() | self.bench.registry.release_sleepers(self.bench.now)
        for name, state in states.items():
            assert not self.models[name].out
            self.models[name].waiting.clear()
            self.states[name] = state

    @rule(data=st.data())
    def connections(self, data: st.DataObject) -> None:
        self.bench.idle = data.draw(st.one_of(st.none(), st.sets(st.sampled_from(self.names))))
        self.may_connect = data.draw(st.booleans())

    @invariant()
    def permits_are_what_is_out(self) -> None:
        if not hasattr(self, "models"):
            return
        for name, model in self.models.items():
            if name in self.bench.registry:
                assert self.bench.host(name).permits.taken == len(model.out) <= self.cap
                assert len(self.bench.host(name).window) == len(model.waiting)

    def teardown(self) -> None:
        """Whoever waits is served in the end: nobody stands nowhere."""
        if not hasattr(self, "models"):
            return
        self.may_connect, self.bench.idle = True, None
        for model in self.models.values():
            for turn in list(model.out):
                self.bench.end(turn)
            model.out.clear()
            model.unsent.clear()
        left = sum(len(model.waiting) for model in self.models.values())
        served = self.bench.order((left + 1) * (self.delay + 0.25) + 60, step=0.25)
        assert len(served) == left


TestRandomOperations = Machine.TestCase
TestRandomOperations.settings = settings(max_examples=60, stateful_step_count=50)
