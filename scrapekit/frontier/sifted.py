"""A batch without what was seen before."""

from __future__ import annotations

from collections.abc import Container

from scrapekit.frontier.contract import Batch, Committed, Found, Outcome, PutBack, Row


class Sifted:
    """``found`` and ``put_back`` are those of the batch that are to be queued; the ``answer`` tells of the others.

    Seen is what is ``known`` or came earlier in the batch: what was found, before what is put back.
    """

    def __init__(self, batch: Batch, known: Container[bytes]) -> None:
        self.batch, self._known = batch, known
        #: Fingerprints that are seen from this batch on, in the order of their finding.
        self.prints: dict[bytes, None] = {}
        self.answer = Committed()
        self.found = [found for found in batch.found if self._is_new(found)]
        self.put_back: list[PutBack] = []
        #: Rows of which another request has seen the next hop.
        self.dropped: list[Row] = []
        for put_back in batch.put_back:
            self._sift(put_back)

    def hosts(self) -> dict[str, None]:
        """All hosts at which rows come or go, or of which the batch tells how they stand."""
        names = [found.host for found in self.found]
        names += [ended.row.host for ended in self.batch.ended]
        names += [row.host for row in self.dropped]
        for put_back in self.put_back:
            names += [put_back.old.host, put_back.row.host]
        return dict.fromkeys([*names, *self.batch.states])

    def _is_new(self, found: Found) -> bool:
        """Whether it is to be queued."""
        if found.fingerprint is not None and self._was_seen(found.fingerprint):
            self.answer.duplicates += 1
            return False
        self.answer.new += 1
        if found.outcome is not None:
            self.answer.refused.append((found.outcome, found.reason))
        return found.outcome is None

    def _sift(self, put_back: PutBack) -> None:
        if put_back.fingerprint is not None and self._was_seen(put_back.fingerprint):
            self.dropped.append(put_back.old)
            self.answer.refused.append((Outcome.DROPPED, "duplicate"))
        else:
            self.put_back.append(put_back)

    def _was_seen(self, fingerprint: bytes) -> bool:
        if fingerprint in self.prints or fingerprint in self._known:
            return True
        self.prints[fingerprint] = None
        return False
