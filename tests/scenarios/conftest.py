"""What the scenarios are played with: ``web`` over real sockets, ``crawl`` in memory on a virtual clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from scrapekit.testing import FakeNetwork
from tests.scenarios.crawling import Crawled, crawl_in_memory
from tests.scenarios.server import Play
from tests.scenarios.web import Web

HERE: Final = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them are played by a server of their own, once for all CPythons."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.server)


@pytest.fixture
def web(run: Callable[..., Any]) -> Iterator[Callable[..., Web]]:
    """``web(plays)`` starts a server with these plays, and gives a Web."""
    started: list[Web] = []

    def start(plays: Mapping[str, Play], **options: Any) -> Web:
        started.append(Web(run, plays, **options))
        return started[-1]

    yield start
    for each in started:
        each.server.stop()


@pytest.fixture
def crawl(run: Callable[..., Any]) -> Callable[..., Crawled]:
    """``crawl(network, urls, *settings)`` crawls a fake network on a virtual clock."""

    def crawler(network: FakeNetwork, urls: Sequence[Any], *sets: str, **more: Any) -> Crawled:
        return crawl_in_memory(run, network, urls, *sets, **more)

    return crawler
