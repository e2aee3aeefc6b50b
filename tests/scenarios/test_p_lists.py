"""P in a crawl: the next of a list takes over, failures are charged to the proxy, the environment counts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import curio
import pytest

from scrapekit import execution
from scrapekit.errors import ProxyLocked
from tests.http.proxyserver import ProxyServer
from tests.scenarios.crawling import Crawled, crawl_of
from tests.scenarios.server import GOOD, Server, answer

pytestmark = pytest.mark.skipif(
    "way_of" not in inspect.getsource(execution), reason="a crawl goes no way of its own yet"
)
PAGE = answer('<a href="/2">two</a><a href="/3">three</a>', 200, "Content-Type: text/html")
#: One failure of the site's would end the crawl of it.
STRICT = ("limits.max_errors=1", "limits.circuit_failures=1")


@pytest.fixture
def site() -> Iterator[Server]:
    """Three pages at a name that no resolver knows."""
    made = Server({"/": PAGE, "/2": GOOD, "/3": GOOD})
    yield made
    made.stop()


@pytest.fixture
def proxy(site: Server) -> Iterator[Callable[..., ProxyServer]]:
    started: list[ProxyServer] = []

    def start(**options: Any) -> ProxyServer:
        started.append(ProxyServer({"site.test": site.port}, **options))
        return started[-1]

    yield start
    for each in started:
        each.stop()


def crawl(run: Callable[..., Any], servers: list[Any], *sets: str) -> Crawled:
    async def whole() -> Crawled:
        crawled = await crawl_of(["http://site.test/"], *sets, *STRICT, follow=True)
        for each in servers:
            await curio.run_in_thread(each.settle)
        return crawled

    crawled: Crawled = run(whole)
    return crawled


@pytest.mark.parametrize("kind", ["http", "socks5h"])
def test_P01_P02_robots_txt_and_pages_go_on_one_connection(run: Any, site: Server, proxy: Any, kind: str) -> None:
    between = proxy()
    crawled = crawl(run, [between, site], f"limits.proxy={kind}://127.0.0.1:{between.port}")
    assert crawled.outcomes == (3, 0, 0, 0)
    assert site.paths()[:2] == ["/robots.txt", "/"]
    assert between.connections == 1


def test_P01_the_environment_counts(run: Any, site: Server, proxy: Any, monkeypatch: Any) -> None:
    between = proxy()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{between.port}")
    monkeypatch.setenv("no_proxy", "")
    assert crawl(run, [between, site]).outcomes == (3, 0, 0, 0)


def test_P01_a_proxy_that_is_locked_ends_the_request_and_no_site_is_asked(run: Any, site: Server, proxy: Any) -> None:
    between = proxy(user=("some", "body"))
    crawled = crawl(run, [between, site], f"limits.proxy=http://127.0.0.1:{between.port}")
    assert crawled.outcomes == (0, 1, 0, 0)
    assert type(crawled.failures[0].error) is ProxyLocked
    assert site.connections == 0


def test_P01_the_next_of_a_list_takes_over_at_once(run: Any, site: Server, proxy: Any) -> None:
    good, locked = proxy(), proxy(user=("some", "body"))
    urls = [f"http://127.0.0.1:{each.port}" for each in (good, locked)]
    for order in (urls, urls[::-1]):  # one of which begins with the wrong one
        crawled = crawl(run, [good, locked, site], f"limits.proxy={order!r}")
        assert crawled.outcomes == (3, 0, 0, 0)
        assert crawled.seconds < 5.0, "it waited for a retry"
    assert locked.connections == 1
