"""The misbehaving server and a client that talks to it: what is asserted of every play."""

from __future__ import annotations

import socket
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import curio
import pytest

from scrapekit.errors import FetchError
from scrapekit.headers import Headers
from scrapekit.http import Client, Deadlines, Reply, Resolver, Session, Sizes, Terms, Way
from scrapekit.http.terms import DIRECT
from scrapekit.testing import FakeNetwork, VirtualClock
from tests.scenarios.crawling import Crawled, Visit, crawl_of
from tests.scenarios.server import GOOD, Play, Server

#: Nothing in a test that is to succeed takes a tenth as long, also on a busy machine.
LATE: Final = Deadlines(connect=10.0, first_byte=10.0, total=10.0, tls=10.0)
#: Where nothing more comes the deadline is all that is waited for.
SOON: Final = Deadlines(connect=10.0, first_byte=0.5, total=0.5, tls=10.0)
#: The same in virtual seconds.
VIRTUAL: Final = Deadlines(connect=10.0, first_byte=20.0, total=30.0)

MAX_SIZE: Final = 100_000
#: As many places to cut the bytes of an answer are tried.
CUTS: Final = 300


class Web:
    """The server with some plays, and what is asserted of each of them."""

    #: What a crawl may be told to go by is made of this.
    spider = Visit

    def __init__(self, run: Callable[..., Any], plays: Mapping[str, Play], **options: Any) -> None:
        self._run = run
        self.server = Server({"/good": GOOD, **plays}, **options)
        self.more_names: list[str] = []
        self.others: list[Server] = []  # that are talked to as well

    def talk(
        self,
        main: Callable[[Client], Any],
        *,
        names: Mapping[str, str] | None = None,
        look_up: Callable[[str], Iterable[str]] | None = None,
        **options: Any,
    ) -> Any:
        """Run ``main(client)``; afterwards no connection, descriptor or task is left.

        ``look_up`` answers for names that ``names`` does not have.
        """

        async def whole() -> Any:
            resolver = Resolver(names or self.names, getaddrinfo=look_up)
            async with Client(resolver, **options) as client:
                result = await main(client)
            await resolver.close()
            await curio.run_in_thread(self.settle)
            return result

        return self._run(whole)

    def session(self, main: Callable[[Session], Any], **options: Any) -> Any:
        """Run ``main(session)`` in the same way."""

        async def whole() -> Any:
            async with Session(resolve=self.names, **options) as session:
                result = await main(session)
            await curio.run_in_thread(self.settle)
            return result

        return self._run(whole)

    def crawl(self, urls: Sequence[Any], *sets: str, clock: Any = None, **more: Any) -> Crawled:
        """Crawl these; the names are the same. robots.txt is not there unless a play says otherwise.

        ``clock`` is one that can ``run``.
        """
        resolve = [f"resolve.'{name}'={address}" for name, address in self.names.items()]

        async def whole() -> Crawled:
            crawled = await crawl_of(urls, *resolve, *sets, clock=clock, **more)
            await curio.run_in_thread(self.settle)
            return crawled

        crawled: Crawled = self._run(whole, clock=clock)
        return crawled

    def settle(self) -> None:
        """Wait until the servers' connections have ended, which the client must have done; they are this process's."""
        for server in (self.server, *self.others):
            server.settle()

    @property
    def names(self) -> dict[str, str]:
        return dict.fromkeys(("a.test", "www.a.test", "b.test", *self.more_names), f"127.0.0.1:{self.server.port}")

    def answers(
        self, path: str, body: bytes = b"good", status: int = 200, *, kept: bool, method: str = "GET", cut: bool = True
    ) -> Reply:
        """The play ends in this answer, for one request on one connection; the next request gets its own.

        ``kept`` says whether on the same connection. Then the same bytes, cut everywhere.
        """
        before, seen = self.server.connections, len(self.server.asked)

        async def main(client: Client) -> Reply:
            reply = await send(client, path, method=method)
            while self.server.playing:  # what is sent too late is here by then
                await curio.sleep(0.002)
            assert (await send(client, "/good")).body == b"good"
            return reply

        reply: Reply = self.talk(main)
        assert (reply.status, reply.body) == (status, body)
        assert self.server.paths()[seen:] == [path, "/good"]
        assert self.server.connections - before == (1 if kept else 2)
        if cut:
            self.everywhere(path, (status, body), method)
        return reply

    def fails(
        self,
        path: str,
        kind: type[FetchError],
        phase: str,
        *,
        deadlines: Deadlines = LATE,
        cut: bool = True,
        sizes: Sizes | None = None,
    ) -> FetchError:
        """The play ends in this error, for one request on one connection, which is closed; the next one is answered."""
        before, seen = self.server.connections, len(self.server.asked)

        async def main(client: Client) -> FetchError:
            with pytest.raises(FetchError) as caught:
                await send(client, path, deadlines=deadlines, sizes=sizes)
            assert repr(client.pool) == "<Pool 0 idle>"
            assert (await send(client, "/good")).body == b"good"
            return caught.value

        error: FetchError = self.talk(main)
        assert (type(error), error.phase) == (kind, phase), error
        assert (error.url, error.host, error.address, error.sent, error.reused) == (
            f"http://a.test{path}",
            "a.test",
            f"127.0.0.1:{self.server.port}",
            True,
            False,
        )
        assert "\n" not in str(error)
        assert self.server.paths()[seen:] == [path, "/good"]
        assert self.server.connections - before == 2
        if cut:
            self.everywhere(path, (kind, phase))
        return error

    def everywhere(self, path: str, expected: tuple[Any, ...], method: str = "GET") -> None:
        """Play the same bytes in memory, cut in two at every position: the outcome is the same, and the next one's."""
        steps = in_memory(self.server.plays[path])
        clock = VirtualClock()

        async def whole() -> None:
            for cut in cuts(steps):
                network = FakeNetwork({"a.test": {"/": cut, "/good": GOOD}})
                async with Client(network.resolver, dial=network.dial, now=clock) as client:
                    got = await outcome(client, method)
                    assert got == expected, cut
                    await curio.sleep(1.0)
                    assert (await send(client, "/good", deadlines=VIRTUAL)).body == b"good", cut
                assert network.open == 0

        self._run(whole, clock=clock)


