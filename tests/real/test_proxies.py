"""Proxies that others wrote: what they say is understood, and what we say to them."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from typing import Any

import curio
import pytest
import trustme

from scrapekit.errors import FetchError, ProxyFailed, ProxyLocked
from scrapekit.headers import Headers
from scrapekit.http import Client, Reply, Resolver, Terms, Trust, Way
from scrapekit.proxies import parse
from tests.real.nginx import free_port
from tests.real.proxies import USER, missing, proxy
from tests.scenarios.server import GOOD, Server

pytestmark = pytest.mark.server

#: scheme        program
PROGRAMS = {"http": "tinyproxy", "socks5": "microsocks", "socks5h": "microsocks"}
BY_KIND = pytest.mark.parametrize("kind", PROGRAMS)
BY_SCHEME = pytest.mark.parametrize("scheme", ["http", "https"])


@pytest.fixture
def start() -> Callable[..., Any]:
    """``start(kind, locked=False)`` runs a proxy while its block lasts."""

    def started(kind: str, *, locked: bool = False) -> Any:
        if reason := missing(PROGRAMS[kind]):
            pytest.skip(reason)
        return proxy(PROGRAMS[kind], locked=locked)

    return started


@pytest.fixture(params=["http", "https"])
def site(request: Any, tmp_path: Any) -> Iterator[tuple[Server, str, Trust]]:
    """A site on this machine: it, its URL by a name, and whom to believe."""
    context, ca = None, trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    if request.param == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("localhost").configure_cert(context)
    server = Server({"/": GOOD}, context=context)
    yield server, f"{request.param}://localhost:{server.port}/", Trust(ca_file=str(tmp_path / "ca.pem"))
    server.stop()


def asked(
    run: Callable[..., Any], url: str, way: Way, *, times: int = 1, names: bool = False, site: Server | None = None
) -> Any:
    """The answers to so many requests, or the error; the site's name is known to us only with ``names``."""

    async def send(client: Client) -> Reply:
        """Once more where a kept connection was closed meanwhile, as tinyproxy does without a word."""
        try:
            return await client.send("GET", url, Headers(), terms=Terms(way=way))
        except FetchError as error:
            if not error.reused:
                raise
        return await client.send("GET", url, Headers(), terms=Terms(way=way), fresh=True)

    async def main() -> Any:
        found: Any = []
        async with Client(Resolver({"localhost": "127.0.0.1"} if names else {}, getaddrinfo=_nobody)) as client:
            try:
                for _ in range(times):
                    found.append(await send(client))
            except FetchError as error:
                found = error
        if site is not None:
            await curio.run_in_thread(site.settle)
        return found

    return run(main)


def _nobody(name: str) -> list[str]:
    raise OSError(f"{name} was looked up here")


@BY_KIND
@pytest.mark.parametrize("locked", [False, True], ids=["open", "locked"])
def test_a_page_comes_through(run: Any, start: Any, site: Any, kind: str, locked: bool) -> None:
    server, url, trust = site
    with start(kind, locked=locked) as at:
        user = ":".join(USER) + "@" if locked else ""
        way = Way(parse(f"{kind}://{user}{at}"), trust)
        replies = asked(run, url, way, times=3, names=kind == "socks5", site=server)
        assert [reply.body for reply in replies] == [b"good"] * 3
    assert not any("proxy-authorization" in each.headers for each in server.asked)
    assert server.paths() == ["/"] * 3


@BY_KIND
def test_credentials_that_are_wanted_or_wrong_are_told(run: Any, start: Any, site: Any, kind: str) -> None:
    server, url, trust = site
    with start(kind, locked=True) as at:
        for user in ("", "somebody:else@"):
            error = asked(run, url, Way(parse(f"{kind}://{user}{at}"), trust), names=kind == "socks5", site=server)
            if isinstance(error, list):  # to wrong credentials tinyproxy says what only a site may say
                assert (kind, url[:5], user, error[0].status) == ("http", "http:", "somebody:else@", 401)
            else:
                assert type(error) is ProxyLocked, error
    assert server.connections == 0


@BY_KIND
@BY_SCHEME
def test_a_site_that_is_not_there(run: Any, start: Any, kind: str, scheme: str) -> None:
    with start(kind) as at:
        url = f"{scheme}://localhost:{free_port()}/"
        answer = asked(run, url, Way(parse(f"{kind}://{at}")), names=kind == "socks5")
    if kind == "http" and scheme == "http":  # in plain HTTP nobody can tell whose answer it is
        assert answer[0].status in (500, 502, 503, 504)
    else:
        assert isinstance(answer, ProxyFailed)
        assert (answer.refused, answer.phase) == (True, "head")


@BY_KIND
def test_connections_are_closed_and_the_kernel_is_empty_after_a_cancellation(run: Any, start: Any, kind: str) -> None:
    async def main(at: str) -> None:
        async with Client(Resolver({"localhost": "127.0.0.1"})) as client:
            url = f"https://localhost:{free_port()}/"
            for wait in (0.0, 0.0005, 0.001, 0.002):
                sent = client.send("GET", url, Headers(), terms=Terms(way=Way(parse(f"{kind}://{at}"))))
                task = await curio.spawn(sent)
                await curio.sleep(wait)
                await task.cancel()

    with start(kind) as at:
        run(main, at)
