"""A body for a file that breaks off is gone on with by the next request for it, and stands for the whole."""

from __future__ import annotations

import gc

import curio
import pytest

from scrapekit.content import Stored
from scrapekit.errors import BadResponse, ConnectFailed, FetchError, FetchTimeout, NotStored, TooLarge
from scrapekit.headers import Headers
from scrapekit.http import Client, Deadlines, Sizes, Terms
from scrapekit.http.body import Spool
from scrapekit.http.resuming import MOST
from scrapekit.testing import CLOSE, RESET, SILENCE, FakeNetwork, VirtualClock

BODY = b"".join(b"%07d\n" % number for number in range(1_000))
TAG = '"v1"'


def whole(*end, tag=TAG, body=BODY, status=200, **fields):
    fields = {"Content_Length": len(body), **({"ETag": tag} if tag else {})} | fields
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    head = f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode()
    return (head, *(end or (body,)))


def part(start, end=8_000, total=8_000, **fields):
    body = BODY[start:end]
    return whole(body=body, status=206, **({"Content_Range": f"bytes {start}-{end - 1}/{total}"} | fields))


BROKEN = whole(BODY[:3_000], CLOSE)


@pytest.fixture
def play(run, tmp_path):
    """Ask for a file so many times as there are answers: what came of each, and what was asked."""

    def player(*answers, max_size=10_000, headers=()):
        network, clock, spool = FakeNetwork({"a.test": {"/": list(answers)}}), VirtualClock(), Spool(tmp_path / "files")
        terms = Terms(Deadlines(1.0, 5.0, 20.0), Sizes(max_size), to_file=True)

        async def main():
            ends = []
            async with Client(network.resolver, dial=network.dial, now=clock, spool=spool) as client:
                for _ in answers:
                    try:
                        reply = await client.send("GET", "http://a.test/", Headers(headers), terms=terms)
                        ends.append((reply.status, reply.headers, reply.body, type(reply.content)))
                        del reply
                    except FetchError as error:
                        ends.append(error)
                del client
            return ends

        ends = run(main, clock=clock)
        for end in ends:
            if isinstance(end, Exception):
                end.__traceback__ = end.__context__ = None  # they hold what the error was raised over
        gc.collect()
        assert network.open == 0
        assert list((tmp_path / "files").iterdir()) == []
        asked = [(each.headers.get("range"), each.headers.get("if-range")) for each in network.log]
        return ends, asked

    return player


@pytest.mark.parametrize("end", [CLOSE, RESET, SILENCE])
def test_a_body_that_broke_off_is_gone_on_with(play, end):
    ends, asked = play(whole(BODY[:3_000], end), part(3_000))
    error, (status, headers, body, kind) = ends
    assert (type(error), error.phase, error.url, error.host) == (ConnectFailed, "body", "http://a.test/", "a.test")
    assert "3000 bytes are kept" in str(error)
    assert asked == [(None, None), ("bytes=3000-", TAG)]
    assert (status, body, kind) == (200, BODY, Stored)
    assert ("content-range" in headers, headers["content-length"], headers["etag"]) == (False, "8000", TAG)


