"""What the ledger costs a send: ``python -m tests.bench.ledger``.

Both records of a send, for URLs of 80 characters on average at a thousand hosts, into a file in a temporary folder.
Microseconds are the least of several rounds, since whatever else the machine does only adds to them.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from scrapekit.headers import Headers
from scrapekit.ledger import Ledger

SENDS = 50_000
ROUNDS = 5


def lap(folder: Path) -> tuple[float, float]:
    """Microseconds and bytes a send."""
    ledger = Ledger(folder, spider="bench", agent="bench", user_agent="bench/1.0", now=0.0)
    path = "/a/folder/with/a/name/and/a/page/in/it/that/has/a/name/"
    headers = Headers({"Content-Type": "text/html", "Server": "nginx"})
    began = time.perf_counter()
    for n in range(SENDS):
        now = n * 0.01
        url = f"http://host{n % 1000}.example{path}{n}"
        handle = ledger.about_to_send(
            n, url, now=now, due=now, rule="delay", delay=1.0, source="delay", digest="d" * 64, address="10.0.0.1"
        )
        handle.sent = now + 0.001
        ledger.ended(handle, now=now + 0.05, status=200, size=12_345, address="10.0.0.1", headers=headers)
    spent = time.perf_counter() - began
    ledger.close()
    return spent / SENDS * 1e6, ledger.path.stat().st_size / SENDS


def main() -> None:
    laps = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            laps.append(lap(Path(folder)))
    print(f"{min(laps)[0]:.1f} microseconds and {laps[0][1]:.0f} bytes a send")


if __name__ == "__main__":
    main()
