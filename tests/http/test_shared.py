"""HTTP/2 as a client's caller sees it: what a server does, what comes of it, who else notices, what is left behind."""

from __future__ import annotations

import gzip
import sys
from itertools import pairwise
from random import Random

import curio
import h2.events
import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from scrapekit.errors import (
    AskedForCalm,
    BadResponse,
    ConfigError,
    ConnectFailed,
    FetchError,
    FetchTimeout,
    Overtaken,
    TLSFailed,
    TooLarge,
)
from scrapekit.headers import Headers
from scrapekit.http import Client, Deadlines, Session, Sizes, Terms, Way
from scrapekit.http.engine import STREAM_WINDOW
from scrapekit.http.http2 import MAX_IDLE_FRAMES
from scrapekit.testing import FakeNetwork, VirtualClock
from tests.http.peer import CLOSE, RESET, H2Network, frame, page
from tests.scenarios.crawling import crawl_of

DEADLINES = Deadlines(connect=10.0, first_byte=20.0, total=30.0)
TERMS = Terms(DEADLINES, Sizes(100_000, max_head=10_000), Way(http2=True))
NAMES = FakeNetwork({"a.test": {}, "b.test": {}}).resolver
GOAWAY, RST, PING, DATA = 7, 3, 6, 0


class Play:
    """A client, a server of HTTP/2, a virtual clock."""

    def __init__(self, network, client, clock):
        self.network, self.client, self.clock = network, client, clock

    @property
    def peer(self):
        return self.network.peers[-1]

    async def send(self, path="/", method="GET", body=b"", **options):
        url, options = f"https://a.test{path}", {"terms": TERMS} | options
        return await self.client.send(method, url, Headers(options.pop("headers", ())), body, **options)

    async def failing(self, path="/", method="GET", **options):
        """The error, and after how many seconds it came."""
        begin = self.clock.now
        try:
            reply = await self.send(path, method, **options)
        except FetchError as error:
            return error, self.clock.now - begin
        pytest.fail(f"no error, but {reply}")


@pytest.fixture
def play(run):
    """Run ``main(play)``; afterwards no connection is open and no task is left."""

    def player(serve, main, *, chop=None, connecting=0.0, allowed=None, greeting=None, **options):
        clock = VirtualClock()
        network = H2Network(serve, chop=chop, connecting=connecting, allowed=allowed, greeting=greeting)
        network.now = clock

        async def whole():
            async with Client(NAMES, dial=network.dial, now=clock, **options) as client:
                return await main(Play(network, client, clock))

        result = run(whole, clock=clock)
        assert network.open == 0, "a connection was left open"
        return result

    return player


def paths(**what):
    """``paths(bad=function(peer, stream))``: what is done for each path; another is answered with its name."""

    def serve(peer, event):
        if isinstance(event, h2.events.RequestReceived):
            path = dict(event.headers)[b":path"].decode()
            act = what.get(path.strip("/").split("?")[0])
            if act is None:
                peer.answer(event.stream_id, path.encode())
            else:
                act(peer, event.stream_id)

    return serve


def silence(peer, stream):
    return None


def half(peer, stream):
    peer.head(stream, content_length="1000")
    peer.data(stream, b"half", end=False)


def reset(code):
    return lambda peer, stream: peer.h2.reset_stream(stream, code)


def packed(body):
    return lambda peer, stream: peer.answer(stream, body, content_encoding="gzip")


def drip(peer, stream):
    peer.head(stream)
    for n in range(100):
        peer.after(n / 2, peer.data, stream, b"x", end=False)


def endless(peer, stream):
    peer.head(stream)
    peer.data(stream, bytes(10_000_000))


def interim(peer, stream):
    for n in range(1_000):
        peer.after(n, peer.head, stream, 103)


def pings(peer, stream):
    peer.put(frame(PING, 0, 0, bytes(8)) * (MAX_IDLE_FRAMES + 1))


def many_fields(peer, stream):
    peer.head(stream, **{f"x{n}": "y" for n in range(2_000)})


def long_head(peer, stream):
    peer.head(stream, x="y" * 60_000)


