"""One turn to one result: an answer, an error, or a put-back; nothing is sent twice, nobody sleeps."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit import Request, kernel
from scrapekit.errors import (
    AskedForCalm,
    BadResponse,
    BadStatus,
    ConnectFailed,
    FetchTimeout,
    PrivateAddress,
    ProxyFailed,
    ProxyLocked,
    TLSFailed,
    TooLarge,
    TooManyRedirects,
)
from scrapekit.fetcher import JITTER, ROBOTS_SIZE, Fetcher
from scrapekit.frontier import Row
from scrapekit.headers import Headers
from scrapekit.http import Proxy, Reply, Way
from scrapekit.origins import Origin
from scrapekit.retry import RETRY
from scrapekit.tables import Limits

URL = "https://a.test/page"
OURS = Headers({"User-Agent": "examplebot/1.0", "X-Ours": "ours"})


class Wire:
    """Answers with what it was given, one after the other, and notes what it was asked to send."""

    def __init__(self, *answers):
        self.answers, self.sent = list(answers), []

    async def send(self, method, url, headers, body=b"", **more):
        self.sent.append({"method": method, "url": url, "headers": headers, "body": body, **more})
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        await more["on_sent"]()
        return answer


class Most(Random):
    """The greatest jitter that there may be."""

    def random(self):
        return 1.0


class Least(Random):
    def random(self):
        return 0.0


def reply(status=200, headers=(), body=b"", **more):
    return Reply(status, Headers(list(headers)), body, "1.1", "10.0.0.1", more.get("wire_bytes", 100), False)


def moved(location, status=302, *headers):
    return reply(status, [("Location", location), *headers])


class Rig:
    """A fetcher on a wire, at a time that stands still."""

    def __init__(self, *answers, now=1000.0, random=None, **more):
        self.now, self.on_sent = now, 0
        self.wire = Wire(*answers)
        self.fetcher = Fetcher(
            self.wire, headers=more.pop("headers", OURS), clock=lambda: self.now, random=random or Least(), **more
        )

    def fetch(self, run, row=None, *, request=None, robots_of=None, circuit_open=False, **limits):
        row = row or row_of()
        # No more of a turn than a fetch may look at: the host's name and limits, the row, and what it is for.
        turn: Any = SimpleNamespace(
            host=SimpleNamespace(name=row.host, limits=Limits(**limits), circuit=SimpleNamespace(open=circuit_open)),
            row=row,
            robots_of=robots_of,
        )

        async def on_sent():
            self.on_sent += 1

        return run(self.fetcher.fetch, turn, request or row.request, on_sent, lambda: True)

    @property
    def headers(self):
        return self.wire.sent[-1]["headers"]


def row_of(url=URL, *, attempt=0, history=(), id=7, **fields):
    request = Request(url, **fields)
    return Row(id, request.url.split("/")[2], request, attempt=attempt, history=history)


def exactly_one(result):
    assert [result.response, result.error, result.put_back].count(None) == 2
    return result


def heard(result):
    told = result.heard
    return told.status, told.size, told.address, told.error


# ---- answers ----


@pytest.mark.parametrize("status", [200, 201, 204, 206, 226, 299, 300, 304, 305, 306, 399])
def test_2xx_and_3xx_that_lead_nowhere_are_answers(status, run):
    result = exactly_one(Rig(reply(status, body=b"x")).fetch(run))
    assert (result.response.status, result.response.body) == (status, b"x")
    assert heard(result) == (status, 100, "10.0.0.1", None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_without_a_location_is_an_answer(status, run):
    assert exactly_one(Rig(reply(status)).fetch(run)).response.status == status


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 407, 410, 418, 451, 501, 505, 599, 999])
def test_other_statuses_that_are_not_tried_again_are_errors_with_their_answer(status, run):
    result = exactly_one(Rig(reply(status, body=b"gone")).fetch(run))
    assert isinstance(result.error, BadStatus)
    assert result.error.reason == f"status {status}"
    assert (result.error.url, result.error.host, result.error.address) == (URL, "a.test", "10.0.0.1")
    assert result.error.response.body == b"gone"
    assert heard(result) == (status, 100, "10.0.0.1", result.error)


@pytest.mark.parametrize("status", [404, 503, 429, 500])
def test_a_status_that_the_spider_or_the_request_accepts_is_an_answer(status, run):
    by_spider = Rig(reply(status), accept_status=frozenset({status}))
    assert exactly_one(by_spider.fetch(run)).response.status == status
    by_request = Rig(reply(status)).fetch(run, row_of(accept_status={status}))
    assert exactly_one(by_request).response.status == status
    assert Rig(reply(status), accept_status=frozenset({410})).fetch(run, row_of(accept_status={411})).response is None


@pytest.mark.parametrize("location", ["/elsewhere", "mailto:a@b.c"])
def test_an_accepted_redirect_is_an_answer_wherever_it_leads(location, run):
    result = Rig(moved(location)).fetch(run, row_of(accept_status={302}))
    assert exactly_one(result).response.status == 302


def test_a_response_tells_where_it_came_from_and_how_long_it_took(run):
    rig = Rig(reply(200, [("X-A", "1")]))
    send = rig.wire.send

    async def slowly(*arguments, **more):
        rig.now += 2.5
        return await send(*arguments, **more)

    rig.wire.send = slowly
    row = row_of(history=("https://a.test/", "https://b.test/"))
    response = rig.fetch(run, row).response
    assert (response.url, response.request, response.address) == (URL, row.request, "10.0.0.1")
    assert (response.history, response.elapsed, response.headers["x-a"]) == (row.history, 2.5, "1")


def test_what_prepare_made_is_sent_and_the_response_keeps_the_spiders_request(run):
    rig, row = Rig(reply()), row_of()
    signed = row.request.replace(url=URL + "?token=1", headers={"X-Signed": "1"}, method="POST", body=b"b")
    response = rig.fetch(run, row, request=signed).response
    (sent,) = rig.wire.sent
    assert (sent["method"], sent["url"], sent["body"]) == ("POST", URL + "?token=1", b"b")
    assert sent["headers"]["x-signed"] == "1"
    assert response.request is row.request
    assert response.url == URL + "?token=1"


def test_one_turn_is_one_send(run):
    for answer in (reply(), reply(503), moved("/x"), ConnectFailed("x", sent=True, reused=True)):
        rig = Rig(answer, reply())
        rig.fetch(run)
        assert len(rig.wire.sent) == 1


# ---- what is sent ----


def test_ours_go_below_the_settings_and_those_below_the_requests_own(run):
    rig = Rig(reply())
    limits = Headers({"X-Ours": "limits", "X-Limits": "limits", "X-Both": "limits"})
    rig.fetch(run, row_of(headers={"x-both": "request", "X-Request": "request"}), headers=limits)
    assert rig.headers["user-agent"] == "examplebot/1.0"
    assert {name: rig.headers[name] for name in ("x-ours", "x-limits", "x-both", "x-request")} == {
        "x-ours": "limits",
        "x-limits": "limits",
        "x-both": "request",
        "x-request": "request",
    }
    assert len(rig.headers.get_all("X-Both")) == 1


def test_user_agent_and_accept_go_with_every_request_and_may_be_set(run):
    rig = Rig(reply(), reply())
    rig.fetch(run)
    assert rig.headers["accept"].startswith("text/html")
    assert rig.headers["user-agent"] == "examplebot/1.0"
    rig.fetch(run, row_of(headers={"Accept": "application/json", "User-Agent": "me"}))
    assert (rig.headers.get_all("accept"), rig.headers.get_all("user-agent")) == (["application/json"], ["me"])


def test_an_empty_value_in_the_settings_leaves_a_field_out(run):
    rig = Rig(reply())
    rig.fetch(run, headers=Headers({"Accept": ""}))
    assert "accept" not in rig.headers


def test_one_hosts_headers_do_not_go_to_another(run):
    rig = Rig(reply(), reply())
    rig.fetch(run, headers=Headers({"X-Key": "secret"}))
    rig.fetch(run, row_of("https://b.test/"))
    assert "x-key" not in rig.headers


def test_deadlines_and_sizes_are_those_of_the_host_and_the_requests_timeout_goes_before(run):
    rig = Rig(reply(), reply())
    rig.fetch(run, timeout=20, connect_timeout=3, first_byte_timeout=4, max_size=1000)
    sent = rig.wire.sent[-1]
    assert ((wanted := sent["terms"].deadlines).connect, wanted.first_byte, wanted.total) == (3, 4, 20)
    assert (sent["terms"].sizes.max_size, sent["fresh"]) == (1000, False)
    rig.fetch(run, row_of(timeout=2.5), timeout=20)
    assert rig.wire.sent[-1]["terms"].deadlines.total == 2.5


# ---- cookies ----


def test_cookies_that_were_set_go_with_the_next_request_of_the_same_jar(run):
    rig = Rig(reply(200, [("Set-Cookie", "sid=1"), ("Set-Cookie", "lang=de")]), reply(), reply(), reply())
    rig.fetch(run)
    assert "cookie" not in rig.headers
    rig.fetch(run)
    assert rig.headers["cookie"] == "sid=1; lang=de"
    rig.fetch(run, row_of(jar="other"))
    assert "cookie" not in rig.headers
    rig.fetch(run, row_of("https://b.test/"))
    assert "cookie" not in rig.headers


def test_cookies_of_errors_and_redirects_are_kept_too(run):
    rig = Rig(reply(404, [("Set-Cookie", "a=1")]), moved("/x", 302, ("Set-Cookie", "b=2")), reply())
    for _ in range(3):
        rig.fetch(run)
    assert rig.headers["cookie"] == "a=1; b=2"


def test_a_requests_own_cookies_go_before_those_of_the_jar_and_stay_out_of_it(run):
    rig = Rig(reply(200, [("Set-Cookie", "sid=1"), ("Set-Cookie", "lang=de")]), reply(), reply(), reply())
    rig.fetch(run)
    rig.fetch(run, row_of(cookies={"sid": "mine", "x": "y"}))
    assert rig.headers["cookie"] == "lang=de; sid=mine; x=y"
    rig.fetch(run, row_of(headers={"Cookie": "sid=header; z=1"}))
    assert rig.headers.get_all("cookie") == ["lang=de; sid=header; z=1"]
    rig.fetch(run)
    assert rig.headers["cookie"] == "sid=1; lang=de"


def test_cookies_without_a_jar_are_one_field(run):
    rig = Rig(reply())
    rig.fetch(run, row_of(cookies={"a": "1", "b": "2"}))
    assert rig.headers.get_all("cookie") == ["a=1; b=2"]


# ---- redirects ----


def test_a_redirect_is_put_back_to_its_own_host_with_the_same_id(run):
    row = row_of(callback="parse_book", meta={"a": 1}, priority=3, attempt=2, depth=5, parent="https://p.test/")
    result = exactly_one(Rig(moved("https://b.test:8443/x#y")).fetch(run, row))
    back = result.put_back
    assert back.old is row
    assert (back.row.id, back.row.host, back.row.request.url) == (7, "b.test:8443", "https://b.test:8443/x")
    assert (back.row.history, back.row.attempt, back.row.not_before) == ((URL,), 0, 0.0)
    assert back.row.request == row.request.replace(url="https://b.test:8443/x")
    assert back.fingerprint == back.row.request.fingerprint()
    assert result.cause is None
    assert heard(result) == (302, 100, "10.0.0.1", None)


def test_a_location_is_joined_to_the_url_that_was_sent(run):
    result = Rig(moved("../y?b")).fetch(run, row_of("https://a.test/1/2/x"))
    assert result.put_back.row.request.url == "https://a.test/1/y?b"


@pytest.mark.parametrize(
    ("status", "method", "after"),
    [(301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"), (307, "POST", "POST"), (308, "POST", "POST"),
     (301, "PUT", "PUT"), (303, "PUT", "GET"), (303, "HEAD", "HEAD"), (302, "HEAD", "HEAD"), (301, "GET", "GET")],
)  # fmt: skip
def test_the_method_changes_as_in_browsers_and_takes_the_body_along(status, method, after, run):
    body = b"" if method in {"GET", "HEAD"} else b"a=b"
    row = row_of(method=method, body=body, headers={"Content-Type": "text/x", "X-A": "1"})
    request = Rig(moved("/x", status)).fetch(run, row).put_back.row.request
    assert request.method == after
    assert request.body == (body if after == method else b"")
    assert ("content-type" in request.headers) == (after == method)
    assert request.headers["x-a"] == "1"


@pytest.mark.parametrize(
    ("target", "kept"),
    [("/x", True), ("https://a.test:443/x", True), ("http://a.test/x", False), ("https://a.test:8443/x", False),
     ("https://b.test/x", False), ("https://www.a.test/x", False)],
)  # fmt: skip
def test_cookies_and_authorization_are_dropped_when_the_origin_changes(target, kept, run):
    row = row_of(cookies={"sid": "1"}, headers={"Authorization": "Bearer x", "Cookie": "a=b", "X-A": "1"})
    request = Rig(moved(target)).fetch(run, row).put_back.row.request
    assert request.cookies == ((("sid", "1"),) if kept else ())
    assert ("authorization" in request.headers) == kept
    assert ("cookie" in request.headers) == kept
    assert request.headers["x-a"] == "1"


REFRESH = [("Content-Type", "text/html"), ("Refresh", "5; url=/x")]


@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.parametrize("body", [b"", b"<meta http-equiv=refresh content='5;url=/x'>"])
def test_a_refresh_is_followed_after_its_time_where_the_setting_is_on(follow, body, run):
    rig = Rig(reply(200, REFRESH[: 1 if body else 2], body))
    result = exactly_one(rig.fetch(run, row_of(callback="parse_book", depth=5), follow_refresh=follow))
    if not follow:
        assert result.response.body == body
        return
    back = result.put_back
    assert (back.row.id, back.row.request.url, back.row.history) == (7, "https://a.test/x", (URL,))
    assert (back.row.not_before, back.row.attempt) == (rig.now + 5, 0)
    assert (result.cause, heard(result)) == (None, (200, 100, "10.0.0.1", None))


def test_a_refresh_asks_for_its_target_by_get_and_takes_no_body_along(run):
    row = row_of(method="POST", body=b"a=b", headers={"Content-Type": "text/x", "Authorization": "Bearer x"})
    away = [("Refresh", "0; url=https://b.test/x"), ("Retry-After", "9")]
    back = Rig(reply(200, away)).fetch(run, row, follow_refresh=True).put_back.row
    assert (back.request.method, back.request.body, back.request.headers.raw) == ("GET", b"", ())
    assert back.not_before == 1009


@pytest.mark.parametrize("status", [204, 304, 404, 500])
def test_an_error_is_not_led_by_its_refresh(status, run):
    result = Rig(reply(status, REFRESH)).fetch(run, row_of(attempt=9), follow_refresh=True)
    assert (result.put_back is not None) is (status < 300)


def test_a_location_goes_before_a_refresh_and_robots_txt_has_none(run):
    both = reply(302, [*REFRESH, ("Location", "/y")])
    assert Rig(both).fetch(run, follow_refresh=True).put_back.row.request.url == "https://a.test/y"
    robots = Rig(reply(200, REFRESH)).fetch(run, robots_of=Origin("https://a.test"), follow_refresh=True)
    assert robots.response.status == 200


def test_a_refresh_is_a_hop_like_any_other(run):
    full = row_of(history=tuple(f"https://a.test/{n}" for n in range(10)))
    result = exactly_one(Rig(reply(200, REFRESH)).fetch(run, full, follow_refresh=True))
    assert isinstance(result.error, TooManyRedirects)
    rig = Rig(reply(200, REFRESH), refuses_hop=lambda target, url: (target, url) == ("https://a.test/x", URL))
    assert isinstance(rig.fetch(run, follow_refresh=True).error, PrivateAddress)


@pytest.mark.parametrize("hops", [0, 1, 9])
def test_up_to_ten_hops_are_followed_and_all_are_remembered(hops, run):
    history = tuple(f"https://a.test/{number}" for number in range(hops))
    result = Rig(moved("/next")).fetch(run, row_of(history=history))
    assert result.put_back.row.history == (*history, URL)


@pytest.mark.parametrize("hops", [10, 11])
def test_the_eleventh_hop_is_an_error_and_not_tried_again(hops, run):
    result = exactly_one(Rig(moved("/next")).fetch(run, row_of(history=("https://a.test/",) * hops)))
    assert isinstance(result.error, TooManyRedirects)
    assert heard(result) == (302, 100, "10.0.0.1", result.error)


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_the_hop_limit_is_a_setting(limit, run):
    last, over = ("https://a.test/",) * (limit - 1), ("https://a.test/",) * limit
    assert Rig(moved("/x"), max_redirects=limit).fetch(run, row_of(history=over)).error is not None
    if limit:
        assert Rig(moved("/x"), max_redirects=limit).fetch(run, row_of(history=last)).put_back is not None


@pytest.mark.parametrize("location", ["mailto:a@b.c", "http://", "https://a.test/" + "x" * 9000])
def test_a_redirect_to_what_is_no_url_is_an_error_and_not_tried_again(location, run):
    result = exactly_one(Rig(moved(location)).fetch(run))
    assert isinstance(result.error, BadResponse)
    assert heard(result) == (302, 100, "10.0.0.1", result.error)


def test_within_its_chain_a_url_may_come_again(run):
    for target, history in ((URL, ()), ("https://a.test/first", ("https://a.test/first",))):
        assert Rig(moved(target)).fetch(run, row_of(history=history)).put_back.fingerprint is None


def test_a_request_that_is_not_filtered_is_not_filtered_on_its_way(run):
    assert Rig(moved("/x")).fetch(run, row_of(dont_filter=True)).put_back.fingerprint is None


def test_what_prepare_added_is_not_kept_in_the_row(run):
    row = row_of(method="POST", body=b"original", idempotent=True)
    signed = row.request.replace(headers={"X-Signed": "1"}, body=b"signed")
    request = Rig(moved("/x", 307)).fetch(run, row, request=signed).put_back.row.request
    assert "x-signed" not in request.headers
    assert request.body == b"original"


def test_a_redirect_that_asks_for_time_gets_it(run):
    result = Rig(moved("/x", 302, ("Retry-After", "5"))).fetch(run)
    assert result.put_back.row.not_before == 1005.0


# ---- retries ----


@pytest.mark.parametrize("kind", [kind for kind in RETRY if isinstance(kind, int)])
def test_a_status_of_the_table_is_put_back_for_later_as_often_as_the_table_says(kind, run):
    rule = RETRY[kind]
    for attempt in range(rule.times):
        row = row_of(attempt=attempt)
        result = exactly_one(Rig(reply(kind)).fetch(run, row))
        assert result.put_back.old is row
        assert result.put_back.row == Row(7, "a.test", row.request, attempt + 1, (), 1000 + rule.wait * 2**attempt)
        assert isinstance(result.cause, BadStatus)
        assert heard(result) == (kind, 100, "10.0.0.1", result.cause)
    last = exactly_one(Rig(reply(kind)).fetch(run, row_of(attempt=rule.times)))
    assert last.error.reason == f"status {kind}"


@pytest.mark.parametrize(
    "error", [FetchTimeout("x", phase="connect"), FetchTimeout("x", sent=True), ConnectFailed("refused"),
              ConnectFailed("reset", sent=True)], ids=str,
)  # fmt: skip
def test_timeouts_refused_and_reset_connections_are_put_back(error, run):
    result = exactly_one(Rig(error).fetch(run))
    assert (result.put_back.row.attempt, result.cause) == (1, error)
    assert result.put_back.row.not_before > 1000
    assert heard(result) == (0, 0, "", error)


@pytest.mark.parametrize("error", [TLSFailed("x"), BadResponse("x"), TooLarge("x")], ids=str)
def test_other_errors_are_final(error, run):
    result = exactly_one(Rig(error).fetch(run))
    assert result.error is error
    assert heard(result) == (0, 0, "", error)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"])
def test_once_bytes_were_sent_only_what_is_safe_or_marked_idempotent_is_tried_again(method, run):
    safe = method in {"GET", "HEAD", "OPTIONS"}
    for answer in (reply(503), FetchTimeout("x", sent=True), ConnectFailed("x", sent=True)):
        assert (Rig(answer).fetch(run, row_of(method=method)).put_back is not None) == safe
        assert Rig(answer).fetch(run, row_of(method=method, idempotent=True)).put_back is not None
    assert Rig(ConnectFailed("refused")).fetch(run, row_of(method=method)).put_back is not None


@given(st.integers(0, 2**32))
def test_a_pause_is_stretched_by_at_most_a_tenth(seed):
    result = Rig(reply(500), random=Random(seed)).fetch(kernel.run)
    assert 1010 <= result.put_back.row.not_before <= 1010 + 10 * JITTER


def test_two_retries_do_not_come_together(run):
    times = {Rig(reply(500), random=Random(seed)).fetch(run).put_back.row.not_before for seed in range(20)}
    assert len(times) == 20
    assert Rig(reply(500), random=Most()).fetch(run).put_back.row.not_before == 1011.0


# ---- Retry-After ----


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("value", ["3", "Thu, 01 Jan 1970 00:16:43 GMT"])
def test_retry_after_holds_the_request_for_exactly_as_long(status, value, run):
    result = exactly_one(Rig(reply(status, [("Retry-After", value)]), random=Most()).fetch(run))
    assert result.put_back.row.not_before == 1003.0


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("value", ["soon", "-3", "1.5", "0", "Thu, 01 Jan 1970 00:16:00 GMT", ""])
def test_garbage_negative_past_and_fractional_ones_leave_it_to_our_own_back_off(status, value, run):
    result = exactly_one(Rig(reply(status, [("Retry-After", value)])).fetch(run))
    assert result.put_back.row.not_before == 1060.0


def test_a_huge_one_is_followed_too_and_the_host_set_aside_until_then(run):
    rig = Rig(reply(503, [("Retry-After", "99999999999")]))
    assert rig.fetch(run, max_retry_after=3600).put_back.row.not_before == 100000000999.0


def test_a_trial_of_a_host_that_does_not_answer_is_no_try_of_the_request(run):
    rig = Rig(ConnectFailed("refused"), ConnectFailed("refused"))
    assert rig.fetch(run, circuit_open=False).put_back.row.attempt == 1
    again = rig.fetch(run, circuit_open=True).put_back.row
    assert (again.attempt, again.not_before) == (0, 0.0)


def test_any_status_that_is_tried_again_may_say_when(run):
    assert Rig(reply(500)).fetch(run).put_back.row.not_before == 1010.0
    assert Rig(reply(500, [("Retry-After", "9")])).fetch(run).put_back.row.not_before == 1009.0


# ---- what the host is judged by ----


@pytest.mark.parametrize(
    "answer",
    [reply(429, [("Retry-After", "5")]), reply(200, [("RateLimit", "r")]), moved("/x"), moved("mailto:a@b.c")],
    ids=["error", "answer", "hop", "no hop"],
)
def test_the_answers_own_fields_are_handed_on_whatever_became_of_it(answer, run):
    assert Rig(answer).fetch(run).heard.headers is answer.headers


@pytest.mark.parametrize("attempt", [0, 3])
def test_a_failure_is_told_whether_or_not_the_request_is_tried_again(attempt, run):
    error = ConnectFailed("refused", address="10.0.0.2")
    assert heard(Rig(error).fetch(run, row_of(attempt=attempt))) == (0, 0, "10.0.0.2", error)


def test_an_accepted_status_is_told_without_an_error(run):
    assert heard(Rig(reply(429)).fetch(run, row_of(accept_status={429}))) == (429, 100, "10.0.0.1", None)


def test_only_what_is_no_robots_txt_is_a_page(run):
    for answer in (reply(), reply(503), moved("/x"), ConnectFailed("refused")):
        assert Rig(answer).fetch(run).heard.is_page
        assert not robots(answer, run)[1].heard.is_page


# ---- kept-alive connections that were closed under us ----


def cut():
    return ConnectFailed("closed", sent=True, reused=True)


def test_a_cut_connection_puts_the_request_back_without_counting_and_asks_for_a_fresh_one(run):
    rig = Rig(cut(), reply(), reply())
    row = row_of(attempt=1)
    result = exactly_one(rig.fetch(run, row))
    assert result.put_back.row == row
    assert result.put_back.row.not_before == 0.0
    assert rig.wire.sent[-1]["fresh"] is False
    assert rig.fetch(run, result.put_back.row).response is not None
    assert rig.wire.sent[-1]["fresh"] is True
    rig.fetch(run, row)
    assert rig.wire.sent[-1]["fresh"] is False


def test_a_cut_connection_is_no_fault_of_the_host_but_the_second_in_a_row_is(run):
    again = cut()
    rig = Rig(cut(), again)
    first = rig.fetch(run)
    assert heard(first) == (0, 0, "", None)
    assert heard(rig.fetch(run, first.put_back.row)) == (0, 0, "", again)


def test_another_row_does_not_ask_for_a_fresh_one(run):
    rig = Rig(cut(), reply())
    rig.fetch(run)
    rig.fetch(run, row_of(id=8))
    assert rig.wire.sent[-1]["fresh"] is False


def test_the_second_cut_in_a_row_counts_so_that_no_server_keeps_us_for_ever(run):
    rig = Rig(cut(), cut(), cut())
    row = rig.fetch(run).put_back.row
    row = rig.fetch(run, row).put_back.row
    assert row.attempt == 1
    assert row.not_before > 1000
    assert rig.fetch(run, row).put_back.row.attempt == 1


def test_what_is_not_repeatable_is_not_put_back_after_a_cut(run):
    assert Rig(cut()).fetch(run, row_of(method="POST")).error is not None


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_call_for_calm_is_heard_though_the_request_that_was_not_looked_at_is_not_counted(method, run):
    calm = AskedForCalm("GOAWAY", sent=False, reused=True)
    rig, row = Rig(calm, calm), row_of(method=method, attempt=1)
    result = exactly_one(rig.fetch(run, row))
    assert (result.put_back.row, result.cause, result.heard.error) == (row, calm, calm)
    again = exactly_one(rig.fetch(run, row))
    assert (rig.wire.sent[1]["fresh"], again.put_back.row.attempt, again.heard.error) == (True, 2, calm)


def test_a_call_for_calm_is_tried_again_like_a_429_where_that_is_safe(run):
    calm = AskedForCalm("the stream was reset", sent=True)
    back = exactly_one(Rig(calm).fetch(run)).put_back.row
    assert (back.attempt, back.not_before) == (1, 1000.0 + RETRY[429].wait)
    assert exactly_one(Rig(calm).fetch(run, row_of(attempt=RETRY[429].times))).error is calm
    assert exactly_one(Rig(calm).fetch(run, row_of(method="POST"))).error is calm


def test_what_the_server_has_not_looked_at_is_put_back_whatever_it_is(run):  # RFC 9113 §8.7
    refused = ConnectFailed("not looked at", sent=False, reused=True)
    result = exactly_one(Rig(refused).fetch(run, row_of(method="POST", attempt=1)))
    assert (result.put_back.row.attempt, result.put_back.row.not_before) == (1, 0.0)
    assert heard(result) == (0, 0, "", None)


# ---- robots.txt ----


ROBOTS = Origin("https://a.test")


def robots(answer, run, **more):
    row = Row(-1, "a.test", ROBOTS.robots_request(), **more)
    rig = Rig(answer, accept_status=frozenset({302, 503, 429}))
    return rig, exactly_one(rig.fetch(run, row, robots_of=ROBOTS, max_size=10))


@pytest.mark.parametrize("status", [200, 204, 304, 400, 401, 403, 404, 410, 451])
def test_an_answer_for_robots_txt_that_does_not_close_its_origin_is_an_answer(status, run):
    _, result = robots(reply(status), run)
    assert result.response.status == status


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_robots_txt_that_cannot_be_read_is_tried_again_whatever_the_spider_accepts(status, run):
    _, result = robots(reply(status), run)
    assert result.put_back.row.attempt == 1
    _, last = robots(reply(status), run, attempt=3)
    assert last.error.status == status


def test_a_robots_txt_may_be_larger_than_a_page(run):
    rig, _ = robots(reply(), run)
    assert rig.wire.sent[-1]["terms"].sizes.max_size == ROBOTS_SIZE


@pytest.mark.parametrize(("hops", "follows"), [(0, True), (4, True), (5, False)])
def test_a_robots_txt_is_followed_for_five_hops(hops, follows, run):
    _, result = robots(moved("https://b.test/robots.txt"), run, history=("https://a.test/robots.txt",) * hops)
    assert (result.put_back is not None) == follows
    if not follows:
        assert isinstance(result.error, TooManyRedirects)


# ---- credentials ----


def credentials(url):
    return "Bearer for-a" if url.startswith("https://a.test/") else ""


def test_credentials_go_with_each_request_to_their_origin_and_are_no_part_of_the_row(run):
    rig = Rig(reply(503), authorization=credentials, headers=OURS.updated({"Authorization": "from the settings"}))
    result = rig.fetch(run)
    assert rig.headers["authorization"] == "Bearer for-a"
    assert "authorization" not in result.put_back.row.request.headers


@pytest.mark.parametrize(
    ("target", "kept"),
    [("/x", True), ("https://a.test:443/x", True), ("http://a.test/x", False), ("https://a.test:8443/x", False),
     ("https://b.test/x", False)],
)  # fmt: skip
def test_D06_D09_a_redirect_takes_no_credentials_to_another_origin(target, kept, run):
    rig = Rig(moved(target), reply(), authorization=credentials)
    row = rig.fetch(run).put_back.row
    rig.fetch(run, row)
    assert rig.headers.get("authorization") == ("Bearer for-a" if kept else None)


def test_a_request_s_own_authorization_goes_before(run):
    rig = Rig(reply(), authorization=credentials)
    rig.fetch(run, row_of(headers={"Authorization": "Digest x"}))
    assert rig.headers.get_all("authorization") == ["Digest x"]


# ---- private addresses ----


@pytest.mark.parametrize("robots_of", [None, Origin("https://a.test")])
def test_D08_a_redirect_that_is_refused_ends_the_request_and_is_not_tried_again(robots_of, run):
    asked = []

    def refuses(target, url):
        asked.append((target, url))
        return True

    rig = Rig(moved("http://2130706433/x"), refuses_hop=refuses)
    result = exactly_one(rig.fetch(run, robots_of=robots_of))
    assert asked == [("http://127.0.0.1/x", URL)]
    assert isinstance(result.error, PrivateAddress)
    assert (result.error.phase, result.error.reason) == ("redirect", "private address")
    assert str(result.error) == "private address: leads to 127.0.0.1 [redirect]"


# ---- proxies ----

WAY = Way(Proxy("http", "p.example", 3128))
DOWN, NO_WAY = ProxyFailed("down"), ProxyFailed("502", refused=True)


def proxied(error, *, takes_over=False, told=None):
    return Rig(
        error,
        way_of=lambda url, limits: WAY,
        way_failed=lambda url, limits, way, error: (
            (told if told is not None else []).append((url, way, error)) or takes_over
        ),
    )


def test_each_send_goes_by_the_way_of_its_url_and_limits(run):
    asked = []
    rig = Rig(reply(), way_of=lambda url, limits: asked.append((url, limits.delay)) or WAY)
    rig.fetch(run, delay=7.0)
    assert asked == [(URL, 7.0)]
    assert rig.wire.sent[0]["terms"].way is WAY


@pytest.mark.parametrize("error", [DOWN, NO_WAY], ids=str)
def test_a_proxy_s_failure_is_told_and_tried_again_later(error, run):
    told = []
    result = exactly_one(proxied(error, told=told).fetch(run))
    assert told == [(URL, WAY, error)]
    assert (result.put_back.row.attempt, result.put_back.row.not_before) == (1, 1000.0 + RETRY[ProxyFailed].wait)
    assert (result.cause, result.heard.error, result.heard.address) == (error, error, "")


def test_where_another_proxy_takes_over_it_is_tried_at_once_and_no_attempt_is_counted(run):
    result = exactly_one(proxied(DOWN, takes_over=True).fetch(run, row_of(attempt=2)))
    assert (result.put_back.row.attempt, result.put_back.row.not_before) == (2, 0.0)
    assert result.cause is DOWN


def test_after_as_many_tries_as_the_table_says_a_proxy_s_failure_is_final(run):
    assert exactly_one(proxied(DOWN).fetch(run, row_of(attempt=RETRY[ProxyFailed].times))).error is DOWN


def test_a_proxy_that_is_locked_is_not_tried_again_unless_another_takes_over(run):
    locked = ProxyLocked("407")
    assert exactly_one(proxied(locked).fetch(run)).error is locked
    assert exactly_one(proxied(locked, takes_over=True).fetch(run)).put_back is not None


@pytest.mark.parametrize("takes_over", [True, False])
def test_what_may_have_reached_the_site_is_repeated_only_if_that_is_safe(takes_over, run):
    error = ProxyFailed("cut", phase="head", sent=True)
    assert exactly_one(proxied(error, takes_over=takes_over).fetch(run, row_of(method="POST"))).error is error
    not_sent = ProxyFailed("407", phase="head")
    assert exactly_one(proxied(not_sent, takes_over=takes_over).fetch(run, row_of(method="POST"))).put_back


def test_a_kept_connection_to_a_proxy_that_was_cut_is_no_failure_of_it(run):
    told = []
    result = exactly_one(proxied(ProxyFailed("cut", sent=True, reused=True), takes_over=True, told=told).fetch(run))
    assert (told, result.put_back.row.attempt, result.heard.error) == ([], 0, None)


def test_while_a_host_is_tried_a_proxy_s_failure_is_no_trial_of_it(run):
    result = exactly_one(proxied(DOWN).fetch(run, circuit_open=True))
    assert result.put_back.row.attempt == 1
