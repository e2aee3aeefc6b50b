"""The client by itself, on a network in memory and a virtual clock."""

from __future__ import annotations

from itertools import pairwise

import curio
import pytest

from scrapekit.errors import (
    BadRequest,
    BadURL,
    ConfigError,
    ConnectFailed,
    FetchTimeout,
    ProxyFailed,
    ResolveFailed,
    TooLarge,
    TooManyRedirects,
)
from scrapekit.http import Client, Session, SessionLimits
from scrapekit.testing import CLOSE, FakeNetwork, FakeSite, Page, VirtualClock

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def play(run):
    """Run ``main(session)`` on a virtual clock; gives its result and the seconds it took."""

    def player(network, main, **options):
        clock = VirtualClock()

        async def whole():
            begin = clock.now
            async with Session(network=network, now=clock, **options) as session:
                result = await main(session)
                seconds = clock.now - begin
            return result, seconds

        result = run(whole, clock=clock)
        assert network.open == 0, "a connection was left open"
        return result

    return player


@pytest.mark.parametrize(("per_host", "seconds"), [(8, 4.0), (4, 4.0), (2, 6.0), (1, 10.0)])
def test_four_slow_urls_take_as_long_as_the_connections_to_their_host_allow(play, per_host, seconds):
    pages = {f"/{n}": Page(f'{{"n": {n}}}', headers=JSON, delay=float(n)) for n in (1, 2, 3, 4)}
    network = FakeNetwork({"api.test": pages})

    async def main(session):
        async def fetch(n):
            return (await session.get(f"https://api.test/{n}")).json()["n"]

        tasks = [await curio.spawn(fetch, n) for n in (1, 2, 3, 4)]
        return [await task.join() for task in tasks]

    assert play(network, main, limits={"per_host": per_host}) == ([1, 2, 3, 4], seconds)
    assert network.opened == min(per_host, 4)


def test_every_status_is_returned(play):
    network = FakeNetwork({"a.test": {"/": 503}})

    async def main(session):
        return [(await session.get(f"http://a.test{path}")).status for path in ("/", "/nothing")]

    assert play(network, main)[0] == [503, 404]


def test_starts_are_a_delay_apart_and_the_next_one_is_reserved_while_one_waits(play):
    network = FakeNetwork({"a.test": {"/": "hi"}, "b.test": {"/": "hi"}})

    async def main(session):
        tasks = [await curio.spawn(session.get, "http://a.test/") for _ in range(4)]
        tasks.append(await curio.spawn(session.get, "http://b.test/"))
        for task in tasks:
            await task.join()

    play(network, main, limits=SessionLimits(delay=2.0))
    starts = [received.at for received in network.log if received.host == "a.test"]
    assert [start - starts[0] for start in starts] == [0, 2, 4, 6]
    assert next(received.at for received in network.log if received.host == "b.test") == starts[0]


def test_a_cancelled_waiter_gives_its_permit_back(play):
    network = FakeNetwork({"a.test": {"/": "hi"}})

    async def main(session):
        await session.get("http://a.test/")
        waiting = await curio.spawn(session.get, "http://a.test/")
        await curio.sleep(1)
        await waiting.cancel()
        return (await session.get("http://a.test/")).status

    assert play(network, main, limits={"delay": 60.0, "per_host": 1})[0] == 200


def test_redirects_are_followed_and_their_urls_kept(play):
    network = FakeNetwork(
        {
            "a.test": {
                "/": Page(status=302, headers={"Location": "/two"}),
                "/two": Page(status=301, headers={"Location": "//b.test/"}),
            },
            "b.test": {"/": "<p>good"},
        }
    )

    async def main(session):
        response = await session.get("http://a.test/#part")
        return response.url, response.history, response.text

    expected = ("http://b.test/", ("http://a.test/", "http://a.test/two"), "<p>good")
    assert play(network, main)[0] == expected


@pytest.mark.parametrize(("limit", "ends"), [(9, TooManyRedirects), (10, None), (11, None)])
def test_as_many_redirects_are_followed_as_the_limit_says(play, limit, ends):
    pages = {f"/{n}": Page(status=302, headers={"Location": f"/{n + 1}"}) for n in range(10)}
    network = FakeNetwork({"a.test": pages | {"/10": "good"}})

    async def main(session):
        try:
            return (await session.get("http://a.test/0")).text
        except TooManyRedirects as error:
            return type(error)

    assert play(network, main, limits={"redirects": limit})[0] == (ends or "good")
    assert len(network.log) == min(limit, 10) + 1


@pytest.mark.parametrize("options", [{"limits": {"redirects": 0}}, {}])
def test_a_redirect_is_the_answer_where_none_are_followed(play, options):
    network = FakeNetwork({"a.test": {"/": Page(status=302, headers={"Location": "/two"})}})

    async def main(session):
        return (await session.get("http://a.test/", follow=False)).status

    assert play(network, main, **options)[0] == 302