#   what the server does   error          phase     after  whether the connection goes on
FAILURES = {
    "A02 silence": (silence, FetchTimeout, "head", 20.0, True),
    "A04 drip": (drip, FetchTimeout, "body", 30.0, True),
    "A05 half, then silence": (half, FetchTimeout, "body", 30.0, True),
    "A06 endless": (endless, TooLarge, "body", 0.0, True),
    "A08 many fields": (many_fields, TooLarge, "head", 0.0, False),
    "A09 interim": (interim, BadResponse, "head", 20.0, True),
    "A10 closed": (lambda peer, _: peer.put(CLOSE), ConnectFailed, "head", 0.0, False),
    "A11 reset": (lambda peer, _: peer.put(RESET), ConnectFailed, "head", 0.0, False),
    "B01 cut": (lambda peer, n: (half(peer, n), peer.flush(), peer.put(CLOSE)), BadResponse, "body", 0.0, False),
    "B01 ended": (lambda peer, n: peer.answer(n, b"12345", content_length="1000"), BadResponse, "body", 0.0, True),
    "B02 too long": (lambda peer, n: peer.answer(n, b"good+", content_length="4"), BadResponse, "body", 0.0, True),
    "B19 101": (lambda peer, n: peer.head(n, 101), BadResponse, "head", 0.0, True),
    "C12 a head too long": (long_head, TooLarge, "head", 0.0, False),
    "E01 bomb": (packed(gzip.compress(bytes(10_000_000))), TooLarge, "decode", 0.0, True),
    "E04 not packed": (packed(b"plain text"), BadResponse, "decode", 0.0, True),
    "E06 cut short": (packed(gzip.compress(b"good")[:-4]), BadResponse, "decode", 0.0, True),
    "stream reset": (reset(ErrorCodes.INTERNAL_ERROR), ConnectFailed, "head", 0.0, True),
    "stream reset, our fault": (reset(ErrorCodes.PROTOCOL_ERROR), BadResponse, "head", 0.0, True),
    "flood": (pings, BadResponse, "head", 0.0, False),
    "junk": (lambda peer, _: peer.put(b"HTTP/1.1 200 OK\r\n\r\n"), BadResponse, "head", 0.0, False),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_failure_has_its_class_phase_and_time_and_the_next_request_its_own_answer(play, name):
    act, kind, phase, seconds, goes_on = FAILURES[name]

    async def main(play):
        error, waited = await play.failing("/bad")
        assert (type(error), error.phase, waited) == (kind, phase, pytest.approx(seconds)), error
        assert (error.url, error.host, error.address) == ("https://a.test/bad", "a.test", "192.0.2.1:443")
        assert (error.sent, error.reused) == (True, False)
        assert "\n" not in str(error)
        assert (await play.send("/next")).body == b"/next"
        assert len(play.network.peers) == (1 if goes_on else 2)

    play(paths(bad=act), main)


BROKEN = {
    "A10 closed": (lambda peer, _: peer.put(CLOSE), ConnectFailed),
    "A11 reset": (lambda peer, _: peer.put(RESET), ConnectFailed),
    "flood": (pings, BadResponse),
    "a wrong frame": (lambda peer, n: peer.put(frame(PING, 0, 0, bytes(7))), BadResponse),
    "a wrong head": (lambda peer, n: peer.put(frame(1, 4, n, b"\xff\xff\xff\xff")), ConnectFailed),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_dead_connection_is_an_error_of_its_own_for_each_exchange(play, name):
    act, kind = BROKEN[name]

    async def main(play):
        errors = []

        async def wait():
            errors.append((await play.failing("/wait"))[0])

        tasks = [await curio.spawn(wait) for _ in range(5)]
        await curio.sleep(1.0)
        assert len(play.network.peers) == 1
        await play.failing("/bad")
        for task in tasks:
            await task.join()
        assert [type(error) for error in errors] == [kind] * 5
        assert len({id(error) for error in errors}) == 5
        assert play.network.open == 0
        assert (await play.send()).body == b"/"

    play(paths(bad=act, wait=silence), main)


@pytest.mark.parametrize("name", [name for name, row in FAILURES.items() if row[4]])
def test_a_fault_of_one_stream_does_not_touch_the_others(play, name):
    async def main(play):
        tasks = [await curio.spawn(play.send, "/slow") for _ in range(3)]
        await curio.sleep(0.5)
        await play.failing("/bad")
        assert [(await task.join()).body for task in tasks] == [b"good"] * 3
        assert len(play.network.peers) == 1

    play(paths(bad=FAILURES[name][0], slow=lambda peer, n: peer.after(15.0, peer.answer, n)), main)


# ---- one connection for many ----


def test_requests_that_begin_together_share_one_connection(play):
    async def main(play):
        tasks = [await curio.spawn(play.send, f"/{n}") for n in range(50)]
        replies = [await task.join() for task in tasks]
        assert [reply.body for reply in replies] == [b"/%d" % n for n in range(50)]
        assert {(reply.version, reply.status) for reply in replies} == {("2", 200)}
        assert len(play.network.peers) == 1
        assert repr(play.client.pool) == "<Pool 1 idle (https://a.test: 1)>"

    play(page_by_path, main, connecting=2.0, chop=7)


page_by_path = paths()


def test_who_waits_for_a_connection_gets_the_error_of_the_one_who_opened_it(play):
    async def main(play):
        async def refuse(addresses):
            await curio.sleep(3.0)
            raise ConnectFailed("refused", address="192.0.2.1:443")

        play.client._opener._dial = refuse
        tasks = [await curio.spawn(play.failing) for _ in range(3)]
        found = [await task.join() for task in tasks]
        assert [(type(error), error.detail, waited) for error, waited in found] == [(ConnectFailed, "refused", 3.0)] * 3
        assert len({id(error) for error, _ in found}) == 3

    play(page(), main)


def test_who_waits_for_a_connection_waits_no_longer_than_for_one_of_its_own(play):
    async def main(play):
        first = await curio.spawn(play.send)
        await curio.sleep(1.0)
        error, waited = await play.failing(terms=Terms(Deadlines(connect=2.0), way=TERMS.way))
        assert (type(error), error.phase, waited) == (FetchTimeout, "connect", 2.0)
        assert (await first.join()).body == b"good"

    play(page(), main, connecting=8.0)


def test_one_who_gives_up_opening_leaves_it_to_the_next(play):
    async def main(play):
        first = await curio.spawn(play.send)
        second = await curio.spawn(play.send)
        await curio.sleep(1.0)
        await first.cancel()
        assert (await second.join()).body == b"good"

    play(page(), main, connecting=5.0)


@pytest.mark.parametrize(("allowed", "connections"), [(1, 4), (2, 2), (3, 2), (4, 1), (100, 1)])
def test_a_connection_carries_no_more_than_the_peer_allows(play, allowed, connections):
    def serve(peer, event):
        if not peer.requests[1:] and isinstance(event, h2.events.RequestReceived):
            peer.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: allowed})
        paths(slow=lambda peer, n: peer.after(9.0, peer.answer, n))(peer, event)

    async def main(play):
        await play.send("/first")
        assert play.client.has_idle("https://a.test", TERMS.way)
        tasks = []
        for n in range(4):
            assert play.client.has_idle("https://a.test/x", TERMS.way) is (n < allowed or n % allowed > 0)
            tasks.append(await curio.spawn(play.send, "/slow"))
            await curio.sleep(0.1)
        assert [(await task.join()).body for task in tasks] == [b"good"] * 4
        assert len(play.network.peers) >= connections
        assert (len(play.network.peers) == 1) is (connections == 1)
        assert play.client.has_idle("https://a.test", TERMS.way)

    play(serve, main)


