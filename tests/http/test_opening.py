"""Opening a stream: names, connect and TLS within their time, and nothing left behind."""

from __future__ import annotations

import curio
import pytest

from scrapekit.errors import ConnectFailed, FetchError, FetchTimeout, PrivateAddress, ProxyFailed, TLSFailed
from scrapekit.http.address import Address
from scrapekit.http.opening import Opener
from scrapekit.http.terms import Deadlines, Proxy, Terms, Trust, Way
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


# ---- through proxies ----

PROXY_AT, SITE_AT, SITE_TOO = Address("10.0.0.9", 3128), Address("44.0.0.1", 443), Address("2606:4700::1", 443)
TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"
GRANTED = b"\x05\x00" + b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
REFUSED = b"\x05\x00" + b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"
KINDS = {
    "http": (Proxy("http", "proxy.example", 3128), TUNNEL),
    "https": (Proxy("https", "proxy.example", 3128), TUNNEL),
    "socks5": (Proxy("socks5", "proxy.example", 3128), GRANTED),
    "socks5h": (Proxy("socks5h", "proxy.example", 3128), GRANTED),
    "with credentials": (Proxy("socks5h", "proxy.example", 3128, "me", "pw"), b"\x05\x02\x01\x00" + GRANTED[2:]),
}
BY_KIND = pytest.mark.parametrize(("proxy", "answers"), KINDS.values(), ids=KINDS)


class Street:
    """A proxy and what stands before it: each await is a step, which may fail, or never end (``halts``, from 1).

    ``log`` says what was done; ``answers`` is what the proxy sends on each connection, ``chop`` bytes at a time.
    """

    def __init__(self, *answers, halts=0, fails=None, chop=1 << 20):
        self.answers, self.halts, self.fails, self.chop = list(answers), halts, fails, chop
        self.steps, self.open, self.log = 0, 0, []
        self.halted = curio.Event()

    async def step(self, what):
        self.log.append(what)
        self.steps += 1
        if self.steps == self.halts:
            if self.fails is not None:
                raise self.fails
            await self.halted.set()
            await curio.Event().wait()

    async def resolve(self, hostname, port):
        await self.step(f"resolve {hostname}")
        return (PROXY_AT,) if hostname == "proxy.example" else (SITE_AT, SITE_TOO)

    async def dial(self, addresses):
        await self.step(f"dial {addresses[0]}")
        self.open += 1
        return House(self, self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])

    async def secure(self, stream, hostname):
        try:
            await self.step(f"secure {hostname}")
        except BaseException:
            await stream.close()
            raise
        return Lock(stream)

    def opener(self):
        return Opener(self, dial=self.dial, secure=self.secure)


class House:
    secured = closed = False
    address = str(PROXY_AT)

    def __init__(self, street, answers):
        self.street, self.answers, self.said = street, answers, b""

    async def read(self, size):
        await self.street.step("read")
        size = min(size, self.street.chop)
        data, self.answers = self.answers[:size], self.answers[size:]
        return data

    async def write(self, data):
        await self.street.step("write")
        self.said += data[: self.street.chop]
        return min(len(data), self.street.chop)

    def pending(self):
        return bool(self.answers)

    async def close(self):
        self.street.open -= not self.closed
        self.closed = True


class Lock(House):
    secured = True

    def __init__(self, stream):
        self.stream, self.address = stream, stream.address

    async def read(self, size):
        return await self.stream.read(size)

    async def write(self, data):
        return await self.stream.write(data)

    async def close(self):
        await self.stream.close()


def by(proxy, **deadlines):
    return Terms(Deadlines(**{"connect": 10.0, "tls": 4.0} | deadlines), way=Way(proxy))


@BY_KIND
@pytest.mark.parametrize("url", ["https://site.test/", "http://site.test/"])
@pytest.mark.parametrize("chop", [1, 2, 3, 5, 1 << 20])
def test_a_stream_comes_out_behind_any_proxy_however_its_bytes_are_cut(run, proxy, answers, url, chop):
    forwarded = url.startswith("http:") and proxy.scheme.startswith("http")
    tail = b"" if answers == TUNNEL and not forwarded else b"!"  # whose server would speak first
    street = Street(answers + tail, chop=chop)

    async def main():
        stream = await street.opener().open(split(url), by(proxy))
        assert stream.secured is url.startswith("https")
        assert stream.address == (str(SITE_AT) if proxy.scheme == "socks5" else "")
        left = b"".join([await stream.read(1 << 20) for _ in range(len(answers) + 1)])
        await stream.close()
        # What follows is the site's; a proxy that was asked for no tunnel has said nothing yet.
        assert left == (answers + tail if forwarded else tail)

    run(main)
    assert street.open == 0


@BY_KIND
def test_the_site_s_name_is_looked_up_by_the_proxy_where_it_can(run, proxy, answers):
    street = Street(answers)
    run(lambda: closing(street.opener().open(split("https://site.test/"), by(proxy))))
    looked_up = [step for step in street.log if step.startswith("resolve")]
    assert looked_up == ["resolve site.test"] * (proxy.scheme == "socks5") + ["resolve proxy.example"]
    assert [step for step in street.log if step.startswith("dial")] == [f"dial {PROXY_AT}"]
    secured = ["secure proxy.example"] * (proxy.scheme == "https") + ["secure site.test"]
    assert [step for step in street.log if step.startswith("secure")] == secured


async def closing(opening):
    stream = await opening
    await stream.close()
    return stream


