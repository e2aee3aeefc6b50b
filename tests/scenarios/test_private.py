"""D08 and N02: no site leads a crawl into your own network, however it spells the way and whatever its name answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from scrapekit.errors import PrivateAddress
from scrapekit.testing import FakeNetwork
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
