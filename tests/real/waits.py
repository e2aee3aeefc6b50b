"""A crowd of hosts: one dead, one slow, one fast, and many that wait; for test_waits.py and the bench."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from scrapekit import Request, Response, Spider

FAST, SLOW, DEAD = "127.1.0.1", "127.1.0.2", "127.1.0.3"
CROWD = [f"127.2.0.{number}" for number in range(1, 101)]

#: host        pages
PAGES = {FAST: 12, SLOW: 4, DEAD: 4} | dict.fromkeys(CROWD, 3)


#: 2,000 bytes at 1,000 bytes a second: each page of the slow host takes longer than the delay.
SLOWLY: Final = "location /slow/ { limit_rate 1000; }"


def folder_of(host: str) -> str:
    return "slow" if host == SLOW else "page"


def write_site(root: Path) -> None:
    """The pages that all of these hosts serve."""
    for folder, size in (("page", 400), ("slow", 2_000)):
        (root / folder).mkdir(parents=True)
        for number in range(max(PAGES.values())):
            (root / folder / f"{number}.html").write_text(f"<title>{number}</title>".ljust(size))


@contextmanager
def dead_host() -> Iterator[int]:
    """A port of DEAD at which nobody answers, not even with a refusal; its number."""
    with socket.socket() as listener:
        listener.bind((DEAD, 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:  # once the queue of an unanswered listener is full, Linux drops what comes
                filler.setblocking(False)
                filler.connect_ex((DEAD, port))
            yield port
        finally:
            for filler in fillers:
                filler.close()


class Waits(Spider):
    name = "waits"

    def __init__(self, port: str, dead_port: str = "", only: str = "") -> None:
        self.port, self.dead_port, self.only = port, dead_port, only

    def start(self) -> Iterator[Request]:
        # Whoever has most comes last: a queue that is served first come, first served would keep it waiting.
        for host, count in reversed(PAGES.items()):
            if self.only not in ("", host):
                continue
            port = self.dead_port if host == DEAD else self.port
            for number in range(count):
                yield Request(f"http://{host}:{port}/{folder_of(host)}/{number}.html")

    def parse(self, response: Response) -> Iterator[dict[str, str]]:
        yield {"url": response.url}
