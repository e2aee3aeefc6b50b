"""``scrapekit explain``: one URL, and what is known of it."""

from __future__ import annotations


def rows(said):
    assert said.err == ""
    found = {}
    for line in said.out.splitlines():
        found.setdefault(line[:9].strip(), []).append(line[10:])
    return found


def test_all_that_is_known_is_said(scrapekit, project, site):
    host = site.url.removeprefix("http://")
    (project / "scrapekit.toml").write_text(
        f'[limits]\ndelay = 0\ntimeout = 5\n[spiders.pages.hosts."{host}"]\nconcurrency = 2\n'
    )
    site.pages["/robots.txt"] = "User-agent: *\nDisallow: /a\nCrawl-delay: 3"
    said = scrapekit("explain", f"{site.url.upper()}/a#x".replace("HTTP", "http"), "--spider", "pages")
    assert said.code == 1
    assert site.asked == ["/robots.txt"]
    found = rows(said)
    assert found["url"] == [f"{site.url}/a (given as {site.url}/a#x)"]
    assert found["host"] == [f"{host}, this machine"]
    assert set(found["limits"]) == {
        "[limits] gives delay, timeout",
        f'[spiders.pages.hosts."{host}"] gives concurrency',
    }
    assert found["verdict"] == ["disallowed"]
    assert found["line"] == ["2: Disallow: /a"]
    assert found["delay"] == ["3 s: robots.txt asks for 3 s (Crawl-delay); delay = 0 s by [limits], scrapekit.toml:2"]
    assert found["last run"] == ["none in this project"]


def test_what_would_be_fetched_ends_with_0(scrapekit, site):
    said = scrapekit("explain", f"{site.url}/")
    assert said.code == 0
    assert rows(said)["limits"] == ["every one is the default"]


def test_a_host_that_is_refused_is_not_asked(scrapekit):
    said = scrapekit("explain", "http://far.test/x")
    assert said.code == 1
    assert rows(said)["refused"][0].startswith("identity.contact: far.test is not this machine")
    assert "verdict" not in rows(said)


def test_what_is_offsite_is_not_fetched(scrapekit, project, site):
    (project / "spiders" / "o.py").write_text(
        "from scrapekit import Spider\n\n\nclass O(Spider):\n    name = 'o'\n    allowed_domains = ['example.com']\n"
    )
    said = scrapekit("explain", f"{site.url}/", "--spider", "o")
    assert said.code == 1
    assert rows(said)["offsite"][0].endswith("is not in the allowed_domains of o")


def test_the_last_run_is_looked_into(scrapekit, project, site):
    site.pages["/"] += "<a href=/gone>x</a>"
    assert scrapekit("crawl", "pages").code == 0
    found = rows(scrapekit("explain", f"{site.url}/1"))["last run"]
    assert found[0].endswith("-pages: ended, finished")
    assert "does not name this URL" in found[1]
    run = next((project / ".scrapekit" / "runs").iterdir())
    (run / "stats.json").unlink()
    with (run / "crawl.log").open("a") as log:
        log.write(f"WARNING gave up {site.url}/gone: status 404\n")
    found = rows(scrapekit("explain", f"{site.url}/gone"))["last run"]
    assert found[0].endswith("is under way, or was killed")
    assert found[1] == f"its log says: WARNING gave up {site.url}/gone: status 404"
    assert "cannot be told" in found[2]
