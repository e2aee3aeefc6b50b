"""D: where an answer leads, and what goes along: by a session, and by a crawl, whose hops wait for turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from scrapekit import Request
from scrapekit.errors import BadResponse, TooLarge, TooManyRedirects
from scrapekit.headers import Headers
from scrapekit.http.redirect import next_hop
from scrapekit.testing import FakeNetwork
from tests.scenarios import plays
from tests.scenarios.plays import moved
from tests.scenarios.server import GOOD, answer

ROBOTS: Final = "/robots.txt"


@pytest.fixture
def hops(web: Callable[..., Any]) -> Any:
    return web({**plays.D, "/x": GOOD})


def reached(hops: Any, path: str, timeout: float = 10.0) -> list[str]:
    """What is asked for beside robots.txt, as host and target, where a session and where a crawl is sent to a path."""
    walks = []

    async def main(session: Any) -> None:
        assert (await session.get(f"http://a.test{path}")).body == b"good"
        assert (await session.get("http://a.test/good")).body == b"good"

    hops.session(main, limits={"timeout": timeout})
    walks.append([asked.headers["host"] + asked.target for asked in hops.server.asked][:-1])
    hops.server.asked.clear()
    crawled = hops.crawl([f"http://a.test{path}"], f"limits.timeout={timeout}")
    assert (crawled.outcomes, crawled.bodies) == ((1, 0, 0, 0), [b"good"])
    walks.append([asked.headers["host"] + asked.target for asked in hops.server.asked if asked.path != ROBOTS])
    hops.server.asked.clear()
    assert walks[0] == walks[1]
    assert crawled.answers[0].history == tuple(f"http://{place}" for place in walks[0][:-1])
    return walks[0]


def refused(hops: Any, path: str, kind: type[Exception], reason: str) -> int:
    """Both end in this error; how many requests each has sent."""
    counts = []

    async def main(session: Any) -> None:
        with pytest.raises(kind) as caught:
            await session.get(f"http://a.test{path}")
        assert caught.value.phase == "redirect"  # type: ignore[attr-defined]
        assert (await session.get("http://a.test/good")).body == b"good"

    hops.session(main)
    counts.append(len(hops.server.asked) - 1)
    hops.server.asked.clear()
    crawled = hops.crawl([f"http://a.test{path}"])
    assert (crawled.outcomes, crawled.reasons) == ((0, 1, 0, 0), {f"failed: {reason}": 1})
    assert type(crawled.failures[0].error) is kind
    counts.append(len([asked for asked in hops.server.asked if asked.path != ROBOTS]))
    hops.server.asked.clear()
    assert counts[0] == counts[1]
    return counts[0]


@pytest.mark.parametrize("path", ["/D01", "/D01/a"])
def test_D01_a_loop_ends_at_the_limit(hops: Any, path: str) -> None:
    assert refused(hops, path, TooManyRedirects, "too many redirects") == 11


def test_D02_a_chain_is_followed_to_the_limit(hops: Any) -> None:
    assert refused(hops, "/D02/30", TooManyRedirects, "too many redirects") == 11
    assert refused(hops, "/D02/11", TooManyRedirects, "too many redirects") == 11
    assert len(reached(hops, "/D02/10")) == 11
    assert reached(hops, "/D02/5") == [f"a.test/D02/{number}" for number in (5, 4, 3, 2, 1, 0)]


def test_D03_a_location_is_resolved_against_the_url_that_was_asked_for(hops: Any) -> None:
    hops.server.plays["/D03/query"] = lambda asked: GOOD if asked.target.endswith("?q") else moved("?q")
    assert reached(hops, "/D03/up") == ["a.test/D03/up", "a.test/x"]
    assert reached(hops, "/D03/query") == ["a.test/D03/query", "a.test/D03/query?q"]
    assert reached(hops, "/D03/host") == ["a.test/D03/host", "b.test/x"]
    for path in ("/D03/empty", "/D03/fragment"):
        assert refused(hops, path, TooManyRedirects, "too many redirects") == 11


def test_D03_an_empty_location_may_lead_to_the_page_at_last(hops: Any) -> None:
    cookie_wall = lambda asked: GOOD if "cookie" in asked.headers else moved("", 302, "Set-Cookie: seen=1")  # noqa: E731
    hops.server.plays["/D03/empty"] = cookie_wall
    assert reached(hops, "/D03/empty") == ["a.test/D03/empty"] * 2


def test_D04_raw_bytes_in_a_location_are_encoded_as_browsers_do(hops: Any) -> None:
    target = "/echo/caf%C3%A9%20a|b?q=%D0%B6"
    hops.server.plays[target.partition("?")[0]] = GOOD
    assert reached(hops, "/D04") == ["a.test/D04", f"a.test{target}"]


def test_D05_a_redirect_without_a_location_is_an_answer(hops: Any) -> None:
    assert reached(hops, "/D05") == ["a.test/D05"]


def test_D06_from_https_to_http_goes_nothing_that_was_secret(crawl: Callable[..., Any]) -> None:
    network = FakeNetwork(
        {
            "https://a.test": {"/": moved("http://a.test/plain", 302, "Set-Cookie: s=1; Secure", "Set-Cookie: p=2")},
            "http://a.test": {"/plain": GOOD},
        }
    )
    secrets = {"Authorization": "Basic c2VjcmV0", "Referer": "https://a.test/private"}
    crawled = crawl(network, [Request("https://a.test/", headers=secrets, cookies={"own": "3"})])
    assert crawled.outcomes == (1, 0, 0, 0)
    first, last = (asked.headers for asked in network.log if asked.target != ROBOTS)
    assert first["authorization"] == "Basic c2VjcmV0"
    assert (last.get("authorization"), last.get("referer"), last.get("cookie")) == (None, None, "p=2")
    with pytest.raises(BadResponse):
        next_hop("GET", "https://a.test/", Headers(), b"", status=302, location="http://a.test/", allow_downgrade=False)


BAD: Final = [
    "file:///etc/passwd", "ftp://a.test/", "gopher://a.test/", "javascript:alert(1)", "data:text/html,x", "about:blank",
    "mailto:a@a.test", "ws://a.test/", "//", "http://", "https://", "http://[::1", "http://[::g]/", "http://a b/",
    "http://a.test:99999/", "http://a.test:x/", "http://%00/", "http://a\x7f.test/",
]  # fmt: skip


def test_D07_nothing_but_http_is_followed(web: Callable[..., Any]) -> None:
    bad = web({f"/D07/{number}": moved(location) for number, location in enumerate(BAD)})

    async def main(session: Any) -> None:
        for number, location in enumerate(BAD):
            with pytest.raises(BadResponse) as caught:
                await session.get(f"http://a.test/D07/{number}")
            assert (type(caught.value), caught.value.phase) == (BadResponse, "redirect"), location
        assert (await session.get("http://a.test/good")).body == b"good"

    bad.session(main)
    assert len(bad.server.asked) == len(BAD) + 1
    assert bad.server.connections == 1
    crawled = bad.crawl([f"http://a.test/D07/{number}" for number in range(len(BAD))])
    assert crawled.outcomes == (0, len(BAD), 0, 0)
    assert crawled.reasons == {"failed: bad response": len(BAD)}


@pytest.mark.parametrize("location", ["http://user:secret@b.test/x", "//user:secret@b.test/x", "http://user@b.test/x"])
def test_D07_a_name_and_a_password_in_a_location_are_sent_to_nobody(hops: Any, location: str) -> None:
    hops.server.plays["/D07"] = moved(location)

    async def main(session: Any) -> None:
        assert (await session.get("http://a.test/D07")).url == "http://b.test/x"

    hops.session(main)
    assert "authorization" not in hops.server.asked[-1].headers
    assert "user" not in repr(hops.server.asked[-1])


def test_D07_three_slashes_are_a_host_as_for_browsers(hops: Any) -> None:
    hops.server.plays["/D07/slashes"] = moved("http:///b.test/x")
    assert reached(hops, "/D07/slashes") == ["a.test/D07/slashes", "b.test/x"]


def test_D09_another_origin_gets_nothing_that_was_meant_for_the_first(hops: Any) -> None:
    hops.server.plays["/D09"] = moved("http://b.test/x", 307, "Set-Cookie: jar=1")
    secrets = {"Authorization": "Bearer secret", "Proxy-Authorization": "Basic secret", "X-Plain": "yes"}

    async def main(session: Any) -> None:
        await session.get("http://a.test/D09", headers=secrets, cookies={"own": "2"})

    hops.session(main)
    crawled = hops.crawl([Request("http://a.test/D09", headers=secrets, cookies={"own": "2"})])
    assert crawled.outcomes == (1, 0, 0, 0)
    for asked in hops.server.asked:
        if asked.path == "/D09":
            assert (asked.headers["authorization"], asked.headers["cookie"]) == ("Bearer secret", "own=2")
        if asked.path == "/x":
            assert asked.headers["host"] == "b.test"
            assert "secret" not in repr(asked.headers)
            assert (asked.headers.get("cookie"), asked.headers["x-plain"]) == (None, "yes")
    walked = [asked.headers["host"] + asked.target for asked in hops.server.asked[2:]]
    assert walked == ["a.test/robots.txt", "a.test/D09", "b.test/robots.txt", "b.test/x"]


METHODS: Final = {
    301: ("GET", b""),
    302: ("GET", b""),
    303: ("GET", b""),
    307: ("POST", b"data"),
    308: ("POST", b"data"),
    300: None,
    304: None,
    305: None,
}


@pytest.mark.parametrize("status", METHODS)
def test_D10_the_method_changes_as_in_browsers(hops: Any, status: int) -> None:
    body = b"" if status == 304 else b"good"
    head = b"HTTP/1.1 %d X\r\nLocation: /x\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    hops.server.plays["/D10"] = head + body

    async def main(session: Any) -> int:
        return (await session.post("http://a.test/D10", body=b"data")).status

    ended = hops.session(main)
    first, *rest = [(asked.method, asked.body) for asked in hops.server.asked]
    assert first == ("POST", b"data")
    assert (ended, rest) == ((status, []) if METHODS[status] is None else (200, [METHODS[status]]))
    fields = hops.server.asked[-1].headers
    assert ("content-length" in fields) == (fields is hops.server.asked[0].headers or METHODS[status][0] == "POST")


@pytest.mark.parametrize("path", ["/D11", "/D11/length", "/D11/cut", "/D11/gzip"])
def test_D11_a_redirect_leads_on_though_its_body_is_broken(hops: Any, path: str) -> None:
    assert reached(hops, path, timeout=0.3) == [f"a.test{path}", "a.test/good"]


@pytest.mark.parametrize("path", ["/D12/header", "/D12/meta", "/D12/noscript"])
def test_D12_a_refresh_is_not_followed(hops: Any, path: str) -> None:
    crawled = hops.crawl([f"http://a.test{path}"], follow=True)
    assert (crawled.outcomes, crawled.urls) == ((1, 0, 0, 0), [f"http://a.test{path}"])
    assert crawled.bodies[0].endswith(b"good")
    assert hops.server.paths() == [ROBOTS, path]


@pytest.mark.parametrize("path", ["/D12/header", "/D12/meta"])
def test_D12_a_refresh_is_followed_where_the_setting_is_on(hops: Any, path: str) -> None:
    hops.server.plays["/refreshed"] = GOOD
    crawled = hops.crawl([f"http://a.test{path}"], "limits.follow_refresh=true", follow=True)
    assert (crawled.outcomes, crawled.bodies) == ((1, 0, 0, 0), [b"good"])
    assert crawled.answers[0].history == (f"http://a.test{path}",)
    assert hops.server.paths() == [ROBOTS, path, "/refreshed"]


def test_D12_one_in_noscript_is_never_followed(hops: Any) -> None:
    crawled = hops.crawl(["http://a.test/D12/noscript"], "limits.follow_refresh=true", follow=True)
    assert (crawled.outcomes, crawled.urls) == ((1, 0, 0, 0), ["http://a.test/D12/noscript"])
    assert hops.server.paths() == [ROBOTS, "/D12/noscript"]


def test_D12_a_refresh_in_a_circle_ends_at_the_limit(hops: Any) -> None:
    hops.server.plays["/D12/circle"] = answer(b"good", 200, "Refresh: 0; url=/D12/header")
    hops.server.plays["/D12/header"] = answer(b"good", 200, "Refresh: 0; url=/D12/circle")
    crawled = hops.crawl(["http://a.test/D12/circle"], "limits.follow_refresh=true")
    assert (crawled.outcomes, crawled.reasons) == ((0, 1, 0, 0), {"failed: too many redirects": 1})
    assert len(hops.server.asked) == 12


def test_D12_a_refresh_to_what_robots_txt_forbids_is_not_fetched(hops: Any) -> None:
    hops.server.plays[ROBOTS] = answer("User-agent: *\nDisallow: /refreshed", 200, "Content-Type: text/plain")
    crawled = hops.crawl(["http://a.test/D12/meta"], "limits.follow_refresh=true")
    assert (crawled.outcomes, crawled.reasons) == ((0, 0, 1, 0), {"disallowed: robots.txt": 1})
    assert hops.server.paths() == [ROBOTS, "/D12/meta"]


def test_D12_a_refresh_comes_after_its_time_and_not_into_your_network(crawl: Callable[..., Any]) -> None:
    wait = answer(b"good", 200, "Refresh: 7; url=/x")
    network = FakeNetwork({"a.test": {"/": wait, "/x": answer(b"x", 200, "Refresh: 0; url=http://127.1/")}})
    crawled = crawl(network, ["http://a.test/"], "limits.follow_refresh=true")
    assert (crawled.outcomes, crawled.reasons) == ((0, 1, 0, 0), {"failed: private address": 1})
    assert network.requests() == [ROBOTS, "/", "/x"]
    assert network.log[2].at - network.log[1].at >= 7


def test_D13_a_hop_to_what_robots_txt_forbids_is_not_fetched(hops: Any) -> None:
    hops.server.plays |= {
        ROBOTS: answer("User-agent: *\nDisallow: /private", 200, "Content-Type: text/plain"),
        "/D13": moved("/private/x"),
        "/D13/other": moved("http://b.test/private"),
    }
    crawled = hops.crawl(["http://a.test/D13", "http://a.test/D13/other"])
    assert (crawled.outcomes, crawled.reasons) == ((0, 0, 2, 0), {"disallowed: robots.txt": 2})
    assert not [path for path in hops.server.paths() if "private" in path]


def test_D13_a_hop_offsite_is_not_fetched(hops: Any) -> None:
    class Onsite(hops.spider):  # type: ignore[name-defined,misc]
        name = "onsite"
        allowed_domains = ("a.test",)

    hops.server.plays["/D13"] = moved("http://b.test/x")
    crawled = hops.crawl(["http://a.test/D13"], spider=Onsite)
    assert (crawled.outcomes, crawled.reasons) == ((0, 0, 0, 1), {"dropped: offsite": 1})
    assert {asked.headers["host"] for asked in hops.server.asked} == {"a.test"}


def test_D14_a_location_of_a_megabyte_is_refused(hops: Any) -> None:
    assert refused(hops, "/D14", TooLarge, "too large") == 1
