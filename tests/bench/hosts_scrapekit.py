"""The job of ``hosts.py`` in scrapekit."""

from __future__ import annotations

import random
from collections.abc import Iterator

from scrapekit import Response, Spider


class Hosts(Spider):
    name = "hosts"

    def __init__(self, hosts: str, pages: str, port: str) -> None:
        self.start_urls = [
            f"http://127.1.{host // 250}.{host % 250 + 1}:{port}/{page}.html"
            for host in range(int(hosts))
            for page in range(int(pages))
        ]
        random.Random(1).shuffle(self.start_urls)

    def parse(self, response: Response) -> Iterator[dict[str, str]]:
        yield {"url": response.url}
