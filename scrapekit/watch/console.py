"""The one terminal that all of ``watch`` writes to, and text that is safe to put there."""

from __future__ import annotations

import os
import re
import sys
from typing import Final, TextIO

import rich.console
from rich.text import Text

# What a terminal obeys instead of showing: C0 but tab and line feed, DEL, C1, and what turns the direction of text.
_UNSEEN: Final = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Console(rich.console.Console):
    """A rich console whose reader may leave: then it falls silent, and the crawl goes on."""

    def on_broken_pipe(self) -> None:
        self.quiet = True

    def say(self, text: Text | str) -> None:
        """Print it as it is: no markup, no colour of rich's own choice, no line broken. Never raises OSError."""
        try:
            self.print(text, soft_wrap=True, markup=False, highlight=False, emoji=False)
        except OSError:  # the terminal was closed
            self.quiet = True


def open_console(stream: TextIO | None = None) -> Console:
    """A console on that stream, by default standard error.

    It is live only on a real terminal: FORCE_COLOR gives colours to a file, and should not move a cursor in it.
    """
    stream = stream if stream is not None else sys.stderr
    live = stream.isatty() and os.environ.get("TERM", "") not in {"dumb", "unknown", ""}
    return Console(file=stream, force_interactive=live)


def shown(text: str) -> str:
    """The text with all that a terminal would obey written out, since it may come from a page: ``\\x1b`` for ESC."""
    return _UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
