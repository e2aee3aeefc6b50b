"""A cookie jar by RFC 6265bis: Set-Cookie fields of answers in, one Cookie field of a request out.

What it leaves out on purpose: SameSite and HttpOnly, which guard people's browsers from scripts and other sites; a
crawler has neither.

Invariant: a cookie is only ever sent to the host that set it, or below a domain which this host belongs to and which
is no public suffix. Does no I/O; ``now`` is handed in, in seconds since the epoch: cookies expire by the calendar.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from scrapekit.http.setcookie import Cookie, path_of, received
from scrapekit.url import Parts, is_below, split

#: The figures of the standard (§6.1).
MAX_PER_DOMAIN: Final = 50
MAX_COOKIES: Final = 3000


class CookieJar:
    """The cookies that a spider's requests share, or those of one ``Request.jar``."""

    __slots__ = ("_count", "_domains", "_serial")

    def __init__(self) -> None:
        self._domains: dict[str, dict[tuple[str, str, bool], Cookie]] = {}
        self._count = self._serial = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Cookie]:
        return (cookie for cookies in self._domains.values() for cookie in cookies.values())

    def __repr__(self) -> str:
        return f"<CookieJar {self._count} cookies, {len(self._domains)} domains>"

    def header(self, url: str, now: float) -> str | None:
        """The value of the Cookie field for a request to a canonical URL, or None (§5.8.3)."""
        if not self._count:
            return None
        parts = split(url)
        path = path_of(parts)
        sent = [
            cookie
            for domain in _upwards(parts.hostname)
            for cookie in self._domains.get(domain, _NONE).values()
            if _is_for(cookie, parts, path) and cookie.alive(now)
        ]
        if not sent:
            return None
        for cookie in sent:
            cookie.used = now
        sent.sort(key=lambda cookie: (-len(cookie.path), cookie.serial))
        return "; ".join(map(str, sent))

    def store(self, url: str, values: Iterable[str], now: float) -> None:
        """Take the Set-Cookie fields of an answer from a canonical URL (§5.7); what is not allowed is left out."""
        parts = split(url)
        for value in values:
            cookie = received(parts, value, now)
            if cookie and (parts.scheme == "https" or not self._covers_secure(cookie)):
                self._put(cookie, now)

    def to_state(self) -> list[dict[str, Any]]:
        """All cookies as JSON-able values, in the order of their creation."""
        return [asdict(cookie) for cookie in sorted(self, key=lambda cookie: cookie.serial)]

    @classmethod
    def from_state(cls, state: Iterable[Mapping[str, Any]]) -> CookieJar:
        """Read back what ``to_state`` gave."""
        jar = cls()
        for stored in state:
            jar._insert(Cookie(**stored))
        return jar

    def _covers_secure(self, cookie: Cookie) -> bool:
        """Whether a cookie that came without TLS would hide one that is sent with TLS only (§5.7, step 16)."""
        return any(
            old.secure and old.name == cookie.name and _path_matches(cookie.path, old.path)
            for domain, cookies in self._domains.items()
            if is_below(domain, cookie.domain) or is_below(cookie.domain, domain)
            for old in cookies.values()
        )

    def _put(self, cookie: Cookie, now: float) -> None:
        old = self._domains.get(cookie.domain, _NONE).get(cookie.key)
        if old:
            self._remove(old)
        if not cookie.alive(now):
            return
        self._insert(cookie)
        if old:
            cookie.serial = old.serial
        if len(self._domains[cookie.domain]) > MAX_PER_DOMAIN:
            self._evict(self._domains[cookie.domain].values(), now)
        if self._count > MAX_COOKIES:
            self._evict(self, now)

    def _insert(self, cookie: Cookie) -> None:
        self._serial = cookie.serial = self._serial + 1
        self._domains.setdefault(cookie.domain, {})[cookie.key] = cookie
        self._count += 1

    def _remove(self, cookie: Cookie) -> None:
        cookies = self._domains[cookie.domain]
        del cookies[cookie.key]
        if not cookies:
            del self._domains[cookie.domain]
        self._count -= 1

    def _evict(self, cookies: Iterable[Cookie], now: float) -> None:
        """Take out all that expired, or else the one longest unused, secure ones last (§5.7, excess cookies)."""
        expired = [cookie for cookie in cookies if not cookie.alive(now)]
        least = min(cookies, key=lambda cookie: (cookie.secure, cookie.used, cookie.serial))
        for cookie in expired or [least]:
            self._remove(cookie)


_NONE: Final[dict[tuple[str, str, bool], Cookie]] = {}


def cookie_field(kept: str | None, written: str | None, own: tuple[tuple[str, str], ...]) -> str:
    """One Cookie field: the jar's cookies but for those that the request itself has, then these."""
    pairs = written.split("; ") if written else []
    pairs += [f"{name}={value}" for name, value in own]
    names = {pair.partition("=")[0] for pair in pairs}
    before = [pair for pair in kept.split("; ") if pair.partition("=")[0] not in names] if kept else []
    return "; ".join(before + pairs)


def _upwards(hostname: str) -> Iterator[str]:
    """The name itself and each domain above it."""
    yield hostname
    dot = hostname.find(".")
    while dot >= 0:
        yield hostname[dot + 1 :]
        dot = hostname.find(".", dot + 1)


def _is_for(cookie: Cookie, parts: Parts, path: str) -> bool:
    if cookie.host_only and cookie.domain != parts.hostname:
        return False
    if cookie.secure and parts.scheme != "https":
        return False
    return _path_matches(path, cookie.path)


def _path_matches(path: str, wanted: str) -> bool:
    """Whether a path is the wanted one or lies below it (§5.1.4)."""
    if not path.startswith(wanted):
        return False
    return wanted.endswith("/") or path[len(wanted) : len(wanted) + 1] in ("", "/")
