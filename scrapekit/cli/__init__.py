"""The command line: one module a command, each imported only when it is called.

A command raises what is wrong; ``main`` says it in one line on standard error and gives the exit code.
"""

from __future__ import annotations

from scrapekit.cli.app import main

__all__ = ["main"]
