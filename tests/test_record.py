"""What the scheduler puts on record: read back from the file, as an auditor does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scrapekit.errors import BadStatus, ConnectFailed
from scrapekit.frontier import Found, HostState, Lease, Outcome, Row
from scrapekit.headers import Headers
from scrapekit.hosts import Heard, Host, Refused, Turn
from scrapekit.ledger import IGNORED, Kind, Ledger, digest, read
from scrapekit.origins import MAX_AGE, Origin
from scrapekit.record import Record
from scrapekit.request import Request
from scrapekit.tables import Limits

T = 1_753_000_000.0
RULES = b"User-agent: *\nDisallow: /no\nAllow: /\n"
ROW = Row(7, "a.test", Request("http://a.test/x"), attempt=2, history=("http://a.test/",))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path, spider="s", agent="ours", user_agent="ours", now=T)
    yield opened
    opened.close()


@pytest.fixture
def record(ledger: Ledger) -> Record:
    return Record(ledger, agent="ours")


def turn_of(row: Row = ROW, *, origin: Origin | None = None, robots_of: Origin | None = None) -> Turn:
    host = Host(Lease("a.test", 1, HostState(), 0, []), Limits(delay=2.0), random=lambda: 0.0)
    return Turn(host, row, T + 3, T + 1, "crawl-delay", (), "10.0.0.1", origin, origin and origin.rules, robots_of)


def learned(body: bytes = RULES, status: int = 200) -> Origin:
    origin = Origin("http://a.test")
    origin.learn(status, body, T)
    return origin


def test_a_send_is_on_record_before_it_goes_with_all_that_held_it(record: Record, tmp_path: Path) -> None:
    origin = learned()
    record.robots(origin, T)
    record.about_to_send(turn_of(origin=origin), ROW.request, T + 3)
    (send,) = read(tmp_path).sends
    assert (send.row, send.kind, send.url, send.at) == (7, Kind.PAGE, "http://a.test/x", T + 3)
    assert (send.due, send.rule, send.delay, send.source) == (T + 1, "crawl-delay", 2.0, "delay")
    assert (send.digest, send.line) == (digest(RULES), 3)
    assert (send.attempt, send.hop, send.address) == (2, 1, "10.0.0.1")
    assert (send.end, send.start) == (None, T + 3)


def test_what_was_prepared_is_on_record_as_it_goes(record: Record, tmp_path: Path) -> None:
    record.about_to_send(turn_of(origin=learned()), Request("http://a.test/x?token=1"), T)
    assert read(tmp_path).sends[0].url == "http://a.test/x?token=1"


def test_the_end_says_what_came_of_it(record: Record, tmp_path: Path) -> None:
    turn = turn_of(origin=learned())
    handle = record.about_to_send(turn, ROW.request, T + 3)
    turn.sent_at = T + 3.25
    headers = Headers({"Retry-After": "60", "Server": "x"})
    record.ended(handle, turn, Heard(503, headers, 120, "10.0.0.2", BadStatus(503)), T + 4)
    (send,) = read(tmp_path).sends
    assert (send.sent, send.end, send.status, send.size, send.address) == (T + 3.25, T + 4, 503, 120, "10.0.0.2")
    assert (send.error.partition(" in ")[0], send.asked) == ("status 503", {"retry-after": "60"})


def test_what_never_left_is_not_said_to_have_been_sent(record: Record, tmp_path: Path) -> None:
    turn = turn_of(origin=learned())
    handle = record.about_to_send(turn, ROW.request, T + 3)
    record.ended(handle, turn, Heard(error=ConnectFailed("refused")), T + 4)
    (send,) = read(tmp_path).sends
    assert (send.sent, send.start, send.status) == (None, None, 0)
    assert send.error.startswith("connection")


def test_a_robots_txt_is_a_send_of_its_own_kind_that_no_robots_txt_allows(record: Record, tmp_path: Path) -> None:
    origin = Origin("http://a.test")
    row = Row(-1, "a.test", origin.robots_request())
    record.about_to_send(turn_of(row, robots_of=origin), row.request, T)
    (send,) = read(tmp_path).sends
    assert (send.row, send.kind, send.url, send.digest) == (-1, Kind.ROBOTS, "http://a.test/robots.txt", "")


def test_where_robots_is_ignored_the_record_says_so(record: Record, tmp_path: Path) -> None:
    record.about_to_send(turn_of(), ROW.request, T)
    assert read(tmp_path).sends[0].digest == IGNORED


def test_a_copy_is_on_record_with_its_time_before_the_first_send_by_it_and_once(record: Record, tmp_path: Path) -> None:
    origin = learned()
    for n in range(2):
        record.about_to_send(turn_of(Row(n, "a.test", ROW.request), origin=origin), ROW.request, T + 100)
    account = read(tmp_path)
    (copy,) = account.robots
    assert (copy.origin, copy.status, copy.digest) == ("http://a.test", 200, digest(RULES))
    assert (copy.at, copy.fetched, copy.expires, copy.error) == (T + 100, T, T + MAX_AGE, "")
    assert {send.digest for send in account.sends} == {digest(RULES)}
    assert all(copy.seq < send.seq for send in account.sends)


@pytest.mark.parametrize("status", [401, 404, 410])
def test_where_there_is_none_that_is_on_record(status: int, record: Record, tmp_path: Path) -> None:
    origin = learned(b"not found", status)
    record.robots(origin, T)
    record.about_to_send(turn_of(origin=origin), ROW.request, T)
    account = read(tmp_path)
    assert (account.robots[0].status, account.robots[0].digest, account.sends[0].digest) == (status, "", "")


def test_one_that_could_not_be_read_is_on_record(record: Record, tmp_path: Path) -> None:
    record.robots_failed(Origin("http://a.test"), T, status=503, error="status 503")
    (copy,) = read(tmp_path).robots
    assert (copy.status, copy.error, copy.digest) == (503, "status 503", "")


def test_what_is_refused_is_on_record_with_the_line_that_says_no(record: Record, tmp_path: Path) -> None:
    record.refused(Refused(ROW, Outcome.DISALLOWED, "robots.txt", None, digest(RULES), 2), T + 1)
    record.refused(Refused(ROW, Outcome.DROPPED, "budget: pages"), T + 2)
    first, second = read(tmp_path).refusals
    assert (first.row, first.at, first.url, first.outcome) == (7, T + 1, "http://a.test/x", "disallowed")
    assert (first.reason, first.digest, first.line) == ("robots.txt", digest(RULES), 2)
    assert (second.outcome, second.reason, second.digest, second.line) == ("dropped", "budget: pages", "", None)


def test_links_that_never_had_a_row_are_on_record_and_those_that_have_are_not(record: Record, tmp_path: Path) -> None:
    links = [
        Found(Request("http://b.test/"), "b.test", b"1", Outcome.DROPPED, "offsite"),
        Found(Request("http://a.test/y"), "a.test", b"2"),
    ]
    record.left_out(links, T)
    (refusal,) = read(tmp_path).refusals
    assert (refusal.row, refusal.url, refusal.reason) == (0, "http://b.test/", "offsite")


def test_without_a_ledger_it_does_nothing() -> None:
    record, turn, origin = Record(None, agent="ours"), turn_of(), learned()
    handle = record.about_to_send(turn, ROW.request, T)
    assert handle is None
    record.ended(handle, turn, Heard(200), T)
    record.refused(Refused(ROW, Outcome.DROPPED, "x"), T)
    record.left_out([Found(ROW.request, "a.test", b"1", Outcome.DROPPED, "x")], T)
    record.robots(origin, T)
    record.robots_failed(origin, T, status=0, error="x")
    assert origin.digest == ""
