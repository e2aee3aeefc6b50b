"""How a crawl gets at sites: by whose limits, on which way, as whom, and over which network.

What the parts of a crawl ask of a host or a URL before anything is sent, put together in one place from the settings,
which may change while it runs.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from scrapekit.config import Settings
from scrapekit.credentials import Credentials
from scrapekit.errors import FetchError
from scrapekit.fetcher import Sender
from scrapekit.http import Client, Names, Resolver, Way
from scrapekit.http.body import Spool
from scrapekit.http.pool import MAX_IDLE
from scrapekit.reach import Reach
from scrapekit.tables import Limits
from scrapekit.url import host_of, split
from scrapekit.ways import Ways, surroundings

log = logging.getLogger("scrapekit.crawl")

#: The limits of so many hosts are remembered.
KNOWN_HOSTS: Final = 10_000


class Wire(Sender, Protocol):
    """What sends a crawl's requests."""

    def has_idle(self, url: str, way: Way) -> bool: ...
    async def close(self) -> None: ...


class Network(Protocol):
    """What a crawl is connected to: the real network, or one in memory."""

    @property
    def resolver(self) -> Names: ...
    def client(self) -> Wire: ...


class Access:
    """The sites, as one crawl by ``spider`` gets at them.

    ``network`` replaces the real one; ``folder`` is for the bodies that are kept in files. Raises ConfigError for
    settings that cannot be gone by: files of TLS, credentials or a proxy's that are not there.
    """

    def __init__(
        self,
        settings: Settings,
        spider: str,
        *,
        clock: Callable[[], float],
        network: Network | None,
        folder: Path | None,
    ) -> None:
        self.settings, self._spider = settings, spider
        self._limits: dict[str, Limits] = {}
        self._environment = surroundings(real=network is None)
        self.reach = Reach(limits_for=self.limits_for, static=settings.static)
        self.ways = Ways(
            settings,
            environment=self._environment,
            spider=spider,
            may_be_private=self.reach.may_be_private,
            now=clock,
        )
        self._credentials = Credentials(settings, spider, environment=self._environment)
        self.spool = Spool(folder, memory=settings.crawl.body_memory)
        self._resolver: Names = network.resolver if network else Resolver(settings.resolve)
        self.client: Wire = (
            network.client() if network else Client(self._resolver, max_idle=_idle(settings), spool=self.spool)
        )

    def __repr__(self) -> str:
        return f"<Access of {self._spider} by {self.client!r}>"

    def apply(self, settings: Settings) -> None:
        """Go by other settings from now on. Raises ConfigError, and goes by those that it had, where they cannot be."""
        credentials = Credentials(settings, self._spider, environment=self._environment)
        self.ways.apply(settings)
        self.settings, self._credentials = settings, credentials
        self._limits.clear()

    async def close(self) -> None:
        """Let go of the network."""
        await self.client.close()
        if isinstance(self._resolver, Resolver):
            await self._resolver.close()

    def limits_for(self, host: str) -> Limits:
        """A host's limits; asked for with each link, so those of the last hosts are at hand."""
        limits = self._limits.get(host)
        if limits is None:
            if len(self._limits) >= KNOWN_HOSTS:
                self._limits.clear()
            limits = self._limits[host] = self.settings.limits_for(host, self._spider)
        return limits

    def check_host(self, host: str) -> None:
        """Raise ConfigError for a host that may not be crawled as things are set up."""
        self.settings.check_host(host, self._spider)

    def authorization(self, url: str) -> str:
        """What Authorization says in a request for a URL; empty for none."""
        return self._credentials.field(url)

    def has_idle(self, url: str) -> bool:
        """Whether a request for a URL would go on an open connection."""
        return self.client.has_idle(url, self.ways.of(url, self.limits_for(host_of(url))))

    def address_of(self, url: str) -> str | None:
        """The address that a URL's name is known to have.

        Empty if it has none, or a proxy looks it up; None if it is not known.
        """
        if not self.ways.names_here(url, self.limits_for(host_of(url))):
            return ""
        parts = split(url)
        answer = self._resolver.cached(parts.hostname, parts.port)
        if isinstance(answer, tuple):
            return answer[0].ip
        return None if answer is None else ""

    async def resolve(self, url: str) -> None:
        """Look a URL's name up; what goes wrong is found again by whoever connects."""
        parts = split(url)
        try:
            await self._resolver.resolve(parts.hostname, parts.port)
        except FetchError as error:
            log.info("%s", error)


def _idle(settings: Settings) -> int:
    """How many idle connections are kept: one for each host on the workbench, as far as files may be open."""
    wanted = settings.crawl.workbench
    if sys.platform == "win32":
        return min(wanted, MAX_IDLE)
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if files == resource.RLIM_INFINITY else min(wanted, files // 2)
