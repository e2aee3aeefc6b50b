"""When a host that does not answer is let alone, tried, and given up."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit.circuit import Circuit, is_failure
from scrapekit.errors import (
    BadResponse,
    BadStatus,
    ConnectFailed,
    FetchTimeout,
    ProxyFailed,
    ResolveFailed,
    TLSFailed,
    TooLarge,
)


@dataclass(frozen=True)
class Terms:
    circuit_failures: int = 3
    circuit_trials: int = 2


def failing(times: int, now: float = 1000.0, **settings: int) -> Circuit:
    circuit = Circuit(Terms(**settings))
    for _ in range(times):
        circuit.failed(now, began=now)
    return circuit


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectFailed("refused", phase="connect"), True),
        (ConnectFailed("reset", phase="head", sent=True), True),
        (ConnectFailed("reset", phase="body", sent=True), False),
        (ConnectFailed("reset", phase="head", sent=True, reused=True), False),
        (FetchTimeout("late", phase="connect"), True),
        (FetchTimeout("late", phase="head", sent=True), True),
        (FetchTimeout("late", phase="body", sent=True), False),
        (ResolveFailed("no such name"), True),
        (TLSFailed("expired"), True),
        (ProxyFailed("refused"), False),
        (BadStatus(500), False),
        (BadResponse("nonsense"), False),
        (TooLarge("too much"), False),
    ],
)
def test_what_says_that_nobody_is_there(error, expected):
    assert is_failure(error) is expected


@pytest.mark.parametrize(("times", "is_open"), [(0, False), (1, False), (2, False), (3, True)])
def test_so_many_failures_in_a_row_open_it(times, is_open):
    circuit = failing(times)
    assert (circuit.open, circuit.opens_at) == (is_open, 1060.0 if is_open else 0.0)
    assert not circuit.down


def test_an_answer_between_begins_the_count_again():
    circuit = failing(2)
    circuit.answered()
    assert [circuit.failed(1000.0, began=1000.0) for _ in range(3)] == [False, False, True]


def test_a_host_that_answers_the_trial_goes_on():
    circuit = failing(3)
    circuit.answered()
    assert (circuit.open, circuit.opens_at, circuit.failures) == (False, 0.0, 0)
    assert [circuit.failed(2000.0, began=2000.0) for _ in range(3)] == [False, False, True]
    assert circuit.opens_at == 2060.0


def test_each_failed_trial_doubles_the_rest_up_to_an_hour():
    circuit, now, rests = failing(3, circuit_trials=100), 1060.0, []
    for _ in range(8):
        assert circuit.failed(now, began=now)
        rests.append(circuit.opens_at - now)
        now = circuit.opens_at
    assert rests == [120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0, 3600.0]


@pytest.mark.parametrize(("trials", "down"), [(0, False), (1, False), (2, True)])
def test_after_so_many_trials_it_is_given_up(trials, down):
    circuit = failing(3)
    for _ in range(trials):
        circuit.failed(circuit.opens_at, began=circuit.opens_at)
    assert circuit.down is down


def test_without_trials_it_is_given_up_when_it_opens():
    assert not failing(2, circuit_trials=0).down
    assert failing(3, circuit_trials=0).down


def test_what_began_before_it_opened_is_no_trial():
    circuit = failing(3)
    assert not circuit.failed(1030.0, began=999.0)
    assert (circuit.trials, circuit.opens_at) == (0, 1060.0)


def test_a_late_answer_closes_it_all_the_same():
    circuit = failing(3)
    circuit.answered()
    assert not circuit.open


def test_at_zero_it_never_opens():
    assert not failing(100, circuit_failures=0).open


def test_at_one_the_first_failure_opens_it():
    assert failing(1, circuit_failures=1).open


def test_a_host_that_answers_leaves_nothing():
    circuit = failing(2)
    circuit.answered()
    assert circuit.to_state() == {}


@pytest.mark.parametrize("times", [1, 2, 3, 4])
def test_what_is_left_is_taken_up_again(times):
    circuit = failing(times)
    again = Circuit.from_state(json.loads(json.dumps(circuit.to_state())), Terms())
    for each in (circuit, again):
        each.failed(5000.0, began=5000.0)
    assert (again.failures, again.trials, again.opens_at) == (circuit.failures, circuit.trials, circuit.opens_at)


def test_a_host_that_was_given_up_gets_one_more_trial():
    again = Circuit.from_state(failing(9).to_state(), Terms())
    assert again.open
    assert not again.down
    again.failed(9000.0, began=9000.0)
    assert again.down


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 5), st.integers(0, 4))
def test_it_is_open_exactly_while_the_last_failures_are_so_many(answers, limit, trials):
    circuit, now, row = Circuit(Terms(limit, trials)), 1000.0, 0
    for good in answers:
        now += 5000.0
        row = 0 if good else row + 1
        circuit.answered() if good else circuit.failed(now, began=now)
        assert circuit.open is (0 < limit <= row)
        assert circuit.down is (0 < limit + trials <= row and limit > 0)
