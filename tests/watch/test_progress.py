from __future__ import annotations

import io
import logging
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit.stats import HostView, Stats, View
from scrapekit.watch.console import Console
from scrapekit.watch.progress import LiveProgress, LogProgress, Rate, in_place, progress

FORWARD = st.lists(st.sampled_from("abcdefgh"), unique=True).map(lambda names: [host(name) for name in names])


def host(name: str, waiting: int = 0) -> HostView:
    return HostView(name, 1, waiting, "delay", 0.5)


def at(elapsed: float, pages: int = 0, *hosts: HostView) -> View:
    return View(Stats(fetched=pages, hosts=len(hosts)), in_flight=1, queued=2, elapsed=elapsed, busiest=hosts)


def terminal() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=True, force_interactive=True, width=80, height=24, _environ={}), out


def test_the_rate_of_a_steady_crawl_is_its_rate_from_the_first_second() -> None:
    rate = Rate()
    assert [round(rate.update(n * 2, n * 0.2), 6) for n in range(1, 100)] == [10.0] * 99


def test_the_rate_follows_within_seconds_and_without_jumps() -> None:
    rate = Rate()
    rates = [rate.update(min(n, 100) * 10, n * 0.2) for n in range(1, 201)]
    assert rates[99] == pytest.approx(50)
    assert rates[-1] < 1
    assert max(before - after for before, after in pairwise(rates)) < 2.1


def test_the_rate_of_nothing_is_nothing() -> None:
    rate = Rate()
    assert rate.update(0, 0.0) == 0.0
    assert rate.update(5, 0.0) == 0.0
    assert rate.update(5, 1.0) == pytest.approx(5.0)
    assert rate.update(9, 1.0) == pytest.approx(5.0)


@given(before=FORWARD, now=FORWARD)
def test_a_host_keeps_its_line(before: list[HostView], now: list[HostView]) -> None:
    placed = in_place(before, now)
    assert sorted(placed, key=lambda host: host.name) == sorted(now, key=lambda host: host.name)
    if len(now) >= len(before):
        assert all(placed[line] == host for line, host in enumerate(before) if host in now)


def test_a_host_that_stays_shows_its_new_numbers() -> None:
    assert in_place([host("a", 1), host("b", 1)], [host("b", 2), host("c"), host("a", 3)]) == [
        host("a", 3),
        host("b", 2),
        host("c"),
    ]


def test_the_log_gets_a_line_every_few_seconds_and_then_more_seldom(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "scrapekit.progress")
    lines = LogProgress()
    for second in range(3600):
        lines.update(at(float(second), second, host("a.test")))
    lines.close()
    times = [sum(int(n) * 60**k for k, n in enumerate(reversed(m.split()[0].split(":")))) for m in caplog.messages]
    assert times[:13] == [5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 75]
    assert times[-3:] == [3420, 3480, 3540]
    assert caplog.messages[0] == (
        "0:05  5 pages, 0 items, 0 failed, 1.0 pages/s, 1 in flight, 2 queued; waiting: a.test (delay 0.5 s)"
    )


def test_a_terminal_is_live_and_nothing_else_is() -> None:
    live, out = terminal()
    shown = progress(live)
    shown.close()
    assert isinstance(shown, LiveProgress)
    assert isinstance(progress(live, live=False), LogProgress)
    assert isinstance(progress(Console(file=out)), LogProgress)


def test_the_display_shows_the_view_and_goes_away() -> None:
    console, out = terminal()
    shown = progress(console, title="quotes")
    shown.update(at(1.0, 1169, host("a.test")))
    text = screen(out.getvalue())
    assert text[0].startswith("── quotes ──")
    assert "1,169" in text[2]
    assert text[5].split() == ["a.test", "1", "0", "delay", "0.5", "s"]
    shown.close()
    shown.close()
    assert "".join(screen(out.getvalue())) == ""
    assert re.findall(r"\x1b\[\?25.", out.getvalue())[-1] == "\x1b[?25h"  # the cursor is back


def test_what_is_said_stands_above_the_display() -> None:
    console, out = terminal()
    shown = progress(console, title="quotes")
    shown.update(at(1.0, 1, host("a.test"), host("b.test")))
    console.say("warning: slow")
    shown.update(at(2.0, 2))
    console.say("warning: slower")
    text = screen(out.getvalue())
    shown.close()
    assert text[:2] == ["warning: slow", "warning: slower"]
    assert text[2].startswith("── quotes")
    assert [line for line in text[5:] if line] == []


def test_nothing_is_drawn_where_nothing_changed() -> None:
    console, out = terminal()
    shown = progress(console)
    shown.update(at(1.0, 1))
    before = out.getvalue()
    shown.update(at(1.0, 1))
    assert out.getvalue() == before
    shown.close()


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(5, "Input/output error")])
def test_a_terminal_that_goes_does_not_end_the_crawl(error: OSError) -> None:
    console, out = terminal()
    shown = progress(console)
    shown.update(at(1.0, 1))

    def write(text: str) -> int:
        raise error

    out.write = write  # type: ignore[method-assign]
    shown.update(at(2.0, 2))
    shown.update(at(3.0, 3))
    shown.close()


def screen(output: str, height: int = 24) -> list[str]:
    """What a terminal shows after that output; knows what a live display uses of a terminal, refuses the rest."""
    lines, row, column = [""] * height, 0, 0

    for token in re.findall(r"\x1b\[\?\d+[hl]|\x1b\[[\d;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", output):
        if token == "\r":
            column = 0
        elif token == "\n":
            row, column = row + 1, 0
        elif token == "\x1b[1A":
            row -= 1
        elif token == "\x1b[2K":
            lines[row] = ""
        elif token.startswith("\x1b"):
            assert token in {"\x1b[?25l", "\x1b[?25h"} or token.endswith("m"), token
        else:
            lines[row] = lines[row][:column].ljust(column) + token + lines[row][column + len(token) :]
            column += len(token)
    return [line.rstrip() for line in lines]
