"""What is noted of a crawl with each commit, beside its requests: so that whoever takes the run up knows all of it.

The counters, the spider's ``state``, the cookies, and how far the ledger had got. All are taken at one moment, between
two steps of the crawl, so they fit the outcomes that they are committed with.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from scrapekit.errors import CallbackError
from scrapekit.fetcher import Fetcher
from scrapekit.http.cookies import CookieJar
from scrapekit.ledger import Ledger
from scrapekit.reach import Reach
from scrapekit.spider import Spider
from scrapekit.stats import Stats

log = logging.getLogger("scrapekit.crawl")

#: Cookies are noted this often at the most, in seconds.
JARS: Final = 1.0


class Notes:
    """Takes the notes of one execution, which began ``before`` seconds of crawling into its run."""

    def __init__(self, spider: Spider, stats: Stats, *, clock: Callable[[], float], reach: Reach) -> None:
        self._spider, self._stats, self._clock, self._reach = spider, stats, clock, reach
        self._began, self._before = 0.0, 0.0
        self._state = "{}"
        self._stored, self._jars_at = 0, 0.0
        self.ledger: Ledger | None = None
        self.fetcher: Fetcher | None = None

    def __repr__(self) -> str:
        return f"<Notes of {self._spider!r}>"

    def begin(self) -> float:
        """The crawl begins now; gives that time."""
        self._began = self._clock()
        return self._began

    def restore(self, notes: Mapping[str, Any]) -> None:
        """Let counters and the spider's state be as they were noted."""
        stats = self._stats
        stats.restore(notes["stats"])
        stats.end, stats.resumes, self._before = "", stats.resumes + 1, stats.duration
        self._spider.state = notes.get("state", {})
        self._state = json.dumps(self._spider.state)
        for host in notes.get("reach", ()):
            self._reach.start(host)

    def restore_jars(self, notes: Mapping[str, Any], fetcher: Fetcher) -> None:
        """Give a fetcher the cookies that were noted, and note those that it gets."""
        for name, cookies in notes.get("jars", {}).items():
            fetcher.jars[name] = CookieJar.from_state(cookies)
        self.fetcher = fetcher

    def count_time(self) -> None:
        """Bring the duration up to this moment."""
        self._stats.duration = self._before + self._clock() - self._began

    def each(self) -> dict[str, Any]:
        """What goes with a commit now. Raises CallbackError for a state that is not JSON-able."""
        self.count_time()
        notes: dict[str, Any] = {"stats": self._stats.to_dict(), "at": self._clock()}
        if self.ledger is not None:
            notes["ledger"] = self.ledger.size
        if self._reach.started:
            notes["reach"] = sorted(self._reach.started)
        return notes | self._changed_state() | self._changed_jars()

    def last(self, end: str) -> dict[str, Any]:
        """What goes with the last commit; ``end`` is why the crawl ended."""
        self._jars_at, self._stats.end = 0.0, end
        return self.each() | self.end(end)

    def end(self, end: str) -> dict[str, Any]:
        """The same where what came last could not be committed: counters, state and ledger stay as of what was."""
        return {"end": end, "ended": self._clock()}

    def _changed_state(self) -> dict[str, Any]:
        try:
            text = json.dumps(self._spider.state, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise CallbackError(f"{self._spider!r}: self.state holds what JSON cannot: {error}") from error
        if text == self._state:
            return {}
        self._state = text
        return {"state": json.loads(text)}  # a copy, for the commit is made elsewhere

    def _changed_jars(self) -> dict[str, Any]:
        fetcher, now = self.fetcher, self._clock()
        if fetcher is None or fetcher.cookies_stored == self._stored or now < self._jars_at + JARS:
            return {}
        self._stored, self._jars_at = fetcher.cookies_stored, now
        return {"jars": {name: jar.to_state() for name, jar in fetcher.jars.items()}}
