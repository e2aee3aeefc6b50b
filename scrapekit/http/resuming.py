"""Bodies for files that broke off: what came is kept, and the next request for the same goes on with it.

Whoever asks need not know: a request for a file that fails in its body is tried again by whatever rule there is, and
the second try asks for the rest only. Its answer stands for the whole, as 200 (RFC 9110 §14.3 calls that combining).

Knows of no connections: ``send`` does. Which answers go together is for ``ranges`` to say.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import BinaryIO, Final

from scrapekit.content import Stored
from scrapekit.errors import ConnectFailed, FetchError, NotStored, TooLarge
from scrapekit.headers import Headers
from scrapekit.http.body import Into, Spool
from scrapekit.http.connection import Reply
from scrapekit.http.exchange import Head
from scrapekit.http.filesink import FileSink, reopened
from scrapekit.http.ranges import Version
from scrapekit.url import host_of

#: So many parts are kept at the most; beyond, the oldest goes.
MOST: Final = 100

#: What tells a request from others for the same URL: these may lead to another's bytes.
_TELLING: Final = ("cookie", "authorization", "accept", "accept-language")

Send = Callable[[Headers, Into], Awaitable[Reply]]


class BrokenOff:
    """What broke off, by request."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str | None, ...], Rest] = {}

    def __repr__(self) -> str:
        return f"<BrokenOff {len(self._kept)}>"

    async def get(self, url: str, headers: Headers, send: Send, *, spool: Spool, most: int) -> Reply:
        """Send a request for a file of at most ``most`` bytes, for the rest of it where a part is here.

        Raises FetchError subclasses; ConnectFailed where what came is kept, whatever broke it off.
        """
        key = (url, *(headers.get(name) for name in _TELLING))
        rest = self._kept.pop(key, None) or Rest(spool)
        rest.most = most
        fields = rest.fields()
        try:
            reply = rest.whole(await send(headers.updated(fields) if fields else headers, rest.place))
            if rest.held:
                self._keep(key, rest)
            return reply
        except FetchError as error:
            error.url, error.host = url, host_of(url)
            if rest.held and not isinstance(error, (TooLarge, NotStored)):
                self._keep(key, rest)
                if error.phase == "body":
                    raise _broken_off(error, rest.held) from None
            raise

    def _keep(self, key: tuple[str | None, ...], rest: Rest) -> None:
        self._kept[key] = rest
        if len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]


class Rest:
    """One body for a file, by as many answers as it takes. ``most`` is the largest size of the whole, in bytes."""

    def __init__(self, spool: Spool) -> None:
        self._spool, self.most = spool, 0
        self._version = Version()
        self.stored: Stored | None = None
        self._joined = False

    @property
    def held(self) -> int:
        """Bytes that need not come again."""
        return self.stored.size if self.stored is not None and self._version.validator else 0

    def fields(self) -> Headers | None:
        """What asks for the rest."""
        self._joined = False
        return self._version.fields(self.held) if self.held else None

    def place(self, head: Head) -> RestSink | None:
        """Where the body of an answer goes. Raises ConnectFailed where it does not go on with what is here."""
        if head.status == 206 and self.held:
            objection = self._version.objection(head, self.held)
            self._joined = not objection
            if objection:
                self._refuse(objection)
        elif head.status == 416 and self.held:
            self._refuse("the range is not there any more")
        elif 200 <= head.status < 300:
            self._version, self.stored = Version.of(head), None
        else:
            return None
        file, self.stored = self._spool.open() if self.stored is None else reopened(self.stored)
        return RestSink(file, self.stored, self)

    def whole(self, reply: Reply) -> Reply:
        """A reply as it would be, had the whole come at once. Raises ConnectFailed where some is still missing."""
        if not isinstance(reply.content, Stored):
            return reply  # a 503, say: what is here is still a part
        if not self._joined:
            self.stored = None  # it is the reply's now
            return reply
        size = reply.content.size
        if self._version.total is not None and size < self._version.total:
            raise ConnectFailed(f"{size} of {self._version.total} bytes", phase="body", address=reply.address)
        self.stored = None
        headers = reply.headers.without("content-range").updated({"Content-Length": str(size)})
        return replace(reply, status=200, headers=headers)

    @property
    def resumable(self) -> bool:
        """Whether what came could be gone on with."""
        return bool(self._version.validator)

    def _refuse(self, why: str) -> None:
        self._version, self.stored = Version(), None
        raise ConnectFailed(f"{why}: it is to begin anew", phase="body")


class RestSink(FileSink):
    """A file that stays where the body breaks off, if it can be gone on with."""

    def __init__(self, file: BinaryIO, stored: Stored, rest: Rest) -> None:
        super().__init__(file, stored)
        self._rest = rest

    def put(self, piece: bytes) -> None:
        super().put(piece)
        if self.size + self._held > self._rest.most:
            raise TooLarge(f"a body of more than {self._rest.most} bytes")

    def drop(self) -> None:
        if not self._rest.resumable:
            return super().drop()
        self.write_rest()
        with suppress(OSError):
            self._stored.size = self._stored.path.stat().st_size  # what is there, and not what should be
        return None


def _broken_off(error: FetchError, held: int) -> ConnectFailed:
    """Worth another try, whatever it was: that one needs only the rest."""
    detail = f"{error.detail}; {held} bytes are kept"
    return ConnectFailed(detail, address=error.address, url=error.url, host=error.host, phase="body", sent=True)
