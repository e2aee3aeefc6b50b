"""One agent's rules of a robots.txt, compiled: path and query of a URL to a verdict, and the line that gave it.

Rules without wildcard are found by their prefix. The others are tried from the longest down, each by finding its
literal parts from left to right, which no pattern can make quadratic.

Invariant: a verdict is that of the rule with the most octets that matches, Allow before Disallow among equals (RFC 9309
§2.2.2). Does not know agents, nor the file that the rules stood in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a URL may be fetched, and why.

    ``line`` counts from 1 and ``rule`` is that line, such as ``Disallow: /a``; None and empty where no rule matched.
    ``group`` is the token of the group that was asked: the agent's own, ``*``, or empty where the file has neither.
    """

    allowed: bool
    line: int | None
    rule: str
    group: str


@dataclass(frozen=True, slots=True)
class Line:
    """An Allow or Disallow line. ``pattern`` has one character for each octet of the file."""

    number: int
    allow: bool
    pattern: str

    def __str__(self) -> str:
        shown = self.pattern.encode("latin-1").decode("utf-8", "replace")
        return f"{'Allow' if self.allow else 'Disallow'}: {shown}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line's pattern: it matches what starts with ``head``, has ``middle`` in this order, and ends with ``tail``.

    ``tail`` is None where the pattern does not end in ``$``. ``octets`` is the length that decides.
    """

    line: Line
    octets: int
    head: str
    middle: tuple[str, ...]
    tail: str | None

    def matches(self, target: str) -> bool:
        """Whether a pattern with wildcards matches a target in the form for comparison."""
        if not target.startswith(self.head):
            return False
        at = len(self.head)
        for part in self.middle:
            at = target.find(part, at)
            if at < 0:
                return False
            at += len(part)
        return self.tail is None or (target.endswith(self.tail) and len(target) - len(self.tail) >= at)

    def beats(self, other: Rule | None) -> bool:
        """Whether this rule decides where both match."""
        return other is None or (self.octets, self.line.allow) > (other.octets, other.line.allow)


class Group:
    """The rules for one agent. ``name`` is the token by which they were found, or ``*``."""

    __slots__ = ("_escaped", "_exact", "_lengths", "_none", "_prefix", "_verdicts", "_wild", "name")

    def __init__(self, name: str, lines: Iterable[Line] = ()) -> None:
        self.name = name
        self._none = Verdict(True, None, "", name)
        self._verdicts: dict[int, Verdict] = {}
        self._prefix: dict[str, Rule] = {}
        self._exact: dict[str, Rule] = {}
        self._wild: list[Rule] = []
        for line in lines:
            for pattern in _meant(line):
                self._add(line, pattern)
        self._lengths = sorted({len(head) for head in self._prefix}, reverse=True)
        self._wild.sort(key=lambda rule: (-rule.octets, not rule.line.allow))
        self._escaped = any(_DELIMITER.search(rule.line.pattern) for rule in self._wild)

    def __repr__(self) -> str:
        return f"<Group {self.name!r}, {len(self._prefix) + len(self._exact) + len(self._wild)} rules>"

    def _add(self, line: Line, pattern: str) -> None:
        rule = _compiled(line, pattern)
        if "*" in pattern:
            self._wild.append(rule)
        else:
            table = self._prefix if rule.tail is None else self._exact
            if rule.beats(table.get(rule.head)):
                table[rule.head] = rule

    def verdict(self, target: str) -> Verdict:
        """Whether path and query of a URL may be fetched."""
        # /robots.txt itself is allowed whatever it says (RFC 9309 §2.2.2).
        rule = None if target == "/robots.txt" else self._rule(comparable(target))
        if rule is None:
            return self._none
        line = rule.line
        found = self._verdicts.get(line.number)
        if found is None:
            found = self._verdicts[line.number] = Verdict(line.allow, line.number, str(line), self.name)
        return found

    def _rule(self, target: str) -> Rule | None:
        rule = self._best(target)
        if self._escaped and "?" in target:
            # Where a wildcard stands before "%2F", only the target tells if that lies in the query.
            other = self._best(_query_escaped(target))
            if other and other.beats(rule):
                return other
        return rule

    def _best(self, target: str) -> Rule | None:
        best = self._exact.get(target)
        for length in self._lengths:
            if best and length < best.octets:
                break  # no rule has more octets than characters to compare
            rule = self._prefix.get(target[:length])
            if rule and rule.beats(best):
                best = rule
        for rule in self._wild:
            if not rule.beats(best):
                break
            if rule.matches(target):
                return rule
        return best


#: "Allow: /a/index.html" allows "/a/" as well: Google's reading, and what those who write it mean.
_INDEX: Final = re.compile(r"(.*/)index\.htm[^/]*", re.DOTALL)


def _meant(line: Line) -> list[str]:
    """The patterns that a line stands for; an empty one says nothing."""
    folder = _INDEX.fullmatch(line.pattern) if line.allow else None
    return [line.pattern, folder[1] + "$"] if folder else [line.pattern] if line.pattern else []


def _compiled(line: Line, pattern: str) -> Rule:
    plain = _decoded_pattern(pattern)
    head, *rest = plain.removesuffix("$").split("*")
    tail = None
    if plain.endswith("$"):
        tail = _encoded(rest.pop()) if rest else ""
    return Rule(line, len(plain), _encoded(head), tuple(_encoded(part) for part in rest if part), tail)


# ---- the form in which paths are compared (RFC 9309 §2.2.2, RFC 3986 §2) ----
#
# Octets outside ASCII are percent-encoded, unreserved ones are not, hexadecimal digits are upper case. Reserved ones
# and those that no URL holds are compared percent-encoded, so that "(" and "%28" are the same, but for the four that
# structure a URL: "=" and "&" are never the same as their encoded forms, "/" and "?" only within a query.

_AS_IT_IS: Final = re.compile(r"[A-Za-z0-9\-._~/=&]*(?:\?[A-Za-z0-9\-._~/?=&]*)?")
_TO_DECODE: Final = re.compile(r"%([0-9A-Fa-f]{2})|([^\x00-\x7f])")
_TO_ENCODE: Final = re.compile(r"[^A-Za-z0-9\-._~/?=&%]")
_DELIMITER: Final = re.compile("%2F|%3F", re.IGNORECASE)
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def comparable(target: str) -> str:
    """Path and query of a URL in the form in which they are compared with patterns."""
    if _AS_IT_IS.fullmatch(target):
        return target
    if not target.isascii():
        target = target.encode("utf-8", "replace").decode("latin-1")
    path, mark, query = _decoded(target).partition("?")
    return _encoded(path + mark + _in_query(query))


def _decoded_pattern(pattern: str) -> str:
    """A pattern as its octets count: decoded, also what lies in the query for certain."""
    path, mark, query = _decoded(pattern).partition("?")
    return path + mark + (query if "*" in path else _in_query(query))


def _query_escaped(target: str) -> str:
    path, mark, query = target.partition("?")
    return path + mark + query.replace("/", "%2F").replace("?", "%3F")


def _decoded(text: str) -> str:
    return _TO_DECODE.sub(_octet, text)


def _octet(found: re.Match[str]) -> str:
    if found[2]:
        return f"%{ord(found[2]):02X}"
    char = chr(int(found[1], 16))
    return char if char in _UNRESERVED else found[0].upper()


def _in_query(text: str) -> str:
    return _DELIMITER.sub(lambda found: "/" if found[0] == "%2F" else "?", text)


def _encoded(text: str) -> str:
    return _TO_ENCODE.sub(lambda found: f"%{ord(found[0]):02X}", text)
