"""What ``robots``, ``plan`` and ``explain`` say alike: a verdict, a pause and whose it is, what an answer means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scrapekit.config import FILE_NAME, Given, Settings
from scrapekit.robots import Robots, Verdict
from scrapekit.scout import Answer, meaning
from scrapekit.throttle import Pause
from scrapekit.units import size_text

#: A row of what is printed: its name and its text.
Row = tuple[str, str]


def given(settings: Settings, host: str, key: str, spider: str = "") -> Given:
    """One limit of a host, with the rule that gave it."""
    return next(each for each in settings.explain(host, spider) if each.key == key)


def rule_text(rule: Given) -> str:
    """Where a limit comes from, such as ``[limits], scrapekit.toml:6``."""
    return f"{rule.rule}, {FILE_NAME}:{rule.line}" if rule.line else rule.rule


def limit_text(key: str, value: Any) -> str:
    """A limit's value in its unit."""
    if key == "max_bytes":
        return size_text(value)
    return duration(value) if key == "max_time" else str(value)


def seconds(value: float) -> str:
    """Seconds as they are read most easily, such as ``1 s``, ``0.25 s``."""
    return f"{value:.3f}".rstrip("0").rstrip(".") + " s"


def duration(value: float) -> str:
    """A length of time in its two largest units, such as ``2 h 46 min``."""
    rest = round(value)
    parts = []
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def pause_text(settings: Settings, host: str, asked: Pause | None, spider: str = "") -> str:
    """The least time between two requests to a host, and why it is that."""
    limits = settings.limits_for(host, spider)
    if limits.robots == "ignore":
        asked = None
    ours = f"delay = {seconds(limits.delay)} by {rule_text(given(settings, host, 'delay', spider))}"
    if asked is None:
        return f"{seconds(limits.delay)}: {ours}"
    theirs = f"robots.txt asks for {seconds(asked.seconds)} ({asked.rule})"
    if asked.seconds > limits.max_crawl_delay:
        cap = given(settings, host, "max_crawl_delay", spider)
        theirs += f", of which max_crawl_delay lets {seconds(limits.max_crawl_delay)} count, by {rule_text(cap)}"
    counts = max(limits.delay, min(asked.seconds, limits.max_crawl_delay))
    return f"{seconds(counts)}: {theirs}; {ours}"


def verdict_rows(verdict: Verdict | None, agent: str) -> Iterator[Row]:
    """Whether a URL may be fetched, the group that was asked, and the line that decides."""
    if verdict is None:
        yield "verdict", "disallowed"
        yield "line", "none, for there is nothing to read"
        return
    yield "verdict", "allowed" if verdict.allowed else "disallowed"
    if not verdict.group:
        yield "group", f"none: the file names neither {agent} nor *"
    else:
        yield "group", verdict.group if verdict.group != "*" else f"*, for no group names {agent}"
    if verdict.line is None:
        yield "line", "none matches, and what no line forbids is allowed"
    else:
        yield "line", f"{verdict.line}: {verdict.rule}"


def answer_text(answer: Answer) -> str:
    """How a robots.txt was answered, and what that means for a crawl."""
    said = f"HTTP {answer.status}" if answer.status else str(answer.error)
    if answer.response is not None and answer.status < 300:
        said += f", {len(answer.response.body):,} bytes"
    return f"{answer.url}: {said}; {meaning(answer)}"


def hints_rows(rules: Robots, agent: str, url: str) -> Iterator[Row]:
    """What a robots.txt asks besides, and what it says of the use of a site's content."""
    if (rate := rules.request_rate(agent)) is not None:
        at = f" from {_clock(rate.when.start)} to {_clock(rate.when.end)} UTC" if rate.when else ""
        yield "rate", f"{rate.requests} in {seconds(rate.seconds)}{at} (Request-rate)"
    if (visit := rules.visit_time(agent)) is not None:
        yield "visits", f"{_clock(visit.start)} to {_clock(visit.end)} UTC (Visit-time)"
    if uses := rules.uses(agent, url):
        yield "uses", ", ".join(f"{name} {'yes' if uses[name] else 'no'}" for name in sorted(uses))


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
