"""A crowd of hosts: one dead, one slow, one fast, and many that wait; for test_waits.py."""

from __future__ import annotations

from collections.abc import Iterator

from scrapekit import Request, Response, Spider

FAST, SLOW, DEAD = "127.1.0.1", "127.1.0.2", "127.1.0.3"
CROWD = [f"127.2.0.{number}" for number in range(1, 101)]

#: host        pages
PAGES = {FAST: 12, SLOW: 4, DEAD: 4} | dict.fromkeys(CROWD, 3)


class Waits(Spider):
    name = "waits"

    def __init__(self, port: str, dead_port: str) -> None:
        self.port, self.dead_port = port, dead_port

    def start(self) -> Iterator[Request]:
        # Whoever has most comes last: a queue that is served first come, first served would keep it waiting.
        for host, count in reversed(PAGES.items()):
            port = self.dead_port if host == DEAD else self.port
            folder = "slow" if host == SLOW else "page"
            for number in range(count):
                yield Request(f"http://{host}:{port}/{folder}/{number}.html")

    def parse(self, response: Response) -> Iterator[dict[str, str]]:
        yield {"url": response.url}
