"""Names to addresses: looked up off the kernel, once each, and remembered for a while."""

from __future__ import annotations

import socket
import threading

import curio
import pytest

from scrapekit.errors import ConfigError, ConnectFailed, FetchTimeout, NameServerFailed, ResolveFailed
from scrapekit.http.address import Address
from scrapekit.http.opening import Opener
from scrapekit.http.resolver import FAILED_TTL, MAX_ADDRESSES, STALE, Resolver, system_addresses
from scrapekit.http.terms import Terms
from scrapekit.testing import VirtualClock
from scrapekit.url import split


class System:
    """Stands for getaddrinfo: answers from a table, counts, and can be made to wait for a word."""

    def __init__(self, table=None, *, held=False):
        self.table = table or {}
        self.asked: list[str] = []
        self.out = self.peak = 0
        self._lock = threading.Lock()
        self.word = threading.Event()
        if not held:
            self.word.set()

    def __call__(self, hostname):
        with self._lock:
            self.asked.append(hostname)
            self.out += 1
            self.peak = max(self.peak, self.out)
        self.word.wait(10)
        with self._lock:
            self.out -= 1
        answer = self.table.get(hostname, ["192.0.2.1"])
        if isinstance(answer, OSError):
            raise answer
        return answer


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


NO_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
FAILURE = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


async def settled(resolver):
    while resolver._out:
        await curio.sleep(0.001)


def test_an_answer_is_asked_for_once_and_holds_for_its_time(run):
    system, clock = System({"a.test": ["192.0.2.1", "2001:db8::1"]}), Clock()
    resolver = Resolver(getaddrinfo=system, now=clock, ttl=300.0)

    async def main():
        assert resolver.cached("a.test", 80) is None
        expected = (Address("192.0.2.1", 80), Address("2001:db8::1", 80))
        for wait in (0.0, 299.9):
            clock.now = 100.0 + wait
            assert await resolver.resolve("a.test", 80) == expected
            assert resolver.cached("a.test", 443) == (Address("192.0.2.1", 443), Address("2001:db8::1", 443))
        assert system.asked == ["a.test"]
        clock.now = 400.0
        assert resolver.cached("a.test", 80) is None
        await resolver.resolve("a.test", 80)
        assert system.asked == ["a.test", "a.test"]

    run(main)


def test_a_name_without_address_is_remembered_briefly(run):  # N01
    system, clock = System({"a.test": NO_NAME}), Clock()
    resolver = Resolver(getaddrinfo=system, now=clock, negative_ttl=30.0)

    async def main():
        for wait in (0.0, 29.9):
            clock.now = 100.0 + wait
            with pytest.raises(ResolveFailed, match="a.test: Name or service not known") as caught:
                await resolver.resolve("a.test", 80)
            assert (caught.value.phase, caught.value.host) == ("resolve", "a.test")
            assert isinstance(resolver.cached("a.test", 80), ResolveFailed)
        assert system.asked == ["a.test"]
        clock.now = 130.0
        system.table["a.test"] = ["192.0.2.9"]
        assert await resolver.resolve("a.test", 80) == (Address("192.0.2.9", 80),)

    run(main)


@pytest.mark.parametrize("answer", [NO_NAME, [], UnicodeError("label empty or too long")])
def test_whatever_the_system_raises_is_our_error(run, answer):
    def system(hostname):
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def main():
        with pytest.raises(ResolveFailed):
            await Resolver(getaddrinfo=system).resolve("a.test", 80)

    run(main)


def test_fifty_addresses_are_cut_to_a_few_and_doubles_left_out(run):  # N01
    system = System({"a.test": [f"192.0.2.{n // 2}" for n in range(100)]})

    async def main():
        found = await Resolver(getaddrinfo=system).resolve("a.test", 80)
        assert found == tuple(Address(f"192.0.2.{n}", 80) for n in range(MAX_ADDRESSES))

    run(main)


@pytest.mark.parametrize("many", [MAX_ADDRESSES, 50])
def test_many_addresses_of_one_family_leave_room_for_the_other(run, many):  # N01, RFC 8305 §4
    system = System({"a.test": [f"2606:4700::{n:x}" for n in range(many)] + ["44.0.0.1", "44.0.0.2"]})

    async def main():
        found = await Resolver(getaddrinfo=system).resolve("a.test", 80)
        assert [address.ip for address in found][-2:] == ["44.0.0.1", "44.0.0.2"]
        assert len(found) == MAX_ADDRESSES + 2

    run(main)


# ---- name servers that fail ----


@pytest.mark.parametrize("error", [FAILURE, socket.gaierror(socket.EAI_FAIL, "x"), OSError(24, "Too many open files")])
def test_N01_that_nobody_can_say_is_another_error_and_remembered_for_less(run, error):
    system, clock = System({"a.test": error}), Clock()
    resolver = Resolver(getaddrinfo=system, now=clock, negative_ttl=30.0)

    async def main():
        for wait in (0.0, FAILED_TTL - 0.1):
            clock.now = 100.0 + wait
            with pytest.raises(NameServerFailed, match="a.test: ") as caught:
                await resolver.resolve("a.test", 80)
            assert (caught.value.phase, caught.value.reason) == ("resolve", "name server")
        assert system.asked == ["a.test"]
        clock.now = 100.0 + FAILED_TTL
        system.table["a.test"] = ["192.0.2.9"]
        assert await resolver.resolve("a.test", 80) == (Address("192.0.2.9", 80),)

    run(main)


