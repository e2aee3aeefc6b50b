"""From a URL and its terms to an open stream: look the name up, connect, put TLS on, within the time for it.

The one place that knows what stands between us and an origin. Invariant: of all that was opened, one stream comes out
or none does.

Raises FetchError subclasses with phase and address set.
"""

from __future__ import annotations

from collections.abc import Sequence

from scrapekit.errors import ConnectFailed, FetchError, FetchTimeout, PrivateAddress
from scrapekit.http.address import Address
from scrapekit.http.dialer import Dial, Secure, dial_tcp
from scrapekit.http.limit import Expired, Limit
from scrapekit.http.resolver import Names
from scrapekit.http.stream import Stream
from scrapekit.http.terms import Terms, Trust, Way
from scrapekit.http.tls import TLS
from scrapekit.private import is_private
from scrapekit.url import Parts


class Opener:
    """Opens streams. ``resolver`` is the caller's, who closes it; ``dial`` and ``secure`` are replaced in tests."""

    def __init__(self, resolver: Names, *, dial: Dial = dial_tcp, secure: Secure | None = None) -> None:
        self._resolver, self._dial = resolver, dial
        self._secure = secure
        self._ways: dict[tuple[Trust, bool], Secure] = {}

    def __repr__(self) -> str:
        return f"<Opener {self._resolver!r}>"

    async def open(self, parts: Parts, terms: Terms) -> Stream:
        """A stream to the origin of a URL.

        Raises ResolveFailed, PrivateAddress, ConnectFailed, TLSFailed, or FetchTimeout whose phase is resolve, connect
        or tls.
        """
        addresses = await self._resolver.resolve(parts.hostname, parts.port)
        if not terms.way.private:
            addresses = outside(addresses, parts.hostname)
        stream: Stream | None = None
        try:
            async with Limit(terms.deadlines.connect):
                stream = await self._dial(addresses)
                if parts.scheme == "https" and not stream.secured:
                    async with Limit(terms.deadlines.tls):
                        return await self._securing(terms.way)(stream, parts.hostname)
                return stream
        except Expired as late:
            phase, address = ("tls", stream.address) if stream else ("connect", str(addresses[0]))
            raise FetchTimeout(f"no connection {late}", address=address, phase=phase) from None
        except OSError as error:
            assert stream is not None
            detail = error.strerror or str(error) or "reset"
            raise ConnectFailed(f"{detail} in the TLS handshake", address=stream.address, phase="tls") from None
        except FetchError as error:
            error.address = error.address or (stream.address if stream else "")
            raise

    def _securing(self, way: Way) -> Secure:
        """What puts TLS on for a way; its context is made once."""
        if self._secure is not None:
            return self._secure
        kind = way.trust, way.http2
        if kind not in self._ways:
            self._ways[kind] = TLS(way.trust, http2=way.http2).secure
        return self._ways[kind]


def outside(addresses: Sequence[Address], hostname: str) -> tuple[Address, ...]:
    """Those of a name's addresses that are on the open net. Raises PrivateAddress if none is.

    What comes out is what is connected to: a name that is looked up once more to be checked may answer otherwise.
    """
    public = tuple(address for address in addresses if not is_private(address.ip))
    if public:
        return public
    leave = f'if it is yours: [hosts."{hostname}"] allow_private = true'
    raise PrivateAddress(f"{hostname} is at {addresses[0].ip} ({leave})", address=str(addresses[0]))
