"""The way to each URL, by its host's limits: through which proxy, whom to believe in TLS, HTTP/2, private addresses.

Ways are values that connections are shared by, so they are made once and kept: asking costs one look-up. What may
change a way, a proxy that failed or other settings, forgets those that are kept.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from scrapekit.config import Settings
from scrapekit.errors import ConfigError, ProxyFailed
from scrapekit.http import Trust, Way
from scrapekit.http.extras import need_http2
from scrapekit.http.trust import context_of
from scrapekit.proxychoice import ProxyChoice
from scrapekit.tables import Limits, pattern
from scrapekit.tomlfile import dotted
from scrapekit.url import host_of

log = logging.getLogger("scrapekit.ways")

#: The ways of so many origins are kept.
MAX_KNOWN: Final = 10_000


class Ways:
    """The ways of one crawl by ``spider``.

    ``environment`` has the proxies' usual variables, and the credentials that the settings name. ``may_be_private``
    tells whether the connection for a URL may be to a private address; ``now`` gives seconds.

    Raises ConfigError for credentials that are not in the environment, a variable that names no proxy, files of TLS
    that cannot be used, and HTTP/2 without its library: asking fails no more then.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        environment: Mapping[str, str],
        spider: str = "",
        may_be_private: Callable[[str], bool] = lambda url: True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spider, self._may_be_private = spider, may_be_private
        self._choice = ProxyChoice(environment, now=now)
        #: By origin, with the very limits that each was made for.
        self._known: dict[str, tuple[Limits, Way]] = {}
        self._unverified: set[str] = set()  # hosts of which that was told
        self.apply(settings)

    def __repr__(self) -> str:
        return f"<Ways to {len(self._known)} origins, {self._choice!r}>"

    def apply(self, settings: Settings) -> None:
        """Go by other settings from now on. Raises ConfigError, and goes by those that it had, where they cannot be."""
        checked: set[Trust] = set()
        for host, limits in _every(settings, self._spider):
            trust = self._trust(limits, settings.root)
            try:
                self._choice.check(limits.proxy)
                if trust not in checked:
                    self._check_files(trust)
                    checked.add(trust)
                if limits.http2:
                    need_http2()
            except ConfigError as error:
                if error.file is not None:  # the environment's fault
                    raise
                key = error.key or ""
                raise settings.placed(error, (*settings.giving(key, host, self._spider), key)) from None
        for path, limits in settings.rules(self._spider):
            if not limits.verify:
                log.warning("certificates are not checked where [%s] holds: anybody may answer there", dotted(path))
        self._root = settings.root
        self._known.clear()

    def of(self, url: str, limits: Limits) -> Way:
        """The way to a canonical URL whose host has these limits."""
        origin = url[: url.index("/", 8)]
        known = self._known.get(origin)
        return known[1] if known is not None and known[0] is limits else self._make(origin, url, limits)

    def failed(self, url: str, limits: Limits, way: Way, error: ProxyFailed) -> bool:
        """The way's proxy failed a URL; whether another takes over at once."""
        if way.proxy is None:
            return False
        self._known.clear()
        fit = self._choice.failed(url, limits.proxy, way.proxy, down=not error.refused)
        return fit and not error.refused  # else a site that is down would be asked for through one after the other

    def names_here(self, url: str, limits: Limits) -> bool:
        """Whether we look the URL's name up; else its proxy does."""
        proxy = self.of(url, limits).proxy
        return proxy is None or not proxy.resolves

    def _make(self, origin: str, url: str, limits: Limits) -> Way:
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        proxy = self._choice.of(url, limits.proxy)
        way = Way(proxy, self._trust(limits, self._root), limits.http2, self._may_be_private(url))
        self._known[origin] = limits, way
        if not way.trust.verify and url.startswith("https:"):
            self._tell_unverified(host_of(url))
        return way

    def _tell_unverified(self, host: str) -> None:
        if host not in self._unverified:
            if len(self._unverified) >= MAX_KNOWN:
                self._unverified.clear()
            self._unverified.add(host)
            log.warning("%s: its certificate is not checked", host)

    @staticmethod
    def _check_files(trust: Trust) -> None:
        if trust.ca_file or trust.certificate or trust.key:
            context_of(trust, http2=False)

    def _trust(self, limits: Limits, root: Path) -> Trust:
        files = [str(root / file) if file else "" for file in (limits.ca_file, limits.certificate, limits.key)]
        return Trust(limits.verify, *files)


def _every(settings: Settings, spider: str) -> Iterator[tuple[str, Limits]]:
    """Each host that has a rule, and one of all others, with its limits; for a pattern some host that it means."""
    patterns = [*settings.hosts]
    if spider in settings.spiders:
        patterns += settings.spiders[spider].hosts
    for each in ["*", *patterns]:
        host = pattern(each).replace("*", "any")
        yield host, settings.limits_for(host, spider)


def surroundings(*, real: bool) -> Mapping[str, str]:
    """The environment; for a network in memory without the proxies of the real one."""
    if real:
        return os.environ
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