REFRESH = {"Refresh": "5; url=/two"}
META = Page("<meta http-equiv=refresh content='5; url=/two'>", headers={"Content-Type": "text/html"})


@pytest.mark.parametrize("page", [Page("wait", headers=REFRESH), META])
@pytest.mark.parametrize(
    ("limits", "url", "seconds"),
    [({}, "/", 0), ({"follow_refresh": True}, "/two", 5), ({"follow_refresh": True, "redirects": 0}, "/", 0)],
)
def test_a_refresh_is_followed_after_its_time_where_that_is_wanted(play, page, limits, url, seconds):
    network = FakeNetwork({"a.test": {"/": page, "/two": "good"}})

    async def main(session):
        response = await session.post("http://a.test/", body=b"data")
        return response.url, response.history, network.log[-1].method

    ended = (f"http://a.test{url}", ("http://a.test/",) if seconds else (), "GET" if seconds else "POST")
    assert play(network, main, limits=limits) == (ended, seconds)


def test_a_refresh_of_an_error_or_of_a_stream_is_not_followed(play):
    network = FakeNetwork({"a.test": {"/": Page("gone", 404, headers=REFRESH), "/live": Page("x", headers=REFRESH)}})

    async def main(session):
        async with session.stream("GET", "http://a.test/live") as response:
            return response.url, (await session.get("http://a.test/")).status

    assert play(network, main, limits={"follow_refresh": True})[0] == ("http://a.test/live", 404)


def test_cookies_are_kept_and_sent_to_their_own_host_only(play):
    set_cookie = Page("x", headers=[("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/")])
    network = FakeNetwork({"a.test": {"/": set_cookie, "/next": "x"}, "b.test": {"/": "x"}})

    async def main(session):
        await session.get("http://a.test/")
        await session.get("http://a.test/next", cookies={"mine": "3"})
        await session.get("http://b.test/")

    play(network, main)
    assert [received.headers.get("cookie") for received in network.log] == [None, "a=1; b=2; mine=3", None]


def test_credentials_do_not_cross_to_another_origin(play):
    network = FakeNetwork(
        {"a.test": {"/": Page(status=307, headers={"Location": "http://b.test/"})}, "b.test": {"/": "x"}}
    )

    async def main(session):
        await session.post("http://a.test/", body=b"data", headers={"Authorization": "Basic x"}, cookies={"c": "1"})

    play(network, main)
    first, second = network.log
    assert (first.headers["authorization"], first.headers["cookie"]) == ("Basic x", "c=1")
    assert "authorization" not in second.headers
    assert "cookie" not in second.headers
    assert (second.method, second.body) == ("POST", b"data")


def test_json_and_form_are_sent_with_their_types(play):
    network = FakeNetwork({"a.test": {"/": "x"}})

    async def main(session):
        await session.post("http://a.test/", json={"a": [1]})
        await session.request("PUT", "http://a.test/", form={"q": "a b"})

    play(network, main)
    seen = [(got.method, got.body, got.headers["content-type"], got.headers["content-length"]) for got in network.log]
    assert seen == [
        ("POST", b'{"a": [1]}', "application/json", "10"),
        ("PUT", b"q=a+b", "application/x-www-form-urlencoded", "5"),
    ]


def test_a_kept_connection_that_was_closed_under_a_get_costs_a_fresh_one_and_no_error(play):
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
    # The server takes the second request on the connection, and hangs up instead of answering.
    network = FakeNetwork({"a.test": {"/": [(ok,), (CLOSE,), (ok,)]}})

    async def main(session):
        return [(await session.get("http://a.test/")).body for _ in range(2)]

    assert play(network, main)[0] == [b"good", b"good"]
    assert [received.connection for received in network.log] == [1, 1, 2]


def test_a_request_that_is_sent_again_keeps_the_delay_too(play):
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
    network = FakeNetwork({"a.test": {"/": [(ok,), (CLOSE,), (ok,)]}})

    async def main(session):
        for _ in range(2):
            await session.get("http://a.test/")

    play(network, main, limits={"delay": 5.0})
    times = [received.at for received in network.log]
    assert [later - earlier for earlier, later in pairwise(times)] == [5.0, 5.0]


def test_cookies_of_the_request_go_before_those_of_the_jar_and_a_written_field_stays(play):
    network = FakeNetwork({"a.test": {"/": Page("x", headers=[("Set-Cookie", "a=jar; Path=/")])}})

    async def main(session):
        await session.get("http://a.test/")
        await session.get("http://a.test/", headers={"Cookie": "mine=1"}, cookies={"a": "2"})

    play(network, main)
    assert network.log[1].headers["cookie"] == "mine=1; a=2"


