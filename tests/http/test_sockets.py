"""The wire over real sockets on loopback: the few things that a network in memory cannot show."""

from __future__ import annotations

import curio
import pytest

from scrapekit.errors import ConnectFailed, FetchTimeout
from scrapekit.headers import Headers
from scrapekit.http import Client, Deadlines, Resolver, Sizes, Terms

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
SOON = Deadlines(connect=5.0, first_byte=0.1, total=0.2)
LATE = Deadlines(5.0, 5.0, 5.0)


@pytest.fixture
def play(run):
    def player(server, main):
        async def whole():
            async with Client(Resolver({"a.test": f"127.0.0.1:{server.port}"})) as client:

                async def send(method="GET", body=b"", deadlines=LATE, **options):
                    return await client.send(
                        method, "http://a.test/", Headers(), body, terms=Terms(deadlines, Sizes(10**8)), **options
                    )

                result = await main(client, send)
            await curio.run_in_thread(server.stop)  # its descriptors are this process's too
            return result

        return run(whole)

    return player


def test_a_connection_serves_many_requests(play, loopback):
    server = loopback(OK, keep=True)

    async def main(client, send):
        return [(await send()).reused for _ in range(5)]

    assert play(server, main) == [False, True, True, True, True]
    assert server.connections == 1


def test_a_server_that_closes_after_the_answer_is_noticed(play, loopback):
    server = loopback(OK)

    async def main(client, send):
        for _ in range(3):
            assert (await send()).body == b"good"
            while client.has_idle("http://a.test"):  # until its FIN is here
                await curio.sleep(0.001)

    play(server, main)
    assert server.connections == 3


def test_looks_at_the_rate_of_a_body_lose_none_of_it(play, loopback, monkeypatch):
    monkeypatch.setattr("scrapekit.http.pace.LOOKS", 1_000)  # one each 5 ms, each of which breaks a read off
    pieces = [step for number in range(5) for step in (bytes([65 + number]) * 20_000, 0.03)]
    server = loopback(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", *pieces, keep=True)
    slow = Deadlines(5.0, 5.0, 30.0, min_rate=1, rate_window=5.0)

    async def main(client, send):
        for _ in range(2):
            assert (await send(deadlines=slow)).body == b"".join(pieces[::2])

    play(server, main)
    assert server.connections == 1


def test_a_reset_is_our_error(play, loopback):
    async def main(client, send):
        with pytest.raises(ConnectFailed) as caught:
            await send()
        assert caught.value.phase == "head"

    play(loopback("reset"), main)


@pytest.mark.parametrize("steps", [("silence",), (OK[:30], "silence"), (OK[:-2], "silence")])
def test_a_silence_ends_at_the_deadline(play, loopback, steps):
    async def main(client, send):
        with pytest.raises(FetchTimeout):
            await send(deadlines=SOON)

    play(loopback(*steps), main)


def test_an_endless_stream_does_not_hold_the_kernel(play, loopback):  # A06: deadlines fire though reads return
    server = loopback(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 60_000] * 1600)
    beats = []

    async def main(client, send):
        async def beat():
            while True:
                await curio.sleep(0.005)
                beats.append(1)

        other = await curio.spawn(beat)
        with pytest.raises(FetchTimeout):
            await send(deadlines=Deadlines(5.0, 0.05, 0.05))
        await other.cancel()

    play(server, main)
    assert beats


def test_a_large_body_goes_out_and_a_large_one_comes_in(play, loopback):
    size = 3_000_000
    server = loopback(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size, b"y" * size, 0.1)

    async def main(client, send):
        told = []

        async def on_sent():
            told.append(1)

        reply = await send("POST", b"x" * 200_000, on_sent=on_sent)
        assert reply.body == b"y" * size
        assert told == [1]

    play(server, main)


def test_an_answer_to_half_a_request_is_the_answer(play, loopback):  # RFC 9112 §9.6
    server = loopback(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 0.2)

    async def main(client, send):
        return (await send("POST", b"x" * 50_000_000)).status

    assert play(server, main) == 413


def test_a_cancelled_request_closes_its_socket(play, loopback):
    async def main(client, send):
        task = await curio.spawn(send)
        await curio.sleep(0.05)
        await task.cancel()

    play(loopback("silence"), main)  # the run fixture counts descriptors and tasks
