"""The audit acquits what is just within a rule, and convicts what is a millisecond beyond it.

The ledgers are made by hand: what they say is what was sent, and nothing of the scheduler is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from scrapekit import Response, Settings, Spider
from scrapekit.audit import Report, judge
from scrapekit.crawler import prepare_crawl
from scrapekit.errors import ConfigError
from scrapekit.headers import Headers
from scrapekit.ledger import IGNORED, Handle, Kind, Ledger, read
from scrapekit.testing import Answer, VirtualClock, World, page

T = 1_753_000_000.0
#: What is within a microsecond of the limit is rounding, and a millisecond is not.
MS = 0.001
DAY = 86400.0
CONTACT = {"identity": {"name": "bot", "contact": "https://bot.test/"}}


class Book:
    """A ledger that is written by hand. Times are seconds after ``T``; rows and their order come by themselves."""

    def __init__(self, folder: Path, **limits: Any) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.row = 0
        self.ledger = self._open(0.0)
        self.settings(0.0, **limits)

    def _open(self, at: float) -> Ledger:
        return Ledger(self.folder, spider="s", agent="bot", user_agent="bot/1", now=T + at)

    def settings(self, at: float, tables: dict[str, Any] | None = None, **limits: Any) -> None:
        self.ledger.settings({**CONTACT, "limits": {"delay": 1.0} | limits, **(tables or {})}, now=T + at)

    def robots(self, body: str | None = None, at: float = 0.0, origin: str = "http://a.test", **facts: Any) -> str:
        """Ask for robots.txt just before, and put on record what came; without body there is none."""
        status = facts.pop("status", 404 if body is None else 200)
        fetched = T + facts.pop("fetched", at)
        self.row -= 1
        if fetched >= T:
            self.send(f"{origin}/robots.txt", at - 10.0, took=MS, status=status, kind=Kind.ROBOTS)
        return self.ledger.robots(
            origin, now=T + at, status=status, body=(body or "").encode(), fetched=fetched, **facts
        )

    def begin(self, url: str, at: float, *, sent: float | None = None, **facts: Any) -> Handle:
        self.row += 1
        facts = {"row": self.row, "due": 0.0, "rule": "free", "delay": 0.0, "source": "delay"} | facts
        handle = self.ledger.about_to_send(url=full(url), now=T + at, **facts)
        handle.sent = T + (at if sent is None else sent)
        return handle

    def end(
        self, handle: Handle, at: float, headers: dict[str, str] | None = None, status: int = 200, **facts: Any
    ) -> None:
        self.ledger.ended(handle, now=T + at, status=status, headers=Headers(headers or {}), **facts)

    def send(self, url: str, at: float, *, took: float = 0.1, sent: float | None = None, **facts: Any) -> None:
        """One whole exchange. ``sent`` is when its first byte left, if that was later than its turn."""
        ending = {key: facts.pop(key) for key in ("status", "size", "error", "headers") if key in facts}
        handle = self.begin(url, at, sent=sent, **facts)
        self.end(handle, (at if sent is None else sent) + took, **ending)

    def judge(self) -> Report:
        self.ledger.close()
        return judge(read(self.folder))

    def rules(self) -> list[str]:
        return [violation.rule for violation in self.judge().violations]


def full(url: str) -> str:
    return url if "://" in url else f"http://a.test{url}"


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Any]:
    """Make a ledger with these limits."""
    made: list[Book] = []

    def make(**limits: Any) -> Book:
        made.append(Book(tmp_path / f"run{len(made)}", **limits))
        return made[-1]

    yield make
    for each in made:
        each.ledger.close()


Make = Any

# -- gaps


@pytest.mark.parametrize(
    ("gap", "found"), [(1.0, []), (1.0 - 1e-6, []), (1.0 - 1e-5, ["delay"]), (1.0 - MS, ["delay"])]
)
def test_the_delay_is_between_first_bytes(book: Make, gap: float, found: list[str]) -> None:
    b = book()
    b.robots()
    b.send("/1", 10, sent=10.4)
    b.send("/2", 11, sent=10.4 + gap)  # whatever the turns say
    assert b.rules() == found


def test_a_violation_says_what_was_and_what_was_allowed(book: Make) -> None:
    b = book()
    b.robots()
    b.send("/1", 10)
    b.send("/2", 10.25)
    (violation,) = b.judge().violations
    assert (violation.rule, violation.host, violation.at) == ("delay", "a.test", T + 10.25)
    assert (violation.url, violation.was, violation.allowed) == (
        "http://a.test/2",
        "0.25 s after the one before",
        "1 s",
    )


def test_each_host_has_its_own_gaps(book: Make) -> None:
    b = book()
    for n in range(5):
        b.robots(origin=f"http://{n}.test", at=n * 1e-3)
    for n in range(5):
        b.send(f"http://{n}.test/", 10)
    assert b.rules() == []


def test_robots_txt_and_resends_keep_the_delay_too(book: Make) -> None:
    b = book()
    b.robots()
    b.send("/robots.txt", 10, kind=Kind.ROBOTS)
    b.send("/1", 11 - MS, attempt=1)
    assert b.rules() == ["delay"]


def test_what_never_left_is_no_send(book: Make) -> None:
    b = book()
    b.robots()
    b.send("/1", 10)
    handle = b.begin("/2", 10.5)
    handle.sent = None
    b.end(handle, 10.6, status=0, error="connection in connect")
    b.send("/2", 11)
    report = b.judge()
    assert (report.violations, report.hosts[0].requests) == ([], 3)


def test_limits_are_those_in_force_at_that_moment(book: Make) -> None:
    b = book(delay=1.0)
    b.robots()
    b.send("/1", 10)
    b.settings(10.5, delay=5.0)
    b.send("/2", 15)
    b.send("/3", 20 - MS)
    b.settings(20, delay=0.5)
    b.send("/4", 20.5)
    b.send("/5", 21 - MS)
    assert [violation.url[-1] for violation in b.judge().violations] == ["3", "5"]


def test_limits_are_those_of_host_and_spider(book: Make) -> None:
    b = book()
    tables = {"hosts": {"a.test": {"delay": 2.0}}, "spiders": {"s": {"hosts": {"b.test": {"delay": 3.0}}}}}
    b.settings(0, tables)
    for host, delay in (("a.test", 2), ("b.test", 3), ("c.test", 1)):
        b.robots(origin=f"http://{host}")
        b.send(f"http://{host}/1", 10)
        b.send(f"http://{host}/2", 10 + delay)
        b.send(f"http://{host}/3", 10 + 2 * delay - MS)
    assert sorted(each.url for each in b.judge().violations) == [f"http://{host}.test/3" for host in "abc"]


def rules(text: str, agent: str = "*") -> str:
    return f"User-agent: {agent}\n{text}\n"


@pytest.mark.parametrize(("gap", "found"), [(3.5, []), (3.5 - MS, ["crawl-delay"])])
def test_crawl_delay_holds_from_the_fetch_of_robots_on(book: Make, gap: float, found: list[str]) -> None:
    b = book()
    b.robots(rules("Crawl-delay: 3.5"), at=10)  # sent at 0
    b.send("/1", gap)
    b.send("/2", 2 * gap)
    assert b.rules() == found * 2


def test_crawl_delay_is_that_of_our_own_group(book: Make) -> None:
    b = book()
    b.robots(rules("Crawl-delay: 2\nAllow: /", "bot") + rules("Crawl-delay: 30"))
    b.send("/1", 10)
    b.send("/2", 12)
    b.send("/3", 14 - MS)
    assert b.rules() == ["crawl-delay"]


@pytest.mark.parametrize(("gap", "found"), [(7.0, []), (7.0 - MS, ["crawl-delay"])])
def test_a_crawl_delay_counts_up_to_the_cap_of_the_settings(book: Make, gap: float, found: list[str]) -> None:
    b = book(max_crawl_delay=7)
    b.robots(rules("Crawl-delay: 86400"))
    b.send("/1", 10)
    b.send("/2", 10 + gap)
    assert b.rules() == found


def test_a_host_keeps_the_crawl_delay_of_any_of_its_origins(book: Make) -> None:
    b = book()
    b.robots(rules("Crawl-delay: 4"), origin="https://a.test")
    b.robots(at=1, origin="http://a.test")
    b.send("http://a.test/1", 10)
    b.send("http://a.test/2", 14 - MS)
    assert "crawl-delay" in b.rules()


def test_crawl_delay_does_not_count_where_robots_is_ignored(book: Make) -> None:
    b = book(robots="ignore", robots_reason="they agreed")
    b.robots(rules("Crawl-delay: 4"))
    b.send("/1", 10)
    b.send("/2", 11)
    assert b.rules() == []


@pytest.mark.parametrize(("last", "found"), [(10.0, []), (10.0 - MS, ["request-rate"])])
def test_a_request_rate_holds_over_its_whole_time(book: Make, last: float, found: list[str]) -> None:
    b = book(delay=0)
    b.robots(rules("Request-rate: 3/10"), at=0)
    for at in (20.0, 21.0, 22.0, 20.0 + last):
        b.send("/x", at)
    assert b.rules() == found


def test_a_request_rate_counts_up_to_the_cap_for_each_request(book: Make) -> None:
    b = book(delay=0, max_crawl_delay=5)
    b.robots(rules("Request-rate: 1/1h"))
    b.send("/1", 20)
    b.send("/2", 25)
    b.send("/3", 30 - MS)
    assert b.rules() == ["request-rate"]


@pytest.mark.parametrize(("at", "found"), [(3600 * 2, []), (3600 * 2 - MS, ["visit-time"]), (3600 * 4, ["visit-time"])])
def test_pages_keep_to_the_visit_time(book: Make, at: float, found: list[str]) -> None:
    b = book(delay=0)
    midnight = DAY - T % DAY
    b.robots(rules("Visit-time: 0200-0400"), at=midnight)
    b.send("/1", midnight + at)
    assert b.rules() == found


# -- at once


@pytest.mark.parametrize(("end", "found"), [(13.0, []), (13.0 + MS, ["concurrency"])])
def test_never_more_at_once_than_the_limit(book: Make, end: float, found: list[str]) -> None:
    b = book(concurrency=2)
    b.robots()
    one, two = b.begin("/1", 11), b.begin("/2", 12)
    three = b.begin("/3", 13)
    b.end(one, end)
    b.end(two, 20)
    b.end(three, 20)
    report = b.judge()
    assert [violation.rule for violation in report.violations] == found
    assert report.hosts[0].most_at_once == 2 + len(found)


def test_a_lowered_limit_lets_what_is_out_come_home(book: Make) -> None:
    b = book(concurrency=2)
    b.robots()
    one, two = b.begin("/1", 11), b.begin("/2", 12)
    b.settings(12.5, concurrency=1)
    b.end(one, 13)
    three = b.begin("/3", 14)
    b.end(two, 15)
    b.end(three, 16)
    assert [violation.url[-1] for violation in b.judge().violations] == ["3"]


def test_what_a_death_cut_off_was_over_when_the_next_process_began(book: Make) -> None:
    b = book()
    b.robots()
    b.begin("/1", 10)
    b.ledger.close()
    b.ledger = b._open(30)
    b.settings(30)
    b.send("/1", 30)
    report = b.judge()
    assert (report.violations, report.hosts[0].cut_off, len(report.runs)) == ([], 1, 2)


def test_a_resumed_run_keeps_the_delay_from_the_last_recorded_send(book: Make) -> None:
    b = book(delay=60)
    b.robots(at=-100, fetched=-1)
    b.begin("/1", 10)
    b.ledger.close()
    b.ledger = b._open(30)
    b.settings(30, delay=60)
    b.send("/1", 70 - MS)
    assert b.rules() == ["delay"]


# -- pauses that the site asks for


@pytest.mark.parametrize("value", ["30", "Sun, 20 Jul 2025 08:27:20 GMT"])
@pytest.mark.parametrize(("at", "found"), [(40.0, []), (40.0 - MS, ["retry-after"])])
def test_retry_after_rests_the_whole_host(book: Make, value: str, at: float, found: list[str]) -> None:
    assert T == 1752999600 + 400  # 08:26:40 GMT
    b = book()
    b.robots()
    b.send("/1", 9, took=1, status=503, headers={"Retry-After": value})
    b.send("/2", at)
    report = b.judge()
    assert [violation.rule for violation in report.violations] == found
    host = report.hosts[0]
    assert (host.waits, host.waited) == ((1, pytest.approx(30)) if not found else (0, 0))


@pytest.mark.parametrize("status", [404, 408, 429, 500, 503])
def test_retry_after_counts_beside_any_error(book: Make, status: int) -> None:
    b = book()
    b.robots()
    b.send("/1", 9, took=1, status=status, headers={"Retry-After": "30"})
    b.send("/2", 20)
    assert b.rules() == ["retry-after"]


def test_retry_after_counts_up_to_the_cap_of_the_settings(book: Make) -> None:
    b = book(max_retry_after=20)
    b.robots()
    b.send("/1", 9, took=1, status=429, headers={"Retry-After": "9999"})
    b.send("/2", 30)
    b.send("/3", 39, took=1, status=429, headers={"Retry-After": "9999"})
    b.send("/4", 60 - MS)
    assert [violation.url[-1] for violation in b.judge().violations] == ["4"]


def test_a_turn_taken_before_the_answer_came_is_no_breach(book: Make) -> None:
    b = book(concurrency=2)
    b.robots()
    one = b.begin("/1", 9)
    two = b.begin("/2", 10, sent=12)
    b.end(one, 11, status=429, headers={"Retry-After": "30"})
    b.end(two, 13)
    b.send("/3", 42)
    assert b.rules() == []


def test_a_redirect_that_says_when_is_followed_no_sooner(book: Make) -> None:
    b = book()
    b.robots()
    b.robots(origin="http://b.test")
    for row, wait in ((1, 30), (2, 30 - MS)):
        b.send("/moved", 100 * row, took=1, status=302, headers={"Retry-After": "30"}, row=row)
        b.send("http://b.test/here", 100 * row + 1 + wait, row=row, hop=1)
    b.send("/other", 350)
    (violation,) = b.judge().violations
    assert (violation.rule, violation.url, violation.at) == ("retry-after", "http://b.test/here", T + 231 - MS)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("said", [{}, {"Retry-After": "soon"}, {"Retry-After": "0"}])
@pytest.mark.parametrize(("at", "found"), [(70.0, []), (70.0 - MS, ["back-off"])])
def test_who_has_enough_is_left_alone_for_a_minute(
    book: Make, status: int, said: dict[str, str], at: float, found: list[str]
) -> None:
    b = book()
    b.robots()
    b.send("/1", 9, took=1, status=status, headers=said)
    b.send("/2", at)
    assert b.rules() == found


@pytest.mark.parametrize(("at", "found"), [(190.0, []), (190.0 - MS, ["back-off"])])
def test_who_has_enough_again_is_left_alone_for_twice_as_long(book: Make, at: float, found: list[str]) -> None:
    b = book()
    b.robots()
    b.send("/1", 9, took=1, status=503)
    b.send("/1", 70, took=0, status=503)
    b.send("/1", at)
    assert b.rules() == found


def test_after_a_good_answer_the_pause_is_a_minute_again(book: Make) -> None:
    b = book()
    b.robots()
    b.send("/1", 9, took=1, status=503)
    b.send("/1", 70, took=0, status=200)
    b.send("/2", 100, took=0, status=503)
    b.send("/3", 160)
    assert b.rules() == []


def test_trouble_is_counted_once(book: Make) -> None:
    """Two were out, and both come back with 429: the second one is no news."""
    b = book(concurrency=2)
    b.robots()
    one, two = b.begin("/1", 9), b.begin("/2", 10)
    b.end(one, 11, status=429)
    b.end(two, 12, status=429)
    b.send("/3", 71)
    assert b.rules() == []


@pytest.mark.parametrize(("at", "found"), [(25.0, []), (25.0 - MS, ["rate-limit"])])
def test_where_no_request_is_granted_any_more_none_is_sent(book: Make, at: float, found: list[str]) -> None:
    b = book()
    b.robots()
    b.send("/1", 9, took=1, headers={"RateLimit": '"a";r=0;t=15'})
    b.send("/2", at)
    assert b.rules() == found


@pytest.mark.parametrize(("gap", "found"), [(5.0, []), (5.0 - MS, ["rate-limit"])])
def test_what_remains_of_a_grant_is_spread(book: Make, gap: float, found: list[str]) -> None:
    b = book()
    b.robots()
    b.send("/1", 9, took=1, headers={"X-RateLimit-Remaining": "20", "X-RateLimit-Reset": "100"})
    b.send("/2", 11)  # the pace counts from the send that comes after it was told
    b.send("/3", 11 + gap)
    assert b.rules() == found


# -- robots.txt


def test_what_robots_disallows_is_not_sent(book: Make) -> None:
    b = book()
    name = b.robots(rules("Disallow: /no\nAllow: /no/yes"))
    b.send("/yes", 10, digest=name)
    b.send("/no/yes", 11, digest=name, line=3)
    b.send("/no/2", 12, digest=name)
    (violation,) = b.judge().violations
    assert (violation.rule, violation.url) == ("robots-disallowed", "http://a.test/no/2")
    assert violation.allowed == "not at all: line 2, Disallow: /no"


def test_robots_is_read_as_it_was_at_that_moment(book: Make) -> None:
    b = book()
    b.robots(rules("Disallow: /a"))
    b.send("/b", 10)
    b.robots(rules("Disallow: /b"), at=100)
    b.send("/a", 110)
    b.send("/b", 111)
    assert [violation.at - T for violation in b.judge().violations] == [111]


def test_a_page_without_robots_is_a_violation(book: Make) -> None:
    b = book()
    b.send("/1", 10)
    b.robots(at=21)
    b.send("/2", 22)
    (violation,) = b.judge().violations
    assert (violation.rule, violation.at) == ("robots-missing", T + 10)


def test_each_origin_has_a_robots_txt_of_its_own(book: Make) -> None:
    b = book()
    b.robots(origin="https://a.test")
    b.send("http://a.test/1", 10)
    assert b.rules() == ["robots-missing"]


@pytest.mark.parametrize(("age", "found"), [(DAY, []), (DAY + MS, ["robots-stale"])])
def test_a_copy_is_used_for_24_hours_at_most(book: Make, age: float, found: list[str]) -> None:
    b = book()
    b.robots(at=0)
    b.send("/1", age)
    assert b.rules() == found


@pytest.mark.parametrize(("age", "found"), [(DAY, []), (DAY + MS, ["robots-stale"])])
def test_also_one_that_an_earlier_run_had_brought(book: Make, age: float, found: list[str]) -> None:
    b = book()
    b.robots(rules(""), fetched=-3600)
    b.send("/1", age - 3600)
    assert b.rules() == found


@pytest.mark.parametrize("facts", [{"status": 500}, {"status": 429}, {"status": 0, "error": "timeout in connect"}])
def test_a_closed_origin_is_not_fetched(book: Make, facts: dict[str, Any]) -> None:
    b = book()
    b.ledger.robots("http://a.test", now=T, **facts)
    b.send("/1", 100)
    assert b.rules() == ["robots-closed"]


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410])
def test_an_origin_without_robots_is_open(book: Make, status: int) -> None:
    b = book()
    b.robots(status=status)
    b.send("/1", 10)
    assert b.rules() == []


@pytest.mark.parametrize(("at", "found"), [(DAY, []), (DAY + MS, ["robots-closed"])])
def test_while_robots_cannot_be_read_the_old_copy_holds_for_its_24_hours(
    book: Make, at: float, found: list[str]
) -> None:
    b = book()
    b.robots(rules("Disallow: /no"))
    b.ledger.robots("http://a.test", now=T + 50, status=503)
    b.send("/1", at)
    assert b.rules() == found


def test_a_copy_that_nobody_fetched_is_no_permission(book: Make) -> None:
    b = book()
    b.robots(rules(""))
    b.ledger.robots("http://a.test", now=T + 1, status=200, body=b"")
    b.send("/1", 10)
    assert b.rules() == ["robots-unread"]


def test_a_page_does_not_pass_for_robots(book: Make) -> None:
    b = book()
    b.send("/1", 10, kind=Kind.ROBOTS)
    b.send("/elsewhere", 20, kind=Kind.ROBOTS, hop=1)
    assert b.rules() == ["robots-missing"]


@pytest.mark.parametrize(("hop", "found"), [(5, []), (6, ["robots-hops"])])
def test_robots_is_looked_for_through_five_redirects(book: Make, hop: int, found: list[str]) -> None:
    b = book()
    b.send("/elsewhere", 20, kind=Kind.ROBOTS, hop=hop)
    assert b.rules() == found


def test_robots_is_ignored_only_for_a_reason(book: Make) -> None:
    b = book(robots="ignore")
    b.send("/1", 10, digest=IGNORED)
    b.settings(11, robots="ignore", robots_reason="they asked us to")
    b.send("/2", 12, digest=IGNORED)
    b.send("http://127.0.0.1/", 13, digest=IGNORED)
    assert [violation.url[-1] for violation in b.judge().violations] == ["1"]


def test_what_the_crawl_says_of_robots_must_agree_with_the_file(book: Make) -> None:
    b = book()
    name = b.robots(rules("Allow: /a\nDisallow: /"))
    b.send("/a", 10, digest=name, line=2)
    b.send("/a", 11, digest=name, line=7)
    b.send("/a", 12, digest="0" * 64)
    b.send("/a", 13, digest=IGNORED)
    assert [(each.rule, each.at - T) for each in b.judge().violations] == [("account", n) for n in (11, 12, 13)]


def test_a_kept_body_that_is_gone_leaves_nothing_to_judge_by(book: Make) -> None:
    b = book()
    name = b.robots(rules("Disallow: /no"))
    b.send("/1", 10)
    (b.folder / "robots" / f"{name}.txt").write_bytes(b"User-agent: *\n")
    with pytest.raises(ConfigError, match="digest"):
        b.judge()


# -- who we are, and how much


def test_nobody_is_visited_without_a_name_but_this_machine(book: Make) -> None:
    b = book()
    b.ledger.settings({"limits": {"delay": 1.0}}, now=T)
    for host in ("a.test", "127.0.0.1:8080", "localhost"):
        b.robots(origin=f"http://{host}")
        b.send(f"http://{host}/", 10)
    assert [(each.rule, each.host) for each in b.judge().violations] == [("contact", "a.test")]


@pytest.mark.parametrize(("limit", "found"), [(3, []), (2, ["budget"])])
def test_no_more_pages_than_the_budget(book: Make, limit: int, found: list[str]) -> None:
    b = book(max_pages=limit)
    b.robots()
    for n in range(3):
        b.send("/x", 10 + n)
    b.send("/robots.txt", 20, kind=Kind.ROBOTS)
    assert b.rules() == found


@pytest.mark.parametrize(("limit", "found"), [(2001, []), (2000, ["budget"])])
def test_nothing_is_sent_once_the_bytes_are_used_up(book: Make, limit: int, found: list[str]) -> None:
    b = book(max_bytes=limit)
    b.robots()
    for n in range(3):
        b.send("/x", 10 + n, size=1000)
    assert b.rules() == found


@pytest.mark.parametrize(("limit", "found"), [(3, []), (2, ["budget"])])
def test_nothing_is_sent_once_too_much_has_failed(book: Make, limit: int, found: list[str]) -> None:
    b = book(max_errors=limit)
    b.robots()
    b.send("/x", 10, status=404)  # a page that was wanted as it is
    b.send("/x", 11, status=404, error="status 404")
    b.send("/x", 12, status=0, error="timeout in head")
    b.send("/x", 13)
    assert b.rules() == found


@pytest.mark.parametrize(("at", "found"), [(20.0 - MS, []), (20.0 + MS, ["budget"])])
def test_nothing_is_sent_once_the_time_is_over(book: Make, at: float, found: list[str]) -> None:
    b = book(max_time=10)
    b.robots()
    b.send("/x", 10)
    b.send("/x", at)
    assert b.rules() == found


@pytest.mark.parametrize(("at", "found"), [(3600, []), (3600 - MS, ["hours"]), (5 * 3600, ["hours"])])
def test_visits_keep_to_the_hours_of_the_settings(book: Make, at: float, found: list[str]) -> None:
    b = book(visit="03:00-07:00 Europe/Berlin")  # in summer, two hours ahead
    midnight = DAY - T % DAY
    b.robots(rules(""), fetched=-1)
    b.send("/x", midnight + at - DAY)
    assert b.rules() == found


# -- what the host bears


@pytest.mark.parametrize(("gap", "found"), [(2.0, []), (1.9, ["adaptive"])])
def test_a_slow_host_is_asked_less_often(book: Make, gap: float, found: list[str]) -> None:
    b = book(adaptive=4)
    b.robots()
    for n in range(22):
        b.send("/x", 100 + n * 2, took=0.5)
    b.send("/x", 100 + 21 * 2 + gap, took=0.5)
    assert b.rules() == found


@pytest.mark.parametrize(("at", "found"), [(72.0, []), (72.0 - MS, ["circuit"])])
def test_a_host_that_does_not_answer_is_let_alone(book: Make, at: float, found: list[str]) -> None:
    b = book(circuit_failures=3)
    b.robots()
    for n in range(3):
        b.send("/x", 10 + n, took=0, status=0, error="timeout in head")
    b.send("/x", at)
    b.send("/x", at + 1)
    assert b.rules() == found


@pytest.mark.parametrize(("at", "found"), [(192.0, []), (192.0 - MS, ["circuit"])])
def test_after_a_trial_that_failed_it_is_let_alone_for_twice_as_long(book: Make, at: float, found: list[str]) -> None:
    b = book(circuit_failures=1)
    b.robots()
    b.send("/x", 12, took=0, status=0, error="connection in connect")
    b.send("/x", 72, took=0, status=0, error="connection in connect")
    b.send("/x", at)
    assert b.rules() == found


@pytest.mark.parametrize("between", [{"status": 500}, {"status": 0, "error": "timeout in body"}])
def test_any_answer_says_that_the_host_is_there(book: Make, between: dict[str, Any]) -> None:
    b = book(circuit_failures=2)
    b.robots()
    for n, facts in enumerate([{"status": 0, "error": "tls in tls"}, between] * 3):
        b.send("/x", 10 + n, **facts)
    assert b.rules() == []


# -- shared addresses


def crowd(b: Book, hosts: int, gap: float, address: str = "10.0.0.1") -> None:
    for n in range(hosts):
        b.robots(origin=f"http://{n}.test", at=-10 - n)
    for n in range(hosts):
        handle = b.begin(f"http://{n}.test/", 100 + n * gap, address=address)
        b.end(handle, 100 + n * gap + 0.01)


@pytest.mark.parametrize(("gap", "found"), [(0.25, 0), (0.25 - MS, 5)])
def test_many_names_of_one_server_count_as_a_few(book: Make, gap: float, found: int) -> None:
    b = book(per_address=4)
    crowd(b, 6, gap)
    assert b.rules() == ["per-address"] * found


def test_hosts_at_different_addresses_do_not_share(book: Make) -> None:
    b = book(per_address=1)
    for n in range(5):
        b.robots(origin=f"http://{n}.test", at=-10 - n)
        b.end(b.begin(f"http://{n}.test/", 100, address=f"10.0.0.{n}"), 100.1)
    assert b.rules() == []


def test_at_one_address_no_more_are_out_than_at_so_many_hosts(book: Make) -> None:
    b = book(per_address=2, delay=0)
    for n in range(3):
        b.robots(origin=f"http://{n}.test", at=-10 - n)
    out = [b.begin(f"http://{n}.test/", 100, address="10.0.0.1") for n in range(3)]
    for handle in out:
        b.end(handle, 101)
    assert b.rules() == ["per-address"]


def test_hosts_of_one_registrable_domain_share_where_asked(book: Make) -> None:
    b = book(per_domain=1)
    for n, host in enumerate(("a.example.co.uk", "b.example.co.uk", "c.other.co.uk")):
        b.robots(origin=f"http://{host}", at=2 * n)
        b.send(f"http://{host}/", 100 + n / 2)
    assert [(each.rule, each.host) for each in b.judge().violations] == [("per-domain", "b.example.co.uk")]


# -- what the crawl itself puts on record


class Follow(Spider):
    name = "follow"
    start_urls = tuple(f"http://h{n}.test/" for n in range(6))

    def parse(self, response: Response) -> Iterator[Any]:
        yield from response.follow_all(css="a")


def unruly(seed: int) -> Callable[[str, int], Answer]:
    """Hosts that are slow, refuse, redirect to each other, have enough now and then, and ask for one thing or other."""
    dice = Random(seed)
    asked = ["", "Crawl-delay: 2", "Request-rate: 1/3", "Disallow: /7", "Disallow: /*3", "Crawl-delay: 0.5"]

    def site(url: str, nth: int) -> Answer:
        host = int(url[8])
        facts: Any = {"latency": dice.random() * 2, "connect": dice.random() * 0.5}
        if url.endswith("/robots.txt"):
            return Answer(503 if nth == 1 and host == 2 else 200, rules(asked[host]).encode(), **facts)
        kind = dice.random()
        if kind < 0.06:
            return Answer(429, headers={"Retry-After": "20"} if kind < 0.03 else {}, **facts)
        if kind < 0.08:
            return Answer(refuses=True, **facts)
        if kind < 0.10:
            return Answer(headers={"RateLimit": f'"a";r={dice.randrange(5)};t=30'}, **facts)
        if kind < 0.14:
            return Answer(302, headers={"Location": f"http://h{dice.randrange(6)}.test/{dice.randrange(20)}"}, **facts)
        return page(*(f"/{n}" for n in range(20))) if url.endswith("t/") else Answer(**facts)

    return site


@pytest.mark.parametrize(
    "sets",
    [[], ["limits.concurrency=3", "limits.delay=0.3"], ["limits.delay=0", "limits.adaptive=2", "limits.per_address=1"]],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_real_crawl_is_acquitted_in_an_unruly_world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, sets: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    clock = VirtualClock()
    settings = Settings().overridden(["identity.contact=https://bot.test/", *sets])
    crawl = prepare_crawl(Follow, settings, network=World(unruly(seed), clock), clock=clock, keep=True)
    stats = clock.run(crawl.run)
    (run,) = (tmp_path / ".scrapekit" / "runs").iterdir()
    account = read(run)
    assert judge(account).violations == []
    assert len(account.sends) >= stats.sends > 100
    assert sum(refusal.outcome == "disallowed" for refusal in account.refusals) == stats.disallowed > 0


# -- what the report says


def test_a_host_is_summed_up(book: Make) -> None:
    b = book(delay=2, concurrency=3)
    b.robots(rules("Disallow: /no\nCrawl-delay: 4"), at=10)
    for at in (10.0, 15.0, 25.0):
        b.send("/x", at, took=0.5, size=1000, status=404 if at == 25 else 200)
    b.ledger.refused(9, full("/no/1"), now=T + 30, outcome="disallowed", reason="robots.txt", line=2)
    b.ledger.refused(10, full("/deep"), now=T + 30, outcome="dropped", reason="depth")
    b.ledger.refused(11, "http://b.test/", now=T + 30, outcome="dropped", reason="budget: pages")
    report = b.judge()
    host, other = report.hosts
    assert (host.host, host.requests, host.robots_fetches) == ("a.test", 4, 1)
    assert (host.least_gap, host.median_gap, host.most_at_once) == (5.0, 10.0, 1)
    assert (host.delay, host.source, host.concurrency) == (4.0, "crawl-delay", 3)
    assert (host.size, host.statuses) == (3000, {200: 3, 404: 1})
    assert (host.disallowed, host.left_alone, host.dropped) == (1, ["http://a.test/no/1"], {"depth": 1})
    assert (other.host, other.requests, other.dropped) == ("b.test", 0, {"budget: pages": 1})
    assert (report.contact, report.between) == ("https://bot.test/", (T, T + 30))
    assert report.to_dict()["hosts"][0]["median_gap"] == 10.0


def test_pauses_that_overlap_count_once_in_the_time_waited(book: Make) -> None:
    b = book(concurrency=2)
    b.robots()
    one, two = b.begin("/1", 9), b.begin("/2", 10)
    b.end(one, 11, status=429, headers={"Retry-After": "30"})
    b.end(two, 12, status=429, headers={"Retry-After": "30"})
    host = b.judge().hosts[0]
    assert (host.waits, host.waited) == (2, 31.0)


def test_a_ledger_without_settings_cannot_be_judged(tmp_path: Path) -> None:
    Ledger(tmp_path, spider="s", agent="bot", user_agent="bot", now=T).close()
    with pytest.raises(ConfigError, match="names no settings"):
        judge(read(tmp_path))


def test_many_sends_at_many_hosts_are_judged_as_few_are(book: Make) -> None:
    b = book()
    body = rules("Disallow: /no\nCrawl-delay: 2\nDisallow: /*?sort=")
    names = [b.robots(body, origin=f"http://{n}.test", at=-100) for n in range(100)]
    for n in range(20_000):
        host = n % 100
        at = (n // 100) * 2.0 + host * 0.01
        b.send(f"http://{host}.test/page/{n}", at, digest=names[host])
    assert b.rules() == []
