"""Which links are not followed because they look like a trap: a part of a site that goes on forever.

Four signs: too far from the start, too long, a path that repeats itself, and too many URLs of one pattern (the same
path but for its digits, and the same query keys).

Pure, and bounded: beyond some number of patterns and of URLs, details are forgotten. Knows canonical URLs only. A URL
that is judged again is not counted again, as long as it is remembered.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, Protocol, Self

#: A word that stands more often than this among a path's segments says that the path repeats itself.
MAX_SAME: Final = 4
#: More segments of digits are no date. Relative links of a calendar make 2024/01/2024/02/2024/03 …
MAX_NUMBERS: Final = 10
#: So many segments are compared with those that follow: /a/b/a/b/a/b is a loop of two.
MAX_PERIOD: Final = 8
#: A path of fewer segments cannot repeat itself so often.
_FEW: Final = 5
#: A query of one key that holds a number is how shops and forums count what they have: so many times as many may be.
NUMBERED: Final = 10
#: Patterns that are counted, over all hosts; beyond that those with few URLs are forgotten.
PATTERNS: Final = 50_000
#: URLs that are remembered so as not to be counted twice, over all patterns; beyond that they are forgotten, and the
#: counts stand. About 70 bytes each.
URLS: Final = 200_000
#: Patterns with fewer URLs are not worth keeping.
SMALL: Final = 64

_VALUE: Final = re.compile("=[^&]*")
_DIGITS: Final = b"0123456789"


class Terms(Protocol):
    """What the settings say of a host: links from the start, characters of a URL, and URLs of one pattern."""

    @property
    def max_depth(self) -> int: ...
    @property
    def max_url(self) -> int: ...
    @property
    def max_variations(self) -> int: ...


class Traps:
    """Judges links, and counts those of each pattern. ``urls`` is how many URLs it remembers at the most."""

    __slots__ = ("_counts", "_left", "_seen", "_urls")

    def __init__(self, *, urls: int = URLS) -> None:
        self._counts: dict[str, int] = {}
        # Hashes of URLs, by pattern. They are salted, so they live only as long as the process; that is meant.
        self._seen: dict[str, set[int]] = {}
        self._urls = self._left = urls

    def __repr__(self) -> str:
        return f"<Traps {len(self._counts)} patterns>"

    def refusal(self, url: str, depth: int, terms: Terms) -> str | None:
        """Why a canonical URL, found so many links from a start, is not followed: ``trap:`` and the sign, or None."""
        if depth > terms.max_depth:
            return "trap: depth"
        if len(url) > terms.max_url:
            return "trap: url length"
        place, mark, query = url.partition("?")
        # Three slashes stand in front of the first segment.
        if place.count("/") >= 2 + _FEW and repeats(place):
            return "trap: repeated segments"
        if mark and self._is_beyond(url, place, query, terms.max_variations):
            return "trap: pattern"
        return None

    def to_state(self) -> dict[str, Any]:
        """What another run must know, for JSON: the patterns that are not small, with their counts."""
        return {name: count for name, count in self._counts.items() if count >= SMALL}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """As it was left."""
        traps = cls()
        traps._counts = dict(state)
        return traps

    def _is_beyond(self, url: str, place: str, query: str, limit: int) -> bool:
        """Count a URL with its pattern, unless there are as many already as there may be."""
        name, numbered = pattern_of(place, query)
        count, key = self._counts.get(name, 0), hash(url)
        seen = self._seen.get(name)
        if seen is not None and key in seen:
            return False
        if count >= (limit * NUMBERED if numbered else limit):
            return True
        if not count and len(self._counts) >= PATTERNS:
            self._forget_patterns()
        if not self._left:
            self._seen.clear()
            self._left, seen = self._urls, None
        if seen is None:
            seen = self._seen[name] = set()
        seen.add(key)
        self._left -= 1
        self._counts[name] = count + 1
        return False

    def _forget_patterns(self) -> None:
        """Keep the half with the most URLs: an endless pattern is among them."""
        self._counts = dict(Counter(self._counts).most_common(PATTERNS // 2))
        self._seen = {name: seen for name, seen in self._seen.items() if name in self._counts}
        self._left = self._urls - sum(map(len, self._seen.values()))


def repeats(place: str) -> bool:
    """Whether the path of a canonical URL, given without its query, repeats itself.

    >>> repeats("https://a.test/x/y/x/y/x/y"), repeats("https://a.test/2024/01/01/01/page/1")
    (True, False)
    """
    segments = place.split("/")[3:]
    if len(segments) <= MAX_NUMBERS and len(set(segments)) == len(segments):
        return False
    words = [segment for segment in segments if not segment.isdigit()]
    if len(segments) - len(words) > MAX_NUMBERS:
        return True
    if len(words) - len(set(words)) >= MAX_SAME and max(Counter(words).values()) > MAX_SAME:
        return True
    return any(_goes_round(segments, period) for period in range(2, min(MAX_PERIOD, len(segments) // 3) + 1))


def pattern_of(place: str, query: str) -> tuple[str, bool]:
    """The pattern of a URL, and whether its query is a single number.

    >>> pattern_of("https://shop1.test/list2/all", "size=3&color=red&size=4")
    ('https://shop1.test/list/all?&color&size', False)
    """
    path = place.index("/", 8)
    if "&" in query:
        keys, numbered = "".join(sorted(set(_VALUE.split("&" + query)))), False
    else:
        keys, _, value = query.partition("=")
        numbered = (value or keys).isdigit()
    folded = f"{place[path:]}?{keys}".encode().translate(None, _DIGITS)  # five times as fast as the same of a str
    return place[:path] + folded.decode(), numbered


def _goes_round(segments: list[str], period: int) -> bool:
    """Whether so many segments, not all of them alike, stand three times in a row."""
    run = 0
    for end, (earlier, later) in enumerate(zip(segments, segments[period:], strict=False), start=1):
        run = run + 1 if earlier == later else 0
        if run >= 2 * period and len(set(segments[end - period : end])) > 1:
            return True
    return False
