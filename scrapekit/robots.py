"""robots.txt, to the letter of RFC 9309: bytes to groups, and for an agent the one group that it is to obey.

Parsing keeps the groups as they stand in the file; those for one agent are merged and compiled when first asked for.

Invariant: whatever the bytes, there is a ``Robots``, in time linear in their number. Does not know how the file was
fetched, nor what it means that it could not be (RFC 9309 §2.3.1: that is the caller's).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from scrapekit.directives import NO_USES, Uses, combined, content_signal, content_usage
from scrapekit.robotsgroup import Group, Line, Verdict

__all__ = ["Group", "RequestRate", "Robots", "Verdict", "VisitTime", "parse"]

#: As much is read, and the rest ignored (RFC 9309 §2.5).
MAX_SIZE: Final = 500 * 1024
#: As much of one line. Google's parser stops here too; no rule of use is longer.
MAX_LINE: Final = 2083 * 8 - 1

_LINE_END: Final = re.compile(r"\r\n|\r|\n")
#: What may surround a key or a value: blanks, and the NULs and other controls that broken editors leave.
_BLANKS: Final = "".join(map(chr, range(0x21)))
_ALLOW, _DISALLOW, _AGENT, _SITEMAP = "allow", "disallow", "user-agent", "sitemap"

#: Keys, and the misspellings of them that stand in real files and that Google's parser understands as well.
_KEYS: Final = {
    "allow": _ALLOW,
    "disallow": _DISALLOW,
    "dissallow": _DISALLOW,
    "dissalow": _DISALLOW,
    "disalow": _DISALLOW,
    "diasllow": _DISALLOW,
    "disallaw": _DISALLOW,
    "user-agent": _AGENT,
    "useragent": _AGENT,
    "user agent": _AGENT,
    "sitemap": _SITEMAP,
    "site-map": _SITEMAP,
    "crawl-delay": "crawl-delay",
    "request-rate": "request-rate",
    "visit-time": "visit-time",
    "content-signal": "content-signal",
    "content-usage": "content-usage",
}
#: What these say of the use of content (contentsignals.org; draft-ietf-aipref-attach §3).
_OF_USE: Final = {"content-signal": content_signal, "content-usage": content_usage}


@dataclass(frozen=True, slots=True)
class VisitTime:
    """When visits are welcome, in minutes after midnight UTC; ``end`` before ``start`` goes over midnight."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RequestRate:
    """At most so many requests in so many seconds, at any time or at one time of the day."""

    requests: int
    seconds: float
    when: VisitTime | None = None


@dataclass(slots=True)
class _Section:
    """User-agent lines that follow each other, and what stands below them.

    A hint (a key and its value) holds for as many of the agents as were named before it: in real files, the agent named
    next has nothing to do with it.
    """

    agents: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    hints: list[tuple[int, str, str]] = field(default_factory=list)
    uses: list[tuple[Line, Uses]] = field(default_factory=list)

    def hints_for(self, name: str) -> Iterator[tuple[str, str]]:
        position = self.agents.index(name)
        return ((key, value) for named, key, value in self.hints if named > position)


class Robots:
    """One robots.txt. ``sitemaps`` are the values of its Sitemap lines, as written."""

    __slots__ = ("_groups", "_names", "_of_use", "_sections", "_speaks_of_use", "sitemaps")

    def __init__(self, sections: list[_Section], sitemaps: list[str]) -> None:
        self.sitemaps = sitemaps
        self._sections = sections
        self._names = {name for section in sections for name in section.agents}
        self._groups: dict[str, Group] = {}
        self._of_use: dict[str, tuple[Group, dict[str, Uses]]] = {}
        self._speaks_of_use = any(section.uses for section in sections)

    def __repr__(self) -> str:
        lines = sum(len(section.lines) for section in self._sections)
        return f"<Robots {len(self._sections)} groups, {lines} rules>"

    def group(self, agent: str) -> Group:
        """The rules for an agent: of the groups that name its product token, merged, or else of ``*``."""
        found = self._groups.get(agent)
        if found is None:
            name = self._name(agent)
            found = Group(name, (line for section in self._for(name) for line in section.lines))
            self._groups[agent] = found
        return found

    def verdict(self, agent: str, url: str) -> Verdict:
        """Whether the agent may fetch a URL, given whole or as path and query."""
        return self.group(agent).verdict(url if url.startswith("/") else _target(url))

    def delay(self, agent: str) -> float | None:
        """The Crawl-delay for an agent in seconds, the longest if there are several."""
        return max((float(found[1]) for found in self._hints(agent, "crawl-delay", _DELAY)), default=None)

    def request_rate(self, agent: str) -> RequestRate | None:
        """The Request-rate for an agent, the slowest if there are several."""
        rates = (_rate(found) for found in self._hints(agent, "request-rate", _RATE))
        return max(rates, key=lambda rate: rate.seconds / rate.requests, default=None)

    def visit_time(self, agent: str) -> VisitTime | None:
        """The first Visit-time for an agent."""
        return next((_visit(found) for found in self._hints(agent, "visit-time", _VISIT)), None)

    def uses(self, agent: str, url: str) -> Uses:
        """What Content-Signal and Content-Usage lines say to an agent of the use of a URL's content.

        Of paths the longest that matches counts, as for Allow and Disallow; lines with one path count together.
        """
        if not self._speaks_of_use:
            return NO_USES
        name = self._name(agent)
        if name not in self._of_use:
            self._of_use[name] = self._gather_uses(name)
        group, by_rule = self._of_use[name]
        return by_rule.get(group.verdict(url if url.startswith("/") else _target(url)).rule, NO_USES)

    def _gather_uses(self, name: str) -> tuple[Group, dict[str, Uses]]:
        said = [each for section in self._for(name) for each in section.uses]
        by_rule: dict[str, Uses] = {}
        for line, uses in said:
            by_rule[str(line)] = combined(by_rule.get(str(line), NO_USES), uses)
        return Group(name, (line for line, _ in said)), by_rule

    def _name(self, agent: str) -> str:
        token = _WORD.match(agent.strip().lower())
        if token and token[0] in self._names:
            return token[0]
        return "*" if "*" in self._names else ""

    def _for(self, name: str) -> Iterator[_Section]:
        return (section for section in self._sections if name and name in section.agents)

    def _hints(self, agent: str, wanted: str, form: re.Pattern[str]) -> Iterator[re.Match[str]]:
        name = self._name(agent)
        hints = (hint for section in self._for(name) for hint in section.hints_for(name))
        # Longer ones are nonsense, and could be slow to tell from sense.
        values = (form.fullmatch(value) for key, value in hints if key == wanted and len(value) < 64)
        return (found for found in values if found)


