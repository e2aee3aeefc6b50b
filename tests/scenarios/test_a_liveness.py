"""A: servers that do not answer, or never end. Every wait has an end, and memory is bounded."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import curio
import pytest

from scrapekit.errors import BadResponse, ConnectFailed, FetchTimeout, TooLarge
from scrapekit.http import Deadlines, Sizes
from scrapekit.retry import RETRY, pause_before_retry
from scrapekit.testing import FakeNetwork
from tests.scenarios import plays
from tests.scenarios.server import CLOSE, GOOD, RESET, answer
from tests.scenarios.web import SOON, deaf, memory_below, send

STALE_408 = answer(b"", 408, "Connection: close")


@pytest.fixture
def liveness(web: Callable[..., Any]) -> Any:
    return web(plays.A)


def test_A01_a_connect_that_is_never_answered_ends_at_its_deadline(web: Callable[..., Any]) -> None:
    good = web({})
    with deaf() as port:
        names = {"deaf.test": f"127.0.0.1:{port}", **good.names}

        async def main(client: Any) -> FetchTimeout:
            with pytest.raises(FetchTimeout) as caught:
                await send(client, "/", host="deaf.test", deadlines=Deadlines(0.05, 5.0, 5.0))
            assert (await send(client, "/good")).body == b"good"
            return caught.value

        error = good.talk(main, names=names)
    assert (error.phase, error.sent, error.host) == ("connect", False, "deaf.test")
    assert error.address == f"127.0.0.1:{port}"
    assert pause_before_retry(error, attempt=1, repeatable=False) is not None


def test_A02_a_request_that_is_never_answered_ends_at_its_deadline(liveness: Any) -> None:
    liveness.fails("/A02", FetchTimeout, "head", deadlines=Deadlines(5.0, 0.05, 5.0))


@pytest.mark.parametrize("path", ["/A03", "/A03/status"])
def test_A03_a_head_that_drips_ends_at_the_deadline_of_the_whole(liveness: Any, path: str) -> None:
    # Thirty bytes come in this time, the first of them at once: no single read waits for long.
    liveness.fails(path, FetchTimeout, "head", deadlines=SOON, cut=False)


@pytest.mark.parametrize("path", ["/A04", "/A04/chunked", "/A04/close"])
def test_A04_a_body_that_drips_ends_at_the_deadline_of_the_whole(liveness: Any, path: str) -> None:
    liveness.fails(path, FetchTimeout, "body", deadlines=SOON, sizes=Sizes(), cut=False)


@pytest.mark.parametrize("path", ["/A04", "/A04/chunked", "/A04/close"])
def test_A04_a_body_that_drips_below_the_least_rate_is_given_up_long_before(liveness: Any, path: str) -> None:
    rate = Deadlines(10.0, 10.0, 60.0, min_rate=100_000, rate_window=0.2)
    began = time.monotonic()
    error = liveness.fails(path, FetchTimeout, "body", deadlines=rate, sizes=Sizes(), cut=False)
    assert time.monotonic() - began < 6.0
    assert "fewer than 100000 bytes/s" in error.detail


def test_A04_by_the_settings_a_crawl_is_not_held_for_long(crawl: Callable[..., Any]) -> None:
    drip = (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", *(b"x", 0.5) * 1000)
    network = FakeNetwork({"a.test": {"/drip": drip, "/good": GOOD}})
    crawled = crawl(network, ["http://a.test/drip", "http://a.test/good"])
    assert (crawled.outcomes, crawled.reasons) == ((1, 1, 0, 0), {"failed: timeout": 1})
    tries = [asked for asked in network.log if asked.target == "/drip"]
    assert len(tries) == 1 + RETRY[FetchTimeout].times
    assert crawled.seconds < len(tries) * 30 + 3 * RETRY[FetchTimeout].wait + 5


def test_A05_half_a_body_is_a_timeout_and_no_success(liveness: Any) -> None:
    for path in ("/A05", "/A05/chunked"):
        liveness.fails(path, FetchTimeout, "body", deadlines=SOON)


@pytest.mark.parametrize("path", ["/A06", "/A06/1.0"])
def test_A06_an_endless_body_is_given_up_at_its_limit(liveness: Any, path: str) -> None:
    with memory_below(4):
        liveness.fails(path, TooLarge, "body", cut=False)


@pytest.mark.parametrize("path", ["/A07", "/A07/small"])
def test_A07_an_endless_chunked_body_is_given_up_at_its_limit(liveness: Any, path: str) -> None:
    with memory_below(4):
        liveness.fails(path, TooLarge, "body", cut=False)


def test_A07_an_endless_body_of_tiny_chunks_is_given_up_by_their_number(liveness: Any) -> None:
    error = liveness.fails("/A07/small", BadResponse, "body", sizes=Sizes(), cut=False)
    assert "tiny chunks" in error.detail


@pytest.mark.parametrize("path", ["/A08", "/A08/one", "/A08/status"])
def test_A08_an_endless_head_is_given_up_at_its_limit(liveness: Any, path: str) -> None:
    with memory_below(4):
        liveness.fails(path, TooLarge, "head", sizes=Sizes(100, max_head=100_000), cut=False)


@pytest.mark.parametrize("path", ["/A09", "/A09/100"])
def test_A09_endless_interim_answers_are_given_up_at_their_limit(liveness: Any, path: str) -> None:
    liveness.fails(path, BadResponse, "head", cut=False)


def test_A10_a_connection_that_is_closed_without_a_byte_is_our_error(liveness: Any) -> None:
    error = liveness.fails("/A10", ConnectFailed, "head")
    assert "without an answer" in error.detail


def test_A10_it_is_asked_again_a_few_times_each_time_on_a_new_connection(crawl: Callable[..., Any]) -> None:
    for act in (CLOSE, RESET):
        network = FakeNetwork({"a.test": {"/": (act,), "/robots.txt": answer("", 404, "Connection: close")}})
        crawled = crawl(network, ["http://a.test/"])
        assert (crawled.outcomes, crawled.reasons) == ((0, 1, 0, 0), {"failed: connection": 1})
        tries = [asked for asked in network.log if asked.target == "/"]
        assert len({asked.connection for asked in tries}) == len(tries) == 1 + RETRY[ConnectFailed].times
        waits = [later.at - earlier.at for earlier, later in pairwise(tries)]
        assert waits == sorted(waits)
        assert waits[0] >= RETRY[ConnectFailed].wait


@pytest.mark.parametrize(("path", "phase"), [("/A11", "head"), ("/A11/head", "head"), ("/A11/body", "body")])
def test_A11_a_reset_is_our_error(liveness: Any, path: str, phase: str) -> None:
    error = liveness.fails(path, ConnectFailed, phase)
    assert "reset" in error.detail.lower()


def test_A11_is_asked_again_and_succeeds_when_the_server_has_recovered(crawl: Callable[..., Any]) -> None:
    network = FakeNetwork({"a.test": {"/": [(RESET,), (RESET,), GOOD]}})
    crawled = crawl(network, ["http://a.test/"])
    assert (crawled.outcomes, crawled.bodies, crawled.stats.retries) == ((1, 0, 0, 0), [b"good"], 2)
    assert network.requests().count("/") == 3


# The server takes the second request on the connection that it has promised to keep, and hangs up on it.
RACES = {"closed": (CLOSE,), "closed when idle": GOOD, "408": (STALE_408, CLOSE)}


def test_A12_a_kept_connection_that_is_closed_under_a_request_costs_a_fresh_one(web: Callable[..., Any]) -> None:
    first = {"closed when idle": (GOOD, CLOSE)}
    for name, second in RACES.items():
        race = web({"/A12": [first.get(name, GOOD), second, GOOD]})

        async def main(session: Any) -> list[bytes]:
            return [(await session.get("http://a.test/A12")).body for _ in range(2)]

        assert race.session(main) == [b"good"] * 2, name
        assert race.server.on("/A12") == ([1, 2] if name == "closed when idle" else [1, 1, 2]), name


def test_A12_costs_a_crawl_no_attempt_and_waits_for_its_turn(crawl: Callable[..., Any]) -> None:
    def page(received: Any) -> Any:
        """Each connection serves one answer, and is closed under the next request."""
        served = any(asked.connection == received.connection for asked in network.log)
        return (CLOSE,) if served else GOOD

    network = FakeNetwork({"a.test": {f"/{n}": page for n in range(6)}})
    crawled = crawl(network, [f"http://a.test/{n}" for n in range(6)], "limits.delay=2")
    assert crawled.outcomes == (6, 0, 0, 0)
    assert crawled.bodies == [b"good"] * 6
    starts = [asked.at for asked in network.log]
    assert min(later - earlier for earlier, later in pairwise(starts)) >= 2
    assert len(starts) == crawled.stats.sends == 13


def test_A12_leaves_a_request_all_its_attempts(crawl: Callable[..., Any]) -> None:
    network = FakeNetwork({"a.test": {"/": [(CLOSE,), *[(RESET,)] * RETRY[ConnectFailed].times, GOOD]}})
    crawled = crawl(network, ["http://a.test/"])  # robots.txt has used the connection before
    assert crawled.outcomes == (1, 0, 0, 0)
    assert [asked.connection for asked in network.log] == [1, 1, 2, 3, 4]


def test_A12_a_post_is_not_sent_a_second_time(web: Callable[..., Any]) -> None:
    race = web({"/A12": [GOOD, (CLOSE,), GOOD]})

    async def main(session: Any) -> None:
        await session.get("http://a.test/A12")
        with pytest.raises(ConnectFailed):
            await session.post("http://a.test/A12", body=b"x")

    race.session(main)
    assert race.server.on("/A12") == [1, 1]


@pytest.mark.parametrize("stray", [STALE_408, answer(b"STRAY"), b"\r\n", b"x"])
@pytest.mark.parametrize("ending", [(), (CLOSE,)])
def test_A13_what_comes_on_an_idle_connection_is_never_an_answer(
    web: Callable[..., Any], stray: bytes, ending: tuple[Any, ...]
) -> None:
    idle = web({"/A13": (GOOD, 0.03, stray, *ending)})

    async def main(client: Any) -> None:
        assert (await send(client, "/A13")).body == b"good"
        while client.has_idle("http://a.test"):
            await curio.sleep(0.005)
        reply = await send(client, "/good")
        assert (reply.status, reply.body, reply.reused) == (200, b"good", False)

    idle.talk(main)
    assert (idle.server.on("/A13"), idle.server.on("/good")) == ([1], [2])
