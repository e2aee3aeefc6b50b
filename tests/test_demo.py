"""The bundled shop: it holds what it promises, every link in it leads somewhere, and its own log is to be trusted."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any

import curio
import pytest
import tomli

from scrapekit import Request, Response, Spider, demo
from scrapekit.config import load
from scrapekit.demo import catalogue, quotes, sayings, shelves, shop
from scrapekit.demo.site import RETRY_AFTER, SLOW, Site, answer
from scrapekit.errors import ConfigError
from scrapekit.http.server import ServerReply, ServerRequest

LINK = re.compile(r"""(?:href|src|action)="([^"]*)\"""")
DISALLOWED = ("/basket", "/search", "/members/first-look", "/?sort=")


def get(target: str, host: str = "books.test", method: str = "GET") -> ServerReply:
    return answer(ServerRequest(method, target, host))


def header(reply: ServerReply, name: str) -> str:
    return dict(reply.headers)[name]


def response(target: str, host: str = "books.test") -> Response:
    return Response.from_html(f"http://{host}{target}", get(target, host).body.decode())


def walk(host: str) -> Iterator[tuple[str, str, ServerReply]]:
    """Every page that links of the site lead to: (the page that links, the target, the reply)."""
    seen, waiting = {"/"}, deque([("", "/")])
    while waiting:
        source, target = waiting.popleft()
        reply = get(target, host)
        yield source, target, reply
        links = [header(reply, "Location")] if reply.status in {301, 302} else LINK.findall(reply.body.decode())
        for link in links:
            link = link.replace("&amp;", "&").removeprefix(f"http://{host}")
            if link.startswith("/") and link not in seen:
                seen.add(link)
                waiting.append((target, link))


@pytest.fixture(scope="module")
def pages() -> dict[str, tuple[str, ServerReply]]:
    """The whole shop and, at a bare address, the quotes below it, by target."""
    return {target: (source, reply) for source, target, reply in walk("127.0.0.1:8900")}


# ---- the content ----


def test_the_catalogue_has_a_thousand_different_books() -> None:
    books = catalogue.catalogue()
    assert len(books) == 1000
    assert [book.number for book in books] == list(range(1, 1001))
    everything = [*books, *catalogue.specials().values()]
    for names in ({each.title for each in everything}, {each.upc for each in everything}):
        assert len(names) == 1006


def test_exactly_one_price_is_no_number() -> None:
    prices = [book.price for book in (*catalogue.catalogue(), *catalogue.specials().values())]
    assert [price for price in prices if not re.fullmatch(r"£\d{1,2}\.\d\d", price)] == ["Price on request"]


def test_a_upc_ends_in_its_check_digit() -> None:
    for book in catalogue.catalogue():
        digits = [int(digit) for digit in book.upc]
        assert len(digits) == 12
        assert (3 * sum(digits[::2]) + sum(digits[1::2])) % 10 == 0


def test_the_categories_share_all_books() -> None:
    shelves = {slug: catalogue.shelved(category) for slug, category in catalogue.categories().items()}
    assert len(shelves) == 20
    assert sum(map(len, shelves.values())) == 1000
    assert all(shelves.values())


def test_there_are_a_hundred_different_quotes_and_each_author_said_one() -> None:
    said = sayings.quotes()
    assert len({quote.text for quote in said}) == 100
    assert {quote.author for quote in said} == set(sayings.people().values())


def test_the_content_is_the_same_at_every_run_and_on_every_python() -> None:
    everything = repr((catalogue.catalogue(), catalogue.specials(), sayings.quotes())).encode()
    assert blake2b(everything, digest_size=8).hexdigest() == "d1b73d9ce054b078"


# ---- the pages ----


@pytest.mark.parametrize("host", demo.HOSTS)
def test_every_link_leads_to_a_page_but_the_one_that_is_gone(host: str) -> None:
    replies = {target: (reply.status, source) for source, target, reply in walk(host)}
    broken = {target: where for target, where in replies.items() if where[0] not in {200, 301, 302}}
    assert broken == ({shelves.GONE: (404, "/")} if host == "books.test" else {})
    assert len(replies) > (2000 if host == "books.test" else 50)


def test_a_bare_address_shows_both_sites(pages: dict[str, tuple[str, ServerReply]]) -> None:
    assert [target for target, (_, reply) in pages.items() if reply.status == 404] == [shelves.GONE]
    assert {"/", "/catalogue/50", "/quotes/", "/quotes/page/10", "/quotes/style.css"} <= set(pages)
    assert header(get("/quotes", "localhost"), "Location") == "/quotes/"


@pytest.mark.parametrize("host", ["books.test", "books.localhost:8900"])
def test_each_site_links_to_the_other_by_its_name(host: str) -> None:
    other = host.replace("books.", "quotes.")
    assert f'href="http://{other}/"' in get("/", host).body.decode()
    assert f'href="http://{host}/"' in get("/", other).body.decode()


def test_pages_are_whole_html_and_carry_their_type(pages: dict[str, tuple[str, ServerReply]]) -> None:
    kinds = Counter(header(reply, "Content-Type") for _, reply in pages.values() if reply.status == 200)
    assert kinds["image/svg+xml"] > 1000
    assert set(kinds) == {
        "text/html; charset=utf-8", "text/css; charset=utf-8", "image/svg+xml", "text/plain; charset=utf-8",
        "application/xml; charset=utf-8",
    }  # fmt: skip
    for _, reply in pages.values():
        if reply.headers and "html" in reply.headers[0][1]:
            assert reply.body.startswith(b"<!DOCTYPE html>")
            assert reply.body.endswith(b"</html>\n")


@pytest.mark.parametrize(
    "target",
    ["/nothing", "/catalogue/0", "/catalogue/51", "/catalogue/2x", "/catalogue/²", "/category/none", "/category/art/3",
     "/book/9999", "/book/0", "/cover/9999.svg", "/members/", "//", "*"],
)  # fmt: skip
def test_what_is_not_there_is_a_404(target: str) -> None:
    assert get(target).status == 404


@pytest.mark.parametrize("target", ["/page/0", "/page/11", "/tag/none", "/author/nobody", "/book/1"])
def test_what_nobody_said_is_a_404(target: str) -> None:
    assert get(target, "quotes.test").status == 404


@pytest.mark.parametrize(
    ("host", "target", "location"),
    [
        ("books.test", "/catalogue", "/"),
        ("books.test", "/catalogue/1", "/"),
        ("books.test", "/book/1003", "/book/1003-the-slow-readers-companion"),
        ("books.test", "/book/1003-wrong", "/book/1003-the-slow-readers-companion"),
        ("books.test", "/book-of-the-week", "/book/1005-the-collected-footnotes"),
        ("quotes.test", "/page/1", "/"),
        ("quotes.test", "/random", "/page/4"),
    ],
)
def test_a_page_has_one_address_to_which_others_redirect(host: str, target: str, location: str) -> None:
    reply = get(target, host)
    assert reply.status in {301, 302}
    assert header(reply, "Location") == location
    assert get(location, host).status == 200


def test_what_a_visitor_types_is_escaped() -> None:
    assert b"<script>" not in get("/search?q=%3Cscript%3E").body


def test_sorted_lists_show_the_same_books() -> None:
    prices = [node.text() for node in response("/?sort=price").css("p.price")]
    assert prices == sorted(prices, key=lambda price: Decimal(price[1:]))
    last = [node.text() for node in response("/catalogue/50?sort=price").css("p.price")]
    assert last[-1] == "Price on request"


# ---- what robots read ----


def test_robots_txt_has_rules_and_a_fractional_delay() -> None:
    text = get("/robots.txt").body.decode()
    everyone, gulpbot = text.split("User-agent: gulpbot")
    assert "Crawl-delay: 0.15\n" in everyone
    assert shop.CRAWL_DELAY == 0.15
    assert re.findall(r"(?m)^Disallow: (.*)", everyone) == ["/basket", "/search", "/members/", "/*?sort="]
    assert "Disallow: /\n" in gulpbot
    assert "Sitemap: http://books.test/sitemap.xml" in text
    theirs = get("/robots.txt", "quotes.test").body.decode()
    assert f"Crawl-delay: {quotes.CRAWL_DELAY}\nDisallow: /random\n" in theirs


def test_what_robots_txt_forbids_is_really_linked_and_really_there(pages: dict[str, tuple[str, ServerReply]]) -> None:
    for prefix in DISALLOWED:
        found = [reply.status for target, (_, reply) in pages.items() if target.startswith(prefix)]
        assert found
        assert set(found) == {200}, prefix
    assert pages["/quotes/random"][1].status == 302


@pytest.mark.parametrize(("host", "count"), [("books.test", 1078), ("quotes.test", 57)])
def test_the_sitemap_lists_pages_that_are_there(host: str, count: int) -> None:
    urls = re.findall(r"<loc>(.*?)</loc>", get("/sitemap.xml", host).body.decode())
    assert len(set(urls)) == len(urls) == count
    assert {get(url.removeprefix(f"http://{host}"), host).status for url in urls} == {200}


# ---- what goes wrong on purpose ----


def asked(site: Site, target: str, method: str = "GET") -> Awaitable[ServerReply]:
    return site(ServerRequest(method, target, "books.test"))


def test_the_busy_page_is_refused_once_with_a_retry_after(run: Callable[..., Any]) -> None:
    async def main() -> None:
        site, path = Site(), shelves.book_path(catalogue.specials()[catalogue.BUSY])
        first, second, third = [await asked(site, path) for _ in range(3)]
        assert first.status == 503
        assert header(first, "Retry-After") == str(RETRY_AFTER)
        assert second == third == get(path)
        assert second.status == 200

    run(main)


def test_only_the_slow_page_takes_its_time(run: Callable[..., Any]) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def main() -> None:
        site = Site(sleep=sleep)
        assert (await asked(site, "/")).status == 200
        assert waited == []
        assert (await asked(site, shelves.book_path(catalogue.specials()[catalogue.SLOW]))).status == 200
        assert waited == [SLOW]

    run(main)


def test_pages_can_only_be_read(run: Callable[..., Any]) -> None:
    async def main() -> None:
        reply = await asked(Site(), "/basket", "POST")
        assert (reply.status, header(reply, "Allow")) == (405, "GET, HEAD")
        assert await asked(Site(), "/", "HEAD") == get("/")

    run(main)


# ---- served ----


def test_both_sites_are_served_on_one_port_and_the_log_tells_who_was_asked(run: Callable[..., Any]) -> None:
    async def main() -> None:
        async with demo.serving() as served:
            assert served.resolve == dict.fromkeys(demo.HOSTS, f"127.0.0.1:{served.port}")
            for host in demo.HOSTS:
                assert (await fetched(served.port, host)).startswith(b"HTTP/1.1 200 OK")
            log = [(each.host, each.target, each.status) for each in served.log]
            assert log == [("books.test", "/robots.txt", 200), ("quotes.test", "/robots.txt", 200)]
            with pytest.raises(ConfigError):
                async with demo.serving(served.port):
                    pass

    run(main)


async def fetched(port: int, host: str) -> bytes:
    said = b""
    async with await curio.open_connection("127.0.0.1", port) as sock:
        await sock.sendall(f"GET /robots.txt HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        while data := await sock.recv(65536):
            said += data
    return said


# ---- the project that crawls it ----


def test_the_project_is_found_in_a_checkout_and_its_settings_hold(root: Path) -> None:
    assert demo.project() == root
    settings = load(root / "scrapekit.toml")
    for host in demo.HOSTS:
        assert settings.on_loopback(host)
        assert settings.limits_for(host).concurrency == 1
        static = settings.static(host, 80)
        assert static is not None
        assert static.port == demo.PORT


def test_robots_txt_is_what_slows_the_demonstration_down(root: Path) -> None:
    settings = load(root / "scrapekit.toml")
    assert settings.limits_for("books.test").delay <= shop.CRAWL_DELAY
    assert settings.limits_for("quotes.test").delay <= quotes.CRAWL_DELAY


def test_the_wheel_carries_the_spiders_and_their_settings(root: Path) -> None:
    wheel = tomli.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {
        "spiders": "scrapekit/demo/spiders",
        "scrapekit.toml": "scrapekit/demo/scrapekit.toml",
    }


def spider_file(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"demo_{name}", demo.project() / "spiders" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def crawled(spider: Spider, host: str) -> tuple[list[Any], list[Any], Counter[int]]:
    """What a spider gets from the plain pages, one after the other: items, rejected ones, statuses."""
    items: list[Any] = []
    rejected: list[Any] = []
    statuses: Counter[int] = Counter()
    waiting = deque(Request(url) for url in spider.start_urls)
    seen = {request.url for request in waiting}
    while waiting:
        request = waiting.popleft()
        page = get(request.url.removeprefix(f"http://{host}"), host)
        statuses[page.status] += 1
        if page.status == 302:
            waiting.append(request.replace(url=f"http://{host}{header(page, 'Location')}"))
        if page.status != 200:
            continue
        answered = Response.from_html(request.url, page.body.decode())
        callback = request.callback or spider.parse
        assert callable(callback)
        for found in callback(answered):
            if not isinstance(found, Request):
                items.append(found)
            elif found.url not in seen:
                seen.add(found.url)
                waiting.append(found)
        rejected += answered.rejected
    return items, rejected, statuses


def test_the_books_spider_gets_every_book_but_the_one_without_a_price() -> None:
    items, rejected, statuses = crawled(spider_file("books").Books(), "books.test")
    expected = {(book.title, book.pence) for book in catalogue.catalogue()} | {
        (book.title, book.pence) for book in catalogue.specials().values()
    }
    assert {(item.title, int(item.price * 100)) for item in items} == {each for each in expected if each[1] is not None}
    assert len(items) == 1005
    by_title = {book.title: book for book in catalogue.catalogue()}
    for item in items[50:150]:
        book = by_title[item.title]
        assert (item.author, item.rating, item.stock, item.category, str(item.url)) == (
            book.author, book.rating, book.stock, book.category.name, f"http://books.test{shelves.book_path(book)}",
        )  # fmt: skip
    assert [error.field for error in rejected] == ["price"]
    assert "got 'Price on request'" in str(rejected[0])
    assert "Price on request" in rejected[0].snippet
    # Fifty lists, five special editions, one by a redirect, the forbidden page, and the one that is gone.
    assert statuses == {200: 50 + 6 + 1, 302: 1, 404: 1}


def test_the_quotes_spider_gets_every_quote_and_every_author() -> None:
    items, rejected, statuses = crawled(spider_file("quotes").Quotes(), "quotes.test")
    assert Counter(type(item).__name__ for item in items) == {"Quote": 100, "Author": 24}
    assert [item.text for item in items if hasattr(item, "text")] == [f"“{quote.text}”" for quote in sayings.quotes()]
    assert rejected == []
    assert statuses == {200: 10 + 24}


def test_the_politeness_arithmetic_makes_a_demonstration_of_ten_to_twenty_seconds() -> None:
    """One after the other or both at once: the time that the sites' own delays ask for, the slow page included."""
    # robots.txt, 50 lists, 8 picks of which one is forbidden, a redirect's second hop, a retry.
    sends = 1 + 49 + 1 + 7 + 1 + 1
    books = (sends - 1) * shop.CRAWL_DELAY + SLOW - shop.CRAWL_DELAY
    said = (1 + 10 + 24 - 1) * quotes.CRAWL_DELAY
    assert 9.5 < books < 10.5
    assert books + RETRY_AFTER > 10
    assert books + RETRY_AFTER + said < 16
