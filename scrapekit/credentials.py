"""Who gets credentials: the one origin that they are for, and nobody else.

Decided anew for each send, from the URL that is sent to: whatever led there brings nothing along. A rule without a port
is for the default ports; another port is another origin, for which a rule with that port is to be written. http that is
not to this machine gets them only where ``insecure = true`` stands, since everybody on the way reads along.

Every secret is read when this is made, so that what is missing is told before anything is fetched.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from scrapekit import tables
from scrapekit.auth import Auth
from scrapekit.config import Settings
from scrapekit.errors import ConfigError
from scrapekit.url import host_of, origin_of, split_host

log = logging.getLogger("scrapekit.auth")

#: Of so many origins is remembered what they get.
ORIGINS: Final = 10_000


class Credentials:
    """The Authorization of each request. Raises ConfigError for a secret that cannot be read, with its rule."""

    def __init__(self, settings: Settings, spider: str = "", *, environment: Mapping[str, str]) -> None:
        self._settings, self._spider = settings, spider
        self._fields: dict[Auth, str] = {}
        self._known: dict[str, str] = {}
        for path, limits in settings.rules(spider):
            if limits.auth is not None:
                try:
                    self._fields[limits.auth] = limits.auth.field(environment, settings.root)
                except ConfigError as error:
                    raise settings.placed(error, (*path, "auth")) from None

    def __repr__(self) -> str:
        return f"<Credentials of {len(self._fields)} rules>"

    def field(self, url: str) -> str:
        """What Authorization says in a request for a canonical URL; empty for none."""
        if not self._fields:
            return ""
        origin = origin_of(url)
        known = self._known.get(origin)
        if known is None:
            if len(self._known) >= ORIGINS:
                self._known.clear()
            known = self._known[origin] = self._judged(url, origin)
        return known

    def _judged(self, url: str, origin: str) -> str:
        host = host_of(url)
        auth = self._settings.limits_for(host, self._spider).auth
        if auth is None or auth.scheme == "none":
            return ""
        if (why := self._objection(auth, url, host)) is not None:
            log.warning("%s gets no credentials: %s", origin, why)
            return ""
        return self._fields[auth]

    def _objection(self, auth: Auth, url: str, host: str) -> str | None:
        port = split_host(host)[1]
        rule = self._settings.giving("auth", host, self._spider)[-1]
        if port is not None and split_host(tables.pattern(rule))[1] != port:
            return f'[hosts."{rule}"] is for its default port; for this one there is [hosts."{host}"]'
        if url.startswith("http:") and not auth.insecure and not self._settings.on_loopback(host):
            return "http can be read by everybody on the way; where that is no matter, insecure = true"
        return None
