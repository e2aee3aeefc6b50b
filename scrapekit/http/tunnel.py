"""A stream that goes on behind a proxy, and what it takes to get there.

Invariant: nothing beyond the proxy's last word is read before the stream is handed on.
"""

from __future__ import annotations

from scrapekit.http.proxying import Handshake
from scrapekit.http.stream import Stream


class Through:
    """A stream to a site over one to a proxy; ``address`` is the site's as far as we know it, not the proxy's.

    ``secured`` is about the way to the site: that to the proxy may well have TLS of its own.
    """

    secured = False

    __slots__ = ("_stream", "address")

    def __init__(self, stream: Stream, address: str) -> None:
        self._stream, self.address = stream, address

    def __repr__(self) -> str:
        return f"<Through {self._stream!r}>"

    async def read(self, size: int) -> bytes:
        return await self._stream.read(size)

    async def write(self, data: bytes) -> int:
        return await self._stream.write(data)

    def pending(self) -> bool:
        return self._stream.pending()

    async def close(self) -> None:
        await self._stream.close()


async def shake_hands(stream: Stream, handshake: Handshake) -> None:
    """Get a tunnel from the proxy at the other end. Raises ProxyFailed, or OSError; the stream is closed then."""
    try:
        await _send(stream, handshake.opening)
        while not handshake.done:
            answer = handshake.feed(await stream.read(handshake.wants))
            if answer:
                await _send(stream, answer)
    except BaseException:  # a cancellation is none of Exception
        await stream.close()
        raise


async def _send(stream: Stream, data: bytes) -> None:
    while data:
        data = data[await stream.write(data) :]
