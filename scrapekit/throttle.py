"""How long a host rests between two sends. Pure: no clock, no await."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: What opens a host that nothing else keeps shut.
FREE: Final = "free"


@dataclass(frozen=True, slots=True)
class Pause:
    """A least time between two starts, in seconds, and the rule that asks for it."""

    seconds: float
    rule: str


def pause(*, delay: float, crawl_delay: float | None = None, max_crawl_delay: float = float("inf")) -> Pause:
    """The largest of the pauses that are asked for, and whose it is.

    ``delay`` is the configured one; ``crawl_delay`` that of robots.txt, which counts up to ``max_crawl_delay``.
    """
    asked = min(crawl_delay or 0.0, max_crawl_delay)
    if asked > delay:
        return Pause(asked, "crawl-delay")
    return Pause(delay, "delay" if delay else FREE)
