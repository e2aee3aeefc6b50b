from __future__ import annotations

import csv
import json
import resource
import signal
from pathlib import Path

import pytest


def titles(lines: str) -> list[str]:
    return [json.loads(line)["title"] for line in lines.splitlines()]


ALL = ["page 0", "page 1", "page 2"]


def runs(project: Path) -> list[Path]:
    return sorted((project / ".scrapekit" / "runs").iterdir())


# ---- where items go ----


def test_without_a_terminal_items_go_to_standard_output_and_all_else_to_standard_error(scrapekit, project):
    said = scrapekit("crawl", "pages")
    assert said.code == 0
    assert titles(said.out) == ALL
    assert "pages finished after" in said.err


def test_items_go_to_each_file_by_its_ending(scrapekit, project):
    said = scrapekit("crawl", "pages", "-o", "a.jsonl", "-o", "a.json", "--output", "a.csv", "-o", "-")
    assert said.code == 0
    assert titles((project / "a.jsonl").read_text()) == titles(said.out) == ALL
    assert [item["title"] for item in json.loads((project / "a.json").read_text())] == ALL
    with (project / "a.csv").open(newline="") as file:
        assert [row["title"] for row in csv.DictReader(file)] == ALL


def test_with_files_nothing_goes_to_standard_output(scrapekit, project):
    assert scrapekit("crawl", "pages", "-o", "a.jsonl").out == ""


def test_every_run_has_a_folder_with_items_log_and_statistics(scrapekit, project):
    scrapekit("crawl", "pages", "-o", "a.jsonl")
    (run,) = runs(project)
    assert titles((run / "items.jsonl").read_text()) == ALL
    assert json.loads((run / "stats.json").read_text())["fetched"] == 3
    assert {path.name for path in run.iterdir()} >= {"items.jsonl", "rejected.jsonl", "crawl.log", "stats.json"}


def test_the_run_is_kept_with_the_project_and_files_with_the_current_folder(scrapekit, project, monkeypatch):
    (project / "below").mkdir()
    monkeypatch.chdir(project / "below")
    assert scrapekit("crawl", "pages", "-o", "a.jsonl").code == 0
    assert (project / "below" / "a.jsonl").exists()
    assert len(runs(project)) == 1


def test_a_file_that_exists_is_refused_with_the_way_out(scrapekit, project, site):
    (project / "a.jsonl").write_text('{"title":"old"}\n')
    said = scrapekit("crawl", "pages", "-o", "b.jsonl", "-o", "a.jsonl")
    assert said.code == 2
    assert "--overwrite" in said.refusal
    assert "--append" in said.refusal
    assert (site.asked, (project / "b.jsonl").exists()) == ([], False)
    assert scrapekit("crawl", "pages", "-o", "a.jsonl", "--append").code == 0
    assert titles((project / "a.jsonl").read_text()) == ["old", *ALL]
    assert scrapekit("crawl", "pages", "-o", "a.jsonl", "--overwrite").code == 0
    assert titles((project / "a.jsonl").read_text()) == ALL
    assert "exclude each other" in scrapekit("crawl", "pages", "-o", "a.jsonl", "--overwrite", "--append").refusal


@pytest.mark.parametrize("target", ["a.txt", "a", "no/folder/a.json", "."])
def test_a_file_that_cannot_be_written_is_refused_before_the_first_request(scrapekit, project, site, target):
    said = scrapekit("crawl", "pages", "-o", target)
    assert (said.code, bool(said.refusal)) == (2, True)
    assert site.asked == []


# ---- which spider, and how it is made ----


def test_a_spider_is_run_by_file_or_module_outside_any_project(scrapekit, project, site):
    (project / "scrapekit.toml").unlink()
    (project / "spiders" / "pages.py").rename(project / "alone.py")
    for name in ("alone.py", "alone.py:Pages", str(project / "alone.py"), "alone:Pages"):
        said = scrapekit("crawl", name, "--set", "limits.delay=0")
        assert (said.code, titles(said.out)) == (0, ALL), said.err


