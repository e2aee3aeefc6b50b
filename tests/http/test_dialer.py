"""Opening a stream: the first address that answers, nothing left behind, one deadline for all."""

from __future__ import annotations

import socket

import curio
import pytest

from scrapekit.errors import ConnectFailed
from scrapekit.http.address import Address
from scrapekit.http.dialer import STAGGER, dial, dial_tcp, interleaved
from scrapekit.testing import VirtualClock

V4 = [Address(f"192.0.2.{n}", 80) for n in range(1, 5)]
V6 = [Address(f"2001:db8::{n}", 80) for n in range(1, 5)]


class Wire:
    secured = False

    def __init__(self, address):
        self.address = str(address)
        self.closed = False

    async def close(self):
        self.closed = True


class Net:
    """Addresses that answer after some seconds, refuse after some, or never answer."""

    def __init__(self, clock, **_):
        self.clock = clock
        self.answers: dict[Address, float] = {}
        self.refusals: dict[Address, float] = {}
        self.tried: list[tuple[Address, float]] = []
        self.made: list[Wire] = []

    async def connect(self, address):
        self.tried.append((address, self.clock.now))
        if address in self.answers:
            await curio.sleep(self.answers[address])
            self.made.append(Wire(address))
            return self.made[-1]
        if address in self.refusals:
            await curio.sleep(self.refusals[address])
            raise ConnectionRefusedError(111, "Connection refused")
        return await curio.Event().wait()

    @property
    def left_open(self):
        return [wire.address for wire in self.made if not wire.closed]


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def net(clock):
    return Net(clock)


def test_families_take_turns_the_first_one_first():
    assert interleaved([*V6[:3], *V4[:2]]) == [V6[0], V4[0], V6[1], V4[1], V6[2]]
    assert interleaved([V4[0], *V6[:2]]) == [V4[0], V6[0], V6[1]]
    assert interleaved(V4) == V4
    assert interleaved(V4[:1]) == V4[:1]


def test_a_dead_family_costs_a_quarter_of_a_second(run, clock, net):  # N01, RFC 8305 §5
    net.answers = {V4[0]: 0.05}
    begin = clock.now

    stream = run(dial, [*V6[:2], *V4[:2]], net.connect, clock=clock)
    assert stream.address == str(V4[0])
    assert clock.now - begin == pytest.approx(STAGGER + 0.05)
    assert [address for address, _ in net.tried] == [V6[0], V4[0]]


def test_a_refusal_starts_the_next_attempt_at_once(run, clock, net):
    net.refusals = {V6[0]: 0.01}
    net.answers = {V4[0]: 0.01}
    begin = clock.now
    run(dial, [V6[0], V4[0]], net.connect, clock=clock)
    assert clock.now - begin == pytest.approx(0.02)


def test_the_first_to_answer_wins_though_it_was_tried_later(run, clock, net):
    net.answers = {V6[0]: 5.0, V4[0]: 0.1}
    stream = run(dial, [V6[0], V4[0]], net.connect, clock=clock)
    assert stream.address == str(V4[0])
    assert net.left_open == [str(V4[0])]


def test_two_that_answer_at_the_same_moment_leave_one_open(run, clock, net):
    net.answers = {V6[0]: STAGGER + 0.5, V4[0]: 0.5}
    run(dial, [V6[0], V4[0]], net.connect, clock=clock)
    assert len(net.left_open) == 1


@pytest.mark.parametrize("count", [1, 2, 3])
def test_when_all_refuse_each_reason_is_told(run, clock, net, count):
    addresses = [V6[0], V4[0], V4[1]][:count]
    net.refusals = dict.fromkeys(addresses, 0.3)
    with pytest.raises(ConnectFailed) as caught:
        run(dial, addresses, net.connect, clock=clock)
    assert str(caught.value).count("Connection refused") == count
    assert caught.value.phase == "connect"
    assert all(str(address) in str(caught.value) for address in addresses)


@pytest.mark.parametrize("when", [0.1, 0.3, 0.6])
def test_a_cancelled_race_leaves_nothing_open(run, clock, net, when):
    net.answers = {V6[0]: 0.2, V4[0]: 0.04, V4[1]: 9.0}
    addresses = [V4[1], V6[1], V6[2]]

    async def main():
        task = await curio.spawn(dial, addresses, net.connect)
        await curio.sleep(when)
        await task.cancel()

    run(main, clock=clock)
    assert net.left_open == []


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_a_refused_port_is_our_error_and_leaves_no_descriptor(run):
    port = free_port()
    with pytest.raises(ConnectFailed, match="Connection refused") as caught:
        run(dial_tcp, [Address("127.0.0.1", port)])
    assert caught.value.address == f"127.0.0.1:{port}"


def test_real_sockets_race_and_close(run):
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    async def main():
        stream = await dial_tcp([Address("127.0.0.1", free_port()), Address("127.0.0.1", port)])
        assert stream.address == f"127.0.0.1:{port}"
        assert not stream.pending()
        await stream.close()
        await stream.close()
        assert stream.pending()

    run(main)
    listener.close()
