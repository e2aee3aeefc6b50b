"""A small HTTP/1.1 server on curio's sockets: a handler takes a request and gives a reply.

The bundled shop, the tests and the pages that show a crawl stand on it. It is made for loopback: no TLS, no deadlines.
What the bytes mean is the business of ``dialogue.py``.

Invariant: each request that began to arrive leaves one record in the access log, whatever became of it.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from typing import Any, Final, Self, Union

import curio

from scrapekit.errors import ConfigError
from scrapekit.http.dialogue import MAX_BODY, Dialogue, ServerReply, ServerRequest, plain

log: Final = logging.getLogger("scrapekit.http.server")
log.addHandler(logging.NullHandler())  # without one, Python prints warnings to stderr

READ: Final = 65536  # bytes asked for at once
LINGER: Final = 1.0  # seconds in which a client may read why it was refused


@dataclass(frozen=True, slots=True)
class Access:
    """One request as the server saw it.

    ``started`` (when its first byte was read) and ``ended`` (when the reply was handed to the system) are monotonic
    seconds, ``at`` is the start in seconds since the epoch. ``status`` is 0 if the connection ended before a reply;
    method, host and target are empty if what came was no request.
    """

    method: str
    host: str
    target: str
    status: int
    started: float
    at: float
    ended: float


Handler = Callable[[ServerRequest], Union[ServerReply, Awaitable[ServerReply]]]


class Server:
    """Serve ``handler`` while the block lasts: ``async with Server(handler) as server: ... server.port``.

    The handler may be a plain function or a coroutine function. ``port=0`` takes a free one. ``access`` is called with
    each request's record once it is over. What a handler raises is answered by 500 and logged.

    Raises ConfigError if the address cannot be had.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        access: Callable[[Access], object] | None = None,
        max_body: int = MAX_BODY,
    ) -> None:
        self.host, self.port = host, port
        self._handler, self._access, self._max_body = handler, access, max_body
        self._served = 0
        self._open: set[Any] = set()
        self._task: Any = None

    def __repr__(self) -> str:
        return f"<Server {self.host}:{self.port} {len(self._open)} connections, {self._served} requests>"

    @property
    def url(self) -> str:
        """Where a client on this machine finds it, with a slash at the end."""
        return f"http://[{self.host}]:{self.port}/" if ":" in self.host else f"http://{self.host}:{self.port}/"

    async def __aenter__(self) -> Self:
        listener = _bound(self.host, self.port)
        self.port = listener.getsockname()[1]
        self._task = await curio.spawn(self._serve, curio.io.Socket(listener))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        # A block that is cancelled or times out must not leave before its connections are closed.
        async with curio.disable_cancellation():
            await self._task.cancel()

    async def _serve(self, listener: Any) -> None:
        try:
            async with curio.TaskGroup() as group:
                await group.spawn(self._accept, listener, group)
                async for task in group:
                    if task.exception is not None:
                        log.error("a connection's task failed", exc_info=task.exception)
        finally:
            await listener.close()

    async def _accept(self, listener: Any, group: Any) -> None:
        while True:
            try:
                sock, _ = await listener.accept()
            except OSError as error:  # reset before it was taken, or no descriptor left: go on with those at hand
                log.warning("no connection could be taken: %s", error)
                await curio.sleep(0.05)
            else:
                await group.spawn(self._connection, sock)

    async def _connection(self, sock: Any) -> None:
        self._open.add(sock)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._converse(sock, Dialogue(max_body=self._max_body))
        except OSError as error:  # the client went away, which is its right
            log.debug("connection lost: %s", error)
        finally:
            self._open.discard(sock)
            await sock.close()

    async def _converse(self, sock: Any, dialogue: Dialogue) -> None:
        while await self._exchange(sock, dialogue):
            if dialogue.begun:  # the next request is here already, and nothing on the way would let others run
                await curio.sleep(0)

    async def _exchange(self, sock: Any, dialogue: Dialogue) -> bool:
        """Serve one request; False if the connection is to be closed."""
        if not dialogue.begun and not await _receive(sock, dialogue):
            return False
        started, at, status, asked = time.monotonic(), time.time(), 0, None
        try:
            asked = await _asked(sock, dialogue)
            if asked is None:
                return False
            status, data = await self._answer(dialogue, asked)
            await sock.sendall(data)
        finally:
            self._record(asked, status, started, at)
        if isinstance(asked, ServerReply):
            await _linger(sock)
        return dialogue.go_on()

    async def _answer(self, dialogue: Dialogue, asked: ServerRequest | ServerReply) -> tuple[int, bytes]:
        date = _date(int(time.time()))
        if isinstance(asked, ServerReply):
            return asked.status, dialogue.answer(asked, date)
        try:
            reply = self._handler(asked)
            if not isinstance(reply, ServerReply):
                reply = await reply
            return reply.status, dialogue.answer(reply, date)
        except (Exception, curio.TaskTimeout):  # the handler is not ours: what it raises must not end the server
            log.exception("%s %s failed", asked.method, asked.target)
            return 500, dialogue.answer(plain(500, "the handler failed"), date)

    def _record(self, asked: ServerRequest | ServerReply | None, status: int, started: float, at: float) -> None:
        self._served += 1
        if self._access is None:
            return
        request = asked if isinstance(asked, ServerRequest) else _NOT_READ
        access = Access(request.method, request.host, request.target, status, started, at, time.monotonic())
        self._access(access)


_NOT_READ: Final = ServerRequest("", "")


async def _receive(sock: Any, dialogue: Dialogue) -> bool:
    data = await sock.recv(READ)
    if data:
        dialogue.feed(data)
    return bool(data)


async def _asked(sock: Any, dialogue: Dialogue) -> ServerRequest | ServerReply | None:
    """Read until the request is whole or refused; None if the client left before."""
    while (asked := dialogue.request()) is None:
        if interim := dialogue.interim():
            await sock.sendall(interim)
        if not await _receive(sock, dialogue):
            return None
    return asked


async def _linger(sock: Any) -> None:
    """Let a refused client read its reply: to close on what it still sends would reset both (RFC 9112 §9.6)."""
    await sock.shutdown(socket.SHUT_WR)
    async with curio.ignore_after(LINGER):
        while await sock.recv(READ):
            await curio.sleep(0)


def _bound(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise ConfigError(f"cannot listen on port {port}: there is none above 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}, port {port}: {error}", hint="port 0 takes a free one") from error


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
