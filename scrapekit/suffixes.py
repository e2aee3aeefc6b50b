"""Public suffixes: below which names anybody can register one of their own (publicsuffix.org).

The list comes with the library. Reading it takes some 60 ms, so it is read when first asked for.
"""

from __future__ import annotations

from functools import lru_cache

from publicsuffixlist import PublicSuffixList


@lru_cache(maxsize=1024)
def is_public(domain: str) -> bool:
    """Whether a domain, in lower-case punycode, is a public suffix, such as ``com`` or ``co.uk``."""
    return bool(_suffixes().is_public(domain))


@lru_cache(maxsize=10_000)
def registrable(hostname: str) -> str:
    """The domain that somebody registered, such as ``example.co.uk``; an address, or a name without one, is itself."""
    if hostname.rpartition(".")[2].isdigit() or ":" in hostname:
        return hostname
    return _suffixes().privatesuffix(hostname) or hostname


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()