async def send(
    client: Client,
    path: str,
    *,
    host: str = "a.test",
    scheme: str = "http",
    method: str = "GET",
    deadlines: Deadlines = LATE,
    sizes: Sizes | None = None,
    way: Way = DIRECT,
    **options: Any,
) -> Reply:
    """One request to the server, on these terms."""
    terms = Terms(deadlines, sizes or Sizes(MAX_SIZE), way)
    return await client.send(method, f"{scheme}://{host}{path}", Headers(), terms=terms, **options)


async def outcome(client: Client, method: str = "GET") -> tuple[Any, ...]:
    """What comes of a request: status and body, or the error's class and phase."""
    try:
        reply = await send(client, "/", method=method, deadlines=VIRTUAL)
    except FetchError as error:
        return type(error), error.phase
    return reply.status, reply.body


def in_memory(play: Any) -> tuple[Any, ...]:
    """The steps of a play as one, with its bytes put together."""
    steps = play if isinstance(play, tuple) else (play,)
    joined: list[Any] = []
    for step in steps:
        if isinstance(step, bytes) and joined and isinstance(joined[-1], bytes):
            joined[-1] += step
        else:
            joined.append(step)
    return tuple(joined)


def cuts(steps: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """The steps, their first bytes whole, cut in two everywhere, and byte by byte."""
    first, rest = (steps[0], steps[1:]) if isinstance(steps[0], bytes) else (b"", steps)
    yield (first, *rest) if first else rest
    stride = max(1, len(first) // CUTS)
    for cut in range(1, len(first), stride):
        yield (first[:cut], first[cut:], *rest)
    if 1 < len(first) <= 1000:
        yield (*(first[at : at + 1] for at in range(len(first))), *rest)


@contextmanager
def deaf(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port at which connecting is never answered: its queue is full, and nobody takes from it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.bind((host, port))
        listener.listen(0)
        waiting = []
        try:
            while True:
                waiting.append(socket.socket(family))
                waiting[-1].settimeout(0.1)
                waiting[-1].connect(listener.getsockname())
        except TimeoutError:
            yield listener.getsockname()[1]
        finally:
            for each in waiting:
                each.close()


@contextmanager
def memory_below(megabytes: float) -> Iterator[None]:
    """Fail if the block has had more than so much in memory at once."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < megabytes * 1024**2, f"{peak / 1024**2:.1f} MB at the peak"
