from __future__ import annotations

import io
import logging
import re
import warnings

import pytest

from scrapekit.watch.console import Console
from scrapekit.watch.logs import logging_to


def said(verbosity: int, *, live: bool = False, terminal: bool = True) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, force_interactive=terminal, color_system=None, _environ={})
    with logging_to(console, verbosity=verbosity, live=live):
        spider, mine = logging.getLogger("scrapekit.spider.quotes"), logging.getLogger("my.own")
        logging.getLogger("scrapekit.progress").info("12 pages")
        spider.debug("d")
        spider.info("i")
        spider.warning("w %s", 1)
        spider.warning("w %s", 1)
        spider.error("e")
        spider.error("e")
        mine.info("mi")
        mine.warning("mw")
    return out.getvalue().splitlines()


def test_quiet_says_errors() -> None:
    assert said(-1) == ["error: e", "error: e"]


def test_by_default_warnings_are_said_once_and_progress() -> None:
    assert said(0) == ["12 pages", "warning: w 1", "error: e", "error: e", "warning: mw"]


def test_with_a_live_display_progress_is_not_said_twice() -> None:
    assert said(0, live=True)[0] == "warning: w 1"


def test_verbose_says_everything() -> None:
    assert said(1, live=True) == [
        "debug: d",
        "i",
        "warning: w 1",
        "warning: w 1",
        "error: e",
        "error: e",
        "mi",
        "warning: mw",
    ]


def test_in_a_file_each_line_has_its_time() -> None:
    assert [
        re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d error: e", line) is not None for line in said(-1, terminal=False)
    ]


def test_the_file_of_a_run_hears_all_of_it_whatever_the_terminal_does(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("run") / "crawl.log"
    with logging_to(Console(file=io.StringIO()), verbosity=-1) as root:
        handler = logging.FileHandler(path)
        root.addHandler(handler)
        for _ in range(2):
            logging.getLogger("scrapekit.spider.quotes").info("i")
        root.removeHandler(handler)
        handler.close()
    assert path.read_text() == "i\ni\n"


def test_everything_is_as_before_afterwards() -> None:
    root, ours = logging.getLogger(), logging.getLogger("scrapekit")
    before = root.level, ours.level, list(root.handlers)
    said(1)
    assert (root.level, ours.level, list(root.handlers)) == before


def test_a_message_from_a_page_cannot_command_the_terminal() -> None:
    out = io.StringIO()
    with logging_to(Console(file=out, force_terminal=True, force_interactive=True, color_system=None)):
        logging.getLogger("scrapekit").warning("[red]\x1b]0;gone\x07 %s", "\x1b[2J")
    assert out.getvalue() == "warning: [red]\\x1b]0;gone\\x07 \\x1b[2J\n"


def test_a_traceback_is_shown_whole() -> None:
    out = io.StringIO()
    with logging_to(Console(file=out, width=20)):
        try:
            raise ZeroDivisionError("x" * 50)
        except ZeroDivisionError:
            logging.getLogger("scrapekit").exception("callback failed")
    assert out.getvalue().endswith("ZeroDivisionError: " + "x" * 50 + "\n")


def test_pythons_own_warnings_are_said_like_the_others() -> None:
    out = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with logging_to(Console(file=out)):
            warnings.warn("old", stacklevel=1)
    assert "UserWarning: old" in out.getvalue()
