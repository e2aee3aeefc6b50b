"""``scrapekit plan``: said in words, nothing fetched but what is meant for robots."""

from __future__ import annotations

import pytest


def test_a_plan_says_hosts_limits_promises_and_time(scrapekit, project, site):
    (project / "scrapekit.toml").write_text("[limits]\ndelay = 0.01\n")
    site.pages["/robots.txt"] = f"User-agent: *\nDisallow: /no\nSitemap: {site.url}/s.txt\n"
    site.pages["/s.txt"] = "\n".join(
        [*(f"{site.url}/{n}" for n in range(9)), f"{site.url}/no/1", "http://other.test/1"]
    )
    size = len(site.pages["/robots.txt"])
    said = scrapekit("plan", "pages")
    host = site.url.removeprefix("http://")
    assert (said.code, said.err) == (0, "")
    assert site.asked == ["/robots.txt", "/s.txt"]
    assert said.out.splitlines() == [
        host,
        "  delay       0.01 s: delay = 0.01 s by [limits], scrapekit.toml:2",
        "  at once     1: concurrency by default",
        f"  robots.txt  {site.url}/robots.txt: HTTP 200, {size} bytes; its rules hold (RFC 9309 §2.3.1.1)",
        "  starts      1 allowed, 0 disallowed",
        "  sitemaps    promise 9 more URLs, and name 1 that are disallowed",
        "sitemaps    1 asked for",
        f"    {site.url}/s.txt: text, 11 entries",
        "    1 of their URLs are of other.test, where nothing begins",
        f"time        at least 0 s: {host}, 11 requests 0.01 s apart; what only links lead to comes on top",
    ]


def test_hours_and_budgets_are_told_with_their_rule(scrapekit, project, site):
    (project / "scrapekit.toml").write_text('[limits]\nvisit = "00:00-24:00"\nmax_pages = 5\nmax_bytes = "2 MiB"\n')
    said = scrapekit("plan", "pages")
    assert "  hours       00:00-24:00: visit by [limits], scrapekit.toml:2\n" in said.out
    assert "  budget      5: max_pages by [limits], scrapekit.toml:3\n" in said.out
    assert "  budget      2 MiB: max_bytes by [limits], scrapekit.toml:4\n" in said.out


def test_without_a_sitemap_the_time_cannot_be_told(scrapekit, project, site):
    said = scrapekit("plan", "pages")
    assert said.code == 0
    assert "no robots.txt names a sitemap" in said.out
    assert "time        cannot be told" in said.out


def test_a_crawl_that_may_fetch_nothing_ends_with_1_and_says_by_which_line(scrapekit, project, site):
    site.pages["/robots.txt"] = "User-agent: *\nDisallow: /"
    said = scrapekit("plan", "pages")
    assert said.code == 1
    assert f"    {site.url}/: line 2: Disallow: /\n" in said.out
    assert site.asked == ["/robots.txt"]


def test_a_host_that_a_crawl_would_refuse_is_refused_unasked(scrapekit, project):
    (project / "spiders" / "far.py").write_text(
        "from scrapekit import Spider\n\n\nclass Far(Spider):\n    name = 'far'\n    start_urls = ['http://far.test/']\n"
    )
    said = scrapekit("plan", "far")
    assert said.code == 2
    assert said.refusal.startswith(f"{project}/scrapekit.toml: identity.contact: far.test is not this machine")


SPIDER = """\
from scrapekit import Spider


class Odd(Spider):
    name = "odd"
    start_urls = ["{url}/1"]

    {start}
"""


@pytest.mark.parametrize(
    ("start", "code", "says"),
    [
        ("async def start(self):\n        raise SystemExit\n        yield", 0, "start() is async and was not run"),
        (
            "def start(self):\n        return (f'{self.start_urls[0]}{n}' for n in range(2000))",
            0,
            "first 1,000 requests",
        ),
        ("def start(self):\n        return []", 1, "start() gives no request"),
        ("def start(self):\n        yield 5", 2, "neither a Request nor a URL"),
    ],
)
def test_start_is_run_as_far_as_that_is_cheap(scrapekit, project, site, start, code, says):
    (project / "spiders" / "odd.py").write_text(SPIDER.format(url=site.url, start=start))
    said = scrapekit("plan", "odd")
    assert said.code == code
    assert says in said.out + said.err