def test_ways_and_origins_do_not_share(play):
    async def main(play):
        await play.send()
        assert not play.client.has_idle("https://a.test/")
        assert not play.client.has_idle("https://b.test/", TERMS.way)
        assert not play.client.has_idle("http://a.test/", TERMS.way)

    play(page(), main)


def test_fresh_asks_for_a_connection_of_its_own(play):
    async def main(play):
        replies = [await play.send(), await play.send(), await play.send(fresh=True)]
        assert [reply.reused for reply in replies] == [False, True, False]
        assert len(play.network.peers) == 2

    play(page(), main)


def test_no_stream_is_opened_before_the_peer_has_said_how_many_may_be(play):
    async def main(play):
        tasks = [await curio.spawn(play.send, f"/slow?{n}") for n in range(6)]
        assert [(await task.join()).body for task in tasks] == [b"good"] * 6
        assert [peer.most for peer in play.network.peers] == [2, 2, 2]

    play(paths(slow=lambda peer, n: peer.after(5.0, peer.answer, n)), main, allowed=2, connecting=1.0)


#   what the server does first                error          after
GREETINGS = {
    "nothing": ([], FetchTimeout, 10.0),
    "too late": ([(11.0, b"")], FetchTimeout, 10.0),
    "it hangs up": ([(3.0, CLOSE)], ConnectFailed, 3.0),
    "it resets": ([(0.0, RESET)], ConnectFailed, 0.0),
    "HTTP/1": ([(0.0, b"HTTP/1.1 400 Bad Request\r\n\r\n")], BadResponse, 0.0),
    "a goodbye": ([(0.0, frame(4) + frame(GOAWAY, 0, 0, bytes(8)))], ConnectFailed, 0.0),
}


@pytest.mark.parametrize("name", GREETINGS)
def test_a_greeting_that_goes_wrong_is_a_connection_that_did_not_come(play, name):
    steps, kind, seconds = GREETINGS[name]

    async def main(play):
        tasks = [await curio.spawn(play.failing) for _ in range(3)]
        found = [await task.join() for task in tasks]
        for error, waited in found:
            assert (type(error), error.phase, error.sent, waited) == (kind, "connect", False, pytest.approx(seconds))
        assert "192.0.2.1:443" in {error.address for error, _ in found}
        assert len(play.network.peers) == 1
        assert play.network.open == 0

    play(page(), main, greeting=steps)


def test_whoever_is_cancelled_while_greetings_are_exchanged_leaves_nothing(play):
    async def main(play):
        task = await curio.spawn(play.send)
        await curio.sleep(1.0)
        assert play.network.open == 1
        await task.cancel()
        assert play.network.open == 0

    play(page(), main, greeting=[])


def test_those_who_ask_for_a_fresh_connection_together_share_it(play):
    async def main(play):
        await play.send()
        tasks = [await curio.spawn(lambda: play.send("/slow", fresh=True)) for _ in range(5)]
        assert [(await task.join()).reused for task in tasks] == [False] * 5
        assert len(play.network.peers) == 2

    play(paths(slow=lambda peer, n: peer.after(5.0, peer.answer, n)), main, connecting=1.0)


def test_without_its_library_nothing_is_opened(play, monkeypatch):
    async def main(play):
        monkeypatch.setitem(sys.modules, "h2", None)
        with pytest.raises(ConfigError):
            await play.send()
        assert play.network.peers == []

    play(page(), main)


# ---- nothing was looked at: the request may go again, whatever it is ----


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("how", ["refused", "goodbye"])
def test_a_request_that_was_not_looked_at_may_be_sent_again_without_counting(play, method, how):
    def refuse(peer, stream):
        if peer.number == 0 and how == "refused":
            peer.h2.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
        elif peer.number == 0:
            peer.put(frame(GOAWAY, 0, 0, bytes(8)))
        else:
            peer.answer(stream)

    async def main(play):
        error, _ = await play.failing("/bad", method)
        assert (type(error), error.reused, error.sent) == (ConnectFailed, True, False)
        assert (await play.send("/bad", method, fresh=True)).body == b"good"

    play(paths(bad=refuse), main)


