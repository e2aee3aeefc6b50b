"""Which fingerprints were seen, in few bytes each: with what the allocator wastes, 11 at five million, 15 at ten.

Of a fingerprint's 128 bits, 81 are kept: 17 choose one of 131,072 buckets, and 64 more stand in it, one after the
other, in one bytes object. Two of n different URLs share their 81 bits with a chance of n * n / 2**82: for ten million
URLs, two in a hundred thousand million for the whole crawl.

One thread adds; any thread may ask meanwhile, since a bucket is replaced, never changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Final

#: So much of a fingerprint is written to the disk.
CUT: Final = 11
_BUCKETS: Final = 1 << 17
_WIDTH: Final = 8
_SPLIT: Final = Struct(f">HB{_WIDTH}s")


class Seen:
    """A set of fingerprints that can only grow."""

    __slots__ = ("_buckets", "_size")

    def __init__(self) -> None:
        self._buckets = [b""] * _BUCKETS
        self._size = 0

    def __repr__(self) -> str:
        return f"<Seen {self._size}>"

    def __len__(self) -> int:
        return self._size

    def __contains__(self, fingerprint: object) -> bool:
        if not isinstance(fingerprint, bytes):
            return False
        bucket = self._buckets[fingerprint[0] << 9 | fingerprint[1] << 1 | fingerprint[2] >> 7]
        suffix = fingerprint[3:CUT]
        at = bucket.find(suffix)
        while at > 0 and at % _WIDTH:  # found across the border of two
            at = bucket.find(suffix, at + 1)
        return at >= 0

    def add(self, prints: bytes) -> None:
        """Take in fingerprints that are not in it, cut and strung together."""
        buckets = self._buckets
        for high, low, suffix in _SPLIT.iter_unpack(prints):
            buckets[high << 1 | low >> 7] += suffix
        self._size += len(prints) // CUT


def strung(fingerprints: Iterable[bytes]) -> bytes:
    """Fingerprints as they are stored and added."""
    return b"".join([fingerprint[:CUT] for fingerprint in fingerprints])
