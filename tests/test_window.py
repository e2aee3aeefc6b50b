"""The rows of one host in memory: their order, and what waits for later."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from scrapekit.frontier import Row
from scrapekit.request import Request
from scrapekit.window import NEVER, Window

NOW = 1000.0
PLAIN = Row(0, "a.test", Request("http://a.test/"))


def row(id_: int, *, priority: int = 0, not_before: float = 0.0) -> Row:
    return replace(PLAIN, id=id_, request=Request("http://a.test/", priority=priority), not_before=not_before)


def window_of(*rows: Row) -> Window:
    window = Window()
    for each in rows:
        window.put(each, NOW)
    return window


def drained(window: Window, now: float = NOW) -> list[int]:
    return [each.id for each in iter(lambda: window.pop(now), None)]


def test_an_empty_one_has_nothing_to_give() -> None:
    window = Window()
    assert (len(window), window.pop(NOW), window.earliest(), window.ready()) == (0, None, NEVER, 0)


@given(st.lists(st.integers(-2, 2), max_size=12))
def test_rows_go_by_priority_then_first_in_first_out(priorities: list[int]) -> None:
    rows = [row(id_, priority=priority) for id_, priority in enumerate(priorities)]
    expected = sorted(rows, key=lambda each: (-each.request.priority, each.id))
    assert drained(window_of(*rows)) == [each.id for each in expected]


@pytest.mark.parametrize(("wait", "ready"), [(-1.0, 1), (0.0, 1), (0.001, 0)])
def test_a_row_may_go_from_its_time_on(wait: float, ready: int) -> None:
    window = window_of(row(1, not_before=NOW + wait))
    assert window.ready() == ready
    assert window.earliest() == (0.0 if ready else NOW + wait)
    assert drained(window) == [1] * ready
    assert drained(window, NOW + wait) == [1] * (1 - ready)


def test_a_row_whose_time_has_come_takes_its_place_among_the_others() -> None:
    window = window_of(row(2), row(1, not_before=NOW + 5), row(3, priority=1, not_before=NOW + 5), row(4))
    assert drained(window, NOW + 5) == [3, 1, 2, 4]


def test_a_row_that_was_put_back_keeps_its_place() -> None:
    window = window_of(row(1), row(2), row(3))
    first = window.pop(NOW)
    assert first is not None
    window.put(replace(first, attempt=1), NOW)
    assert drained(window) == [1, 2, 3]


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5])
def test_it_is_full_from_its_size_on_those_for_later_among_them(n: int) -> None:
    window = window_of(*(row(id_, not_before=(NOW + 9) * (id_ % 2)) for id_ in range(n)))
    assert (len(window), window.full(4)) == (n, n >= 4)


@pytest.mark.parametrize(
    ("here", "comes", "yields"),
    [
        ([], row(1, priority=9), False),
        ([row(5)], row(4), True),
        ([row(5)], row(6), False),
        ([row(5)], row(6, priority=1), True),
        ([row(5), row(6, priority=1)], row(7, priority=1), True),
        ([row(5, priority=1)], row(4), False),
        ([row(5, not_before=NOW + 1)], row(4, priority=9), False),
    ],
)
def test_who_goes_before_some_that_are_here(here: list[Row], comes: Row, yields: bool) -> None:
    assert window_of(*here).yields_to(comes) == yields


class Machine(RuleBasedStateMachine):
    """Against a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.window, self.model, self.now, self.ids = Window(), [], NOW, 0
        self.model: list[Row]

    @rule(priority=st.integers(-1, 2), wait=st.sampled_from([0.0, 0.0, 0.5, 3.0]))
    def put(self, priority: int, wait: float) -> None:
        self.ids += 1
        new = row(self.ids, priority=priority, not_before=self.now + wait if wait else 0.0)
        self.window.put(new, self.now)
        self.model.append(new)

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def pop(self) -> None:
        may_go = sorted((each for each in self.model if each.not_before <= self.now), key=lambda each: each.key)
        popped = self.window.pop(self.now)
        assert popped is (may_go[0] if may_go else None)
        if popped is not None:
            self.model.remove(popped)

    @invariant()
    def holds_what_was_put(self) -> None:
        assert len(self.window) == len(self.model)
        earliest = min((each.not_before for each in self.model), default=NEVER)
        assert max(self.window.earliest(), self.now) == max(earliest, self.now)
        assert self.window.ready() <= sum(each.not_before <= self.now for each in self.model)


TestRandomOperations = Machine.TestCase
