"""Who may lead a crawl to private addresses."""

from __future__ import annotations

import pytest

from scrapekit.config import Settings
from scrapekit.reach import HOSTS, Reach
from scrapekit.url import canonical, host_of


def reach(**tables):
    settings = Settings.make(tables)
    return Reach(limits_for=settings.limits_for, static=settings.static)


#: 127.0.0.1 and what else leads to this machine or its network, as a Location or a link may spell it.  # D08
SPELLINGS = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.0.0.1./",
    "http://%31%32%37.0.0.1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://user@127.0.0.1:8080/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://0/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://anything.localhost/",
    "http://169.254.169.254/latest/meta-data/",
    "http://0xa9fea9fe/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://10.0.0.1/",
    "http://10.1/",
    "http://192.168.0.1:8080/",
    "https://172.16.0.1/",
]


@pytest.mark.parametrize("url", SPELLINGS)
def test_D08_nobody_on_the_open_net_leads_to_a_private_address_however_it_is_spelt(url):
    host = host_of(canonical(url))
    assert reach().refuses(host, "http://site.example/")
    assert reach().refuses(host, "http://44.0.0.1:8080/")
    assert reach().refuses_hop(canonical(url), "https://site.example/page")
    assert not reach().refuses(host, None)  # a start request
    assert not reach().refuses(host, "http://10.9.9.9/")
    assert not reach().refuses(host, "http://localhost:8000/")


@pytest.mark.parametrize("host", ["site.example", "44.0.0.1", "[2606:4700::1111]:8080", "10.example", "intranet"])
def test_what_is_not_spelt_as_private_is_judged_by_whoever_connects(host):
    assert not reach().refuses(host, "http://site.example/")
    assert not reach().may_be_private(f"http://{host}/")


def test_a_private_host_is_open_once_a_start_request_named_its_address():
    mine = reach()
    for host in ("10.0.0.1:8080", "site.example"):
        mine.start(host)
    assert not mine.refuses("10.0.0.1:8080", "http://site.example/")
    assert mine.refuses("10.0.0.1", "http://site.example/")  # another port is another host
    assert mine.started == {"10.0.0.1:8080"}
    assert mine.refuses("10.0.0.2:8080", "http://site.example/")
    assert not mine.may_be_private("http://site.example/")  # a name, wherever it points


def test_a_host_in_resolve_is_open_and_opens_no_other():
    mine = reach(resolve={"books.test": "127.0.0.1:8900", "cdn.test:8080": "44.0.0.1", "localhost": "127.0.0.1"})
    assert mine.may_be_private("http://books.test/")
    assert mine.may_be_private("https://books.test/")
    assert mine.may_be_private("http://cdn.test:8080/")
    assert not mine.may_be_private("http://cdn.test/")
    for source in ("http://books.test/page", "http://cdn.test:8080/"):
        assert mine.refuses("127.0.0.1", source)
        assert mine.refuses("127.0.0.1:8900", source)
    assert not mine.refuses("localhost", "http://site.example/")


def test_a_host_with_leave_is_open_to_all_and_opens_no_other():
    hosts = {"10.0.0.1": {"allow_private": True}, "*.corp.example": {"allow_private": True}}
    mine = reach(hosts=hosts)
    assert not mine.refuses("10.0.0.1", "http://site.example/")
    assert mine.may_be_private("http://wiki.corp.example/")
    assert not mine.may_be_private("http://corp.example/")
    assert mine.refuses("10.0.0.2", "http://site.example/")
    assert mine.refuses("10.0.0.2", "http://wiki.corp.example/")


def test_leave_for_all_opens_all():
    mine = reach(limits={"allow_private": True})
    assert not mine.refuses("10.0.0.1", "http://site.example/")
    assert mine.may_be_private("http://site.example/")


def test_of_so_many_hosts_is_remembered_how_they_are_spelt():
    mine = reach()
    for number in range(HOSTS + 1):
        mine.refuses(f"{number}.example", "http://site.example/")
    assert len(mine._spelt) <= HOSTS
    assert mine.refuses("10.0.0.1", "http://site.example/")
