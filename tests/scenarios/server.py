"""A server on loopback that misbehaves as it is told: one listening port, and the path says what is played.

Plain sockets, a thread for each connection. It counts what it is asked, and on which connection; ``settle`` waits until
every connection has ended, so that what the client left open is found out.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Union

from scrapekit.headers import Headers
from scrapekit.testing import CLOSE, RESET, SILENCE
from scrapekit.testing.site import Act

#: Seconds after which a thread gives up on a client that does nothing; a test has failed long before.
GIVE_UP: Final = 20.0


@dataclass(frozen=True, slots=True)
class Forever:
    """Sent again and again, with a pause in between, until the client hangs up."""

    data: bytes
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Cut:
    """Close without TLS's goodbye."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came; ``connection`` numbers the server's connections from 1."""

    connection: int
    method: str
    target: str
    headers: Headers
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


Step = Union[bytes, float, Act, Forever, Cut]
#: Steps; or a list of plays, of which each request takes the next and the last one stays; or a function of the request.
Play = Union[bytes, tuple[Any, ...], list[Any], Callable[[Asked], Any]]


class Server:
    """Plays ``plays[path]`` for each request, on each connection; a path that is not told is 404.

    With ``context`` it speaks TLS; a play under ``connect`` is what is played when a connection comes, before anything.
    """

    def __init__(self, plays: Mapping[str, Play], *, context: ssl.SSLContext | None = None) -> None:
        self.plays, self.context = dict(plays), context
        self.connections = self.sent = self.played = 0
        self.asked: list[Asked] = []
        self.unfinished: list[bytes] = []  # what came and was no whole request
        self._times: dict[str, int] = {}
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, socket.socket] = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def paths(self) -> list[str]:
        """The targets that were asked for, in order."""
        return [asked.target for asked in self.asked]

    @property
    def playing(self) -> bool:
        """Whether an answer is not all sent yet."""
        return self.played < len(self.asked)

    def on(self, path: str) -> list[int]:
        """The connections on which a path was asked for, in order."""
        return [asked.connection for asked in self.asked if asked.path == path]

    def settle(self) -> None:
        """Wait until every connection has ended. Fails where the client keeps one open."""
        for thread in list(self._open):
            thread.join(5.0)
            assert not thread.is_alive(), "the client has left a connection open"

    def stop(self) -> None:
        """End everything, whatever the clients do."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(5.0)
        for thread, sock in list(self._open.items()):
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
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True)
            self._open[thread] = sock
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        sock.settimeout(GIVE_UP)
        try:
            if "connect" in self.plays:
                self._play(sock, self.plays["connect"])
            if self.context is not None:
                sock = self.context.wrap_socket(sock, server_side=True, suppress_ragged_eofs=True)
            self._talk(sock, number)
        except OSError:  # ours, by which a play ends; or the client has gone
            pass
        finally:
            sock.close()
            self._open.pop(threading.current_thread(), None)

    def _talk(self, sock: socket.socket, number: int) -> None:
        inbox = b""
        while True:
            while b"\r\n\r\n" not in inbox:
                data = sock.recv(65536)
                if not data:
                    if inbox:
                        self.unfinished.append(inbox)
                    return
                inbox += data
            head, _, inbox = inbox.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = Headers([(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)])
            length = int(headers.get("content-length", "0"))
            while len(inbox) < length:
                inbox += sock.recv(65536)
            method, target, _ = first.split(" ")
            asked = Asked(number, method, target, headers, inbox[:length])
            inbox = inbox[length:]
            try:
                self._play(sock, self._answer(asked))
            finally:
                with self._lock:
                    self.played += 1

    def _answer(self, asked: Asked) -> Play:
        with self._lock:
            self.asked.append(asked)
            play = self.plays.get(asked.path, NOT_FOUND)
            while isinstance(play, list) or callable(play):
                if callable(play):
                    play = play(asked)
                else:
                    turn = self._times[asked.path] = self._times.get(asked.path, 0) + 1
                    play = play[min(turn, len(play)) - 1]
        return play

    def _play(self, sock: socket.socket, play: Any) -> None:
        for step in play if isinstance(play, tuple) else (play,):
            if isinstance(step, bytes):
                self._send(sock, step)
            elif isinstance(step, Forever):
                while True:
                    self._send(sock, step.data)
                    time.sleep(step.pause)
            elif isinstance(step, float):
                time.sleep(step)
            else:
                self._end(sock, step)

    def _send(self, sock: socket.socket, data: bytes) -> None:
        sock.sendall(data)
        self.sent += len(data)

    def _end(self, sock: socket.socket, step: Act | Cut) -> None:
        """Close the connection in the way that is told, or wait for the client to do so."""
        if step is SILENCE:
            while sock.recv(65536):
                pass
        elif step is RESET:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif step is CLOSE and isinstance(sock, ssl.SSLSocket):
            sock = sock.unwrap()
        sock.close()
        raise ConnectionAbortedError("the play has ended")


def answer(body: bytes | str = b"good", status: int | str = 200, *fields: str) -> bytes:
    """A whole answer that is well made, with more fields as lines."""
    body = body.encode() if isinstance(body, str) else body
    lines = "".join(f"{line}\r\n" for line in (*fields, f"Content-Length: {len(body)}"))
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode("latin-1") + body


GOOD: Final = answer()
NOT_FOUND: Final = answer("no such page", 404)

__all__ = ["CLOSE", "GOOD", "RESET", "SILENCE", "Asked", "Cut", "Forever", "Play", "Server", "answer"]
