"""The wire as a whole: what a server does, what comes of it, and what is left behind (nothing)."""

from __future__ import annotations

import gzip

import curio
import pytest

from scrapekit.errors import BadResponse, ConnectFailed, FetchError, FetchTimeout, ResolveFailed, TooLarge
from scrapekit.headers import Headers
from scrapekit.http import Client, Deadlines, Sizes, Terms
from scrapekit.testing import CLOSE, RESET, SILENCE, FakeNetwork, FakeSite, Page, VirtualClock

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
DEADLINES = Deadlines(connect=10.0, first_byte=20.0, total=30.0)


class Play:
    """A client on a fake network and a virtual clock."""

    def __init__(self, network, client, clock):
        self.network, self.client, self.clock = network, client, clock

    async def send(self, url="http://a.test/", method="GET", body=b"", **options):
        options = {"terms": Terms(options.pop("deadlines", DEADLINES), Sizes(100_000))} | options
        return await self.client.send(method, url, Headers(), body, **options)

    async def failing(self, url="http://a.test/", method="GET", **options):
        """The error, and after how many seconds it came."""
        begin = self.clock.now
        try:
            reply = await self.send(url, method, **options)
        except FetchError as error:
            return error, self.clock.now - begin
        pytest.fail(f"no error, but {reply}")


@pytest.fixture
def play(run):
    """Run ``main(play)`` against a network; afterwards no connection is open and no task is left."""

    def player(network, main, **options):
        clock = VirtualClock()

        async def whole():
            async with Client(network.resolver, dial=network.dial, now=clock, **options) as client:
                return await main(Play(network, client, clock))

        result = run(whole, clock=clock)
        assert network.open == 0, "a connection was left open"
        return result

    return player


def steps(*what):
    return FakeNetwork({"a.test": {"/": tuple(what)}})


#   id        what the server does                            error          phase      after  reused next time
FAILURES = {
    "A02": ((SILENCE,), FetchTimeout, "head", 20.0),
    "A03": (
        sum(((bytes([byte]), 0.5) for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100), ()),
        FetchTimeout,
        "head",
        30.0,
    ),
    "A04": ((HEAD, *(b"x", 0.5) * 100), FetchTimeout, "body", 30.0),
    "A05": ((HEAD, b"x" * 5000, SILENCE), FetchTimeout, "body", 30.0),
    "A06": ((b"HTTP/1.1 200 OK\r\n\r\n", *(b"x" * 50_000,) * 3), TooLarge, "body", 0.0),
    "A07": (
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *(b"c350\r\n" + b"x" * 50_000 + b"\r\n",) * 3),
        TooLarge,
        "body",
        0.0,
    ),
    "A10": ((CLOSE,), ConnectFailed, "head", 0.0),
    "A11": ((RESET,), ConnectFailed, "head", 0.0),
    "B01": ((b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n12345", CLOSE), BadResponse, "body", 0.0),
    "reset in the head": ((b"HTTP/1.1 2", RESET), ConnectFailed, "head", 0.0),
    "reset in the body": ((HEAD, b"x", RESET), ConnectFailed, "body", 0.0),
    "B19": ((b"HTTP/1.1 101 Switching Protocols\r\n\r\n",), BadResponse, "head", 0.0),
    "E01": (
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(10_000_000)), CLOSE),
        TooLarge,
        "decode",
        0.0,
    ),
    "E04": ((b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nplain text", CLOSE), BadResponse, "decode", 0.0),
    "E06": (
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"good")[:-4], CLOSE),
        BadResponse,
        "decode",
        0.0,
    ),
    "E09": ((b"HTTP/1.1 200 OK\r\nContent-Encoding: foo\r\n\r\nxxxx", CLOSE), BadResponse, "decode", 0.0),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failure_has_its_class_phase_and_time_and_the_next_request_its_own_answer(play, name):
    what, kind, phase, seconds = FAILURES[name]
    network = FakeNetwork({"a.test": {"/": what, "/next": OK}})

    async def main(play):
        error, waited = await play.failing()
        assert (type(error), error.phase, waited) == (kind, phase, pytest.approx(seconds))
        assert (error.url, error.host, error.address) == ("http://a.test/", "a.test", "44.0.0.1:80")
        assert (error.sent, error.reused) == (True, False)
        assert "\n" not in str(error)
        assert network.open == 0
        assert repr(play.client.pool) == "<Pool 0 idle>"
        assert (await play.send("http://a.test/next")).body == b"good"

    play(network, main)


@pytest.mark.parametrize(
    ("change", "kind", "phase", "seconds"),
    [
        ({"dead": True}, FetchTimeout, "connect", 10.0),  # A01
        ({"refuses": True}, ConnectFailed, "connect", 0.0),
        ({"connecting": 10.5}, FetchTimeout, "connect", 10.0),
    ],
)
def test_nothing_was_sent_where_no_connection_came(play, change, kind, phase, seconds):
    site = FakeSite()
    for name, value in change.items():
        setattr(site, name, value)

    async def main(play):
        error, waited = await play.failing()
        assert (type(error), error.phase, waited) == (kind, phase, seconds)
        assert (error.sent, error.reused, error.host) == (False, False, "a.test")
        assert error.address == "44.0.0.1:80"

    play(FakeNetwork({"a.test": site}), main)


