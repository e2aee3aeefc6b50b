"""HTTP/2 as others speak it: nginx and nghttpd, over TLS, with ALPN; and that nothing is left behind."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager

import curio
import pytest
import trustme

from scrapekit.errors import BadResponse, ConnectFailed, FetchTimeout, TLSFailed, TooLarge
from scrapekit.headers import Headers
from scrapekit.http import Client, Deadlines, Resolver, Sizes, Terms, Trust, Way
from tests.real import nginx as server

pytestmark = pytest.mark.server

PAGES = 200
BIG = 20_000_000


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    """A folder with a certificate for 127.0.0.1, its key, and the authority's own certificate."""
    folder = tmp_path_factory.mktemp("ca")
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    made.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("root")
    for number in range(PAGES):
        (folder / f"{number}.html").write_text(f"page {number} " * (number + 1))
    (folder / "big.bin").write_bytes(os.urandom(1_000_000) * (BIG // 1_000_000))
    return folder


@contextmanager
def nginx(root, ca, more=""):
    if reason := server.missing():
        pytest.skip(reason)
    port = server.free_port()
    locations = f"""
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {ca}/cert.pem;
        ssl_certificate_key {ca}/key.pem;
        {more}
        location /packed/ {{ alias {root}/; gzip on; gzip_types *; gzip_min_length 1; }}
        location = /moved {{ return 301 /0.html; }}
        location = /slow {{ alias {root}/big.bin; limit_rate 100k; }}
        location = /upload {{ client_max_body_size 50k; proxy_pass http://127.0.0.1:1; }}
    """
    with server.nginx(root, locations=locations):
        yield port


@contextmanager
def nghttpd(root, ca):
    program = shutil.which("nghttpd")
    if program is None:
        pytest.skip("nghttpd is not installed (apt-get install nghttp2-server)")
    port = server.free_port()
    command = [program, "--address=127.0.0.1", "-d", root, "--echo-upload", "--trailer", "x-trailer: t"]
    running = subprocess.Popen(
        [*map(str, command), str(port), ca / "key.pem", ca / "cert.pem"], stdin=subprocess.DEVNULL
    )
    try:
        give_up = time.monotonic() + 10
        while time.monotonic() < give_up:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.02)
        yield port
    finally:
        running.terminate()
        running.wait(10)


SERVERS = {"nginx": nginx, "nghttpd": nghttpd}


@pytest.fixture(params=SERVERS)
def ask(request, root, ca, run):
    """``ask(main)`` runs ``main(send, client)`` against a real server; no task and no descriptor is left."""
    with SERVERS[request.param](root, ca) as port:
        yield _asking(port, ca, run)


@pytest.fixture
def ask_nginx(root, ca, run):
    with nginx(root, ca) as port:
        yield _asking(port, ca, run)


def _asking(port, ca, run):
    def asking(main, **options):
        async def whole():
            resolver = Resolver()
            async with Client(resolver, **options) as client:

                async def send(path, method="GET", body=b"", *, size=BIG, deadlines=DEADLINES, http2=True, **more):
                    way = Way(http2=http2, trust=more.pop("trust", Trust(ca_file=str(ca / "ca.pem"))))
                    terms = Terms(deadlines, Sizes(size), way)
                    url = f"https://127.0.0.1:{port}{path}"
                    return await client.send(method, url, Headers({"User-Agent": "test"}), body, terms=terms, **more)

                result = await main(send, client)
            await resolver.close()
            return result

        return run(whole)

    return asking


DEADLINES = Deadlines(10.0, 10.0, 20.0)


def test_pages_come_over_one_connection(ask, root):
    async def main(send, client):
        await send("/0.html")
        tasks = [await curio.spawn(send, f"/{number}.html") for number in range(PAGES // 2)]
        replies = [await task.join() for task in tasks]
        replies += [await send(f"/{number}.html") for number in range(PAGES // 2, PAGES)]
        assert [reply.body for reply in replies] == [(root / f"{n}.html").read_bytes() for n in range(PAGES)]
        assert {(reply.version, reply.reused) for reply in replies} == {("2", True)}
        assert repr(client.pool).startswith("<Pool 1 idle (")

    ask(main)


def test_large_bodies_come_together_through_the_windows(ask, root):
    async def main(send, client):
        tasks = [await curio.spawn(send, "/big.bin") for _ in range(3)]
        whole = (root / "big.bin").read_bytes()
        assert [(await task.join()).body == whole for task in tasks] == [True] * 3

    ask(main)


def test_a_body_beyond_its_limit_is_left_and_the_connection_goes_on(ask):
    async def main(send, client):
        with pytest.raises(TooLarge):
            await send("/big.bin", size=1_000_000)
        assert (await send("/1.html")).reused

    ask(main)


def test_a_head_and_what_is_not_there(ask):
    async def main(send, client):
        head = await send("/big.bin", "HEAD")
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(BIG))
        assert (await send("/nowhere")).status == 404

    ask(main)


def test_whoever_is_cancelled_leaves_the_connection_to_the_others(ask):
    async def main(send, client):
        await send("/0.html")
        for _ in range(20):
            task = await curio.spawn(send, "/big.bin")
            await curio.sleep(0.002)
            await task.cancel()
        reply = await send("/1.html")
        assert (reply.status, reply.reused) == (200, True)

    ask(main)


def test_many_tasks_some_cancelled_each_get_their_own_page(ask, root):
    async def main(send, client):
        tasks = [await curio.spawn(send, f"/{n % PAGES}.html") for n in range(400)]
        for task in tasks[::3]:
            await task.cancel()
        left = [(n, task) for n, task in enumerate(tasks) if n % 3]
        assert all([(await task.join()).body == (root / f"{n % PAGES}.html").read_bytes() for n, task in left])

    ask(main)


def test_an_upload_comes_back(root, ca, run):
    body = os.urandom(500_000)

    async def main(send, client):
        reply = await send("/echo", "POST", body)
        assert reply.body == body

    with nghttpd(root, ca) as port:
        _asking(port, ca, run)(main)


def test_an_upload_that_is_not_wanted_ends_in_its_answer(ask_nginx):
    async def main(send, client):
        reply = await send("/upload", "POST", bytes(5_000_000))
        assert reply.status == 413
        assert (await send("/1.html")).status == 200

    ask_nginx(main)


def test_a_server_that_says_goodbye_after_some_requests_costs_none(root, ca, run):
    async def main(send, client):
        for number in range(30):
            assert (await send(f"/{number}.html")).body == (root / f"{number}.html").read_bytes()

        async def patient(number):
            """As a crawl does: what was not looked at goes again."""
            while True:
                try:
                    return await send(f"/{number}.html")
                except ConnectFailed as error:
                    told.append((error.reused, error.sent))

        tasks = [await curio.spawn(patient, number) for number in range(60)]
        replies = [await task.join() for task in tasks]
        assert [reply.body for reply in replies] == [(root / f"{n}.html").read_bytes() for n in range(60)]
        assert set(told) <= {(True, False)}

    told = []
    with nginx(root, ca, "keepalive_requests 7;") as port:
        _asking(port, ca, run)(main)


def test_no_more_streams_than_the_server_allows(root, ca, run):
    async def main(send, client):
        await send("/0.html")
        tasks = [await curio.spawn(send, f"/{number}.html") for number in range(40)]
        assert all([(await task.join()).status == 200 for task in tasks])

    with nginx(root, ca, "http2_max_concurrent_streams 3;") as port:
        _asking(port, ca, run)(main)


def test_a_packed_page_and_a_redirect(ask_nginx, root):
    async def main(send, client):
        packed = await send("/packed/199.html")
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.body == (root / "199.html").read_bytes()
        moved = await send("/moved")
        assert (moved.status, moved.headers["location"].endswith("/0.html")) == (301, True)

    ask_nginx(main)


def test_a_page_that_comes_too_slowly_is_given_up(ask_nginx):
    async def main(send, client):
        with pytest.raises(FetchTimeout) as caught:
            await send("/slow", deadlines=Deadlines(total=0.5))
        assert caught.value.phase == "body"
        assert (await send("/1.html")).reused

    ask_nginx(main)


def test_a_server_that_stops_ends_each_exchange_and_the_connection(root, ca, run):
    async def _failing(send, path):
        try:
            return await send(path)
        except (ConnectFailed, BadResponse) as error:
            return error

    # The server must outlive the client's first request and not its last: it is started and stopped inside.
    async def inside():
        resolver = Resolver()
        async with Client(resolver) as client:
            stack = nginx(root, ca)
            port = stack.__enter__()
            terms = Terms(DEADLINES, Sizes(BIG), Way(http2=True, trust=Trust(ca_file=str(ca / "ca.pem"))))

            async def send(path):
                return await client.send("GET", f"https://127.0.0.1:{port}{path}", Headers(), terms=terms)

            try:
                assert (await send("/0.html")).version == "2"
                tasks = [await curio.spawn(_failing, send, "/slow") for _ in range(3)]
                await curio.sleep(0.3)
            finally:
                stack.__exit__(None, None, None)
            errors = [await task.join() for task in tasks]
            assert all(isinstance(error, ConnectFailed | BadResponse) for error in errors), errors
        await resolver.close()

    run(inside)


def test_http1_is_spoken_where_http2_is_not_asked_for(ask_nginx):
    async def main(send, client):
        return (await send("/0.html", http2=False)).version

    assert ask_nginx(main) == "1.1"


def test_who_is_not_trusted_is_not_asked(ask):
    async def main(send, client):
        with pytest.raises(TLSFailed):
            await send("/0.html", trust=Trust())

    ask(main)


SPIDER = """
from scrapekit import Item, Spider, css

class Page(Item):
    title: str = css("title")

class Protocol(Spider):
    name = "protocol"
    start_urls = ["https://127.0.0.1:{port}/protocol/0"]

    def parse(self, response):
        yield from response.items(Page)
        yield from (f"/protocol/{{n}}" for n in range(1, 10))
"""


def test_a_crawl_speaks_http2_and_keeps_its_delay(root, ca, crawl, tmp_path):
    here = 'location /protocol/ { default_type text/html; return 200 "<title>$server_protocol</title>"; }'
    with nginx(root, ca, here) as port:
        spider = tmp_path / "protocol.py"
        spider.write_text(SPIDER.format(port=port))
        limits = f'[limits]\nhttp2 = true\nca_file = "{ca}/ca.pem"\ndelay = 0.2\nconcurrency = 4\n'
        began = time.monotonic()
        done = crawl(spider, toml=limits)
        took = time.monotonic() - began
    assert done.code == 0, done.said
    assert [item["title"] for item in done.items] == ["HTTP/2.0"] * 10
    assert took > 10 * 0.2, "ten pages and robots.txt are eleven sends"
