"""What is said to a proxy, and what its answers mean: bytes in, bytes out. Knows no socket and no clock.

Through an http or https proxy, requests for http origins go in the absolute form (``outgoing`` writes it, ``judged``
reads the answer), those for https origins through a tunnel asked for by CONNECT (RFC 9110 §9.3.6). SOCKS5 (RFC 1928,
RFC 1929) always makes a tunnel; socksio is its engine, which wants each message whole: this layer cuts them.

Invariant: nothing that comes through a tunnel is read here, and whatever the proxy does wrong is a ProxyFailed.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, Protocol

from socksio import ProtocolError
from socksio.socks5 import (
    SOCKS5AType,
    SOCKS5AuthMethod,
    SOCKS5AuthMethodsRequest,
    SOCKS5Command,
    SOCKS5CommandRequest,
    SOCKS5Connection,
    SOCKS5State,
    SOCKS5UsernamePasswordRequest,
)

from scrapekit.errors import BadResponse, ConnectFailed, FetchError, ProxyFailed, ProxyLocked, TLSFailed
from scrapekit.headers import Headers
from scrapekit.http.connection import Reply
from scrapekit.http.exchange import Exchange
from scrapekit.http.terms import Proxy, Sizes, Way
from scrapekit.url import Parts

_READ: Final = 65536
_LOCKED: Final = 407
#: What tinyproxy says to wrong credentials.
_UNAUTHORIZED: Final = 401
#: RFC 9209 §2: the list's last member is the proxy next to us, ``error`` says that the answer is its own.
_ERROR: Final = re.compile(r""";\s*error\s*=\s*"?([a-z_]+)[^,]*$""")

#: RFC 1928 §6.
_REFUSALS: Final = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "time to live expired",
    7: "it knows no CONNECT",
    8: "it knows no such addresses",
}
_VERSION: Final = 5
_TAKES_PASSWORDS: Final = SOCKS5AuthMethod.USERNAME_PASSWORD
_WANTS_CREDENTIALS: Final = "it wants credentials, and there are none"
#: Bytes of a reply up to its address's first, and those of addresses with the port; a name's first byte is its length.
_HEAD: Final = 5
_SIZES: Final = {1: 10, 4: 22}
_NAME: Final = 3
_LONGEST: Final = 255


class Handshake(Protocol):
    """What is said before a tunnel stands.

    ``opening`` is sent first. Then, until ``done``, at most ``wants`` bytes are read and given to ``feed`` (b"" for the
    end), whose answer is sent. Raises ProxyFailed.
    """

    @property
    def opening(self) -> bytes: ...
    @property
    def done(self) -> bool: ...
    @property
    def wants(self) -> int: ...
    def feed(self, data: bytes) -> bytes: ...


def handshake(proxy: Proxy, host: str, port: int, sizes: Sizes) -> Handshake:
    """How to ask a proxy for a tunnel to a host: a canonical name, or an address without brackets.

    Raises ProxyFailed for a name that cannot be said to it.
    """
    return Socks5(proxy, host, port) if proxy.scheme.startswith("socks") else Connect(proxy, host, port, sizes)


class Connect:
    """A tunnel by CONNECT."""

    wants: Final = _READ

    def __init__(self, proxy: Proxy, host: str, port: int, sizes: Sizes) -> None:
        self._proxy, self._exchange = proxy, Exchange("CONNECT", sizes)
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        fields = f"Host: {authority}\r\n"
        if proxy.authorization:
            fields += f"Proxy-Authorization: {proxy.authorization}\r\n"
        self.opening = f"CONNECT {authority} HTTP/1.1\r\n{fields}\r\n".encode("ascii")
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """Take what the proxy sent."""
        exchange = self._exchange
        try:
            exchange.feed(data)
        except BadResponse as error:
            raise failed(self._proxy, error.detail, phase="head") from None
        head = exchange.head
        if head is None:
            return b""
        if not 200 <= head.status < 300:
            status = _LOCKED if head.status == _UNAUTHORIZED else head.status  # it cannot be the site's
            raise refused(self._proxy, status, head.headers, "the tunnel")
        if exchange.left_over:
            raise failed(self._proxy, "bytes follow its answer before anything was sent", phase="head")
        self.done = True
        return b""


