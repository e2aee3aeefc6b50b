"""Frames of HTTP/2, cut from bytes as they come, and heads put together from theirs (RFC 9113 §4 and §6).

Invariant: what is kept is less than one frame, and a frame's length is judged before it is waited for.

Knows of no streams and no state. Raises BadResponse.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from scrapekit.errors import BadResponse

#: The largest frame (RFC 9113 §4.2: what everybody takes unless told otherwise).
MAX_FRAME: Final = 16_384
#: Bytes before each frame's payload.
HEADER: Final = 9
END_STREAM, END_HEADERS, PADDED, PRIORITY = 0x1, 0x4, 0x8, 0x20


class Kind(IntEnum):
    """Frames that are looked at or made here (RFC 9113 §6)."""

    DATA = 0
    HEADERS = 1
    SETTINGS = 4
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Frame(NamedTuple):
    """A whole frame; ``raw`` is all of it, as it was sent."""

    kind: int
    flags: int
    stream: int
    raw: bytes

    @property
    def payload(self) -> bytes:
        return self.raw[HEADER:]


class Cutter:
    """Cuts a peer's bytes into frames; the first must be its SETTINGS, else it speaks something else."""

    __slots__ = ("_begun", "_buffer")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._begun = False

    def feed(self, data: bytes) -> None:
        """Take what the peer sent."""
        self._buffer += data

    def next(self) -> Frame | None:
        """The next whole frame, if there is one. Raises BadResponse."""
        buffer = self._buffer
        if len(buffer) < HEADER:
            return None
        length, kind = int.from_bytes(buffer[:3], "big"), buffer[3]
        if not self._begun and kind != Kind.SETTINGS:  # RFC 9113 §3.4
            raise BadResponse(f"the answer is not HTTP/2: it begins {bytes(buffer[:20])!r}", phase="head")
        if length > MAX_FRAME:
            raise BadResponse(f"a frame of {length} bytes", phase="head")
        if len(buffer) < HEADER + length:
            return None
        self._begun = True
        stream = int.from_bytes(buffer[5:HEADER], "big") & 0x7FFF_FFFF
        frame = Frame(kind, buffer[4], stream, bytes(buffer[: HEADER + length]))
        del buffer[: HEADER + length]
        return frame


class Gathering:
    """A head that comes in several frames, with nothing between them (RFC 9113 §6.10). ``size`` is in bytes."""

    __slots__ = ("_block", "_first", "stream")

    def __init__(self, first: Frame) -> None:
        self._first, self.stream = first, first.stream
        self._block = bytearray(_block(first))

    @property
    def size(self) -> int:
        return len(self._block)

    def add(self, frame: Frame) -> Frame | None:
        """Take a frame; the whole head as one HEADERS frame once it is there, however long. Raises BadResponse."""
        if frame.kind != Kind.CONTINUATION or frame.stream != self.stream:
            raise BadResponse("a frame in the midst of a head", phase="head")
        self._block += frame.payload
        return self._whole() if frame.flags & END_HEADERS else None

    def _whole(self) -> Frame:
        flags = (self._first.flags & END_STREAM) | END_HEADERS
        start = self.size.to_bytes(3, "big") + bytes((Kind.HEADERS, flags)) + self.stream.to_bytes(4, "big")
        return Frame(Kind.HEADERS, flags, self.stream, start + bytes(self._block))


def _block(frame: Frame) -> bytes:
    """The part of a head in a HEADERS frame, without padding and priority (RFC 9113 §6.2)."""
    payload, padding = frame.payload, 0
    if frame.flags & PADDED:
        padding, payload = (payload[0], payload[1:]) if payload else (1, b"")
    if frame.flags & PRIORITY:
        payload = payload[5:]
    if padding > len(payload):
        raise BadResponse("more padding than frame", phase="head")
    return payload[: len(payload) - padding]


def window_update(size: int) -> bytes:
    """A frame that lets the peer send so many bytes more on the connection (RFC 9113 §6.9)."""
    return (4).to_bytes(3, "big") + bytes((Kind.WINDOW_UPDATE, 0)) + bytes(4) + size.to_bytes(4, "big")
