"""A URL into a file: there once it is whole, gone on with where an earlier try broke off.

Until it is whole the body is in ``NAME.part``; beside it ``NAME.part.json`` says of what it is a part: the URL, and the
validator by which the server can tell that it is still the same (RFC 9110 §8.8.1). Only a strong one will do, and only
for a body without content codings: bytes are joined to bytes.

Knows of no connections, redirects or cookies: ``send`` does.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from scrapekit.content import move_new
from scrapekit.errors import BadResponse, BadStatus, NotStored, TooLarge
from scrapekit.headers import Fields, Headers
from scrapekit.http.exchange import Head
from scrapekit.http.filesink import Writer, check, close
from scrapekit.http.ranges import Version, whole_size
from scrapekit.http.streaming import Place
from scrapekit.http.thread import in_thread
from scrapekit.response import Response

Send = Callable[[Fields, Place], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Download:
    """What was got: ``size`` in bytes, ``resumed`` of which were there before; ``url`` is the final one."""

    path: Path
    size: int
    resumed: int
    url: str
    status: int
    headers: Headers


class _Changed(BadResponse):
    """The answer does not go on with what is there."""


class Getter:
    """One download. ``most`` is the largest size of the whole, in bytes."""

    def __init__(self, send: Send, url: str, path: Path, most: int) -> None:
        self._send, self._url, self._path, self._most = send, url, path, most
        self._part = Part(path.with_name(path.name + ".part"), url)
        self._sink: PartSink | None = None
        self._resumed = 0

    async def get(self, *, resume: bool, overwrite: bool) -> Download:
        """See ``Session.download``."""
        if not overwrite and self._path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self._path))
        self._part.open(fresh=not resume)
        try:
            response = await self._whole()
        except BaseException:  # a cancellation is none of Exception
            self._part.drop_useless()
            raise
        size = await self._part.settle()
        if overwrite:
            self._part.path.replace(self._path)
        else:
            move_new(self._part.path, self._path)
        return Download(self._path, size, self._resumed, response.url, response.status, response.headers)

    async def _whole(self) -> Response:
        """Ask until all is here: at most once more after a change, and for as long as each answer brings something."""
        fresh = False
        while True:
            held = self._part.held()
            try:
                response = await self._ask(held)
            except _Changed:
                self._part.open(fresh=True)
                if fresh:
                    raise
                fresh, self._resumed = True, 0
                continue
            if self._part.whole(response):
                return response
            if self._part.held() <= held:
                raise BadResponse("a part of the body, and nothing new in it", url=response.url, phase="body")

    async def _ask(self, held: int) -> Response:
        version = self._part.version
        response = await self._send(version.fields(held) if held else {"Accept-Encoding": "identity"}, self._place)
        if response.status == 416 and held:
            if whole_size(response.headers) != held:
                raise _Changed("the range is not there any more", url=response.url, phase="head")
            self._resumed, version.total = self._resumed or held, held
        elif not 200 <= response.status < 300:
            raise BadStatus(response.status, response=response, url=response.url, address=response.address)
        return response

    def _place(self, url: str, history: tuple[str, ...], head: Head) -> PartSink | None:
        """Where the body goes: onto what is there, or in its place; or nowhere, if it is none of ours."""
        if not 200 <= head.status < 300:
            return None
        at = 0
        if head.status == 206:
            at = self._part.held()
            if objection := self._part.version.objection(head, at):
                raise _Changed(objection, phase="head")
        self._resumed = (self._resumed or at) if at else 0
        try:
            return self._part.begin(head, at, self._most)
        except OSError as error:
            raise NotStored(error.strerror or type(error).__name__) from None


class Part:
    """The file of what has come, and the note of what it is a part of."""

    def __init__(self, path: Path, url: str) -> None:
        self.path, self._url = path, url
        self._note = path.with_name(path.name + ".json")
        self.version = Version()

    def open(self, *, fresh: bool) -> None:
        """Look at what is there, or begin anew. Raises OSError where nothing can be written."""
        self.version = Version()
        if not fresh:
            with suppress(OSError, ValueError, TypeError, KeyError):
                note = json.loads(self._note.read_text())
                if note["url"] == self._url and str(note["validator"]).isprintable():
                    self.version = Version(str(note["validator"]), note["total"])
        with self.path.open("ab") as file:
            if not self.version.validator:
                file.truncate(0)
        if not self.version.validator:
            self._note.unlink(missing_ok=True)

    def held(self) -> int:
        """Bytes that need not come again."""
        return self.path.stat().st_size if self.version.validator else 0

    def begin(self, head: Head, at: int, most: int) -> PartSink:
        """A sink for the body of an answer, which begins at that byte of the whole."""
        if not at:
            self.open(fresh=True)
            self.version = Version.of(head)
            if self.version.validator:
                note = {"url": self._url, "validator": self.version.validator, "total": self.version.total}
                self._note.write_text(json.dumps(note))
        return PartSink(self.path.open("ab"), at, most)

    def whole(self, response: Response) -> bool:
        """Whether nothing is missing after that answer."""
        size = self.path.stat().st_size
        return response.status != 206 or self.version.total is None or size >= self.version.total

    def drop_useless(self) -> None:
        """Remove what nobody could go on with."""
        if not self.version.validator:
            self.path.unlink(missing_ok=True)

    async def settle(self) -> int:
        """Make sure that it is on the disk, and forget the note; its size."""
        with self.path.open("rb") as file:
            check(await in_thread(_sync, file))
            size = os.fstat(file.fileno()).st_size
        self._note.unlink(missing_ok=True)
        return size


class PartSink(Writer):
    """Adds to a part; what came before a failure stays."""

    def __init__(self, file: BinaryIO, size: int, most: int) -> None:
        super().__init__(file, size)
        self._most = most

    def put(self, piece: bytes) -> None:
        super().put(piece)
        if self.size + self._held > self._most:
            raise TooLarge(f"a body of more than {self._most} bytes")

    async def finish(self) -> bytes:
        await self.empty()
        check(close(self._file))
        return b""

    def drop(self) -> None:
        self.write_rest()


def _sync(file: BinaryIO) -> OSError | None:
    try:
        os.fsync(file.fileno())
    except OSError as error:
        return error
    return None
