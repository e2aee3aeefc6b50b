"""Content codings: what a body was packed in, taken off as the bytes come (RFC 9110 §8.4.1).

Invariant: no piece that is given out is larger than ``PIECE`` by more than one block, and none is given out beyond the
limit, so a bomb costs no more than the limit and that.

Knows no HTTP but the Content-Encoding field. Raises BadResponse (phase decode) for what does not decode and TooLarge
for what grows beyond the limit.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol

import brotli  # type: ignore[import-untyped]
import zstandard

from scrapekit.errors import BadResponse, TooLarge

#: Bytes given out at a time.
PIECE: Final = 256 * 1024
#: Codings that may be laid over each other; more than one is already rare.
MAX_CHAIN: Final = 5
#: A zstd window beyond this is refused (RFC 8878 §3.1.1.1.2 asks for 8 MiB at least).
_ZSTD_WINDOW: Final = 8 * 1024 * 1024
#: Input that zstd gets at once: four bytes of it can stand for a block of 128 KiB, so this is at most 8 MiB out.
_ZSTD_STEP: Final = 256

#: A frame's header has at most so many bytes, its magic number among them (RFC 8878 §3.1.1).
_ZSTD_HEAD: Final = 18

_FAULTS: Final = (zlib.error, brotli.error, zstandard.ZstdError)


class Unpacker(Protocol):
    """One coding, taken off piece by piece."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What ``data`` unpacks to."""

    def finish(self) -> bool:
        """Whether the packed stream was complete when it ended."""


class Decoder:
    """A body's codings, taken off in the order opposite to that in which they were laid on.

    ``codings`` are the tokens of Content-Encoding in order; ``limit`` is in bytes, for every layer. Raises BadResponse
    for an unknown coding or too many of them.
    """

    def __init__(self, codings: Sequence[str], *, limit: int) -> None:
        if len(codings) > MAX_CHAIN:
            raise BadResponse(f"{len(codings)} content codings on one body", phase="decode")
        self._limit = limit
        self._layers: list[tuple[str, Unpacker]] = [(coding, _unpacker(coding)) for coding in reversed(codings)]
        self._sizes = [0] * len(self._layers)
        self._fed = False

    def __repr__(self) -> str:
        return f"<Decoder {' < '.join(coding for coding, _ in self._layers)}, {self._sizes} bytes>"

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The pieces that ``data`` unpacks to."""
        if data:
            self._fed = True
            yield from self._through(data, 0)

    def finish(self) -> None:
        """Say that the body has ended. Raises BadResponse if a layer was cut short; an empty body is complete."""
        for coding, layer in self._layers:
            if self._fed and not layer.finish():
                raise BadResponse(f"the {coding} stream is cut short", phase="decode")

    def _through(self, data: bytes, level: int) -> Iterator[bytes]:
        if level == len(self._layers):
            yield data
            return
        coding, layer = self._layers[level]
        try:
            for piece in layer.feed(data):
                self._sizes[level] += len(piece)
                if self._sizes[level] > self._limit:
                    raise TooLarge(f"a body that inflates to more than {self._limit} bytes", phase="decode")
                yield from self._through(piece, level + 1)
        except _FAULTS as error:
            raise BadResponse(f"not {coding}: {error}", phase="decode") from None


def codings(field: str) -> list[str]:
    """The codings that a Content-Encoding field names, those left out that change nothing.

    Servers put things there that are no codings; a charset is the most common.
    """
    tokens = [token.strip().lower() for token in field.split(",")]
    return [token for token in tokens if token and token not in _NO_CODING]


def decode(body: bytes, names: Sequence[str], *, limit: int) -> bytes:
    """A whole body with its codings taken off."""
    decoder = Decoder(names, limit=limit)
    pieces = list(decoder.feed(body))
    decoder.finish()
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class _Zlib:
    """gzip and zlib streams; for gzip any number of members, and rubbish after them is ignored (RFC 1952 §2.2)."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._engine: Any = None
        self._begun = False
        self._rest = b""  # between members: too short to tell whether another one begins
        self._over = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data and not self._over:
            if self._engine is None:
                data = self._begin(data)
                continue
            piece = self._engine.decompress(data, PIECE)
            if piece:
                yield piece
            data = self._engine.unconsumed_tail
            if self._engine.eof:
                data, self._engine = self._engine.unused_data, None
            elif not data and len(piece) < PIECE:
                return
            elif not data:
                # The engine may hold output that did not fit, though it took all of the input.
                yield from self._drain()

    def finish(self) -> bool:
        return self._begun and self._engine is None

    def _drain(self) -> Iterator[bytes]:
        while not self._engine.eof and (piece := self._engine.decompress(b"", PIECE)):
            yield piece

    def _begin(self, data: bytes) -> bytes:
        """Begin a stream, the first or, for gzip, another member, at the start of ``data``."""
        data, self._rest = self._rest + data, b""
        if self._begun and self._window != _GZIP:
            self._over = True
        elif self._begun and len(data) < len(_GZIP_MAGIC) and _GZIP_MAGIC.startswith(data):
            self._rest, data = data, b""
        elif self._begun and not data.startswith(_GZIP_MAGIC):
            self._over = True
        else:
            self._begun, self._engine = True, zlib.decompressobj(self._window)
        return data


