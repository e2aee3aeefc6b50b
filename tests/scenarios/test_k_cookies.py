"""K: cookies that may not be, and too many of them; told by what the server is sent the next time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from scrapekit.http.cookies import MAX_PER_DOMAIN
from scrapekit.http.setcookie import MAX_OCTETS
from scrapekit.testing import FakeNetwork
from tests.scenarios.server import GOOD, answer


def setting(*cookies: str) -> bytes:
    return answer(b"good", 200, *(f"Set-Cookie: {cookie}" for cookie in cookies))


def sent_next(web: Any, cookies: list[str], *, to: str = "http://www.a.test/next", at: str = "www.a.test") -> list[str]:
    """The pairs that go with the next request, in a session and, to the same host, in a crawl."""
    kept = web({"/set": setting(*cookies), "/next": GOOD, "/priv/x": GOOD, "/private": GOOD})

    async def main(session: Any) -> None:
        assert (await session.get(f"http://{at}/set")).body == b"good"
        assert (await session.get(to)).body == b"good"

    kept.session(main)
    by_session = kept.server.asked[-1].headers.get("cookie")
    if to.startswith(f"http://{at}/"):  # another host's turn may come first
        assert kept.crawl([f"http://{at}/set", to]).outcomes == (2, 0, 0, 0)
        assert kept.server.asked[-1].headers.get("cookie") == by_session
    assert "cookie" not in kept.server.asked[0].headers
    return by_session.split("; ") if by_session else []


#                what is wrong
REFUSED: Final = {
    "a public suffix": "a=1; Domain=com",
    "the top domain": "b=1; Domain=test",
    "another's": "c=1; Domain=b.test",
    "one below": "d=1; Domain=x.www.a.test",
    "__Host- with Domain": "__Host-e=1; Secure; Path=/; Domain=a.test",
    "__Host- over http": "__Host-f=1; Secure; Path=/",
    "__Secure- over http": "__Secure-g=1; Secure",
    "__Secure- without Secure": "__Secure-h=1",
    "Secure over http": "i=1; Secure",
    "a name hidden in a value": "=__Secure-j=1",
}


@pytest.mark.parametrize("what", REFUSED)
def test_K01_a_cookie_that_may_not_be_is_not_kept(web: Callable[..., Any], what: str) -> None:
    assert sent_next(web, [REFUSED[what], "ok=1"]) == ["ok=1"]


def test_K01_a_part_of_an_address_is_no_domain(web: Callable[..., Any]) -> None:
    # Both are asked by address, at the port that the server listens on.
    kept = web({"/set": setting("a=1; Domain=0.0.1", "b=1; Domain=.0.1", "ok=1; Domain=127.0.0.1"), "/next": GOOD})

    async def main(session: Any) -> None:
        for path in ("/set", "/next"):
            await session.get(f"http://127.0.0.1:{kept.server.port}{path}")

    kept.session(main)
    assert kept.server.asked[-1].headers["cookie"] == "ok=1"


def test_K01_a_cookie_goes_to_its_host_or_below_its_domain_and_nowhere_else(web: Callable[..., Any]) -> None:
    cookies = ["own=1", "domain=2; Domain=a.test"]
    assert sent_next(web, cookies) == ["own=1", "domain=2"]
    assert sent_next(web, cookies, to="http://a.test/next") == ["domain=2"]
    assert sent_next(web, cookies, to="http://b.test/next") == []
    assert sent_next(web, ["own=1"], at="a.test") == []


def test_K01_over_https_the_prefixes_are_kept(crawl: Callable[..., Any]) -> None:
    cookies = ["__Host-a=1; Secure; Path=/", "__Secure-b=2; Secure; Domain=a.test", "c=3; Secure", "__Host-d=4; Path=/"]
    network = FakeNetwork(
        {"https://www.a.test": {"/set": setting(*cookies), "/secure": GOOD}, "http://www.a.test": {"/plain": GOOD}}
    )
    crawl(network, ["https://www.a.test/set", "https://www.a.test/secure", "http://www.a.test/plain"])
    sent = {asked.target: asked.headers.get("cookie") for asked in network.log}
    assert sent["/secure"] == "__Host-a=1; __Secure-b=2; c=3"
    assert sent["/plain"] is None


def test_K02_of_300_large_cookies_as_many_are_kept_as_a_head_may_have(web: Callable[..., Any]) -> None:
    sent = sent_next(web, [f"c{number}={'x' * 4000}" for number in range(300)])
    assert len(sent) == MAX_PER_DOMAIN
    assert sent[-1].startswith("c299=")
    assert sum(map(len, sent)) < MAX_PER_DOMAIN * MAX_OCTETS


def test_K02_a_cookie_beyond_the_largest_is_not_kept(web: Callable[..., Any]) -> None:
    assert sent_next(web, ["a=" + "x" * MAX_OCTETS, "b=" + "x" * (MAX_OCTETS - 1), "ok=1"])[1:] == ["ok=1"]


KEPT: Final = {
    "quotes": ('q="a b"', ['q="a b"']),
    "nameless": ("value alone", ["value alone"]),
    "nameless, with a sign": ("=value", ["value"]),
    "an empty value": ("e=", ["e="]),
    "a sign in the value": ("s=a=b", ["s=a=b"]),
    "a tab": ("t=a\tb", ["t=a\tb"]),
    "UTF-8": ("l=caf\xc3\xa9", ["l=caf\xc3\xa9"]),
    "SameSite": ("x=1; SameSite=Strict; HttpOnly; Partitioned", ["x=1"]),
    "a date that is none": ("d=1; Expires=tomorrow", ["d=1"]),
    "a comma": ("c=1,2", ["c=1,2"]),
    "empty": ("", []),
    "a sign alone": ("=", []),
    "attributes alone": ("; Path=/", []),
    "a control character": ("z=a\x01b", []),
    "a control character in an attribute": ("z=a; Path=/\x7f", []),
    "Max-Age=0": ("m=1; Max-Age=0", []),
    "Max-Age=-1": ("m=1; Max-Age=-1", []),
    "1970": ("y=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", []),
    "Max-Age goes before Expires": ("m=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", ["m=1"]),
    "another path": ("p=1; Path=/priv", []),
    "a path that is none": ("p=1; Path=priv", ["p=1"]),
}


@pytest.mark.parametrize("what", KEPT)
def test_K03_odd_cookies_are_read_as_rfc6265bis_says(web: Callable[..., Any], what: str) -> None:
    cookie, expected = KEPT[what]
    assert sent_next(web, [cookie, "ok=1"]) == [*expected, "ok=1"]


def test_K03_a_path_is_a_folder_and_no_prefix(web: Callable[..., Any]) -> None:
    assert sent_next(web, ["p=1; Path=/priv"], to="http://www.a.test/priv/x") == ["p=1"]
    assert sent_next(web, ["p=1; Path=/priv"], to="http://www.a.test/private") == []


def test_K03_a_server_takes_its_cookie_back(web: Callable[..., Any]) -> None:
    assert sent_next(web, ["a=1", "b=2", "a=; Max-Age=0"]) == ["b=2"]