def test_a_goodbye_in_the_midst_lets_what_is_under_way_end_and_nothing_begin(play):
    def last(peer, stream):
        peer.head(stream)
        peer.flush()
        peer.put(frame(GOAWAY, 0, 0, stream.to_bytes(4, "big") + bytes(4)))
        peer.after(5.0, peer.data, stream, b"good")

    async def main(play):
        task = await curio.spawn(play.send, "/last")
        await curio.sleep(1.0)
        assert not play.client.has_idle("https://a.test", TERMS.way)
        assert (await play.send("/other")).body == b"/other"
        assert len(play.network.peers) == 2
        assert (await task.join()).body == b"good"
        assert play.network.open == 1

    play(paths(last=last), main)


@pytest.mark.parametrize("ending", [CLOSE, RESET])
def test_a_connection_cut_under_a_second_request_is_marked_and_only_that(play, ending):  # A12
    async def main(play):
        await play.send()
        error, _ = await play.failing("/bad")
        assert (type(error), error.reused, error.sent) == (ConnectFailed, True, True)
        assert (await play.send("/next", fresh=True)).body == b"/next"

    play(paths(bad=lambda peer, _: peer.put(ending)), main)


# ---- what arrives while idle ----


@pytest.mark.parametrize(
    ("what", "kept"),
    [
        (frame(PING, 0, 0, bytes(8)), True),
        (frame(4, 0, 0, b"\0\3\0\0\0\x10"), True),
        (frame(8, 0, 0, b"\0\0\0\1"), True),
        (frame(0x77, 0, 0, b"unknown"), True),
        (frame(GOAWAY, 0, 0, bytes(8)), False),
        (b"junk" * 10, False),
        (frame(1, 5, 99, b"\x88"), False),
        (frame(PING, 0, 0, bytes(8)) * (MAX_IDLE_FRAMES + 1), False),
        (CLOSE, False),
        (RESET, False),
    ],
)
@pytest.mark.parametrize("seen", [True, False])
def test_what_comes_while_idle_is_read_and_judged(play, what, kept, seen):  # A13
    async def main(play):
        await play.send()
        await curio.sleep(1.0)
        if seen:
            await play.peer.say(what)
            await curio.sleep(1.0)
            assert play.client.has_idle("https://a.test", TERMS.way) is kept
            assert play.network.open == (1 if kept else 0), "it is closed as soon as it is known"
        else:
            await play.peer.say(what)  # it has come, and nobody has looked
        reply = await play.send("/next")
        assert reply.body == b"/next"
        assert len(play.network.peers) == (1 if kept else 2)
        if what == frame(PING, 0, 0, bytes(8)):
            await curio.sleep(0)
            assert any(isinstance(event, h2.events.PingAckReceived) for event in play.network.peers[0].events)

    play(paths(), main)


@pytest.mark.parametrize(("waits", "kept"), [(59.0, True), (60.0, False)])
def test_an_idle_connection_is_kept_for_so_long(play, waits, kept):
    async def main(play):
        await play.send()
        await curio.sleep(waits)
        await play.send()
        assert len(play.network.peers) == (1 if kept else 2)
        assert play.network.open == 1

    play(page(), main)


def test_a_connection_in_use_is_not_idle_but_grows_old(play):
    async def main(play):
        task = await curio.spawn(play.send, "/slow")
        await curio.sleep(90.0)
        assert play.client.has_idle("https://a.test", LONG.way)
        await curio.sleep(20.0)
        assert not play.client.has_idle("https://a.test", LONG.way)
        await play.send("/other", terms=LONG)
        assert len(play.network.peers) == 2
        assert (await task.join()).body == b"good"

    LONG = Terms(Deadlines(first_byte=1000.0, total=1000.0), way=TERMS.way)
    slow = paths(slow=lambda peer, n: peer.after(200.0, peer.answer, n))
    play(slow, lambda play: main(_with(play, LONG)), max_age=100.0)


def _with(play, terms):
    send = play.send

    async def with_terms(*args, **options):
        return await send(*args, **{"terms": terms} | options)

    play.send = with_terms
    return play


# ---- cancelling ----


@pytest.mark.parametrize("act", [silence, half])
def test_who_is_cancelled_resets_its_stream_and_nothing_else(play, act):
    async def main(play):
        other = await curio.spawn(play.send, "/slow")
        task = await curio.spawn(play.send, "/bad")
        await curio.sleep(1.0)
        await task.cancel()
        await curio.sleep(1.0)
        resets = [event for event in play.peer.events if isinstance(event, h2.events.StreamReset)]
        assert [event.error_code for event in resets] == [ErrorCodes.CANCEL]
        assert (await other.join()).body == b"good"
        assert (await play.send()).body == b"/"
        assert len(play.network.peers) == 1
        assert play.client.has_idle("https://a.test", TERMS.way)

    play(paths(bad=act, slow=lambda peer, n: peer.after(9.0, peer.answer, n)), main)


def test_a_caller_s_own_time_limit_is_the_caller_s_affair(play):
    async def main(play):
        with pytest.raises(curio.TaskTimeout):
            async with curio.timeout_after(3.0):
                await play.send("/bad")
        assert (await play.send()).body == b"/"

    play(paths(bad=silence), main)


