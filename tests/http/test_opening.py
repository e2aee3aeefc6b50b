"""Opening a stream: names, connect and TLS within their time, and nothing left behind."""

from __future__ import annotations

import curio
import pytest

from scrapekit.errors import FetchTimeout
from scrapekit.http.address import Address
from scrapekit.http.opening import Opener
from scrapekit.http.terms import Deadlines, Terms
from scrapekit.testing import VirtualClock
from scrapekit.url import split

ADDRESS = Address("192.0.2.1", 443)


class Names:
    def cached(self, hostname, port):
        return (ADDRESS,)

    async def resolve(self, hostname, port):
        return (ADDRESS,)


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
