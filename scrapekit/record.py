"""Puts on record what the scheduler does: each send before it goes, what came of it, and what was left alone.

Without a ledger (a crawl that keeps no folder) it does nothing.
"""

from __future__ import annotations

from scrapekit.frontier import Found
from scrapekit.hosts import Heard, Refused, Turn
from scrapekit.ledger import IGNORED, Handle, Kind, Ledger
from scrapekit.origins import Origin
from scrapekit.request import Request


class Record:
    """The scheduler's side of a ledger; ``agent`` is our robots.txt token. Raises SinkError where it cannot write."""

    def __init__(self, ledger: Ledger | None, *, agent: str) -> None:
        self._ledger, self._agent = ledger, agent

    def about_to_send(self, turn: Turn, request: Request, now: float) -> Handle | None:
        """A turn's request goes out next."""
        if self._ledger is None:
            return None
        row, pause = turn.row, turn.host.throttle.pause()
        if turn.origin is not None and not turn.origin.recorded:
            self.robots(turn.origin, now)  # a copy that an earlier run brought
        digest, line = self._allowed_by(turn, request)
        return self._ledger.about_to_send(
            row.id,
            request.url,
            kind=Kind.PAGE if turn.robots_of is None else Kind.ROBOTS,
            now=now,
            due=turn.due,
            rule=turn.rule,
            delay=pause.seconds,
            source=pause.rule,
            digest=digest,
            line=line,
            attempt=row.attempt,
            hop=len(row.history),
            address=turn.address,
        )

    def ended(self, handle: Handle | None, turn: Turn, heard: Heard, now: float) -> None:
        """What came of it."""
        if self._ledger is None or handle is None:
            return
        handle.sent = turn.sent_at
        self._ledger.ended(
            handle,
            now=now,
            status=heard.status,
            size=heard.size,
            address=heard.address,
            error="" if heard.error is None else f"{heard.error.reason} in {heard.error.phase}",
            headers=heard.headers,
        )

    def refused(self, refused: Refused, now: float) -> None:
        """A row ends without a send."""
        if self._ledger is not None:
            row = refused.row
            self._ledger.refused(
                row.id,
                row.request.url,
                now=now,
                outcome=refused.outcome.value,
                reason=refused.reason,
                digest=refused.digest,
                line=refused.line,
            )

    def left_out(self, found: list[Found], now: float) -> None:
        """Links that were refused before they had a row."""
        if self._ledger is not None:
            for link in found:
                if link.outcome is not None:
                    url, outcome = link.request.url, link.outcome.value
                    self._ledger.refused(0, url, now=now, outcome=outcome, reason=link.reason)

    def robots(self, origin: Origin, now: float) -> None:
        """A robots.txt came into force."""
        if self._ledger is not None:
            origin.recorded = True
            origin.digest = self._ledger.robots(
                origin.name,
                now=now,
                status=origin.status,
                body=origin.body,
                fetched=origin.fetched,
                expires=origin.expires,
            )

    def robots_failed(self, origin: Origin, now: float, *, status: int, error: str) -> None:
        """A robots.txt could not be read."""
        if self._ledger is not None:
            self._ledger.robots(origin.name, now=now, status=status, error=error)

    def _allowed_by(self, turn: Turn, request: Request) -> tuple[str, int | None]:
        """By which robots.txt, and which line of it, a request may go."""
        if turn.robots_of is not None:
            return "", None
        if turn.origin is None:
            return IGNORED, None
        return turn.origin.digest, turn.origin.verdict(request, self._agent).line
