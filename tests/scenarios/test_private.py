"""D08 and N02: no site leads a crawl into your own network, however it spells the way and whatever its name answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from scrapekit import Session
from scrapekit.errors import PrivateAddress
from scrapekit.testing import FakeNetwork, VirtualClock
from scrapekit.testing.site import Page
from scrapekit.url import canonical, host_of
from tests.scenarios.plays import moved
from tests.scenarios.server import GOOD

SITE: Final = "site.example"
#: What leads to this machine, to its network, and to the metadata of a cloud.
SPELLINGS: Final = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7F.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.0.0.1./",
    "http://%31%32%37.0.0.1/",
    "http://me@127.0.0.1/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://0/",
    "http://localhost/",
    "http://a.localhost./",
    "http://169.254.169.254/latest/meta-data/",
    "http://0xa9fea9fe/",
    "http://10.0.0.1/",
    "http://192.168.0.1:8080/",
    "https://[fd00:ec2::254]/",
]
HOSTS: Final = {host_of(canonical(url)) for url in SPELLINGS}


def around(pages: dict[str, Any], *hosts: str) -> FakeNetwork:
    """A site on the open net; at these hosts somebody would answer too."""
    network = FakeNetwork({SITE: pages})
    for host in hosts or HOSTS:
        network.site(host, {"/": GOOD, "/latest/meta-data/": GOOD, "/x": GOOD})
    return network


def asked(network: FakeNetwork) -> set[str]:
    return {received.host for received in network.log}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_D08_a_redirect_into_your_network_is_refused_in_every_spelling(
    crawl: Callable[..., Any], spelling: str
) -> None:
    network = around({"/": moved(spelling), "/good": GOOD})
    crawled = crawl(network, [f"http://{SITE}/", f"http://{SITE}/good"])
    assert (crawled.outcomes, crawled.reasons) == ((1, 1, 0, 0), {"failed: private address": 1})
    error = crawled.failures[0].error
    assert (type(error), error.phase, error.url) == (PrivateAddress, "redirect", f"http://{SITE}/")
    assert network.requests(SITE) == ["/robots.txt", "/", "/good"]  # once each
    assert asked(network) == {SITE}


def test_D08_a_link_into_your_network_is_dropped_in_every_spelling(crawl: Callable[..., Any]) -> None:
    links = "".join(f'<a href="{url}">x</a>' for url in SPELLINGS)
    network = around({"/": f'<html>{links}<a href="/good">x</a></html>', "/good": GOOD})
    crawled = crawl(network, [f"http://{SITE}/"], follow=True)
    count = len({canonical(url) for url in SPELLINGS})
    assert (crawled.outcomes, crawled.reasons) == ((2, 0, 0, count), {"dropped: private address": count})
    assert asked(network) == {SITE}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_D08_a_robots_txt_that_leads_into_your_network_is_not_read_there(
    crawl: Callable[..., Any], spelling: str
) -> None:
    network = around({"/robots.txt": moved(spelling), "/": GOOD})
    crawled = crawl(network, [f"http://{SITE}/"])
    assert (crawled.outcomes, crawled.reasons) == ((0, 1, 0, 0), {"failed: private address": 1})
    assert network.requests() == ["/robots.txt"]


def test_D08_a_chain_of_hops_over_the_open_net_opens_nothing(crawl: Callable[..., Any]) -> None:
    network = around({"/": moved("http://other.example/")}, "127.0.0.1")
    network.site("other.example", {"/": moved("http://127.0.0.1/")})
    crawled = crawl(network, [f"http://{SITE}/"])
    assert crawled.reasons == {"failed: private address": 1}
    assert asked(network) == {SITE, "other.example"}


def test_D08_a_name_in_resolve_leads_to_no_address_not_even_to_its_own(web: Callable[..., Any]) -> None:
    site = web({"/x": GOOD})
    site.server.plays["/"] = moved(f"http://127.0.0.1:{site.server.port}/x")
    crawled = site.crawl(["http://a.test/"])
    assert crawled.reasons == {"failed: private address": 1}
    assert site.server.paths() == ["/robots.txt", "/"]


# ---- who may ----

HOST_LEAVE: Final = "hosts.'10.0.0.1'.allow_private=true"


def test_D08_a_private_host_may_lead_to_another(crawl: Callable[..., Any]) -> None:
    pages = {"/": '<a href="http://127.0.0.2/">x</a><a href="/hop">x</a>', "/hop": moved("http://10.0.0.1/x")}
    network = FakeNetwork({"127.0.0.1": pages, "127.0.0.2": {"/": GOOD}, "10.0.0.1": {"/x": GOOD}})
    crawled = crawl(network, ["http://127.0.0.1/"], follow=True)
    assert crawled.outcomes == (3, 0, 0, 0)
    assert set(crawled.urls) == {"http://127.0.0.1/", "http://127.0.0.2/", "http://10.0.0.1/x"}


@pytest.mark.parametrize(
    "leave", ["start", "resolve", "limits.allow_private=true", "hosts.'10.0.0.1'.allow_private=true"]
)
def test_D08_where_there_is_leave_a_site_may_lead_there(crawl: Callable[..., Any], leave: str) -> None:
    network = around({"/": '<a href="http://10.0.0.1/x">x</a><a href="/hop">x</a>', "/hop": moved("http://10.0.0.1/")})
    starts = [f"http://{SITE}/"] + (["http://10.0.0.1/y"] if leave == "start" else [])
    sets = {"start": [], "resolve": ["resolve.'10.0.0.1'=10.0.0.1"]}.get(leave, [leave])
    crawled = crawl(network, starts, *sets, follow=True)
    assert {"http://10.0.0.1/", "http://10.0.0.1/x"} <= set(crawled.urls)
    assert not any("private" in reason for reason in crawled.reasons)


def test_D08_another_private_address_than_that_of_the_start_is_refused_all_the_same(crawl: Callable[..., Any]) -> None:
    network = around({"/": '<a href="http://10.0.0.2/">x</a>'}, "10.0.0.1", "10.0.0.2")
    crawled = crawl(network, [f"http://{SITE}/", "http://10.0.0.1/x"], follow=True)
    assert crawled.reasons == {"dropped: private address": 1}
    assert "10.0.0.2" not in asked(network)


# ---- names ----


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:7f00:1", "fd00:ec2::254"])
def test_N02_a_name_that_moves_into_your_network_is_not_followed_there(crawl: Callable[..., Any], ip: str) -> None:
    def rebind(received: Any) -> Page:
        network._ips[SITE] = ip
        return Page("good", headers={"Connection": "close"})

    network = FakeNetwork({SITE: {"/": rebind, "/secret": GOOD}})
    network._sites[ip, 80] = network._sites[network._ips[SITE], 80]  # which would answer there
    crawled = crawl(network, [f"http://{SITE}/", f"http://{SITE}/secret"])
    assert (crawled.outcomes, crawled.bodies) == ((1, 1, 0, 0), [b"good"])
    assert crawled.reasons == {"failed: private address": 1}
    error = crawled.failures[0].error
    assert (type(error), error.phase, error.sent) == (PrivateAddress, "resolve", False)
    assert crawled.stats.retries == 0
    assert network.requests() == ["/robots.txt", "/"]


def test_N02_a_name_that_is_in_your_network_needs_leave_also_as_a_start(crawl: Callable[..., Any]) -> None:
    network = FakeNetwork({SITE: {"/": GOOD}})
    network._sites["10.0.0.1", 80] = network._sites[network._ips[SITE], 80]
    network._ips[SITE] = "10.0.0.1"
    assert crawl(network, [f"http://{SITE}/"]).reasons == {"failed: private address": 1}
    assert network.log == []
    assert crawl(network, [f"http://{SITE}/"], f"hosts.'{SITE}'.allow_private=true").outcomes == (1, 0, 0, 0)


# ---- the same of a session, where what the caller asks for is the caller's word ----


@pytest.fixture
def ask(run: Callable[..., Any]) -> Callable[..., Any]:
    """``ask(network, *urls)`` asks for them in a session, one after the other; where each ended, or its error."""

    def asking(network: FakeNetwork, *urls: str, **options: Any) -> list[Any]:
        clock = VirtualClock()

        async def whole() -> list[Any]:
            ended: list[Any] = []
            async with Session(network=network, now=clock, **options) as session:
                for url in urls:
                    try:
                        ended.append((await session.get(url)).url)
                    except PrivateAddress as error:
                        ended.append(error)
            return ended

        ended: list[Any] = run(whole, clock=clock)
        assert network.open == 0, "a connection was left open"
        return ended

    return asking


def at(network: FakeNetwork, name: str, ip: str) -> None:
    """The site of that name answers at this address, which its name has from now on."""
    for port in (80, 443):
        network._sites[ip, port] = network._sites[network._ips[name], port]
    network._ips[name] = ip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_D08_a_session_refuses_a_redirect_into_your_network_in_every_spelling(
    ask: Callable[..., Any], spelling: str
) -> None:
    network = around({"/": moved(spelling), "/good": GOOD})
    error, good = ask(network, f"http://{SITE}/", f"http://{SITE}/good")
    assert (type(error), error.phase, error.url) == (PrivateAddress, "redirect", f"http://{SITE}/")
    assert (error.host, good) == (SITE, f"http://{SITE}/good")
    assert (network.requests(SITE), asked(network)) == (["/", "/good"], {SITE})


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_D08_a_session_goes_where_its_caller_says_and_where_there_is_leave(
    ask: Callable[..., Any], spelling: str
) -> None:
    network = around({"/": moved(spelling)})
    assert ask(network, spelling) == [canonical(spelling)]
    assert ask(network, f"http://{SITE}/", allow_private=True) == [canonical(spelling)]


def test_D08_a_chain_of_a_session_over_the_open_net_opens_nothing(ask: Callable[..., Any]) -> None:
    network = around({"/": moved("http://other.example/")}, "127.0.0.1")
    network.site("other.example", {"/": moved("http://127.0.0.1/")})
    (error,) = ask(network, f"http://{SITE}/")
    assert (type(error), error.url) == (PrivateAddress, "http://other.example/")
    assert asked(network) == {SITE, "other.example"}


@pytest.mark.parametrize("source", ["http://127.0.0.1/", "http://intra.corp/"])
def test_D08_in_a_session_too_a_private_host_may_lead_to_another(ask: Callable[..., Any], source: str) -> None:
    network = FakeNetwork({host: {"/": moved("http://login.corp/")} for host in ("127.0.0.1", "intra.corp")})
    network.site("login.corp", {"/": moved("http://10.0.0.1/")})
    network.site("10.0.0.1", {"/": moved(f"http://{SITE}/")})
    network.site(SITE, {"/": GOOD})
    for name, ip in {"intra.corp": "10.0.0.7", "login.corp": "10.0.0.8", "127.0.0.1": "127.0.0.1"}.items():
        at(network, name, ip)
    assert ask(network, source) == [f"http://{SITE}/"]


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:7f00:1", "fd00:ec2::254"])
def test_N02_a_session_is_led_to_no_name_that_is_in_your_network(ask: Callable[..., Any], ip: str) -> None:
    network = FakeNetwork({SITE: {"/": moved("http://rebound.example/secret")}, "rebound.example": {"/secret": GOOD}})
    at(network, "rebound.example", ip)
    (error,) = ask(network, f"http://{SITE}/")
    assert (type(error), error.phase, error.sent) == (PrivateAddress, "resolve", False)
    assert (error.url, error.host) == ("http://rebound.example/secret", "rebound.example")
    assert "allow_private=True" in error.detail
    assert network.requests() == ["/"]
    assert ask(network, f"http://{SITE}/", allow_private=True) == ["http://rebound.example/secret"]


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.0.0.1", "::1"])
def test_N02_a_name_that_moves_while_a_session_is_led_to_it_is_not_followed(ask: Callable[..., Any], ip: str) -> None:
    def rebind(received: Any) -> Page:
        at(network, SITE, ip)
        return Page("", 302, headers={"Connection": "close", "Location": "/secret"})

    network = FakeNetwork({SITE: {"/": rebind, "/secret": GOOD}})
    (error,) = ask(network, f"http://{SITE}/")
    assert (type(error), error.phase, error.sent) == (PrivateAddress, "resolve", False)
    assert network.requests() == ["/"]


def test_N02_a_connection_into_your_network_that_is_kept_is_not_for_who_is_led_there(ask: Callable[..., Any]) -> None:
    network = FakeNetwork({SITE: {"/": moved("http://intra.corp/secret")}, "intra.corp": {"/": GOOD, "/secret": GOOD}})
    at(network, "intra.corp", "10.0.0.1")
    first, error, last = ask(network, "http://intra.corp/", f"http://{SITE}/", "http://intra.corp/secret")
    assert (first, last) == ("http://intra.corp/", "http://intra.corp/secret")
    assert (type(error), error.address, error.sent) == (PrivateAddress, "10.0.0.1:80", False)
    assert network.requests() == ["/", "/", "/secret"]
    assert network.opened == 2  # it is kept all the same


def test_D08_a_hop_over_the_open_net_goes_on_the_connection_that_is_there(ask: Callable[..., Any]) -> None:
    network = FakeNetwork({SITE: {"/": moved("/x"), "/x": GOOD}})
    assert ask(network, f"http://{SITE}/", f"http://{SITE}/") == [f"http://{SITE}/x"] * 2
    assert network.opened == 1


def test_D08_a_name_in_resolve_leads_a_session_to_names_there_and_to_no_address(web: Callable[..., Any]) -> None:
    site = web({"/": moved("http://b.test/x"), "/x": GOOD})
    site.server.plays["/self"] = moved(f"http://127.0.0.1:{site.server.port}/x")

    async def main(session: Any) -> PrivateAddress:
        assert (await session.get("http://a.test/")).url == "http://b.test/x"
        with pytest.raises(PrivateAddress) as caught:
            await session.get("http://a.test/self")
        return caught.value

    assert site.session(main).phase == "redirect"
    assert site.server.paths() == ["/", "/x", "/self"]
    site.session(lambda session: session.get("http://a.test/self"), allow_private=True)
    assert site.server.paths()[3:] == ["/self", "/x"]


def test_N02_a_file_and_a_stream_are_guarded_as_well(run: Callable[..., Any], tmp_path: Any) -> None:
    network, clock = around({"/": moved("http://10.0.0.1/x")}), VirtualClock()

    async def main() -> None:
        async with Session(network=network, now=clock) as session:
            with pytest.raises(PrivateAddress):
                await session.download(f"http://{SITE}/", tmp_path / "file")
            with pytest.raises(PrivateAddress):
                async with session.stream("GET", f"http://{SITE}/"):
                    pass

    run(main, clock=clock)
    assert asked(network) == {SITE}
