"""The rules of permission: what robots.txt says, whether it was asked, who we are, and what a host's budget allows.

Each rule is a function of a case that gives the violations. Verdicts are reached again from the kept bodies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from scrapekit.audit.case import Case, seconds
from scrapekit.audit.law import MAX_AGE, ROUNDING, Terms, closes
from scrapekit.audit.report import Violation
from scrapekit.audit.sends import is_page
from scrapekit.ledger import IGNORED, RobotsCopy, RunStart, Send

#: So many redirects of a robots.txt are followed (RFC 9309 §2.3.1.2).
_HOPS = 5


def robots(case: Case) -> Iterator[Violation]:
    """Each page was allowed by the robots.txt of its origin, which was read before and is no older than 24 hours."""
    for each in case.sent:
        send = each.send
        if not is_page(send):
            if send.hop > _HOPS:
                yield case.broken("robots-hops", send, f"hop {send.hop} of a robots.txt", f"{_HOPS}")
        elif case.law.terms(send.host, send.seq).robots == "ignore":
            yield from _ignored(case, send)
        else:
            yield from _obeyed(case, send)


def fetched(case: Case, runs: Sequence[RunStart]) -> Iterator[Violation]:
    """A copy of robots.txt that is said to have been read in this process was asked for since the one before it."""
    asked: dict[str, list[int]] = {}
    for send in case.sends:
        if send.url == f"{send.origin}/robots.txt":
            asked.setdefault(send.origin, []).append(send.seq)
    for origin in sorted({send.origin for send in case.sends}):
        before = 0
        for copy in case.law.copies(origin):
            began = max(run.at for run in runs if run.seq < copy.seq)
            known = closes(copy) or copy.fetched < began
            if not known and not any(before < seq < copy.seq for seq in asked.get(origin, ())):
                url = f"{origin}/robots.txt"
                yield Violation("robots-unread", case.host, copy.at, url, "not asked for", "read before it counts")
            before = copy.seq


def contact(case: Case) -> Iterator[Violation]:
    """Whoever visits another machine says who answers for it."""
    for each in case.sent[:1]:
        settings = case.law.settings(each.send.seq)
        if settings.identity.contact is None and not settings.on_loopback(case.host):
            yield case.broken(
                "contact", each.send, "nobody is named", "an address at which the crawl's owner is reached"
            )


def budget(case: Case) -> Iterator[Violation]:
    """Nothing is sent once a host's pages, bytes, errors or time are used up; robots.txt does not count."""
    spent = _Spent()
    for over, send in case.events():
        if over:
            spent.take(send)
        elif send.start is not None and is_page(send):
            for what, used, limit in spent.against(case.law.terms(send.host, send.seq), send.at):
                yield case.broken("budget", send, f"{what}: {used} spent", str(limit))
            spent.first = send.start if spent.first is None else spent.first


# -- inside


@dataclass(slots=True)
class _Spent:
    """What a host has been asked for; ``first`` is when its first page was."""

    pages: int = 0
    size: int = 0
    errors: int = 0
    first: float | None = None

    def take(self, send: Send) -> None:
        """One exchange is over."""
        self.size += send.size
        if is_page(send):
            self.pages += 200 <= send.status < 300 and not send.error
            self.errors += bool(send.error)

    def against(self, terms: Terms, now: float) -> Iterator[tuple[str, str, str]]:
        """What of it is used up, how much that is, and how much it was to be."""
        numbers = ("pages", self.pages, terms.max_pages), ("bytes", self.size, terms.max_bytes)
        for what, used, limit in (*numbers, ("errors", self.errors, terms.max_errors)):
            if limit is not None and used >= limit:
                yield what, str(used), str(limit)
        took = 0.0 if self.first is None else now - self.first
        if terms.max_time is not None and took - ROUNDING >= terms.max_time:
            yield "time", seconds(took), seconds(terms.max_time)


def _obeyed(case: Case, send: Send) -> Iterator[Violation]:
    law = case.law
    copy = law.in_force(send.origin, send.seq, send.at)
    if copy is None:
        rule = law.why_not(send.origin, send.seq)
        yield case.broken(rule, send, _STATES[rule], f"a robots.txt that was read within {MAX_AGE / 3600:.0f} hours")
        return
    verdict = law.rules(copy).verdict(law.settings(send.seq).identity.name, send.url)
    if not verdict.allowed:
        yield case.broken("robots-disallowed", send, "sent", f"not at all: line {verdict.line}, {verdict.rule}")
    yield from _claims(case, send, copy, verdict.line)


_STATES = {
    "robots-missing": "no robots.txt was asked for",
    "robots-closed": "robots.txt could not be read",
    "robots-stale": "robots.txt was older",
}


def _claims(case: Case, send: Send, copy: RobotsCopy, line: int | None) -> Iterator[Violation]:
    """What the crawl itself put on record agrees with what the file says."""
    if send.digest and send.digest != copy.digest:
        was = "robots.txt ignored" if send.digest == IGNORED else f"judged by {send.digest[:12]}"
        yield case.broken("account", send, was, f"judged by {copy.digest[:12] or f'status {copy.status}'}")
    elif send.line is not None and send.line != line:
        yield case.broken("account", send, f"allowed by line {send.line}", f"line {line}")


def _ignored(case: Case, send: Send) -> Iterator[Violation]:
    """robots.txt is ignored only for a reason, and not beyond its date; on this machine as one likes."""
    terms = case.law.terms(send.host, send.seq)
    if case.law.settings(send.seq).on_loopback(send.host):
        return
    if not terms.robots_reason:
        yield case.broken("robots-ignored", send, "robots.txt ignored without a reason", "a robots_reason")
    elif terms.robots_until is not None and not _within(send.at, terms.robots_until):
        yield case.broken("robots-ignored", send, "robots.txt ignored", f"until {terms.robots_until}")


def _within(now: float, until: Any) -> bool:
    """Whether the day, in UTC, is not beyond a date, given as one or as text."""
    last = until if isinstance(until, date) else date.fromisoformat(str(until)[:10])
    return datetime.fromtimestamp(now, UTC).date() <= last
