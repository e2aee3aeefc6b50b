"""Many polite hosts at once, beside Scrapy: ``python -m tests.bench.hosts``.

Hosts are addresses 127.1.x.y, which one nginx answers; each has so many pages, all known at the start and told in one
shuffled order, and a delay between the starts of two requests. The ideal is what the delay permits: as many pauses as
the largest host has requests but one, robots.txt among them. Both obey it; times are the server's, from the first
request's beginning to the last one's, so that neither is charged its start-up.

Scrapy runs at its defaults but for DOWNLOAD_DELAY (not randomized), CONCURRENT_REQUESTS_PER_DOMAIN=1 and
ROBOTSTXT_OBEY; scrapekit as ``scrapekit crawl`` ships it, with the delay set.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.real.nginx import Nginx, by_address, least_gap, missing, nginx

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Job:
    """So many hosts with so many pages each, and the delay in seconds; ``target`` is ours, a share of the ideal."""

    hosts: int
    pages: int
    delay: float
    target: float


#: 3rd: 5 requests a host make four pauses
JOBS = (Job(50, 20, 0.5, 0.95), Job(200, 20, 0.5, 0.95), Job(1000, 4, 1.0, 0.90))


@dataclass(frozen=True, slots=True)
class Lap:
    """Seconds that one crawl took and would take at best, the least gap at any host, the requests, and all seconds."""

    took: float
    ideal: float
    least_gap: float
    requests: int
    wall: float


def scrapekit(job: Job, port: int, sets: list[str]) -> list[str]:
    options = [part for each in (f"limits.delay={job.delay}", *sets) for part in ("--set", each)]
    return [
        sys.executable,
        "-m",
        "scrapekit",
        "crawl",
        str(HERE / "hosts_scrapekit.py"),
        "-q",
        *_arguments(job, port),
        *options,
    ]


def scrapy(job: Job, port: int, sets: list[str]) -> list[str]:
    settings = {
        "DOWNLOAD_DELAY": job.delay,
        "RANDOMIZE_DOWNLOAD_DELAY": False,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
        "ROBOTSTXT_OBEY": True,
        "LOG_LEVEL": "ERROR",
    }
    options = [part for key, value in settings.items() for part in ("-s", f"{key}={value}")]
    return [
        sys.executable,
        "-m",
        "scrapy",
        "runspider",
        str(HERE / "hosts_scrapy.py"),
        *_arguments(job, port),
        *options,
    ]


CONTENDERS = {"scrapekit": scrapekit, "scrapy": scrapy}


def _arguments(job: Job, port: int) -> list[str]:
    facts = {"hosts": job.hosts, "pages": job.pages, "port": port}
    return [part for key, value in facts.items() for part in ("-a", f"{key}={value}")]


def lap(name: str, job: Job, server: Nginx, sets: list[str]) -> Lap:
    """Crawl once, in an empty folder, and read what the server saw."""
    server.forget()
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        begin = time.monotonic()
        command = CONTENDERS[name](job, server.port, sets)
        code = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log).returncode
        wall = time.monotonic() - begin
        log.seek(0)
        if code:
            raise SystemExit(f"{name} ended with {code}:\n{log.read()[-3000:]}")
    return _measured(job, server, wall)


def _measured(job: Job, server: Nginx, wall: float) -> Lap:
    hits = server.hits()
    hosts = by_address(hits)
    pages = {(hit.address, hit.target) for hit in hits if hit.status == 200}
    if len(pages) != job.hosts * job.pages or len(hosts) != job.hosts:
        raise SystemExit(f"{len(pages)} pages of {len(hosts)} hosts came, not {job.hosts * job.pages} of {job.hosts}")
    ideal = (max(map(len, hosts.values())) - 1) * job.delay
    least = min(least_gap(mine) for mine in hosts.values())
    return Lap(hits[-1].began - hits[0].began, ideal, least, len(hits), wall)


def report(name: str, job: Job, laps: list[Lap]) -> float:
    share = statistics.median(each.ideal / each.took for each in laps)
    took, ideal = statistics.median(each.took for each in laps), laps[0].ideal
    least = min(each.least_gap for each in laps)
    print(
        f"{name:10} {job.hosts:5} hosts at {job.delay:g} s: {share:6.1%} of the ideal"
        f" ({took:.2f} s for {ideal:.2f} s, {laps[0].requests} requests, least gap {least:.3f} s)",
        flush=True,
    )
    return share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each of the two runs (3)")
    parser.add_argument("--only", choices=CONTENDERS, help="one contender only")
    parser.add_argument("--hosts", type=int, choices=[job.hosts for job in JOBS], help="one job only")
    parser.add_argument("--set", action="append", default=[], dest="sets", help="a setting of scrapekit's")
    options = parser.parse_args()
    if reason := missing():
        raise SystemExit(reason)
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(max(job.pages for job in JOBS)):
            (Path(folder) / f"{number}.html").write_text(f"<title>{number}</title>".ljust(2_000))
        with nginx(Path(folder), any_address=True) as server:
            for job in JOBS:
                for name in CONTENDERS:
                    if options.only in (None, name) and options.hosts in (None, job.hosts):
                        share = report(name, job, [lap(name, job, server, options.sets) for _ in range(options.rounds)])
                        missed += [job.hosts] if name == "scrapekit" and share < job.target else []
    if missed:
        raise SystemExit(f"below the target: {missed}")


if __name__ == "__main__":
    main()
