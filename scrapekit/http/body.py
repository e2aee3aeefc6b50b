"""Where a body goes while it comes: memory as long as it is no giant and all are within their budget, else a file.

An ``Intake`` is one body on its way, of whichever version of HTTP: bytes as they were sent go in, their content codings
are taken off, and what comes out goes to memory or to a sink, all of it under the cap.

Invariant: the bodies of one spool hold no more memory than its budget, one piece each, and what is too small to be
worth a file.

Knows no sockets. Raises TooLarge, BadResponse (phase decode) and NotStored.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, Final, Protocol

from scrapekit.content import Budget, Content, Kept, Stored
from scrapekit.errors import TooLarge
from scrapekit.http.decoding import Decoder, codings
from scrapekit.http.exchange import Head
from scrapekit.http.filesink import FileSink, not_stored
from scrapekit.http.terms import Terms

#: Memory for all bodies in flight, in bytes.
MEMORY: Final = 256 * 1024 * 1024
#: A body of up to so many bytes stays in memory whatever the budget says: a file costs more than it saves.
SMALL: Final = 16 * 1024
#: Beyond so many bytes a body goes to a file whatever the budget says: what looks like a giant is often a bomb.
LARGE: Final = 8 * 1024 * 1024
#: How the files of a spool end.
SUFFIX: Final = ".body"


class Sink(Protocol):
    """Where decoded pieces go. ``full`` asks for ``empty`` before more is put."""

    @property
    def full(self) -> bool: ...

    def put(self, piece: bytes) -> None:
        """Take a piece. Never waits for anybody but, at worst, the disk."""

    async def empty(self) -> None:
        """Put away what is held."""

    async def finish(self) -> Content | bytes:
        """The body is complete: what the reply is given for it."""

    def drop(self) -> None:
        """It will never be complete. May be called at any time, and again."""


#: Chooses the sink of a body by the head that came before it; None leaves it where bodies go.
Into = Callable[[Head], Sink | None]


class Spool:
    """Where bodies go: ``memory`` bytes for all of them, beyond it files in ``folder``, else where temporary files go.

    Files of the folder may become the user's own by ``Response.save``; the folder is made when first needed.
    """

    def __init__(self, folder: Path | None = None, *, memory: int = MEMORY) -> None:
        self._folder, self.budget = folder, Budget(memory)
        self._name = token_hex(6)
        self.files = 0  # that were ever made

    def __repr__(self) -> str:
        return f"<Spool {self.budget!r}, {self.files} files made>"

    def file(self) -> FileSink:
        """A sink that is a new file. Raises NotStored."""
        return FileSink(*self.open())

    def open(self) -> tuple[BinaryIO, Stored]:
        """A new file to be written. Raises NotStored."""
        self.files += 1
        try:
            if self._folder is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
                path = self._folder / f"{self._name}-{self.files}{SUFFIX}"
                return path.open("xb"), Stored(path, shared=True)
            number, name = tempfile.mkstemp(SUFFIX, "scrapekit-")
            return os.fdopen(number, "wb"), Stored(Path(name))
        except OSError as error:
            raise not_stored(error) from None

    def clear(self) -> None:
        """Remove what a process that was killed has left in the folder, which must be nobody else's."""
        for path in self._folder.glob(f"*{SUFFIX}") if self._folder is not None else ():
            path.unlink(missing_ok=True)


class Intake:
    """One body on its way. ``size`` is in bytes as sent; ``full`` asks for ``empty`` before more is fed.

    ``head`` is the answer's. With ``terms.to_file`` a good answer's body goes to a file from the start; ``into`` may
    choose a sink of its own.
    """

    __slots__ = ("_away", "_coming", "_decoder", "_head", "_kept", "_most", "_spool", "size")

    def __init__(self, head: Head, terms: Terms, spool: Spool, into: Into | None = None) -> None:
        self._head, self._most, self._spool = head, terms.sizes.max_size, spool
        self.size = 0
        self._decoder: Decoder | None = None
        self._coming: Iterable[bytes] = ()  # pieces that what was fed still unpacks to
        self._kept = Kept(spool.budget)
        self._away: Sink | None = into(head) if into is not None else None
        if terms.to_file and self._away is None and 200 <= head.status < 300:
            self._away = spool.file()

    def __repr__(self) -> str:
        return f"<Intake {self.size} bytes as sent, to {self._away or self._kept!r}>"

    @property
    def full(self) -> bool:
        return self._away is not None and self._away.full

    def feed(self, data: bytes) -> None:
        """Take bytes of the body as they were sent. Raises TooLarge, BadResponse or NotStored."""
        if not self.size:
            self._decoder = _decoder(self._head, self._most)
        self.size += len(data)
        if self.size > self._most:
            raise TooLarge(f"a body of more than {self._most} bytes")
        if self._decoder is None:
            self._put(data)
        else:
            self._coming = self._decoder.feed(data)
            self._draw()

    async def empty(self) -> None:
        """Put away what a sink holds; not to be called in the time that the peer is given."""
        if self._away is not None:
            await self._away.empty()
            self._draw()

    def kept(self) -> Kept | None:
        """The body is complete: all of it, if it stayed in memory. Raises BadResponse where a coding is cut short."""
        if self._away is not None:
            return None
        if self._decoder is not None:
            self._decoder.finish()
        return self._kept

    async def finish(self) -> Content | bytes:
        """The same, wherever it is. Raises NotStored too."""
        while self.full:
            await self.empty()
        if self._away is None:
            return self.kept() or b""
        if self._decoder is not None:
            self._decoder.finish()
        return await self._away.finish()

    def drop(self) -> None:
        """Let go of all that came, whoever may still hold this, such as a traceback."""
        self._kept.clear()
        if self._away is not None:
            self._away.drop()

    def _draw(self) -> None:
        """Unpack until the sink is full: a read's worth of a bomb is not in memory at once."""
        for piece in self._coming:
            self._put(piece)
            if self.full:
                return

    def _put(self, piece: bytes) -> None:
        if self._away is not None:
            self._away.put(piece)
            return
        kept = self._kept
        kept.add(piece)
        if kept.size <= SMALL:
            return
        budget = self._spool.budget
        if budget.used > budget.size or kept.size > LARGE:
            self._away = away = self._spool.file()
            away.take(kept.clear())


def _decoder(head: Head, limit: int) -> Decoder | None:
    packed = head.headers.get("content-encoding")
    if not packed:
        return None
    names = codings(",".join(head.headers.get_all("content-encoding")))
    return Decoder(names, limit=limit) if names else None
