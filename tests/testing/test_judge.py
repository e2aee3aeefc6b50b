"""The judge of simulated crawls: each breach is seen, and what is right is not called one."""

from __future__ import annotations

from typing import Any

import pytest

from scrapekit.tables import Limits
from scrapekit.testing import Answer, Simulation, Visit
from scrapekit.testing.judge import DAY, Judge

ROBOTS = "http://a.test/robots.txt"


def visit(name: str, sent: float, *, ended: float | None = None, began: float | None = None, **facts: Any) -> Visit:
    """A visit of a.test; robots.txt answers 404 unless told otherwise."""
    answer = Answer(**({"status": 404 if name == "robots.txt" else 200} | facts))
    return Visit(
        f"http://a.test/{name}",
        "a.test",
        sent if began is None else began,
        sent,
        sent + 0.1 if ended is None else ended,
        answer.status,
        answer,
    )


def breaches(*visits: Visit, **limits: Any) -> list[str]:
    return list(Judge(visits, lambda host: Limits(**limits), lambda url: ()).violations())


def rules(text: str, sent: float) -> Visit:
    return visit("robots.txt", sent, status=200, body=f"User-agent: *\n{text}\n".encode())


def test_what_keeps_to_every_rule_is_no_breach() -> None:
    assert breaches(rules("Disallow: /x", 0), visit("1", 1), visit("2", 2)) == []


@pytest.mark.parametrize(("gap", "seen"), [(0.5, 1), (0.99999, 1), (1.0, 0)])
def test_two_sends_within_the_delay_are_a_breach(gap: float, seen: int) -> None:
    assert len(breaches(visit("robots.txt", 0), visit("1", 5), visit("2", 5 + gap))) == seen


def test_a_crawl_delay_counts_from_when_it_was_read() -> None:
    assert breaches(rules("Crawl-delay: 3", 0), visit("1", 2.9)) != []
    assert breaches(rules("Crawl-delay: 3", 0), visit("1", 3.0)) == []


def test_more_at_once_than_the_cap_is_a_breach() -> None:
    two = visit("robots.txt", 0), visit("1", 5, ended=9), visit("2", 6)
    assert breaches(*two) != []
    assert breaches(*two, concurrency=2) == []


@pytest.mark.parametrize(("began", "sent", "seen"), [(6.0, 6.0, 1), (5.0, 6.0, 0), (6.0, 15.1, 0), (16.0, 16.0, 0)])
def test_a_turn_that_was_taken_within_a_rest_is_a_breach(began: float, sent: float, seen: int) -> None:
    asks = visit("1", 5, status=429, headers={"Retry-After": "10"})
    assert len(breaches(visit("robots.txt", 0), asks, visit("2", sent, began=began))) == seen


def test_who_asks_for_a_pause_without_a_time_gets_a_minute() -> None:
    assert breaches(visit("robots.txt", 0), visit("1", 5, status=503), visit("2", 65)) != []
    assert breaches(visit("robots.txt", 0), visit("1", 5, status=503), visit("2", 65.1)) == []


def test_a_page_without_robots_or_against_it_is_a_breach() -> None:
    assert breaches(visit("1", 5)) != []
    assert breaches(visit("robots.txt", 0, status=500), visit("1", 5)) != []
    assert breaches(rules("Disallow: /1", 0), visit("12", 5)) != []
    assert breaches(rules("Disallow: /1", 0), rules("Disallow: /2", 5), visit("12", 7)) == []
    assert breaches(visit("robots.txt", 0), visit("1", DAY)) == []
    assert breaches(visit("robots.txt", 0), visit("1", DAY + 1)) != []


def test_what_was_linked_and_never_asked_for_is_lost_unless_there_is_a_reason() -> None:
    def lost(*visits: Visit) -> list[str]:
        return list(Judge(visits, lambda host: Limits(), lambda url: ["http://a.test/2"]).lost(["http://a.test/1"]))

    assert lost(visit("robots.txt", 0), visit("1", 1)) == ["http://a.test/2"]
    assert lost(visit("robots.txt", 0), visit("1", 1), visit("2", 2)) == []
    assert lost(rules("Disallow: /2", 0), visit("1", 1)) == []
    assert lost(visit("robots.txt", 0)) == ["http://a.test/1"]
    assert lost(visit("robots.txt", 0, status=500)) == []
    down = [visit("1", second, resets=True) for second in range(1, 9)]
    for each in down:
        each.status = 0
    assert lost(visit("robots.txt", 0), *down, visit("1", 9)) == []
    assert lost(visit("robots.txt", 0), *down[1:], visit("1", 9)) == ["http://a.test/2"]


@pytest.mark.parametrize("stricter", ["limits.delay=2", "limits.max_crawl_delay=60"])
def test_a_crawl_is_convicted_by_rules_stricter_than_those_that_it_kept(stricter: str) -> None:
    web = Simulation(1, hosts=20, robots=1.0, pages=12)
    web.crawl("limits.delay=1", "limits.max_crawl_delay=1.5")
    assert list(web.violations()) == []
    web.settings = web.settings.overridden([stricter])
    assert list(web.violations()) != []


def test_a_crawl_that_ignored_robots_is_convicted_where_it_should_have_obeyed() -> None:
    web = Simulation(1, hosts=20, robots=1.0, pages=12)
    web.crawl("limits.robots=ignore", "limits.robots_reason=a test")
    assert list(web.violations()) == []
    web.settings = web.settings.overridden(["limits.robots=obey"])
    assert any("without robots.txt" in breach for breach in web.violations())
