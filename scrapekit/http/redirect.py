"""Where a redirect leads, and what may travel along. Pure: facts in, the next hop out.

Does not fetch, does not ask robots.txt, and does not know whether the target may be connected to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from scrapekit.errors import BadResponse, TooLarge, TooManyRedirects
from scrapekit.headers import Headers
from scrapekit.url import Base, origin_of

#: Statuses that lead on, where they name a Location. 300, 304 and 305 do not (RFC 9110 §15.4).
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
#: What a page that leads on by itself counts as: the next request is a GET (or the HEAD that it was).
SEE_OTHER: Final = 303
#: Hops of one request; browsers allow 20, and robots.txt is due five (RFC 9309 §2.3.1.2).
MAX_HOPS: Final = 10
MAX_URL: Final = 8_192  # characters; RFC 9110 §4.1 asks for 8,000 at least

#: What is meant for one origin alone (Fetch standard, "HTTP-redirect fetch").
_PERSONAL: Final = ("authorization", "cookie", "proxy-authorization", "host")
#: What describes a body (RFC 9110 §15.4: content-specific fields go with the content).
_OF_BODY: Final = (
    "content-encoding", "content-language", "content-length", "content-location", "content-type",
    "content-range", "digest", "content-digest", "last-modified", "transfer-encoding",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hop:
    """The next request of a chain. ``crossed`` says that it goes to another origin."""

    url: str
    method: str
    headers: Headers
    body: bytes
    crossed: bool


def next_hop(
    method: str,
    url: str,
    headers: Headers,
    body: bytes,
    *,
    status: int,
    location: str | None,
    hops: int = 0,
    max_hops: int = MAX_HOPS,
    allow_downgrade: bool = True,
) -> Hop | None:
    """Where an answer leads, or None if it is final.

    ``url`` is canonical, ``hops`` counts those already made; ``location`` is the field as received, in latin-1.
    Raises TooManyRedirects, TooLarge for a target of more than 8,192 characters, and BadResponse for one that is
    malformed, not http(s), or https → http where ``allow_downgrade`` is off.
    """
    if status not in REDIRECTS or location is None:
        return None
    if hops >= max_hops:
        raise TooManyRedirects(f"more than {max_hops}", url=url)
    target = resolve_location(url, location)
    if url.startswith("https:") and target.startswith("http:") and not allow_downgrade:
        raise BadResponse(f"from https to {target}", url=url, phase="redirect")
    crossed = origin_of(target) != origin_of(url)
    if crossed:
        headers = headers.without(*_PERSONAL)
        if target.startswith("http:") and url.startswith("https:"):
            headers = headers.without("referer")
    if changes_to_get(method, status):
        return Hop(target, "GET", headers.without(*_OF_BODY), b"", crossed)
    return Hop(target, method, headers, body, crossed)


def changes_to_get(method: str, status: int) -> bool:
    """Whether the next request is a GET without the body (Fetch standard, "HTTP-redirect fetch", as browsers do)."""
    return (status in (301, 302) and method == "POST") or (status == 303 and method not in ("GET", "HEAD"))


def resolve_location(url: str, location: str) -> str:
    """The canonical URL that a Location field of an answer from ``url`` means. Raises BadResponse or TooLarge."""
    if len(location) > MAX_URL:
        raise TooLarge(f"a Location of {len(location)} characters", url=url, phase="redirect")
    # Bytes beyond ASCII are UTF-8 if they can be, as browsers read them; else each byte stands for itself.
    raw = location.encode("latin-1", "replace")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = quote(raw, safe="!#$%&'()*+,/:;=?@[]~ \\^`{|}\"<>")
    target = Base(url).join(text)
    if target is None:
        raise BadResponse(f"leads to {text[:200]!r}, which is no http or https URL", url=url, phase="redirect")
    return target