def test_it_may_break_off_again(play):
    again = (part(3_000)[0], BODY[3_000:5_000], CLOSE)
    ends, asked = play(BROKEN, again, b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n", part(5_000, 7_000), part(7_000))
    assert [asked for asked, _ in asked] == [None, "bytes=3000-", "bytes=5000-", "bytes=5000-", "bytes=7000-"]
    assert "5000 bytes" in str(ends[1])
    assert ends[2][0] == 503
    assert "7000 of 8000 bytes" in str(ends[3])
    assert ends[4][2] == BODY


@pytest.mark.parametrize(
    "answer", [whole(body=BODY[::-1], tag='"v2"'), whole(body=BODY[::-1], tag=""), whole(body=BODY[::-1])]
)
def test_a_whole_answer_takes_the_place_of_what_was_there(play, answer):
    ends, _ = play(BROKEN, answer)
    assert ends[1][2] == BODY[::-1]


@pytest.mark.parametrize(
    "answer",
    [
        part(2_999),
        part(3_000, ETag='"v2"'),
        part(3_000, total=9_000),
        part(3_000, Content_Range="bytes */8000"),
        part(3_000, Content_Encoding="gzip"),
        (b"HTTP/1.1 416 X\r\nContent-Range: bytes */2000\r\nContent-Length: 0\r\n\r\n",),
    ],
)
def test_what_does_not_fit_is_begun_anew_and_worth_another_try(play, answer):
    ends, asked = play(BROKEN, answer, whole())
    assert (type(ends[1]), ends[1].phase) == (ConnectFailed, "body")
    assert ends[2][2] == BODY
    assert asked[2] == (None, None)


@pytest.mark.parametrize("tag", ["", 'W/"v1"'])
def test_without_a_strong_validator_nothing_is_kept(play, tag):
    ends, asked = play(whole(BODY[:3_000], CLOSE, tag=tag), whole(tag=tag))
    assert type(ends[0]) is BadResponse
    assert asked[1] == (None, None)
    assert ends[1][2] == BODY


def test_a_silence_that_leaves_nothing_is_a_timeout_like_any(play):
    ends, asked = play(whole(SILENCE), whole())
    assert type(ends[0]) is FetchTimeout
    assert asked[1] == (None, None)


def test_a_request_with_other_cookies_gets_no_part_of_this_one(run, tmp_path):
    network, clock = FakeNetwork({"a.test": {"/": [BROKEN, whole(), part(3_000)]}}), VirtualClock()
    terms = Terms(to_file=True)

    async def main():
        async with Client(network.resolver, dial=network.dial, now=clock, spool=Spool(tmp_path)) as client:
            for cookie in ("a=1", "a=2", "a=1"):
                try:
                    reply = await client.send("GET", "http://a.test/", Headers({"Cookie": cookie}), terms=terms)
                    assert reply.body == BODY
                except ConnectFailed:
                    pass

    run(main, clock=clock)
    assert [each.headers.get("range") for each in network.log] == [None, None, "bytes=3000-"]


def test_the_cap_is_on_the_whole_and_what_is_beyond_it_is_not_kept(play):
    ends, asked = play(
        whole(BODY[:3_000], CLOSE, Content_Length=7_000), part(3_000, total="*"), whole(), max_size=7_500
    )
    assert [type(end) for end in ends] == [ConnectFailed, TooLarge, TooLarge]
    assert asked == [(None, None), ("bytes=3000-", TAG), (None, None)]


def test_a_request_with_a_range_of_its_own_is_left_alone(play):
    ends, _ = play(part(0, 10), part(10, 20), headers={"Range": "bytes=0-9"})
    assert [end[:1] for end in ends] == [(206,), (206,)]


def test_what_the_disk_did_not_take_is_not_gone_on_with(play, monkeypatch):
    def half(file, pieces):
        file.write(b"".join(pieces)[:1_000])
        return OSError(28, "No space left on device")

    monkeypatch.setattr("scrapekit.http.filesink._write", half)
    ends, asked = play(BROKEN, whole())
    # A disk that says nothing until the end would make the first one shorter, and not wrong.
    assert (type(ends[0]), type(ends[1])) == (ConnectFailed, NotStored)
    assert asked == [(None, None), ("bytes=1000-", TAG)]
    ends, asked = play(whole(), whole())
    assert [type(end) for end in ends] == [NotStored, NotStored]
    assert asked == [(None, None), (None, None)]


def test_only_so_many_parts_are_kept(run, tmp_path):
    pages = {f"/{number}": BROKEN for number in range(MOST + 3)}
    network, clock = FakeNetwork({"a.test": pages}), VirtualClock()

    async def main():
        async with Client(network.resolver, dial=network.dial, now=clock, spool=Spool(tmp_path)) as client:
            for page in pages:
                with pytest.raises(ConnectFailed):
                    await client.send("GET", f"http://a.test{page}", Headers(), terms=Terms(to_file=True))
            gc.collect()
            assert len(list(tmp_path.iterdir())) == MOST

    run(main, clock=clock)


def test_a_cancelled_one_is_not_kept(run, tmp_path):
    network, clock = FakeNetwork({"a.test": {"/": whole(BODY[:3_000], SILENCE)}}), VirtualClock()

    async def main():
        async with Client(network.resolver, dial=network.dial, now=clock, spool=Spool(tmp_path)) as client:
            task = await curio.spawn(lambda: client.send("GET", "http://a.test/", Headers(), terms=Terms(to_file=True)))
            await curio.sleep(1.0)
            assert len(list(tmp_path.iterdir())) == 1
            await task.cancel()
            del task
            gc.collect()
            assert list(tmp_path.iterdir()) == []

    run(main, clock=clock)