class _Deflate:
    """deflate as it is meant (a zlib stream) and as some servers send it (bare)."""

    def __init__(self) -> None:
        self._start = b""
        self._engine: _Zlib | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._engine is None:
            data = self._start = self._start + data
            if len(data) < 2:
                return
            # RFC 1950 §2.2: method 8, and the two bytes are a multiple of 31. A bare stream that looks so would have
            # to begin with a stored block with padding that no one writes.
            wrapped = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            self._engine = _Zlib(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        yield from self._engine.feed(data)

    def finish(self) -> bool:
        return self._engine is not None and self._engine.finish()


class _Brotli:
    """br (RFC 7932); rubbish after the stream is an error, for the engine notices it where it came in the same read."""

    def __init__(self) -> None:
        self._engine: Any = brotli.Decompressor()

    def feed(self, data: bytes) -> Iterator[bytes]:
        if data and self._engine.is_finished():
            raise brotli.error("bytes after the end of the stream")
        while not self._engine.is_finished():
            piece = self._engine.process(data, output_buffer_limit=PIECE)
            if piece:
                yield piece
            data = b""
            if self._engine.can_accept_more_data() and len(piece) < PIECE:
                return

    def finish(self) -> bool:
        return bool(self._engine.is_finished())


class _Zstd:
    """zstd (RFC 8878), any number of frames."""

    def __init__(self) -> None:
        self._context = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._engine: Any = None
        self._begun = False
        self._head = b""  # the frame's header, and perhaps more
        self._size = 0  # of the frame's content so far

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _ZSTD_STEP):
            step = data[start : start + _ZSTD_STEP]
            while step:
                if self._engine is None:
                    self._begun, self._engine, self._head, self._size = True, self._context.decompressobj(), b"", 0
                if len(self._head) < _ZSTD_HEAD:
                    self._head += step[:_ZSTD_HEAD]
                piece = self._engine.decompress(step)
                if piece:
                    self._size += len(piece)
                    yield piece
                step = b""
                if self._engine.eof:
                    self._check_size()
                    step, self._engine = self._engine.unused_data, None

    def _check_size(self) -> None:
        # The engine does it only where the whole frame came at once.
        if zstandard.frame_content_size(self._head) not in (-1, self._size):
            raise zstandard.ZstdError("the frame is not as long as it says")

    def finish(self) -> bool:
        return self._begun and self._engine is None


_GZIP: Final = zlib.MAX_WBITS | 16
_GZIP_MAGIC: Final = b"\x1f\x8b"

_UNPACKERS: Final[dict[str, Callable[[], Unpacker]]] = {
    "gzip": lambda: _Zlib(_GZIP),
    "x-gzip": lambda: _Zlib(_GZIP),  # RFC 9110 §8.4.1.3
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}
_NO_CODING: Final = frozenset(
    {
        "identity",
        "none",
        "utf-8",
        "utf8",
        "iso-8859-1",
        "us-ascii",
        "windows-1252",
        "binary",
        "8bit",
        "7bit",
        "aws-chunked",
    }
)


def _unpacker(coding: str) -> Unpacker:
    make = _UNPACKERS.get(coding)
    if make is None:
        raise BadResponse(f"unknown content coding {coding[:40]!r}", phase="decode")
    return make()
