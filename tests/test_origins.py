"""What an answer for robots.txt means for its origin (RFC 9309 §2.3.1)."""

from __future__ import annotations

import pytest

from scrapekit.errors import BadStatus, ConnectFailed, FetchTimeout, RobotsUnreachable
from scrapekit.frontier import Row
from scrapekit.origins import AGAIN, MAX_AGE, MAX_HOPS, STALE, Origin, closes
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
    return origin.error is None and origin.verdict(request, agent).allowed


def test_an_origin_of_which_nothing_was_read_knows_nothing():
    assert not Origin(NAME).knows(NOW)
    assert Origin(NAME).delay("ours") is None


def test_the_file_is_asked_for_at_the_root_of_its_origin_whatever_was_seen():
    request = Origin(NAME).robots_request()
    assert (request.url, request.method, request.dont_filter) == (f"{NAME}/robots.txt", "GET", True)


def test_the_rules_are_those_of_the_file():
    origin = learned(200)
    assert allows(origin, ANYTHING)
    assert not allows(origin, PRIVATE)
    assert not allows(origin, ANYTHING, "another")
    assert origin.verdict(PRIVATE, "ours").line == 3
    assert (origin.delay("ours"), origin.delay("another")) == (1.5, None)


@pytest.mark.parametrize("status", [200, 203, 299])
def test_every_2xx_is_a_file(status):
    assert not allows(learned(status), PRIVATE)


@pytest.mark.parametrize("status", [304, 400, 401, 403, 404, 410, 418, 451, 499])
def test_any_other_answer_that_does_not_close_allows_everything(status):
    origin = learned(status)
    assert origin.knows(NOW)
    assert allows(origin, PRIVATE)
    assert origin.delay("ours") is None


@pytest.mark.parametrize(
    ("status", "shut"),
    [(200, False), (301, False), (403, False), (404, False), (428, False), (429, True), (430, False), (499, False),
     (500, True), (503, True), (599, True), (999, True)],
)  # fmt: skip
def test_5xx_and_429_close_an_origin(status, shut):
    assert closes(status) == shut


def test_rules_are_used_for_a_day_and_not_a_moment_longer():
    origin = learned(200)
    assert MAX_AGE == 24 * 3600.0
    assert origin.knows(NOW + MAX_AGE - 0.001)
    assert not origin.knows(NOW + MAX_AGE)


def test_a_copy_is_asked_for_again_while_it_is_in_force_still():
    origin = learned(200)
    assert STALE == MAX_AGE / 2
    assert not origin.goes_stale(NOW + STALE - 0.001)
    assert origin.goes_stale(NOW + STALE)
    assert origin.knows(NOW + STALE)
    origin.asked = True
    assert not origin.goes_stale(NOW + STALE)


@pytest.mark.parametrize("error", [BadStatus(503), ConnectFailed("refused")], ids=str)
def test_a_copy_stays_in_force_where_a_new_one_cannot_be_read_and_is_asked_for_again_later(error):
    origin, now = learned(200), NOW + STALE
    origin.give_up(error, now)
    assert origin.error is None
    assert origin.knows(now)
    assert (origin.goes_stale(now + AGAIN - 0.001), origin.goes_stale(now + AGAIN)) == (False, True)
    assert not allows(origin, PRIVATE)
    assert not origin.knows(NOW + MAX_AGE)


@pytest.mark.parametrize(("age", "closed"), [(MAX_AGE - 0.001, False), (MAX_AGE, True), (MAX_AGE + 1, True)])
def test_a_copy_that_is_too_old_is_no_help_where_a_new_one_cannot_be_read(age, closed):
    origin = learned(200)
    origin.give_up(ConnectFailed("refused"), NOW + age)
    assert (origin.error is not None) == closed


def test_a_new_copy_is_in_force_for_a_day_of_its_own():
    origin = learned(200)
    origin.learn(200, b"", NOW + STALE)
    assert allows(origin, PRIVATE)
    assert not origin.goes_stale(NOW + MAX_AGE - 0.001)
    assert origin.goes_stale(NOW + MAX_AGE)
    assert origin.knows(NOW + STALE + MAX_AGE - 0.001)


def test_an_origin_that_was_given_up_refuses_everything_with_the_error_for_good():
    origin, error = Origin(NAME), ConnectFailed("refused")
    origin.give_up(error, NOW)
    assert origin.knows(NOW + 10 * MAX_AGE)
    assert origin.error is error
    assert not origin.goes_stale(NOW + 10 * MAX_AGE)


def test_a_status_that_closed_it_is_told_as_robots_unreachable():
    origin = Origin(NAME)
    origin.give_up(BadStatus(503), NOW)
    refusal = origin.error
    assert isinstance(refusal, RobotsUnreachable)
    assert (refusal.detail, refusal.url, refusal.reason) == (
        "robots.txt answers 503",
        f"{NAME}/robots.txt",
        "robots unreachable",
    )


def test_what_is_learned_later_opens_it_again():
    origin = Origin(NAME)
    origin.give_up(FetchTimeout("x"), NOW)
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