def parse(body: bytes) -> Robots:
    """Read a robots.txt, whatever the bytes; at most the first 500 KiB.

    What cannot be understood is skipped, and does not end a group (RFC 9309 §2.2.4).
    """
    sections = [_Section()]
    sitemaps: list[str] = []
    for number, key, value in _records(_text(body)):
        section = sections[-1]
        if key == _AGENT:
            if section.lines:
                section = _Section()
                sections.append(section)
            section.agents += _agents(value)
        elif key == _SITEMAP:
            sitemaps.append(value.encode("latin-1").decode("utf-8", "replace"))
        elif not section.agents:
            continue  # rules above the first User-agent are nobody's
        elif key in (_ALLOW, _DISALLOW):
            section.lines.append(Line(number, key == _ALLOW, value))
        elif key in _OF_USE:
            path, said = _path_and_rest(value)
            section.uses.append((Line(number, False, path), _OF_USE[key](said)))
        else:
            section.hints.append((len(section.agents), key, value))
    return Robots(sections, sitemaps)


def _text(body: bytes) -> str:
    """The octets as characters of the same number, so that none is lost before percent-encoding."""
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        # Not UTF-8, as it should be, but it says so: RFC 9309 §2.2 lets us bridge that.
        body = body[: 2 * MAX_SIZE].decode("utf-16", "replace").encode()
    body = body.removeprefix(b"\xef\xbb\xbf")
    if len(body) > MAX_SIZE:
        # A rule that is cut short would say something else: the last line counts only if it is whole.
        body = body[: max(body.rfind(b"\n", 0, MAX_SIZE + 1), body.rfind(b"\r", 0, MAX_SIZE + 1), 0)]
    return body.decode("latin-1")


def _records(text: str) -> Iterator[tuple[int, str, str]]:
    """Number, key and value of each line that has a known key."""
    for number, whole in enumerate(_LINE_END.split(text), 1):
        line = whole[:MAX_LINE].partition("#")[0]
        key, colon, value = line.partition(":")
        if not colon:
            words = line.split()
            if len(words) != 2:
                continue
            key, value = words  # "Disallow /x" stands in real files
        if known := _KEYS.get(key.strip(_BLANKS).lower()):
            yield number, known, value.strip(_BLANKS)


def _path_and_rest(value: str) -> tuple[str, str]:
    """The path that a line on the use of content begins with, all of the site if there is none."""
    path, *rest = value.split(None, 1) if value.startswith("/") else ("/", value)
    return path, rest[0] if rest else ""


#: What a product token may hold (RFC 9309 §2.2.1), and what agents call themselves all the same.
_TOKEN: Final = re.compile(r"[a-z_-]+")
_WORD: Final = re.compile(r"[^\s/]+")


def _agents(value: str) -> list[str]:
    """The names by which a User-agent line is found: the token it begins with, and the word, if that is more."""
    word = _WORD.match(value.lower())
    if not word:
        return [""]
    token = _TOKEN.match(word[0])
    return [word[0], token[0]] if token and token[0] != word[0] else [word[0]]


def _target(url: str) -> str:
    """Path and query of a URL as it stands, canonical or not."""
    rest = url.partition("#")[0].partition("://")[2]
    start = _PATH_START.search(rest)
    if not start:
        return "/"
    return rest[start.start() :] if start[0] == "/" else "/" + rest[start.start() :]


_PATH_START: Final = re.compile("[/?]")

# ---- the widespread extensions ----

_DELAY: Final = re.compile(r"(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})\s*(?:s|secs?|seconds?)?", re.IGNORECASE | re.ASCII)
_TIMES: Final = r"([01]\d|2[0-3]):?([0-5]\d)(?:\s*[a-z]{3})?\s*-\s*([01]\d|2[0-4]):?([0-5]\d)(?:\s*[a-z]{3})?"
_VISIT: Final = re.compile(_TIMES, re.IGNORECASE | re.ASCII)
_RATE: Final = re.compile(
    rf"([1-9]\d{{0,8}})\s*/\s*([1-9]\d{{0,8}})\s*([smhd]?)[a-z]*(?:\s+({_TIMES}))?", re.IGNORECASE | re.ASCII
)
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def _visit(found: re.Match[str]) -> VisitTime:
    hour, minute, to_hour, to_minute = map(int, found.groups()[-4:])
    return VisitTime(hour * 60 + minute, to_hour * 60 + to_minute)


def _rate(found: re.Match[str]) -> RequestRate:
    seconds = float(int(found[2]) * _UNITS[found[3].lower()])
    return RequestRate(int(found[1]), seconds, _visit(found) if found[4] else None)
