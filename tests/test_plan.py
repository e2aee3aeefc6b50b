"""A plan: what is counted, what is asked for, and how long it must take."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from scrapekit import Settings
from scrapekit.errors import ConfigError
from scrapekit.plan import Plan, Planner
from scrapekit.scout import scouting
from scrapekit.testing import FakeNetwork, Page, VirtualClock


def urlset(*urls: str) -> str:
    return "<urlset>" + "".join(f"<url><loc>{url}</loc></url>" for url in urls) + "</urlset>"


def index(*urls: str) -> str:
    return "<sitemapindex>" + "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls) + "</sitemapindex>"


class Planned:
    def __init__(
        self,
        sites: dict[str, Any],
        *urls: str,
        sets: tuple[str, ...] = (),
        max_files: int = 20,
        contact: bool = True,
    ) -> None:
        self.network, clock = FakeNetwork(sites), VirtualClock()
        known = ["identity.contact=https://example.org/bot"] if contact else []
        settings = Settings().overridden([*known, *sets])

        async def main() -> Plan:
            async with scouting(settings, network=self.network, clock=clock) as scout:
                planner = Planner(
                    scout,
                    "scrapekit",
                    obeys=lambda host: settings.limits_for(host).robots == "obey",
                    max_files=max_files,
                )
                return await planner.make(urls)

        self.plan: Plan = clock.run(main)

    def asked(self, host: str = "a.test") -> list[str]:
        return self.network.requests(host)


ROBOTS = "User-agent: *\nDisallow: /no\nCrawl-delay: 2\nSitemap: http://a.test/s.xml\nSitemap: not a url\n"


def test_the_least_time_is_that_of_all_known_requests_of_the_slowest_host():
    pages = {"/robots.txt": ROBOTS, "/s.xml": urlset(*(f"http://a.test/{n}" for n in range(10)), "http://a.test/no/1")}
    planned = Planned({"a.test": pages, "b.test": {}}, "http://a.test/1", "http://a.test/no", "http://b.test/")
    host = planned.plan.hosts["a.test"]
    assert (host.allowed, [url for url, _ in host.disallowed]) == (["http://a.test/1"], ["http://a.test/no"])
    assert (host.promised, host.forbidden) == (9, 1)  # /1 is known already
    assert (host.requests, host.pause, host.least) == (1 + 1 + 9, 2.0, 20.0)
    assert planned.plan.longest is host
    assert planned.plan.hosts["b.test"].least == 1.0
    assert planned.asked() == ["/robots.txt", "/s.xml"]
    assert planned.asked("b.test") == ["/robots.txt"]


def test_an_index_is_followed_each_file_once_and_no_more_than_allowed():
    pages = {
        "/robots.txt": "Sitemap: http://a.test/i.xml\nSitemap: http://a.test/i.xml",
        "/i.xml": index("http://a.test/i.xml", "http://a.test/1.xml.gz", "http://a.test/2.xml", "http://a.test/3.xml"),
        "/1.xml.gz": Page(
            gzip.compress(urlset("http://a.test/1").encode()), headers={"Content-Type": "application/gzip"}
        ),
        "/2.xml": urlset("http://a.test/1", "http://a.test/2"),
    }
    planned = Planned({"a.test": pages}, "http://a.test/", max_files=3)
    assert planned.asked() == ["/robots.txt", "/i.xml", "/1.xml.gz", "/2.xml"]
    assert (planned.plan.unread, planned.plan.hosts["a.test"].promised) == (1, 2)
    assert [file.kind for file in planned.plan.files] == ["index", "urls", "urls"]
    assert Planned({"a.test": pages}, "http://a.test/", max_files=0).asked() == ["/robots.txt"]


def test_a_sitemap_that_is_forbidden_or_missing_is_told_and_hides_no_other():
    named = "".join(f"Sitemap: http://a.test/{n}.xml\n" for n in "xyz")
    pages = {
        "/robots.txt": f"User-agent: *\nDisallow: /x\n{named}",
        "/z.xml": urlset("http://a.test/1", "http://c.test/1"),
    }
    planned = Planned({"a.test": pages}, "http://a.test/")
    assert [file.problem for file in planned.plan.files] == [
        "disallowed: robots.txt line 2: Disallow: /x [robots]",
        "status 404",
        "",
    ]
    assert planned.asked() == ["/robots.txt", "/y.xml", "/z.xml"]
    assert planned.plan.elsewhere == {"c.test": 1}


def test_where_robots_txt_is_ignored_nothing_is_disallowed():
    sets = ("limits.robots=ignore", "limits.robots_reason=ours")
    host = Planned({"a.test": {"/robots.txt": ROBOTS}}, "http://a.test/no", sets=sets).plan.hosts["a.test"]
    assert (host.allowed, host.disallowed, host.pause) == (["http://a.test/no"], [], 1.0)


def test_a_host_that_does_not_answer_holds_up_no_other():
    sites: dict[str, Any] = {f"h{n}.test": {"/robots.txt": Page("", 404, delay=5.0)} for n in range(20)}
    planned = Planned(sites, *(f"http://h{n}.test/" for n in range(20)))
    assert list(planned.plan.hosts) == list(sites)
    times = [received.until for received in planned.network.log]
    assert max(times) - min(received.at for received in planned.network.log) == 10.0  # 20 hosts, 16 at once


def test_a_host_that_is_refused_is_refused_before_any_is_asked():
    with pytest.raises(ConfigError, match=r"contact.*b\.test"):
        Planned({"127.0.0.1": {}, "b.test": {}}, "http://127.0.0.1/", "http://b.test/", contact=False)


def test_a_host_that_is_refused_on_the_way_ends_the_plan():
    away = Page(status=302, headers={"Location": "http://b.test/r"})
    with pytest.raises(ConfigError, match=r"contact.*b\.test"):
        Planned({"127.0.0.1": {"/robots.txt": away}, "b.test": {}}, "http://127.0.0.1/", contact=False)


def test_no_more_pages_are_reckoned_with_than_the_budget_lets():
    pages = {"/robots.txt": "Sitemap: http://a.test/s.xml", "/s.xml": urlset(*(f"http://a.test/{n}" for n in range(9)))}
    for budget, requests in ((0, 1), (9, 10), (10, 11), (11, 11)):
        planned = Planned({"a.test": pages}, "http://a.test/", sets=(f"limits.max_pages={budget}",))
        assert planned.plan.hosts["a.test"].requests == requests


def test_nothing_is_planned_for_nothing():
    assert Planned({}).plan.longest is None


def test_a_site_that_cannot_be_read_has_nothing_to_fetch():
    host = Planned({"a.test": {"/robots.txt": 500}}, "http://a.test/").plan.hosts["a.test"]
    assert (host.allowed, host.disallowed) == ([], [("http://a.test/", None)])
