"""What looks like a trap, and what must not: links of real sites, and of sites as they are commonly built."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit.traps import PATTERNS, Traps, pattern_of, repeats
from scrapekit.url import Base

MANUALS = [Path("/usr/share/doc/postgresql-doc-15/html"), Path("/usr/share/doc/python3.11/html")]


@dataclass(frozen=True)
class Terms:
    max_depth: int = 100
    max_url: int = 2000
    max_variations: int = 1000


def refusals(urls, *, depth: int = 1, traps: Traps | None = None, **terms: int) -> list[str | None]:
    traps = traps or Traps()
    return [traps.refusal(url, depth, Terms(**terms)) for url in urls]


# -- what must not be refused


def links(folder: Path) -> Iterator[str]:
    for page in folder.rglob("*.html"):
        base = Base(f"https://docs.test/{page.relative_to(folder)}")
        for href in re.findall(r'href="([^"]+)"', page.read_text(errors="replace")):
            if url := base.join(href.replace("&amp;", "&")):
                yield url


@pytest.mark.parametrize("folder", MANUALS, ids=lambda folder: folder.parent.name)
def test_no_link_of_a_real_manual_is_refused(folder):
    if not folder.is_dir():
        pytest.skip(f"{folder} is not installed")
    found = sorted(set(links(folder)))
    assert len(found) > 1000
    assert set(refusals(found)) == {None}


def days() -> Iterator[date]:
    return (date(2005, 1, 1) + timedelta(days=each) for each in range(365 * 20))


@pytest.mark.parametrize(
    "urls",
    [
        [f"https://shop.test/product?id={n}" for n in range(1000)],
        [f"https://shop.test/?{n}" for n in range(5000)],
        [f"https://forum.test/thread?page={n}" for n in range(1, 5001)],
        [f"https://forum.test/t/some-thread-{n}?page={page}" for n in range(300) for page in range(1, 20)],
        [f"https://news.test/{day:%Y/%m/%d}/" for day in days()],
        [f"https://news.test/{day:%Y/%m/%d}/a-story/page/{n}/" for day in days() for n in (1, 2)],
        [f"https://news.test/a-story-{n}?share=mail&from=front" for n in range(1000)],
        [f"https://tiles.test/{z}/{x}/{y}.png" for z in range(3) for x in range(4) for y in range(4)],
        [f"https://{n}.names.test/list?sort=price&page=1" for n in range(2000)],
        [f"https://127.1.{n // 250}.{n % 250}/list?sort=price&page=1" for n in range(2000)],
        ["https://a.test/", "https://a.test/?", "https://a.test/?&", "https://a.test//", "https://a.test/a/a/a/a"],
        ["https://a.test/en/docs/api/en/docs/api/x", "https://a.test/0/0/0/0/0/0/0/0", "https://a.test/a/b/a/b/c"],
        ["https://git.test/group/project/-/tree/main/src/main/java/org/project/project/src"],
    ],
    ids=lambda urls: urls[-1],
)
def test_a_site_as_they_are_commonly_built_is_no_trap(urls):
    assert set(refusals(urls)) == {None}


def test_a_link_found_again_counts_once():
    assert set(refusals(["https://a.test/x?b=c&d=e"] * 5000, max_variations=1)) == {None}


# -- how far, how long


@pytest.mark.parametrize(("depth", "reason"), [(0, None), (99, None), (100, None), (101, "trap: depth")])
def test_too_many_links_from_the_start_is_a_trap(depth, reason):
    assert refusals(["https://a.test/"], depth=depth) == [reason]


@pytest.mark.parametrize(("length", "reason"), [(1999, None), (2000, None), (2001, "trap: url length")])
def test_too_long_a_url_is_a_trap(length, reason):
    assert refusals(["https://a.test/".ljust(length, "x")]) == [reason]


# -- paths that repeat themselves


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/b/a/b/a/b", True),
        ("/a/b/a/b/a/b/", True),
        ("/x/a/b/a/b/a/b/page.html", True),
        ("/a/b/a/b", False),
        ("/a/b/a/b/a/c", False),
        ("/a/b/c/a/b/c/a/b/c", True),
        ("/a/b/c/a/b/c/a/b", False),
        ("/1/2/1/2/1/2", True),
        ("/1/1/1/1/1/1", False),
        ("/1/1/2/1/1/2/1/1/2", True),
        ("/a/a/a/a", False),
        ("/a/a/a/a/a", True),
        ("/a/b/a/c/a/d/a/e", False),
        ("/a/b/a/c/a/d/a/e/a/f", True),
        ("/en/1/en/2/en/3/en/4/en/5", True),
        ("//////", True),
        ("/a//b//c//d", False),
        ("/2024/01/2024/02/2024/03/2024/04/2024/05", False),
        ("/2024/01/2024/02/2024/03/2024/04/2024/05/2024", True),
        ("/1/2/3/4/5/6/7/8/9/10", False),
        ("/1/2/3/4/5/6/7/8/9/10/11", True),
        ("/" + "/".join("abcdefgh" * 3), True),
        ("/" + "/".join("abcdefghijkl"), False),
        ("/", False),
        ("", False),
    ],
)
def test_a_path_that_repeats_itself_is_a_trap(path, expected):
    assert repeats("https://a.test" + path) is expected


def test_the_query_is_no_part_of_the_path():
    assert refusals(["https://a.test/?p=/a/b/a/b/a/b/a/b"]) == [None]
    assert refusals(["https://a.test/a/b/a/b/a/b?p=1"]) == ["trap: repeated segments"]


def test_links_that_nest_forever_are_soon_refused():
    base, steps = "https://a.test/", 0
    while refusals([base + "page/next/"]) == [None]:
        base, steps = base + "page/next/", steps + 1
    assert steps == 2


@given(st.lists(st.sampled_from(["a", "b", "1", "2", ""]), max_size=12))
def test_a_path_repeats_itself_as_a_plain_reading_says(segments):
    def loop(at: int, period: int) -> bool:
        part = segments[at : at + period]
        return len(set(part)) > 1 and len(part) == period and segments[at : at + 3 * period] == part * 3

    words = [segment for segment in segments if not segment.isdigit()]
    plain = (
        any(words.count(word) > 4 for word in words)
        or len(segments) - len(words) > 10
        or any(loop(at, period) for at in range(len(segments)) for period in range(2, 9))
    )
    assert repeats("/".join(["https://a.test", *segments])) is plain


# -- too many of one pattern


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("/x?a=1&b=2", "/x?b=3&a=4", True),
        ("/x?a=1&b=2", "/x?a=1&c=2", False),
        ("/x?a=1&b=2", "/y?a=1&b=2", False),
        ("/x1?a=1", "/x22?a=2", True),
        ("/x?a1=1", "/x?a22=2", True),
        ("/x?a=1&a=2", "/x?a=1&a=2&a=3", True),
        ("/x?a=1", "/x?a=b", True),
        ("/x?a", "/x?b", False),
        ("/x?1", "/x?2", True),
    ],
)
def test_a_pattern_is_the_path_but_for_digits_and_the_keys(one, other, same):
    names = [pattern_of(*f"https://a.test{path}".split("?"))[0] for path in (one, other)]
    assert (names[0] == names[1]) is same


def test_the_digits_of_a_host_are_its_own():
    assert len({pattern_of(f"https://web{n}.test/", "a=1")[0] for n in range(3)}) == 3


@pytest.mark.parametrize("limit", [1, 2, 9])
def test_so_many_of_one_pattern_and_no_more(limit):
    urls = [f"https://shop.test/list?color={n}&size=x" for n in range(20)]
    assert refusals(urls, max_variations=limit) == [None] * limit + ["trap: pattern"] * (20 - limit)


def test_those_that_were_let_through_stay_so():
    traps, urls = Traps(), [f"https://shop.test/list?color={n}&size=x" for n in range(5)]
    for _ in range(2):
        assert refusals(urls, traps=traps, max_variations=3) == [None] * 3 + ["trap: pattern"] * 2


def test_ten_times_as_many_where_all_that_varies_is_one_number():
    urls = [f"https://forum.test/thread?page={n}" for n in range(100)]
    assert refusals(urls, max_variations=3) == [None] * 30 + ["trap: pattern"] * 70
    urls = [f"https://forum.test/thread?session=x{n}" for n in range(100)]
    assert refusals(urls, max_variations=3) == [None] * 3 + ["trap: pattern"] * 97


def test_one_host_s_trap_is_not_another_s():
    traps = Traps()
    refusals([f"https://a.test/?c={n}&d=1" for n in range(50)], traps=traps, max_variations=10)
    assert refusals(["https://b.test/?c=1&d=1"], traps=traps, max_variations=10) == [None]


def test_paths_without_a_query_are_never_too_many():
    assert set(refusals((f"https://a.test/item/{n}" for n in range(100)), max_variations=1)) == {None}


def test_what_is_forgotten_of_urls_is_not_forgotten_of_counts():
    traps = Traps(urls=10)
    urls = [f"https://shop.test/list?color={n}&size=x" for n in range(100)]
    assert refusals(urls, traps=traps, max_variations=25) == [None] * 25 + ["trap: pattern"] * 75


def test_nor_of_the_counts_of_others():
    traps = Traps(urls=10)
    trap = [f"https://shop.test/list?color={n}&size=x" for n in range(9)]
    refusals(trap[:5], traps=traps, max_variations=5)
    refusals((f"https://other.test/list?color={n}&size=x" for n in range(30)), traps=traps)
    assert set(refusals(trap[5:], traps=traps, max_variations=5)) == {"trap: pattern"}


def test_an_endless_pattern_is_not_forgotten_among_many_others():
    traps = Traps()
    endless = [f"https://shop.test/list?color={n}&size=x" for n in range(100)]
    refusals(endless, traps=traps, max_variations=50)
    letters = "abcdefghij"
    others = ["".join(letters[int(digit)] for digit in str(n)) for n in range(PATTERNS + 1000)]
    refusals((f"https://shop.test/{other}?a=1" for other in others), traps=traps)
    assert set(refusals(endless[50:], traps=traps, max_variations=50)) == {"trap: pattern"}
    assert len(traps.to_state()) == 0
    assert repr(traps) < f"<Traps {PATTERNS + 1}"


def test_the_next_run_goes_on_counting():
    traps = Traps()
    refusals((f"https://shop.test/list?color={n}&size=x" for n in range(100)), traps=traps)
    refusals(["https://shop.test/about?lang=en"], traps=traps)
    state = json.loads(json.dumps(traps.to_state()))
    assert state == {"https://shop.test/list?&color&size": 100}
    again = Traps.from_state(state)
    urls = (f"https://shop.test/list?color={n}&size=x" for n in range(100, 110))
    assert refusals(urls, traps=again, max_variations=105) == [None] * 5 + ["trap: pattern"] * 5
