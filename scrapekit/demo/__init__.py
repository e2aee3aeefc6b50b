"""The bundled shop, which the first run crawls: two sites on one port of this machine.

``serving()`` serves them and keeps the access log, from which anyone can check that a crawl was polite. The spiders for
them and their limits are an ordinary project, in ``project()``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from scrapekit.demo.site import Site
from scrapekit.http.server import Access, Server

#: The names of the two sites, reached through ``[resolve]``.
HOSTS: Final = ("books.test", "quotes.test")
#: The spiders that the demonstration runs, one for each host.
SPIDERS: Final = ("books", "quotes")
#: Where ``scrapekit demo --serve`` listens unless told otherwise; ``scrapekit.toml`` names the same one.
PORT: Final = 8900


@dataclass(frozen=True, slots=True)
class Demo:
    """The sites while they are served: where, and what was asked of them so far, in the order in which it ended."""

    port: int
    url: str
    log: list[Access] = field(default_factory=list)

    @property
    def resolve(self) -> dict[str, str]:
        """The ``[resolve]`` table that leads to them, whatever the port."""
        return dict.fromkeys(HOSTS, f"127.0.0.1:{self.port}")


@asynccontextmanager
async def serving(port: int = 0) -> AsyncIterator[Demo]:
    """Serve the two sites on loopback while the block lasts; 0 takes a free port.

    Raises ConfigError if the port is taken.
    """
    log: list[Access] = []
    async with Server(Site(), port=port, access=log.append) as server:
        yield Demo(server.port, server.url, log)


def project() -> Path:
    """The folder with ``scrapekit.toml`` and ``spiders/``: the repository, or the copy in an installed package."""
    packaged = Path(__file__).parent
    return packaged if (packaged / "scrapekit.toml").is_file() else packaged.parents[1]