@BY_KIND
@pytest.mark.parametrize("url", ["https://site.test/", "http://site.test/"])
def test_a_cancellation_at_any_step_leaves_nothing_open(run, proxy, answers, url):
    async def cancelled(halts):
        street = Street(answers, halts=halts, chop=4)
        task = await curio.spawn(closing, street.opener().open(split(url), by(proxy)))
        while not task.terminated and not street.halted.is_set():
            await curio.sleep(0)
        await task.cancel()
        assert street.open == 0, street.log
        return not street.halted.is_set()

    async def main():
        steps = 1
        while not await cancelled(steps):
            steps += 1
        return steps

    assert run(main) >= 3


@BY_KIND
@pytest.mark.parametrize("url", ["https://site.test/", "http://site.test/"])
@pytest.mark.parametrize(
    "error",
    [
        OSError(104, "Connection reset by peer"),
        ConnectFailed("cannot connect"),
        TLSFailed("the certificate has expired"),
    ],
    ids=["reset", "refused", "tls"],
)
def test_whatever_fails_on_the_way_to_the_site_is_the_proxy_s_failure(run, proxy, answers, url, error):
    """But for the site's own name and its own TLS."""

    async def failure(halts):
        street = Street(answers, halts=halts, fails=error, chop=4)
        try:
            await closing(street.opener().open(split(url), by(proxy)))
        except (FetchError, OSError) as caught:
            return street, caught
        return street, None

    async def main():
        halts = 0
        while True:
            halts += 1
            street, caught = await failure(halts)
            assert street.open == 0, street.log
            if caught is None:
                return halts
            own = street.log[-1] in ("resolve site.test", "secure site.test")
            assert isinstance(caught, ProxyFailed) is not own, street.log
            if not own:
                assert "proxy.example:3128: " in caught.detail
                assert caught.address == "", "an address in the ledger is the site's"

    assert run(main) >= 3


#   what never ends            phase      after, seconds
STALLS = {
    "dial 10.0.0.9:3128": ("connect", 10.0),
    "secure proxy.example": ("tls", 4.0),
    "write": ("head", 10.0),
    "read": ("head", 10.0),
}


@BY_KIND
@pytest.mark.parametrize("what", STALLS)
def test_a_proxy_that_does_not_go_on_fails_at_the_deadline(run, clock, proxy, answers, what):
    probe = Street(answers)
    run(lambda: closing(probe.opener().open(split("https://site.test/"), by(proxy))))
    if what not in probe.log:
        assert what == "secure proxy.example", "only an https proxy has TLS"
        return
    street, begin = Street(answers, halts=probe.log.index(what) + 1), clock.now
    with pytest.raises(ProxyFailed) as caught:
        run(street.opener().open, split("https://site.test/"), by(proxy), clock=clock)
    phase, after = STALLS[what]
    assert (caught.value.phase, clock.now - begin) == (phase, after)
    assert street.open == 0


@BY_KIND
def test_the_site_s_tls_behind_a_proxy_has_its_own_deadline_and_is_the_site_s(run, clock, proxy, answers):
    probe = Street(answers)
    run(lambda: closing(probe.opener().open(split("https://site.test/"), by(proxy))))
    street, begin = Street(answers, halts=probe.log.index("secure site.test") + 1), clock.now
    with pytest.raises(FetchTimeout) as caught:
        run(street.opener().open, split("https://site.test/"), by(proxy), clock=clock)
    assert (caught.value.phase, clock.now - begin) == ("tls", 4.0)
    assert street.open == 0


def test_another_of_the_site_s_addresses_is_tried_where_the_proxy_has_no_way_to_one(run):
    street = Street(REFUSED, GRANTED)
    stream = run(lambda: closing(street.opener().open(split("https://site.test/"), by(KINDS["socks5"][0]))))
    assert stream.address == str(SITE_TOO)
    assert street.open == 0


def test_where_it_has_no_way_to_any_the_last_refusal_is_told(run):
    street = Street(REFUSED)
    with pytest.raises(ProxyFailed, match="no way to the site: connection refused") as caught:
        run(street.opener().open, split("http://site.test/"), by(KINDS["socks5"][0]))
    assert caught.value.refused
    assert [step for step in street.log if step.startswith("dial")] == [f"dial {PROXY_AT}"] * 2
    assert street.open == 0


def test_a_proxy_that_is_broken_is_not_asked_for_the_next_address(run):
    street = Street(b"SSH-2.0-x\r\n")
    with pytest.raises(ProxyFailed):
        run(street.opener().open, split("http://site.test/"), by(KINDS["socks5"][0]))
    assert sum(step.startswith("dial") for step in street.log) == 1


def test_the_guard_holds_for_the_site_and_not_for_the_proxy(run):
    class Inside(Street):
        async def resolve(self, hostname, port):
            return (Address("10.0.0.9", port),)

    guarded = Terms(way=Way(KINDS["socks5"][0], private=False))
    with pytest.raises(PrivateAddress):
        run(Inside(GRANTED).opener().open, split("http://site.test/"), guarded)
    guarded = Terms(way=Way(KINDS["http"][0], private=False))
    run(lambda: closing(Inside(TUNNEL).opener().open(split("https://site.test/"), guarded)))


def test_a_proxy_is_verified_though_the_site_is_not():
    opener = Opener(Names())
    way = Way(KINDS["https"][0], Trust(verify=False, ca_file="ca.pem", certificate="me.pem"), http2=True)
    to_site = opener._securing(way.trust, http2=way.http2).__self__
    assert "unverified" in repr(to_site)
    assert repr(opener._securing(Trust(ca_file="ca.pem")).__self__) == "<TLS + ca.pem>"
