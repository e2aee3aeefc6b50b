"""What a batch changes, worked out as rows for the tables before any of them is touched.

Nothing here is lasting: the frontier makes the changes true in one transaction, and takes over the numbers (next ids,
counters, how many wait at a leased host) only after it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from typing import Any

from scrapekit.frontier.archive import validators_text
from scrapekit.frontier.contract import Batch, Committed, Counts, Ended, Found, Outcome, PutBack, Row
from scrapekit.frontier.rows import more_of, short_url, told
from scrapekit.frontier.schema import micros
from scrapekit.frontier.seen import strung


@dataclass(slots=True)
class Ids:
    """The next free ones."""

    row: int = 1
    parent: int = 1
    ticket: int = 1


class Sifted:
    """A batch without what was seen before: its duplicates are counted, its links refused before queueing are told."""

    def __init__(self, batch: Batch, known: Container[bytes]) -> None:
        self._known = known
        #: Fingerprints that are seen from this batch on, in the order of their finding.
        self.prints: dict[bytes, None] = {}
        self.answer = Committed()
        self.found = [found for found in batch.found if self._is_new(found)]
        self.put_back: list[PutBack] = []
        self.ended = list(batch.ended)
        #: What is not archived: it never had a page.
        self.dropped: list[Row] = []
        for put_back in batch.put_back:
            self._sift(put_back)

    def hosts(self) -> set[str]:
        """All hosts at which rows come or go."""
        names = {found.host for found in self.found}
        names.update(ended.row.host for ended in self.ended)
        names.update(row.host for row in self.dropped)
        for put_back in self.put_back:
            names.update((put_back.old.host, put_back.row.host))
        return names

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


class Changes:
    """Rows for the tables. ``host_ids`` has every host of the batch; rows at ``leased`` hosts go into the answer."""

    def __init__(
        self, sifted: Sifted, host_ids: Mapping[str, int], leased: Container[str], counts: Counts, ids: Ids
    ) -> None:
        self._host_ids, self._leased = host_ids, leased
        self.ids, self.answer, self.prints = replace(ids), sifted.answer, strung(sifted.prints)
        self.counts = replace(counts, ended=dict(counts.ended))
        self.gone_ready: list[list[Any]] = []
        self.gone_later: list[list[Any]] = []
        self.ready: list[list[Any]] = []
        self.later: list[list[Any]] = []
        self.failed: list[list[Any]] = []
        self.archive: list[Ended] = []
        self.parents: dict[str, int] = {}
        #: How many more wait at each host, in the order in which they came.
        self.added: Counter[str] = Counter()
        self._work_out(sifted)

    def _work_out(self, sifted: Sifted) -> None:
        for ended in sifted.ended:
            self._end(ended)
        self.counts.seen += self.answer.new
        for found in sifted.found:
            self._add(found)
        for outcome, _ in self.answer.refused:
            self.counts.ended[outcome] += 1
        for row in sifted.dropped:
            self._take(row)
        for put_back in sifted.put_back:
            self._take(put_back.old)
            self._put(put_back.row)
        self.counts.pending += sum(self.added.values())

    def _end(self, ended: Ended) -> None:
        self._take(ended.row)
        self.counts.ended[ended.outcome] += 1
        if ended.outcome is not Outcome.FAILED:
            self.archive.append(ended)
            return
        row = replace(ended.row, attempt=0, not_before=0.0)  # as it will be if it is put back
        _, rank, number, *columns = self._columns(row)
        reason, validators = json.dumps(ended.reason), validators_text(ended.validators)
        self.failed.append([number, self._host_ids[row.host], rank, *columns, reason, validators])

    def _add(self, found: Found) -> None:
        """A new row; an object of it is made only where somebody waits for it."""
        number, request = self.ids.row, found.request
        self.ids.row += 1
        self.added[found.host] += 1
        url, parent = short_url(request.url, found.host), self._parent(request.parent)
        self.ready.append(
            [self._host_ids[found.host], -request.priority, number, url, request.depth, parent, told(request)]
        )
        if found.host in self._leased:
            self.answer.rows.append(Row(number, found.host, request))

    def _take(self, row: Row) -> None:
        key = [-row.request.priority, row.id]
        if row.not_before:
            self.gone_later.append([self._host_ids[row.host], micros(row.not_before), *key])
        else:
            self.gone_ready.append([self._host_ids[row.host], *key])
        self.added[row.host] -= 1

    def _put(self, row: Row) -> None:
        host, *columns = self._columns(row)
        if row.not_before:
            self.later.append([host, micros(row.not_before), *columns])
        else:
            self.ready.append([host, *columns])
        self.added[row.host] += 1
        if row.host in self._leased:
            self.answer.rows.append(row)

    def _columns(self, row: Row) -> list[Any]:
        request = row.request
        url, parent = short_url(request.url, row.host), self._parent(request.parent)
        return [self._host_ids[row.host], -request.priority, row.id, url, request.depth, parent, more_of(row)]

    def _parent(self, url: str | None) -> int | None:
        if url is None:
            return None
        url = url if url.isascii() else url.encode("ascii", "backslashreplace").decode()
        if url not in self.parents:
            self.parents[url] = self.ids.parent
            self.ids.parent += 1
        return self.parents[url]
