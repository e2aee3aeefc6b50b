"""The order in which hosts may be served: who stands where, and that nobody stands twice or nowhere."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from scrapekit.frontier import HostState, Lease, Row
from scrapekit.hosts import Group, Host
from scrapekit.line import HEAD_START, Line
from scrapekit.request import Request
from scrapekit.tables import Limits
from scrapekit.window import NEVER

NOW = 1000.0
ROW = Row(1, "a.test", Request("http://a.test/"))


def host(name: str, opens_at: float = 0.0, *, waiting: int = 1, delay: float = 1.0) -> Host:
    """A leased host with something to send from then on."""
    made = Host(Lease(name, 1, HostState(opens_at), waiting, [ROW]), Limits(delay=delay), random=lambda: 0.0)
    made.window.put(ROW, NOW)
    return made


def names(line: Line, now: float = NOW, *, may_connect: bool = True) -> list[str]:
    return [each.name for each in iter(lambda: line.next(now, may_connect=may_connect), None)]


def opens(line: Line) -> float | None:
    opening = line.next_opening()
    return None if opening is None else opening[0]


def test_who_may_go_now_stands_first_and_who_must_wait_comes_at_its_time() -> None:
    line = Line()
    for each in (host("late", NOW + 2), host("soon", NOW + 1), host("now")):
        line.place(each, NOW)
    assert names(line) == ["now"]
    assert opens(line) == NOW + 1
    assert names(line, NOW + 0.999) == []
    assert names(line, NOW + 1) == ["soon"]
    assert names(line, NOW + 9) == ["late"]
    assert opens(line) is None


def test_who_must_wait_for_an_answer_stands_nowhere() -> None:
    line, one = Line(), host("a")
    line.place(one, NOW)
    one.unsent = True
    line.place(one, NOW)
    assert (names(line, NOW + 99), opens(line)) == ([], None)
    one.unsent = False
    line.place(one, NOW)
    assert names(line) == ["a"]


def test_placing_a_host_again_changes_nothing_unless_its_opening_has() -> None:
    line, one, two = Line(), host("a"), host("b")
    for each in (one, two, one, one):
        line.place(each, NOW)
    assert names(line) == ["a", "b"]


@pytest.mark.parametrize(("before", "after"), [(5.0, 2.0), (2.0, 5.0), (-1.0, 5.0), (5.0, -1.0)])
def test_a_host_whose_opening_changes_stands_where_it_belongs_and_only_there(before: float, after: float) -> None:
    line, one = Line(), host("a", NOW + before)
    line.place(one, NOW)
    one.opens_at = NOW + after
    line.place(one, NOW)
    assert opens(line) == NOW + after
    if after > 0:
        assert names(line, NOW + after - 0.001) == []
    assert names(line, NOW + max(after, 0.0)) == ["a"]
    assert names(line, NOW + 99) == []


def test_who_was_removed_does_not_come() -> None:
    line = Line()
    gone = [host("open"), host("opening", NOW + 1), host("gated"), host("shut")]
    group = Group("10.0.0.1", 1, last_sent=NOW)
    for each in gone[:2]:
        line.place(each, NOW)
    line.gate(gone[2])
    line.wait_for(group, gone[3], NOW)
    for each in gone:
        line.remove(each)
    assert names(line, NOW + 9) == []


def test_a_larger_backlog_is_a_head_start_and_no_more() -> None:
    line = Line()
    line.place(host("large", waiting=1023), NOW + 9 * HEAD_START - 0.01)
    line.place(host("small"), NOW)
    assert names(line, NOW + 10) == ["large", "small"]
    line.place(host("small"), NOW)
    line.place(host("large", waiting=1023), NOW + 9 * HEAD_START + 0.01)
    assert names(line, NOW + 10) == ["small", "large"]


def test_the_gate_opens_only_for_who_may_connect_and_in_order() -> None:
    line = Line()
    for name in "ab":
        line.gate(host(name))
    line.place(host("c", waiting=500), NOW)
    assert names(line, may_connect=False) == ["c"]
    assert names(line) == ["a", "b"]


# -- groups


def waiting(line: Line, group: Group, *hosts: Host) -> None:
    for each in hosts:
        line.wait_for(group, each, NOW)


def test_a_group_lets_one_go_when_it_opens_and_the_next_one_after_it_has_sent() -> None:
    line, group = Line(), Group("10.0.0.1", 2, last_sent=NOW)
    waiting(line, group, host("a"), host("b"))
    assert opens(line) == NOW + 0.5
    assert names(line, NOW + 0.499) == []
    assert names(line, NOW + 0.5) == ["a"]
    group.unsent += 1
    line.settle(group)
    assert (names(line, NOW + 9), opens(line)) == ([], None)
    group.unsent, group.last_sent = 0, NOW + 10
    line.settle(group)
    assert names(line, NOW + 10.5) == ["b"]


def test_who_is_let_go_stands_before_a_larger_host_that_comes_at_the_same_moment() -> None:
    line, group = Line(), Group("10.0.0.1", 1, last_sent=NOW)
    waiting(line, group, host("small"))
    line.place(host("large", NOW + 1, waiting=10**6), NOW)
    assert names(line, NOW + 1) == ["small", "large"]


def test_who_comes_later_waits_behind_those_who_wait_already() -> None:
    line, group = Line(), Group("10.0.0.1", 1, last_sent=NOW - 100)
    first, later = host("first"), host("later")
    assert not group.shuts(later, NOW)
    group.unsent = 1
    waiting(line, group, first)
    group.unsent = 0
    assert group.shuts(later, NOW)
    line.remove(first)
    assert not group.shuts(later, NOW)


def test_who_was_let_go_and_is_shut_once_more_waits_in_front() -> None:
    line, group = Line(), Group("10.0.0.1", 1, last_sent=NOW)
    waiting(line, group, host("a"), host("b"))
    first = line.next(NOW + 1, may_connect=True)
    assert first is not None
    group.last_sent = NOW + 5
    waiting(line, group, first)
    assert names(line, NOW + 6) == ["a"]


@pytest.mark.parametrize("how", ["rests", "removed", "waits elsewhere"])
def test_who_was_let_go_and_does_not_go_lets_the_next_one_go(how: str) -> None:
    line, group = Line(), Group("10.0.0.1", 1, last_sent=NOW)
    waiting(line, group, host("a"), host("b"))
    first = line.next(NOW + 1, may_connect=True)
    assert first is not None
    match how:
        case "rests":
            line.place(first, NOW + 1)
            first.opens_at = NOW + 500
            line.place(first, NOW + 1)
        case "removed":
            line.remove(first)
            line.give_way(first)
        case "waits elsewhere":
            line.wait_for(Group("example.test", 1, last_sent=NOW + 400), first, NOW + 1)
    assert names(line, NOW + 1) == ["b"]


@pytest.mark.parametrize(
    ("facts", "opening"),
    [
        ({}, NOW + 0.25),
        ({"in_flight": 3}, NOW + 0.25),
        ({"in_flight": 4}, NEVER),
        ({"unsent": 1}, NEVER),
        ({"last_sent": 0.0}, 0.25),
    ],
)
def test_when_a_group_opens(facts: dict[str, float], opening: float) -> None:
    group = Group("10.0.0.1", 4, **{"last_sent": NOW} | facts)  # type: ignore[arg-type]
    assert group.opening(host("a")) == opening


def test_without_a_pause_a_group_is_shut_by_its_cap_alone() -> None:
    group = Group("10.0.0.1", 4, last_sent=NOW, unsent=3, in_flight=3)
    assert group.opening(host("a", delay=0.0)) == NOW
    group.in_flight = 4
    assert group.opening(host("a", delay=0.0)) == NEVER


class Machine(RuleBasedStateMachine):
    """Hosts open and shut at random; each must come exactly when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.line, self.now = Line(), NOW
        self.hosts = [host(str(n), waiting=4**n) for n in range(5)]
        self.out: set[str] = set()
        for each in self.hosts:
            self.line.place(each, self.now)

    @rule(n=st.integers(0, 4), wait=st.sampled_from([-1.0, 0.0, 0.5, 2.0, 7.0]), shut=st.booleans())
    def change(self, n: int, wait: float, shut: bool) -> None:
        one = self.hosts[n]
        one.opens_at, one.naming = self.now + wait, shut
        self.line.place(one, self.now)
        self.out.discard(one.name)
        # A host that was given out stands again from here on, whatever its opening was.
        if one.placed_at == NEVER and not shut:
            raise AssertionError("it stands nowhere")

    @rule(seconds=st.sampled_from([0.5, 1.0, 5.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def next(self) -> None:
        may_go = {each.name for each in self.hosts if each.opening() <= self.now and each.name not in self.out}
        given = self.line.next(self.now, may_connect=True)
        if given is None:
            assert not may_go
        else:
            assert given.name in may_go
            self.out.add(given.name)

    @invariant()
    def the_next_opening_is_the_earliest(self) -> None:
        openings = [each.opening() for each in self.hosts if each.name not in self.out and each.opening() < NEVER]
        found = opens(self.line)
        assert (found is None) == (not openings)
        if found is not None:
            assert max(found, self.now) == max(min(openings), self.now)


TestRandomOperations = Machine.TestCase