def test_a_name_without_address_is_named(play):
    async def main(play):
        error, _ = await play.failing("http://nowhere.test/")
        assert (type(error), error.phase, error.host) == (ResolveFailed, "resolve", "nowhere.test")

    play(FakeNetwork(), main)


def test_the_time_to_connect_does_not_count_against_the_rest(play):
    site = FakeSite({"/": Page("good", delay=19.0)}, connecting=9.0)

    async def main(play):
        return (await play.send()).body

    assert play(FakeNetwork({"a.test": site}), main) == b"good"


@pytest.mark.parametrize(("first_byte", "total", "waits"), [(5.0, 30.0, 5.0), (30.0, 5.0, 5.0), (5.0, 5.0, 5.0)])
def test_the_earlier_deadline_ends_a_silence(play, first_byte, total, waits):
    async def main(play):
        _, waited = await play.failing(deadlines=Deadlines(10.0, first_byte, total))
        assert waited == waits

    play(steps(SILENCE), main)


def test_the_total_counts_from_the_start_of_sending(play):
    # The first byte comes after 4 s, then nothing: 10 s in all, not 4 + 10.
    async def main(play):
        _, waited = await play.failing(deadlines=Deadlines(10.0, 5.0, 10.0))
        assert waited == 10.0

    play(steps(4.0, HEAD, SILENCE), main)


def test_a_caller_s_own_time_limit_is_the_caller_s_affair(play):
    async def main(play):
        with pytest.raises(curio.TaskTimeout):
            async with curio.timeout_after(3.0):
                await play.send()
        assert play.network.open == 0

    play(steps(SILENCE), main)


@pytest.mark.parametrize("what", [(SILENCE,), (b"HTTP/1.1 200 OK\r\n", SILENCE), (HEAD, b"x", SILENCE)])
def test_a_cancelled_request_closes_its_connection(play, what):
    async def main(play):
        task = await curio.spawn(play.send)
        await curio.sleep(1.0)
        assert play.network.open == 1
        await task.cancel()
        assert play.network.open == 0
        assert repr(play.client.pool) == "<Pool 0 idle>"

    play(steps(*what), main)


def test_a_cancelled_connect_leaves_nothing(play):
    async def main(play):
        task = await curio.spawn(play.send)
        await curio.sleep(1.0)
        await task.cancel()

    play(FakeNetwork({"a.test": FakeSite(connecting=5.0)}), main)


# ---- keeping connections ----


def test_a_connection_is_used_again_and_the_reply_says_so(play):
    async def main(play):
        replies = [await play.send() for _ in range(3)]
        assert [reply.reused for reply in replies] == [False, True, True]
        assert play.client.has_idle("http://a.test/any?thing")
        assert play.client.has_idle("http://a.test")
        assert not play.client.has_idle("https://a.test/")
        assert replies[0].wire_bytes == len(OK)
        assert (replies[0].version, replies[0].address) == ("1.1", "44.0.0.1:80")

    network = steps(OK)
    play(network, main)
    assert network.opened == 1


def test_fresh_asks_for_a_new_connection(play):
    async def main(play):
        await play.send()
        return (await play.send(fresh=True)).reused

    assert play(steps(OK), main) is False


@pytest.mark.parametrize("ending", [CLOSE, RESET])
def test_a_connection_cut_under_a_second_request_is_marked_and_only_that(play, ending):  # A12
    network = FakeNetwork({"a.test": {"/": [(OK,), (ending,), (OK,)]}})

    async def main(play):
        await play.send()
        error, _ = await play.failing()
        assert (type(error), error.reused, error.sent) == (ConnectFailed, True, True)
        assert (await play.send(fresh=True)).body == b"good"

    play(network, main)


@pytest.mark.parametrize(("second", "reused"), [((b"HTTP/1.1 2", RESET), False), ((SILENCE,), False)])
def test_a_failure_after_the_first_byte_or_a_silence_counts(play, second, reused):
    network = FakeNetwork({"a.test": {"/": [(OK,), second]}})

    async def main(play):
        await play.send()
        error, _ = await play.failing()
        assert error.reused is reused

    play(network, main)


