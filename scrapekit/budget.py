"""What may be asked of one host in all: pages, bytes, errors, time.

Pure: a count of what was spent, held against what is allowed. What goes beyond it is dropped by whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self


class Terms(Protocol):
    """What the settings allow one host; None for any number."""

    @property
    def max_pages(self) -> int | None: ...
    @property
    def max_bytes(self) -> int | None: ...
    @property
    def max_errors(self) -> int | None: ...
    @property
    def max_time(self) -> float | None: ...


class Budget:
    """What was asked of one host: pages fetched, bytes received, tries that failed; and when the first was sent."""

    __slots__ = ("bytes", "errors", "first_sent", "limited", "pages", "terms")

    def __init__(self, terms: Terms) -> None:
        self.pages = self.bytes = self.errors = 0
        self.first_sent: float | None = None
        self.apply(terms)

    def __repr__(self) -> str:
        return f"<Budget {self.pages} pages, {self.bytes} bytes, {self.errors} errors spent>"

    def apply(self, terms: Terms) -> None:
        """Go by other settings from now on. ``limited`` says whether there is anything to keep to."""
        self.terms = terms
        self.limited = (terms.max_pages, terms.max_bytes, terms.max_errors, terms.max_time) != (None,) * 4

    def sent(self, now: float) -> None:
        """Something is sent: the time runs from the first."""
        if self.first_sent is None:
            self.first_sent = now

    def spent(self, *, pages: int = 0, size: int = 0, errors: int = 0) -> None:
        """Take what one exchange cost; ``size`` in bytes, as received."""
        self.pages += pages
        self.bytes += size
        self.errors += errors

    def exceeded(self, now: float) -> str | None:
        """Which of them is used up, such as ``budget: pages``, so that nothing more may go; None for none."""
        if not self.limited:
            return None
        terms = self.terms
        if _used_up(self.pages, terms.max_pages):
            return "budget: pages"
        if _used_up(self.bytes, terms.max_bytes):
            return "budget: bytes"
        if _used_up(self.errors, terms.max_errors):
            return "budget: errors"
        if self.first_sent is not None and _used_up(now - self.first_sent, terms.max_time):
            return "budget: time"
        return None

    def must_wait(self, in_flight: int) -> bool:
        """Whether the pages that are out may already be the last, so that their ends must be awaited."""
        return self.limited and in_flight > 0 and _used_up(self.pages + in_flight, self.terms.max_pages)

    def to_state(self) -> dict[str, Any]:
        """What the next lease of the host must know, for JSON."""
        state = {"pages": self.pages, "bytes": self.bytes, "errors": self.errors, "first_sent": self.first_sent}
        return {key: value for key, value in state.items() if value}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], terms: Terms) -> Self:
        """As it was left, by the settings of today."""
        budget = cls(terms)
        budget.spent(pages=state.get("pages", 0), size=state.get("bytes", 0), errors=state.get("errors", 0))
        budget.first_sent = state.get("first_sent")
        return budget


def _used_up(spent: float, limit: float | None) -> bool:
    return limit is not None and spent >= limit
