"""A network in memory: hosts that answer literal bytes, and everything a server can do to a client.

    network = FakeNetwork({"example.com": {"/": "<html>…", "/gone": 404, "/busy": [503, "<html>…"]}})

It gives a crawl or a client its ``dial`` and its ``resolver``; no socket is opened and no task is started. Answers are
put on the kernel's clock when their request arrives, and whoever reads sleeps until they are due: so latencies run on
a virtual clock as on the real one. What is not told is 404, robots.txt included. https is spoken without TLS.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import curio
from curio.traps import _get_kernel

from scrapekit.errors import ConnectFailed, ResolveFailed
from scrapekit.headers import Headers
from scrapekit.http.address import Address
from scrapekit.http.client import Client
from scrapekit.http.stream import Stream
from scrapekit.testing.site import CLOSE, RESET, SILENCE, Act, Answer, FakeSite, Received
from scrapekit.url import canonical, canonical_host, split, split_host


class FakeNetwork:
    """Sites by host, such as ``example.com`` or ``example.com:8080``; a host without port answers on 80 and 443.

    ``log`` holds every request received, ``opened`` counts connections, ``open`` those not closed yet. ``chop`` limits
    what one read gives, in bytes.
    """

    def __init__(
        self, sites: Mapping[str, FakeSite | Mapping[str, Answer]] | None = None, *, chop: int | None = None
    ) -> None:
        self._sites: dict[tuple[str, int], FakeSite] = {}
        self._ips: dict[str, str] = {}
        self.log: list[Received] = []
        self.opened = self.open = 0
        self.chop = chop
        self.resolver = FakeNames(self._ips)
        for host, site in (sites or {}).items():
            self.site(host, site)

    def __repr__(self) -> str:
        return f"<FakeNetwork {len(self._ips)} names, {self.open} of {self.opened} connections open>"

    def site(self, host: str, pages: FakeSite | Mapping[str, Answer] | None = None) -> FakeSite:
        """Put a site on the network. ``host`` may also be the site's URL."""
        site = pages if isinstance(pages, FakeSite) else FakeSite(pages)
        if "://" in host:
            parts = split(canonical(host))
            name, ports = parts.hostname, (parts.port,)
        else:
            name, port = split_host(canonical_host(host))
            ports = (port,) if port else (80, 443)  # type: ignore[assignment]
        # Any public address will do: nothing is ever sent to it.
        self._ips.setdefault(name, f"44.0.{len(self._ips) // 250}.{len(self._ips) % 250 + 1}")
        for each in ports:
            self._sites[self._ips[name], each] = site
        return site

    def client(self) -> Client:
        """A client that is connected to this network."""
        return Client(self.resolver, dial=self.dial)

    def requests(self, host: str = "") -> list[str]:
        """The targets that were asked for, in order; of one host if it is named."""
        return [received.target for received in self.log if not host or received.host == host]

    async def dial(self, addresses: Sequence[Address]) -> Stream:
        """Connect to the first of these addresses. Raises ConnectFailed where nobody listens."""
        address = addresses[0]
        site = self._sites.get((address.ip, address.port))
        if site is not None and site.dead:
            await _never()
        await curio.sleep(site.connecting if site else 0)
        if site is None or site.refuses:
            raise ConnectFailed(f"cannot connect: {address} Connection refused", address=str(address))
        kernel = await _get_kernel()
        self.opened += 1
        self.open += 1
        return FakeStream(self, site, str(address), self.opened, getattr(kernel, "_clock", time.monotonic))


class FakeNames:
    """The names of a fake network; another name has no address."""

    def __init__(self, ips: Mapping[str, str]) -> None:
        self._ips = ips

    def cached(self, hostname: str, port: int) -> tuple[Address, ...] | ResolveFailed | None:
        """The answer, which is always at hand."""
        ip = self._ips.get(hostname)
        return (Address(ip, port),) if ip else ResolveFailed(f"{hostname}: no address", host=hostname)

    async def resolve(self, hostname: str, port: int) -> tuple[Address, ...]:
        """The address of a name. Raises ResolveFailed."""
        answer = self.cached(hostname, port)
        if isinstance(answer, tuple):
            return answer
        raise answer or ResolveFailed(f"{hostname}: no address", host=hostname)


class FakeStream:
    """One connection to a fake site, from the client's side."""

    secured: Final = True

    def __init__(
        self, network: FakeNetwork, site: FakeSite, address: str, number: int, now: Callable[[], float]
    ) -> None:
        self.address = address
        self._network, self._site, self._number, self._now = network, site, number, now
        self._inbox = b""
        self._due: deque[tuple[float, bytes | Act]] = deque()
        self._closed = False

    def __repr__(self) -> str:
        return f"<FakeStream {self._number} {self.address}>"

    async def read(self, size: int) -> bytes:
        """What the site sent, as soon as it is due."""
        while True:
            if not self._due or self._due[0][1] is SILENCE:
                await _never()
            at, step = self._due[0]
            # A read always gives way to other tasks, as on a real socket.
            await curio.sleep(max(0.0, at - self._now()))
            if step is CLOSE:
                return b""
            if step is RESET:
                raise ConnectionResetError(104, "Connection reset by peer")
            if at <= self._now():
                return self._piece(size)

    def _piece(self, size: int) -> bytes:
        at, data = self._due.popleft()
        assert isinstance(data, bytes)
        size = min(size, self._network.chop or size)
        if len(data) > size:
            self._due.appendleft((at, data[size:]))
        return data[:size]

    async def write(self, data: bytes) -> int:
        """Hand bytes to the site, which takes them all."""
        if self._closed:
            raise BrokenPipeError(32, "Broken pipe")
        self._inbox += data
        while self._take_request():
            pass
        return len(data)

    def pending(self) -> bool:
        """Whether something is due that was not read."""
        return self._closed or any(step is not SILENCE and at <= self._now() for at, step in self._due)

    async def close(self) -> None:
        """Hang up."""
        if not self._closed:
            self._closed = True
            self._network.open -= 1

    def _take_request(self) -> bool:
        head, end, rest = self._inbox.partition(b"\r\n\r\n")
        if not end:
            return False
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = Headers([(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)])
        length = int(fields.get("content-length", "0"))
        if len(rest) < length:
            return False
        self._inbox = rest[length:]
        method, target, _ = first.split(" ")
        now = self._now()
        asked = Received(fields.get("host", ""), method, target, fields, rest[:length], now, now, self._number)
        self._answer(asked)
        return True

    def _answer(self, asked: Received) -> None:
        at = max([asked.at, *(due for due, _ in self._due)]) + self._site.latency
        for step in self._site.answer(asked):
            if isinstance(step, (bytes, Act)):
                self._due.append((at, step))
            else:
                at += step
        fields = {name: getattr(asked, name) for name in asked.__slots__}
        self._network.log.append(Received(**(fields | {"until": at})))


async def _never() -> None:
    await curio.Event().wait()
