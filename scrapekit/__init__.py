"""scrapekit: a polite web-scraping framework."""

from __future__ import annotations

from scrapekit import _compat  # noqa: F401  (before anything that imports curio)
