"""Where bodies go while they come: memory within a budget, else a file; under the cap, and nothing is left behind."""

from __future__ import annotations

import gc
import gzip
import os
import tracemalloc
import zlib

import curio
import pytest
import zstandard

from scrapekit.content import Kept, Stored
from scrapekit.errors import BadResponse, ConnectFailed, FetchError, FetchTimeout, NotStored, TooLarge
from scrapekit.headers import Headers
from scrapekit.http import Client, Deadlines, Sizes, Terms
from scrapekit.http.body import LARGE, SMALL, Intake, Spool
from scrapekit.http.exchange import Head
from scrapekit.http.filesink import WRITE
from scrapekit.testing import CLOSE, RESET, SILENCE, FakeNetwork, VirtualClock

BIG = 1 << 40
BODY = bytes(range(256)) * 40


def head(*codings, status=200):
    return Head(status, Headers([("Content-Encoding", coding) for coding in codings]), "1.1", None)


def terms(max_size=BIG, **more):
    return Terms(Deadlines(), Sizes(max_size), **more)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "files"


@pytest.fixture
def take(run):
    """Take pieces in, as a connection does; the content, or the error: ``take(intake, *pieces)``."""

    def taker(intake, *pieces):
        async def main():
            try:
                for piece in pieces:
                    intake.feed(piece)
                    if intake.full:
                        await intake.empty()
                        assert not intake.full
                return await intake.finish()
            except BaseException:
                intake.drop()
                raise

        return run(main)

    return taker


def left(folder):
    gc.collect()  # a kernel that has ended still holds what its task gave, until its circles are found
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


# ---- where it goes ----


@pytest.mark.parametrize("to_file", [False, True])
@pytest.mark.parametrize("codings", [(), ("gzip",), ("deflate",), ("zstd",), ("deflate", "gzip")])
def test_a_body_is_the_same_wherever_it_goes_and_however_it_is_cut(take, folder, codings, to_file):
    packed = BODY
    for coding in codings:
        packed = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress}[coding](packed)
    for size in (1, 7, 1000, len(packed)):
        spool = Spool(folder)
        intake = Intake(head(*codings), terms(to_file=to_file), spool)
        content = take(intake, *(packed[at : at + size] for at in range(0, len(packed), size)))
        assert type(content) is (Stored if to_file else Kept)
        assert (content.read(), content.size, intake.size) == (BODY, len(BODY), len(packed))
        assert spool.budget.used == (0 if to_file else len(BODY))
        del content, intake
        assert (left(folder), spool.budget.used) == ([], 0)


@pytest.mark.parametrize("status", [200, 206, 299, 199, 304, 404, 503])
def test_only_a_good_answer_goes_to_the_file_that_was_asked_for(take, folder, status):
    content = take(Intake(head(status=status), terms(to_file=True), Spool(folder)), b"good")
    assert isinstance(content, Stored) == (200 <= status < 300)


def test_an_empty_body_is_an_empty_file_where_one_was_asked_for(take, folder):
    content = take(Intake(head("gzip"), terms(to_file=True), Spool(folder)))
    assert (content.read(), content.size, len(left(folder))) == (b"", 0, 1)
    assert take(Intake(head(), terms(), Spool(folder))).read() == b""


def test_a_file_without_a_folder_is_for_nobody_else_to_read(take):
    content = take(Intake(head(), terms(to_file=True), Spool()), b"good")
    path = content.path
    assert path.read_bytes() == b"good"
    assert path.stat().st_mode & 0o077 == 0
    del content
    gc.collect()
    assert not path.exists()


