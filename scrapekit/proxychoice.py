"""Which proxy a URL goes through, as things stand: by the settings, else by the environment's usual variables.

A host sticks to one proxy of a list, so that a site sees one visitor; it moves to the next when that one failed, and a
proxy that failed rests a while. Which one a host begins with follows from its name: it is the same in the next run.

Pure: environment and clock are handed in.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable, Mapping
from typing import Final
from zlib import crc32

from scrapekit.errors import BadURL, ConfigError
from scrapekit.proxies import Proxy, ProxyList, parse
from scrapekit.url import canonical_host, host_of, split

#: A proxy that failed is not used for so long, if there is another. Seconds.
REST: Final = 60.0
#: So many hosts are remembered that have moved on from the proxy they began with.
MAX_MOVED: Final = 10_000

_SEPARATORS: Final = re.compile(r"[\s,]+")
_ENTRY: Final = re.compile(r"(\[[^]]*\](?:/[0-9]+)?|[^:]*)(?::([0-9]{1,5}))?|[^\[]+")


class ProxyChoice:
    """Which proxy each host goes through. ``now`` gives seconds."""

    def __init__(self, environment: Mapping[str, str], *, now: Callable[[], float] = time.monotonic) -> None:
        self._environment, self._now = environment, now
        self._variables = Variables(environment)
        self._known: dict[ProxyList, tuple[Proxy, ...]] = {}
        #: Where in a list a host stands that has moved on.
        self._moved: dict[tuple[str, ProxyList], int] = {}
        self._rests: dict[Proxy, float] = {}

    def __repr__(self) -> str:
        resting = ", ".join(str(proxy) for proxy in self._rests if self._rested(proxy))
        return f"<ProxyChoice {len(self._moved)} hosts moved on{f', {resting} rests' if resting else ''}>"

    def check(self, listed: ProxyList | None) -> None:
        """Raise ConfigError for credentials that are not in the environment, or a variable that names no proxy."""
        if listed is not None:
            self._proxies(listed)
        else:
            self._variables.check()

    def of(self, url: str, listed: ProxyList | None) -> Proxy | None:
        """The proxy for a canonical URL whose host has these in its settings, None for what the environment says.

        Raises ConfigError as ``check`` does.
        """
        if listed is None:
            return self._variables.proxy_of(url)
        proxies = self._proxies(listed)
        if len(proxies) < 2:
            return proxies[0] if proxies else None
        return proxies[self._place(host_of(url), listed)]

    def failed(self, url: str, listed: ProxyList | None, proxy: Proxy, *, down: bool) -> bool:
        """A proxy failed a URL, for any site if it is ``down``; whether another takes over that does not rest."""
        if listed is None or len(proxies := self._proxies(listed)) < 2 or proxy not in proxies:
            return False
        if down:
            self._rests[proxy] = self._now() + REST
        host = host_of(url)
        at = self._place(host, listed)
        if proxies[at] == proxy:  # else another request of this host has moved it on
            self._move(host, listed, (at + 1) % len(proxies))
            at = self._place(host, listed)
        return not self._rested(proxies[at])

    def _proxies(self, listed: ProxyList) -> tuple[Proxy, ...]:
        proxies = self._known.get(listed)
        if proxies is None:
            proxies = self._known[listed] = listed.proxies(self._environment)
        return proxies

    def _place(self, host: str, listed: ProxyList) -> int:
        """Where in the list a host stands: where it stood, or at the next one that does not rest."""
        proxies = self._known[listed]
        start = self._moved.get((host, listed), crc32(host.encode()) % len(proxies))
        if not self._rested(proxies[start]):
            return start
        order = [(start + step) % len(proxies) for step in range(len(proxies))]
        at = next((each for each in order if not self._rested(proxies[each])), start)
        self._move(host, listed, at)
        return at

    def _move(self, host: str, listed: ProxyList, at: int) -> None:
        if len(self._moved) >= MAX_MOVED:
            self._moved.clear()
        self._moved[host, listed] = at

    def _rested(self, proxy: Proxy) -> bool:
        """Whether it is being rested."""
        return bool(self._rests) and self._rests.get(proxy, 0.0) > self._now()


class Variables:
    """http_proxy, https_proxy, all_proxy and no_proxy, in lower case or else in upper case.

    HTTP_PROXY does not count where REQUEST_METHOD is set: a CGI's caller could set it by a header field. A proxy
    without a scheme is an http one. What cannot be parsed is told when it would be used.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._except = _Exceptions(self._value("no_proxy"))
        self._known: dict[str, Proxy | None] = {}

    def check(self) -> None:
        """Raise ConfigError for one that would be used and names no proxy."""
        for scheme in ("http", "https"):
            self._for(scheme)

    def proxy_of(self, url: str) -> Proxy | None:
        """The proxy for a canonical URL. Raises ConfigError."""
        proxy = self._for("https" if url.startswith("https:") else "http")
        if proxy is None:
            return None
        parts = split(url)
        return None if self._except.hold(parts.hostname, parts.port) else proxy

    def _for(self, scheme: str) -> Proxy | None:
        if scheme not in self._known:
            self._known[scheme] = self._parsed(f"{scheme}_proxy") or self._parsed("all_proxy")
        return self._known[scheme]

    def _value(self, name: str) -> str:
        if name in self._environment:
            return self._environment[name].strip()
        if name == "http_proxy" and "REQUEST_METHOD" in self._environment:
            return ""
        return self._environment.get(name.upper(), "").strip()

    def _parsed(self, name: str) -> Proxy | None:
        text = self._value(name)
        if not text:
            return None
        try:
            return parse(text if "://" in text else f"http://{text}")
        except ValueError as error:
            raise ConfigError(str(error), file="the environment", key=name) from None


class _Exceptions:
    """NO_PROXY: names with all below them, addresses, networks, each with a port or for every port; ``*`` is all."""

    def __init__(self, text: str) -> None:
        entries = [entry for entry in _SEPARATORS.split(text) if entry]
        self._all = "*" in entries
        self._networks: list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, int | None]] = []
        self._names: list[tuple[str, int | None]] = []
        for entry in entries:
            self._add(entry)

    def hold(self, hostname: str, port: int) -> bool:
        if self._all:
            return True
        address = _address(hostname)
        if address is not None:
            return any(address in network and each in (None, port) for network, each in self._networks)
        name = "." + hostname.removesuffix(".")
        return any(name.endswith(suffix) and each in (None, port) for suffix, each in self._names)

    def _add(self, entry: str) -> None:
        found = _ENTRY.fullmatch(entry)
        if found is None:
            return
        # An address of IPv6 without brackets has no port.
        text, port = (found[1] or entry).replace("[", "").replace("]", ""), int(found[2]) if found[2] else None
        try:
            self._networks.append((ipaddress.ip_network(text, strict=False), port))
        except ValueError:
            try:
                name = canonical_host(text.removeprefix("*").strip("."))
            except BadURL:
                return
            self._names.append(("." + name, port))


def _address(hostname: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if ":" not in hostname and not hostname[-1:].isdigit():
        return None
    try:
        return ipaddress.ip_address(hostname)
    except ValueError:
        return None
