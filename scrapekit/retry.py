"""What is tried again, how often, and when. A table, and three functions that read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from scrapekit.errors import (
    AskedForCalm,
    BadStatus,
    ConnectFailed,
    FetchError,
    FetchTimeout,
    ProxyFailed,
    ProxyLocked,
    ResolveFailed,
)


@dataclass(frozen=True, slots=True)
class Retry:
    """How often something is tried again, and how long before the first time; each wait is twice the one before."""

    times: int
    wait: float  # seconds


_NEVER: Final = Retry(0, 0.0)

RETRY: Final[Mapping[type[FetchError] | int, Retry]] = {
    # what went wrong     times  first wait
    FetchTimeout:   Retry(2,      5.0),
    ConnectFailed:  Retry(2,     10.0),
    ResolveFailed:  Retry(1,     30.0),
    ProxyFailed:    Retry(2,     10.0),
    AskedForCalm:   Retry(3,     60.0),
    408:            Retry(2,      5.0),
    429:            Retry(3,     60.0),
    500:            Retry(2,     10.0),
    502:            Retry(2,     10.0),
    503:            Retry(3,     60.0),
    504:            Retry(2,     10.0),
    520:            Retry(2,     10.0),
    521:            Retry(2,     10.0),
    522:            Retry(2,     10.0),
    523:            Retry(2,     10.0),
    524:            Retry(2,     10.0),
}  # fmt: skip

#: What is not tried again though its like is.
_FINAL: Final = frozenset({ProxyLocked})

#: Statuses by which a site asks for a pause: the whole host rests, not the one request.
ASKS_FOR_PAUSE: Final = frozenset({429, 503})


def rule_for(error: FetchError) -> Retry:
    """The table's row for an error; a class stands for its subclasses too."""
    if isinstance(error, BadStatus):
        return RETRY.get(error.status, _NEVER)
    for kind in type(error).__mro__:
        if kind in _FINAL:
            break
        if kind in RETRY:
            return RETRY[kind]
    return _NEVER


def pause_before_retry(error: FetchError, *, attempt: int, repeatable: bool) -> float | None:
    """Seconds until the next try of a request that failed for the ``attempt``-th time (from 1); None for no more.

    A request whose bytes had left is repeated only if that is safe (RFC 9110 §9.2.2).
    """
    rule = rule_for(error)
    sent = error.sent or isinstance(error, BadStatus)
    if attempt > rule.times or (sent and not repeatable):
        return None
    return rule.wait * 2.0 ** (attempt - 1)


def pause_of_host(status: int, *, attempt: int) -> float:
    """Seconds for which a host is left alone that asked for a pause, whether or not this request is tried again."""
    rule = RETRY[status]
    return rule.wait * 2.0 ** (min(attempt, rule.times) - 1)


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After field asks for, in either of its forms (RFC 9110 §10.2.3).

    ``now`` is in seconds since the epoch. None for no field, garbage, a fraction, a negative number or a past date.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])  # more digits than that are beyond any cap anyway
    try:
        date = parsedate_to_datetime(text)
        until = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()  # asctime's form names no zone
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    return until - now if until > now else None
