"""P: through a proxy. Its failures are its own, and nobody but it gets its password."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import signature
from typing import Any, Final

import curio
import pytest

from scrapekit.errors import FetchError, ProxyFailed, ProxyLocked
from scrapekit.http import Deadlines, Proxy, Way
from scrapekit.http.terms import Trust
from scrapekit.pages import Pages
from scrapekit.retry import pause_before_retry
from tests.scenarios.proxy import ProxyServer
from tests.scenarios.server import GOOD, answer
from tests.scenarios.test_g_tls import Authority, authority  # noqa: F401
from tests.scenarios.web import LATE, Web, send

in_a_crawl = pytest.mark.skipif("reach" not in signature(Pages).parameters, reason="a crawl goes no way of its own yet")
BAD_GATEWAY: Final = answer(b"the proxy's own page", 502)


@pytest.fixture
def proxy() -> Iterator[Callable[..., ProxyServer]]:
    started: list[ProxyServer] = []

    def start(upstream: int, **options: Any) -> ProxyServer:
        started.append(ProxyServer(upstream, **options))
        return started[-1]

    yield start
    for each in started:
        each.stop()


def way_to(proxy: ProxyServer, scheme: str = "http", *credentials: str, **more: Any) -> Way:
    return Way(Proxy(scheme, "127.0.0.1", proxy.port, *credentials), **more)


def through(site: Web, proxy: ProxyServer, way: Way, *, scheme: str = "http", times: int = 2) -> Any:
    """Ask site.test, a name that nobody here knows; the replies, or the error, and nothing is left open."""

    async def main(client: Any) -> Any:
        try:
            return [
                await send(client, "/good", host="site.test", scheme=scheme, way=way, deadlines=LATE)
                for _ in range(times)
            ]
        except FetchError as error:
            # The client is none the worse for it.
            assert (await send(client, "/good")).body == b"good"
            return error
        finally:
            await client.close()
            await curio.run_in_thread(proxy.settle)

    result = site.talk(main, look_up=lambda name: pytest.fail(f"{name} was looked up"))
    return result if isinstance(result, FetchError) else [(reply.body, reply.reused) for reply in result]


def test_P01_http_goes_through_in_the_absolute_form(web: Callable[..., Web], proxy: Callable[..., ProxyServer]) -> None:
    site = web({})
    between = proxy(site.server.port)
    assert through(site, between, way_to(between)) == [(b"good", False), (b"good", True)]
    assert [head.split("\r\n")[0] for head in between.heads] == ["GET http://site.test/good HTTP/1.1"] * 2
    assert all(asked.headers["host"] == "site.test" for asked in site.server.asked)
    assert between.connections == 1


def test_P01_https_goes_through_a_tunnel(
    web: Callable[..., Web],
    proxy: Callable[..., ProxyServer],
    authority: Authority,  # noqa: F811
) -> None:
    site = web({}, context=authority.context("site.test"))
    between = proxy(site.server.port, password="secret")
    way = way_to(between, "http", "me", "secret", trust=Trust(ca_file=authority.file))
    assert through(site, between, way, scheme="https") == [(b"good", False), (b"good", True)]
    assert between.targets == [("site.test", 443)]
    assert len(between.heads) == 1
    assert "secret" not in repr(site.server.asked) + repr(way)
    assert not [asked for asked in site.server.asked if "proxy-authorization" in asked.headers]


@pytest.mark.parametrize("credentials", [(), ("me", "wrong")])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_P01_a_proxy_that_is_locked_says_so(
    web: Callable[..., Web], proxy: Callable[..., ProxyServer], scheme: str, credentials: tuple[str, ...]
) -> None:
    site = web({})
    between = proxy(site.server.port, password="secret")
    error = through(site, between, way_to(between, "http", *credentials), scheme=scheme)
    assert (type(error), error.host) == (ProxyLocked, "site.test")
    assert pause_before_retry(error, attempt=1, repeatable=True) is None
    assert "wrong" not in str(error)
    assert site.server.paths() == ["/good"]  # the direct one
    assert between.connections == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("kind", ["http", "socks5h"])
def test_P01_a_proxy_that_is_down_is_its_own_failure(
    web: Callable[..., Web], proxy: Callable[..., ProxyServer], scheme: str, kind: str
) -> None:
    site = web({})
    down = proxy(site.server.port)
    down.stop()
    error = through(site, down, way_to(down, kind), scheme=scheme)
    assert (type(error), error.phase, error.host, error.sent) == (ProxyFailed, "connect", "site.test", False)
    assert str(down.port) in error.detail


def test_P01_a_502_for_a_tunnel_is_the_proxys_failure(
    web: Callable[..., Web], proxy: Callable[..., ProxyServer]
) -> None:
    site = web({})
    between = proxy(site.server.port, says=BAD_GATEWAY)
    error = through(site, between, way_to(between), scheme="https")
    assert (type(error), error.phase) == (ProxyFailed, "head")
    assert "502" in error.detail
    assert between.targets == []


@in_a_crawl
def test_P01_a_crawl_charges_the_proxy_and_not_the_site(
    web: Callable[..., Web], proxy: Callable[..., ProxyServer]
) -> None:
    site = web({})
    between = proxy(site.server.port, password="secret")
    by_proxy = f"hosts.'site.test'.proxy=http://127.0.0.1:{between.port}"
    crawled = site.crawl([f"http://site.test/{n}" for n in range(3)] + ["http://a.test/good"], by_proxy)
    assert crawled.urls == ["http://a.test/good"]
    assert crawled.reasons == {"failed: proxy locked": 3}
    assert {asked.headers["host"] for asked in site.server.asked} == {"a.test"}


@in_a_crawl
def test_P01_a_crawl_goes_through(web: Callable[..., Web], proxy: Callable[..., ProxyServer]) -> None:
    site = web({f"/{n}": GOOD for n in range(5)})
    between = proxy(site.server.port, password="secret")
    by_proxy = f"hosts.'site.test'.proxy=http://me:secret@127.0.0.1:{between.port}"
    crawled = site.crawl([f"http://site.test/{n}" for n in range(5)], by_proxy)
    assert (crawled.outcomes, crawled.bodies) == ((5, 0, 0, 0), [b"good"] * 5)
    assert [head.split()[1] for head in between.heads] == [
        f"http://site.test/{path}" for path in ("robots.txt", *range(5))
    ]
    assert "secret" not in repr(site.server.asked)


@pytest.mark.parametrize("password", ["", "secret"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_P02_by_socks5_the_proxy_looks_the_name_up(
    web: Callable[..., Web],
    proxy: Callable[..., ProxyServer],
    authority: Authority,  # noqa: F811
    scheme: str,
    password: str,
) -> None:
    site = web({}, context=authority.context("site.test") if scheme == "https" else None)
    between = proxy(site.server.port, socks=True, password=password)
    way = way_to(between, "socks5h", *(("me", password) if password else ()), trust=Trust(ca_file=authority.file))
    assert through(site, between, way, scheme=scheme) == [(b"good", False), (b"good", True)]
    assert between.targets == [("site.test", 443 if scheme == "https" else 80)]
    assert between.connections == 1
    assert between.credentials == ([f"me:{password}"] if password else [])


def test_P02_by_plain_socks5_the_address_is_ours(web: Callable[..., Web], proxy: Callable[..., ProxyServer]) -> None:
    site = web({})
    between = proxy(site.server.port, socks=True)

    async def main(client: Any) -> bytes:
        body: bytes = (await send(client, "/good", way=way_to(between, "socks5"))).body
        await client.close()
        await curio.run_in_thread(between.settle)
        return body

    assert site.talk(main) == b"good"
    assert between.targets == [("127.0.0.1", site.server.port)]


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (b"\x05\x01\x00\x01\0\0\0\0\0\0", "general failure"),
        (b"\x05\x02\x00\x01\0\0\0\0\0\0", "not allowed"),
        (b"\x05\x04\x00\x01\0\0\0\0\0\0", "host unreachable"),
        (b"\x05\x05\x00\x01\0\0\0\0\0\0", "refused"),
        (b"\x04\x5a\0\0\0\0\0\0", ""),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ""),
    ],
)
def test_P02_what_socks5_refuses_or_does_not_speak_is_the_proxys_failure(
    web: Callable[..., Web], proxy: Callable[..., ProxyServer], says: bytes, words: str
) -> None:
    site = web({})
    between = proxy(site.server.port, socks=True, says=says)
    error = through(site, between, way_to(between, "socks5h"))
    assert (type(error), error.sent) == (ProxyFailed, False)
    assert words in error.detail


@pytest.mark.parametrize("credentials", [(), ("me", "wrong")])
def test_P02_a_socks5_proxy_that_is_locked_says_so(
    web: Callable[..., Web], proxy: Callable[..., ProxyServer], credentials: tuple[str, ...]
) -> None:
    site = web({})
    between = proxy(site.server.port, socks=True, password="secret")
    assert type(through(site, between, way_to(between, "socks5h", *credentials))) is ProxyLocked
    assert between.targets == []


def test_P02_a_proxy_that_never_answers_is_its_own_timeout(
    web: Callable[..., Web], proxy: Callable[..., ProxyServer]
) -> None:
    site = web({})
    between = proxy(site.server.port)  # which waits for a head that does not come: it speaks no SOCKS5

    async def main(client: Any) -> FetchError:
        with pytest.raises(FetchError) as caught:
            way = way_to(between, "socks5h")
            await send(client, "/good", host="site.test", way=way, deadlines=Deadlines(0.2, 5.0, 5.0))
        await curio.run_in_thread(between.settle)
        return caught.value

    assert type(site.talk(main)) is ProxyFailed
