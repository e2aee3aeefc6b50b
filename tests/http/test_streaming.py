"""A body read as it comes: at the reader's speed, held nowhere, ended however the block is left."""

from __future__ import annotations

import gzip

import curio
import pytest

from scrapekit import Session
from scrapekit.content import CHUNK
from scrapekit.errors import BadResponse, BadStatus, FetchTimeout, TooLarge, TooManyRedirects
from scrapekit.http.streaming import HELD
from scrapekit.testing import CLOSE, SILENCE, FakeNetwork, Page, VirtualClock

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n"
OPEN = b"HTTP/1.1 200 OK\r\n\r\n"
PIECES = tuple(bytes([number]) * 60_000 for number in range(50))


@pytest.fixture
def play(run):
    """Run ``main(session, clock)`` on a network; afterwards no connection is open and no task is left."""

    def player(pages, main, **limits):
        network, clock = FakeNetwork({"a.test": pages}), VirtualClock()

        async def whole():
            async with Session(network=network, now=clock, limits=limits) as session:
                return await main(session, clock)

        result = run(whole, clock=clock)
        assert network.open == 0
        return result

    return player


async def chunks(response, **options):
    return [chunk async for chunk in response.iter_bytes(**options)]


def test_a_body_is_given_as_it_comes(play):
    async def main(session, clock):
        async with session.stream("GET", "http://a.test/") as response:
            assert (response.status, response.ok, response.url) == (200, True, "http://a.test/")
            assert response.headers["content-length"] == "3000000"
            begun, times, got = clock.now, [], []
            async for chunk in response.iter_bytes():
                times.append(clock.now - begun)
                got.append(chunk)
            assert b"".join(got) == b"".join(PIECES)
            assert times == pytest.approx([7.0 * number for number in range(50)])
        # The connection is there for the next one.
        async with session.stream("GET", "http://a.test/x") as response:
            assert (response.status, await response.read()) == (404, b"<h1>404</h1>")

    play({"/": (HEAD, *(step for piece in PIECES for step in (piece, 7.0)))}, main)


@pytest.mark.parametrize("size", [1_000, 60_000, 60_001, CHUNK, 10**6])
def test_no_chunk_is_larger_than_was_asked_for(play, size):
    async def main(session, clock):
        async with session.stream("GET", "http://a.test/") as response:
            got = await chunks(response, size=size)
        assert b"".join(got) == b"".join(PIECES)
        assert max(map(len, got)) <= size

    play({"/": (HEAD, *PIECES)}, main)


@pytest.mark.parametrize("body", [b"", b"good"])
@pytest.mark.parametrize("status", [200, 404, 503])
def test_every_status_is_a_response_whatever_its_body(play, status, body):
    async def main(session, clock):
        async with session.stream("GET", "http://a.test/") as response:
            assert (response.status, await response.read(), await response.read()) == (status, body, b"")
            if status >= 400:
                with pytest.raises(BadStatus):
                    response.raise_for_status()

    play({"/": b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body}, main)


def test_redirects_are_followed_to_the_body(play):
    pages = {
        "/": b"HTTP/1.1 302 X\r\nLocation: /b\r\nContent-Length: 4\r\n\r\nlong",
        "/b": Page("good", headers={"Content-Disposition": "attachment; filename=../g.txt"}),
        "/loop": b"HTTP/1.1 302 X\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n",
    }

    async def main(session, clock):
        async with session.stream("GET", "http://a.test/") as response:
            assert (response.url, response.history) == ("http://a.test/b", ("http://a.test/",))
            assert (response.filename, await response.read()) == ("g.txt", b"good")
        async with session.stream("GET", "http://a.test/", follow=False) as response:
            assert (response.status, await response.read()) == (302, b"long")
        with pytest.raises(TooManyRedirects):
            async with session.stream("GET", "http://a.test/loop"):
                pytest.fail("there is no answer")

    play(pages, main)


def test_what_goes_wrong_before_the_head_is_raised_at_once(play):
    async def main(session, clock):
        with pytest.raises(FetchTimeout) as caught:
            async with session.stream("GET", "http://a.test/"):
                pytest.fail("there is no answer")
        assert (caught.value.phase, caught.value.url) == ("head", "http://a.test/")

    play({"/": (SILENCE,)}, main)