def test_whoever_is_cancelled_while_nothing_can_be_written_leaves_no_half_frame(play):
    async def main(play):
        await play.send()
        play.peer.full = True
        tasks = [await curio.spawn(play.send, f"/{n}") for n in range(3)]
        await curio.sleep(0.5)
        for task in tasks[:2]:
            await task.cancel()
        play.peer.full = False
        assert (await tasks[2].join()).body == b"/2"
        assert (await play.send("/next")).body == b"/next"
        assert len(play.network.peers) == 1

    play(paths(), main)


def test_a_peer_that_takes_nothing_is_a_timeout_of_sending_and_not_used_again(play):
    async def main(play):
        await play.send()
        stuck = play.peer
        stuck.full = True
        error, waited = await play.failing()
        assert (type(error), error.phase, error.sent, waited) == (FetchTimeout, "send", True, 20.0)
        assert (await play.send("/next")).body == b"/next"
        assert len(play.network.peers) == 2
        assert stuck.closed

    play(paths(), main)


def test_what_the_peer_had_said_before_it_closed_its_ears_is_read(play):
    async def main(play):
        slow = await curio.spawn(play.send, "/slow")
        await curio.sleep(1.0)
        play.peer.broken = True
        error, waited = await play.failing("/other", "POST")
        assert (type(error), error.phase, waited) == (ConnectFailed, "send", 0.0)
        assert (await slow.join()).body == b"good"
        assert (await play.send()).body == b"/"
        assert len(play.network.peers) == 2

    def answer_and_go(peer, stream):
        peer.after(9.0, peer.answer, stream)
        peer.after(9.5, peer.put, CLOSE)

    play(paths(slow=answer_and_go), main)


def test_an_upload_to_a_peer_that_has_closed_its_ears_ends_in_its_answer(play):
    def enough(peer, stream):
        peer.broken = True
        peer.after(1.0, peer.answer, stream, b"enough", 413)

    async def main(play):
        reply = await play.send("/bad", "POST", bytes(1_000_000))
        assert (reply.status, reply.body) == (413, b"enough")
        assert play.network.open == 0

    play(paths(bad=enough), main)


def test_nothing_is_lost_or_left_whoever_is_cancelled_whenever(play):
    """Two hundred exchanges of every kind, a third of them cancelled at a moment of chance."""

    async def main(play):
        dice = Random(7)
        every = [*WORST, "a", "b", "c"]
        wrong = []

        async def one(number):
            path = dice.choice(every)
            try:
                reply = await play.send(
                    f"/{path}?{number}", dice.choice(["GET", "POST"]), bytes(dice.choice([0, 90_000]))
                )
                assert path not in WORST
                assert reply.body == f"/{path}?{number}".encode()
            except FetchError as error:
                wrong.append(error) if path not in WORST and type(error) not in (ConnectFailed, BadResponse) else None

        tasks = []
        for number in range(200):
            tasks.append(await curio.spawn(one, number))
            await curio.sleep(dice.choice([0, 0, 0.1, 1.0]))
            if dice.random() < 0.33:
                await dice.choice(tasks).cancel()
        for task in tasks:
            if not task.cancelled:
                await task.join()
        assert wrong == []
        assert {connection.users for connection in play.client.pool._idle} <= {0}
        assert play.network.open == len(play.client.pool._idle)
        for peer in play.network.peers:
            if not peer.closed:
                assert peer.h2.open_inbound_streams == 0
        assert (await play.send("/next")).body == b"/next"

    play(paths(**WORST), main)


WORST = {
    "silence": silence,
    "half": half,
    "endless": endless,
    "long": lambda peer, n: peer.answer(n, b"12345", content_length="4"),
    "reset": reset(ErrorCodes.INTERNAL_ERROR),
    "close": lambda peer, n: peer.put(CLOSE),
    "cut": lambda peer, n: peer.put(RESET),
    "bye": lambda peer, n: peer.put(frame(GOAWAY, 0, 0, n.to_bytes(4, "big") + bytes(4))),
    "junk": lambda peer, n: peer.put(b"junk" * 9),
}


def test_a_client_that_is_closed_keeps_nothing_that_comes_back_later(play):
    async def main(play):
        task = await curio.spawn(play.send, "/slow")
        await curio.sleep(1.0)
        await play.client.close()
        assert (await task.join()).body == b"good"
        assert play.network.open == 0

    play(paths(slow=lambda peer, n: peer.after(9.0, peer.answer, n)), main)


# ---- what is sent ----


def test_a_request_is_written_as_http2_wants_it(play):
    async def main(play):
        headers = {"X-Y": " a ", "Connection": "close", "TE": "trailers", "Host": "other.test", "Cookie": "a=1; b=2"}
        await play.send("/p?q=1", "POST", b"body", headers=headers)
        assert list(play.network.requests[0][1].items()) == [
            (b":method", b"POST"),
            (b":authority", b"other.test"),
            (b":scheme", b"https"),
            (b":path", b"/p?q=1"),
            (b"accept-encoding", b"gzip, deflate, br, zstd"),
            (b"x-y", b"a"),
            (b"cookie", b"a=1; b=2"),
            (b"content-length", b"4"),
        ]

    play(page(), main)


def test_what_cannot_be_written_is_our_error_before_anything_is_opened(play):
    async def main(play):
        error, _ = await play.failing(headers={"X": "a\r\nb"})
        assert (type(error), error.phase) == (BadResponse, "send")
        assert play.network.peers == []

    play(page(), main)


