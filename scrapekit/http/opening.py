"""From a URL and its terms to an open stream: names, connect, proxy, TLS, all within the time for it.

The one place that knows what stands between us and an origin. Invariant: of all that was opened, one stream comes out
or none does.

Raises FetchError subclasses with phase and address set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scrapekit.errors import ConnectFailed, FetchError, FetchTimeout, PrivateAddress, ProxyFailed
from scrapekit.http.address import Address
from scrapekit.http.dialer import Dial, Secure, dial_tcp, interleaved
from scrapekit.http.limit import Expired, Limit
from scrapekit.http.proxying import failed, forwarding, handshake
from scrapekit.http.resolver import Names, Resolver
from scrapekit.http.stream import Stream
from scrapekit.http.terms import Proxy, Terms, Trust
from scrapekit.http.tls import TLS
from scrapekit.http.tunnel import Through, shake_hands
from scrapekit.private import is_private
from scrapekit.url import Parts, split_host


class Opener:
    """Opens streams. ``resolver`` is the caller's, who closes it; ``dial`` and ``secure`` are replaced in tests."""

    def __init__(self, resolver: Names, *, dial: Dial = dial_tcp, secure: Secure | None = None) -> None:
        self._resolver, self._dial = resolver, dial
        self._secure = secure
        self._ways: dict[tuple[Trust, bool], Secure] = {}

    def __repr__(self) -> str:
        return f"<Opener {self._resolver!r}>"

    async def open(self, parts: Parts, terms: Terms) -> Stream:
        """A stream to the origin of a URL, or to the proxy that gets requests for it in the absolute form.

        Names are looked up by the proxy where it can. Raises ResolveFailed, PrivateAddress, ConnectFailed, TLSFailed,
        FetchTimeout whose phase is resolve, connect or tls, and ProxyFailed for all that goes wrong up to the tunnel.
        """
        proxy, stage = terms.way.proxy, _Stage()
        addresses = () if proxy is not None and proxy.resolves else await self._addresses(parts, terms)
        try:
            async with Limit(terms.deadlines.connect):
                if proxy is None:
                    stage.address = str(addresses[0])
                    stream = await self._dial(addresses)
                else:
                    stream = await self._through(proxy, parts, addresses, terms, stage)
                if parts.scheme == "https" and not stream.secured:
                    stage.phase, stage.address = "tls", stream.address
                    async with Limit(terms.deadlines.tls):
                        return await self._securing(terms.way.trust, http2=terms.way.http2)(stream, parts.hostname)
                return stream
        except (Expired, OSError, FetchError) as error:
            if proxy is None and stage.phase == "connect" and isinstance(self._resolver, Resolver):
                self._resolver.forget(parts.hostname)  # it may have moved
            raise stage.failure(error) from None

    async def _addresses(self, parts: Parts, terms: Terms) -> tuple[Address, ...]:
        addresses = await self._resolver.resolve(parts.hostname, parts.port)
        if terms.guarded:
            return outside(addresses, parts.hostname, "allow_private=True")
        return addresses if terms.way.private else outside(addresses, parts.hostname)

    async def _through(
        self, proxy: Proxy, parts: Parts, addresses: tuple[Address, ...], terms: Terms, stage: _Stage
    ) -> Stream:
        """A stream on which the site is spoken to, behind a proxy; to the first of its addresses that can be had."""
        stage.proxy = proxy
        if forwarding(terms.way, parts) is not None:
            stream: Stream = Through(await self._to_proxy(proxy, terms, stage), "")
        else:
            stream = await self._tunnel(proxy, parts, interleaved(addresses) if addresses else [None], terms, stage)
        stage.proxy = None
        return stream

    async def _tunnel(
        self, proxy: Proxy, parts: Parts, addresses: Sequence[Address | None], terms: Terms, stage: _Stage
    ) -> Stream:
        for left, address in zip(reversed(range(len(addresses))), addresses, strict=True):
            host, port = (address.ip, address.port) if address is not None else (parts.hostname, parts.port)
            hands = handshake(proxy, host, port, terms.sizes)
            stream = await self._to_proxy(proxy, terms, stage)
            stage.phase = "head"
            try:
                await shake_hands(stream, hands)
            except ProxyFailed as error:
                if not (error.refused and left):
                    raise
            else:
                return Through(stream, str(address or ""))
        raise AssertionError("no address was given")

    async def _to_proxy(self, proxy: Proxy, terms: Terms, stage: _Stage) -> Stream:
        """A stream to a proxy, which may be in a private place, and is verified whatever holds for the site."""
        stage.phase = "connect"
        stream = await self._dial(await self._resolver.resolve(proxy.host, proxy.port))
        if proxy.scheme != "https" or stream.secured:
            return stream
        stage.phase = "tls"
        async with Limit(terms.deadlines.tls):
            return await self._securing(Trust(ca_file=terms.way.trust.ca_file))(stream, proxy.host)

    def _securing(self, trust: Trust, *, http2: bool = False) -> Secure:
        """What puts TLS on; its context is made once."""
        if self._secure is not None:
            return self._secure
        kind = trust, http2
        if kind not in self._ways:
            self._ways[kind] = TLS(trust, http2=http2).secure
        return self._ways[kind]


@dataclass(slots=True)
class _Stage:
    """How far the opening of a stream has come: the phase, with whom, and the proxy while it is its affair."""

    phase: str = "connect"
    address: str = ""
    proxy: Proxy | None = None

    def failure(self, error: Expired | OSError | FetchError) -> FetchError:
        """What an error means at this stage."""
        if self.proxy is not None:
            return self._of_proxy(self.proxy, error)
        if isinstance(error, FetchError):
            error.address = error.address or self.address
            return error
        if isinstance(error, Expired):
            return FetchTimeout(f"no connection {error}", address=self.address, phase=self.phase)
        return ConnectFailed(f"{_words(error)} in the TLS handshake", address=self.address, phase=self.phase)

    def _of_proxy(self, proxy: Proxy, error: Expired | OSError | FetchError) -> ProxyFailed:
        if isinstance(error, ProxyFailed):
            return error
        if isinstance(error, FetchError):
            return failed(proxy, error.detail, phase=error.phase)
        words = f"no way to the site {error}" if isinstance(error, Expired) else _words(error)
        return failed(proxy, words, phase=self.phase)


def _words(error: OSError) -> str:
    return error.strerror or str(error) or "reset"


def outside(addresses: Sequence[Address], hostname: str, leave: str = "") -> tuple[Address, ...]:
    """Those of a name's addresses that are on the open net. Raises PrivateAddress if none is; ``leave`` would let it.

    What comes out is what is connected to: a name that is looked up once more to be checked may answer otherwise.
    """
    public = tuple(address for address in addresses if not is_private(address.ip))
    if public:
        return public
    leave = leave or f'[hosts."{hostname}"] allow_private = true'
    raise PrivateAddress(f"{hostname} is at {addresses[0].ip} (if it is yours: {leave})", address=str(addresses[0]))


def check_outside(address: str) -> None:
    """Raise PrivateAddress if a connection, which others may have opened, is to a private address; empty is unknown."""
    if address and is_private(split_host(address)[0]):
        raise PrivateAddress(f"the connection is to {address} (if it is yours: allow_private=True)", address=address)
