"""The least rate of a body: by the clock, over any window, and only while we wait for the peer."""

from __future__ import annotations

import math

import curio
import pytest

from scrapekit.errors import FetchError, FetchTimeout
from scrapekit.headers import Headers
from scrapekit.http import Client, Deadlines, Sizes, Terms
from scrapekit.http.limit import Expired
from scrapekit.http.pace import LOOKS, paced
from scrapekit.testing import SILENCE, FakeNetwork, VirtualClock

RATE, WINDOW = 100, 10.0
LEAST = int(RATE * WINDOW)
LIMITS = Deadlines(first_byte=20.0, total=300.0, min_rate=RATE, rate_window=WINDOW)


class Script:
    """A source that sends ``(seconds to wait, bytes)`` one after the other, then nothing; done at ``length``."""

    full = False

    def __init__(self, *steps, length=math.inf):
        self.steps, self.length = list(steps), length
        self.size = self.reads = 0

    @property
    def done(self):
        return self.size >= self.length

    async def more(self, *, up_to_body=False):
        while True:
            await self.read()
            if self.done or self.full or (up_to_body and self.size):
                return

    async def read(self):
        self.reads += 1
        if not self.steps:
            await curio.sleep(1e6)
        wait, size = self.steps[0]
        # A wait that is cut short by a look at the rate goes on where it was.
        until = getattr(self, "until", None) or await curio.clock() + wait
        self.until = until
        await curio.sleep(max(0.0, until - await curio.clock()))
        self.until = None
        self.steps.pop(0)
        self.size += size

    async def empty(self):
        raise AssertionError("it was never full")


@pytest.fixture
def play(run):
    """How a source ended, and after how many seconds: ``play(source, **other deadlines)``."""

    def player(source, **changed):
        clock = VirtualClock()
        fields = {name: getattr(LIMITS, name) for name in ("first_byte", "total", "min_rate", "rate_window")}
        deadlines = Deadlines(**(fields | changed))

        async def main():
            begun = clock.now
            try:
                await paced(source, deadlines, begun)
            except (FetchTimeout, Expired) as error:
                return error, clock.now - begun
            return None, clock.now - begun

        return run(main, clock=clock)

    return player


def steady(rate, seconds, every=0.5):
    return [(every, int(rate * every))] * int(seconds / every)


def test_a_body_that_drips_is_given_up_after_one_window(play):
    error, seconds = play(Script(*[(0.5, 1)] * 10_000))
    assert isinstance(error, FetchTimeout)
    assert (error.phase, seconds) == ("body", pytest.approx(0.5 + WINDOW))
    assert "100 bytes/s over 10 s" in str(error)


@pytest.mark.parametrize(("rate", "passes"), [(RATE, True), (RATE + 2, True), (RATE - 2, False), (2 * RATE, True)])
def test_the_rate_is_what_it_is_measured_by(play, rate, passes):
    source = Script(*steady(rate, 100), length=rate * 100)
    error, _ = play(source)
    assert (error is None) == passes


@pytest.mark.parametrize("after", [0.0, 4.0, 7.77, 33.3])
def test_a_body_that_stops_is_given_up_within_a_window_and_a_look(play, after):
    flow = steady(1_000, after, every=0.37)
    error, seconds = play(Script((0.1, 10), *flow))
    last = 0.1 + sum(wait for wait, _ in flow)
    assert isinstance(error, FetchTimeout)
    assert abs(seconds - last - WINDOW) <= WINDOW / LOOKS + 0.001


@pytest.mark.parametrize("when", [0.0, 0.5, 3.3, 11.7])
def test_a_body_that_stalls_for_nine_seconds_and_then_comes_quickly_passes(play, when):
    script = Script((0.1, 1), *steady(1_000, when), (9.0, 500), *steady(5_000, 20), length=10_000)
    error, _ = play(script)
    assert error is None


