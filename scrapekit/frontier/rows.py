"""A row as the columns of a table, and back.

A URL is stored without the part that its host tells: ``/path`` for https, ``:/path`` for http, whole otherwise. What
of a request is neither URL nor depth nor parent, and of a row neither id nor host, is one JSON text, or NULL where
there is nothing to say, as with most links.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Final

from scrapekit.frontier.contract import Row
from scrapekit.request import Request

#: Longer texts than this are seldom the same twice, and are not kept to be made into requests again.
_REPEATED: Final = 200
_PLAIN: Final = Request("http://plain.invalid/")


def short_url(url: str, host: str) -> str:
    """A URL without what its host tells."""
    if url.startswith(f"https://{host}/"):
        return url[8 + len(host) :]
    if url.startswith(f"http://{host}/"):
        return ":" + url[7 + len(host) :]
    return url


def long_url(url: str, host: str) -> str:
    """The URL that was made short."""
    if url[0] == "/":
        return f"https://{host}{url}"
    return f"http://{host}{url[1:]}" if url[0] == ":" else url


def more_of(row: Row) -> str | None:
    """All else that must be stored of a row."""
    if not (row.attempt or row.history or row.not_before):
        return told(row.request)
    facts = {"attempt": row.attempt, "history": row.history, "not_before": row.not_before}
    request = json.loads(told(row.request) or "{}")
    return json.dumps(request | {name: value for name, value in facts.items() if value})


def row_of(host: str, id: int, url: str, depth: int, parent: str | None, more: str | None) -> Row:
    """The row again. Raises ValueError, TypeError or KeyError where ``more`` is not what was stored."""
    made = _template if more is None or len(more) <= _REPEATED else _template.__wrapped__
    template, attempt, history, not_before = made(more or "{}")
    request = template.at(long_url(url, host)).bound(template.callback, template.errback, depth, parent)
    return Row(id, host, request, attempt, history, not_before)


def told(request: Request) -> str | None:
    """All that must be stored of a request besides its URL, depth and parent."""
    if _is_plain(request):
        return _named(request.callback, request.errback, request.priority)
    facts = request.to_dict()
    for name in ("url", "depth", "parent"):
        facts.pop(name, None)
    return json.dumps(facts) if facts else None


def _is_plain(request: Request) -> bool:
    return (
        request.method == "GET"
        and request.headers is _PLAIN.headers
        and request.accept_status is _PLAIN.accept_status
        and request.timeout is None
        and not (request.meta or request.body or request.cookies or request.jar)
        and request.max_size is None
        and not (request.dont_filter or request.idempotent or request.to_file)
    )


@lru_cache(1024)
def _named(callback: str | None, errback: str | None, priority: int) -> str | None:
    facts = {"callback": callback, "errback": errback, "priority": priority}
    return json.dumps({name: value for name, value in facts.items() if value}) if any(facts.values()) else None


@lru_cache(1024)
def _template(more: str) -> tuple[Any, int, tuple[str, ...], float]:
    facts = json.loads(more)
    attempt, history, not_before = (facts.pop(name, 0) for name in ("attempt", "history", "not_before"))
    return Request.from_dict({**facts, "url": _PLAIN.url}), attempt, tuple(history or ()), not_before or 0.0
