"""The border between the open net and your own, as a session keeps it: no site leads across by a redirect.

What the caller asks for is the caller's word, and may be anywhere. Where an answer leads is the site's: to a private
address only from one, or by leave (``reach.py`` has the rules, which are a crawl's). An answer that came from a private
address is your own network's too, under whatever name; what ``resolve`` put there may be a copy of a site on the open
net, and counts as one.

Decides; whoever connects looks at the addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scrapekit.errors import PrivateAddress
from scrapekit.http.static import read_static
from scrapekit.private import is_private, is_private_host
from scrapekit.reach import Reach
from scrapekit.response import Response
from scrapekit.url import host_of, split, split_host


@dataclass(frozen=True, slots=True)
class _Leave:
    allow_private: bool


class Border:
    """``resolve`` holds static names; with ``allow_private`` everybody may cross. Raises ConfigError for no address."""

    def __init__(self, resolve: Mapping[str, str], *, allow_private: bool) -> None:
        self._static = read_static(resolve)
        leave = _Leave(allow_private)
        self._reach = Reach(limits_for=lambda host: leave, static=self._at)

    def __repr__(self) -> str:
        return f"<Border {self._reach!r}>"

    def shuts(self, target: str, source: Response) -> bool:
        """Whether a URL to which an answer leads must be connected to on the open net.

        Raises PrivateAddress where its very spelling is private, and it may not be.
        """
        if self._is_inside(source):
            return False
        if self._reach.refuses_hop(target, source.url):
            raise PrivateAddress(
                f"leads to {host_of(target)}", url=source.url, host=host_of(source.url), phase="redirect"
            )
        return not self._reach.may_be_private(target)

    def _is_inside(self, source: Response) -> bool:
        """Whether who answered is in a private network; behind a proxy nobody knows by more than the spelling."""
        parts = split(source.url)
        if is_private_host(parts.hostname):
            return True
        known = source.address and self._at(parts.hostname, parts.port) is None
        return bool(known) and is_private(split_host(source.address)[0])

    def _at(self, name: str, port: int) -> object | None:
        name = name.removesuffix(".")
        return self._static.get(f"{name}:{port}") or self._static.get(name)