def test_a_misspelt_name_suggests_the_nearest(scrapekit, project):
    said = scrapekit("crawl", "pagse")
    assert (said.code, said.refusal) == (2, "there is no spider 'pagse' (did you mean pages?)")


def test_a_broken_file_beside_it_does_not_stop_a_spider(scrapekit, project):
    (project / "spiders" / "broken.py").write_text("undefined")
    said = scrapekit("crawl", "pages")
    assert said.code == 0
    assert "warning: spiders/broken.py:1: NameError" in said.err


def test_limits_for_a_misspelt_spider_are_warned_of(scrapekit, project):
    (project / "scrapekit.toml").write_text("[limits]\ndelay = 0\n[spiders.pagse.limits]\ndelay = 9\n")
    said = scrapekit("crawl", "pages")
    assert "scrapekit.toml:3: spiders.pagse: no spider has this name (did you mean pages?)" in said.err


def test_arguments_reach_the_spider(scrapekit, project):
    file = project / "spiders" / "pages.py"
    file.write_text(file.read_text().replace("url=response.url", "url=self.tag + self.other"))
    said = scrapekit("crawl", "pages", "-a", "tag=a=b", "-a", "other=")
    assert json.loads(said.out.splitlines()[0])["url"] == "a=b"


@pytest.mark.parametrize("argument", ["tag", "=x", "a b=c", "1=2"])
def test_an_argument_that_is_not_key_and_value_is_refused(scrapekit, project, argument):
    assert "is not key=value" in scrapekit("crawl", "pages", "-a", argument).refusal


def test_an_argument_given_twice_is_refused(scrapekit, project):
    assert "tag is given twice" in scrapekit("crawl", "pages", "-a", "tag=1", "-a", "tag=2").refusal


def test_a_setting_is_replaced_for_this_crawl(scrapekit, project, site):
    site.pages["/robots.txt"] = "User-agent: scrapekit\nDisallow: /1"
    assert titles(scrapekit("crawl", "pages").out) == ALL[:1]
    assert titles(scrapekit("crawl", "pages", "--set", "limits.robots=ignore").out) == ALL


@pytest.mark.parametrize(
    ("text", "message"),
    [("limits.dealy=1", "--set: limits.dealy: unknown key (did you mean delay?)"), ("x", "is not KEY=VALUE")],
)
def test_a_wrong_setting_stops_the_program_before_the_first_request(scrapekit, project, site, text, message):
    said = scrapekit("crawl", "pages", "--set", text)
    assert (said.code, message in said.refusal) == (2, True)
    assert site.asked == []


# ---- when it stops, and with what code ----


@pytest.mark.parametrize(("most", "code"), [(0, 3), (1, 3), (2, 3), (3, 0), (4, 0)])
def test_never_more_pages_than_asked_for(scrapekit, project, most, code):
    said = scrapekit("crawl", "pages", "--max-pages", str(most))
    assert (said.code, titles(said.out)) == (code, ALL[:most])


@pytest.mark.parametrize(("most", "code"), [(1, 3), (3, 0), (4, 0)])
def test_no_request_starts_once_so_many_items_are_out(scrapekit, project, most, code):
    said = scrapekit("crawl", "pages", "--max-items", str(most))
    assert (said.code, titles(said.out)) == (code, ALL[:most])


def test_a_crawl_ends_after_its_time(scrapekit, project):
    said = scrapekit("crawl", "pages", "--max-time", "300 ms", "--set", "limits.delay=30")
    assert said.code == 3
    assert "stopped at --max-time" in said.err


@pytest.mark.parametrize("options", [["--max-pages", "-1"], ["--max-items", "x"], ["--max-time", "soon"], ["-q", "-v"]])
def test_an_impossible_bound_is_refused(scrapekit, project, options):
    said = scrapekit("crawl", "pages", *options)
    assert (said.code, bool(said.refusal)) == (2, True)


def test_when_every_first_request_failed_the_code_is_1(scrapekit, project, site):
    del site.pages["/"]
    said = scrapekit("crawl", "pages")
    assert (said.code, said.out) == (1, "")
    assert "status 404" in said.err


