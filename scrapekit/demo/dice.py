"""Choices that look like chance and are the same for everybody, at every run, on every version of Python."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, TypeVar

T = TypeVar("T")
#: Another seed gives another shop.
SEED: Final = "the bundled shop"


class Dice:
    """A row of draws that depends on the key alone. (``random`` may draw otherwise in its next version.)"""

    def __init__(self, *key: object) -> None:
        self._state = blake2b(repr((SEED, *key)).encode(), digest_size=16)

    def below(self, limit: int) -> int:
        """A whole number from 0 to limit - 1."""
        self._state.update(b".")
        return int.from_bytes(self._state.digest()) % limit

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + self.below(high - low + 1)

    def chance(self, percent: int) -> bool:
        """True that often."""
        return self.below(100) < percent

    def of(self, choices: Sequence[T]) -> T:
        """One of them."""
        return choices[self.below(len(choices))]

    def two(self, choices: Sequence[T]) -> tuple[T, T]:
        """Two of them, which are not the same one."""
        first = self.below(len(choices))
        return choices[first], choices[(first + self.between(1, len(choices) - 1)) % len(choices)]
