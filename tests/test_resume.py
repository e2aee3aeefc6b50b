"""A run that was left goes on as if nothing had happened: in good order, or killed at any moment.

A kill is a copy of the run's folder as it stood at that moment: the frontier as of its last commit, and every other
file as long as it had got. The copy is taken up by a new crawl, and its ledger judged with all that went before.
"""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from scrapekit import Request, Response, Settings, Spider
from scrapekit.audit import judge
from scrapekit.config import load
from scrapekit.crawler import prepare_crawl
from scrapekit.errors import CallbackError, ConfigError, SinkError
from scrapekit.frontier import peek
from scrapekit.headers import Headers
from scrapekit.ledger import Ledger, aftermath, read
from scrapekit.resume import changed, past_of, to_resume, unfinished
from scrapekit.sinks import RunFolder
from scrapekit.stats import Stats
from scrapekit.testing import Answer, VirtualClock, World, page

PAGES = 40
CONTACT = '[identity]\ncontact = "https://example.org/bot"\n'


@pytest.fixture(autouse=True)
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's real lock file is not ours to try things on."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    ASKED.clear()


class Walk(Spider):
    """Visits pages of two hosts, each with links to the next few, and yields an item for each."""

    name = "walk"
    start_urls = ("http://a.test/0", "http://b.test/0")

    def parse(self, response: Response) -> Any:
        seen = self.state.setdefault("pages", [])
        seen.append(response.url)
        yield {"url": response.url}
        yield from response.follow_all(css="a")


#: How often each URL was asked for in this test, by one crawl after the other.
ASKED: Counter[str] = Counter()


def web(url: str, nth: int) -> Answer:
    ASKED[url] += 1
    if url.endswith("robots.txt"):
        return Answer(body=b"User-agent: *\nDisallow: /7\nCrawl-delay: 2\n")
    n = int(url.rpartition("/")[2])
    if n % 9 == 5 and ASKED[url] == 1:
        return Answer(503)
    if n % 11 == 3:
        return Answer(302, headers={"Location": f"http://b.test/{n + 1}"})
    return page(*(f"/{n + step}" for step in (1, 2, 7) if n + step < PAGES))


def project(folder: Path, more: str = "") -> Settings:
    folder.mkdir(exist_ok=True)
    (folder / "scrapekit.toml").write_text(CONTACT + more)
    return load(folder / "scrapekit.toml")


def crawl(folder: Path, clock: VirtualClock, spider: type[Spider] = Walk, *, toml: str = "", **more: Any) -> Stats:
    site: Callable[[str, int], Answer] = more.pop("site", web)
    made = prepare_crawl(
        spider, project(folder, toml), network=World(site, clock), clock=clock, keep=True, random=Random(1), **more
    )
    return clock.run(made.run)


def run_of(folder: Path) -> RunFolder:
    (run,) = RunFolder.all(folder)
    return run


def items(run: RunFolder) -> Counter[str]:
    return Counter(json.loads(line)["url"] for line in run.items.read_text().splitlines())


def copied(run: RunFolder, folder: Path) -> None:
    """The run as a kill at this moment would leave it, in another project's folder."""
    to = folder / ".scrapekit" / "runs" / run.id
    to.mkdir(parents=True)
    with closing(sqlite3.connect(run.frontier)) as data, closing(sqlite3.connect(to / run.frontier.name)) as copy:
        data.backup(copy)
    for file in run.path.iterdir():
        if file.suffix in (".jsonl", ".log", ".lock"):
            shutil.copy(file, to)
        elif file.is_dir():
            shutil.copytree(file, to / file.name)
    shutil.copy(run.home / "hosts.sqlite", to.parents[1])


@pytest.fixture
def undisturbed(tmp_path: Path) -> Counter[str]:
    assert crawl(tmp_path / "whole", VirtualClock()).end == "finished"
    found = items(run_of(tmp_path / "whole"))
    ASKED.clear()
    assert len(found) > PAGES
    return found


# -- left in good order


