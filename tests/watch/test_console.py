from __future__ import annotations

import io
import os

import pytest

from scrapekit.watch.console import Console, open_console, shown


def test_a_file_is_never_live_whatever_colours_it_is_to_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    console = open_console(io.StringIO())
    assert console.is_terminal
    assert not console.is_interactive


@pytest.mark.parametrize(("term", "live"), [("xterm", True), ("dumb", False), ("", False)])
def test_a_terminal_is_live_if_it_can_move_its_cursor(term: str, live: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", term)
    ours, theirs = os.openpty()
    with open(theirs, "w") as terminal:
        assert open_console(terminal).is_interactive is live
    os.close(ours)


def test_what_it_says_is_said_as_it_is() -> None:
    out = io.StringIO()
    Console(file=out, width=20).say("[bold]x[/bold] :smile: " + "y" * 40)
    assert out.getvalue() == "[bold]x[/bold] :smile: " + "y" * 40 + "\n"


class Gone(io.StringIO):
    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(5, "Input/output error")])
def test_a_reader_that_has_gone_does_not_end_the_crawl(error: OSError) -> None:
    console = Console(file=Gone(error))
    console.say("one")
    console.say("two")
    assert console.quiet


def test_what_a_terminal_would_obey_is_written_out() -> None:
    assert shown("a\x1b[31m\r\u202eb\x9b\tc\n") == "a\\x1b[31m\\r\\u202eb\\x9b\tc\n"
    assert shown("Zoë £ 日本 😀") == "Zoë £ 日本 😀"
