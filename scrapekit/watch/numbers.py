"""Numbers as people read them."""

from __future__ import annotations

from typing import Final

_UNITS: Final = ("KiB", "MiB", "GiB", "TiB", "PiB")


def count(number: int) -> str:
    """``1,169``."""
    return f"{number:,}"


def size(octets: int) -> str:
    """``999 bytes``, ``3.4 MiB``."""
    if octets < 1024:
        return "1 byte" if octets == 1 else f"{octets} bytes"
    amount, unit = octets / 1024, 0
    while amount >= 1023.95 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:,.1f} {_UNITS[unit]}"


def span(seconds: float) -> str:
    """``0.8 s``, ``12.3 s``, ``2 min 05 s``, ``1 h 02 min``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60:02} min"


def wait(seconds: float) -> str:
    """A time that counts down, in as few digits as matter: ``0.8 s``, ``12 s``, ``2 min 05 s``."""
    return f"{seconds:.0f} s" if 9.95 <= seconds < 59.5 else span(seconds)


def clock(seconds: float) -> str:
    """Time since the start: ``0:07``, ``1:02:03``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def rate(a_second: float) -> str:
    """``0.05``, ``4.2``, ``1,234``."""
    if a_second < 0.995:
        return f"{a_second:.2f}"
    return f"{a_second:.1f}" if a_second < 99.95 else f"{a_second:,.0f}"


def counted(number: int, one: str, many: str = "") -> str:
    """``1 page``, ``1,169 pages``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
