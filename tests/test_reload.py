"""Limits that change while a crawl runs, seen in what the server got."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from scrapekit import Response, Settings, Spider
from scrapekit.config import load
from scrapekit.crawler import prepare_crawl
from scrapekit.testing import Answer, VirtualClock, World, page

HEAD = '[identity]\ncontact = "https://example.org/bot"\n'


class Chain(Spider):
    """Forty pages; at the tenth the file is changed."""

    name = "chain"
    start_urls = tuple(f"http://a.test/{n}" for n in range(40))
    change: Any = None

    def parse(self, response: Response) -> Iterator[Any]:
        yield {"url": response.url}
        if response.url.endswith("/10"):
            self.change()


def gaps(file: Path, change: Any, *sets: str) -> tuple[list[float], Any]:
    """Times between the sends, in order, of a crawl whose file is changed at its tenth page."""
    clock = VirtualClock()
    world = World(lambda url, nth: Answer(404) if url.endswith("robots.txt") else page(), clock)
    settings: Settings = load(file).overridden(sets)
    spider = Chain(change=change)
    stats = clock.run(prepare_crawl(spider, settings, network=world, clock=clock).run)
    times = [visit.sent for visit in world.visits if visit.sent is not None and not visit.url.endswith("robots.txt")]
    assert stats.fetched == 40
    return [round(later - earlier, 3) for earlier, later in pairwise(times)], stats


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "scrapekit.toml"
    path.write_text(f"{HEAD}[limits]\ndelay = 1.0\n")
    return path


def by_rename(file: Path, text: str) -> None:
    """As editors do it."""
    beside = file.with_suffix(".swp")
    beside.write_text(text)
    beside.replace(file)


@pytest.mark.parametrize("delay", [3.0, 0.25])
@pytest.mark.parametrize("how", ["in place", "by rename"])
def test_a_changed_delay_holds_at_once(file: Path, delay: float, how: str) -> None:
    text = f"{HEAD}[limits]\ndelay = {delay}\n"
    before, _ = gaps(file, lambda: file.write_text(text) if how == "in place" else by_rename(file, text))
    assert set(before[:10]) == {1.0}
    # the file is looked at each second
    assert set(before[13:]) == {delay}
    assert min(before) >= min(1.0, delay)


def test_a_rule_for_the_host_that_is_added_holds_at_once(file: Path) -> None:
    text = f'{file.read_text()}[hosts."a.test"]\ndelay = 2.0\n'
    changed, _ = gaps(file, lambda: file.write_text(text))
    assert set(changed[13:]) == {2.0}


def test_what_set_replaced_stays_replaced(file: Path) -> None:
    text = f"{HEAD}[limits]\ndelay = 5.0\nconcurrency = 2\n"
    changed, _ = gaps(file, lambda: file.write_text(text), "limits.delay=0.5")
    assert set(changed) == {0.5}


def test_a_change_that_is_wrong_is_refused_and_the_crawl_goes_on(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    changed, stats = gaps(file, lambda: file.write_text(f"{HEAD}[limits]\ndealy = 3.0\n"))
    assert set(changed) == {1.0}
    assert stats.end == "finished"
    assert "limits.dealy" in caplog.text
    assert "delay" in caplog.text
    assert "goes on with the settings that it has" in caplog.text


def test_a_file_that_is_gone_changes_nothing(file: Path) -> None:
    changed, _ = gaps(file, lambda: os.unlink(file))
    assert set(changed) == {1.0}


def test_a_change_is_told_and_what_must_wait_for_the_next_run(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = '[identity]\nname = "other"\ncontact = "https://example.org/bot"\n[limits]\ndelay = 2.0\n'
    gaps(file, lambda: file.write_text(text))
    assert "limits.delay is now 2.0" in caplog.text
    assert "identity.name is now other, from the next run on" in caplog.text


def test_a_changed_secret_is_told_and_not_shown(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = f"{HEAD}[limits]\ndelay = 1.0\nproxy = 'http://me:s3cret@p.example'\nheaders = {{ X-Key = 's3cret' }}\n"
    gaps(file, lambda: file.write_text(text))
    assert "limits.proxy is now http://***:***@p.example" in caplog.text
    assert "limits.headers.X-Key is now another (not shown)" in caplog.text
    assert "s3cret" not in caplog.text