def upload(peer, event):
    """Answer with the size of the body, taking it slowly."""
    if isinstance(event, h2.events.RequestReceived):
        peer.sizes = {**getattr(peer, "sizes", {}), event.stream_id: 0}
    elif isinstance(event, h2.events.DataReceived):
        peer.sizes[event.stream_id] += len(event.data)
        peer.after(0.1, peer.h2.acknowledge_received_data, event.flow_controlled_length, event.stream_id)
    elif isinstance(event, h2.events.StreamEnded):
        peer.answer(event.stream_id, str(peer.sizes[event.stream_id]).encode())


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 65_535, 65_536, 1_000_000])
def test_a_body_is_sent_whole_as_the_windows_open(play, size):
    async def main(play):
        tasks = [await curio.spawn(play.send, "/", "POST", bytes(size)) for _ in range(3)]
        assert [(await task.join()).body for task in tasks] == [str(size).encode()] * 3

    play(upload, main)


def test_a_body_that_the_peer_does_not_want_is_not_sent_to_the_end(play):
    # RFC 9113 §8.1: the answer is complete, then the rest is waved off.
    def wave_off(peer, stream):
        peer.answer(stream, b"enough", 413)
        peer.h2.reset_stream(stream, ErrorCodes.NO_ERROR)

    async def main(play):
        reply = await play.send("/bad", "POST", bytes(10_000_000))
        assert (reply.status, reply.body) == (413, b"enough")
        assert (await play.send()).body == b"/"
        assert len(play.network.peers) == 1

    play(paths(bad=wave_off), main)


def test_a_body_that_nobody_takes_is_a_timeout_of_sending(play):
    async def main(play):
        error, waited = await play.failing("/bad", "POST", body=bytes(1_000_000))
        assert (type(error), error.phase, waited) == (FetchTimeout, "send", 20.0)

    play(paths(bad=silence), main)


def test_on_sent_is_told_when_the_first_byte_is_out_and_may_go_is_asked_before(play):
    told = []

    async def main(play):
        async def on_sent():
            told.append(("sent", play.clock.now, len(play.network.requests)))

        def may_go():
            told.append(("go?", play.clock.now, len(play.network.requests)))
            return True

        begin = play.clock.now
        await play.send("/slow", on_sent=on_sent, may_go=may_go)
        assert told == [("go?", begin + 2, 0), ("sent", begin + 2, 1)]

    play(paths(slow=lambda peer, n: peer.after(5.0, peer.answer, n)), main, connecting=2.0)


def test_who_may_not_go_has_sent_nothing_and_leaves_the_connection_as_it_was(play):
    async def main(play):
        await play.send()
        error, _ = await play.failing(may_go=lambda: False)
        assert (type(error), error.sent, error.reused) == (Overtaken, False, False)
        assert len(play.network.requests) == 1
        await play.send()
        assert len(play.network.peers) == 1

    play(page(), main)


def test_who_waits_for_the_pen_is_asked_again_whether_it_may_go(play):
    asked = []

    async def main(play):
        await play.send()
        play.peer.full = True
        first = await curio.spawn(play.send)
        await curio.sleep(0.1)
        second = await curio.spawn(lambda: play.failing(may_go=lambda: asked.append(play.clock.now) or False))
        await curio.sleep(5.0)
        assert asked == [], "not before it can be written"
        play.peer.full = False
        error, waited = await second.join()
        assert (type(error), len(asked)) == (Overtaken, 1)
        assert waited >= 5.0
        await first.join()

    play(page(), main)


# ---- bodies ----


@pytest.mark.parametrize("chop", [1, 3, 17, None])
def test_an_answer_is_the_same_however_it_is_cut(play, chop):
    def serve(peer, stream):
        peer.head(stream, 103, link="x")
        peer.answer(stream, gzip.compress(b"good" * 1_000), content_encoding="gzip", content_type="text/html")

    async def main(play):
        reply = await play.send("/bad")
        assert reply.body == b"good" * 1_000
        assert reply.headers["Content-Type"] == "text/html"
        assert "link" not in reply.headers

    play(paths(bad=serve), main, chop=chop)


def test_a_large_body_comes_whole_through_the_windows(play):
    body = bytes(range(256)) * 40_000

    async def main(play):
        terms = Terms(DEADLINES, Sizes(20_000_000), TERMS.way)
        tasks = [await curio.spawn(lambda: play.send("/big", terms=terms)) for _ in range(3)]
        assert [(await task.join()).body == body for task in tasks] == [True] * 3

    assert len(body) > 9 * STREAM_WINDOW
    play(paths(big=lambda peer, n: peer.answer(n, body)), main)


