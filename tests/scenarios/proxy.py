"""A proxy on loopback in plain sockets: http in the absolute form, CONNECT, and SOCKS5; with or without a password.

Whatever name it is asked for leads to the one server that it was given. It keeps what it was asked, and by whom.
"""

from __future__ import annotations

import socket
import threading
from base64 import b64encode
from contextlib import suppress
from typing import Final

TUNNEL: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"


class ProxyServer:
    """``says`` is answered to every request instead of its being passed on; ``password`` is wanted if it is given."""

    def __init__(self, upstream: int, *, socks: bool = False, says: bytes = b"", password: str = "") -> None:
        self.upstream, self.socks, self.says, self.password = upstream, socks, says, password
        self.connections = 0
        self.heads: list[str] = []
        self.targets: list[tuple[str, int]] = []
        self.credentials: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def settle(self) -> None:
        """Wait until every connection has ended."""
        for thread in self._threads[1:]:
            thread.join(5.0)
            assert not thread.is_alive(), "a connection to the proxy was left open"

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5.0)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._threads.append(threading.Thread(target=self._serve, args=(sock,), daemon=True))
            self._threads[-1].start()

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(10.0)
        with sock, suppress(OSError):
            if self.socks:
                self._serve_socks(sock)
            else:
                self._serve_http(sock)

    def _serve_http(self, sock: socket.socket) -> None:
        while head := self._head(sock):
            self.heads.append(head)
            authorization = next((line[21:] for line in head.split("\r\n") if line.startswith("Proxy-Auth")), "")
            self.credentials.append(authorization)
            wanted = "Basic " + b64encode(f"me:{self.password}".encode()).decode()
            if self.password and authorization != wanted:
                sock.sendall(b"HTTP/1.1 407 X\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
            elif self.says:
                sock.sendall(self.says)
            elif head.startswith("CONNECT "):
                host, _, port = head.split(" ")[1].rpartition(":")
                self.targets.append((host, int(port)))
                return self._pipe(sock, TUNNEL)
            else:
                self._forward(sock, head)
        return None

    def _head(self, sock: socket.socket) -> str:
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            byte = sock.recv(1)
            if not byte:
                return ""
            data += byte
        return data.decode("latin-1")

    def _forward(self, sock: socket.socket, head: str) -> None:
        """Pass one request on, in the form that servers take, and its answer back."""
        method, url, rest = head.split(" ", 2)
        host, _, path = url.removeprefix("http://").partition("/")
        self.targets.append((host, 80))
        with socket.create_connection(("127.0.0.1", self.upstream)) as upstream:
            upstream.sendall(f"{method} /{path} {rest}".encode("latin-1"))
            upstream.shutdown(socket.SHUT_WR)
            while data := upstream.recv(65536):
                sock.sendall(data)

    def _serve_socks(self, sock: socket.socket) -> None:
        methods = self._exactly(sock, self._exactly(sock, 2)[1])
        if self.password:
            if 2 not in methods:
                sock.sendall(b"\x05\xff")
                return
            sock.sendall(b"\x05\x02")
            user = self._exactly(sock, self._exactly(sock, 2)[1]).decode()
            password = self._exactly(sock, self._exactly(sock, 1)[0]).decode()
            self.credentials.append(f"{user}:{password}")
            if (user, password) != ("me", self.password):
                sock.sendall(b"\x01\x01")
                return
            sock.sendall(b"\x01\x00")
        else:
            sock.sendall(b"\x05\x00")
        kind = self._exactly(sock, 4)[3]
        host = socket.inet_ntoa(self._exactly(sock, 4)) if kind == 1 else self._exactly(sock, self._exactly(sock, 1)[0])
        port = int.from_bytes(self._exactly(sock, 2), "big")
        self.targets.append((host if isinstance(host, str) else host.decode(), port))
        if self.says:
            sock.sendall(self.says)
            return
        self._pipe(sock, b"\x05\x00\x00\x01\x7f\0\0\x01\x12\x34")

    def _exactly(self, sock: socket.socket, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = sock.recv(size - len(data))
            if not piece:
                raise ConnectionError("cut")
            data += piece
        return data

    def _pipe(self, sock: socket.socket, opening: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self.upstream)) as upstream:
            sock.sendall(opening)
            back = threading.Thread(target=_copy, args=(upstream, sock), daemon=True)
            back.start()
            _copy(sock, upstream)
            back.join(5.0)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
