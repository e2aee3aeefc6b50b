"""A two-way flow of bytes over a TCP socket, waiting through curio.

A stream is what a connection stands on: the real one here, one in memory in tests, TLS around either. A read always
waits in the kernel, also where bytes are at hand: a peer that never stops sending would otherwise hold the kernel,
and no deadline would ever fire.

Knows no HTTP. Raises OSError as the system does; the connection translates.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Generator
from selectors import EVENT_READ
from types import coroutine
from typing import Any, Final, Protocol

from curio.traps import _io_release, _write_wait

from scrapekit.http.address import Address

_HAS_POLL: Final = hasattr(select, "poll")  # Windows has none


class Stream(Protocol):
    """What a connection asks of its transport. One task at a time."""

    @property
    def address(self) -> str:
        """The peer, such as ``192.0.2.7:443``."""

    @property
    def secured(self) -> bool:
        """Whether TLS is on."""

    async def read(self, size: int) -> bytes:
        """At most ``size`` bytes, as soon as there are any; b"" once the peer has closed its side."""

    async def write(self, data: bytes) -> int:
        """Send what can be sent at once, and say how many bytes that was (at least one)."""

    def pending(self) -> bool:
        """Whether anything has arrived, bytes or the end, that was not read yet. Never waits."""

    async def close(self) -> None:
        """Let go of the socket. Never waits for the peer, and can be called again."""


class TCPStream:
    """A stream over a connected (or connecting) socket, which it owns."""

    secured: Final = False

    __slots__ = ("_fd", "_poll", "_recv", "_send", "_socket", "address")

    def __init__(self, sock: socket.socket, address: str) -> None:
        sock.setblocking(False)
        self.address = address
        self._socket: socket.socket | None = sock
        self._fd = sock.fileno()
        self._recv, self._send = sock.recv, sock.send
        self._poll = _poll_of(self._fd) if _HAS_POLL else None

    def __repr__(self) -> str:
        return f"<TCPStream {self.address}{'' if self._socket else ' closed'}>"

    def fileno(self) -> int:
        """The descriptor, also once closed: the kernel may ask for it to forget it.

        The kernel knows this stream by identity, so a number that the system gives out again is no danger.
        """
        return self._fd

    async def read(self, size: int) -> bytes:
        while True:
            await _readable(self)
            try:
                return self._recv(size)
            except (BlockingIOError, InterruptedError):
                continue

    async def write(self, data: bytes) -> int:
        while True:
            try:
                return self._send(data)
            except (BlockingIOError, InterruptedError):
                await _write_wait(self)

    def pending(self) -> bool:
        if self._socket is None:
            return True
        if self._poll is not None:
            return bool(self._poll.poll(0))  # a fifth of what a read costs that finds nothing
        try:
            self._recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True
        return True

    async def close(self) -> None:
        if self._socket is not None:
            closing, self._socket = self._socket, None
            await _io_release(self)
            closing.close()


def _poll_of(number: int) -> select.poll:
    """What tells whether there is anything to read on a descriptor, its end or an error included."""
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return poll


@coroutine
def _readable(stream: TCPStream) -> Generator[Any, Any, None]:
    """curio's ``_read_wait`` in one step instead of three: it is done for every answer."""
    result = yield ("trap_io", stream, EVENT_READ, "READ_WAIT")
    if isinstance(result, BaseException):
        raise result


async def connect_tcp(address: Address) -> TCPStream:
    """Connect to one address. Raises OSError; however it ends, no socket is left behind."""
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    stream = TCPStream(sock, str(address))
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            sock.connect(address.sockaddr)
        except BlockingIOError:
            await _write_wait(stream)
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
    except BaseException:  # a timeout or a cancellation is none of Exception
        await stream.close()
        raise
    return stream
