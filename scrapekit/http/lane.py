"""One stream of HTTP/2 as a ``Talk`` sees it, on a connection that others use as well.

Touches no socket: it has its orders written, and waits for news of its answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import curio

from scrapekit.errors import ConnectFailed, FetchError, Overtaken
from scrapekit.http.answer import Answer
from scrapekit.http.connection import Asked
from scrapekit.http.fieldlist import fields_of

if TYPE_CHECKING:
    from scrapekit.http.shared import SharedConnection


class Lane:
    """What is written is the request's body, and its head goes before it.

    ``opened`` says that the head was begun, ``written`` that the order in hand is, ``overtaken`` that it may not go.
    """

    __slots__ = ("_asked", "_connection", "_left", "_may_go", "_seen", "answer", "changed", "opened", "overtaken",
                 "received", "written")  # fmt: skip

    def __init__(
        self, connection: SharedConnection, asked: Asked, answer: Answer, may_go: Callable[[], bool] | None
    ) -> None:
        self._connection, self._asked, self.answer, self._may_go = connection, asked, answer, may_go
        self._left = len(asked.body)
        self._seen = 0
        self.changed = curio.Event()
        self.opened = self.overtaken = self.written = False
        self.received = connection.http2.received  # what had come on the connection when this began

    async def wait(self) -> None:
        """Until something has changed for this lane."""
        await self.changed.wait()
        self.changed.clear()

    def begin(self) -> None:
        """Called by the writer, just before it writes."""
        if self.opened:
            return
        if self._may_go is not None and not self._may_go():
            self.overtaken = True
            return
        try:
            self._connection.http2.open(self.answer, fields_of(self._asked), whole=not self._asked.body)
            self.opened = True
        except FetchError as error:
            self.answer.fail(error, unprocessed=True)

    async def write(self, data: bytes) -> int:
        """Send the head, or of the body as much as the peer has room for."""
        if not self.opened:
            await self._connection.order(self)
            if self.overtaken:
                raise Overtaken("the host asked for a rest meanwhile")
            if not self.opened:
                self.answer.fail(ConnectFailed("nothing can be sent any more", phase="send"), unprocessed=True)
                self._check()
            return 0
        while not (taken := self._connection.http2.send(self.answer, data, last=len(data) == self._left)):
            self._check()
            await self.wait()
        self._left -= taken
        await self._connection.order(self)
        return taken

    async def read(self, size: int) -> bytes:
        """Wait for news of the answer, which is told to it and not here."""
        if self.answer.owed:
            await self._connection.acknowledge(self.answer)
        while self._seen == self.answer.news:
            await self.wait()
        self._seen = self.answer.news
        return b""

    def _check(self) -> None:
        if self.answer.fault is not None:
            raise self.answer.fault
        if self.answer.ended:  # RFC 9113 §8.1: an answer may be complete before the request is
            raise BrokenPipeError("answered before all was sent")
