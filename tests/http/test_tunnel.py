"""Through every kind of proxy to a site whose name it alone knows, over real sockets on loopback."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import curio
import pytest
import trustme

from scrapekit.errors import FetchError, ProxyFailed, ProxyLocked, TLSFailed
from scrapekit.headers import Headers
from scrapekit.http import Client, Deadlines, Proxy, Reply, Resolver, Sizes, Terms, Trust, Way
from scrapekit.proxies import parse
from tests.http.proxyserver import ProxyServer
from tests.scenarios.server import CLOSE, GOOD, Server, answer

KINDS = ("http", "https", "socks5h")
BY_KIND = pytest.mark.parametrize("kind", KINDS)
BY_SCHEME = pytest.mark.parametrize("scheme", ["http", "https"])
#: Nothing in a test that is to succeed takes a tenth as long, also on a busy machine.
LATE = Deadlines(connect=10.0, first_byte=10.0, total=10.0, tls=10.0)
USER = ("me", "pä:ss wörd")


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made: Any = trustme.CA()
    made.file = str(tmp_path_factory.mktemp("ca") / "ca.pem")
    made.cert_pem.write_to_path(made.file)
    return made


def server_context(ca: Any, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*names).configure_cert(context)
    return context


async def send(client: Client, path: str, way: Way, *, scheme: str = "http", deadlines: Deadlines = LATE) -> Reply:
    terms = Terms(deadlines, Sizes(100_000), way)
    return await client.send("GET", f"{scheme}://site.test{path}", Headers(), terms=terms)


class Net:
    """A site that is reached through a proxy, of whatever kind, by whatever scheme."""

    def __init__(self, run: Callable[..., Any], ca: Any) -> None:
        self._run, self._ca = run, ca
        self.sites: dict[str, Server] = {}
        self.proxies: list[ProxyServer] = []

    def site(self, name: str = "site.test", *, tls: bool = False, **plays: Any) -> Server:
        context = server_context(self._ca, name) if tls else None
        self.sites[name] = Server({"/": GOOD, "/good": GOOD, **plays}, context=context)
        return self.sites[name]

    def proxy(self, kind: str, *, user: tuple[str, str] | None = None, **options: Any) -> tuple[ProxyServer, Proxy]:
        """A proxy that wants ``user``, and how to reach it, with the credentials of USER where those are wanted."""
        context = server_context(self._ca, "localhost") if kind == "https" else None
        names = {name: site.port for name, site in self.sites.items()}
        made = ProxyServer(names, context=context, user=user, **options)
        self.proxies.append(made)
        return made, parse(f"{kind}://{'me:p%C3%A4%3Ass%20w%C3%B6rd@' if user == USER else ''}localhost:{made.port}")

    def way(self, proxy: Proxy) -> Way:
        return Way(proxy, Trust(ca_file=self._ca.file))

    def talk(self, main: Callable[[Client], Any], **names: str) -> Any:
        """Run ``main(client)``; afterwards no connection, descriptor or task is left."""

        async def whole() -> Any:
            async with Client(Resolver({"localhost": "127.0.0.1"} | names)) as client:
                result = await main(client)
            for each in (*self.proxies, *self.sites.values()):
                await curio.run_in_thread(each.settle)
            return result

        return self._run(whole)

    def fails(self, proxy: Proxy, *, scheme: str = "http", **options: Any) -> FetchError:
        async def main(client: Client) -> FetchError:
            with pytest.raises(FetchError) as caught:
                await send(client, "/", self.way(proxy), scheme=scheme, **options)
            return caught.value

        error: FetchError = self.talk(main)
        assert (error.url, error.host) == (f"{scheme}://site.test/", "site.test")
        assert "\n" not in str(error)
        assert USER[1] not in str(error)
        return error

    def stop(self) -> None:
        for each in (*self.proxies, *self.sites.values()):
            each.stop()


@pytest.fixture
def net(run: Callable[..., Any], ca: Any) -> Iterator[Net]:
    made = Net(run, ca)
    yield made
    made.stop()


@BY_KIND
@BY_SCHEME
@pytest.mark.parametrize("user", [None, USER], ids=["open", "locked"])
def test_two_requests_go_on_one_connection_and_only_the_proxy_gets_its_credentials(
    net: Net, kind: str, scheme: str, user: Any
) -> None:
    site = net.site(tls=scheme == "https")
    server, proxy = net.proxy(kind, user=user)

    async def main(client: Client) -> list[Reply]:
        replies = [await send(client, path, net.way(proxy), scheme=scheme) for path in ("/", "/good")]
        assert client.has_idle(f"{scheme}://site.test/", net.way(proxy))
        assert not client.has_idle(f"{scheme}://site.test/")
        return replies

    first, second = net.talk(main)
    assert [(each.status, each.body, each.address) for each in (first, second)] == [(200, b"good", "")] * 2
    assert (first.reused, second.reused) == (False, True)
    assert (server.connections, site.connections, site.paths()) == (1, 1, ["/", "/good"])
    assert not any("proxy-authorization" in asked.headers for asked in site.asked)
    assert {asked.headers["host"] for asked in site.asked} == {"site.test"}
    if kind == "socks5h":
        assert server.log == ["site.test:443" if scheme == "https" else "site.test:80"]
    elif scheme == "https":
        assert server.log == ["CONNECT site.test:443"]
    else:
        assert server.log == ["GET http://site.test/", "GET http://site.test/good"]


@BY_KIND
@BY_SCHEME
def test_where_it_wants_credentials_the_error_says_so_and_the_site_is_not_asked(
    net: Net, kind: str, scheme: str
) -> None:
    site = net.site(tls=scheme == "https")
    server, proxy = net.proxy(kind, user=("somebody", "else"))
    error = net.fails(proxy, scheme=scheme)
    assert (type(error), error.phase, error.sent, error.address) == (ProxyLocked, "head", False, "")
    assert "it wants credentials, and there are none" in error.detail
    assert (site.connections, server.connections) == (0, 1)


@BY_KIND
@BY_SCHEME
def test_a_proxy_that_is_down_has_failed_and_not_the_site(net: Net, kind: str, scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    error = net.fails(parse(f"{kind}://localhost:{port}"), scheme=scheme)
    assert (type(error), error.phase, error.address) == (ProxyFailed, "connect", "")
    assert "Connection refused" in error.detail


@BY_KIND
def test_a_proxy_whose_name_has_no_address_has_failed(run: Callable[..., Any], net: Net, kind: str) -> None:
    def nobody(name: str) -> list[str]:
        raise OSError(-2, "Name or service not known")

    async def main() -> FetchError:
        async with Client(Resolver({"site.test": "127.0.0.1"}, getaddrinfo=nobody)) as client:
            with pytest.raises(FetchError) as caught:
                await send(client, "/", net.way(parse(f"{kind}://proxy.example")))
            return caught.value

    error = run(main)
    assert (type(error), error.phase) == (ProxyFailed, "resolve")
    assert "proxy.example: Name or service not known" in error.detail


@BY_KIND
@BY_SCHEME
def test_a_proxy_that_never_answers_fails_at_the_deadline(net: Net, kind: str, scheme: str) -> None:
    deadlines = Deadlines(connect=0.3, first_byte=0.3, total=0.3, tls=0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxy = parse(f"{kind}://localhost:{silent.getsockname()[1]}")
        error = net.fails(proxy, scheme=scheme, deadlines=deadlines)
    if kind == "http" and scheme == "http":  # nobody can tell who is slow
        assert (error.label, error.phase) == ("timeout", "head")
    else:
        assert (type(error), error.phase) == (ProxyFailed, "tls" if kind == "https" else "head")


@pytest.mark.parametrize("status", [502, 504])
def test_a_proxy_that_gives_no_tunnel_has_failed(net: Net, status: int) -> None:
    site = net.site(tls=True)
    _, proxy = net.proxy("http", answer=answer("no", status))
    error = net.fails(proxy, scheme="https")
    assert isinstance(error, ProxyFailed)
    assert (error.phase, error.sent, error.refused) == ("head", False, True)
    assert f"{status} for the tunnel" in error.detail
    assert site.connections == 0


def test_a_502_of_plain_http_is_the_site_s_unless_the_proxy_says_that_it_is_its_own(net: Net) -> None:
    _, anonymous = net.proxy("http", answer=answer("no", 502))
    _, honest = net.proxy("http", answer=answer("no", 502, "Proxy-Status: p.example; error=connection_refused"))

    async def main(client: Client) -> int:
        return (await send(client, "/", net.way(anonymous))).status

    assert net.talk(main) == 502
    error = net.fails(honest)
    assert isinstance(error, ProxyFailed)
    assert "502 for the request: connection_refused" in error.detail


@BY_SCHEME
def test_a_socks_proxy_that_gives_no_way_has_failed(net: Net, scheme: str) -> None:
    _, proxy = net.proxy("socks5h", answer=b"\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00")
    error = net.fails(proxy, scheme=scheme)
    assert isinstance(error, ProxyFailed)
    assert (error.phase, error.refused) == ("head", True)
    assert "no way to the site: host unreachable" in error.detail


def test_a_proxy_that_hangs_up_before_it_answers_has_failed(net: Net) -> None:
    site = net.site(**{"http://site.test/": CLOSE})  # which plays a proxy, badly
    error = net.fails(parse(f"http://localhost:{site.port}"))
    assert (type(error), error.phase, error.sent, error.reused) == (ProxyFailed, "head", True, False)


def test_a_proxy_whose_certificate_is_wrong_gets_neither_credentials_nor_requests(net: Net) -> None:
    net.site()
    server, _ = net.proxy("https", user=USER)
    error = net.fails(parse(f"https://me:secret@127.0.0.1:{server.port}"))
    assert (type(error), error.phase) == (ProxyFailed, "tls")
    assert "the certificate is for another address" in error.detail
    assert server.log == []


@BY_KIND
def test_the_site_s_certificate_is_checked_behind_a_proxy_too(net: Net, kind: str) -> None:
    site = net.site("other.test", tls=True)
    server, proxy = net.proxy(kind)
    server.names = {"site.test": site.port}
    error = net.fails(proxy, scheme="https")
    assert (type(error), error.phase) == (TLSFailed, "tls")
    assert "the certificate is for another host" in error.detail


@BY_SCHEME
def test_socks5_without_h_gets_addresses_that_we_looked_up(net: Net, scheme: str) -> None:
    site = net.site(tls=scheme == "https")
    server, proxy = net.proxy("socks5")
    server.names = {"127.0.0.1": site.port}

    async def main(client: Client) -> Reply:
        return await send(client, "/", net.way(proxy), scheme=scheme)

    reply = net.talk(main, **{"site.test": "127.0.0.1:7"})
    assert (reply.body, reply.address) == (b"good", "127.0.0.1:7")
    assert server.log == ["127.0.0.1:7"]


def test_connections_are_not_shared_across_proxies(net: Net) -> None:
    site = net.site()
    ways = [net.way(net.proxy(kind)[1]) for kind in ("http", "http", "socks5h")]

    async def main(client: Client) -> list[bool]:
        return [(await send(client, "/", way)).reused for way in (*ways, *ways)]

    assert net.talk(main) == [False] * 3 + [True] * 3
    assert site.connections == 3
