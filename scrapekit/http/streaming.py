"""A body that is read while it comes: held nowhere, written nowhere.

A task fetches and puts pieces in a pipe; whoever iterates takes them out. The pipe holds little: a reader that takes
its time stops the transfer, and is not charged for it as the peer's slowness would be.

Invariant: however the block is left, the task has ended when it is, and with it the connection if bytes were to come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Final

import curio

from scrapekit.content import CHUNK
from scrapekit.errors import BadStatus, ScrapekitError
from scrapekit.filename import filename
from scrapekit.headers import Headers
from scrapekit.http.body import Sink
from scrapekit.http.exchange import Head
from scrapekit.response import Response

#: Chooses where the body of a chain's last answer goes: by its URL, the URLs before it, and its head.
Place = Callable[[str, tuple[str, ...], Head], Sink | None]
#: Bytes in a pipe beyond which the transfer waits for its reader.
HELD: Final = 4 * CHUNK


class Pipe:
    """A sink that another task empties. ``streamed`` is there once an answer has begun."""

    def __init__(self) -> None:
        self.streamed: Streamed | None = None
        self.over = False
        self.error: ScrapekitError | None = None
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._untold = False  # something was put of which the reader does not know
        self._there, self._room = curio.Event(), curio.Event()

    def __repr__(self) -> str:
        return f"<Pipe {self._held} bytes{', over' if self.over else ''}>"

    # What feeds it.

    def begin(self, url: str, history: tuple[str, ...], head: Head) -> Pipe | None:
        """An answer has begun; None for one that may yet be followed by the right one (RFC 9110 §15.5.9)."""
        if head.status == 408:
            return None
        self.streamed = Streamed(url, history, head.status, head.headers, self)
        self._untold = True
        return self

    @property
    def full(self) -> bool:
        return self._untold

    def put(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._held += len(piece)
        self._untold = True

    async def empty(self) -> None:
        self._untold = False
        await self._there.set()
        while self._held > HELD:
            self._room.clear()
            await self._room.wait()

    async def finish(self) -> bytes:
        await self.empty()
        return b""

    def drop(self) -> None:
        """Nothing to do: what came may be read, and the error comes after it."""

    async def end(self, error: ScrapekitError | None = None) -> None:
        """Nothing more is to come."""
        self.over, self.error = True, error
        await self._there.set()

    # What reads it.

    async def begun(self) -> Streamed | None:
        """Wait for an answer, or for the end that came before."""
        while self.streamed is None and not self.over:
            self._there.clear()
            await self._there.wait()
        return self.streamed

    async def next(self, size: int) -> bytes:
        """The next bytes, at most ``size`` of them; b"" at the end. Raises what ended it."""
        while not self._pieces and not self.over:
            self._there.clear()
            await self._there.wait()
        if not self._pieces:
            if self.error is not None:
                raise self.error
            return b""
        piece = self._pieces.popleft()
        if len(piece) > size:
            self._pieces.appendleft(piece[size:])
            piece = piece[:size]
        self._held -= len(piece)
        await self._room.set()
        return piece


class Streamed:
    """An answer whose body is on its way. ``url`` is the final one, and ``status`` whatever it is."""

    def __init__(self, url: str, history: tuple[str, ...], status: int, headers: Headers, pipe: Pipe) -> None:
        self.url, self.history, self.status, self.headers = url, history, status, headers
        self._pipe = pipe

    def __repr__(self) -> str:
        return f"<Streamed {self.status} {self.url}>"

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx or 3xx."""
        return 200 <= self.status < 400

    @property
    def filename(self) -> str:
        """A safe name for the body as a file; see ``Response.filename``."""
        return filename(self.headers.get("content-disposition"), self.url, self.headers.get("content-type"))

    def raise_for_status(self) -> Streamed:
        """This answer, if it is ``ok``. Raises BadStatus otherwise."""
        if not self.ok:
            raise BadStatus(self.status, url=self.url)
        return self

    def iter_bytes(self, size: int = CHUNK) -> AsyncIterator[bytes]:
        """The body as it comes, its content codings taken off, at most ``size`` bytes at a time; once.

        Raises FetchError subclasses, when all that came before has been given.
        """
        return _Chunks(self._pipe, size)

    async def read(self) -> bytes:
        """All that is still to come."""
        return b"".join([chunk async for chunk in self.iter_bytes()])


class _Chunks:
    """Not a generator: curio wants one to be finalized by whoever leaves it early."""

    def __init__(self, pipe: Pipe, size: int) -> None:
        self._pipe, self._size = pipe, size

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._pipe.next(self._size)
        if not chunk:
            raise StopAsyncIteration
        return chunk


class Live:
    """A fetch under way in a task of its own: ``async with Live(fetch) as streamed``.

    ``fetch`` is given what chooses the place of the body, and comes back when all of it has come.
    """

    def __init__(self, fetch: Callable[[Place], Awaitable[Response]]) -> None:
        self._fetch, self._pipe = fetch, Pipe()
        self._task: Any = None

    async def __aenter__(self) -> Streamed:
        self._task = await curio.spawn(self._run)
        try:
            streamed = await self._pipe.begun()
            if streamed is None:
                await self._task.join()  # raises if the task died of a bug
                assert self._pipe.error is not None
                raise self._pipe.error
        except BaseException:
            await self._task.cancel()
            raise
        return streamed

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._task.cancel()

    async def _run(self) -> None:
        error = None
        try:
            response = await self._fetch(self._pipe.begin)
            if self._pipe.streamed is None:  # the body went elsewhere
                self._pipe.streamed = Streamed(
                    response.url, response.history, response.status, response.headers, self._pipe
                )
                self._pipe.put(response.body)
        except ScrapekitError as failed:
            error = failed
        finally:
            await self._pipe.end(error)