def test_who_does_not_take_its_body_is_sent_no_more_than_a_window(play):
    held = []

    class Slow:
        """A sink that is full until it is let go."""

        full = False

        def __init__(self):
            self.size, self.gate = 0, curio.Event()

        def put(self, piece):
            self.size += len(piece)
            self.full = True

        async def empty(self):
            await self.gate.wait()
            self.full = False

        async def finish(self):
            return str(self.size).encode()

        def drop(self):
            return None

    async def main(play):
        terms = Terms(Deadlines(total=1000.0), Sizes(50_000_000), TERMS.way)
        sink = Slow()
        task = await curio.spawn(lambda: play.send("/big", terms=terms, into=lambda head: sink))
        await curio.sleep(10.0)
        answer = next(iter(play.client.pool._by_route[("https://a.test", TERMS.way)][0]._lanes))
        held.append(answer.size)
        assert answer.size <= STREAM_WINDOW + sink.size
        assert (await play.send("/other")).body == b"/other"
        await sink.gate.set()
        assert (await task.join()).body == b"10000000"

    play(paths(big=lambda peer, n: peer.answer(n, bytes(10_000_000))), main)
    assert held[0] < 2 * STREAM_WINDOW


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_answer_to_head_has_no_body(play, method):  # B17
    def serve(peer, stream):
        head = method == "HEAD"
        peer.head(stream, content_length="100000" if head else "4", end=head)
        if not head:
            peer.data(stream, b"good")

    async def main(play):
        return [(await play.send("/bad", method)).body for _ in range(2)]

    assert play(paths(bad=serve), main) == [b"" if method == "HEAD" else b"good"] * 2


@pytest.mark.parametrize(
    "act",
    [
        lambda peer, n: peer.data(n, b"x"),
        lambda peer, n: (peer.data(n, b"x", end=False), peer.h2.reset_stream(n, ErrorCodes.INTERNAL_ERROR)),
        lambda peer, n: (peer.flush(), peer.put(CLOSE)),
        lambda peer, n: None,
    ],
)
def test_a_redirect_leads_on_though_its_body_is_broken(play, act):  # D11
    def serve(peer, stream):
        peer.head(stream, 302, location="/next", content_length="100")
        act(peer, stream)

    async def main(play):
        reply = await play.send("/bad")
        assert (reply.status, reply.headers["location"], reply.body) == (302, "/next", b"")
        assert (await play.send()).body == b"/"

    play(paths(bad=serve), main)


def test_fields_are_kept_as_they_came(play):  # C10, C13, C14
    def serve(peer, stream):
        pairs = [(b":status", b"200"), (b"set-cookie", b"a=1; Expires=Thu, 01 Jan"), (b"set-cookie", b"b=2")]
        peer.h2.send_headers(stream, [*pairs, (b"x", b"caf\xe9 \xc3\xa9"), (b"location", b"1")], end_stream=True)

    async def main(play):
        headers = (await play.send("/bad")).headers
        assert headers.get_all("set-cookie") == ["a=1; Expires=Thu, 01 Jan", "b=2"]
        assert headers["x"].encode("latin-1") == b"caf\xe9 \xc3\xa9"

    play(paths(bad=serve), main)


def test_a_tls_failure_while_reading_is_told_as_such(play):
    async def main(play):
        error, _ = await play.failing("/bad")
        assert type(error) is TLSFailed

    play(paths(bad=lambda peer, _: peer.put(TLSFailed("bad record mac"))), main)


def test_a_connection_that_has_become_a_dead_end_is_not_used_again(play):
    async def main(play):
        await play.send()
        await curio.sleep(1.0)
        error, waited = await play.failing("/bad")
        assert (type(error), waited) == (FetchTimeout, 20.0)
        assert play.network.open == 0
        assert (await play.send()).body == b"/"
        assert len(play.network.peers) == 2

    play(paths(bad=silence), main)


# ---- HTTP/1.1 where the peer chooses it ----


def test_a_peer_that_chooses_http1_is_spoken_to_so(run):
    network = FakeNetwork({"a.test": {"/": "good"}})
    clock = VirtualClock()

    async def main():
        async with Client(network.resolver, dial=network.dial, now=clock) as client:

            async def send():
                return await client.send("GET", "https://a.test/", Headers(), terms=TERMS)

            tasks = [await curio.spawn(send) for _ in range(4)]
            return [(await task.join()).version for task in tasks]

    assert run(main, clock=clock) == ["1.1"] * 4
    assert (network.opened, network.open) == (4, 0)


class Falling:
    """A host that has HTTP/2 first, and where that is not wanted HTTP/1.1: both in memory."""

    resolver = NAMES

    def __init__(self, serve, clock, **options):
        self.h2, self.http1 = H2Network(serve, **options), FakeNetwork({"a.test": {"/": "old"}, "b.test": {"/": "new"}})
        self.h2.now = clock

    def client(self):
        return Client(NAMES, dial=self.dial)

    async def dial(self, addresses):
        return await (self.http1 if self.h2.peers else self.h2).dial(addresses)


def goodbye(code, last=0):
    return lambda peer, stream: peer.put(frame(GOAWAY, 0, 0, bytes((0, 0, 0, last, 0, 0, 0, int(code)))))


def served(act):
    return lambda peer, event: isinstance(event, h2.events.RequestReceived) and act(peer, event.stream_id)


def leaving(peer, stream):
    goodbye(ErrorCodes.HTTP_1_1_REQUIRED, last=1)(peer, stream)
    peer.put(CLOSE)


