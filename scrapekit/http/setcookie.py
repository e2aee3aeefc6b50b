"""One Set-Cookie field, as RFC 6265bis reads it: the cookie that it makes, or None.

Does not know what other cookies there are: that is the jar's.
"""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from scrapekit.suffixes import is_public
from scrapekit.url import Parts, is_below

#: The figures of the standard (§5.6, §5.7): octets of name and value together, and of an attribute's value.
MAX_OCTETS: Final = 4096
MAX_ATTRIBUTE: Final = 1024
#: No cookie lives longer than 400 days, whatever it asks for (§5.5).
MAX_AGE: Final = 400 * 86400.0

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BLANKS: Final = " \t"
_SECONDS: Final = re.compile(r"-?\d+", re.ASCII)
_IPV4: Final = re.compile(r"\d+\.\d+\.\d+\.\d+")


@dataclass(slots=True)
class Cookie:
    """One cookie. ``expires`` is None for one that lasts as long as the jar; ``used`` is when it was last sent.

    ``serial`` counts the cookies of a jar in the order of their creation.
    """

    name: str
    value: str
    domain: str
    path: str
    host_only: bool
    secure: bool
    expires: float | None
    used: float
    serial: int = 0

    @property
    def key(self) -> tuple[str, str, bool]:
        """What, beside the domain, makes it the same cookie."""
        return self.name, self.path, self.host_only

    def alive(self, now: float) -> bool:
        """Whether it has not expired."""
        return self.expires is None or self.expires > now

    def __str__(self) -> str:
        return f"{self.name}={self.value}" if self.name else self.value


def received(parts: Parts, field: str, now: float) -> Cookie | None:
    """The cookie of one Set-Cookie field (§5.6), or None if it is to be ignored. It may have expired already.

    ``field`` is as received, in latin-1; octets that are UTF-8 become text, which is sent as UTF-8 again.
    """
    pair, _, rest = field.partition(";")
    name, equals, value = pair.partition("=")
    if not equals:
        name, value = "", name
    name, value = name.strip(_BLANKS), value.strip(_BLANKS)
    if _CONTROLS.search(field) or not (name or value) or _octets(name) + _octets(value) > MAX_OCTETS:
        return None
    asked = _attributes(rest)
    domain = _domain(parts.hostname, asked.get("domain", ""))
    secure = "secure" in asked
    if domain is None or (secure and parts.scheme != "https"):
        return None
    path = asked.get("path", "")
    cookie = Cookie(
        name=_text(name),
        value=_text(value),
        domain=domain or parts.hostname,
        path=path if path.startswith("/") else _default_path(parts),
        host_only=not domain,
        secure=secure,
        expires=_expiry(asked, now),
        used=now,
    )
    return cookie if _keeps_its_prefix(cookie, asked) else None


def _text(octets: str) -> str:
    try:
        return octets if octets.isascii() else octets.encode("latin-1").decode()
    except UnicodeError:
        return octets


def _octets(text: str) -> int:
    # Fields are read as latin-1, one character an octet; what is handed in otherwise counts as UTF-8.
    try:
        return len(text.encode("latin-1"))
    except UnicodeEncodeError:
        return len(text.encode("utf-8", "replace"))


def _attributes(text: str) -> dict[str, str]:
    """The attributes by name in lower case; of those that can be understood, the last one counts."""
    attributes: dict[str, str] = {}
    for part in text.split(";"):
        name, _, value = part.partition("=")
        name, value = name.strip(_BLANKS).lower(), value.strip(_BLANKS)
        if len(value) <= MAX_ATTRIBUTE and _understood(name, value):
            attributes[name] = value
    return attributes


def _understood(name: str, value: str) -> bool:
    if name == "max-age":
        return _SECONDS.fullmatch(value) is not None
    return name != "expires" or parsed_date(value) is not None


def _expiry(asked: Mapping[str, str], now: float) -> float | None:
    if "max-age" in asked:
        return now + min(int(asked["max-age"]), MAX_AGE) if int(asked["max-age"]) > 0 else 0.0
    date = parsed_date(asked["expires"]) if "expires" in asked else None
    return None if date is None else min(date, now + MAX_AGE)


def _domain(hostname: str, asked: str) -> str | None:
    """The domain that a cookie is for, empty for the host alone, None if the host may not set it (§5.7, steps 7-10)."""
    domain = asked.removeprefix(".").lower()
    if not domain:
        return ""
    if not domain.isascii():
        return None
    if hostname != domain and (_IPV4.fullmatch(hostname) or not is_below(hostname, domain)):
        return None
    if is_public(domain):
        return "" if hostname == domain else None
    return domain


def _default_path(parts: Parts) -> str:
    """The folder of the page (§5.1.4)."""
    path = path_of(parts)
    return path[: path.rindex("/")] or "/"


def path_of(parts: Parts) -> str:
    """The path of a request, without its query."""
    return parts.target.partition("?")[0]


def _keeps_its_prefix(cookie: Cookie, asked: Mapping[str, str]) -> bool:
    """Whether a cookie is what the prefix of its name promises (§4.1.3); a nameless one may not promise anything."""
    promise = (cookie.name or cookie.value).lower()
    if promise.startswith("__secure-"):
        return bool(cookie.name) and cookie.secure
    if promise.startswith("__host-"):
        return bool(cookie.name) and cookie.secure and cookie.host_only and asked.get("path") == "/"
    return True


# ---- dates (§5.1.1) ----

_DATE_TOKEN: Final = re.compile(r"[^\t -/;-@\[-`{-~]+")
_TIME: Final = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?!\d)", re.ASCII)
_DAY: Final = re.compile(r"(\d{1,2})(?!\d)", re.ASCII)
_YEAR: Final = re.compile(r"(\d{2,4})(?!\d)", re.ASCII)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@lru_cache(16)  # each date is asked for twice: whether it is one, and which
def parsed_date(text: str) -> float | None:
    """Seconds since the epoch of a date as cookies have it, in any of the many forms that the standard reads."""
    time = day = month = year = None
    for token in _DATE_TOKEN.findall(text):
        if time is None and (found := _TIME.match(token)):
            time = tuple(map(int, found.groups()))
        elif day is None and (found := _DAY.match(token)):
            day = int(found[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year is None and (found := _YEAR.match(token)):
            year = int(found[1])
    if time is None or day is None or month is None or year is None:
        return None
    return _seconds(year + (1900 if 70 <= year <= 99 else 2000 if year <= 69 else 0), month, day, *time)


def _seconds(year: int, month: int, day: int, hour: int, minute: int, second: int) -> float | None:
    if year < 1601:
        return None
    try:
        return float(timegm(datetime(year, month, day, hour, minute, second, tzinfo=UTC).utctimetuple()))
    except ValueError:
        return None
