"""A proxy on loopback, for HTTP and SOCKS5 on one port; it knows names that nobody else does, and fails as it is told.

Plain sockets, a thread for each connection and one more for each tunnel. ``log`` is what it was asked.
"""

from __future__ import annotations

import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

#: Seconds after which a thread gives up; a test has failed long before.
GIVE_UP: Final = 20.0


class ProxyServer:
    """Leads to ``names`` (name to port on loopback). ``user`` is (name, password) if it wants one.

    With ``answer`` these bytes are its only answer; with ``context`` it speaks TLS itself.
    """

    def __init__(
        self,
        names: Mapping[str, int],
        *,
        user: tuple[str, str] | None = None,
        answer: bytes = b"",
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.names, self.user, self.answer, self.context = names, user, answer, context
        self.connections = 0
        self.log: list[str] = []
        self._open: dict[threading.Thread, list[socket.socket]] = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def settle(self) -> None:
        """Wait until every connection has ended. Fails where the client keeps one open."""
        for thread in list(self._open):
            thread.join(5.0)
            assert not thread.is_alive(), "the client has left a connection to the proxy open"

    def stop(self) -> None:
        """End everything."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(5.0)
        for thread, socks in list(self._open.items()):
            for sock in socks:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
            thread.join(5.0)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._open[thread] = [sock]
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        me = threading.current_thread()
        sock.settimeout(GIVE_UP)
        try:
            if self.context is not None:
                sock = self._open[me][0] = self.context.wrap_socket(sock, server_side=True)
            first = sock.recv(1)
            if first == b"\x05":
                self._socks(sock)
            elif first:
                self._http(sock, first)
        except OSError:
            pass
        finally:
            for each in self._open[me]:
                each.close()
            del self._open[me]

    def _to(self, name: str) -> socket.socket:
        upstream = socket.create_connection(("127.0.0.1", self.names[name]), GIVE_UP)
        self._open[threading.current_thread()].append(upstream)
        return upstream

    # ---- HTTP ----

    def _http(self, sock: socket.socket, begun: bytes) -> None:
        upstream: socket.socket | None = None
        while head := _head(sock, begun):
            begun = b""
            first, *fields = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
            method, target, _ = first.split(" ")
            self.log.append(f"{method} {target}")
            if self.user is not None and f"Proxy-Authorization: Basic {_basic(self.user)}" not in fields:
                sock.sendall(b'HTTP/1.1 407 X\r\nProxy-Authenticate: Basic realm="p"\r\nContent-Length: 0\r\n\r\n')
            elif self.answer:
                sock.sendall(self.answer)
            elif method == "CONNECT":
                upstream = self._to(target.partition(":")[0])
                sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                _pipe(sock, upstream)
                return
            else:
                name, _, path = target.removeprefix("http://").partition("/")
                upstream = upstream or self._to(name.partition(":")[0])
                kept = [field for field in fields if not field.lower().startswith("proxy-")]
                upstream.sendall("\r\n".join([f"{method} /{path} HTTP/1.1", *kept, "", ""]).encode("latin-1"))
                reply = _head(upstream, b"")
                sock.sendall(reply + _exactly(upstream, _length(reply)))

    # ---- SOCKS5 ----

    def _socks(self, sock: socket.socket) -> None:
        methods = _exactly(sock, _exactly(sock, 1)[0])
        wanted = b"\x02" if self.user is not None else b"\x00"
        if wanted not in methods:
            sock.sendall(b"\x05\xff")
            return
        sock.sendall(b"\x05" + wanted)
        if self.user is not None:
            _exactly(sock, 1)
            user = tuple(_exactly(sock, _exactly(sock, 1)[0]).decode() for _ in "np")
            sock.sendall(b"\x01" + (b"\x00" if user == self.user else b"\x01"))
        kind = _exactly(sock, 4)[3]
        host = _exactly(sock, _exactly(sock, 1)[0]).decode() if kind == 3 else socket.inet_ntoa(_exactly(sock, 4))
        port = int.from_bytes(_exactly(sock, 2), "big")
        self.log.append(f"{host}:{port}")
        if self.answer:
            sock.sendall(self.answer)
            return
        upstream = self._to(host)
        sock.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        _pipe(sock, upstream)


def _basic(user: tuple[str, str]) -> str:
    return b64encode(":".join(user).encode()).decode()


def _head(sock: socket.socket, begun: bytes) -> bytes:
    while not begun.endswith(b"\r\n\r\n"):
        data = sock.recv(1)
        if not data:
            return b""
        begun += data
    return begun


def _length(head: bytes) -> int:
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    return int(lengths[0]) if lengths else 0


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise OSError("cut")
        data += more
    return data


def _pipe(one: Any, other: Any) -> None:
    """Both ways, until one of them ends."""

    def pump(source: Any, target: Any) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for sock in (source, target):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    back = threading.Thread(target=pump, args=(other, one), daemon=True)
    back.start()
    pump(one, other)
    back.join()