def test_a_large_body_is_written_as_it_comes(run, folder):
    async def main():
        spool = Spool(folder)
        intake = Intake(head(), terms(to_file=True), spool)
        (path,) = folder.iterdir()
        emptied = []
        for _ in range(5 * WRITE // 65_536):
            intake.feed(bytes(65_536))
            if intake.full:
                await intake.empty()
                emptied.append(path.stat().st_size)
        assert emptied == [WRITE * time for time in range(1, 6)]
        intake.feed(b"x")
        content = await intake.finish()
        assert content.size == path.stat().st_size == 5 * WRITE + 1

    run(main)


@pytest.mark.parametrize("memory", [BIG, 0])
def test_a_bomb_that_comes_in_one_read_is_not_in_memory_at_once(run, folder, memory):
    async def main():
        intake = Intake(head("gzip"), terms(to_file=memory > 0), Spool(folder, memory=memory))
        intake.feed(gzip.compress(bytes(30 * WRITE)))
        times = 0
        while intake.full:
            assert intake._away._held < 1.5 * WRITE
            await intake.empty()
            times += 1
        assert 20 < times <= 30
        assert (await intake.finish()).size == 30 * WRITE

    run(main)


def test_what_was_not_asked_to_be_written_is_written_in_the_end(take, folder, run):
    async def main():
        intake = Intake(head("gzip"), terms(to_file=True), Spool(folder))
        intake.feed(gzip.compress(bytes(5 * WRITE)))
        return await intake.finish()

    assert run(main).size == 5 * WRITE


# ---- the cap ----


@pytest.mark.parametrize("to_file", [False, True])
@pytest.mark.parametrize("coding", [None, "gzip"])
def test_the_cap_holds_as_sent_and_as_inflated_wherever_it_goes(take, folder, coding, to_file):
    codings, packed = ((coding,), gzip.compress(b"x" * 5_000)) if coding else ((), b"x" * 5_000)
    for most, passes in ((5_000, True), (4_999, False), (1, False), (5_001, True)):
        spool = Spool(folder)
        intake = Intake(head(*codings), terms(most, to_file=to_file), spool)
        if passes:
            assert take(intake, packed).size == 5_000
        else:
            with pytest.raises(TooLarge):
                take(intake, packed)
        del intake
        assert (left(folder), spool.budget.used) == ([], 0)


def test_what_does_not_decode_leaves_no_file(take, folder):
    for packed in (b"plain text", gzip.compress(BODY)[:-5]):
        with pytest.raises(BadResponse) as caught:
            take(Intake(head("gzip"), terms(to_file=True), Spool(folder)), packed)
        assert caught.value.phase == "decode"
        assert left(folder) == []


# ---- the budget ----


def test_within_the_budget_bodies_stay_in_memory_and_beyond_it_they_go_to_disk(take, folder):
    spool = Spool(folder, memory=100_000)
    first = take(Intake(head(), terms(), spool), bytes(60_000))
    exact = take(Intake(head(), terms(), spool), bytes(40_000))
    assert (type(first), type(exact), spool.budget.used, spool.files) == (Kept, Kept, 100_000, 0)
    beyond = take(Intake(head(), terms(), spool), b"a" * 10_000, b"b" * 10_000, b"c" * 10_000)
    assert (type(beyond), spool.budget.used) == (Stored, 100_000)
    assert beyond.read() == b"a" * 10_000 + b"b" * 10_000 + b"c" * 10_000
    del first
    gc.collect()
    assert spool.budget.used == 40_000
    again = take(Intake(head(), terms(), spool), bytes(60_000))
    assert (type(again), spool.budget.used) == (Kept, 100_000)
    del beyond
    assert left(folder) == []


@pytest.mark.parametrize(("size", "kind"), [(SMALL, Kept), (SMALL + 1, Stored)])
def test_a_small_body_stays_in_memory_for_all_that(take, folder, size, kind):
    content = take(Intake(head(), terms(), Spool(folder, memory=0)), *(bytes(size // 2), bytes(size - size // 2)))
    assert (type(content), content.size) == (kind, size)


@pytest.mark.parametrize(("size", "kind"), [(LARGE, Kept), (LARGE + 1, Stored)])
def test_a_giant_goes_to_disk_though_there_is_room(take, folder, size, kind):
    content = take(Intake(head(), terms(), Spool(folder)), bytes(LARGE // 2), bytes(size - LARGE // 2))
    assert (type(content), content.size) == (kind, size)


def test_many_bodies_that_come_together_hold_no_more_than_the_budget(folder):
    spool = Spool(folder, memory=1_000_000)
    intakes = [Intake(head(), terms(), spool) for _ in range(40)]
    most = 0
    for _ in range(10):
        for intake in intakes:
            intake.feed(bytes(30_000))
            most = max(most, spool.budget.used)
    assert most <= 1_000_000 + len(intakes) * SMALL
    assert 0 < spool.files < len(intakes)
    for intake in intakes:
        intake.drop()
    assert (spool.budget.used, left(folder)) == (0, [])


def test_a_body_that_is_let_go_gives_back_what_it_took():
    spool = Spool()
    intake = Intake(head(), terms(), spool)
    intake.feed(bytes(1_000))
    assert spool.budget.used == 1_000
    del intake
    assert spool.budget.used == 0


# ---- what goes wrong ----


def test_a_folder_that_cannot_be_had_is_told_without_its_path(tmp_path, take):
    (tmp_path / "secret").write_text("a file")
    spool = Spool(tmp_path / "secret" / "files", memory=0)
    for wanted, pieces in ((terms(to_file=True), ()), (terms(), (bytes(SMALL + 1),))):
        with pytest.raises(NotStored) as caught:
            take(Intake(head(), wanted, spool), *pieces)
        assert "secret" not in str(caught.value)
        assert str(caught.value) == "not stored: Not a directory [body]"
    assert spool.budget.used == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no disk that is always full")
def test_a_full_disk_is_told_and_leaves_nothing(run, folder, monkeypatch):
    async def main():
        monkeypatch.setattr("pathlib.Path.open", lambda path, mode: open("/dev/full", "wb"))  # noqa: SIM115
        for size in (10, WRITE, 8 * WRITE):
            spool = Spool(folder)
            intake = Intake(head(), terms(to_file=True), spool)
            with pytest.raises(NotStored, match="No space left on device"):
                intake.feed(bytes(size))
                if intake.full:
                    await intake.empty()
                await intake.finish()
            intake.drop()

    run(main)


def test_what_a_killed_process_left_is_cleared(folder):
    folder.mkdir()
    (folder / "old-1.body").write_text("left")
    (folder / "mine.pdf").write_text("saved")
    Spool(folder).clear()
    assert left(folder) == ["mine.pdf"]
    Spool(folder / "nowhere").clear()
    Spool().clear()


# ---- over the wire ----


@pytest.fixture
def play(run, folder):
    """Run ``main(send, clock, spool)`` on a network; afterwards there is no file, no memory and no connection left."""

    def player(steps, main, memory=1_000_000):
        network, clock, spool = FakeNetwork({"a.test": {"/": steps}}), VirtualClock(), Spool(folder, memory=memory)

        async def whole():
            async with Client(network.resolver, dial=network.dial, now=clock, spool=spool) as client:

                async def send(**more):
                    deadlines = Deadlines(first_byte=5.0, total=30.0, min_rate=100)
                    wanted = Terms(deadlines, Sizes(10_000_000), **more)
                    return await client.send("GET", "http://a.test/", Headers(), terms=wanted)

                return await main(send)

        result = run(whole, clock=clock)
        assert (network.open, left(folder), spool.budget.used) == (0, [], 0)
        return result

    return player


OPEN = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n"
MUCH = (b"x" * 60_000,) * 50


def test_a_body_goes_from_the_wire_to_a_file(play):
    async def main(send):
        for _ in range(2):
            reply = await send(to_file=True)
            assert isinstance(reply.content, Stored)
            assert reply.body == b"x" * 3_000_000
        assert reply.reused

    play((OPEN, *MUCH), main)


def test_a_body_beyond_the_budget_goes_to_disk_in_its_midst(play):
    async def main(send):
        reply = await send()
        assert isinstance(reply.content, Stored)
        assert reply.body == b"x" * 3_000_000

    play((OPEN, *MUCH), main, memory=1_000_000)


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        ((OPEN, *MUCH[:30], CLOSE), BadResponse),
        ((OPEN, *MUCH[:30], RESET), ConnectFailed),
        ((OPEN, *MUCH[:30], SILENCE), FetchTimeout),
        ((b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(20_000_000)), CLOSE), TooLarge),
    ],
)
@pytest.mark.parametrize("to_file", [False, True])
def test_a_body_that_fails_in_its_midst_leaves_nothing(play, steps, kind, to_file):
    async def main(send):
        try:
            await send(to_file=to_file)
        except FetchError as error:
            return type(error)

    assert play(steps, main, memory=500_000) is kind


def test_a_body_that_is_cancelled_leaves_nothing(play):
    async def main(send):
        for seconds in (0.0, 0.1, 1.0, 4.0):
            task = await curio.spawn(lambda: send(to_file=True))
            await curio.sleep(seconds)
            await task.cancel()

    play((OPEN, *(step for piece in MUCH for step in (piece, 0.1))), main)


MIB = 1024 * 1024
STREAM = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"


@pytest.mark.parametrize("what", ["saved", "bomb saved", "bomb refused"])
def test_a_huge_body_or_bomb_takes_little_memory(run, folder, what):
    """Of 96 MiB; the bench has 1 GiB, and the process's own memory."""
    if what == "saved":
        steps = (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (96 * MIB), *(bytes(65_536),) * (96 * 16))
    else:
        steps = (STREAM + gzip.compress(bytes(96 * MIB)), CLOSE)
    network, clock = FakeNetwork({"a.test": {"/": steps}}), VirtualClock()
    to_file, most = what != "bomb refused", (200 if what != "bomb refused" else 32) * MIB

    async def main():
        async with Client(network.resolver, dial=network.dial, now=clock, spool=Spool(folder)) as client:
            tracemalloc.start()
            try:
                wanted = Terms(Deadlines(), Sizes(most), to_file=to_file)
                reply = await client.send("GET", "http://a.test/", Headers(), terms=wanted)
                assert reply.content.size == 96 * MIB
            except TooLarge:
                assert not to_file
            finally:
                peak = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
        assert peak < 12 * MIB

    run(main, clock=clock)
    assert left(folder) == []


def test_a_redirect_with_a_body_for_a_file_leaves_none(play):
    async def main(send):
        assert (await send(to_file=True)).status == 302

    play((b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 9\r\n\r\nshort", CLOSE), main)
