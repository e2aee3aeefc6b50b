"""scrapekit: a polite web-scraping framework.

Where to begin reading: ``cli/crawl.py`` → ``crawler.py`` → ``execution.py`` → ``scheduler.py`` → ``fetcher.py`` →
``http/``; back up through the spider to ``sinks/`` and ``frontier/``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from scrapekit import _compat  # noqa: F401  (before anything that imports curio)

if TYPE_CHECKING:
    from scrapekit.config import Settings
    from scrapekit.crawler import Bounds, Crawl, crawl, crawl_async
    from scrapekit.headers import Headers
    from scrapekit.http.session import Session
    from scrapekit.item import Item, css
    from scrapekit.request import Request
    from scrapekit.response import Response
    from scrapekit.spider import Failure, Spider
    from scrapekit.stats import Stats

__all__ = [
    "Bounds",
    "Crawl",
    "Failure",
    "Headers",
    "Item",
    "Request",
    "Response",
    "Session",
    "Settings",
    "Spider",
    "Stats",
    "crawl",
    "crawl_async",
    "css",
]

#: Where each name is at home. They are imported when first asked for: a command that needs none of them starts at once.
_HOMES: Final = {
    "Bounds": "crawler",
    "Crawl": "crawler",
    "Failure": "spider",
    "Headers": "headers",
    "Item": "item",
    "Request": "request",
    "Response": "response",
    "Session": "http.session",
    "Settings": "config",
    "Spider": "spider",
    "Stats": "stats",
    "crawl": "crawler",
    "crawl_async": "crawler",
    "css": "item",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'scrapekit' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"scrapekit.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return __all__