@pytest.mark.parametrize(
    ("act", "greeting", "seen"),
    [(reset(ErrorCodes.HTTP_1_1_REQUIRED), None, False), (goodbye(ErrorCodes.HTTP_1_1_REQUIRED), None, False),
     (leaving, None, True), (silence, [(0, frame(4)), (0, frame(GOAWAY, 0, 0, bytes(7) + b"\x0d"))], False)],
)  # fmt: skip
def test_who_wants_http1_is_spoken_to_so_from_then_on_and_the_request_is_not_counted(run, act, greeting, seen):
    clock = VirtualClock()
    network = Falling(served(act), clock, greeting=greeting)

    async def main():
        async with Client(NAMES, dial=network.dial, now=clock) as client:

            async def send(**options):
                return await client.send("GET", "https://a.test/", Headers(), terms=TERMS, **options)

            with pytest.raises(ConnectFailed) as caught:
                await send()
            assert (caught.value.reused, caught.value.sent) == (True, seen)
            replies = [await send(fresh=True), await send()]
            assert client.has_idle("https://a.test/", TERMS.way)
            other = Terms(DEADLINES, Sizes(), Way(http2=True, private=False))
            assert not client.has_idle("https://a.test/", other.way)
            return [(reply.version, reply.body, reply.reused) for reply in replies]

    assert run(main, clock=clock) == [("1.1", b"old", False), ("1.1", b"old", True)]
    assert (len(network.h2.peers), network.http1.opened) == (1, 1)
    assert (network.h2.open, network.http1.open) == (0, 0)


@pytest.mark.parametrize(
    "code", [ErrorCodes.ENHANCE_YOUR_CALM, ErrorCodes.HTTP_1_1_REQUIRED, ErrorCodes.REFUSED_STREAM]
)
@pytest.mark.parametrize("how", [reset, goodbye])
def test_a_session_repeats_at_once_what_was_not_looked_at_but_not_against_a_call_for_calm(run, how, code):
    clock = VirtualClock()
    network = Falling(served(how(code)), clock)

    async def main():
        async with Session(network=network, http2=True, now=clock) as session:
            try:
                return (await session.get("https://a.test/")).text
            except FetchError as error:
                return type(error)

    assert run(main, clock=clock) == (AskedForCalm if code == ErrorCodes.ENHANCE_YOUR_CALM else "old")
    assert (len(network.h2.peers), network.http1.opened) == (1, int(code != ErrorCodes.ENHANCE_YOUR_CALM))


@pytest.mark.parametrize("http2", [False, True])
def test_a_session_speaks_http2_where_that_is_wanted(run, http2):
    clock = VirtualClock()
    network = Falling(page(b"good"), clock)
    if not http2:
        network.h2.peers.append(None)

    async def main():
        async with Session(network=network, http2=http2, now=clock) as session:
            return [(await session.get("https://a.test/", timeout=timeout)).text for timeout in (None, 5.0)]

    assert run(main, clock=clock) == (["good"] * 2 if http2 else ["old"] * 2)
    assert (len(network.h2.peers), network.http1.opened) == (1, 0 if http2 else 1)


# ---- politeness ----


def test_a_body_that_drips_is_given_up_by_its_rate_and_the_connection_goes_on(play):
    async def main(play):
        slow = Terms(Deadlines(total=300.0, min_rate=100), Sizes(), TERMS.way)
        error, waited = await play.failing("/bad", terms=slow)
        assert (type(error), error.phase, waited) == (FetchTimeout, "body", pytest.approx(10.0, abs=2))
        assert (await play.send()).reused

    play(paths(bad=drip), main)


def test_nothing_is_sent_sooner_for_it(play):
    """Ten requests a second apart, as a crawl would send them over one connection: their gaps are kept."""

    async def main(play):
        gate = curio.Lock()
        opens = play.clock.now

        async def one(n):
            nonlocal opens
            async with gate:
                await curio.sleep(max(0.0, opens - play.clock.now))

                async def on_sent():
                    nonlocal opens
                    opens = play.clock.now + 1.0

                told = curio.Event()

                async def sent():
                    await on_sent()
                    await told.set()

                task = await curio.spawn(lambda: play.send(f"/slow?{n}", on_sent=sent))
                await told.wait()
            return await task.join()

        tasks = [await curio.spawn(one, n) for n in range(10)]
        assert [(await task.join()).body for task in tasks] == [b"good"] * 10
        times = [at for at, _ in play.network.requests]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert len(gaps) == 9
        assert min(gaps) >= 1.0
        assert len(play.network.peers) == 1

    play(paths(slow=lambda peer, n: peer.after(3.5, peer.answer, n)), main)


@pytest.mark.parametrize(
    ("code", "waits"), [(ErrorCodes.ENHANCE_YOUR_CALM, True), (ErrorCodes.HTTP_1_1_REQUIRED, False)]
)
def test_a_crawl_rests_where_it_is_called_to_calm_and_goes_on_at_once_where_http1_is_wanted(run, code, waits):
    def serve(peer, event):
        if isinstance(event, h2.events.RequestReceived):
            path = dict(event.headers)[b":path"].decode()
            act = goodbye(code) if path == "/" else lambda peer, stream: peer.answer(stream, b"", 404)
            act(peer, event.stream_id)

    clock = VirtualClock()
    network = Falling(serve, clock)

    async def main():
        sets = ("limits.http2=true", "limits.jitter=0")
        return await crawl_of(["https://a.test/", "https://a.test/2"], *sets, network=network, clock=clock)

    crawled = run(main, clock=clock)
    assert sorted(response.body for response in crawled.answers) == [b"old"]
    assert crawled.outcomes == (1, 1, 0, 0)
    assert (crawled.seconds >= 60) is waits
    assert (network.h2.open, network.http1.open) == (0, 0)
