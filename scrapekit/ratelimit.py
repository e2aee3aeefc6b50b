"""What a site's RateLimit fields say: how many requests it still grants us, and for how long.

Three spellings are in use, and read here: the structured fields of draft-ietf-httpapi-ratelimit-headers
(``RateLimit: "default";r=50;t=30`` with ``RateLimit-Policy: "default";q=100;w=60``), its earlier forms
(``RateLimit: limit=100, remaining=50, reset=30`` and ``RateLimit-Remaining``), and ``X-RateLimit-Remaining``.

Invariant: a field that does not follow its grammar, or makes no sense, says nothing. Does not know what becomes of the
answer: that is the throttle's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from scrapekit.headers import Headers

#: What remains, and when it is replenished, as separate fields.
_PAIRS: Final = (
    ("ratelimit-remaining", "ratelimit-reset"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("x-rate-limit-remaining", "x-rate-limit-reset"),
)
#: An answer without any of these says nothing.
FIELDS: Final = frozenset({"ratelimit", "ratelimit-policy", *(name for name, _ in _PAIRS)})

#: No pause for a quota's sake is longer: it is a hint, and once nothing remains the site is left alone anyway. Seconds.
LONGEST_PAUSE: Final = 60.0
#: A longer field is nonsense, and could be slow to tell from sense. Characters.
_MAX_FIELD: Final = 2000
#: A reset beyond these is no number of seconds but a time, since the epoch, in seconds or milliseconds.
_EPOCH: Final = 1e9
_EPOCH_MS: Final = 1e12


@dataclass(frozen=True, slots=True)
class Quota:
    """What is granted: ``remaining`` requests in the next ``seconds``."""

    remaining: float
    seconds: float

    @property
    def pause(self) -> float:
        """Seconds between two requests that spread what remains evenly; 0 where nothing remains to be spread."""
        return min(self.seconds / self.remaining, LONGEST_PAUSE) if self.remaining else 0.0

    @property
    def tightness(self) -> tuple[float, float]:
        """The larger, the less is granted."""
        return (0.0, self.seconds / self.remaining) if self.remaining else (self.seconds, 0.0)


def quota(headers: Headers, now: float) -> Quota | None:
    """The tightest quota that an answer tells of; ``now`` in seconds since the epoch.

    Worth asking only where one of ``FIELDS`` is there.
    """
    found = [each for each in chain(_structured(headers), _pairs(headers, now)) if each.seconds > 0]
    return max(found, key=lambda each: each.tightness, default=None)


def _structured(headers: Headers) -> Iterator[Quota]:
    value = _joined(headers, "ratelimit")
    policies = _policies(_joined(headers, "ratelimit-policy"))
    if _DICTIONARY.fullmatch(value):
        # The draft's seventh version had a dictionary.
        yield from _of_dictionary({key: float(number) for key, number in _MEMBER.findall(value)})
        return
    items = list(_items(value))
    for name, parameters in items:
        policy = policies.get(name, {})
        remaining, seconds = _count(parameters.get("r")), _count(parameters.get("t", policy.get("w")))
        if remaining is not None and seconds is not None and _counts_requests(policy):
            yield Quota(remaining, seconds)
    if not items:
        yield from _of_policies(policies)


def _of_dictionary(members: Mapping[str, float]) -> Iterator[Quota]:
    if members.keys() >= {"remaining", "reset"}:
        yield Quota(members["remaining"], members["reset"])


def _of_policies(policies: Mapping[str, Mapping[str, str]]) -> Iterator[Quota]:
    """A policy alone tells the rate for which it was made. A quota of 0 would be a ban, which no answer can mean."""
    for policy in policies.values():
        granted, seconds = _count(policy.get("q")), _count(policy.get("w"))
        if granted and seconds is not None and _counts_requests(policy):
            yield Quota(granted, seconds)


def _counts_requests(policy: Mapping[str, str]) -> bool:
    return policy.get("qu", "requests") == "requests"


def _policies(value: str) -> dict[str, dict[str, str]]:
    """By name. An earlier form has the quota itself for a name: ``100;w=60``."""
    return {name: {"q": name, **parameters} for name, parameters in _items(value)}


def _pairs(headers: Headers, now: float) -> Iterator[Quota]:
    for names in _PAIRS:
        remaining, reset = (_number(headers.get(name)) for name in names)
        if remaining is not None and reset is not None:
            yield Quota(float(int(remaining)), _seconds_until(reset, now))


def _seconds_until(reset: float, now: float) -> float:
    if reset >= _EPOCH_MS:
        reset /= 1000
    return reset - now if reset >= _EPOCH else reset


# ---- as much of structured fields (RFC 9651) as is needed ----

_STRING: Final = r'"(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"'
_BARE: Final = rf"{_STRING}|:[A-Za-z0-9+/=]*:|[A-Za-z0-9*?.:/_%+-]+"
_PARAMETER: Final = re.compile(rf" *; *([a-z*][a-z0-9_.*-]*)(?:=({_BARE}))?")
_NAME: Final = re.compile(rf"{_STRING}|[A-Za-z*][A-Za-z0-9*._:/%+-]*|\d{{1,15}}")
_COMMA: Final = re.compile(r"[ \t]*,[ \t]*")
_MEMBER: Final = re.compile(r"(limit|remaining|reset)=(\d{1,12})(?!\d)")
_DICTIONARY: Final = re.compile(
    r"(?:limit|remaining|reset)=\d{1,12}(?:[ \t]*,[ \t]*(?:limit|remaining|reset)=\d{1,12})*"
)
_DECIMAL: Final = re.compile(r"\d{1,15}(?:\.\d{0,9})?", re.ASCII)


def _items(value: str) -> list[tuple[str, dict[str, str]]]:
    """The items of a list with their parameters, strings without their quotes; nothing if the list is malformed."""
    items: list[tuple[str, dict[str, str]]] = []
    at = 0
    while (name := _NAME.match(value, at)) is not None:
        at, parameters = name.end(), {}
        while (parameter := _PARAMETER.match(value, at)) is not None:
            at = parameter.end()
            parameters[parameter[1]] = _unquoted(parameter[2] or "?1")
        items.append((_unquoted(name[0]), parameters))
        if at == len(value):
            return items
        if (comma := _COMMA.match(value, at)) is None:
            return []
        at = comma.end()
    return []


def _unquoted(text: str) -> str:
    return text[1:-1].replace('\\"', '"').replace("\\\\", "\\") if text[:1] == '"' else text


def _joined(headers: Headers, name: str) -> str:
    value = ", ".join(headers.get_all(name)).strip()
    return value if len(value) <= _MAX_FIELD else ""


def _count(text: str | None) -> float | None:
    """A whole number, none below 0."""
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 15 else None


def _number(text: str | None) -> float | None:
    """A number as sites send it; of several, the first."""
    found = _DECIMAL.fullmatch(text.partition(",")[0].strip()) if text is not None and len(text) < 100 else None
    return float(found[0]) if found else None
