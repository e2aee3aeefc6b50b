"""How far a host is let alone that has asked for it: down by half at once, and up again by small steps.

All of it hangs on one number, the ``share``: the part of the configured rate that the host is asked to bear, 1.0 for a
host that is not in trouble. Rests, pace and permits are read from it, so all three recover together and end exactly at
what is configured.

Plain functions of numbers: they know no clock and no host.
"""

from __future__ import annotations

from typing import Final

#: The share of a host that is not in trouble.
FULL: Final = 1.0
#: Each time that a host asks for a pause leaves this much of its share (multiplicative down) …
CUT: Final = 0.5
#: … and each good answer gives so much back (additive up): 25 answers after one cut, 50 from the ground.
STEP: Final = 0.02
#: It falls no lower. At this share the rest has reached its cap.
LEAST: Final = 1 / 128
#: The rest after the first cut, and the longest one. Seconds.
FIRST_REST: Final = 60.0
LONGEST_REST: Final = 3600.0
#: A rest is stretched by up to this share of it, so that many crawlers do not come back together.
REST_JITTER: Final = 0.1
#: Where no pause is configured there is nothing to double: from this one it grows. Seconds.
GROUND: Final = 0.25
#: Back-off alone makes no pause longer than this; the rests do the rest. Seconds.
LONGEST_PAUSE: Final = 300.0


def cut(share: float) -> float:
    """The share after a host has asked for a pause."""
    return max(share * CUT, LEAST)


def grown(share: float) -> float:
    """The share after a good answer."""
    return min(share + STEP, FULL)


def rest(share: float, random: float) -> float:
    """Seconds to leave a host alone that did not say how long; ``share`` is that after the cut, ``random`` in [0, 1).

    60 s, doubled each time, up to an hour; what has recovered in between makes it shorter.
    """
    return min(FIRST_REST * CUT / share, LONGEST_REST) * (1.0 + REST_JITTER * random)


def pause(base: float, share: float) -> float:
    """The pause in seconds where ``base`` would be it otherwise: never below that, and just that at a full share.

    >>> [pause(2.0, share) for share in (1.0, 0.5, 0.25)]
    [2.0, 4.0, 8.0]
    >>> [pause(0.0, share) for share in (1.0, 0.5, 0.25)]
    [0.0, 0.25, 0.75]
    """
    longer = max(base / share, GROUND / share - GROUND)
    return max(base, min(longer, LONGEST_PAUSE))


def permits(size: int, share: float) -> int:
    """How many requests may be out at once where ``size`` are configured: at least one."""
    return max(1, int(size * share))
