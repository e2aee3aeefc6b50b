"""Politeness that outlives a run: what the next crawl is told, and what two live ones are kept from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scrapekit import Response, Spider
from scrapekit.config import load
from scrapekit.crawler import prepare_crawl
from scrapekit.errors import SinkError
from scrapekit.frontier import HostState
from scrapekit.hostbook import FILE_NAME, HostBook
from scrapekit.hostlocks import HostLocks
from scrapekit.origins import Origin
from scrapekit.testing import Answer, VirtualClock, World, page


@pytest.fixture
def locks(tmp_path: Path) -> Iterator[Any]:
    """Makes lock holders, each as another crawl would be one."""
    made: list[HostLocks] = []

    def make() -> HostLocks:
        made.append(HostLocks(tmp_path / "lock"))
        return made[-1]

    yield make
    for each in made:
        each.close()


def book(tmp_path: Path, locks: Any, run: str = "run") -> HostBook:
    return HostBook(tmp_path, locks(), run)


# -- locks


def test_a_host_is_held_by_one_crawl_at_a_time_and_freed_for_the_next(locks: Any) -> None:
    one, two = locks(), locks()
    assert one.take("a.test")
    assert one.take("a.test")
    assert not two.take("a.test")
    assert two.take("b.test")
    one.free("a.test")
    assert two.take("a.test")


def test_closing_frees_all_of_ones_own_and_no_others(locks: Any) -> None:
    one, two, three = locks(), locks(), locks()
    assert one.take("a.test")
    assert two.take("b.test")
    one.close()
    assert three.take("a.test")
    assert not three.take("b.test")


def test_the_locks_of_a_process_that_is_killed_are_free(tmp_path: Path, locks: Any) -> None:
    code = (
        "import sys, pathlib, time; from scrapekit.hostlocks import HostLocks;"
        "held = HostLocks(pathlib.Path(sys.argv[1])); print(held.take('a.test'), flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"True\n"
        mine = locks()
        assert not mine.take("a.test")
        other.kill()
        other.wait()
        assert mine.take("a.test")


# -- the book


def test_a_host_comes_back_as_it_was_left(tmp_path: Path, locks: Any) -> None:
    first = book(tmp_path, locks)
    assert first.claim(["a.test"]) == {"a.test"}
    assert first.recall("a.test", 100.0).opens_at == 0.0
    memory = {"throttle": {"share": 0.5}, "circuit": {"failures": 2}, "last_sent": 90.5, "budget": {"pages": 7}}
    first.note({"a.test": HostState(160.0, "Retry-After", memory)}, closed=True)
    first.close()
    second = book(tmp_path, locks)
    assert second.claim(["a.test"]) == {"a.test"}
    state = second.recall("a.test", 100.0)
    assert (state.opens_at, state.rule) == (160.0, "Retry-After")
    assert state.memory == {
        "throttle": {"share": 0.5},
        "circuit": {"failures": 2},
        "last_sent": 90.5,
        "origins": {},
    }
    second.close()


def test_a_host_that_a_killed_crawl_left_counts_as_just_sent_to(tmp_path: Path, locks: Any) -> None:
    killed = book(tmp_path, locks)
    killed.claim(["a.test"])
    killed.recall("a.test", 100.0)
    killed.note({"a.test": HostState(130.0, "back-off", {"last_sent": 101.0})}, closed=False)
    killed.close()  # as the system does it
    second = book(tmp_path, locks, "another")
    state = second.recall("a.test", 110.0)
    second.close()
    assert state.memory["last_sent"] == 110.0
    assert state.opens_at == 130.0


def test_a_run_that_is_resumed_knows_its_own_last_send(tmp_path: Path, locks: Any) -> None:
    killed = book(tmp_path, locks)
    killed.recall("a.test", 100.0)
    killed.note({"a.test": HostState(130.0, "back-off", {"last_sent": 101.0})}, closed=False)
    killed.close()
    resumed = book(tmp_path, locks)
    assert resumed.recall("a.test", 110.0).memory["last_sent"] == 101.0
    resumed.close()


@pytest.mark.parametrize(("visited", "later"), [(90.0, False), (101.0, False), (150.0, True)])
def test_of_what_a_run_and_the_book_know_of_a_host_the_later_counts(
    tmp_path: Path, locks: Any, visited: float, later: bool
) -> None:
    mine = HostState(130.0, "delay", {"last_sent": 101.0, "budget": {"pages": 7}, "origins": {"http://a.test": "mine"}})
    another = book(tmp_path, locks, "another")
    another.note({"a.test": HostState(visited + 60, "rest", {"last_sent": visited})}, closed=True)
    another.close()
    resumed = book(tmp_path, locks)
    state = resumed.later("a.test", mine, 200.0)
    resumed.close()
    if not later:
        assert state == mine
    else:
        assert (state.opens_at, state.rule, state.memory["last_sent"]) == (210.0, "rest", 150.0)
        assert (state.memory["budget"], state.memory["origins"]) == ({"pages": 7}, {"http://a.test": "mine"})


def test_robots_txt_is_kept_for_24_hours_and_no_longer(tmp_path: Path, locks: Any) -> None:
    origin = Origin("http://a.test")
    origin.learn(200, b"User-agent: *\nDisallow: /no", 1000.0)
    first = book(tmp_path, locks)
    first.note({"a.test": HostState(memory={"origins": {"http://a.test": origin}})}, closed=True)
    known = first.recall("a.test", 1000.0 + 24 * 3600 - 1).memory["origins"]["http://a.test"]
    assert known.rules.verdict("x", "http://a.test/no").allowed is False
    assert (known.fetched, known.expires) == (1000.0, 1000.0 + 24 * 3600)
    first.note({"a.test": HostState(memory={"origins": {"http://a.test": known}})}, closed=True)
    assert first.recall("a.test", 1000.0 + 24 * 3600).memory["origins"] == {}
    first.close()


def test_a_book_of_another_version_is_begun_anew(tmp_path: Path, locks: Any) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / FILE_NAME) as data:
        data.executescript("CREATE TABLE hosts (other TEXT); PRAGMA user_version = 99;")
    data.close()
    fresh = book(tmp_path, locks)
    assert fresh.recall("a.test", 1.0).opens_at == 0.0
    fresh.close()


def test_a_book_that_is_no_book_is_told_with_its_name(tmp_path: Path, locks: Any) -> None:
    (tmp_path / FILE_NAME).write_text("this is no database, whatever its name says" * 100)
    with pytest.raises(SinkError, match=FILE_NAME):
        book(tmp_path, locks)


# -- crawls


class Two(Spider):
    name = "two"
    start_urls = ("http://a.test/1", "http://a.test/2")

    def parse(self, response: Response) -> Any:
        yield {"url": response.url}


def crawl(tmp_path: Path, clock: VirtualClock, answer: Any, spider: type[Spider] = Two, **more: Any) -> World:
    file = tmp_path / "scrapekit.toml"
    file.write_text('[identity]\ncontact = "https://example.org/bot"\n[limits]\ndelay = 10.0\n')
    world = World(answer, clock)
    clock.run(prepare_crawl(spider, load(file), network=world, clock=clock, keep=True, **more).run)
    return world


@pytest.fixture(autouse=True)
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's real lock file is not ours to try things on."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


def plain(url: str, nth: int) -> Answer:
    return Answer(404) if url.endswith("robots.txt") else page()


def sent(world: World) -> list[tuple[str, float]]:
    return [(visit.url.rpartition("/")[2], visit.sent) for visit in world.visits if visit.sent is not None]


def test_the_next_run_keeps_the_delay_from_the_last_ones_last_send(tmp_path: Path) -> None:
    clock = VirtualClock()
    first, second = crawl(tmp_path, clock, plain), crawl(tmp_path, clock, plain)
    # the next run must connect first
    assert sent(second)[0][1] - sent(first)[-1][1] == pytest.approx(10.02)
    # and does not ask for a robots.txt that it knows
    assert [name for name, _ in sent(second)] == ["1", "2"]


def test_a_rest_that_a_site_asked_for_outlives_the_run(tmp_path: Path) -> None:
    def busy(url: str, nth: int) -> Answer:
        return Answer(503, headers={"Retry-After": "500"}) if url.endswith("/1") else plain(url, nth)

    clock = VirtualClock()
    asked = sent(crawl(tmp_path, clock, busy, max_time=20))[-1]
    second = crawl(tmp_path, clock, plain)
    assert asked[0] == "1"
    assert sent(second)[0][1] - asked[1] >= 500


def test_a_host_that_another_live_crawl_holds_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    other = HostLocks()
    assert other.take("a.test")

    class Frees(Two):
        name = "frees"
        start_urls = ("http://b.test/1", *(f"http://b.test/{n}" for n in range(2, 5)), *Two.start_urls)

        def parse(self, response: Response) -> Any:
            if response.url == "http://b.test/4":
                other.free("a.test")
            yield from ()

    clock = VirtualClock()
    with caplog.at_level("INFO", "scrapekit"):
        world = crawl(tmp_path, clock, plain, Frees)
    other.close()
    freed = next(visit.ended for visit in world.visits if visit.url == "http://b.test/4")
    at_a = [visit.sent for visit in world.visits if visit.host == "a.test" and visit.sent is not None]
    assert len(at_a) == 3
    assert freed <= min(at_a) <= freed + 6
    assert "another crawl of this machine" in caplog.text


def test_no_lock_and_no_file_is_left_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    crawl(tmp_path, VirtualClock(), plain)
    assert len(os.listdir("/proc/self/fd")) == before
    assert HostLocks().take("a.test")


class Full:
    """A sink that takes so many items and no more."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, kept: Any, /) -> None:
        self.room -= len(kept)
        if self.room < 0:
            raise SinkError("no room", file="first.jsonl")

    def position(self) -> None: ...
    def rewind(self, position: int, /) -> None: ...
    def sync(self) -> None: ...
    def close(self) -> None: ...


@pytest.mark.parametrize("room", [0, 1])
def test_of_several_failures_the_first_is_told_also_one_of_the_last_commit(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise SinkError("no room either", file="later")

    def full_at_the_end(book: HostBook, states: Any, *, closed: bool) -> None:
        if closed and states and room == 0:
            full()

    sink: Any = Full(room)
    monkeypatch.setattr("scrapekit.hostbook.HostBook.note", full_at_the_end)
    monkeypatch.setattr("scrapekit.sinks.RunFolder.write_stats", full)
    with pytest.raises(SinkError, match=r"first\.jsonl"):
        # with one page at the most, what fails is the last commit
        crawl(tmp_path, VirtualClock(), plain, output=[sink], **({"max_pages": 1} if room == 0 else {}))
