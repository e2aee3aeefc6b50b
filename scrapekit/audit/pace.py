"""The rules of pace: how far apart, how many at once, at which hours.

Each rule is a function of a case that gives the violations. Gaps and overlaps come from the first bytes that left and
from the ends of exchanges, and from nothing that the scheduler reckoned.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from scrapekit import hours
from scrapekit.audit.case import Case, seconds
from scrapekit.audit.law import ROUNDING, Law, Pause
from scrapekit.audit.report import Violation
from scrapekit.audit.rests import granted_by
from scrapekit.audit.sends import gaps, is_page, overlaps
from scrapekit.ledger import Send
from scrapekit.robots import RequestRate, VisitTime

#: The smoothed latency: each good answer moves it this far, and so many make it forget what was before, but for a part.
_SMOOTHING: Final = 0.2
_FORGETS: Final = 20
_FORGOTTEN: Final = 0.98


def delay(case: Case) -> Iterator[Violation]:
    """No two starts are closer than the largest of configured delay, Crawl-delay, adaptive delay and granted rate."""
    told = _Told()
    for over, send in case.events():
        told.take(case, over, send)
    for earlier, later in pairwise(case.sent):
        send, gap = later.send, later.start - earlier.start
        asked = told.between(earlier.send.seq, send.seq, later.start)
        pause = max(case.law.pause(send.host, send.seq, send.at), asked)
        if gap < pause.seconds - ROUNDING:
            yield case.broken(pause.rule, send, f"{seconds(gap)} after the one before", seconds(pause.seconds))


def least(law: Law, send: Send) -> Pause:
    """The least time from one start to the next in the long run, a Request-rate included."""
    longest = law.pause(send.host, send.seq, send.at)
    for wish in law.wishes(send.host, send.seq, send.at):
        if wish.rate is not None:
            asked = min(wish.rate.seconds / wish.rate.requests, law.terms(send.host, send.seq).max_crawl_delay)
            longest = max(longest, Pause(asked, "request-rate"), key=lambda pause: pause.seconds)
    return longest


def request_rate(case: Case) -> Iterator[Violation]:
    """Never more requests than a Request-rate allows in its time, which counts up to the cap for a Crawl-delay."""
    for n, later in enumerate(case.sent):
        send = later.send
        for wish in case.law.wishes(send.host, send.seq, send.at):
            rate = wish.rate
            if rate is None or rate.requests > n or not _holds(rate, send.at):
                continue
            least = min(rate.seconds, case.law.terms(send.host, send.seq).max_crawl_delay * rate.requests)
            took = later.start - case.sent[n - rate.requests].start
            if took < least - ROUNDING * rate.requests:
                was = f"{rate.requests + 1} requests in {seconds(took)}"
                yield case.broken("request-rate", send, was, f"{rate.requests} in {seconds(least)}")


def concurrency(case: Case) -> Iterator[Violation]:
    """Never more are out at once than the host's limit."""
    for at_once, later in overlaps(case.sent):
        cap = case.law.terms(case.host, later.send.seq).concurrency
        if at_once > cap:
            yield case.broken("concurrency", later.send, f"{at_once} at once", f"{cap}")


def visit(case: Case) -> Iterator[Violation]:
    """Visits keep to the hours of the settings, and pages to the Visit-time of robots.txt too."""
    for each in case.sent:
        send = each.send
        own = case.law.terms(send.host, send.seq).visit
        if own is not None and hours.opens(send.at, [own]) > send.at:
            yield case.broken("hours", send, _clock(send.at), str(own))
        if not is_page(send):
            continue
        for wish in case.law.wishes(send.host, send.seq, send.at):
            if wish.visit is not None and hours.opens(send.at, [wish.visit]) > send.at:
                yield case.broken("visit-time", send, _clock(send.at), str(wish.visit))


def shared(case: Case, rule: str) -> Iterator[Violation]:
    """Hosts at one address, or of one domain, are together asked no more than so many of them alone."""
    for gap, later in gaps(case.sent):
        send = later.send
        share = _share(case, rule, send)
        pause = case.law.pause(send.host, send.seq, send.at)
        if share and gap < pause.seconds / share - ROUNDING:
            was = f"{seconds(gap)} after the one before at {case.host}"
            yield case.broken(rule, send, was, seconds(pause.seconds / share))
    for at_once, later in overlaps(case.sent):
        share = _share(case, rule, later.send)
        cap = case.law.terms(later.send.host, later.send.seq).concurrency * share
        if share and at_once > cap:
            yield case.broken(rule, later.send, f"{at_once} at once at {case.host}", f"{cap}")


# -- what answers ask for


@dataclass(slots=True)
class _Told:
    """The pace that follows from the answers so far, as it changes: by the latency, and by what RateLimit grants."""

    latency: float = 0.0
    good: int = 0
    seqs: list[int] = field(default_factory=list)
    adaptive: list[float] = field(default_factory=list)
    granted: list[tuple[float, float]] = field(default_factory=list)

    def take(self, case: Case, over: bool, send: Send) -> None:
        if not over or send.end is None:
            return
        granted = granted_by(send)
        share = case.law.terms(send.host, send.end_seq).adaptive
        if share and send.sent is not None and send.status and send.status < 400 and not send.error:
            took = send.end - send.sent
            self.latency += _SMOOTHING * (took - self.latency) if self.good else took
            self.good += 1
        if not share and granted is None and not self.granted:
            return
        self.seqs.append(send.end_seq)
        self.adaptive.append(share * self.latency * _FORGOTTEN if self.good >= _FORGETS else 0.0)
        last = self.granted[-1] if self.granted else (0.0, 0.0)
        self.granted.append((granted.pause, send.end + granted.seconds) if granted is not None else last)

    def between(self, earlier: int, later: int, start: float) -> Pause:
        """The least that was asked for at any time from one send to the next, since it counts from the earlier one."""
        first, end = bisect_left(self.seqs, earlier) - 1, bisect_left(self.seqs, later)
        if first < 0:
            return Pause(0.0, "")
        adaptive = min(self.adaptive[first:end])
        granted = min(pause if start < until else 0.0 for pause, until in self.granted[first:end])
        return max(Pause(adaptive, "adaptive"), Pause(granted, "rate-limit"))


def _share(case: Case, rule: str, send: Send) -> int:
    terms = case.law.terms(send.host, send.seq)
    return terms.per_address if rule == "per-address" else terms.per_domain


def _holds(rate: RequestRate, now: float) -> bool:
    when: VisitTime | None = rate.when
    return when is None or hours.opens(now, [hours.of_robots(when)]) <= now


def _clock(time: float) -> str:
    second = int(time) % hours.DAY
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02} UTC"
