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
    site.pages["/"] += "<a href=/gone>x</a><a href=/no/1>x</a>"
    site.pages["/robots.txt"] = "User-agent: *\nDisallow: /no"
    assert scrapekit("crawl", "pages").code == 0

    def last_run(path: str) -> list[str]:
        return rows(scrapekit("explain", f"{site.url}{path}"))["last run"]

    run, fetched = last_run("/1")
    assert run.endswith("-pages: ended, finished")
    assert fetched.startswith("sent at 20")
    assert ": HTTP 200, " in fetched
    assert "status 404" in last_run("/gone")[1]
    assert last_run("/no/1")[1].endswith(": robots.txt, line 2")
    assert last_run("/no/1")[1].startswith("disallowed at 20")
    assert last_run("/never")[1:] == ["neither sent nor refused"]


def test_of_a_run_under_way_the_hosts_last_turn_is_told(scrapekit, project, site):
    assert scrapekit("crawl", "pages").code == 0
    folder = next((project / ".scrapekit" / "runs").iterdir())
    (folder / "stats.json").unlink()
    (folder / "crawl.log").write_text(f"WARNING gave up {site.url}/never: for a reason\nWARNING {site.url}/never2: x\n")
    run, record, host, log = rows(scrapekit("explain", f"{site.url}/never"))["last run"]
    assert run.endswith("is under way, or was killed")
    assert record.startswith("neither sent nor refused: it was not found, or it waits")
    assert host.startswith(f"{site.url.removeprefix('http://')} was last asked at 20")
    assert host.endswith("the pause after that is 0 s by free")
    assert log == f"its log says: WARNING gave up {site.url}/never: for a reason"


def test_a_run_without_a_ledger_is_told_as_such(scrapekit, project, site):
    folder = project / ".scrapekit" / "runs" / "20260101-000000-pages"
    folder.mkdir(parents=True)
    run, record = rows(scrapekit("explain", f"{site.url}/"))["last run"]
    assert run == "20260101-000000-pages: is under way, or was killed"
    assert record.startswith("whether it was seen cannot be told: ")