@pytest.mark.parametrize(
    ("steps", "kind", "phase"),
    [
        ((HEAD, *PIECES[:9], CLOSE), BadResponse, "body"),
        ((HEAD, *PIECES[:9], SILENCE), FetchTimeout, "body"),
        ((HEAD, *PIECES[:9], *(b"x", 1.0) * 100), FetchTimeout, "body"),
    ],
)
def test_what_goes_wrong_in_the_body_is_raised_after_all_that_came(play, steps, kind, phase):
    async def main(session, clock):
        got = b""
        async with session.stream("GET", "http://a.test/") as response:
            with pytest.raises(kind) as caught:
                async for chunk in response.iter_bytes():
                    got += chunk
        assert caught.value.phase == phase
        assert got[:540_000] == b"".join(PIECES[:9])

    play({"/": steps}, main)


def test_a_reader_that_takes_its_time_stops_the_transfer_and_is_not_charged_to_the_peer(play):
    async def main(session, clock):
        async with session.stream("GET", "http://a.test/") as response:
            got = 0
            async for chunk in response.iter_bytes():
                got += len(chunk)
                assert response._pipe._held <= HELD + 2 * CHUNK
                await curio.sleep(100.0)
            assert got == 3_000_000

    play({"/": (HEAD, *PIECES)}, main)


def test_a_slow_but_steady_body_may_take_longer_than_any_request(play):
    async def main(session, clock):
        async with session.stream("GET", "http://a.test/") as response:
            assert len(await response.read()) == 3_000_000
        assert clock.now > 1_000_000 + 400
        with pytest.raises(FetchTimeout):
            async with session.stream("GET", "http://a.test/", timeout=50.0) as response:
                await response.read()

    play({"/": (HEAD, *(step for piece in PIECES for step in (9.0, piece)))}, main)


def test_without_a_least_rate_the_whole_has_the_sessions_time(play):
    async def main(session, clock):
        begun = clock.now
        with pytest.raises(FetchTimeout):
            async with session.stream("GET", "http://a.test/") as response:
                await response.read()
        assert clock.now - begun == 30.0

    play({"/": (HEAD, b"x", SILENCE)}, main, min_rate=0)


@pytest.mark.parametrize("after", [0, 1, 5])
def test_leaving_early_ends_the_transfer(play, after):
    async def main(session, clock):
        async with session.stream("GET", "http://a.test/") as response:
            for _ in range(after):
                await response.iter_bytes().__anext__()
        await session.get("http://a.test/x")

    play({"/": (HEAD, *(step for piece in PIECES for step in (piece, 1.0)))}, main)


def test_an_exception_and_a_cancellation_end_it_too(play):
    async def main(session, clock):
        with pytest.raises(ZeroDivisionError):
            async with session.stream("GET", "http://a.test/"):
                raise ZeroDivisionError

        async def read():
            async with session.stream("GET", "http://a.test/") as response:
                await response.read()

        for seconds in (0.0, 0.5, 3.5):
            task = await curio.spawn(read)
            await curio.sleep(seconds)
            await task.cancel()

    play({"/": (1.0, HEAD, *(step for piece in PIECES for step in (piece, 1.0)))}, main)


def test_a_bomb_is_unpacked_as_it_is_read(play):
    packed = gzip.compress(bytes(50_000_000))

    async def main(session, clock):
        got = 0
        async with session.stream("GET", "http://a.test/", max_size=10**8) as response:
            async for chunk in response.iter_bytes():
                got += len(chunk)
                assert response._pipe._held < 2_000_000
        assert got == 50_000_000
        with pytest.raises(TooLarge):
            async with session.stream("GET", "http://a.test/") as response:
                async for _ in response.iter_bytes():
                    pass

    play({"/": (OPEN.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n") + packed, CLOSE)}, main)


def test_a_408_for_the_idle_connection_is_not_taken_for_the_answer(play):
    late = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye"

    async def main(session, clock):
        assert (await session.get("http://a.test/first")).body == b"good"
        async with session.stream("GET", "http://a.test/") as response:
            assert (response.status, await response.read()) == (200, b"good")
        async with session.stream("GET", "http://a.test/late") as response:
            assert (response.status, await response.read()) == (408, b"bye")

    play({"/first": Page("good"), "/": [(late, CLOSE), Page("good")], "/late": late}, main)


def test_to_file_and_max_size_are_options_of_every_request(play):
    async def main(session, clock):
        response = await session.get("http://a.test/", to_file=True)
        assert response.path.read_bytes() == response.body == b"".join(PIECES)
        with pytest.raises(TooLarge):
            await session.get("http://a.test/", max_size=2_999_999)

    play({"/": (HEAD, *PIECES)}, main)
