"""What a request says of the page on which its link was found (W3C Referrer Policy §8.3 and §8.4).

Pure, and never more than the policy allows: no user name, no password, no fragment, and what is longer than browsers
send is cut to its origin. Knows nothing of a page's own wishes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, NamedTuple

from scrapekit.errors import BadURL
from scrapekit.url import canonical, is_loopback, origin_of, split

Policy = Literal["no-referrer", "origin", "same-origin", "strict-origin", "strict-origin-when-cross-origin"]

#: What browsers do where nothing else is said (§3.11 of the policy; Fetch standard, "default referrer policy").
DEFAULT: Final[Policy] = "strict-origin-when-cross-origin"
#: Characters beyond which a Referer is the origin alone (§8.3, step 6).
LONGEST: Final = 4096


class _Source(NamedTuple):
    """A page as it may be named: its URL, its origin with a slash, and whether nobody could have read on the way."""

    url: str
    origin: str
    trusted: bool


class _Rule(NamedTuple):
    """What is told of a source within its origin and to others; strict is nothing from a safe page to an unsafe one."""

    within: Literal["", "origin", "url"]
    across: Literal["", "origin"]
    strict: bool


_RULES: Final[dict[Policy, _Rule]] = {
    #                                        within    across    strict
    "no-referrer":                     _Rule("",       "",       False),
    "origin":                          _Rule("origin", "origin", False),
    "same-origin":                     _Rule("url",    "",       False),
    "strict-origin":                   _Rule("origin", "origin", True),
    "strict-origin-when-cross-origin": _Rule("url",    "origin", True),
}  # fmt: skip


def referer(policy: Policy, source: str, target: str) -> str:
    """The Referer of a request for ``target``, a canonical URL, whose link stood at ``source``; "" for none.

    A source that is no http or https URL is told to nobody.
    """
    rule, page = _RULES[policy], _source(source)
    if target.startswith(page.origin):
        told = rule.within if page.origin else ""
    else:
        told = "" if rule.strict and page.trusted and not _trusted(target) else rule.across
    return page.url if told == "url" else page.origin if told else ""


def referer_along(policy: Policy, source: str, way: tuple[str, ...], target: str) -> str:
    """The same after redirects through the URLs of ``way``: what was held back on it stays so (Fetch standard)."""
    for url in (*way, target):
        source = referer(policy, source, url)
        if not source:
            break
    return source


@lru_cache(maxsize=4096)
def _source(url: str) -> _Source:
    """Cached: a page has many links, and a hit costs a tenth of a parse."""
    try:
        clean = canonical(url)
    except BadURL:
        return _Source("", "", False)
    origin = origin_of(clean) + "/"
    return _Source(clean if len(clean) <= LONGEST else origin, origin, _trusted(clean))


def _trusted(url: str) -> bool:
    """Whether it is potentially trustworthy (Secure Contexts §3.2): https, or this machine."""
    return url.startswith("https:") or is_loopback(split(url).hostname)
