"""What people look at: the live display, the log on the terminal, the summary at the end.

All of it goes to one ``Console`` on standard error, so that a warning prints above the live display and not into it.
Nothing here decides anything; it is given a ``View`` now and then, and ``Stats`` at the end.
"""

from __future__ import annotations

from scrapekit.watch.console import Console, open_console
from scrapekit.watch.logs import logging_to
from scrapekit.watch.progress import Progress, progress
from scrapekit.watch.summary import summary

__all__ = ["Console", "Progress", "logging_to", "open_console", "progress", "summary"]
