"""One connection of HTTP/2: a stream of bytes, and the many exchanges that share it.

One task reads, for all; one writes, for all. So whoever is cancelled leaves neither half a frame on the wire nor one
unread. Exchanges never touch the socket: they hand an order to the writer, and wait for news of their answer.

Invariant: however an exchange ends, its stream is over and the others are none the wiser; however the connection ends,
each exchange gets an error of its own, both tasks are gone, and the socket is closed.

Raises FetchError subclasses with phase, sent and reused set; OSError ends here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final

import curio

from scrapekit.errors import ConnectFailed, FetchError
from scrapekit.http.answer import Answer
from scrapekit.http.body import Into, Spool
from scrapekit.http.connection import Asked, Connection, Reply, Route, State
from scrapekit.http.http2 import Http2
from scrapekit.http.lane import Lane
from scrapekit.http.limit import Expired
from scrapekit.http.stream import Stream
from scrapekit.http.talk import READ, Talk, translated
from scrapekit.http.terms import Sizes, Terms

#: Turns that are given to the reader, to see what has arrived on an idle connection.
_TURNS: Final = 4


class SharedConnection(Connection):
    """A connection that several may ask at once, as many as ``capacity`` says.

    ``sizes`` are told to the peer as ours; each exchange is held to its own.
    """

    shared: ClassVar = True

    __slots__ = ("_greeted", "_lanes", "_mute", "_orders", "_tasks", "_wanted", "http2")

    def __init__(self, route: Route, stream: Stream, *, sizes: Sizes, born: float = 0.0) -> None:
        super().__init__(route, stream, born=born)
        self.http2 = Http2(sizes)
        self._lanes: dict[Answer, Lane] = {}
        self._orders: deque[Lane] = deque()
        self._greeted = curio.Event()
        self._mute = False  # nothing can be written any more
        self._wanted = curio.Event()  # there is something to write
        self._tasks: list[Any] = []

    def __repr__(self) -> str:
        return f"<SharedConnection {self.route[0]} {self._state.value}, {len(self._lanes)} lanes, served {self.served}>"

    @property
    def capacity(self) -> int:
        return 0 if self._state is State.CLOSED else self.http2.capacity

    @property
    def wants_http1(self) -> bool:
        return self.http2.wants_http1

    def quiet(self) -> bool:
        """Whether it can be used, as far as was read; what else is there ``fit`` finds out."""
        return self.capacity > 0

    async def greet(self) -> None:
        """Exchange greetings: how many streams the peer allows must be known before more than one is opened.

        Raises FetchError; whatever goes wrong, a cancellation too, the connection is closed then.
        """
        try:
            self._tasks = [await curio.spawn(self._read, daemon=True), await curio.spawn(self._write, daemon=True)]
            await self._greeted.wait()
            if self.capacity < 1:
                raise self.http2.refusal
        except FetchError as error:
            await self.close()
            raise type(error)(error.detail, phase="connect", address=self.address, reused=self.wants_http1) from None
        except BaseException:
            await self.close()
            raise

    async def fit(self) -> bool:
        """Let what has arrived be read: the peer may have said goodbye while nobody asked (RFC 9113 §9.1)."""
        for _ in range(0 if self._lanes else _TURNS):
            if self.capacity < 1 or not self._stream.pending():
                break
            await curio.sleep(0)
        return self.capacity > 0

    async def close(self) -> None:
        """Let go of the socket, whatever goes on; may be called again."""
        if self._state is not State.CLOSED:
            self._become(State.CLOSED)
            self.http2.break_off(ConnectFailed("the connection was closed"))
        me = await curio.current_task()
        try:
            # First they must be out of the kernel's hands: it knows the socket by its number.
            others = [task for task in self._tasks if task is not me]
            for task in others:
                await task.cancel(blocking=False)
            for task in others:
                await task.wait()
        finally:
            await self._stream.close()
            await self._greeted.set()
            await self._wake(list(self._lanes))

    async def ask(
        self,
        asked: Asked,
        *,
        terms: Terms,
        spool: Spool,
        on_sent: Callable[[], Awaitable[None]] | None = None,
        may_go: Callable[[], bool] | None = None,
        into: Into | None = None,
    ) -> Reply:
        """As ``Connection.ask``; afterwards the stream is over, and the connection idle, busy or closed."""
        lane = Lane(self, asked, Answer(asked.method, terms.sizes), may_go)
        talk = Talk(lane, lane.answer, terms, on_sent, spool=spool, into=into)
        reused = self.served > 0
        self._enter(lane)
        try:
            await talk.play(asked.body)
            reply = self._reply(talk, reused=reused)
        except (FetchError, OSError, Expired) as error:
            if isinstance(error, Expired) and self.http2.received == lane.received:
                self.http2.retire()  # not one byte since: the way may be dead
            return self._told(error, talk, lane, reused=reused)
        finally:
            self.served += lane.answer.received > 0
            await self._leave(lane)
        return reply

    def _told(self, error: FetchError | OSError | Expired, talk: Talk, lane: Lane, *, reused: bool) -> Reply:
        try:
            return self._despite(error, talk, reused=reused)
        except FetchError as failure:
            failure.sent = lane.opened and not lane.answer.unprocessed
            unseen = self.wants_http1 and lane.answer.head is None and isinstance(failure, ConnectFailed)
            failure.reused = failure.reused or lane.answer.unprocessed or unseen
            raise

    def _translated(self, error: FetchError | OSError | Expired, talk: Talk) -> FetchError:
        return error if isinstance(error, FetchError) else translated(error, talk)

    def _enter(self, lane: Lane) -> None:
        if self._state is State.CLOSED:
            lane.answer.fail(ConnectFailed("closed while idle", phase="send"), unprocessed=True)
            return
        if self._state is not State.BUSY:
            self._become(State.BUSY)
        self._lanes[lane.answer] = lane

    async def _leave(self, lane: Lane) -> None:
        self._lanes.pop(lane.answer, None)
        self.http2.leave(lane.answer)
        if lane in self._orders:
            self._orders.remove(lane)
        if self._state is State.CLOSED or not (self._lanes or self.capacity):
            await self.close()  # or wait until it is
            return
        if self.http2.pending:
            await self._wanted.set()
        if not self._lanes:
            self._become(State.IDLE)

    async def order(self, lane: Lane) -> None:
        """Have the writer begin what the lane sends, and write all that there is; returns when it has, or never can."""
        lane.written = self._mute
        if not self._mute:
            self._orders.append(lane)
            await self._wanted.set()
        while not (lane.written or lane.answer.fault):
            await lane.wait()

    async def acknowledge(self, answer: Answer) -> None:
        """What came was taken: more may come."""
        self.http2.acknowledge(answer)
        if self.http2.pending:
            await self._wanted.set()

    async def _read(self) -> None:
        """All that comes, for all lanes, until nothing more can come."""
        http2 = self.http2
        try:
            while http2.capacity or self._lanes:
                told = http2.receive(await self._stream.read(READ))
                if http2.over:
                    break
                await self._wake(told)
                if http2.greeted and not self._greeted.is_set():
                    await self._greeted.set()
        except (OSError, FetchError) as error:
            http2.break_off(_failure(error))
        finally:
            await self.close()

    async def _write(self) -> None:
        """All that goes, of all lanes. When it can no longer write it stops: what the peer had said is to be read."""
        try:
            while True:
                await self._put()
                if self._orders:
                    await self._begin(self._orders[0])
                elif not self.http2.pending:
                    self._wanted.clear()
                    await self._wanted.wait()
        except (OSError, FetchError):
            self._mute = True
            self.http2.retire()
            while self._orders:
                await self._written(self._orders[0])

    async def _begin(self, lane: Lane) -> None:
        first = not lane.opened
        lane.begin()
        try:
            await self._put()  # with nothing awaited between
        except (OSError, FetchError) as error:
            if first and lane.opened:
                lane.answer.fail(ConnectFailed(_failure(error).detail, phase="send"))
            raise
        await self._written(lane)

    async def _written(self, lane: Lane) -> None:
        if lane in self._orders:  # nobody has given it up meanwhile
            self._orders.remove(lane)
        lane.written = True
        await lane.changed.set()

    async def _put(self) -> None:
        data = self.http2.outgoing()
        while data:
            data = data[await self._stream.write(data[:READ]) :]

    async def _wake(self, told: list[Answer]) -> None:
        for answer in told:
            if answer in self._lanes:
                await self._lanes[answer].changed.set()
        if self.http2.pending:
            await self._wanted.set()


def _failure(error: OSError | FetchError) -> FetchError:
    """The connection's end as a fault of each exchange."""
    return error if isinstance(error, FetchError) else ConnectFailed(error.strerror or str(error) or "reset")
