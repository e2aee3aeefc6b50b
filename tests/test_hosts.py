"""What one host knows of itself: when it opens and by which rule, how many may be out, and what survives a lease."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit import robots
from scrapekit.backoff import FULL
from scrapekit.errors import AskedForCalm, BadStatus, ConnectFailed, ProxyFailed
from scrapekit.frontier import HostState, Lease, Row
from scrapekit.headers import Headers
from scrapekit.hosts import UNHEARD, Heard, Host, Semaphore
from scrapekit.hours import parse
from scrapekit.origins import Origin
from scrapekit.request import Request
from scrapekit.tables import Limits
from scrapekit.window import NEVER

NOW = 1_000_000.0
ROW = Row(1, "a.test", Request("http://a.test/"))
REFUSED = Heard(error=ConnectFailed("refused"))
CALM = Heard(error=AskedForCalm("GOAWAY"))


def host(state: HostState | None = None, *, random: float = 0.0, rows: int = 1, waiting: int = 0, **limits) -> Host:
    lease = Lease("a.test", 7, state or HostState(), max(rows, waiting), [ROW] * rows)
    made = Host(lease, Limits(**limits), random=lambda: random)
    for row in lease.rows:
        made.window.put(row, NOW)
        made.held.add(row.id)
    return made


def visit(one: Host, now: float, heard: Heard, *, took: float = 0.0) -> bool:
    one.sent(now)
    return one.heard(now + took, began=now, sent=now, heard=heard)


# -- permits


@given(st.lists(st.one_of(st.just("take"), st.just("give"), st.integers(1, 4))))
def test_permits_are_never_above_the_size_and_given_back_once(steps) -> None:
    permits, out = Semaphore(2), 0
    for step in steps:
        if step == "take":
            if out < permits.size:
                permits.take()
                out += 1
            else:
                assert permits.locked
                with pytest.raises(AssertionError):
                    permits.take()
        elif step == "give":
            if out:
                permits.give_back()
                out -= 1
            else:
                with pytest.raises(AssertionError):
                    permits.give_back()
        else:
            permits.size = step
        assert (permits.taken, permits.locked) == (out, out >= permits.size)


# -- when it opens


def test_a_host_without_rows_does_not_open() -> None:
    assert host(rows=0).opening() == NEVER


@pytest.mark.parametrize("what", ["unsent", "naming"])
def test_it_is_shut_until_a_send_or_a_name(what: str) -> None:
    one = host()
    assert one.opening() == 0.0
    setattr(one, what, True)
    assert one.opening() == NEVER


def test_it_is_shut_while_every_permit_is_out() -> None:
    one = host(concurrency=2)
    one.permits.take()
    assert one.opening() == 0.0
    one.permits.take()
    assert one.opening() == NEVER


def test_a_call_for_calm_is_what_a_429_is_and_counts_once_for_all_that_was_out() -> None:
    one, other = host(delay=2.0, circuit_failures=1), host(delay=2.0, circuit_failures=1)
    visit(one, NOW, CALM)
    visit(other, NOW, Heard(429))
    assert (one.opening(), one.throttle.share) == (other.opening(), other.throttle.share)
    assert one.throttle.share < FULL
    assert not one.heard(NOW, began=NOW, sent=NOW, heard=CALM)
    assert (one.opening(), one.circuit.open) == (NOW + 60.0, False)


def test_a_call_for_calm_before_anything_was_sent_is_heard_too() -> None:
    one = host(delay=2.0)
    assert one.heard(NOW, began=NOW, sent=None, heard=CALM)
    assert one.opening() == NOW + 60.0


@pytest.mark.parametrize("jitter", [0.0, 0.5, 10.0])
@pytest.mark.parametrize("random", [0.0, 0.3, 0.999])
def test_it_opens_a_pause_after_the_last_send_stretched_by_jitter_and_never_before(jitter, random) -> None:
    one = host(delay=2.0, jitter=jitter, random=random)
    one.sent(NOW)
    assert one.opening() == NOW + 2.0 * (1 + jitter * random) >= NOW + 2.0
    assert one.rule == "delay"


@pytest.mark.parametrize(
    ("heard", "opens", "rule"),
    [
        (Heard(200), 2.0, "delay"),
        (Heard(429), 60.0, "back-off after 429"),
        (Heard(503), 60.0, "back-off after 503"),
        (CALM, 60.0, "back-off after a call for calm"),
        (Heard(503, Headers({"Retry-After": "3"})), 4.0, "back-off"),
        (Heard(503, Headers({"Retry-After": "9"})), 9.0, "Retry-After"),
        (Heard(404, Headers({"Retry-After": "9"})), 9.0, "Retry-After"),
        (Heard(200, Headers({"RateLimit": '"a";r=0;t=30'})), 30.0, "rate-limit"),
        (Heard(200, Headers({"RateLimit": '"a";r=6;t=30'})), 5.0, "rate-limit"),
        (Heard(500), 2.0, "delay"),
        (UNHEARD, 2.0, "delay"),
        (REFUSED, 60.0, "circuit"),
        (Heard(error=ProxyFailed("x")), 2.0, "delay"),
    ],
)
def test_what_it_says_moves_its_opening(heard: Heard, opens: float, rule: str) -> None:
    one = host(delay=2.0, circuit_failures=1)
    visit(one, NOW, heard)
    assert (one.opening() - NOW, one.rule) == (opens, rule)


def test_the_longest_of_all_that_keeps_it_shut_holds_and_names_itself() -> None:
    one = host(delay=2.0, circuit_failures=1)
    visit(one, NOW, Heard(429, Headers({"Retry-After": "70"})))
    visit(one, NOW + 70, REFUSED)
    assert (one.opening(), one.rule) == (NOW + 130, "circuit")
    visit(one, NOW + 130, Heard(429, Headers({"Retry-After": "500"})))
    assert (one.opening(), one.rule) == (NOW + 630, "Retry-After")


def test_it_is_told_when_a_rest_begins_or_ends() -> None:
    one = host(circuit_failures=2)
    facts = [Heard(200), Heard(429), REFUSED, REFUSED, Heard(200), Heard(200)]
    assert [visit(one, NOW + 1000 * n, heard) for n, heard in enumerate(facts)] == [
        False, True, False, True, True, False
    ]  # fmt: skip


def test_an_open_circuit_leaves_one_permit_and_an_answer_gives_the_others_back() -> None:
    one = host(concurrency=5, circuit_failures=1)
    visit(one, NOW, REFUSED)
    assert one.permits.size == 1
    visit(one, NOW + 60, Heard(404))
    assert one.permits.size == 5


def test_one_that_is_down_gives_up_what_waits_at_once_but_rests_before_it_is_asked_again() -> None:
    one = host(circuit_failures=1, circuit_trials=1)
    visit(one, NOW, REFUSED)
    visit(one, NOW + 60, REFUSED)
    assert one.opening() <= NOW + 60
    assert str(one.down) == "host down: a.test did not answer 2 times in a row [connect]"
    one.window.pop(NOW)
    one.errands.append((NOW + 65, -1, ROW, Origin("http://a.test")))
    assert one.opening() == NOW + 60 + 120


@pytest.mark.parametrize(
    ("heard", "pages", "size", "errors"),
    [
        (Heard(200, size=10), 1, 10, 0),
        (Heard(302, size=10), 1, 10, 0),
        (Heard(404, size=10, error=BadStatus(404)), 0, 10, 1),
        (Heard(200, size=10, is_page=False), 0, 10, 0),
        (Heard(404, size=10, is_page=False), 0, 10, 0),
        (Heard(503, size=10, is_page=False, error=BadStatus(503)), 0, 10, 1),
        (REFUSED, 0, 0, 1),
        (UNHEARD, 0, 0, 0),
    ],
)
def test_what_it_costs(heard: Heard, pages: int, size: int, errors: int) -> None:
    one = host()
    visit(one, NOW, heard)
    assert (one.budget.pages, one.budget.bytes, one.budget.errors) == (pages, size, errors)


@pytest.mark.parametrize("out", [0, 1, 2])
def test_it_waits_for_the_pages_that_may_be_its_last(out: int) -> None:
    one = host(concurrency=9, max_pages=2)
    for _ in range(out):
        one.permits.take()
    assert (one.opening() == NEVER) == (out == 2)


# -- what robots.txt asks for


def told(text: str) -> Origin:
    return Origin("http://a.test", robots.parse(b"User-agent: *\n" + text.encode()), expires=NOW + 9999)


@pytest.mark.parametrize(
    ("texts", "seconds", "rule"),
    [
        (["Crawl-delay: 1"], 2.0, "delay"),
        (["Crawl-delay: 5"], 5.0, "crawl-delay"),
        (["Crawl-delay: 5", "Crawl-delay: 7"], 7.0, "crawl-delay"),
        (["Request-rate: 1/8"], 8.0, "request-rate"),
        (["Request-rate: 1/8", "Request-rate: 1/6"], 8.0, "request-rate"),
        (["Crawl-delay: 500"], 60.0, "crawl-delay"),
    ],
)
def test_the_slowest_that_any_of_its_origins_asks_for_holds_from_the_last_send_on(texts, seconds, rule) -> None:
    one = host(delay=2.0)
    one.sent(NOW)
    one.origins = {str(n): told(text) for n, text in enumerate(texts)}
    beyond = one.learn("ours", NOW)
    assert (one.opening(), one.rule) == (NOW + seconds, rule)
    assert [pause.seconds for pause in beyond] == ([500.0] if "500" in texts[0] else [])
    assert one.learn("ours", NOW) == []


def test_what_is_ignored_asks_for_nothing() -> None:
    one = host(delay=2.0, robots="ignore")
    one.sent(NOW)
    one.origins["x"] = told("Crawl-delay: 30\nVisit-time: 0000-0001")
    assert one.learn("ours", NOW) == []
    assert one.opening() == NOW + 2.0
    assert not one.shut_outside_hours(NOW, "ours")


def test_hours_of_settings_and_robots_hold_both() -> None:
    day = 20 * 86400.0
    one = host(visit=parse("01:00-05:00"))
    one.origins["x"] = told("Visit-time: 0300-0900")
    assert one.shut_outside_hours(day, "ours")
    assert (one.opens_at, one.rule) == (day + 3 * 3600, "visiting hours")
    one.reckon()
    assert not one.shut_outside_hours(day + 3 * 3600, "ours")
    assert one.shut_outside_hours(day + 5 * 3600, "ours")
    assert one.opens_at == day + 27 * 3600


# -- what survives a lease


def test_a_host_comes_back_as_it_was_left() -> None:
    one = host(delay=2.0, circuit_failures=1, max_pages=5)
    visit(one, NOW, Heard(200, size=9))
    visit(one, NOW + 10, Heard(429))
    visit(one, NOW + 80, REFUSED)
    again = host(one.state(), delay=2.0, circuit_failures=1, max_pages=5)
    again.learn("ours", NOW + 80)
    for what in ("opens_at", "rule", "last_sent"):
        assert getattr(again, what) == getattr(one, what)
    assert again.throttle.pause() == one.throttle.pause()
    assert again.throttle.resting == one.throttle.resting
    assert again.permits.size == one.permits.size
    assert again.budget.to_state() == one.budget.to_state()
    assert again.circuit.to_state() == one.circuit.to_state()


def test_a_state_without_memory_holds_by_its_opening() -> None:
    one = host(HostState(NOW + 40, "another crawl"))
    one.learn("ours", NOW)
    assert (one.opening(), one.rule) == (NOW + 40, "another crawl")


def test_settings_of_today_hold_for_a_state_of_yesterday() -> None:
    one = host(delay=2.0)
    one.sent(NOW)
    again = host(one.state(), delay=7.0)
    again.learn("ours", NOW)
    assert again.opening() == NOW + 7.0


def test_what_waits_in_the_frontier_is_the_backlog() -> None:
    one = host(rows=1, waiting=9)
    assert (one.backlog, one.waiting, one.done) == (8, 9, False)
    assert repr(one) == "<Host a.test 0/1 out, 9 waiting>"


def test_a_proxy_s_failure_is_not_the_host_s() -> None:
    one, other = host(delay=2.0, max_errors=1, circuit_failures=1, adaptive=1.0), host(delay=2.0)
    for n in range(5):
        for error in (ProxyFailed("down"), ProxyFailed("502", phase="head", refused=True, sent=True)):
            assert not visit(one, NOW + 10 * n, Heard(error=error), took=9.0)
    other.sent(NOW + 40)
    assert (one.opens_at, one.rule) == (other.opens_at, other.rule), "its pause holds all the same"
    assert not one.circuit.failures
    assert one.budget.errors == 0
    assert one.throttle.latency == 0.0


def test_a_proxy_s_failure_does_not_end_the_trial_of_a_host_that_is_down() -> None:
    one = host(circuit_failures=1)
    visit(one, NOW, REFUSED)
    before = (one.circuit.trials, one.circuit.opens_at, one.permits.size)
    visit(one, NOW + 100, Heard(error=ProxyFailed("down")))
    assert (one.circuit.trials, one.circuit.opens_at, one.permits.size) == before
