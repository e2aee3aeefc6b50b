"""N: names that have no address, too many, or the wrong ones first."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import curio
import pytest

from scrapekit.errors import ConnectFailed, FetchError, FetchTimeout, NameServerFailed, ResolveFailed
from scrapekit.http import Deadlines, Resolver
from scrapekit.retry import pause_before_retry
from tests.scenarios.web import LATE, Web, deaf, send

NXDOMAIN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
SERVFAIL = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
#: On Linux all of 127/8 is this machine; nobody listens at these.
DEAD = [f"127.0.0.{number}" for number in range(2, 51)]


class Names:
    """What the system's resolver answers: addresses, or an error; and how often it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {name.replace("_", "."): answer for name, answer in answers.items()}
        self.asked: Counter[str] = Counter()

    def __call__(self, name: str) -> list[str]:
        self.asked[name] += 1
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return list(answer() if callable(answer) else answer)


@pytest.mark.parametrize(("error", "kind"), [(NXDOMAIN, ResolveFailed), (SERVFAIL, NameServerFailed)])
def test_N01_a_name_without_an_address_is_our_error_and_remembered_briefly(
    web: Callable[..., Web], error: OSError, kind: type[FetchError]
) -> None:
    good, names = web({}), Names(no_test=error)

    async def main(client: Any) -> FetchError:
        for _ in range(3):
            with pytest.raises(FetchError) as caught:
                await send(client, "/good", host="no.test")
            assert (await send(client, "/good")).body == b"good"
        return caught.value

    failed = good.talk(main, look_up=names)
    assert (type(failed), failed.phase, failed.host, failed.sent) == (kind, "resolve", "no.test", False)
    assert pause_before_retry(failed, attempt=1, repeatable=False) is not None
    assert names.asked == {"no.test": 1}
    assert good.server.paths() == ["/good"] * 3


@pytest.mark.parametrize(("seconds", "times"), [(29.0, 1), (31.0, 2)])
def test_N01_it_is_looked_up_again_a_little_later(run: Callable[..., Any], seconds: float, times: int) -> None:
    names, now = Names(no_test=NXDOMAIN), [0.0]

    async def main() -> None:
        resolver = Resolver(getaddrinfo=names, now=lambda: now[0])
        for now[0] in (0.0, seconds):
            with pytest.raises(ResolveFailed):
                await resolver.resolve("no.test", 80)
        await resolver.close()

    run(main)
    assert names.asked["no.test"] == times


def test_N01_a_resolver_that_does_not_answer_is_a_timeout_and_holds_up_nobody_else(run: Callable[..., Any]) -> None:
    over = threading.Event()
    names = Names(slow_test=lambda: over.wait(10) and [], good_test=["127.0.0.1"])

    async def main() -> FetchTimeout:
        resolver = Resolver(getaddrinfo=names, timeout=0.2)
        slow = await curio.spawn(resolver.resolve, "slow.test", 80)
        await curio.sleep(0.01)
        assert [address.ip for address in await resolver.resolve("good.test", 80)] == ["127.0.0.1"]
        assert not slow.terminated
        with pytest.raises(curio.TaskError) as caught:
            await slow.join()
        over.set()
        await resolver.close()
        error = caught.value.__cause__
        assert isinstance(error, FetchTimeout)
        return error

    error = run(main)
    assert (error.phase, error.host) == ("resolve", "slow.test")
    assert names.asked == {"slow.test": 1, "good.test": 1}


def test_N01_of_fifty_addresses_some_are_tried_and_the_one_that_answers_is_used(web: Callable[..., Web]) -> None:
    good = web({})
    names = Names(many_test=[DEAD[0], DEAD[1], "127.0.0.1", *DEAD[2:]], none_test=DEAD)

    async def main(client: Any) -> ConnectFailed:
        host = f"many.test:{good.server.port}"
        assert (await send(client, "/good", host=host)).body == b"good"
        with pytest.raises(ConnectFailed) as caught:
            await send(client, "/good", host=f"none.test:{good.server.port}")
        assert (await send(client, "/good", host=host)).reused
        return caught.value

    began = time.monotonic()
    error = good.talk(main, look_up=names)
    assert time.monotonic() - began < 5.0
    assert error.phase == "connect"
    assert error.detail.count("refused") == 8
    assert (good.server.connections, good.server.paths()) == (1, ["/good", "/good"])


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("dead", ["127.0.0.2", "::1" if has_ipv6() else "127.0.0.3"])
def test_N01_a_dead_address_costs_a_quarter_of_a_second(web: Callable[..., Web], dead: str) -> None:
    good, names = web({}), Names(two_test=[dead, "127.0.0.1"])

    async def main(client: Any) -> float:
        began: float = await curio.clock()
        reply = await send(client, "/good", host=f"two.test:{good.server.port}", deadlines=LATE)
        assert (reply.body, reply.address) == (b"good", f"127.0.0.1:{good.server.port}")
        return await curio.clock() - began

    with deaf(dead, good.server.port):
        seconds = good.talk(main, look_up=names)
    assert 0.2 < seconds < 1.0
    assert good.server.connections == 1


def test_N01_all_addresses_dead_is_a_timeout_of_connecting(web: Callable[..., Web]) -> None:
    good = web({})
    with deaf("127.0.0.2", good.server.port), deaf("127.0.0.3", good.server.port):
        names = Names(dead_test=["127.0.0.2", "127.0.0.3"])

        async def main(client: Any) -> FetchTimeout:
            with pytest.raises(FetchTimeout) as caught:
                await send(client, "/good", host=f"dead.test:{good.server.port}", deadlines=Deadlines(0.4, 5.0, 5.0))
            assert (await send(client, "/good")).body == b"good"
            return caught.value

        assert good.talk(main, look_up=names).phase == "connect"