@pytest.mark.parametrize(
    "stray", [b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", b"x", CLOSE, RESET]
)
def test_a_connection_on_which_something_came_while_idle_is_not_used(play, stray):  # A13, B02, B16, B20
    network = FakeNetwork({"a.test": {"/": [(OK, 5.0, stray), (OK,)]}})

    async def main(play):
        await play.send()
        await curio.sleep(4.0)
        assert play.client.has_idle("http://a.test/")
        await curio.sleep(2.0)
        assert not play.client.has_idle("http://a.test/")
        reply = await play.send()
        assert (reply.status, reply.body, reply.reused) == (200, b"good", False)

    play(network, main)
    assert network.opened == 2


def test_a_408_in_the_race_for_an_idle_connection_is_not_the_answer(play):  # A13
    timeout = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    network = FakeNetwork({"a.test": {"/": [(OK,), (timeout,), (timeout,)]}})

    async def main(play):
        await play.send()
        error, _ = await play.failing()
        assert (type(error), error.reused) == (ConnectFailed, True)
        assert (await play.send(fresh=True)).status == 408

    play(network, main)


@pytest.mark.parametrize(
    "first",
    [
        OK + b"stray",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\ngood",
        b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\ngood",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n4\r\ngood\r\n0\r\n\r\n",
    ],
)
def test_a_connection_that_may_not_be_kept_is_closed_at_once(play, first):
    async def main(play):
        assert (await play.send()).body == b"good"
        assert play.network.open == 0

    play(steps(first), main)


def test_a_client_that_is_closed_keeps_nothing_that_comes_back_later(play):
    async def main(play):
        task = await curio.spawn(play.send)
        await curio.sleep(1.0)
        await play.client.close()
        assert (await task.join()).body == b"good"
        assert play.network.open == 0

    play(steps(5.0, OK), main)


# ---- bodies and heads ----


@pytest.mark.parametrize("cut", range(1, len(OK)))
def test_an_answer_in_two_reads_is_the_same_answer(play, cut):
    async def main(play):
        return [(await play.send()).body for _ in range(2)]

    assert play(steps(OK[:cut], OK[cut:]), main) == [b"good", b"good"]


def test_an_answer_byte_by_byte_is_the_same_answer(play):
    network = FakeNetwork({"a.test": {"/": OK}}, chop=1)

    async def main(play):
        return (await play.send()).body

    assert play(network, main) == b"good"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_head_request_has_no_body_and_keeps_the_connection(play, method):  # B17
    network = FakeNetwork({"a.test": {"/": "good"}})

    async def main(play):
        return [(await play.send(method=method)).body for _ in range(2)]

    assert play(network, main) == ([b"good"] * 2 if method == "GET" else [b""] * 2)
    assert network.opened == 1


def test_a_packed_body_is_unpacked(play):
    packed = gzip.compress(b"good")
    raw = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)

    async def main(play):
        return (await play.send()).body

    assert play(steps(raw + packed[:5], packed[5:]), main) == b"good"


def test_a_packed_field_without_a_body_is_no_error(play):  # E12
    async def main(play):
        return (await play.send()).body

    assert play(steps(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n"), main) == b""


@pytest.mark.parametrize(
    "ending",
    [
        (b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",),
        (b"Content-Length: 1000000\r\n\r\n",),
        (b"Content-Length: 100\r\n\r\nx", CLOSE),
        (b"Content-Length: 100\r\n\r\nx", RESET),
        (b"Content-Length: 100\r\n\r\nx", SILENCE),
        (b"Content-Encoding: gzip\r\n\r\nplain", CLOSE),
    ],
)
def test_a_redirect_leads_on_though_its_body_is_broken(play, ending):  # D11
    head, *rest = ending

    async def main(play):
        reply = await play.send()
        assert (reply.status, reply.headers["location"], reply.body) == (302, "/next", b"")
        assert play.network.open == 0

    play(steps(b"HTTP/1.1 302 Found\r\nLocation: /next\r\n" + head, *rest), main)


def test_on_sent_is_told_once_when_the_first_byte_is_out(play):
    told = []

    async def main(play):
        async def on_sent():
            told.append((play.clock.now, len(play.network.log)))

        begin = play.clock.now
        await play.send(on_sent=on_sent)
        assert told == [(begin + 2.0, 1)]
        assert play.clock.now == begin + 5.0

    site = FakeSite({"/": Page("x", delay=3.0)}, connecting=2.0)
    play(FakeNetwork({"a.test": site}), main)


def test_what_cannot_be_written_in_a_request_is_our_error_before_anything_is_opened(play):
    async def main(play):
        with pytest.raises(BadResponse) as caught:
            await play.client.send("GET", "http://a.test/", Headers({"X": "a\r\nb"}), terms=Terms(DEADLINES, Sizes(10)))
        assert caught.value.phase == "send"

    network = steps(OK)
    play(network, main)
    assert network.opened == 0


def test_many_at_once_each_get_their_own_answer(play):
    pages = {f"/{n}": Page(f"page {n}", delay=n % 7) for n in range(50)}
    network = FakeNetwork({"a.test": pages}, chop=7)

    async def main(play):
        async def one(n):
            return (await play.send(f"http://a.test/{n}")).body

        for _ in range(2):
            tasks = [await curio.spawn(one, n) for n in range(50)]
            assert [await task.join() for task in tasks] == [f"page {n}".encode() for n in range(50)]

    play(network, main, max_idle=10)
    assert network.opened == 90
