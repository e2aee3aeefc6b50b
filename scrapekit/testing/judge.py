"""What a world saw of a crawl, held against the rules; it trusts nothing that the crawl computed.

It knows as much of robots.txt as a simulated web speaks: ``Disallow`` by prefix and ``Crawl-delay``, for everybody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby, pairwise
from operator import attrgetter
from typing import Final

from scrapekit.tables import Limits
from scrapekit.testing.world import ROUNDING, Visit, overlaps
from scrapekit.url import host_of, split

#: A copy of robots.txt is not used for longer (RFC 9309 §2.4). Seconds.
DAY: Final = 24 * 3600.0
#: A host that asks for a pause and does not say how long gets at least this one. Seconds.
REST: Final = 60.0
#: So many failures in a row may set a host aside as down: those that open its circuit, and the trials.
DOWN: Final = 8


class Judge:
    """Holds ``visits`` against ``limits_for(host)``; ``links`` gives those of a page that was answered."""

    def __init__(
        self, visits: Iterable[Visit], limits_for: Callable[[str], Limits], links: Callable[[str], Iterable[str]]
    ) -> None:
        self._limits_for, self._links = limits_for, links
        self._hosts: dict[str, _Host] = defaultdict(_Host)
        for visit in visits:
            self._hosts[visit.host].add(visit)

    def violations(self) -> Iterator[str]:
        """Each breach of a delay, a cap, a rest that was asked for, or a robots.txt."""
        for name, host in self._hosts.items():
            limits = self._limits_for(name)
            robots = host.robots() if limits.robots == "obey" else ()
            for breach in chain(host.gaps(limits), overlaps(host.sent(), limits.concurrency), host.rests(), robots):
                yield f"{name}: {breach}"

    def lost(self, start: Iterable[str]) -> Iterator[str]:
        """Each URL that the crawl came to know, might fetch, and never asked for."""
        waiting = list(start)
        known = set(waiting)
        while waiting:
            url = waiting.pop()
            last = self._hosts[host_of(url)].by_url.get(url)
            if last is None:
                if not self._hosts[host_of(url)].excuses(url):
                    yield url
                continue
            targets = [t for t in self._targets(last) if t not in known]
            known.update(targets)
            waiting += targets

    def _targets(self, visit: Visit) -> Iterable[str]:
        if 300 <= visit.status < 400:
            return [visit.answer.headers["Location"]]
        return self._links(visit.url) if visit.status == 200 else ()


class _Host:
    """One host's visits in the order in which they began, and the last one of each URL."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self.by_url: dict[str, Visit] = {}

    def add(self, visit: Visit) -> None:
        self.visits.append(visit)
        self.by_url[visit.url] = visit

    def sent(self) -> list[Visit]:
        return sorted((visit for visit in self.visits if visit.sent is not None), key=attrgetter("sent"))

    def gaps(self, limits: Limits) -> Iterator[str]:
        """Two sends that are closer than the delay in force when the later one took its turn."""
        for earlier, later in pairwise(self.sent()):
            asked = min(self._crawl_delay(later.began), limits.max_crawl_delay) if limits.robots == "obey" else 0.0
            least, gap = max(limits.delay, asked), _moment(later) - _moment(earlier)
            if gap < least - ROUNDING:
                yield f"sent after {gap:.6f} s, the delay is {least} s"

    def rests(self) -> Iterator[str]:
        """A send whose turn was taken while the host had asked to be let alone."""
        # At one moment a turn may have been taken before the answer came.
        moments = sorted(
            [(v.began, 0, n) for n, v in enumerate(self.visits)] + [(v.ended, 1, n) for n, v in enumerate(self.visits)]
        )
        until = cut = 0.0
        for now, ends, number in moments:
            visit = self.visits[number]
            if not ends:
                if visit.sent is not None and visit.sent < until - ROUNDING:
                    yield f"sent {until - visit.sent:.3f} s before the end of the rest that it had asked for"
            elif visit.status >= 400 and (asked := visit.answer.headers.get("Retry-After")):
                until, cut = max(until, now + float(asked)), max(cut, now)
            elif visit.status in (429, 503) and _moment(visit) > cut:
                until, cut = max(until, now + REST), now

    def robots(self) -> Iterator[str]:
        """A page that went without a copy of robots.txt, by one that was too old, or against it."""
        for visit in self.visits:
            if _is_robots(visit):
                continue
            copy = self._copy(visit.began)
            if copy is None:
                yield f"{visit.url} went without robots.txt"
            elif copy.ended + DAY < visit.began:
                yield f"{visit.url} went by a robots.txt of {visit.began - copy.ended:.0f} s ago"
            elif not _allows(copy, visit.url):
                yield f"{visit.url} went against robots.txt"

    def excuses(self, url: str) -> bool:
        """Whether there is a reason not to have asked for a URL."""
        copies = [visit for visit in self.visits if _is_copy(visit)]
        if self.visits and not copies:
            return True  # nothing may be fetched while robots.txt cannot be read
        return self._was_down() or any(not _allows(copy, url) for copy in copies)

    def _was_down(self) -> bool:
        """Whether so many visits failed in a row that what waited then may have been given up."""
        runs = (len(list(run)) for failed, run in groupby(self.visits, key=lambda visit: not visit.status) if failed)
        return max(runs, default=0) >= DOWN

    def _copy(self, now: float) -> Visit | None:
        """The robots.txt that was received last."""
        return max((v for v in self.visits if _is_copy(v) and v.ended <= now), key=attrgetter("ended"), default=None)

    def _crawl_delay(self, now: float) -> float:
        copy = self._copy(now)
        return max((float(value) for value in _values(copy, "Crawl-delay")), default=0.0) if copy else 0.0


def _moment(visit: Visit) -> float:
    assert visit.sent is not None
    return visit.sent


def _is_robots(visit: Visit) -> bool:
    return visit.url.endswith("/robots.txt")


def _is_copy(visit: Visit) -> bool:
    """Whether a visit gave rules, or that there are none."""
    return _is_robots(visit) and visit.status != 429 and 200 <= visit.status < 500


def _values(copy: Visit, field: str) -> list[str]:
    text = copy.answer.body.decode() if copy.status == 200 else ""
    lines = (line.partition(": ") for line in text.splitlines())
    return [value for name, _, value in lines if name == field]


def _allows(copy: Visit, url: str) -> bool:
    return not any(split(url).target.startswith(prefix) for prefix in _values(copy, "Disallow"))
