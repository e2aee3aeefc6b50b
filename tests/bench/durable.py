"""What durability costs: one crawl of real pages with the frontier in a file, and with it in memory, turn by turn.

    python -m tests.bench.durable [--rounds 5]

Both keep a run's folder with its ledger and items, limits lifted; the pages are those of Debian's postgresql-doc-15,
served by nginx on loopback. Each crawl is a process of its own, and its time is the crawl's own duration.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.real.nginx import nginx
from tests.real.pages import TREES

SETTINGS = {"limits": {"delay": 0, "concurrency": 8}}


def crawl(kind: str, start: str, folder: str) -> None:
    """Runs in a process of its own, and prints what came of it."""
    import os

    from scrapekit import Settings, files
    from scrapekit.crawler import crawl as run
    from scrapekit.frontier import MemoryFrontier
    from tests.real.spider import Pages

    os.chdir(folder)
    if kind == "memory":
        files.SQLiteFrontier = lambda path, **options: MemoryFrontier()  # type: ignore[assignment,misc]
    stats = run(Pages(start), Settings.make(SETTINGS))
    print(json.dumps({"pages": stats.fetched, "items": stats.items, "seconds": stats.duration}))


def measured(kind: str, start: str) -> float:
    """Pages per second of one crawl."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.bench.durable", "--one", kind, "--start", start, "--folder", folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout)
    return float(told["pages"] / told["seconds"])


def main() -> None:
    """Measure, and say the medians and their ratio."""
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=5)
    for hidden in ("--one", "--start", "--folder"):
        options.add_argument(hidden, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        return crawl(given.one, given.start, given.folder)
    rates: dict[str, list[float]] = {"memory": [], "file": []}
    with nginx(Path(TREES["postgresql-doc-15"])) as server:
        for _ in range(given.rounds):
            for kind, found in rates.items():
                found.append(measured(kind, f"http://127.0.0.1:{server.port}/index.html"))
    for kind, found in rates.items():
        print(f"{kind:8} {statistics.median(found):7.0f} pages/s  ({', '.join(f'{rate:.0f}' for rate in found)})")
    pairs = [file / memory for memory, file in zip(rates["memory"], rates["file"], strict=True)]
    print(f"in a file: {statistics.median(pairs):.3f} of the pages per second in memory")
    return None


if __name__ == "__main__":
    main()
