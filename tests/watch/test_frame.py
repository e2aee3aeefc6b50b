from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scrapekit.stats import HostView, Stats, View
from scrapekit.watch.frame import Room, frame, one_line, why

HOSTS = (
    HostView("books.test:8900", 1, 1412, "delay", 0.84),
    HostView("quotes.test", 0, 40, "robots.txt", 0.0),
    HostView("a-shop-with-a-long-name.and-a-longer-domain.example.com", 0, 3, "Retry-After", 12.4),
    HostView("open.test", 4, 0, "", 0.0),
)


def view(**counts: int) -> View:
    stats = Stats(seen=5000, fetched=1169, failed=3, items=2980, hosts=1004, **counts)
    return View(stats, in_flight=4, queued=853, elapsed=72.9, busiest=HOSTS)


def plain(width: int, height: int, *, ascii: bool = False, hosts: tuple[HostView, ...] = HOSTS) -> list[str]:
    room = Room(width, height, ascii)
    return [line.plain.rstrip() for line in frame(view(), 41.23, hosts, title="quotes", room=room)]


def test_an_ordinary_terminal() -> None:
    assert plain(80, 24) == [
        "── quotes ──────────────────────────────────────────────────────────────────────",
        "    pages      items     failed    pages/s  in flight     queued    elapsed",
        "    1,169      2,980          3       41.2          4        853       1:12",
        "",
        "host                                     in flight   waiting",
        "books.test:8900                                  1     1,412  delay 0.8 s",
        "quotes.test                                      0        40  robots.txt",
        "…ng-name.and-a-longer-domain.example.com         0         3  Retry-After 12 s",
        "open.test                                        4         0",
        "and 1,000 more",
    ]


def test_a_narrow_and_short_terminal() -> None:
    assert plain(40, 12) == [
        "── quotes ──────────────────────────────",
        "    pages     items    failed   pages/s",
        "    1,169     2,980         3      41.2",
        "in flight    queued   elapsed",
        "        4       853      1:12",
        "",
        "host         waiting",
        "…test:8900     1,412  delay 0.8 s",
        "and 1,003 more",
    ]


def test_a_terminal_of_few_lines_gets_one() -> None:
    assert plain(80, 5) == ["1:12  1,169 pages, 2,980 items, 3 failed, 41.2 pages/s, 4 in flight, 853 queued"]
    assert len(plain(80, 6)) == 3


def test_short_names_stand_closer() -> None:
    assert plain(80, 24, hosts=HOSTS[:1])[4:6] == [
        "host                     in flight   waiting",
        "books.test:8900                  1     1,412  delay 0.8 s",
    ]


def test_a_terminal_without_unicode_gets_ascii() -> None:
    assert all(line.isascii() for line in plain(80, 24, ascii=True))


def test_a_crawl_that_has_just_begun() -> None:
    lines = frame(View(Stats(), 0, 0, 0.0), 0.0, (), title="quotes", room=Room(80, 24))
    assert [line.plain for line in lines[1:]] == [
        "    pages      items     failed    pages/s  in flight     queued    elapsed",
        "        0          0          0       0.00          0          0       0:00",
    ]


@given(width=st.integers(1, 200), height=st.integers(1, 60), shown=st.integers(0, 4))
def test_no_frame_is_larger_than_its_terminal(width: int, height: int, shown: int) -> None:
    lines = frame(view(), 41.23, HOSTS[:shown], title="a spider", room=Room(width, height))
    assert max(line.cell_len for line in lines) <= width
    assert len(lines) <= max(1, height - 3)


def test_a_wait_is_said_with_its_rule_and_time() -> None:
    assert [why(host) for host in HOSTS] == ["delay 0.8 s", "robots.txt", "Retry-After 12 s", ""]
    assert why(HostView("x", 0, 0, "\x1b]0;", 0.04)) == "\\x1b]0;"


def test_one_line_for_the_log() -> None:
    assert one_line(view(), 0.5).startswith("1:12  1,169 pages, 2,980 items, 3 failed, 0.50 pages/s, 4 in flight")
