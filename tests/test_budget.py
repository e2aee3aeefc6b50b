"""What may be asked of one host in all."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from scrapekit.budget import Budget


@dataclass(frozen=True)
class Terms:
    max_pages: int | None = None
    max_bytes: int | None = None
    max_errors: int | None = None
    max_time: float | None = None


@pytest.mark.parametrize("what", ["pages", "bytes", "errors"])
@pytest.mark.parametrize(("limit", "spent", "used_up"), [(1, 0, False), (1, 1, True), (9, 8, False), (9, 9, True)])
def test_a_budget_is_used_up_when_so_much_is_spent(what, limit, spent, used_up):
    budget = Budget(Terms(**{f"max_{what}": limit}))
    budget.spent(**{"size" if what == "bytes" else what: spent})
    assert budget.exceeded(0.0) == (f"budget: {what}" if used_up else None)


def test_what_is_spent_adds_up():
    budget = Budget(Terms(max_bytes=100))
    for size in (50, 49):
        budget.spent(size=size)
        assert budget.exceeded(0.0) is None
    budget.spent(size=1)
    assert budget.exceeded(0.0) == "budget: bytes"


@pytest.mark.parametrize(("now", "expected"), [(1000.0, None), (1059.9, None), (1060.0, "budget: time")])
def test_time_runs_from_the_first_send(now, expected):
    budget = Budget(Terms(max_time=60.0))
    assert budget.exceeded(now) is None
    budget.sent(1000.0)
    budget.sent(1050.0)
    assert budget.exceeded(now) == expected


def test_without_limits_nothing_is_ever_used_up():
    budget = Budget(Terms())
    budget.sent(0.0)
    budget.spent(pages=10**9, size=10**15, errors=10**9)
    assert budget.exceeded(1e12) is None
    assert not budget.must_wait(1000)


@pytest.mark.parametrize(
    ("pages", "in_flight", "wait"),
    [(8, 0, False), (8, 1, False), (8, 2, True), (9, 0, False), (9, 1, True), (10, 0, False)],
)
def test_no_more_are_out_than_may_still_come(pages, in_flight, wait):
    budget = Budget(Terms(max_pages=10))
    budget.spent(pages=pages)
    assert budget.must_wait(in_flight) is wait


def test_other_settings_hold_from_the_moment_that_they_are_applied():
    budget = Budget(Terms(max_pages=1))
    budget.spent(pages=1)
    budget.apply(Terms(max_pages=2))
    assert budget.exceeded(0.0) is None
    budget.apply(Terms())
    assert not budget.limited


def test_what_is_left_is_taken_up_again():
    terms = Terms(max_pages=10, max_time=60.0)
    budget = Budget(terms)
    assert budget.to_state() == {}
    budget.sent(1000.0)
    budget.spent(pages=3, size=100, errors=2)
    again = Budget.from_state(json.loads(json.dumps(budget.to_state())), terms)
    assert (again.pages, again.bytes, again.errors, again.first_sent) == (3, 100, 2, 1000.0)