@pytest.mark.parametrize(("most", "code"), [("0", 1), ("1", 0), ("0.9", 0)])
def test_too_many_failures_give_1(scrapekit, project, site, most, code):
    site.pages["/2"] = "<title>page 2</title><a href=/missing>x</a>"
    assert scrapekit("crawl", "pages", "--set", f"crawl.max_failures={most}").code == code


def test_a_site_that_asks_for_more_patience_than_there_is_leaves_work_and_is_named(scrapekit, project, site):
    site.busy["/1"] = "3600"
    said = scrapekit("crawl", "pages")
    assert (said.code, titles(said.out)) == (3, ALL[:1])
    warning = next(line for line in said.err.splitlines() if "warning" in line)
    assert site.url.removeprefix("http://") in warning
    assert "3600 s" in warning
    assert site.asked.count("/1") == 1


def test_fail_fast_ends_at_the_first_callback_that_raises(scrapekit, project):
    file = project / "spiders" / "pages.py"
    file.write_text(file.read_text() + "        assert response.title != 'page 1'\n")
    assert scrapekit("crawl", "pages").code == 0
    said = scrapekit("crawl", "pages", "--fail-fast")
    assert (said.code, "stopped at the first failure" in said.err) == (1, True)


def test_a_start_that_raises_is_told_once_in_one_line_and_nothing_is_in_the_way(scrapekit, project):
    file = project / "spiders" / "pages.py"
    file.write_text(file.read_text().replace('yield "http', 'raise KeyError("x")\n        yield "http'))
    for _ in range(2):
        said = scrapekit("crawl", "pages", "-o", "a.jsonl")
        assert said.code == 1
        assert said.err.count("\n") == 1
        assert "Pages.start: KeyError: 'x'" in said.err
        assert "spiders/pages.py:19" in said.err
    assert "Traceback" in scrapekit("crawl", "pages", "-v").err


def test_a_host_that_may_not_be_crawled_stops_the_program_before_the_first_request(scrapekit, project, site):
    file = project / "spiders" / "pages.py"
    file.write_text(file.read_text().replace("        yield", '        yield "http://example.com/"\n        yield', 1))
    said = scrapekit("crawl", "pages", "-o", "a.jsonl")
    assert (said.code, "identity.contact" in said.refusal) == (2, True)
    assert (site.asked, (project / "a.jsonl").exists()) == ([], False)


@pytest.mark.parametrize(("length", "pages"), [(0, 1200), (1000, 90)])
def test_a_disk_that_is_full_is_told_in_one_line_and_the_crawl_goes_on_when_there_is_room(
    length, pages, start, scrapekit, project, site
):
    site.chain(pages)
    for path, page in site.pages.items():
        site.pages[path] = page.replace("</title>", " " + "x" * length + "</title>")

    def small_disk() -> None:
        # more than the memory of hosts needs
        resource.setrlimit(resource.RLIMIT_FSIZE, (64_000, 64_000))

    process = start("crawl", "pages", "-q", "-o", "a.jsonl", preexec_fn=small_disk)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (3, "")
    assert err.count("\n") == 1
    assert err.startswith("scrapekit: ")
    assert "cannot be written" in err
    assert any(name in err for name in ("ledger.jsonl", "items.jsonl", "frontier.sqlite"))
    assert len(site.asked) < pages
    for left in (False, True):
        if left:
            assert scrapekit("crawl", "pages", "-q", "--resume").code == 0
        kept = (project / "a.jsonl").read_text()
        numbers = [int(title.split()[1]) for title in titles(kept)]
        assert numbers == list(range(pages if left else len(numbers)))