@pytest.mark.parametrize(("later", "known"), [(0.0, True), (STALE - 0.1, True), (STALE, False)])
def test_what_was_known_is_used_for_a_while_where_the_name_servers_fail(run, later, known):  # RFC 8767
    system, clock = System({"a.test": ["192.0.2.1"]}), Clock()
    resolver = Resolver(getaddrinfo=system, now=clock, ttl=300.0)

    async def main():
        await resolver.resolve("a.test", 80)
        system.table["a.test"] = FAILURE
        clock.now = 400.0
        assert await resolver.resolve("a.test", 80) == (Address("192.0.2.1", 80),)
        clock.now = 400.0 + later
        if known:
            assert await resolver.resolve("a.test", 80) == (Address("192.0.2.1", 80),)
            assert len(system.asked) == 2 + bool(later)
        else:
            with pytest.raises(NameServerFailed):
                await resolver.resolve("a.test", 80)

    run(main)


def test_a_name_that_is_gone_is_not_used_any_more(run):
    system, clock = System({"a.test": ["192.0.2.1"]}), Clock()
    resolver = Resolver(getaddrinfo=system, now=clock, ttl=300.0)

    async def main():
        await resolver.resolve("a.test", 80)
        for clock.now, system.table["a.test"] in ((400.0, NO_NAME), (430.0, FAILURE)):
            with pytest.raises(ResolveFailed):
                await resolver.resolve("a.test", 80)

    run(main)


def test_what_was_known_is_used_where_the_name_servers_do_not_answer(run):
    system, clock = System({"a.test": ["192.0.2.1"]}), Clock()
    resolver = Resolver(getaddrinfo=system, now=clock, ttl=300.0, timeout=0.02)

    async def main():
        await resolver.resolve("a.test", 80)
        system.word.clear()
        clock.now = 400.0
        assert await resolver.resolve("a.test", 80) == (Address("192.0.2.1", 80),)
        system.word.set()
        await settled(resolver)

    run(main)


def test_a_name_at_whose_addresses_nobody_answers_is_looked_up_anew(run):
    system = System({"a.test": ["192.0.2.1"]})
    resolver = Resolver({"s.test": "192.0.2.7"}, getaddrinfo=system)

    async def main():
        await resolver.resolve("a.test", 80)
        for name in ("a.test", "s.test", "unknown.test", "192.0.2.1"):
            resolver.forget(name)
        assert resolver.cached("a.test", 80) is None
        assert resolver.cached("s.test", 80) == (Address("192.0.2.7", 80),)
        system.table["a.test"] = ["192.0.2.2"]
        assert await resolver.resolve("a.test", 80) == (Address("192.0.2.2", 80),)

    run(main)


def test_a_refused_connection_makes_a_name_be_looked_up_anew(run):
    system = System({"a.test": ["127.0.0.1"]})

    async def refuse(addresses):
        raise ConnectFailed("Connection refused")

    async def main():
        opener = Opener(Resolver(getaddrinfo=system), dial=refuse)
        for times in (1, 2):
            with pytest.raises(ConnectFailed):
                await opener.open(split("http://a.test/"), Terms())
            assert len(system.asked) == times

    run(main)


# ---- many at once ----


def test_one_look_up_serves_all_who_ask_also_when_the_first_gives_up(run):
    system = System(held=True)
    resolver = Resolver(getaddrinfo=system)

    async def main():
        tasks = [await curio.spawn(resolver.resolve, "a.test", port) for port in range(1, 6)]
        await curio.sleep(0.01)
        await tasks[0].cancel()
        system.word.set()
        assert [(await task.join())[0].port for task in tasks[1:]] == [2, 3, 4, 5]
        assert system.asked == ["a.test"]
        await settled(resolver)

    run(main)


@pytest.mark.parametrize("limit", [1, 2, 16])
def test_only_so_many_look_ups_are_out(run, limit):
    system = System(held=True)
    resolver = Resolver(getaddrinfo=system, max_out=limit)

    async def main():
        tasks = [await curio.spawn(resolver.resolve, f"{n}.test", 80) for n in range(20)]
        while system.out < limit:
            await curio.sleep(0.001)
        system.word.set()
        for task in tasks:
            await task.join()
        assert system.peak <= limit
        assert len(system.asked) == 20
        await settled(resolver)

    run(main)


