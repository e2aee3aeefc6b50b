"""Where a page sends its reader by itself: the Refresh field, or the first <meta http-equiv=refresh> that is one.

By the HTML standard's "shared declarative refresh steps". A refresh that comes soon and leads to another page is a
redirect that was written into the page; one to the page itself, or after more than ``LONGEST`` seconds, keeps a page up
to date for somebody who watches it, and leads nowhere.

Pure. Does not decide whether refreshes are followed, nor whether the target may be.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from scrapekit.encoding import is_html
from scrapekit.errors import TooComplex
from scrapekit.markup import Node
from scrapekit.response import Response
from scrapekit.url import Base

#: Seconds. "You will be taken there in a moment" is said for up to ten; news reload themselves after sixty or more.
LONGEST: Final = 30.0

#: Characters; a longer one is not worth an error where the page itself is there.
MAX_URL: Final = 8_192

#: After the number, which may have a fraction that does not count, the end, or something that parts it from the URL.
_TIME: Final = re.compile(
    r"[\t\n\f\r ]* (?: (\d++) | (?=\.) ) [\d.]*+ (?: \Z | (?=[;,\t\n\f\r ]) [\t\n\f\r ]* [;,]? [\t\n\f\r ]* )",
    re.VERBOSE | re.ASCII,
)
#: What stands before the URL; one that begins with a u of its own is taken as it is, quotes and all.
_LEAD: Final = re.compile(r"url [\t\n\f\r ]* = [\t\n\f\r ]* | (?!u)", re.VERBOSE | re.IGNORECASE | re.ASCII)
#: Most pages have none, and need not be parsed for that.
_HINT: Final = re.compile(r"http-equiv", re.IGNORECASE)
#: Where a <meta> says nothing to those who run scripts, and to nobody.
_UNHEARD: Final = frozenset(("noscript", "template"))


class Refresh(NamedTuple):
    """Where it leads, as a canonical URL, and after how many seconds."""

    url: str
    seconds: float


def refresh_of(response: Response) -> Refresh | None:
    """Where an answer sends its reader before long; None if nowhere else.

    The field goes before the page. A page that is kept in a file is not looked into, nor is what is no HTML.
    """
    field = response.headers.get("refresh")
    found = _target(field, Base(response.url)) if field is not None else None
    if found is None:
        found = _of_page(response)
    leads = found is not None and found.url != response.url and found.seconds <= LONGEST and len(found.url) <= MAX_URL
    return found if leads else None


def parsed(text: str) -> tuple[float, str] | None:
    """The seconds and the URL that such a text names, the URL as written; None where it is malformed.

    An empty URL is the page's own.
    """
    time = _TIME.match(text)
    if time is None:
        return None
    seconds, rest = float(time[1] or 0), text[time.end() :]
    lead = _LEAD.match(rest)
    if lead is not None:
        rest = rest[lead.end() :]
        if rest[:1] in ("'", '"'):
            rest = rest[1:].partition(rest[0])[0]
    return seconds, rest


def _target(text: str, base: Base) -> Refresh | None:
    found = parsed(text)
    url = base.join(found[1]) if found is not None else None
    return Refresh(url, found[0]) if found is not None and url is not None else None


def _of_page(response: Response) -> Refresh | None:
    if response.path is not None or not is_html(response.headers.get("content-type"), response.body):
        return None
    if not _HINT.search(response.text):
        return None
    try:
        metas = response.tree.tags("meta")
    except TooComplex:  # which whoever reads it will be told
        return None
    for meta in metas:
        content = meta.attrs.sget("content", "") if _is_refresh(meta) else ""
        found = _target(content, response.base) if content else None
        if found is not None:
            return found
    return None


def _is_refresh(meta: Node) -> bool:
    return (meta.attrs.sget("http-equiv", "") or "").lower() == "refresh" and _is_heard(meta)


def _is_heard(node: Node) -> bool:
    above = node.parent
    while above is not None:
        if above.tag in _UNHEARD:
            return False
        above = above.parent
    return True
