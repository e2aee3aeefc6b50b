"""What a crawl counted, and how it is written."""

from __future__ import annotations

import json
from collections import Counter

from scrapekit.stats import HostView, Stats, View


def test_nothing_is_counted_at_first_and_nothing_is_shared():
    one, other = Stats(), Stats()
    one.statuses[200] += 1
    one.reasons["failed", "timeout"] += 1
    one.misses["Book.title h1"] += 1
    assert other.to_dict() == Stats().to_dict()
    assert (other.seen, other.done, other.items, other.end) == (0, 0, 0, "")


def test_done_are_those_that_have_their_outcome():
    stats = Stats(seen=15, fetched=5, failed=4, disallowed=2, dropped=1, pending=3, duplicates=9)
    assert stats.done == 12
    assert stats.seen == stats.done + stats.pending


def test_it_is_written_as_json_with_readable_keys():
    stats = Stats(seen=2, fetched=1, failed=1, end="finished", duration=1.5)
    stats.statuses.update({404: 1, 200: 3})
    stats.reasons.update({("failed", "status 404"): 1, ("dropped", "offsite"): 7})
    stats.misses.update({"Book.title h1": 2})
    written = json.loads(json.dumps(stats.to_dict()))
    assert written["statuses"] == {"200": 3, "404": 1}
    assert list(written["statuses"]) == ["200", "404"]
    assert written["reasons"] == {"dropped: offsite": 7, "failed: status 404": 1}
    assert list(written["reasons"]) == ["dropped: offsite", "failed: status 404"]
    assert written["misses"] == {"Book.title h1": 2}
    assert (written["seen"], written["end"], written["duration"]) == (2, "finished", 1.5)
    assert set(written) == set(Stats.__dataclass_fields__)


def test_writing_changes_nothing():
    stats = Stats(statuses=Counter({200: 1}))
    stats.to_dict()["statuses"]["200"] = 5
    assert stats.statuses == Counter({200: 1})


def test_a_view_shows_no_host_by_default():
    view = View(Stats(), in_flight=1, queued=2, elapsed=3.0)
    assert view.busiest == ()
    assert HostView("a.test", 1, 2, "delay", 0.5).wait == 0.5


def test_counters_go_on_from_where_they_were_left() -> None:
    stats = Stats(seen=5, fetched=3, items=2, end="interrupted", started=9.5, resumes=1)
    stats.statuses[200] += 3
    stats.reasons["failed", "status 404: gone"] += 2
    stats.misses["Book.price .p"] += 1
    again = Stats()
    again.restore(json.loads(json.dumps(stats.to_dict())))
    assert again == stats
