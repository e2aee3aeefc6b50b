"""``scrapekit robots``: the verdict, why, and how it ends."""

from __future__ import annotations

import pytest

FILE = """\
User-agent: *
Disallow: /private

User-agent: examplebot
Crawl-delay: 300
Request-rate: 1/10
Visit-time: 0100-0500
Allow: /private/open
Disallow: /private
Content-Signal: search=yes, ai-train=no
Sitemap: https://example.com/sitemap.xml
"""


def rows(said):
    assert said.err == ""
    return {line[:8].strip(): line[9:] for line in said.out.splitlines()}


@pytest.fixture
def file(folder):
    (folder / "r.txt").write_text(FILE)
    return "r.txt"


def test_a_given_file_is_judged_by_without_fetching(scrapekit, file):
    said = scrapekit("robots", "https://example.com/private/x", "--agent", "examplebot", "--file", file)
    assert said.code == 1
    assert rows(said) == {
        "url": "https://example.com/private/x",
        "verdict": "disallowed",
        "group": "examplebot",
        "line": "9: Disallow: /private",
        "delay": "60 s: robots.txt asks for 300 s (Crawl-delay), of which max_crawl_delay lets 60 s count, by default; "
        "delay = 1 s by default",
        "rate": "1 in 10 s (Request-rate)",
        "visits": "01:00 to 05:00 UTC (Visit-time)",
        "uses": "ai-train no, search yes",
        "file": "r.txt, as it was given",
        "sitemap": "https://example.com/sitemap.xml",
    }


def test_the_name_of_the_project_is_asked_for_unless_another_is_given(scrapekit, file, folder):
    (folder / "scrapekit.toml").write_text('[identity]\nname = "examplebot"\n[limits]\nmax_crawl_delay = 400\n')
    said = scrapekit("robots", "https://example.com/private/open", "--file", file)
    assert said.code == 0
    found = rows(said)
    assert found["line"] == "8: Allow: /private/open"
    assert found["delay"] == "300 s: robots.txt asks for 300 s (Crawl-delay); delay = 1 s by default"
    said = scrapekit("robots", "https://example.com/private/open", "--file", file, "--agent", "other")
    assert (said.code, rows(said)["group"]) == (1, "*, for no group names other")


def test_what_no_line_forbids_is_allowed(scrapekit, file):
    said = scrapekit("robots", "https://example.com/", "--file", file)
    assert (said.code, rows(said)["line"]) == (0, "none matches, and what no line forbids is allowed")


def test_the_file_is_fetched_from_the_site(scrapekit, site):
    site.pages["/robots.txt"] = "User-agent: *\nDisallow: /a"
    said = scrapekit("robots", f"{site.url}/a")
    assert said.code == 1
    assert site.asked == ["/robots.txt"]
    assert rows(said)["file"] == f"{site.url}/robots.txt: HTTP 200, 26 bytes; its rules hold (RFC 9309 §2.3.1.1)"
    assert rows(said)["age"].startswith("0 s")


def test_without_a_file_everything_is_allowed_and_out_of_reach_nothing_is(scrapekit, site):
    said = scrapekit("robots", f"{site.url}/a")
    assert said.code == 0
    assert "HTTP 404; there is none: everything may be fetched" in rows(said)["file"]
    site.busy["/robots.txt"] = "1"
    said = scrapekit("robots", f"{site.url}/a")
    assert said.code == 1
    assert "HTTP 503; unreachable: nothing may be fetched" in rows(said)["file"]


def test_a_host_that_a_crawl_would_refuse_is_not_asked(scrapekit):
    said = scrapekit("robots", "http://example.com/")
    assert said.code == 2
    assert said.refusal.startswith("identity.contact: example.com is not this machine")


def test_that_the_settings_ignore_the_file_is_said(scrapekit, file):
    said = scrapekit("robots", "http://127.0.0.1/private", "--file", file, "--set", "limits.robots=ignore")
    assert (said.code, rows(said)["but"]) == (1, 'a crawl would not ask: robots = "ignore" by --set')


@pytest.mark.parametrize(
    "argv", [["example.com"], ["http://a.test/", "--file", "none"], ["http://a.test/", "--agent", " "]]
)
def test_a_wrong_call_is_refused(scrapekit, argv):
    said = scrapekit("robots", *argv)
    assert said.code == 2
    assert said.refusal
