"""How one host is to be approached: the least pause between two sends, how many at once, and until when it rests.

Fed with what comes back from the host, asked before each send. Pure: no clock, no await, random numbers handed in.

Invariants, whatever comes back:

- No pause is below what the settings and robots.txt ask for, and no more requests are out at once than configured.
- A rest is never shortened, and an error, however fast, never makes the pace quicker.
- Once enough good answers have come, pace and permits are exactly what they were before the trouble.
- Trouble is counted once: answers to what had been sent before a cut neither cut again nor heal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

from scrapekit import backoff, ratelimit
from scrapekit.headers import Headers
from scrapekit.retry import ASKS_FOR_PAUSE, retry_after
from scrapekit.robots import RequestRate

#: What opens a host that nothing else keeps shut.
FREE: Final = "free"
#: Each good answer moves the smoothed latency this far towards its own.
SMOOTHING: Final = 0.2


class Terms(Protocol):
    """What the settings say of a host, as far as it matters here; times in seconds."""

    @property
    def concurrency(self) -> int: ...
    @property
    def delay(self) -> float: ...
    @property
    def jitter(self) -> float: ...
    @property
    def adaptive(self) -> float: ...
    @property
    def max_crawl_delay(self) -> float: ...
    @property
    def max_retry_after(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Pause:
    """A least time between two starts, in seconds, and the rule that asks for it."""

    seconds: float
    rule: str


@dataclass(frozen=True, slots=True)
class Rest:
    """The whole host is to be left alone until then, by this rule.

    ``aside``: for so long that a crawl should not wait for it; what is queued there stays for another run.
    """

    until: float
    rule: str
    aside: bool = False


def pause(*, delay: float, crawl_delay: float | None = None, max_crawl_delay: float = float("inf")) -> Pause:
    """The largest of the pauses that are asked for, and whose it is.

    ``delay`` is the configured one; ``crawl_delay`` that of robots.txt, which counts up to ``max_crawl_delay``.
    """
    asked = min(crawl_delay or 0.0, max_crawl_delay)
    if asked > delay:
        return Pause(asked, "crawl-delay")
    return Pause(delay, "delay" if delay else FREE)


class Throttle:
    """One host's pace. ``random`` gives numbers in [0, 1).

    ``latency`` is the smoothed time, in seconds, from a send to its answer's end, and 0 before the first. ``share`` is
    the part of the configured rate that back-off leaves (``backoff.py``). ``resting`` is the last rest that was asked
    for, perhaps over by now.
    """

    __slots__ = (
        "_cut_at",
        "_from_robots",
        "_limited",
        "_limited_until",
        "_pause",
        "_permits",
        "_random",
        "_told",
        "latency",
        "resting",
        "share",
        "terms",
    )

    def __init__(self, terms: Terms, *, random: Callable[[], float]) -> None:
        self.terms, self._random = terms, random
        self.share, self._cut_at = backoff.FULL, -math.inf
        self.latency = 0.0
        self.resting = Rest(0.0, FREE)
        self._from_robots: list[Pause] = []
        self._told: Pause | None = None
        self._limited = self._limited_until = 0.0
        self._reckon()

    def __repr__(self) -> str:
        return f"<Throttle {self._pause.seconds:g} s by {self._pause.rule}, {self._permits} at once>"

    # -- what is asked before a send

    def pause(self) -> Pause:
        """The least time between the starts of two requests, and the rule that asks for it."""
        return self._pause

    def gap(self) -> float:
        """Seconds from the send that is going out now to the next: the pause and its jitter, never less than it."""
        return self._pause.seconds * (1.0 + self.terms.jitter * self._random())

    def concurrency(self) -> int:
        """How many requests may be out at once: those configured, or fewer for a while, and never less than one."""
        return self._permits

    # -- what is learned

    def apply(self, terms: Terms) -> None:
        """Go by other settings from now on."""
        self.terms = terms
        self._reckon()

    def learn(self, *, crawl_delay: float | None = None, request_rate: RequestRate | None = None) -> Pause | None:
        """Take what robots.txt asks for, up to ``max_crawl_delay``; answers with what went beyond that, once.

        A Request-rate counts as seconds for each request, at whatever hour: slower than asked harms nobody.
        """
        asked = [Pause(crawl_delay, "crawl-delay")] if crawl_delay else []
        if request_rate is not None:
            asked.append(Pause(request_rate.seconds / request_rate.requests, "request-rate"))
        self._from_robots = asked
        self._reckon()
        beyond = [pause for pause in asked if pause.seconds > self.terms.max_crawl_delay]
        news = max(beyond, key=lambda pause: pause.seconds, default=None)
        if news == self._told:
            return None
        self._told = news
        return news

    def answered(self, now: float, *, sent: float, status: int, headers: Headers) -> Rest | None:
        """Take an answer of any status to what was ``sent`` then; gives a rest if it makes one necessary."""
        if status >= 400:
            self._note_latency(now - sent, good=False)
            asked = retry_after(headers.get("retry-after"), now)
            if asked or status in ASKS_FOR_PAUSE:
                return self._asked_for_pause(now, sent, status, asked)
        else:
            self._note_latency(now - sent, good=True)
            if self.share < backoff.FULL and sent > self._cut_at:
                self.share = backoff.grown(self.share)
                self._reckon()
        return self._limit(now, headers)

    def asked_for_calm(self, now: float, *, sent: float) -> Rest | None:
        """Take that the host has had enough, said without a status: as a 429 that does not say for how long."""
        self._note_latency(now - sent, good=False)
        return self._asked_for_pause(now, sent, "a call for calm", None)

    def failed(self, now: float, *, sent: float | None) -> None:
        """Take that no answer came to what was sent, if anything was: long waiting slows down, a quick end does not."""
        if sent is not None:
            self._note_latency(now - sent, good=False)

    # -- what outlives a lease

    def to_state(self) -> dict[str, Any]:
        """What the next lease of the host must know, for JSON; empty for a host that was never in trouble."""
        state: dict[str, Any] = {}
        if self.share < backoff.FULL:
            state.update(share=self.share, cut_at=self._cut_at)
        if self.resting.until:
            state["resting"] = [self.resting.until, self.resting.rule, self.resting.aside]
        if self._limited_until:
            state["limited"] = [self._limited, self._limited_until]
        if self._told is not None:
            state["told"] = [self._told.seconds, self._told.rule]
        if self.terms.adaptive and self.latency:
            state["latency"] = self.latency
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any], terms: Terms, *, random: Callable[[], float]) -> Self:
        """As it was left, by the settings of today."""
        throttle = cls(terms, random=random)
        throttle.share, throttle._cut_at = state.get("share", backoff.FULL), state.get("cut_at", -math.inf)
        throttle.latency = state.get("latency", 0.0)
        throttle._limited, throttle._limited_until = state.get("limited", (0.0, 0.0))
        if "resting" in state:
            throttle.resting = Rest(*state["resting"])
        if "told" in state:
            throttle._told = Pause(*state["told"])
        throttle._reckon()
        return throttle

    # -- inside

    def _asked_for_pause(self, now: float, sent: float, what: object, asked: float | None) -> Rest | None:
        """The host has had enough: rest, and go on at half the pace."""
        news = sent > self._cut_at  # else the trouble is known
        if news:
            self.share, self._cut_at = backoff.cut(self.share), now
            self._reckon()
        if asked:
            return self._rest(Rest(now + asked, "Retry-After", asked > self.terms.max_retry_after))
        if news:
            return self._rest(Rest(now + backoff.rest(self.share, self._random()), f"back-off after {what}"))
        return None

    def _limit(self, now: float, headers: Headers) -> Rest | None:
        """Go by what the RateLimit fields grant; what they said before holds until its time is over."""
        if ratelimit.FIELDS.isdisjoint(headers):
            if 0.0 < self._limited_until <= now:
                self._set_limit(0.0, 0.0)
            return None
        granted = ratelimit.quota(headers, now)
        if granted is None:
            return None
        self._set_limit(granted.pause, now + granted.seconds)
        if granted.remaining:
            return None
        # A hint, and not an order: it sets no host aside.
        return self._rest(Rest(now + min(granted.seconds, self.terms.max_retry_after), "rate-limit"))

    def _set_limit(self, seconds: float, until: float) -> None:
        self._limited, self._limited_until = seconds, until
        self._reckon()

    def _rest(self, rest: Rest) -> Rest | None:
        if rest.until <= self.resting.until:
            return None
        self.resting = rest
        return rest

    def _note_latency(self, seconds: float, *, good: bool) -> None:
        before = self.latency
        if good and not before:
            self.latency = seconds
        elif good or seconds > before:
            self.latency = before + SMOOTHING * (seconds - before)
        if self.terms.adaptive:
            self._reckon()

    def _reckon(self) -> None:
        """The pause and the permits from all that is known; done when something changes, not at each send."""
        terms = self.terms
        longest = Pause(terms.delay, "delay" if terms.delay else FREE)
        for asked in self._from_robots:
            longest = _longer(longest, min(asked.seconds, terms.max_crawl_delay), asked.rule)
        longest = _longer(longest, terms.adaptive * self.latency, "adaptive")
        longest = _longer(longest, backoff.pause(longest.seconds, self.share), "back-off")
        self._pause = _longer(longest, self._limited, "rate-limit")
        self._permits = backoff.permits(terms.concurrency, self.share)


def _longer(pause: Pause, seconds: float, rule: str) -> Pause:
    return Pause(seconds, rule) if seconds > pause.seconds else pause
