"""What the fuzzers feed: the answers of the scenarios and packed bodies, changed at random, and cut at random."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

import brotli
import zstandard

from tests.scenarios import plays

#: Longer answers of the scenarios are left out: they are about size, and slow to go through.
LONGEST: Final = 4096
WORDS: Final = [
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b"\0", b" ", b"\t", b":", b";", b",", b"0\r\n\r\n", b"-", b"+",
    b'"', b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 ", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 204 No Content\r\n",
    b"304", b"1", b"Content-Length: 4\r\n", b"Content-Length: 99999999999999999999\r\n", b"Content-Length: 0\r\n",
    b"Content-Length:", b"Transfer-Encoding: chunked\r\n", b"transfer-encoding: chunked, gzip\r\n",
    b"Connection: close\r\n", b"chunked", b"Content-Encoding: gzip\r\n", b"Content-Encoding: br, deflate\r\n",
    b"Content-Encoding: zstd\r\n", b"4\r\ngood\r\n", b"ffffffffffffffff\r\n", b"FFFFFFFFFFFFFFFFFFFFFFFF\r\n",
    b"4;x=y\r\n", b"0", b"\xff", b"\x80", b"x" * 300, b" " * 300, b"Location: /x\r\n", b"Set-Cookie: a=1\r\n",
    b"Keep-Alive: timeout=5\r\n", b"Upgrade: h2c\r\n", b"\x1f\x8b\x08",
]  # fmt: skip


def _bytes_of(play: Any) -> bytes:
    steps = play if isinstance(play, tuple) else (play,)
    return b"".join(step for step in steps if isinstance(step, bytes))


ANSWERS: Final = [
    raw
    for letter in (plays.A, plays.B, plays.C, plays.D, plays.E)
    for raw in map(_bytes_of, letter.values())
    if 0 < len(raw) <= LONGEST
]


def deflated(window: int) -> Callable[[bytes], bytes]:
    def pack(body: bytes) -> bytes:
        engine = zlib.compressobj(wbits=window)
        return engine.compress(body) + engine.flush()

    return pack


PACKERS: Final[dict[str, Sequence[Callable[[bytes], bytes]]]] = {
    "gzip": [
        lambda body: gzip.compress(body, mtime=0),
        lambda body: gzip.compress(body[:3], mtime=0) + gzip.compress(body[3:], mtime=0),
    ],
    "deflate": [deflated(15), deflated(-15)],
    "br": [brotli.compress],
    "zstd": [
        zstandard.ZstdCompressor().compress,
        lambda body: zstandard.ZstdCompressor(write_content_size=False, write_checksum=True).compress(body),
        lambda body: zstandard.ZstdCompressor().compress(body[:3]) + zstandard.ZstdCompressor().compress(body[3:]),
    ],
}


def packed(random: Random, names: Sequence[str], body: bytes) -> bytes:
    """The body in these codings, in one of the ways in which each can be written."""
    for name in names:
        body = random.choice(PACKERS[name])(body)
    return body


def body_of(random: Random) -> bytes:
    kind = random.randrange(4)
    if kind == 0:
        return bytes(random.choice([0, 1, 2, 100, 70_000]))
    if kind == 1:
        return random.randbytes(random.choice([1, 10, 1000]))
    return b"the good page " * random.choice([0, 1, 50, 3000])


def mutated(random: Random, raw: bytes, words: Sequence[bytes] = WORDS) -> bytes:
    """The bytes with some changes, or with none."""
    data = bytearray(raw)
    for _ in range(random.choice([0, 1, 1, 1, 2, 3, 8])):
        at = random.randint(0, len(data))
        to = min(len(data), at + random.choice([0, 1, 1, 2, 4, 16, 64]))
        what = random.randrange(7)
        if what == 0:
            del data[at:to]
        elif what == 1:
            data[at:at] = random.choice(words)
        elif what == 2:
            data[at:to] = random.choice(words)
        elif what == 3:
            data[at:at] = data[at:to] * random.choice([1, 2, 20])
        elif what == 4 and at < len(data):
            data[at] = random.randrange(256)
        elif what == 5 and at < len(data):
            data[at] ^= 1 << random.randrange(8)
        else:
            del data[at:]
    return bytes(data)


def an_answer(random: Random) -> bytes:
    """An answer of a server, more or less."""
    if random.randrange(3):
        raw = mutated(random, random.choice(ANSWERS))
    else:
        names = random.choices(list(PACKERS), k=random.choice([1, 1, 2, 3]))
        body = mutated(random, packed(random, names, body_of(random)), [b"\0", b"\xff" * 8, b"\x1f\x8b\x08"])
        raw = plays.answer(body, 200, f"Content-Encoding: {', '.join(names)}")
    if not random.randrange(4):
        raw += mutated(random, random.choice(ANSWERS))
    return raw


def pieces(random: Random, raw: bytes) -> list[bytes]:
    """The bytes as some reads give them."""
    if not random.randrange(8) and len(raw) < 2000:
        return [raw[at : at + 1] for at in range(len(raw))]
    cuts = sorted(random.randint(0, len(raw)) for _ in range(random.choice([0, 1, 1, 2, 5, 20])))
    cut = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    return [piece for piece in cut if piece]