@pytest.mark.parametrize("step", [4, 9, 1000])
def test_a_crawl_that_was_stopped_goes_on_and_every_item_is_there_once(
    tmp_path: Path, step: int, undisturbed: Counter[str]
) -> None:
    clock, folder, out = VirtualClock(), tmp_path / "p", tmp_path / "out.csv"
    stats = crawl(folder, clock, max_pages=step, output=out)
    times = 0
    while stats.pending:
        stats, times = crawl(folder, clock, max_pages=step, resume=True), times + 1
    run = run_of(folder)
    assert items(run) == undisturbed
    assert out.read_text().splitlines()[1:] == [json.loads(line)["url"] for line in run.items.read_text().splitlines()]
    assert (stats.end, stats.resumes, stats.items) == ("finished", times, undisturbed.total())
    assert stats.seen == stats.fetched + stats.failed + stats.disallowed + stats.dropped
    assert judge(read(run.path)).violations == []


def test_the_spiders_state_and_the_counters_go_on(tmp_path: Path) -> None:
    clock, folder = VirtualClock(), tmp_path / "p"
    before = crawl(folder, clock, max_pages=5)
    assert len(peek(run_of(folder).frontier).notes["state"]["pages"]) == 5
    stats = crawl(folder, clock, resume=True)
    assert len(peek(run_of(folder).frontier).notes["state"]["pages"]) == stats.items
    assert stats.sends > before.sends
    assert stats.duration > before.duration
    assert stats.started == before.started


def test_a_state_that_json_cannot_hold_ends_the_crawl_with_that_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Bad(Walk):
        name = "bad"

        def parse(self, response: Response) -> Any:
            self.state["x"] = {1, 2}
            yield from super().parse(response)

    with pytest.raises(CallbackError, match=r"self\.state holds what JSON cannot"):
        crawl(tmp_path / "p", VirtualClock(), Bad)
    assert "self.state holds what JSON cannot" in caplog.text
    assert peek(run_of(tmp_path / "p").frontier).notes["end"] == "state failed"


def test_start_is_not_run_again_once_it_was_exhausted_and_is_recognised_if_not(tmp_path: Path) -> None:
    ran: list[str] = []

    class Many(Walk):
        name = "many"

        def start(self) -> Any:
            ran.append("start")
            for n in range(3000):
                yield Request(f"http://a.test/{n}", dont_filter=n % 2 == 0)

    def plain(url: str, nth: int) -> Answer:
        return Answer(404) if url.endswith("robots.txt") else page()

    clock, folder, lifted = (
        VirtualClock(),
        tmp_path / "p",
        "[limits]\ndelay = 0\n[crawl]\nconcurrency = 4\nworkbench = 4\n",
    )
    options: dict[str, Any] = {"toml": lifted, "site": plain}
    assert not crawl(folder, clock, Many, max_pages=10, **options).end.startswith("start")
    assert not peek(run_of(folder).frontier).notes.get("start_done")
    crawl(folder, clock, Many, resume=True, max_pages=2950, **options)
    assert peek(run_of(folder).frontier).notes["start_done"]
    stats = crawl(folder, clock, Many, resume=True, **options)
    assert ran == ["start"] * 2
    assert items(run_of(folder)) == Counter({f"http://a.test/{n}": 1 for n in range(3000)})
    assert (stats.seen, stats.fetched) == (3000, 3000)


def test_cookies_are_kept(tmp_path: Path) -> None:
    asked: list[tuple[str, str | None]] = []

    class Told(World):
        async def send(self, method: str, url: str, headers: Headers, *rest: Any, **more: Any) -> Any:
            asked.append((url, headers.get("cookie")))
            return await super().send(method, url, headers, *rest, **more)

    def site(url: str, nth: int) -> Answer:
        answer = web(url, nth)
        if not url.endswith("/0"):
            return answer
        return Answer(body=answer.body, headers={**answer.headers, "Set-Cookie": "id=7; Path=/"})

    clock, folder = VirtualClock(), tmp_path / "p"
    for more in ({"max_pages": 2}, {"resume": True, "max_pages": 3}):
        made = prepare_crawl(Walk, project(folder), network=Told(site, clock), clock=clock, keep=True, **more)
        asked.append(("begins", None))
        clock.run(made.run)
    later = asked[len(asked) - asked[::-1].index(("begins", None)) :]
    assert [cookie for url, cookie in later] == ["id=7"] * len(later)
    assert len(later) >= 3


def test_a_budget_goes_on_where_it_was(tmp_path: Path) -> None:
    def plain(url: str, nth: int) -> Answer:
        return Answer(404) if url.endswith("robots.txt") else page(*(f"/{n}" for n in range(PAGES)))

    clock, folder, toml = VirtualClock(), tmp_path / "p", "[limits]\nmax_pages = 6\n"
    crawl(folder, clock, toml=toml, max_pages=4, site=plain)
    stats = crawl(folder, clock, toml=toml, resume=True, site=plain)
    assert Counter(url[:13] for url in items(run_of(folder))) == {"http://a.test": 6, "http://b.test": 6}
    assert stats.reasons["dropped", "budget: pages"] == stats.dropped > 0