def test_a_window_is_full_before_it_is_judged(play):
    # All but its last byte comes at once; the last one just before, or just after, the window's end.
    assert play(Script((0.0, 1), (WINDOW - 0.01, LEAST - 1), length=LEAST))[0] is None
    assert play(Script((0.0, LEAST - 1), (WINDOW - 0.01, 1), (WINDOW, 1), length=LEAST + 1))[0] is not None
    assert play(Script((0.0, LEAST - 1), (WINDOW + 0.01, 1), length=LEAST))[0] is not None


def test_no_rate_is_asked_for_where_it_is_0(play):
    error, seconds = play(Script(*[(5.0, 1)] * 50, length=50), min_rate=0)
    assert (error, seconds) == (None, 250.0)


def test_the_rate_holds_from_the_first_byte_of_the_body_on(play):
    error, seconds = play(Script((100.0, 0), (100.0, 5), length=5))
    assert (error, seconds) == (None, 200.0)


def test_the_time_for_the_whole_holds_beside_the_rate(play):
    error, seconds = play(Script(*steady(1_000, 1_000)), total=30.0)
    assert isinstance(error, Expired)
    assert (str(error), seconds) == ("after 30 s", 30.0)
    error, seconds = play(Script((0.0, 1)), total=4.0)
    assert isinstance(error, Expired)
    assert seconds == 4.0


def test_without_a_time_for_the_whole_the_first_byte_of_the_body_has_one(play):
    error, seconds = play(Script((5.0, 0)), total=math.inf)
    assert isinstance(error, Expired)
    assert seconds == 20.0
    error, seconds = play(Script(*steady(1_000, 5_000), length=4_000_000), total=math.inf)
    assert (error, seconds) == (None, pytest.approx(4_000))
    error, seconds = play(Script(*[(50.0, 10)] * 100, length=500), total=math.inf, min_rate=0, first_byte=60.0)
    assert (error, seconds) == (None, pytest.approx(2_500))


def test_what_we_take_to_put_a_body_away_is_not_charged_to_the_peer(play):
    class Slow(Script):
        """Full after each piece, and slow to empty."""

        emptied = 0

        @property
        def full(self):
            return self.size > self.emptied

        async def empty(self):
            await curio.sleep(60.0)
            self.emptied = self.size

    error, seconds = play(Slow(*steady(200, 20), length=2_000), total=math.inf)
    assert (error, seconds) == (None, pytest.approx(10.0 + 19 * 60.0))
    error, _ = play(Slow(*[(0.5, 5)] * 1_000, length=5_000), total=math.inf)
    assert isinstance(error, FetchTimeout)


def test_a_kernel_that_was_held_up_does_not_charge_the_peer(run):
    """However late a look comes, it counts once: what has arrived meanwhile is read before the next."""
    clock = VirtualClock()

    async def main():
        source = Script((0.0, 1), *steady(500, 60), length=20_000)

        async def hold():
            for _ in range(3):
                await curio.sleep(7.0)
                clock.now += 25.0

        task = await curio.spawn(hold)
        await paced(source, LIMITS, clock.now)
        await task.cancel()

    run(main, clock=clock)


def test_over_the_wire_the_error_has_its_phase_and_the_connection_is_closed(run):
    clock = VirtualClock()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    network = FakeNetwork({"a.test": {"/drip": (head, *(b"x", 0.5) * 2_000), "/half": (head, b"x" * 5_000, SILENCE)}})

    async def main():
        ended = []
        async with Client(network.resolver, dial=network.dial, now=clock) as client:
            for path in ("drip", "half"):
                begun = clock.now
                try:
                    await client.send("GET", f"http://a.test/{path}", Headers(), terms=Terms(LIMITS, Sizes(2_000_000)))
                except FetchError as error:
                    ended.append((type(error), error.phase, error.address, error.sent, clock.now - begun))
        return ended

    ended = run(main, clock=clock)
    assert ended == [
        (FetchTimeout, "body", "44.0.0.1:80", True, pytest.approx(10.0)),
        (FetchTimeout, "body", "44.0.0.1:80", True, pytest.approx(11.0)),
    ]
    assert network.open == 0