def test_a_crawl_that_fails_leaves_what_it_found_also_where_nothing_was_sent(scrapekit, start, project, site):
    site.chain(30)
    assert scrapekit("crawl", "pages", "-q", "--cache", "-o", "a.jsonl").code == 0
    file = project / "spiders" / "pages.py"
    bad = "        self.state['n'] = object() if response.url.endswith('/29') else 1\n"
    head, parse, rest = file.read_text().partition("    def parse(self, response: Response):\n")
    file.write_text(head + parse + bad + rest)
    asked = len(site.asked)
    process = start("crawl", "pages", "-q", "--cache", "-o", "b.jsonl")
    _, err = process.communicate(timeout=30)
    assert (process.returncode, len(site.asked)) == (1, asked)
    assert "self.state holds what JSON cannot" in err
    assert len(titles((project / "b.jsonl").read_text())) > 5


def test_a_crawl_of_nothing_is_done_and_leaves_an_empty_file(scrapekit, project):
    file = project / "spiders" / "pages.py"
    file.write_text(file.read_text().replace("        yield", "        return\n        yield", 1))
    said = scrapekit("crawl", "pages", "-o", "a.jsonl", "-o", "a.json")
    assert (said.code, "No item came out of 0 pages" in said.err) == (0, True)
    assert (project / "a.jsonl").read_text() == ""
    assert json.loads((project / "a.json").read_text()) == []


# ---- how much it says ----


def test_quiet_says_nothing_where_nothing_is_wrong(scrapekit, project):
    said = scrapekit("crawl", "pages", "-q")
    assert (said.code, said.err, titles(said.out)) == (0, "", ALL)


def test_the_summary_says_where_the_files_are(scrapekit, project):
    said = scrapekit("crawl", "pages", "-o", "a.jsonl")
    (run,) = runs(project)
    assert "  items  a.jsonl\n" in said.err
    assert f"  run    {run.relative_to(project)}\n" in said.err


def test_the_log_of_a_crawl_leaves_no_handler_behind(scrapekit, project):
    assert scrapekit("crawl", "pages").err.count("finished") == 1
    assert scrapekit("crawl", "pages").err.count("finished") == 1


# ---- signals and pipes ----


@pytest.fixture
def held(site):
    """A site whose second page is held until it is released."""
    site.pages["/"] = "<title>page 0</title><a href=/slow>s</a><a href=/1>n</a>"
    site.pages["/slow"] = "<title>slow</title><a href=/2>on</a>"
    return site


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_lets_what_is_in_flight_end(start, project, held, number, code):
    process = start("crawl", "pages", "-o", "a.json")
    assert held.held.wait(30)
    process.send_signal(number)
    assert process.stderr.readline() == "scrapekit: stopping, 1 in flight may end; once more stops at once\n"
    held.release.set()
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert "pages interrupted after" in err
    assert held.asked == ["/robots.txt", "/", "/slow"]
    assert [item["title"] for item in json.loads((project / "a.json").read_text())] == ["page 0", "slow"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_signal_stops_at_once(start, project, held, number, code):
    process = start("crawl", "pages", "-o", "a.json")
    assert held.held.wait(30)
    process.send_signal(number)
    process.stderr.readline()
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    assert not held.release.is_set()
    assert (process.returncode, err) == (code, "\nscrapekit: stopped at once\n")
    assert [item["title"] for item in json.loads((project / "a.json").read_text())] == ["page 0"]


def test_a_signal_is_not_lost_while_the_spider_gets_ready(start, project, held):
    file = project / "spiders" / "pages.py"
    opened = f"""
    async def opened(self):
        from curio import run_in_thread
        from urllib.request import urlopen
        await run_in_thread(lambda: urlopen("{held.url}/slow").read())
"""
    file.write_text(file.read_text() + opened)
    process = start("crawl", "pages")
    assert held.held.wait(30)
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline().startswith("scrapekit: stopping")
    held.release.set()
    process.communicate(timeout=30)
    assert (process.returncode, held.asked) == (130, ["/slow"])


def test_a_closed_pipe_stops_the_crawl_cleanly(start, project, site):
    site.chain(500)
    process = start("crawl", "pages")
    assert titles(process.stdout.readline()) == ["page 0"]
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(30) == 3
    assert "Traceback" not in err
    assert "BrokenPipe" not in err
    assert 0 < len(site.asked) < 500
    (run,) = runs(project)
    assert titles((run / "items.jsonl").read_text())[0] == "page 0"