# -- killed


@pytest.mark.parametrize("seed", range(8))
def test_a_crawl_that_was_killed_at_any_moment_loses_nothing_and_gives_nothing_twice(
    tmp_path: Path, seed: int, undisturbed: Counter[str]
) -> None:
    dice = Random(seed)

    class Dying(Walk):
        """Leaves a copy of its run at one of its pages."""

        name = "walk"
        dies_at, died_at, here, after = 0, 0.0, tmp_path, tmp_path

        def parse(self, response: Response) -> Any:
            Dying.dies_at -= 1
            if not Dying.dies_at:
                copied(run_of(Dying.here), Dying.after)
                Dying.died_at = clock.now
            yield from super().parse(response)

    clock = VirtualClock()
    for kill in range(4):
        Dying.dies_at, Dying.here, Dying.after = dice.randint(1, 9), tmp_path / f"k{kill}", tmp_path / f"k{kill + 1}"
        crawl(Dying.here, clock, Dying, resume=kill > 0)
        clock = VirtualClock(Dying.died_at + dice.choice([0.0, 0.5, 100.0]))
    assert crawl(Dying.after, clock, resume=True).end == "finished"
    run = run_of(Dying.after)
    assert items(run) == undisturbed
    assert judge(read(run.path)).violations == []


def test_what_was_written_after_the_last_commit_is_cut_off_and_what_is_missing_written_anew(
    tmp_path: Path, undisturbed: Counter[str]
) -> None:
    clock, folder = VirtualClock(), tmp_path / "p"
    out, gone, torn = (tmp_path / name for name in ("out.jsonl", "gone.json", "torn.csv"))
    crawl(folder, clock, max_pages=9, output=[out, gone, torn])
    run = run_of(folder)
    for file in (run.items, out):
        with file.open("ab") as more:
            more.write(b'{"url": "http://a.test/uncommitted"}\n{"ur')
    gone.unlink()
    torn.write_bytes(torn.read_bytes()[:30])
    crawl(folder, clock, resume=True)
    assert items(run) == undisturbed
    assert out.read_bytes() == run.items.read_bytes()
    assert json.loads(gone.read_text()) == [json.loads(line) for line in run.items.read_text().splitlines()]
    assert torn.read_text().splitlines()[1:] == [each["url"] for each in json.loads(gone.read_text())]


def test_a_loss_of_power_takes_no_item_that_was_committed(tmp_path: Path, undisturbed: Counter[str]) -> None:
    clock, folder, after = VirtualClock(), tmp_path / "p", tmp_path / "q"

    class Unplugged(Walk):
        name = "walk"

        def parse(self, response: Response) -> Any:
            if response.url == "http://a.test/20":
                copied(run_of(folder), after)
            yield from super().parse(response)

    crawl(folder, clock, Unplugged, output=tmp_path / "out.jsonl")
    run = run_of(after)
    notes = peek(run.frontier).notes
    synced, committed = (notes[name].get("items", 0) for name in ("synced", "sinks"))
    assert synced < committed  # or this test shows nothing
    # What was not synced may have never reached the disk, or as NULs only.
    run.items.write_bytes(run.items.read_bytes()[:synced] + b"\0" * 40)
    with closing(sqlite3.connect(run.frontier)) as data, data:
        data.execute("UPDATE notes SET value = '\"another boot\"' WHERE name = 'boot'")
    crawl(after, clock, resume=True)
    assert items(run) == undisturbed
    assert (tmp_path / "out.jsonl").read_bytes() == run.items.read_bytes()


