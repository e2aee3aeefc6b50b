"""The sends of one host, or of several that share an address: in the order of their first bytes, and as events."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from scrapekit.audit.law import ROUNDING
from scrapekit.ledger import Kind, Send


@dataclass(frozen=True, slots=True)
class Sent:
    """One send whose first byte left at ``start``, or may have; it was over at ``end``."""

    start: float
    end: float
    send: Send


class Overlap(NamedTuple):
    """How many were out when this one started, itself among them."""

    at_once: int
    sent: Sent


def in_order(sends: Iterable[Send], end_of: Callable[[Send], float]) -> list[Sent]:
    """Those that left, by their first bytes. ``end_of`` says when one that was cut off was over at the latest."""
    found = [
        Sent(start, end_of(send) if send.end is None else send.end, send)
        for send in sends
        if (start := send.start) is not None
    ]
    found.sort(key=lambda sent: (sent.start, sent.send.seq))
    return found


def gaps(sent: Iterable[Sent]) -> Iterator[tuple[float, Sent]]:
    """Seconds from one start to the next, with the later one."""
    return ((later.start - earlier.start, later) for earlier, later in pairwise(sent))


def overlaps(sent: Iterable[Sent]) -> Iterator[Overlap]:
    """How many were out at each start. At one moment, ends go before starts."""
    ends: list[float] = []
    for each in sent:
        while ends and ends[0] <= each.start + ROUNDING:
            heapq.heappop(ends)
        heapq.heappush(ends, each.end)
        yield Overlap(len(ends), each)


def as_events(sends: Sequence[Send]) -> Iterator[tuple[bool, Send]]:
    """Each send twice, in the ledger's order: (False, send) as its turn was taken, (True, send) as it ended."""
    events = [(send.seq, False, send) for send in sends]
    events += [(send.end_seq, True, send) for send in sends if send.end is not None]
    events.sort(key=lambda event: event[0])
    return ((over, send) for _, over, send in events)


def is_page(send: Send) -> bool:
    """Whether it is subject to robots.txt: all but requests for that file, and where these were redirected to."""
    return not (send.kind is Kind.ROBOTS and (send.hop or send.url == f"{send.origin}/robots.txt"))
