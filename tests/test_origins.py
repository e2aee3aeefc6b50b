"""What an answer for robots.txt means for its origin (RFC 9309 §2.3.1)."""

from __future__ import annotations

import pytest

from scrapekit.errors import BadStatus, ConnectFailed, FetchTimeout, RobotsUnreachable
from scrapekit.frontier import Row
from scrapekit.origins import MAX_AGE, MAX_HOPS, Origin, closes
from scrapekit.request import Request

NAME = "https://a.test:8443"
NOW = 1000.0
RULES = b"User-agent: ours\nCrawl-delay: 1.5\nDisallow: /private\n\nUser-agent: *\nDisallow: /\n"
ANYTHING = Request(f"{NAME}/x")
PRIVATE = Request(f"{NAME}/private/x")


def learned(status, body=RULES):
    origin = Origin(NAME)
    origin.learn(status, body, NOW)
    return origin


def allows(origin, request, agent="ours"):
    return origin.error is None and origin.rules.verdict(agent, request.url).allowed


def test_an_origin_of_which_nothing_was_read_knows_nothing():
    assert not Origin(NAME).knows(NOW)
    assert Origin(NAME).remember() is None


def test_the_file_is_asked_for_at_the_root_of_its_origin_whatever_was_seen():
    request = Origin(NAME).robots_request()
    assert (request.url, request.method, request.dont_filter) == (f"{NAME}/robots.txt", "GET", True)


def test_the_rules_are_those_of_the_file():
    origin = learned(200)
    assert allows(origin, ANYTHING)
    assert not allows(origin, PRIVATE)
    assert not allows(origin, ANYTHING, "another")
    assert origin.rules.verdict("ours", PRIVATE.url).line == 3
    assert (origin.rules.delay("ours"), origin.rules.delay("another")) == (1.5, None)


@pytest.mark.parametrize("status", [200, 203, 299])
def test_every_2xx_is_a_file(status):
    assert not allows(learned(status), PRIVATE)


@pytest.mark.parametrize("status", [304, 400, 401, 403, 404, 410, 418, 451, 499])
def test_any_other_answer_that_does_not_close_allows_everything(status):
    origin = learned(status)
    assert origin.knows(NOW)
    assert allows(origin, PRIVATE)
    assert origin.rules.delay("ours") is None


@pytest.mark.parametrize(
    ("status", "shut"),
    [(200, False), (301, False), (403, False), (404, False), (428, False), (429, True), (430, False), (499, False),
     (500, True), (503, True), (599, True), (999, True)],
)  # fmt: skip
def test_5xx_and_429_close_an_origin(status, shut):
    assert closes(status) == shut


def test_rules_are_used_for_a_day_and_not_a_moment_longer():
    origin = learned(200)
    assert MAX_AGE == 24 * 3600
    assert origin.knows(NOW + MAX_AGE - 0.001)
    assert not origin.knows(NOW + MAX_AGE)


def test_an_origin_that_was_given_up_refuses_everything_with_the_error_for_good():
    origin, error = Origin(NAME), ConnectFailed("refused")
    origin.give_up(error)
    assert origin.knows(NOW + 10 * MAX_AGE)
    assert origin.error is error


def test_a_status_that_closed_it_is_told_as_robots_unreachable():
    origin = Origin(NAME)
    origin.give_up(BadStatus(503))
    refusal = origin.error
    assert isinstance(refusal, RobotsUnreachable)
    assert (refusal.detail, refusal.url, refusal.reason) == (
        "robots.txt answers 503",
        f"{NAME}/robots.txt",
        "robots unreachable",
    )


def test_what_is_learned_later_opens_it_again():
    origin = Origin(NAME)
    origin.give_up(FetchTimeout("x"))
    origin.learn(200, b"", NOW)
    assert allows(origin, PRIVATE)


def test_rows_that_waited_come_back_once():
    origin = Origin(NAME, asked=True)
    rows = [Row(number, "a.test:8443", ANYTHING) for number in (1, 2)]
    origin.parked.extend(rows)
    assert origin.unpark() == rows
    assert (origin.asked, origin.parked, origin.unpark()) == (False, [], [])


def test_as_many_redirects_are_followed_as_the_rfc_asks_for():
    assert MAX_HOPS == 5
