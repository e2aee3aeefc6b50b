"""What a request costs as hosts grow in number: ``python -m tests.bench.simulation``.

The real scheduler, registry, frontier and fetcher crawl simulated webs of 100, 1,000, 10,000 and 100,000 hosts, nine
pages and a robots.txt each on average, at the default limits: one request at once to a host, and a second between two.
In the largest that makes a million requests. Clock and network are virtual, so what is measured is our own code and
theirs. Every request is held against the delay and the cap. Each size has a process of its own.

A request must not cost more than 1.5 times as much in the largest web as in the smallest.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from scrapekit import Response, Spider
from scrapekit.testing import Answer, Knobs, Simulation, Visit
from scrapekit.testing.world import ROUNDING

SIZES = (100, 1_000, 10_000, 100_000)
#: Small webs are crawled several times, until so many requests were sent.
ENOUGH = 20_000
#: The default limits.
DELAY = 1.0
FLAT = 1.5


class Web(Simulation):
    """A web that keeps one visit for each host, and says so when the next one comes too early."""

    def __init__(self, seed: int, hosts: int) -> None:
        super().__init__(seed, Knobs(hosts=hosts, pages=9.6))
        self.sends = 0
        self._last: dict[str, Visit] = {}

    def note(self, visit: Visit) -> None:
        last = self._last.get(visit.host)
        if last is not None and (last.ended > visit.began or visit.began - (last.sent or 0.0) < DELAY - ROUNDING):
            raise SystemExit(f"not polite: {last} and {visit}")
        self._last[visit.host] = visit
        self.sends += 1

    def _page(self, url: str, nth: int, facts: dict[str, Any]) -> Answer:
        return Answer(**facts)


class Links(Spider):
    """Follows the links of a page without reading it: what a parser costs is measured elsewhere."""

    name = "links"

    def __init__(self, web: Web) -> None:
        self.web = web
        self.start_urls = web.start()

    def parse(self, response: Response) -> Iterator[str]:
        yield from self.web.links(response.url)


def measure(hosts: int, slots: int) -> dict[str, float]:
    """Crawl webs of one size."""
    logging.getLogger("scrapekit").setLevel(logging.ERROR)
    gc.freeze()  # as the command line has it
    gc.set_threshold(50_000, 20, 100)
    sends = seed = 0
    spent = virtual = 0.0
    while sends < ENOUGH:
        web = Web(seed, hosts)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begin = time.perf_counter()
        stats = web.crawl(
            f"crawl.workbench={hosts + 1}", f"crawl.concurrency={slots}", "crawl.max_wait=1000000", spider=Links(web)
        )
        spent += time.perf_counter() - begin
        if stats.end != "finished" or stats.fetched != sum(site.pages for site in web.sites):
            raise SystemExit(f"{stats.end}: {stats.fetched} pages of {sum(site.pages for site in web.sites)}")
        sends, seed, virtual = sends + web.sends, seed + 1, virtual + stats.duration
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"sends": sends, "seconds": spent, "virtual": virtual / seed, "memory": memory / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=SIZES[-1], help="the largest web, in hosts (100,000)")
    parser.add_argument("--slots", type=int, default=1_000, help="[crawl] concurrency (1,000)")
    parser.add_argument("--one", type=int, help="this size only, in this process; prints JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.slots)))
        return
    costs = []
    for hosts in [size for size in SIZES if size <= options.most]:
        command = [sys.executable, "-m", "tests.bench.simulation", "--one", str(hosts), "--slots", str(options.slots)]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        costs.append(found["seconds"] / found["sends"] * 1e6)
        print(
            f"{hosts:7,} hosts: {costs[-1]:5.0f} µs a request ({found['sends']:,} requests in {found['seconds']:.0f} s"
            f" for {found['virtual']:,.0f} s of a crawl; {found['memory']:,.0f} MB more)",
            flush=True,
        )
    print(f"the largest costs {costs[-1] / costs[0]:.2f} times the smallest")
    if costs[-1] > FLAT * costs[0]:
        raise SystemExit(f"more than {FLAT}")


if __name__ == "__main__":
    main()
