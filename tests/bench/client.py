"""The client by itself beside aiohttp's: ``python -m tests.bench.client``.

Each gets the same small page from nginx on loopback many times over kept connections, 8 at once, and reads it. The
two take turns, each in a process of its own; what is given is requests per second of wall time, start-up left out.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.real.nginx import missing, nginx

AT_ONCE = 8
SIZE = 2_000

OURS = """
import sys, time
from scrapekit import Session
import curio

async def main(url, count):
    async def some(session):
        for _ in range(count // {at_once}):
            response = await session.get(url)
            assert len(response.body) == {size}
    async with Session() as session:
        begin = time.perf_counter()
        async with curio.TaskGroup() as group:
            for _ in range({at_once}):
                await group.spawn(some, session)
        print(count / (time.perf_counter() - begin))

curio.run(main, sys.argv[1], int(sys.argv[2]))
"""

THEIRS = """
import asyncio, sys, time
import aiohttp

async def main(url, count):
    async def some(session):
        for _ in range(count // {at_once}):
            async with session.get(url) as response:
                assert len(await response.read()) == {size}
    async with aiohttp.ClientSession() as session:
        begin = time.perf_counter()
        await asyncio.gather(*(some(session) for _ in range({at_once})))
        print(count / (time.perf_counter() - begin))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def rate(program: str, url: str, count: int) -> float:
    code = program.format(at_once=AT_ONCE, size=SIZE)
    done = subprocess.run([sys.executable, "-c", code, url, str(count)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each of the two runs (5)")
    parser.add_argument("--requests", type=int, default=8_000, help="requests in a run (8000)")
    options = parser.parse_args()
    if reason := missing():
        raise SystemExit(reason)
    rates: dict[str, list[float]] = {"scrapekit": [], "aiohttp": []}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "page.html").write_text("x" * SIZE)
        with nginx(Path(folder)) as server:
            for _ in range(options.rounds):
                rates["scrapekit"].append(rate(OURS, f"{server.base}/page.html", options.requests))
                rates["aiohttp"].append(rate(THEIRS, f"{server.base}/page.html", options.requests))
    for name, mine in rates.items():
        print(f"{name:10}{statistics.median(mine):8.0f} requests/s, {min(mine):.0f} to {max(mine):.0f}")
    ratio = statistics.median(rates["aiohttp"]) / statistics.median(rates["scrapekit"])
    print(f"scrapekit takes {ratio:.2f} times aiohttp's time")


if __name__ == "__main__":
    main()