# The items are written; then either the last of the sinks fails or the frontier's own end of the commit.
@pytest.mark.parametrize("where", ["sinks.csvfile.CsvSink.write", "frontier.sqlite.enter_notes"])
def test_what_could_not_be_cut_off_on_a_full_disk_is_cut_off_by_the_resume(
    tmp_path: Path, undisturbed: Counter[str], where: str
) -> None:
    clock, folder, out, patched = VirtualClock(), tmp_path / "p", tmp_path / "out.sqlite", pytest.MonkeyPatch()

    def full(*arguments: Any, **more: Any) -> Any:
        raise SinkError("cannot be written: disk full", file=out)

    class Filling(Walk):
        """From its eighth page on the disk is full, until nothing but the last notes is to be written."""

        name = "walk"

        def parse(self, response: Response) -> Any:
            yield from super().parse(response)
            if len(self.state["pages"]) == 8:
                patched.setattr(f"scrapekit.{where}", full)
                patched.setattr("scrapekit.sinks.sqlitefile.SQLiteSink.rewind", full)

        def closed(self, reason: str) -> None:
            patched.undo()

    with pytest.raises(SinkError, match="disk full"):
        crawl(folder, clock, Filling, output=[out, tmp_path / "out.csv"])
    crawl(folder, clock, resume=True)
    run = run_of(folder)
    assert items(run) == undisturbed
    with closing(sqlite3.connect(out)) as data:
        assert Counter(url for (url,) in data.execute("SELECT url FROM items")) == undisturbed
    assert Counter(peek(run.frontier).notes["state"]["pages"]) == undisturbed


def test_what_a_site_asked_for_right_before_the_kill_is_kept(tmp_path: Path) -> None:
    clock, folder = VirtualClock(), tmp_path / "p"
    crawl(folder, clock, max_pages=5)
    run, left = run_of(folder), clock.now
    ledger = Ledger(run.path, spider="walk", agent="scrapekit", user_agent="scrapekit", now=left)
    handle = ledger.about_to_send(
        9999, "http://a.test/x", now=left + 2, due=0, rule="delay", delay=2, source="Crawl-delay"
    )
    handle.sent = left + 2
    ledger.ended(handle, now=left + 3, status=429, headers=Headers({"Retry-After": "300"}))
    ledger.about_to_send(9998, "http://b.test/x", now=left + 4, due=0, rule="delay", delay=2, source="Crawl-delay")
    ledger.close()
    clock.now = left + 5
    world = World(web, clock)
    clock.run(prepare_crawl(Walk, project(folder), network=world, clock=clock, keep=True, resume=True).run)
    first = {host: min(visit.sent for visit in world.visits if visit.host == host) for host in ("a.test", "b.test")}
    assert first["a.test"] >= left + 303
    assert left + 7 <= first["b.test"] < left + 10


def test_a_clock_that_was_set_back_shortens_no_wait(tmp_path: Path) -> None:
    clock, folder = VirtualClock(1_000_000.0), tmp_path / "p"
    crawl(folder, clock, max_pages=5)
    rest = max(send.sent for send in read(run_of(folder).path).sends if send.host == "a.test") + 2 - clock.now
    again = VirtualClock(clock.now - 3600)
    world = World(web, again)
    began = again.now
    stats = again.run(prepare_crawl(Walk, project(folder), network=world, clock=again, keep=True, resume=True).run)
    assert stats.end == "finished"
    assert rest > 0.5
    first = min(visit.sent for visit in world.visits if visit.host == "a.test")
    assert first - began == pytest.approx(rest, abs=0.1)
    assert judge(read(run_of(folder).path)).violations == []


# -- a run that is not as it was


def test_a_request_whose_callback_is_gone_fails_with_that_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Before(Walk):
        def parse(self, response: Response) -> Any:
            yield from super().parse(response)
            yield Request("http://c.test/0", self.parse_old)

        def parse_old(self, response: Response) -> Any:
            yield {"url": response.url}

    clock, folder = VirtualClock(), tmp_path / "p"
    crawl(folder, clock, Before, max_pages=2)
    stats = crawl(folder, clock, Walk, resume=True)
    assert stats.reasons["failed", "no callback parse_old"] == 1
    assert (stats.end, stats.pending) == ("finished", 0)
    assert "has no method 'parse_old' any more" in caplog.text


def test_changed_settings_hold_and_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock, folder = VirtualClock(), tmp_path / "p"
    crawl(folder, clock, max_pages=2)
    with caplog.at_level(logging.WARNING):
        crawl(folder, clock, resume=True, toml="[limits]\ndelay = 5\n")
    assert "settings have changed since the run was left: limits.delay" in caplog.text
    sends = [send.start for send in read(run_of(folder).path).sends if send.host == "a.test"]
    assert sends[-1] - sends[-2] >= 5


