"""Sizes and durations as people write them, read into bytes and seconds, and written back."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

_KI: Final = 1024
SIZES: Final[Mapping[str, int]] = {
    "": 1, "b": 1,
    "kb": 1000, "mb": 1000**2, "gb": 1000**3,
    "kib": _KI, "mib": _KI**2, "gib": _KI**3,
}  # fmt: skip
DURATIONS: Final[Mapping[str, float]] = {
    "": 1.0, "ms": 0.001,
    "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0,
    "m": 60.0, "min": 60.0, "minute": 60.0, "minutes": 60.0,
    "h": 3600.0, "hour": 3600.0, "hours": 3600.0,
    "d": 86400.0, "day": 86400.0, "days": 86400.0,
}  # fmt: skip
_PART: Final = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*)", re.ASCII)


def size(value: object) -> int:
    """Bytes from a whole number or from text such as ``"32 MiB"``.

    Raises ValueError for anything else; a bool is not a number here.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    part = _PART.fullmatch(value.rstrip()) if isinstance(value, str) else None
    if part is None or part[2].lower() not in SIZES:
        raise ValueError(f'must be a size, such as "32 MiB" or a number of bytes, not {_shown(value)}')
    exact = float(part[1]) * SIZES[part[2].lower()]
    if not exact.is_integer():
        raise ValueError(f"must be a whole number of bytes, not {_shown(value)}")
    return int(exact)


def duration(value: object) -> float:
    """Seconds from a number or from text such as ``"10m"``, ``"1.5 s"`` or ``"1h 30m"``.

    Raises ValueError for anything else, for infinity and for what is not a number; a bool is not a number here.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    total = _sum_of_parts(value.strip()) if isinstance(value, str) else None
    if total is None:
        raise ValueError(f'must be a duration, such as 1.5, "30 s" or "10 min", not {_shown(value)}')
    return total


def size_text(count: int) -> str:
    """The shortest spelling that ``size`` reads back to the same number."""
    for name, factor in (("GiB", _KI**3), ("MiB", _KI**2), ("KiB", _KI)):
        if count and count % factor == 0:
            return f"{count // factor} {name}"
    return f"{count} B"


def duration_text(seconds: float) -> str:
    """A spelling that ``duration`` reads back to the same number."""
    for name, factor in (("h", 3600), ("min", 60)):
        if seconds and seconds % factor == 0:
            return f"{seconds / factor:.0f} {name}"
    digits = f"{Decimal(repr(seconds)):f}"  # repr is exact, and the decimal has no exponent
    return f"{digits.removesuffix('.0')} s"


def _sum_of_parts(text: str) -> float | None:
    """Every part needs its unit unless it is alone: ``1h 30`` could mean too many things."""
    total, at, parts, bare = 0.0, 0, 0, False
    while at < len(text):
        part = _PART.match(text, at)
        if part is None or part[2].lower() not in DURATIONS:
            return None
        total += float(part[1]) * DURATIONS[part[2].lower()]
        at, parts, bare = part.end(), parts + 1, bare or not part[2]
    return total if parts == 1 or (parts and not bare) else None


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)
