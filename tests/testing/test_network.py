"""The network in memory behaves as its documentation says: users test their spiders with it."""

from __future__ import annotations

import curio
import pytest

from scrapekit.errors import ConnectFailed, FetchError, ResolveFailed
from scrapekit.http import Session
from scrapekit.testing import CLOSE, RESET, SILENCE, FakeNetwork, FakeSite, Page, VirtualClock


@pytest.fixture
def visit(run):
    """Run ``main(session)`` on the network, on a virtual clock."""

    def visitor(network, main):
        clock = VirtualClock()

        async def whole():
            async with Session(network=network, now=clock) as session:
                return await main(session)

        result = run(whole, clock=clock)
        assert network.open == 0
        return result

    return visitor


def get(visit, network, *urls):
    async def main(session):
        return [await session.get(url) for url in urls]

    return visit(network, main)


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        ("<p>hi", 200, b"<p>hi"),
        ("ж", 200, "ж".encode()),
        ("", 200, b""),
        (404, 404, b"<h1>404</h1>"),
        (204, 204, b""),
        (599, 599, b"<h1>599</h1>"),
        (Page(b"\x00\x01", 201), 201, b"\x00\x01"),
        (b"HTTP/1.1 203 X\r\nContent-Length: 1\r\n\r\nx", 203, b"x"),
        ((b"HTTP/1.1 200 OK\r\n", b"Content-Length: 2\r\n\r\n", 1.5, b"o", b"k"), 200, b"ok"),
        ([500, "good"], 500, b"<h1>500</h1>"),
        (lambda received: received.target + received.headers["x"], 200, b"/?q=1y"),
    ],
)
def test_an_answer_is_what_it_stands_for(visit, answer, status, body):
    async def main(session):
        return await session.get("http://a.test/?q=1", headers={"X": "y"})

    response = visit(FakeNetwork({"a.test": {"/": answer}}), main)
    assert (response.status, response.body) == (status, body)


def test_a_list_gives_each_request_the_next_and_keeps_the_last(visit):
    network = FakeNetwork({"a.test": {"/": [503, 503, "good"]}})
    assert [r.status for r in get(visit, network, *["http://a.test/"] * 4)] == [503, 503, 200, 200]


def test_a_target_with_its_query_goes_before_the_path(visit):
    network = FakeNetwork({"a.test": {"/": "any", "/?q=1": "one"}})
    assert [r.text for r in get(visit, network, "http://a.test/?q=1", "http://a.test/?q=2")] == ["one", "any"]


def test_what_is_not_told_is_404(visit):
    network = FakeNetwork({"a.test": {}})
    assert [r.status for r in get(visit, network, "http://a.test/robots.txt", "http://a.test/x")] == [404, 404]


def test_hosts_are_told_apart_by_name_and_port(visit):
    network = FakeNetwork({"a.test": {"/": "a"}, "a.test:8080": {"/": "8080"}, "https://b.test": {"/": "b"}})
    urls = ["http://a.test/", "https://a.test/", "http://a.test:8080/", "https://b.test/"]
    assert [r.text for r in get(visit, network, *urls)] == ["a", "a", "8080", "b"]

    async def main(session):
        with pytest.raises(ConnectFailed):
            await session.get("http://b.test/")  # it was put on https only
        with pytest.raises(ResolveFailed):
            await session.get("http://c.test/")

    visit(network, main)


def test_the_log_says_what_came_when_and_on_which_connection(visit):
    site = FakeSite({"/": "x", "/slow": Page("y", delay=3.0)}, latency=0.5, connecting=0.25)
    network = FakeNetwork()
    network.site("a.test", site)

    async def main(session):
        await session.post("http://a.test/", body=b"data", headers={"X": "1"})
        await session.get("http://a.test/slow")

    visit(network, main)
    first, second = network.log
    assert (first.host, first.method, first.target, first.body) == ("a.test", "POST", "/", b"data")
    assert first.headers["x"] == "1"
    assert first.until - first.at == 0.5
    assert second.at == first.until
    assert second.until - second.at == 3.5
    assert (first.connection, second.connection, network.opened) == (1, 1, 1)
    assert network.requests() == ["/", "/slow"]
    assert network.requests("b.test") == []


def test_pages_may_change_while_a_crawl_runs(visit):
    site = FakeSite()
    site.page("/", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")

    async def main(session):
        first = await session.get("http://a.test/")
        site.put("/", "2")
        return first.text, (await session.get("http://a.test/")).text

    assert visit(FakeNetwork({"a.test": site}), main) == ("1", "2")


@pytest.mark.parametrize("act", [CLOSE, RESET, SILENCE])
def test_an_act_is_an_error_for_the_client(visit, act):
    async def main(session):
        with pytest.raises(FetchError):
            await session.get("http://a.test/")

    visit(FakeNetwork({"a.test": {"/": (b"HTTP/1.1 200 OK\r\n", act)}}), main)


@pytest.mark.parametrize("chop", [1, 2, 1000, None])
def test_reads_may_be_as_small_as_one_likes(visit, chop):
    network = FakeNetwork({"a.test": {"/": "x" * 500}}, chop=chop)
    assert get(visit, network, "http://a.test/")[0].text == "x" * 500


def test_it_runs_on_the_real_clock_too(run):
    network = FakeNetwork({"a.test": {"/": Page("good", delay=0.01)}})

    async def main():
        async with Session(network=network) as session:
            tasks = [await curio.spawn(session.get, "http://a.test/") for _ in range(3)]
            return [(await task.join()).text for task in tasks]

    assert run(main) == ["good"] * 3
    assert network.open == 0


def test_a_head_request_gets_no_body(visit):
    async def main(session):
        response = await session.request("HEAD", "http://a.test/")
        return response.headers["content-length"], response.body

    assert visit(FakeNetwork({"a.test": {"/": "12345"}}), main) == ("5", b"")
