"""scrapekit: a polite web-scraping framework.

Where to begin reading: ``cli/crawl.py`` → ``crawler.py`` → ``scheduler.py`` → ``fetcher.py`` → ``http/``; back up
through the spider to ``sinks/`` and ``frontier/``.
"""

from __future__ import annotations

from scrapekit import _compat  # noqa: F401  (before anything that imports curio)
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
