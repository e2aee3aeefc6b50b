"""A crawl on a disk that is too small, which grows each time that it is full: run by test_kills.py within ``unshare``.

Mounts a tmpfs, crawls there into every kind of export, and makes room and resumes until the crawl is over. Prints JSON:
for each process its exit code and what it said last. What it wrote is left in the folder ``left``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

from scrapekit.audit import judge
from scrapekit.ledger import read
from tests.real.kills import WORK_LEFT, Crawls

#: How large the disk is at first, and by how much it grows. Bytes; the second is drawn anew each time.
FIRST = 600_000
MORE = 200_000, 900_000


def main(folder: Path, start: str, seed: int) -> None:
    """Crawl, and grow, until it is over."""
    disk, dice, size = folder / "disk", Random(seed), FIRST
    disk.mkdir()
    mount(disk, size)
    crawls = Crawls(disk, start, delay=0)
    ends = [[crawls.whole(), crawls.said[-1]]]
    while ends[-1][0] == WORK_LEFT:
        size += dice.randint(*MORE)
        mount(disk, size, "remount")
        # The very first thing that does not fit may be the run itself.
        ends.append([crawls.whole("--resume" if crawls.written() else "--overwrite"), crawls.said[-1]])
    assert crawls.run is not None
    assert judge(read(crawls.run.path)).violations == []
    shutil.copytree(disk, folder / "left")
    print(json.dumps(ends))


def mount(disk: Path, size: int, *options: str) -> None:
    """Make the disk, or change its size."""
    wanted = ",".join([*options, f"size={size}"])
    subprocess.run(["mount", "-t", "tmpfs", "-o", wanted, "tmpfs", disk], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