def test_a_post_on_a_kept_connection_that_was_closed_is_not_sent_again(play):
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
    network = FakeNetwork({"a.test": {"/": [(ok,), (CLOSE,), (ok,)]}})

    async def main(session):
        await session.get("http://a.test/")
        with pytest.raises(ConnectFailed) as caught:
            await session.post("http://a.test/", body=b"x")
        return caught.value.reused

    assert play(network, main)[0] is True
    assert len(network.log) == 2


def test_timeouts_are_a_session_s_or_a_request_s_own(play):
    network = FakeNetwork({"a.test": {"/": Page("x", delay=100)}})

    async def main(session):
        for timeout in (None, 7):
            with pytest.raises(FetchTimeout):
                await session.get("http://a.test/", timeout=timeout)

    assert play(network, main, limits={"timeout": 20})[1] == 27


def test_a_body_beyond_the_limit_is_refused(play):
    network = FakeNetwork({"a.test": {"/4": "x" * 4, "/5": "x" * 5}})

    async def main(session):
        with pytest.raises(TooLarge):
            await session.get("http://a.test/5")
        return (await session.get("http://a.test/4")).body

    assert play(network, main, limits={"max_size": 4})[0] == b"xxxx"


def test_what_cannot_be_sent_is_refused_before_anything_is_opened(play):
    network = FakeNetwork({"a.test": FakeSite()})

    async def main(session):
        with pytest.raises(BadURL):
            await session.get("ftp://a.test/")
        with pytest.raises(BadRequest):
            await session.get("http://a.test/", headers={"X": "a\r\nb"})

    play(network, main)
    assert network.opened == 0


@pytest.mark.parametrize(
    "limits", [{"per_host": 0}, {"delay": -1}, {"timeout": 0}, {"max_size": 0}, {"redirects": -1}, {"per_hots": 1}]
)
def test_limits_that_cannot_be_are_refused(limits):
    with pytest.raises(ConfigError):
        Session(limits=limits)


# ---- proxies ----


class Gateway:
    """A network of one proxy, which answers for every site and notes what it is asked."""

    def __init__(self, *names):
        self.network = FakeNetwork({f"{name}.proxy": FakeSite({"http://site.test/": "<p>hi"}) for name in names})

    def asked(self, run, *urls, **options):
        """What came of requests for these URLs, and through which proxies they went."""
        network = self.network

        async def main():
            session = Session(trust_env=options.pop("trust_env", True), **options)
            # Session(network=…) keeps the environment out; here it is to count.
            session._client = Client(network.resolver, dial=network.dial)
            found = []
            async with session:
                for url in urls:
                    try:
                        found.append((await session.get(url)).text)
                    except ProxyFailed as error:
                        found.append(error)
            return found

        found = run(main, clock=VirtualClock())
        assert network.open == 0
        return found, [received.headers.get("proxy-authorization", "") for received in network.log]


def test_a_session_goes_through_its_proxy(run):
    found, credentials = Gateway("a").asked(run, "http://site.test/", proxy="http://me:pw@a.proxy")
    assert (found, credentials) == (["<p>hi"], ["Basic bWU6cHc="])


def test_the_environment_counts_unless_it_is_not_to_be_trusted(run, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://a.proxy")
    monkeypatch.setenv("no_proxy", "")
    assert Gateway("a").asked(run, "http://site.test/")[0] == ["<p>hi"]
    with pytest.raises(ResolveFailed, match="site.test"):
        Gateway("a").asked(run, "http://site.test/", trust_env=False)


def test_a_network_of_a_test_is_asked_directly_whatever_the_environment_says(play, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://a.proxy")
    monkeypatch.setenv("no_proxy", "")

    async def main(session):
        return (await session.get("http://site.test/")).text

    assert play(FakeNetwork({"site.test": {"/": "direct"}}), main)[0] == "direct"


def test_of_a_list_a_session_goes_on_by_the_next_proxy(run):
    gateway = Gateway("a")  # b is not there
    found, _ = gateway.asked(run, *["http://site.test/"] * 3, proxy=["http://a.proxy", "http://b.proxy"])
    failed = [each for each in found if isinstance(each, ProxyFailed)]
    assert len(failed) <= 1
    assert found[-2:] == ["<p>hi"] * 2


@pytest.mark.parametrize("proxy", ["ftp://a.proxy", ["http://a.proxy", 5], "http://me:${NOT_SET_ANYWHERE}@a.proxy"])
def test_a_session_s_proxy_that_cannot_be_is_told_at_once(proxy):
    with pytest.raises(ConfigError) as caught:
        Session(proxy=proxy)
    assert caught.value.key == "proxy"
