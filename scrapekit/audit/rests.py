"""The rules of rest: how long a host is left alone that asked for it, or that does not answer.

Each rule is a function that gives the violations. A turn that was taken before the answer came is no breach: nothing
that is on its way can be called back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from scrapekit.audit.case import Case, seconds
from scrapekit.audit.law import ROUNDING, Law
from scrapekit.audit.report import Violation
from scrapekit.headers import Headers
from scrapekit.ledger import Send
from scrapekit.ratelimit import Quota, quota
from scrapekit.retry import retry_after

#: A host that asks for a pause and does not say how long (429, 503) is left alone for so long, twice as long if it asks
#: again before it has given an answer, and so on up to the longest. Seconds.
BACK_OFF: Final = 60.0
LONGEST_BACK_OFF: Final = 3600.0
_ENOUGH: Final = frozenset({429, 503})
_NOBODY: Final = frozenset({"connection", "timeout", "no address", "tls"})
_ANSWERED: Final = frozenset({"body", "decode"})


class Rest(NamedTuple):
    """The host asked to be left alone from ``since`` to ``until``."""

    since: float
    until: float
    rule: str


def rests(case: Case) -> Iterator[tuple[Rest, Violation | None]]:
    """Each pause that the host asked for, with the first send that broke it, if one did."""
    found: list[_Asked] = []
    live: list[_Asked] = []
    troubles, known = 0, 0.0
    for over, send in case.events():
        if not over:
            live = _held_against(case, live, send)
            continue
        news = send.status in _ENOUGH and (send.start or 0.0) > known
        if send.status and send.status < 400 and not send.error:
            troubles = 0
        elif news:
            troubles += 1
        rest = _rest(case, send, troubles if news else 0)
        if news or (rest is not None and rest.rule == "retry-after"):
            known = send.end or known
        if rest is not None:
            found.append(_Asked(rest))
            live.append(found[-1])
    return ((each.rest, each.broken) for each in found)


def hops(sends: Sequence[Send], law: Law) -> Iterator[Violation]:
    """A redirect that says when (Retry-After) is followed no sooner, to whichever host (RFC 9110 §10.2.3)."""
    told: dict[int, Rest] = {}
    for send in sends:
        rest = told.pop(send.row, None)
        if rest is not None and send.hop and send.start is not None and send.start < rest.until - ROUNDING:
            was, allowed = f"{seconds(send.start - rest.since)} after the answer", seconds(rest.until - rest.since)
            yield Violation(rest.rule, send.host, send.start, send.url, was, allowed)
        if send.end is not None and 300 <= send.status < 400:
            asked = retry_after(send.asked.get("retry-after"), send.end)
            if asked:
                cap = law.terms(send.host, send.end_seq).max_retry_after
                told[send.row] = Rest(send.end, send.end + min(asked, cap), "retry-after")


def circuit(case: Case) -> Iterator[Violation]:
    """A host of which so many requests in a row got no answer is let alone, twice as long after each failed trial."""
    failures = trials = opened = 0
    until = 0.0
    for over, send in case.events():
        if not over:
            if send.at < until - ROUNDING:
                was = f"tried {seconds(until - send.at)} too early"
                yield case.broken("circuit", send, was, f"rest after {failures} failures in a row")
        elif not _got_no_answer(send):
            failures = trials = opened = 0
            until = 0.0
        elif not opened or send.seq > opened:
            limit = case.law.terms(send.host, send.end_seq).circuit_failures
            failures += 1
            trials += bool(opened)
            if limit and (opened or failures >= limit):
                opened = send.end_seq
                until = (send.end or 0.0) + min(BACK_OFF * 2.0 ** min(trials, 16), LONGEST_BACK_OFF)


def granted_by(send: Send) -> Quota | None:
    """What an answer's RateLimit fields grant; beside a plain request for a pause they do not count."""
    if not send.asked or send.end is None or send.status in _ENOUGH:
        return None
    if send.status >= 400 and retry_after(send.asked.get("retry-after"), send.end):
        return None
    return quota(Headers(send.asked), send.end)


# -- inside


@dataclass(slots=True)
class _Asked:
    rest: Rest
    broken: Violation | None = None


def _held_against(case: Case, live: list[_Asked], send: Send) -> list[_Asked]:
    """The pauses that are not over yet when this send goes, and are not broken by it."""
    left = []
    for asked in live:
        rest = asked.rest
        if send.start is not None and send.start < rest.until - ROUNDING:
            allowed = f"none for {seconds(rest.until - rest.since)}"
            asked.broken = case.broken(rest.rule, send, f"{seconds(send.start - rest.since)} after the answer", allowed)
        elif send.at < rest.until:
            left.append(asked)
    return left


def _rest(case: Case, send: Send, troubles: int) -> Rest | None:
    """How long the host is to be left alone after an answer; ``troubles`` counts those in a row that are news."""
    end = send.end
    assert end is not None
    cap = case.law.terms(send.host, send.end_seq).max_retry_after
    asked = retry_after(send.asked.get("retry-after"), end) if send.status >= 400 else None
    if asked:
        return Rest(end, end + min(asked, cap), "retry-after")
    if troubles:
        return Rest(end, end + min(BACK_OFF * 2.0 ** min(troubles - 1, 16), LONGEST_BACK_OFF), "back-off")
    granted = granted_by(send)
    if granted is not None and not granted.remaining:
        return Rest(end, end + min(granted.seconds, cap), "rate-limit")
    return None


def _got_no_answer(send: Send) -> bool:
    """Whether nobody was there. An error is on record as its reason and the phase in which it happened."""
    label, _, phase = send.error.partition(" in ")
    return not send.status and label in _NOBODY and phase not in _ANSWERED
