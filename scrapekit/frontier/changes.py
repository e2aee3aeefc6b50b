"""What a batch changes, worked out as rows for the tables before any of them is touched.

Nothing here is lasting: the frontier makes the changes true in one transaction, and takes over the numbers (next ids,
counters, how many wait at a leased host) only after it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from scrapekit.frontier.archive import Entry, stored_validators
from scrapekit.frontier.contract import Counts, Ended, Found, Outcome, Row
from scrapekit.frontier.rows import more_of, short_url, told
from scrapekit.frontier.schema import micros
from scrapekit.frontier.seen import strung
from scrapekit.frontier.sifted import Sifted


@dataclass(slots=True)
class Numbers:
    """How far the frontier has counted: ``row`` and ``parent`` are the next free ids, ``items`` what was written."""

    row: int = 1
    parent: int = 1
    items: int = 0
    counts: Counts = field(default_factory=Counts)


class Changes:
    """Rows for the tables. ``host_ids`` has every host of the batch; rows at ``leased`` hosts go into the answer."""

    def __init__(self, sifted: Sifted, host_ids: Mapping[str, int], leased: Container[str], numbers: Numbers) -> None:
        self._host_ids, self._leased = host_ids, leased
        self.answer, self.prints = sifted.answer, strung(sifted.prints)
        counts = numbers.counts
        self.numbers = replace(numbers, counts=replace(counts, ended=dict(counts.ended)))
        self.gone_ready: list[list[Any]] = []
        self.gone_later: list[list[Any]] = []
        self.ready: list[list[Any]] = []
        self.later: list[list[Any]] = []
        self.failed: list[list[Any]] = []
        self.archive: list[Entry] = []
        self.parents: dict[str, int] = {}
        #: How many more wait at each host, in the order in which they came.
        self.added: Counter[str] = Counter()
        self._work_out(sifted)

    def _work_out(self, sifted: Sifted) -> None:
        counts, place = self.numbers.counts, self.numbers.items
        for ended in sifted.batch.ended:
            self._end(ended, place)
            place += ended.items
        for found in sifted.found:
            self._add(found)
        for row in sifted.dropped:
            self._take(row)
        for put_back in sifted.put_back:
            self._take(put_back.old)
            self._put(put_back.row)
        for outcome, _ in self.answer.refused:
            counts.ended[outcome] += 1
        counts.seen += self.answer.new
        counts.pending += sum(self.added.values())
        self.numbers.items += len(sifted.batch.items)

    def _end(self, ended: Ended, place: int) -> None:
        self._take(ended.row)
        self.numbers.counts.ended[ended.outcome] += 1
        if ended.outcome is not Outcome.FAILED:
            self.archive.append((ended, place))
            return
        row = replace(ended.row, attempt=0, not_before=0.0)  # as it will be if it is put back
        host, rank, number, *columns = self._columns(row)
        validators = json.dumps(stored_validators(ended.validators))
        facts = [json.dumps(ended.reason), validators, place, ended.items]
        self.failed.append([number, host, rank, *columns, *facts])

    def _add(self, found: Found) -> None:
        """A new row; an object of it is made only where somebody waits for it."""
        number, request = self.numbers.row, found.request
        self.numbers.row += 1
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
            self.parents[url] = self.numbers.parent
            self.numbers.parent += 1
        return self.parents[url]
