"""Opening a stream: names, connect and TLS within their time, and nothing left behind."""

from __future__ import annotations

import curio
import pytest

from scrapekit.errors import FetchTimeout, PrivateAddress
from scrapekit.http.address import Address
from scrapekit.http.opening import Opener
from scrapekit.http.terms import Deadlines, Terms, Way
from scrapekit.testing import VirtualClock
from scrapekit.url import split

ADDRESS = Address("192.0.2.1", 443)


class Names:
    """Answers with the same, or with one answer after the other."""

    def __init__(self, *answers):
        self.answers = [[Address(ip, 80) for ip in answer] for answer in answers] or [[ADDRESS]]

    def cached(self, hostname, port):
        return tuple(self.answers[0])

    async def resolve(self, hostname, port):
        return tuple(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])


class Wire:
    secured = False
    closed = False
    address = str(ADDRESS)

    async def close(self):
        self.closed = True


@pytest.fixture
def clock():
    return VirtualClock()


def failing(run, clock, dial, secure=None, *, connect):
    opener = Opener(Names(), dial=dial, secure=secure)
    begin = clock.now
    with pytest.raises(FetchTimeout) as caught:
        run(opener.open, split("https://a.test/"), Terms(Deadlines(connect=connect)), clock=clock)
    return caught.value, clock.now - begin


def test_the_deadline_holds_for_connect_and_tls_together(run, clock):
    wire = Wire()

    async def dial(addresses):
        await curio.sleep(6.0)
        return wire

    async def secure(stream, hostname):
        try:
            await curio.sleep(6.0)
        except BaseException:
            await stream.close()
            raise

    error, waited = failing(run, clock, dial, secure, connect=10.0)
    assert waited == 10.0
    assert (error.phase, error.address) == ("tls", str(ADDRESS))
    assert wire.closed


def test_a_connect_that_is_never_answered_ends_at_the_deadline(run, clock):  # A01
    async def dial(addresses):
        await curio.Event().wait()

    error, waited = failing(run, clock, dial, connect=3.0)
    assert (waited, error.phase, error.address) == (3.0, "connect", str(ADDRESS))


# ---- the guard against private addresses ----

GUARDED = Terms(way=Way(private=False))


def opened(run, names, terms=GUARDED, times=1):
    """To which addresses it would have connected; PrivateAddress where it did not."""
    dialled = []

    async def dial(addresses):
        dialled.append([address.ip for address in addresses])
        return Wire()

    async def main():
        opener = Opener(names, dial=dial)
        for _ in range(times):
            try:
                await opener.open(split("http://a.test/"), terms)
            except PrivateAddress as error:
                dialled.append(error)
        return dialled

    return run(main)


def test_N02_a_name_that_moves_to_this_machine_is_not_followed_there(run):
    public, *refused = opened(run, Names(["44.0.0.1"], ["127.0.0.1"], ["::1"], ["::ffff:7f00:1"]), times=4)
    assert public == ["44.0.0.1"]
    assert [error.phase for error in refused] == ["resolve"] * 3
    assert [error.address for error in refused] == ["127.0.0.1:80", "[::1]:80", "[::ffff:7f00:1]:80"]
    assert 'a.test is at 127.0.0.1 (if it is yours: [hosts."a.test"] allow_private = true)' in str(refused[0])


def test_N02_only_those_of_a_name_s_addresses_that_are_on_the_open_net_are_tried(run):
    answer = ["10.0.0.1", "44.0.0.1", "fe80::1%2", "2606:4700::1111", "127.0.0.1"]
    assert opened(run, Names(answer)) == [["44.0.0.1", "2606:4700::1111"]]


def test_where_there_is_leave_every_address_is_tried(run):
    assert opened(run, Names(["10.0.0.1", "44.0.0.1"]), Terms()) == [["10.0.0.1", "44.0.0.1"]]
