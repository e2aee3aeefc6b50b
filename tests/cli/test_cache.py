from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

from scrapekit import Headers, Request
from scrapekit.cache import FILE_NAME, PageCache
from scrapekit.http import Reply


@pytest.fixture
def kept(project: Path) -> Path:
    """A project's cache with three answers in it."""
    folder = project / ".scrapekit"
    folder.mkdir()
    with closing(PageCache(folder)) as cache:
        for n in range(3):
            answer = Reply(200, Headers(), bytes(50_000), "1.1", "", 0, False)
            cache.put(Request(f"https://a.test/{n}"), answer, Headers(), lambda: 1e9)
    return folder / FILE_NAME


@pytest.mark.parametrize("argv", [["cache"], ["cache", "show"]])
def test_it_says_how_much_is_kept_and_since_when(scrapekit, kept, argv):
    said = scrapekit(*argv)
    assert said.code == 0
    assert re.search(r"^answers  3\nsize     .* KiB\noldest   2001-09-0.*\nnewest   2001-09-0", said.out, re.MULTILINE)
    assert str(kept) in said.out


@pytest.mark.parametrize("argv", [["cache"], ["cache", "show"], ["cache", "clear"]])
def test_without_a_cache_none_is_made(scrapekit, project, argv):
    assert scrapekit(*argv).code == 0
    assert not (project / ".scrapekit").exists()


def test_clearing_forgets_all(scrapekit, kept):
    said = scrapekit("cache", "clear", "--yes")
    assert said.code == 0
    assert said.err.startswith("scrapekit: 3 answers forgotten")
    assert "answers  0\n" in scrapekit("cache", "show").out
    assert scrapekit("cache", "clear").err.startswith("scrapekit: 0 answers forgotten")


def test_clearing_asks_and_where_nobody_is_there_it_does_not(scrapekit, kept):
    said = scrapekit("cache", "clear")
    assert said.code == 2
    assert said.refusal == "nothing was forgotten (--yes does it without asking)"
    assert "answers  3\n" in scrapekit("cache", "show").out