def test_a_look_up_that_timed_out_is_not_started_again_and_its_answer_is_used(run):
    system = System(held=True)
    resolver = Resolver(getaddrinfo=system, timeout=0.02)

    async def main():
        for _ in range(3):
            with pytest.raises(FetchTimeout) as caught:
                await resolver.resolve("a.test", 80)
            assert caught.value.phase == "resolve"
        assert system.asked == ["a.test"]
        assert repr(resolver) == "<Resolver 0 static, 0 known, 1 out>"
        system.word.set()
        await settled(resolver)
        assert resolver.cached("a.test", 80) == (Address("192.0.2.1", 80),)

    run(main)


def test_N01_no_name_fails_for_the_slowness_of_others(run):
    """Its time runs from when its own look-up began, and what is slow lets others pass."""
    word = threading.Event()

    def system(hostname):
        if hostname.startswith("slow"):
            word.wait(10)
        return ["192.0.2.1"]

    resolver = Resolver(getaddrinfo=system, max_out=2, timeout=0.02, patience=0.1)

    async def main():
        slow = [await curio.spawn(resolver.resolve, f"slow{n}.test", 80) for n in range(2)]
        while len(resolver._out) < 2:
            await curio.sleep(0.001)
        assert await resolver.resolve("fast.test", 80) == (Address("192.0.2.1", 80),)
        assert len(resolver._out) == 2
        for task in slow:
            with pytest.raises(curio.TaskError) as caught:
                await task.join()
            assert isinstance(caught.value.__cause__, FetchTimeout)
        word.set()
        await settled(resolver)

    run(main)


def test_a_slow_name_does_not_hold_up_another(run):
    word = threading.Event()

    def system(hostname):
        if hostname == "slow.test":
            word.wait(10)
        return ["192.0.2.1"]

    resolver = Resolver(getaddrinfo=system)

    async def main():
        slow = await curio.spawn(resolver.resolve, "slow.test", 80)
        await resolver.resolve("fast.test", 80)
        assert not slow.terminated
        word.set()
        await slow.join()
        await settled(resolver)

    run(main)


def test_a_virtual_clock_stands_still_while_a_look_up_is_out(run):
    system, clock = System(held=True), VirtualClock()
    resolver = Resolver(getaddrinfo=system, now=clock)

    async def main():
        threading.Timer(0.05, system.word.set).start()
        await resolver.resolve("a.test", 80)

    begin = clock.now
    run(main, clock=clock)
    assert clock.now == begin


def test_close_gives_up_what_is_out(run):
    system = System(held=True)
    resolver = Resolver(getaddrinfo=system)

    async def main():
        task = await curio.spawn(resolver.resolve, "a.test", 80)
        await curio.sleep(0.01)
        await resolver.close()
        with pytest.raises(curio.TaskError) as caught:
            await task.join()
        assert isinstance(caught.value.__cause__, ResolveFailed)

    run(main)
    system.word.set()
    for thread in threading.enumerate():
        if thread.name.startswith("scrapekit"):
            thread.join()  # it comes back after its kernel is gone, and says nothing


@pytest.mark.parametrize(
    ("target", "ip", "port"),
    [
        ("127.0.0.1:8900", "127.0.0.1", 8900),
        ("127.0.0.1", "127.0.0.1", 80),
        ("[::1]:8900", "::1", 8900),
        ("[::1]", "::1", 80),
        ("::1", "::1", 80),
    ],
)
def test_static_names_need_no_look_up_and_may_replace_the_port(run, target, ip, port):
    system = System()
    resolver = Resolver({"Books.test": target}, getaddrinfo=system)
    assert resolver.cached("books.test", 80) == (Address(ip, port),)
    assert run(resolver.resolve, "books.test", 80) == (Address(ip, port),)
    assert resolver.cached("other.test", 80) is None
    assert system.asked == []


def test_a_static_name_with_a_port_goes_before_the_one_without():
    resolver = Resolver({"a.test": "127.0.0.1", "a.test:8080": "127.0.0.2:9"})
    assert resolver.cached("a.test", 80) == (Address("127.0.0.1", 80),)
    assert resolver.cached("a.test.", 8080) == (Address("127.0.0.2", 9),)


@pytest.mark.parametrize(
    "target", ["localhost", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:x", "300.0.0.1", "", ":80"]
)
def test_a_static_target_that_is_no_address_is_refused(target):
    with pytest.raises(ConfigError, match="books.test"):
        Resolver({"books.test": target})


@pytest.mark.parametrize("name", ["", "*.test", "a b"])
def test_a_static_name_that_is_none_is_refused(name):
    with pytest.raises(ConfigError):
        Resolver({name: "127.0.0.1"})


@pytest.mark.parametrize("ip", ["192.0.2.7", "2001:db8::7", "::1"])
def test_an_address_needs_no_look_up(ip):
    assert Resolver(getaddrinfo=System()).cached(ip, 80) == (Address(ip, 80),)


def test_the_system_knows_this_machine():
    assert {"127.0.0.1", "::1"} & set(system_addresses("localhost"))


def test_an_address_is_written_as_urls_do():
    assert str(Address("192.0.2.1", 80)) == "192.0.2.1:80"
    assert str(Address("::1", 80)) == "[::1]:80"
    assert Address("fe80::1%3", 80).sockaddr == ("fe80::1", 80, 0, 3)