def test_which_keys_changed_is_told_by_their_names() -> None:
    before = {"crawl": {"window": 5}, "limits": {"delay": 1}, "hosts": {"a.test": {"delay": 2}}}
    now = {"crawl": {"window": 5}, "limits": {"delay": 1.5, "timeout": 3}, "hosts": {}}
    assert changed(before, now) == ["hosts.a.test.delay", "limits.delay", "limits.timeout"]
    assert changed(before, before) == []


def test_a_run_has_one_crawl_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    crawl(folder, VirtualClock(), max_pages=2)
    lock = run_of(folder).take()
    with pytest.raises(ConfigError, match="is being crawled by process"):
        crawl(folder, VirtualClock(), resume=run_of(folder).id)
    with pytest.raises(ConfigError, match="is being crawled by process"):
        crawl(folder, VirtualClock(), resume=True)
    assert unfinished(folder, "walk") is None
    lock.close()
    assert crawl(folder, VirtualClock(), resume=True).end == "finished"


def test_a_damaged_frontier_is_told_and_no_item_is_touched(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    crawl(folder, VirtualClock(), max_pages=9)
    run = run_of(folder)
    kept, data = run.items.read_bytes(), bytearray(run.frontier.read_bytes())
    data[len(data) // 3 :] = b"\xa5" * (len(data) - len(data) // 3)
    run.frontier.write_bytes(data)
    for which in (run.id, True):
        with pytest.raises(SinkError, match=r"frontier\.sqlite.*runs export"):
            crawl(folder, VirtualClock(), resume=which)
    assert run.items.read_bytes() == kept


def test_the_newest_run_with_work_left_is_the_one(tmp_path: Path) -> None:
    folder, clock = tmp_path / "p", VirtualClock()
    with pytest.raises(ConfigError, match="no run of walk has work left"):
        to_resume(folder, "walk")
    crawl(folder, clock, max_pages=2)
    first = to_resume(folder, "walk").run
    crawl(folder, clock, max_pages=3)
    second = to_resume(folder, "walk").run
    assert second.id != first.id
    assert to_resume(folder, "walk", first.id).run == first
    crawl(folder, clock, resume=True)
    assert to_resume(folder, "walk").run == first
    with pytest.raises(ConfigError, match="has no work left"):
        to_resume(folder, "walk", second.id)
    with pytest.raises(ConfigError, match="is one of spider 'walk'"):
        to_resume(folder, "other", first.id)


def test_a_crawl_that_was_killed_when_all_was_done_closes_its_files_when_it_is_taken_up(
    tmp_path: Path, undisturbed: Counter[str]
) -> None:
    folder, clock, after = tmp_path / "p", VirtualClock(), tmp_path / "q"

    class Ends(Walk):
        name = "walk"

        def closed(self, reason: str) -> None:
            copied(run_of(folder), after)

    crawl(folder, clock, Ends, output=tmp_path / "out.parquet")
    (tmp_path / "out.parquet").unlink()
    stats = crawl(after, clock, resume=True)
    assert (stats.end, stats.pending) == ("finished", 0)
    assert items(run_of(after)) == undisturbed
    assert (tmp_path / "out.parquet").exists()
    with pytest.raises(ConfigError, match="has work left"):
        crawl(after, clock, resume=True)


def test_arguments_are_those_of_before(tmp_path: Path) -> None:
    folder, clock = tmp_path / "p", VirtualClock()
    made: list[Any] = []

    class Tells(Walk):
        name = "tells"

        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            made.append(arguments)

    crawl(folder, clock, Tells, max_pages=1, arguments={"a": "1", "b": "2"})
    crawl(folder, clock, Tells, resume=True, arguments={"b": "3"})
    assert made == [{"a": "1", "b": "2"}, {"a": "1", "b": "3"}]


def test_a_send_without_an_end_counts_as_now(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, spider="walk", agent="a", user_agent="a", now=100.0)
    ledger.about_to_send(1, "http://a.test/x", now=101.0, due=0, rule="delay", delay=2, source="delay")
    handle = ledger.about_to_send(2, "http://b.test/x", now=102.0, due=0, rule="delay", delay=2, source="delay")
    handle.sent = 102.5
    ledger.ended(handle, now=103.0, error="connection in head")
    ledger.close()
    past = past_of(aftermath(tmp_path, 0), 150.0)
    assert [(each.sent, each.ended) for each in past["a.test"].sends] == [(150.0, None)]
    (failed,) = past["b.test"].sends
    assert (failed.sent, failed.ended, type(failed.heard.error).__name__) == (102.5, 103.0, "ConnectFailed")
