"""The limits as they are by default, in one crawl of many hosts, judged by the server's own log."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.real.nginx import by_address, least_gap, most_at_once
from tests.real.waits import CROWD, DEAD, FAST, PAGES, SLOW, SLOWLY, dead_host, folder_of, write_site

SPIDER = Path(__file__).with_name("waits.py")
DELAY = 1.0  # the default

#: The log counts whole milliseconds, and nginx notes a request when it wakes for it: on a busy machine a little after
#: it came. A request noted late makes the gap behind it look shorter than it was.
NOTED_LATE = 0.015


@pytest.mark.server
def test_by_default_no_host_gets_two_at_once_nor_two_within_the_delay_and_none_starves(serve, crawl, tmp_path):
    write_site(tmp_path / "site")
    server = serve(tmp_path / "site", any_address=True, locations=SLOWLY)

    with dead_host() as dead_port:
        arguments = ("-a", f"port={server.port}", "-a", f"dead_port={dead_port}", "--max-time", "20")
        done = crawl(SPIDER, *arguments, seconds=90)

    hits = by_address(server.hits())
    assert set(hits) == {FAST, SLOW, *CROWD}, done.said
    for address, mine in hits.items():
        expected = Counter({"/robots.txt": 1}) + Counter(
            f"/{folder_of(address)}/{n}.html" for n in range(PAGES[address])
        )
        assert Counter(hit.target for hit in mine) == expected, address
        assert mine[0].target == "/robots.txt"
        assert least_gap(mine) >= DELAY - NOTED_LATE, (address, mine)
        assert most_at_once(mine) == 1, (address, mine)
    # Each page of the slow host did outlast the delay, and the fast one was never kept waiting by the others.
    assert all(hit.ended - hit.began > DELAY for hit in hits[SLOW][1:])
    fast = hits[FAST]
    assert fast[-1].began - fast[0].began <= 1.05 * DELAY * PAGES[FAST]
    assert len(done.items) == sum(PAGES.values()) - PAGES[DEAD]
