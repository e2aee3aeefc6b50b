"""``scrapekit audit``: the newest run, or a named one, is judged; as a table, as JSON, as a page for a site's owner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scrapekit.ledger import FILE_NAME, Kind, Ledger

T = 1_753_000_000.0


def kept(folder: Path, name: str, *, gap: float = 1.0, host: str = "a.test", path: str = "/x") -> Path:
    """A run with a robots.txt that was read and two pages so far apart."""
    run = folder / ".scrapekit" / "runs" / name
    run.mkdir(parents=True)
    ledger = Ledger(run, spider="shop", agent="bot", user_agent="bot/1 (+https://bot.test/)", now=T)
    identity = {"name": "bot", "contact": "https://bot.test/"}
    ledger.settings({"identity": identity, "limits": {"delay": 1.0}}, now=T)
    pages = [("/robots.txt", 0.0, Kind.ROBOTS), (path, 1.0, Kind.PAGE), (path, 1.0 + gap, Kind.PAGE)]
    for row, (target, at, kind) in enumerate(pages):
        facts = {"due": 0.0, "rule": "delay", "delay": 1.0, "source": "delay"}
        handle = ledger.about_to_send(row, f"http://{host}{target}", kind=kind, now=T + at, **facts)
        handle.sent = T + at
        ledger.ended(handle, now=T + at + 0.1, status=200, size=1000)
        if kind is Kind.ROBOTS:
            body = b"User-agent: *\nDisallow: /no\n"
            ledger.robots(f"http://{host}", now=T + 0.1, status=200, body=body)
    ledger.refused(9, f"http://{host}/no/<b>", now=T + 3, outcome="disallowed", reason="robots.txt", line=2)
    ledger.close()
    return run


@pytest.fixture
def home(folder: Path) -> Path:
    (folder / "scrapekit.toml").write_text("")
    return folder


def test_a_good_run_is_acquitted_with_its_figures(scrapekit, home):
    kept(home, "20250720-1-shop")
    said = scrapekit("audit")
    assert (said.code, said.err) == (0, "")
    head, row, _, verdict = said.out.splitlines()
    assert head.split()[:2] == ["host", "requests"]
    assert row.split() == ["a.test", "3", "1", "s", "1", "s", "1", "1", "s,", "1", "at", "once", "0", "1", "–"]
    assert verdict.startswith("no violation in 3 requests to 1 host; run 20250720-1-shop, 2025-07-20 08:26:40 to")


def test_a_broken_rule_is_told_and_is_the_exit_code(scrapekit, home):
    kept(home, "20250720-1-shop", gap=0.25)
    said = scrapekit("audit")
    assert said.code == 1
    assert "delay: 0.25 s after the one before; allowed: 1 s  http://a.test/x" in said.out
    assert "1 violation in 3 requests" in said.out


def test_the_newest_run_is_meant_unless_one_is_named(scrapekit, home):
    kept(home, "20250720-1-shop", gap=0.25)
    kept(home, "20250721-1-shop")
    (home / ".scrapekit" / "runs" / "20250722-1-shop").mkdir()  # has no ledger
    assert scrapekit("audit").code == 0
    assert scrapekit("audit", "20250720-1-shop").code == 1
    assert scrapekit("audit", ".scrapekit/runs/20250720-1-shop").code == 1


def test_json_has_everything(scrapekit, home):
    kept(home, "20250720-1-shop", gap=0.25)
    said = scrapekit("audit", "--json")
    assert said.code == 1
    report = json.loads(said.out)
    assert (report["run"], report["agent"], report["violations"]) == ("20250720-1-shop", "bot", 1)
    (host,) = report["hosts"]
    assert (host["host"], host["least_gap"], host["disallowed"]) == ("a.test", 0.25, 1)
    assert host["violations"][0]["rule"] == "delay"
    assert host["statuses"] == {"200": 3}


def test_the_page_tells_who_came_how_often_and_what_was_left_alone(scrapekit, home):
    kept(home, "20250720-1-shop")
    said = scrapekit("audit", "--html", "page.html")
    assert said.code == 0
    page = (home / "page.html").read_text()
    for text in (
        "Our visit to a.test",
        "No rule was broken",
        "on 20 July 2025, from 08:26 to 08:26 UTC",
        'href="https://bot.test/"',
        "bot/1 (+https://bot.test/)",
        "disallows 1 address",
        "http://a.test/no/&lt;b&gt;",
    ):
        assert text in page
    assert "<script" not in page
    assert "src=" not in page


def test_the_page_hides_no_violation(scrapekit, home):
    kept(home, "20250720-1-shop", gap=0.25)
    assert scrapekit("audit", "--html", "page.html").code == 1
    page = (home / "page.html").read_text()
    assert "1 rule was broken" in page
    assert "0.25 s after the one before" in page
    assert "No rule was broken" not in page


def test_the_page_may_be_of_one_host_only(scrapekit, home):
    run = kept(home, "20250720-1-shop")
    ledger = Ledger(run, spider="shop", agent="bot", user_agent="bot/1", now=T + 60)
    ledger.refused(3, "http://secret.test/", now=T + 60, outcome="dropped", reason="offsite")
    ledger.close()
    scrapekit("audit", "--html", "page.html", "--host", "a.test")
    assert "secret.test" not in (home / "page.html").read_text()
    scrapekit("audit", "--html", "page.html")
    assert "secret.test" in (home / "page.html").read_text()
    said = scrapekit("audit", "--html", "page.html", "--host", "b.test")
    assert (said.code, said.refusal) == (2, "the run has nothing of 'b.test' (it has a.test, secret.test)")


def test_a_ledger_that_was_cut_short_is_judged_and_it_is_said(scrapekit, home):
    run = kept(home, "20250720-1-shop")
    with (run / FILE_NAME).open("ab") as file:
        file.write(b'["page",7,1')
    said = scrapekit("audit")
    assert said.code == 0
    assert "cut short by the end of the process: line" in said.out


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        ((), "no run has a ledger here"),
        (("nothing",), "there is no run 'nothing'"),
        (("--host", "a.test"), "audit: --host needs --html"),
    ],
)
def test_what_cannot_be_audited_is_refused(scrapekit, home, argv, why):
    said = scrapekit("audit", *argv)
    assert said.code == 2
    assert why in said.refusal


def test_a_damaged_ledger_is_refused_with_its_line(scrapekit, home):
    run = kept(home, "20250720-1-shop")
    lines = (run / FILE_NAME).read_text().splitlines(keepends=True)
    (run / FILE_NAME).write_text("".join([*lines[:2], "nonsense\n", *lines[2:]]))
    said = scrapekit("audit")
    assert said.code == 2
    assert f"{FILE_NAME}:3: is not a ledger's line" in said.refusal


def test_a_page_that_cannot_be_written_is_told(scrapekit, home):
    kept(home, "20250720-1-shop")
    said = scrapekit("audit", "--html", "nowhere/page.html")
    assert said.code == 2
    assert "cannot be written" in said.refusal


def test_what_a_crawl_has_done_on_loopback_is_acquitted(scrapekit, project):
    assert scrapekit("crawl", "pages", "-q").code == 0
    said = scrapekit("audit")
    assert said.code == 0, said.out
    assert "no violation in 4 requests to 1 host" in said.out
