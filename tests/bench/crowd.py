"""One host's pages per second alone, and in a crowd: ``python -m tests.bench.crowd``.

The limits are the defaults. The crowd is that of tests/real/waits.py: a dead host, a slow one and a hundred that wait,
all in one crawl of 64 slots. By the server's own log, the fast host must lose less than 5 %.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.real.nginx import Nginx, by_address, missing, nginx
from tests.real.waits import FAST, SLOWLY, dead_host, write_site

SPIDER = Path(__file__).resolve().parent.parent / "real" / "waits.py"
AT_MOST = 0.05


def rate(server: Nginx, *arguments: str) -> float:
    """Crawl once; the fast host's pages per second, from its first request's beginning to its last one's."""
    server.forget()
    command = [sys.executable, "-m", "scrapekit", "crawl", str(SPIDER), "-q", "--max-time", "20", "-o", "out.jsonl"]
    options = [part for argument in (f"port={server.port}", *arguments) for part in ("-a", argument)]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*command, *options], cwd=folder, stdin=subprocess.DEVNULL, check=False)
    mine = by_address(server.hits())[FAST]
    return (len(mine) - 1) / (mine[-1].began - mine[0].began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run (3)")
    options = parser.parse_args()
    if reason := missing():
        raise SystemExit(reason)
    alone: list[float] = []
    crowded: list[float] = []
    with tempfile.TemporaryDirectory() as folder, dead_host() as dead_port:
        write_site(Path(folder) / "site")
        with nginx(Path(folder) / "site", any_address=True, locations=SLOWLY) as server:
            for _ in range(options.rounds):
                alone.append(rate(server, f"only={FAST}"))
                crowded.append(rate(server, f"dead_port={dead_port}"))
    lost = 1 - statistics.median(crowded) / statistics.median(alone)
    print(
        f"alone {statistics.median(alone):.4f} pages/s, in the crowd {statistics.median(crowded):.4f}: {lost:.2%} lost"
    )
    if lost > AT_MOST:
        raise SystemExit(f"more than {AT_MOST:.0%}")


if __name__ == "__main__":
    main()
