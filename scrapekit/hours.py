"""When a host may be visited: hours of the day, on the wall clock of some place.

``Hours`` are what ``visit = "01:00-05:00 Europe/Berlin"`` or a robots.txt's Visit-time says. Summer time is heeded: an
hour that the clock skips does not come that day, one that it repeats comes twice.

Pure: moments are seconds since the epoch, handed in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from scrapekit.robots import VisitTime

DAY: Final = 86400
_RANGE: Final = re.compile(
    r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})(?:\s+([A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*))?", re.ASCII
)
#: Where hours of several kinds have not met after so many steps, they never do.
_STEPS: Final = 64


@dataclass(frozen=True, slots=True)
class Range:
    """From one second of the day up to another, which is left out; an ``end`` before ``start`` is on the next day.

    ``zone`` None is UTC.
    """

    start: int
    end: int
    zone: ZoneInfo | None = None

    def holds(self, moment: float) -> bool:
        """Whether a moment lies in it."""
        second = (moment + self._offset(moment)) % DAY
        if self.start < self.end:
            return self.start <= second < self.end
        return second >= self.start or second < self.end

    def opens(self, now: float) -> float:
        """The next moment that lies in it; now itself if that does."""
        moment = now
        while not self.holds(moment):
            # In whole seconds: a start that rounding put a breath too early would be looked for forever.
            whole, offset = math.floor(moment), self._offset(moment)
            start = whole + (self.start - whole - offset) % DAY
            # As long as the clock runs evenly that is it; where it is set before then, look again from there.
            moment = start if self._offset(start) == offset else self._set_between(whole, start)
        return moment

    def _offset(self, moment: float) -> int:
        """Seconds by which the wall clock is ahead of UTC."""
        if self.zone is None:
            return 0
        offset = datetime.fromtimestamp(moment, self.zone).utcoffset()
        return int(offset.total_seconds()) if offset else 0

    def _set_between(self, low: int, high: int) -> int:
        """The second at which the wall clock is set, which happens once after ``low`` and until ``high``."""
        offset = self._offset(low)
        while high - low > 1:
            middle = (low + high) // 2
            if self._offset(middle) == offset:
                low = middle
            else:
                high = middle
        return high


@dataclass(frozen=True, slots=True)
class Hours:
    """Ranges, in any of which a visit is welcome. ``text`` is how they were written."""

    ranges: tuple[Range, ...]
    text: str

    def __str__(self) -> str:
        return self.text

    def opens(self, now: float) -> float:
        """The next moment at which a visit is welcome; now itself if it is."""
        return min(each.opens(now) for each in self.ranges)


def parse(text: str) -> Hours:
    """Read ``"01:00-05:00 Europe/Berlin"``: ranges parted by commas, each perhaps with a zone.

    One zone alone holds for all the ranges; without any they are in UTC. Raises ValueError, which says what is wrong.
    """
    parts = [_part(part.strip()) for part in text.split(",")]
    named = {zone for _, _, zone in parts if zone is not None}
    if len(named) > 1 and any(zone is None for _, _, zone in parts):
        raise ValueError("names several zones, so each range must name its own")
    common = next(iter(named), None)
    ranges = (Range(start, end, _zone(zone or common)) for start, end, zone in parts)
    return Hours(tuple(ranges), text.strip())


def of_robots(visit: VisitTime) -> Hours:
    """The hours of a robots.txt's Visit-time, in UTC; an empty range is taken for a whole day."""
    start, end = visit.start * 60, min(visit.end * 60, DAY)
    if start == end:
        start, end = 0, DAY
    return Hours((Range(start, end),), f"{_clock(start)}-{_clock(end)} UTC")


def opens(now: float, hours: Sequence[Hours]) -> float:
    """The next moment at which all of them hold, infinity if there is none; now itself if they do or there are none."""
    moment = now
    for _ in range(_STEPS):
        later = max((each.opens(moment) for each in hours), default=moment)
        if later == moment:
            return moment
        moment = later
    return math.inf


def _part(text: str) -> tuple[int, int, str | None]:
    found = _RANGE.fullmatch(text)
    if found is None:
        raise ValueError(f'must be hours, such as "01:00-05:00 Europe/Berlin", not "{text}"')
    start, end = _second(found[1], found[2]), _second(found[3], found[4])
    if start in (end, DAY):
        raise ValueError(f'has no time in "{text}"; without the key, any hour will do')
    return start, end, found[5]


def _second(hour: str, minute: str) -> int:
    second = int(hour) * 3600 + int(minute) * 60
    if int(minute) > 59 or second > DAY:
        raise ValueError(f'"{hour}:{minute}" is no time of the day, which ends at 24:00')
    return second


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None or name == "UTC":
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f'"{name}" is no time zone; it is named as in "Europe/Berlin" or "UTC"') from None


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}"
