"""TLS around any stream: the server's name sent and checked, and what goes wrong told in words.

The engine works on memory (``ssl.MemoryBIO``), so that it can stand on a socket, on a proxy's tunnel, or on a stream of
a test, and so that the end of a stream is told from a cut.

Raises TLSFailed that says which check failed; the system's OSError passes through.
"""

from __future__ import annotations

import ssl
from typing import Any, Final

from scrapekit.errors import ConfigError, ConnectFailed, TLSFailed
from scrapekit.http.stream import Stream
from scrapekit.http.terms import Trust
from scrapekit.http.trust import SYSTEM, context_of

_READ: Final = 65536

#: OpenSSL's verify codes (x509_vfy.h) in words that say what to look at.
_CHECKS: Final[dict[int, str]] = {
    9: "the certificate is not yet valid",
    10: "the certificate has expired",
    18: "the certificate is self-signed",
    19: "the chain ends in a self-signed certificate that is not trusted",
    20: "the issuer is not trusted, or a certificate of the chain is missing",
    21: "the chain is incomplete",
    23: "the certificate was revoked",
    24: "the issuer is no certificate authority",
    26: "the certificate is not meant for servers",
    62: "the certificate is for another host",
    64: "the certificate is for another address",
    66: "the certificate's key is too weak",
    67: "the key of a certificate authority is too weak",
    68: "the signature's digest is too weak",
}


class TLS:
    """How to speak TLS with those who are trusted so; with ``http2`` it is offered before HTTP/1.1 (RFC 7301)."""

    __slots__ = ("_context", "_http2", "_trust")

    def __init__(self, trust: Trust = SYSTEM, *, http2: bool = False) -> None:
        self._trust, self._http2 = trust, http2
        self._context: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        unverified = "" if self._trust.verify else " unverified"
        beside = f" + {self._trust.ca_file}" if self._trust.ca_file else ""
        return f"<TLS{unverified}{beside}{' h2' if self._http2 else ''}>"

    @property
    def context(self) -> ssl.SSLContext:
        """The context, made when first wanted: reading the system's trust takes some 20 ms.

        Raises ConfigError, whose key is that of the setting, for a file that cannot be used.
        """
        if self._context is None:
            self._context = context_of(self._trust, http2=self._http2)
        return self._context

    async def secure(self, stream: Stream, hostname: str) -> TLSStream:
        """Shake hands on a stream with the server of that name. Raises TLSFailed; the stream is closed then."""
        try:
            secured = TLSStream(stream, self.context, hostname)
            await secured.shake_hands()
        except ConfigError as error:  # a file that was there when the crawl was set up is gone
            await stream.close()
            raise TLSFailed(f"{error.key}: {error.message}", address=stream.address) from None
        except BaseException:
            await stream.close()
            raise
        return secured


class TLSStream:
    """A stream over another one."""

    secured: Final = True

    __slots__ = ("_engine", "_flushing", "_in", "_out", "_rest", "_stream", "address")

    def __init__(self, stream: Stream, context: ssl.SSLContext, hostname: str) -> None:
        self._stream, self.address = stream, stream.address
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._rest, self._flushing = b"", False
        try:
            # A name that ends in a dot is resolved as it is, but no certificate is made out to it.
            self._engine: Any = context.wrap_bio(self._in, self._out, server_hostname=hostname.rstrip("."))
        except ValueError:  # a label that is empty or longer than 63 characters
            raise TLSFailed(f"{hostname} is no name that a certificate can have", address=stream.address) from None

    def __repr__(self) -> str:
        return f"<TLSStream {self._engine.version()} {self.address}>"

    @property
    def protocol(self) -> str:
        """What was agreed on by ALPN (RFC 7301): h2, http/1.1, or nothing."""
        return self._engine.selected_alpn_protocol() or ""

    async def shake_hands(self) -> None:
        """Raises TLSFailed, or OSError where the connection broke."""
        while True:
            try:
                self._engine.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            except ssl.SSLEOFError:
                raise TLSFailed("the server closed the connection in the handshake", address=self.address) from None
            except ssl.SSLError as error:
                await self._say_why()
                raise TLSFailed(which_check(error), address=self.address) from None
            else:
                return await self._flush()

    async def read(self, size: int) -> bytes:
        while True:
            try:
                data: bytes = self._engine.read(size)
            except ssl.SSLWantReadError:
                await self._flush()  # a key update wants an answer
                await self._fill()
            except ssl.SSLZeroReturnError:
                return b""  # the peer said goodbye (close_notify)
            except ssl.SSLEOFError:
                raise ConnectFailed("cut without TLS's goodbye", phase="body") from None
            except ssl.SSLError as error:
                raise TLSFailed(which_check(error)) from None
            else:
                return data

    async def write(self, data: bytes) -> int:
        try:
            # A record holds 16 KiB; more at once would only wait here instead of at the caller.
            sent: int = self._engine.write(data[:_READ])
        except ssl.SSLError as error:
            raise TLSFailed(which_check(error)) from None
        try:
            await self._flush()
        except OSError:
            await self._look_for_alert()
            raise
        return sent

    def pending(self) -> bool:
        return self._engine.pending() > 0 or self._in.pending > 0 or self._stream.pending()

    async def close(self) -> None:
        # No goodbye: nobody waits for ours, and to send it could block.
        await self._stream.close()

    async def _fill(self) -> None:
        data = await self._stream.read(_READ)
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()

    async def _flush(self) -> None:
        """Write what the engine has to say. Where two do so at once, a reader too, the first one writes for both."""
        if self._flushing:
            return
        self._flushing = True
        try:
            while data := self._rest or self._out.read():
                self._rest = data  # so that none is lost with whoever is cancelled: half a record would be the end
                self._rest = data[await self._stream.write(data) :]
        finally:
            self._flushing = False

    async def _look_for_alert(self) -> None:
        """Raise TLSFailed if the peer said by an alert why it cut us off, as for want of our certificate in TLS 1.3."""
        while self._stream.pending():
            try:
                await self._fill()
                self._engine.read(1)
            except ssl.SSLWantReadError:
                continue
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return
            except ssl.SSLError as error:
                raise TLSFailed(which_check(error)) from None
            except OSError:
                return

    async def _say_why(self) -> None:
        """Let the peer know by an alert why we leave, if that can be done."""
        try:
            await self._flush()
        except OSError:
            pass


def which_check(error: ssl.SSLError) -> str:
    """Which check failed, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CHECKS.get(error.verify_code, f"the certificate does not verify: {error.verify_message}")
    reason = (error.reason or str(error)).lower().replace("_", " ")
    return _REASONS.get(reason, reason)


_REASONS: Final[dict[str, str]] = {
    "wrong version number": "the server does not speak TLS on this port",
    "http request": "the server does not speak TLS on this port",
    "record layer failure": "the server does not speak TLS on this port",
    "unsupported protocol": "the server speaks no TLS version from 1.2 on",
    "tlsv1 alert protocol version": "the server speaks no TLS version from 1.2 on",
    "tlsv13 alert certificate required": "the server wants a client certificate",
    "sslv3 alert handshake failure": "the server refuses what we offer, perhaps for want of a client certificate",
    "ssl/tls alert handshake failure": "the server refuses what we offer, perhaps for want of a client certificate",
    "tlsv1 unrecognized name": "the server does not know this name",
}
