"""What a crawl would meet, found out by robots.txt and sitemaps alone: hosts, what is forbidden, what is promised.

The least time is arithmetic: a host with a pause of p seconds answers n requests in (n − 1) · p seconds at best, and
hosts go on side by side. What no sitemap promises is not counted, so a crawl that follows links takes longer.

Knows the scout, and neither spiders nor how a plan is shown.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import curio

from scrapekit import sitemap
from scrapekit.errors import ConfigError
from scrapekit.robots import Verdict
from scrapekit.scout import Answer, Scout, Site
from scrapekit.url import canonical, host_of, origin_of

#: Hosts that are asked for their robots.txt at once.
AT_ONCE: Final = 16


@dataclass(slots=True)
class HostPlan:
    """One host of the first requests.

    ``sites`` are its origins; ``allowed`` and ``disallowed`` the first requests by what robots.txt says of them (None:
    it cannot be read). ``promised`` counts the URLs of sitemaps that may be fetched here, ``forbidden`` those that may
    not. ``pause`` is in seconds, ``budget`` the most pages that the settings let a run fetch.
    """

    host: str
    sites: dict[str, Site] = field(default_factory=dict)
    allowed: list[str] = field(default_factory=list)
    disallowed: list[tuple[str, Verdict | None]] = field(default_factory=list)
    promised: int = 0
    forbidden: int = 0
    pause: float = 0.0
    budget: int | None = None

    @property
    def requests(self) -> int:
        """How many requests are known of and within the budget of pages, robots.txt among them."""
        pages = len(self.allowed) + self.promised
        return len(self.sites) + (pages if self.budget is None else min(pages, self.budget))

    @property
    def least(self) -> float:
        """Seconds that these must take at least."""
        return max(0, self.requests - 1) * self.pause


@dataclass(frozen=True, slots=True)
class File:
    """One sitemap that was asked for, and how many entries it has; ``problem`` says why it has none."""

    url: str
    kind: str = ""
    entries: int = 0
    cut: bool = False
    problem: str = ""


@dataclass(slots=True)
class Plan:
    """All of it. ``unread`` counts sitemaps that were named and not asked for; ``elsewhere`` URLs on other hosts."""

    hosts: dict[str, HostPlan] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    unread: int = 0
    elsewhere: Counter[str] = field(default_factory=Counter)

    @property
    def longest(self) -> HostPlan | None:
        """The host that decides how long the crawl takes."""
        return max(self.hosts.values(), key=lambda host: host.least, default=None)


class Planner:
    """Makes a plan by a scout. ``agent`` is the robots.txt token; at most ``max_files`` sitemaps are asked for."""

    def __init__(self, scout: Scout, agent: str, *, obeys: Callable[[str], bool], max_files: int) -> None:
        self._scout, self._agent, self._obeys, self._left = scout, agent, obeys, max_files
        self.plan = Plan()
        self._seen: set[int] = set()

    async def make(self, urls: Iterable[str]) -> Plan:
        """Plan for these first URLs, canonical ones. Raises ConfigError for one that this crawl may not visit."""
        hosts: dict[str, list[str]] = {}
        for url in urls:
            if not self._known(url):
                hosts.setdefault(host_of(url), []).append(url)
        for name in hosts:
            self._scout.check(name)  # all of them before the first is asked
            self.plan.hosts[name] = HostPlan(name)
        await self._take_hosts(deque(hosts.values()))
        await self._read_sitemaps()
        for host in self.plan.hosts.values():
            host.pause, host.budget = self._scout.pause(host.host), self._scout.limits(host.host).max_pages
        return self.plan

    async def _take_hosts(self, waiting: deque[list[str]]) -> None:
        """Some hosts side by side: one that does not answer holds up no other."""

        async def some() -> None:
            while waiting:
                for url in waiting.popleft():
                    await self._take_start(url)

        async with curio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(waiting))):
                await group.spawn(some)
        if group.exception is not None:
            raise group.exception

    async def _take_start(self, url: str) -> None:
        host = self.plan.hosts[host_of(url)]
        site = host.sites[origin_of(url)] = await self._scout.site(url)
        if self._may(site, url):
            host.allowed.append(url)
        else:
            host.disallowed.append((url, site.verdict(url, self._agent)))

    def _may(self, site: Site, url: str) -> bool:
        return not self._obeys(host_of(url)) or site.allows(url, self._agent)

    def _known(self, url: str) -> bool:
        # Eight bytes a URL; this set does not outlive the process, so that Python's own hash will do.
        before = len(self._seen)
        self._seen.add(hash(url))
        return len(self._seen) == before

    async def _read_sitemaps(self) -> None:
        named = dict.fromkeys(
            url
            for host in self.plan.hosts.values()
            for site in host.sites.values()
            for text in (site.rules.sitemaps if site.rules else ())
            if (url := _canonical(text)) is not None
        )
        queue = deque(named)
        while queue:
            url = queue.popleft()
            if self._left <= 0:
                self.plan.unread += 1
                continue
            self._left -= 1
            found = await self._read_sitemap(url)
            for entry in found.entries if found else ():
                if found and found.kind == "index":
                    if entry.url not in named:
                        named[entry.url] = None
                        queue.append(entry.url)
                else:
                    self._count(entry.url)

    async def _read_sitemap(self, url: str) -> sitemap.Sitemap | None:
        try:
            answer: Answer = await self._scout.file(url)
        except ConfigError as error:
            self.plan.files.append(File(url, problem=f"not asked for: {error}"))
            return None
        if answer.response is None:
            self.plan.files.append(File(url, problem=str(answer.error)))
            return None
        response = answer.response
        found = sitemap.parse(response.body, response.url, response.headers.get("content-type"))
        self.plan.files.append(File(url, found.kind, len(found.entries), found.cut))
        return found

    def _count(self, url: str) -> None:
        if self._known(url):
            return
        host = self.plan.hosts.get(host_of(url))
        site = host.sites.get(origin_of(url)) if host is not None else None
        if host is None or site is None:
            self.plan.elsewhere[host_of(url)] += 1
        elif self._may(site, url):
            host.promised += 1
        else:
            host.forbidden += 1


def _canonical(text: str) -> str | None:
    try:
        return canonical(text)
    except ValueError:
        return None
