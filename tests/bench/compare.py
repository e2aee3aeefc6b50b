"""Pages per second beside Scrapy: ``python -m tests.bench.compare`` (or ``make bench``).

The job: crawl Debian's postgresql-doc-15, served by nginx on loopback, from its index, following every link inside the
tree, with one item a page (url, title, headings). Limits lifted alike: no delay, 16 at once, robots.txt not asked.
Scrapy runs at its defaults but for these three; scrapekit as ``scrapekit crawl`` ships it. The two take turns; no
figure is printed before both outputs were found to hold the same pages.

Pages per second are taken from the server's log, from the first request's beginning to the last answer's end, so that
neither is charged its start-up; the whole process is given beside it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from tests.real.nginx import Nginx, missing, nginx
from tests.real.pages import TREES

HERE = Path(__file__).resolve().parent

LIFTED = """\
[limits]
delay = 0.0
concurrency = 16
robots = "ignore"
"""

Pages = frozenset[tuple[str, str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Lap:
    """One run: pages a second by the server's log, seconds of the whole process, and what came out."""

    rate: float
    wall: float
    requests: int
    pages: Pages


def scrapy(start: str, out: Path, way: str = "links") -> list[str]:
    settings = {"CONCURRENT_REQUESTS_PER_DOMAIN": 16, "DOWNLOAD_DELAY": 0, "ROBOTSTXT_OBEY": False}
    options = [part for key, value in settings.items() for part in ("-s", f"{key}={value}")]
    spider = HERE / "scrapy_pages.py"
    return [
        sys.executable,
        "-m",
        "scrapy",
        "runspider",
        str(spider),
        "-a",
        f"start={start}",
        "-a",
        f"way={way}",
        "-O",
        str(out),
        *options,
    ]


def scrapekit(start: str, out: Path) -> list[str]:
    spider = HERE.parent / "real" / "spider.py"
    return [sys.executable, "-m", "scrapekit", "crawl", str(spider), "-a", f"start={start}", "-o", str(out)]


#: In which Scrapy's spider is written: each href once, as the tutorial does it, as the manual recommends.
WAYS = ("links", "every", "extracted")
CONTENDERS: dict[str, Callable[[str, Path], list[str]]] = {"scrapekit": scrapekit, "scrapy": scrapy}


def lap(name: str, server: Nginx) -> Lap:
    """Run a contender once, in an empty folder, and read what it wrote and what the server saw."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.jsonl"
        (Path(folder) / "scrapekit.toml").write_text(LIFTED)
        command = CONTENDERS[name](f"{server.base}/index.html", out)
        server.forget()
        with (Path(folder) / "log").open("w+") as log:
            begin = time.monotonic()
            code = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log).returncode
            wall = time.monotonic() - begin
            if code:
                log.seek(0)
                raise SystemExit(f"{name} ended with {code}:\n{log.read()[-3000:]}")
        return _measured(server, wall, out)


def _measured(server: Nginx, wall: float, out: Path) -> Lap:
    hits = server.hits()
    span = max(hit.ended for hit in hits) - hits[0].began
    with out.open() as lines:
        items = [json.loads(line) for line in lines]
    pages = frozenset((item["url"], item["title"], tuple(item["headings"])) for item in items)
    return Lap(len(pages) / span, wall, len(hits), pages)


def compare(laps: dict[str, list[Lap]]) -> None:
    """Raise SystemExit unless every run of every contender gave the same pages."""
    reference = laps["scrapy"][0].pages
    for name, mine in laps.items():
        for number, each in enumerate(mine, 1):
            if each.pages != reference:
                only, missed = sorted(each.pages - reference)[:3], sorted(reference - each.pages)[:3]
                raise SystemExit(f"{name}, run {number}: not the same pages\n  only here: {only}\n  missing: {missed}")


def report(laps: dict[str, list[Lap]]) -> None:
    pages = len(laps["scrapy"][0].pages)
    today = datetime.datetime.now().astimezone().date()
    print(f"{today}, Python {platform.python_version()}, {_processor()}")
    print(f"{pages} pages each, the same by url, title and headings\n")
    print(f"{'':24}{'pages/s':>10}{'least':>10}{'most':>10}{'process':>11}")
    for name, mine in laps.items():
        rates = [each.rate for each in mine]
        wall = statistics.median(each.wall for each in mine)
        label = f"{name} {version('polite-scrapekit' if name == 'scrapekit' else name)}"
        print(f"{label:24}{statistics.median(rates):10.0f}{min(rates):10.0f}{max(rates):10.0f}{wall:9.2f} s")
    ratio = _median(laps["scrapekit"]) / _median(laps["scrapy"])
    pairs = [ours.rate / theirs.rate for ours, theirs in zip(laps["scrapekit"], laps["scrapy"], strict=True)]
    print(f"\nratio of the medians {ratio:.2f}; of the pairs {min(pairs):.2f} to {max(pairs):.2f}")


def _median(laps: list[Lap]) -> float:
    return statistics.median(each.rate for each in laps)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each of the two runs (5)")
    parser.add_argument("--tree", default="postgresql-doc-15", choices=TREES)
    parser.add_argument(
        "--way", default="links", choices=WAYS, help="how Scrapy's spider is written (links, the fastest)"
    )
    options = parser.parse_args()
    CONTENDERS["scrapy"] = partial(scrapy, way=options.way)
    tree = TREES[options.tree]
    if reason := missing() or ("" if tree.is_dir() else f"{tree} is missing (apt-get install {options.tree})"):
        raise SystemExit(reason)
    laps: dict[str, list[Lap]] = {name: [] for name in CONTENDERS}
    with nginx(tree) as server:
        for _ in range(options.rounds):
            for name, mine in laps.items():
                mine.append(lap(name, server))
                print(f"{name}: {mine[-1].requests} requests, {mine[-1].rate:.0f} a second", file=sys.stderr)
    compare(laps)
    report(laps)


if __name__ == "__main__":
    main()