class Socks5:
    """A tunnel by SOCKS5, with a user name and a password if there are any."""

    def __init__(self, proxy: Proxy, host: str, port: int) -> None:
        self._proxy, self._engine = proxy, SOCKS5Connection()
        if len(host) > _LONGEST:
            raise failed(proxy, f"a name is longer than {_LONGEST} bytes", phase="head", refused=True)
        self._target = SOCKS5CommandRequest(SOCKS5Command.CONNECT, *_address(host), port)
        methods = [SOCKS5AuthMethod.NO_AUTH_REQUIRED]
        if proxy.username:
            methods.append(_TAKES_PASSWORDS)
        self.opening = self._said(SOCKS5AuthMethodsRequest(methods))
        self.done = False
        self._inbox = b""
        self._size = 2  # bytes of the message that comes next, as far as is known

    @property
    def wants(self) -> int:
        """Bytes to the end of this message: what comes through the tunnel is not for us."""
        return self._size - len(self._inbox)

    def feed(self, data: bytes) -> bytes:
        """Take what the proxy sent, at most ``wants`` bytes; gives what is to be sent now."""
        self._inbox += data
        self._look()
        if not data:
            raise failed(self._proxy, "it hung up in the handshake", phase="head")
        if self.wants:
            return b""
        whole, self._inbox, self._size = self._inbox, b"", 2
        try:
            self._engine.receive_data(whole)
        except (ProtocolError, ValueError):
            raise self._garbled(whole) from None
        return self._go_on()

    def _look(self) -> None:
        """Look at as much of a message as is there: its length, and whether it is a refusal."""
        begun, state = self._inbox, self._engine.state
        if len(begun) >= 2:
            if state is SOCKS5State.SERVER_AUTH_REPLY:
                self._check_method(begun)
            elif state is SOCKS5State.CLIENT_AUTHENTICATED:
                self._check_reply(begun)
            elif begun[1]:
                raise locked(self._proxy, "it does not accept the credentials")

    def _check_method(self, begun: bytes) -> None:
        method = begun[1:2]
        if begun[0] != _VERSION:
            raise self._garbled(begun)
        refuses = method == SOCKS5AuthMethod.NO_ACCEPTABLE_METHODS
        if refuses and self._proxy.username:
            raise locked(self._proxy, "it takes neither these credentials nor none")
        if refuses or (method == _TAKES_PASSWORDS and not self._proxy.username):
            raise locked(self._proxy, _WANTS_CREDENTIALS)
        if method not in (SOCKS5AuthMethod.NO_AUTH_REQUIRED, _TAKES_PASSWORDS):
            raise self._garbled(begun)

    def _check_reply(self, begun: bytes) -> None:
        if begun[0] != _VERSION:
            raise self._garbled(begun)
        if begun[1]:
            why = _REFUSALS.get(begun[1], f"reason {begun[1]}")
            raise failed(self._proxy, f"no way to the site: {why}", phase="head", refused=True)
        if len(begun) < _HEAD:
            self._size = _HEAD
        elif begun[3] == _NAME:
            self._size = _HEAD + begun[4] + 2
        elif begun[3] in _SIZES:
            self._size = _SIZES[begun[3]]
        else:
            raise self._garbled(begun)

    def _go_on(self) -> bytes:
        state = self._engine.state
        if state is SOCKS5State.TUNNEL_READY:
            self.done = True
            return b""
        if state is SOCKS5State.CLIENT_WAITING_FOR_USERNAME_PASSWORD:
            user = self._proxy.username.encode(), self._proxy.password.encode()
            return self._said(SOCKS5UsernamePasswordRequest(*user))
        self._size = _HEAD
        return self._said(self._target)

    def _said(self, message: object) -> bytes:
        self._engine.send(message)
        return self._engine.data_to_send()

    def _garbled(self, message: bytes) -> ProxyFailed:
        return failed(self._proxy, f"it does not speak SOCKS5: {message[:20]!r}", phase="head")


def _address(host: str) -> tuple[SOCKS5AType, bytes]:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return SOCKS5AType.DOMAIN_NAME, host.encode("ascii")
    kind = SOCKS5AType.IPV4_ADDRESS if address.version == 4 else SOCKS5AType.IPV6_ADDRESS
    return kind, address.packed


# ---- requests in the absolute form ----


def forwarding(way: Way, parts: Parts) -> Proxy | None:
    """The proxy that gets a request for this origin in the absolute form; None where there is a tunnel, or no proxy."""
    proxy = way.proxy
    return proxy if proxy is not None and parts.scheme == "http" and not proxy.scheme.startswith("socks") else None


def judged(reply: Reply, proxy: Proxy) -> Reply:
    """The reply, if it is the site's. Raises ProxyFailed where it is the proxy's own."""
    if reply.status == _LOCKED or (reply.status >= 500 and _own_error(reply.headers)):
        error = refused(proxy, reply.status, reply.headers, "the request")
        error.sent = reply.status != _LOCKED  # else the site has seen nothing of it
        raise error
    return reply


def blamed(error: FetchError, proxy: Proxy) -> FetchError:
    """The error as it is to be charged, where the connection was the proxy's: broken before any answer, it failed."""
    if isinstance(error, TLSFailed) or (isinstance(error, ConnectFailed) and error.phase in ("send", "head")):
        made = failed(proxy, error.detail, phase=error.phase)
        made.sent, made.reused = error.sent, error.reused
        return made
    return error


# ---- errors ----


def failed(proxy: Proxy, why: str, *, phase: str, refused: bool = False) -> ProxyFailed:
    """A proxy's failure; ``refused`` where it works, but not for this site."""
    return ProxyFailed(f"{proxy}: {why}", phase=phase, refused=refused)


def locked(proxy: Proxy, why: str) -> ProxyLocked:
    """The proxy wants other credentials than ours."""
    return ProxyLocked(f"{proxy}: {why}", phase="head")


def refused(proxy: Proxy, status: int, headers: Headers, what: str) -> ProxyFailed:
    """What a proxy's own answer to a request for a tunnel, or to a request in the absolute form, means."""
    if status == _LOCKED:
        why = "it does not accept the credentials" if proxy.authorization else _WANTS_CREDENTIALS
        return locked(proxy, f"407: {why}")
    reason = _own_error(headers)
    return failed(proxy, f"{status} for {what}{f': {reason}' if reason else ''}", phase="head", refused=True)


def _own_error(headers: Headers) -> str:
    """Why the proxy itself says that it failed (RFC 9209 §2.1.1), if it does."""
    found = _ERROR.search(headers.get_all("proxy-status")[-1]) if "proxy-status" in headers else None
    return found[1] if found else ""
