"""Who may lead a crawl to private addresses: nobody from outside, and whoever set the crawl up.

Two questions, for there are two ways in. By spelling, a link or a redirect to ``http://10.0.0.1/``: it is refused
unless the host that leads there is private itself, or the target is open. By name, ``http://rebound.example/`` whose
address turns out to be 10.0.0.1: whoever connects asks ``may_be_private``, and leaves such addresses alone.

Open are hosts that a start request names by their address, hosts in ``[resolve]``, and those with ``allow_private``. A
name that the system's resolver puts at a private address is not, also where a start request has it: what it stands for
is not ours to say. And a name opens nothing beside itself, wherever ``[resolve]`` puts it: its pages may be copies of a
site on the open net, with all the links of that.

Pure. Takes canonical hosts and URLs only, so that every spelling of an address is one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from scrapekit.private import is_private_host
from scrapekit.url import host_of, split, split_host

#: Of so many hosts is remembered whether they are spelt as private addresses; asked for each link.
HOSTS: Final = 10_000


class Leave(Protocol):
    """What the settings say of a host."""

    @property
    def allow_private(self) -> bool: ...


class Reach:
    """What one crawl may reach. ``static`` gives a name's address in ``[resolve]``, by name and port.

    ``started`` are the private hosts that start requests asked for; a run that is taken up is given them again.
    """

    def __init__(self, *, limits_for: Callable[[str], Leave], static: Callable[[str, int], object | None]) -> None:
        self._limits_for, self._static = limits_for, static
        #: Hosts that start requests named by their private addresses.
        self.started: set[str] = set()
        self._spelt: dict[str, bool] = {}

    def __repr__(self) -> str:
        return f"<Reach {len(self.started)} private hosts asked for>"

    def start(self, host: str) -> None:
        """A start request asks for this host."""
        if self._is_spelt(host):
            self.started.add(host)

    def refuses(self, host: str, source: str | None) -> bool:
        """Whether a page at the URL ``source`` may not lead to a host; None is for a start request, which nothing did.

        Of hosts that are no private addresses by their spelling, nothing is known here.
        """
        return source is not None and self.is_closed(host) and not self._is_spelt(host_of(source))

    def is_closed(self, host: str) -> bool:
        """Whether a host is private by its spelling, and nobody gave leave."""
        return self._is_spelt(host) and not self._is_open(host)

    def refuses_hop(self, target: str, source: str) -> bool:
        """The same of a redirect from one URL to another."""
        return self.refuses(host_of(target), source)

    def may_be_private(self, url: str) -> bool:
        """Whether the connection for a canonical URL may be to a private address.

        A host that is spelt so was let in, or its URL would not be here.
        """
        parts = split(url)
        return (
            self._is_spelt(parts.host)
            or self._limits_for(parts.host).allow_private
            or self._static(parts.hostname, parts.port) is not None
        )

    def _is_open(self, host: str) -> bool:
        return host in self.started or self._limits_for(host).allow_private or self._is_named(host)

    def _is_named(self, host: str) -> bool:
        """Whether ``[resolve]`` has a host; without a port that may be either of the two default ones."""
        name, port = split_host(host)
        return any(self._static(name, each) is not None for each in ((port,) if port else (80, 443)))

    def _is_spelt(self, host: str) -> bool:
        known = self._spelt.get(host)
        if known is None:
            if len(self._spelt) >= HOSTS:
                self._spelt.clear()
            known = self._spelt[host] = is_private_host(split_host(host)[0])
        return known
