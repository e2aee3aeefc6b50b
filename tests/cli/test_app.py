from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scrapekit.cli import exits
from scrapekit.cli.app import COMMANDS
from scrapekit.stats import Stats
from scrapekit.version import VERSION

Start = Callable[..., "subprocess.Popen[str]"]


def test_help_lists_every_command(scrapekit):
    said = scrapekit("--help")
    assert said.code == 0
    assert [line.split()[0] for line in said.out.partition("Commands:\n")[2].splitlines()] == list(COMMANDS)


INNER = [["new", "project"], ["new", "spider"], ["identity", "new"]]
INNER += [["runs", name] for name in ("list", "show", "export", "retry", "prune")]


@pytest.mark.parametrize("argv", [[name] for name in COMMANDS] + INNER, ids=" ".join)
def test_every_command_has_a_help_that_fits_on_a_screen(scrapekit, argv):
    for flag in ("-h", "--help"):
        said = scrapekit(*argv, flag)
        assert (said.code, said.err) == (0, "")
        assert said.out.startswith(f"Usage: scrapekit {' '.join(argv)}")
        assert len(said.out.splitlines()) <= 45


def test_without_a_command_help_is_shown_as_a_mistake(scrapekit):
    for argv in ([], ["new"], ["identity"]):
        said = scrapekit(*argv)
        assert (said.code, said.out) == (exits.USAGE, "")
        assert "Commands:" in said.err


def test_a_misspelt_command_suggests_the_nearest(scrapekit):
    said = scrapekit("crwal", "x")
    assert (said.code, said.refusal) == (2, "there is no command 'crwal' (did you mean crawl?)")


@pytest.mark.parametrize(
    "argv", [["list", "--what"], ["list", "x"], ["crawl"], ["crawl", "a", "b"], ["demo", "--port", "x"], ["--what"]]
)
def test_a_wrong_call_is_refused_in_one_line(scrapekit, argv):
    said = scrapekit(*argv)
    assert said.code == exits.USAGE
    assert said.refusal


def test_an_error_shows_its_traceback_only_with_v(scrapekit, folder: Path):
    (folder / "scrapekit.toml").write_text("[limits]\ndealy = 1")
    said = scrapekit("list")
    assert said.code == exits.USAGE
    assert said.refusal.endswith("scrapekit.toml:2: limits.dealy: unknown key (did you mean delay?)")
    said = scrapekit("list", "-v")
    assert said.err.startswith("Traceback (most recent call last):\n")
    assert said.err.splitlines()[-1].startswith("scrapekit: ")


def test_the_version_is_told(scrapekit):
    assert scrapekit("version").out == f"scrapekit {VERSION}\n"
    assert scrapekit("--version").out == f"scrapekit {VERSION}\n"
    assert "\ncurio 1.6\n" in scrapekit("version", "-v").out


def test_the_package_runs_as_a_module(start: Start):
    process = start("version")
    assert process.communicate(timeout=30) == (f"scrapekit {VERSION}\n", "")
    assert process.returncode == 0


def test_help_waits_for_nothing_that_only_a_crawl_needs(start: Start, root: Path):
    code = "import sys; from scrapekit.cli import main; main(['--help']); print([m for m in %r if m in sys.modules])"
    heavy = ["rich", "scrapekit.watch", "scrapekit.cli.crawl", "scrapekit.demo"]
    done = subprocess.run(
        [sys.executable, "-c", code % heavy], cwd=root, capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_closed_pipe_is_no_error_worth_a_word(start: Start):
    process = start("config")
    assert process.stdout is not None
    process.stdout.close()
    process.wait(30)
    assert process.stderr is not None
    assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("stats", "code"),
    [
        (Stats(end="finished", fetched=1), 0),
        (Stats(end="finished"), 0),
        (Stats(end="finished", fetched=1, failed=9), 0),
        (Stats(end="finished", failed=1), 1),
        (Stats(end="finished", disallowed=1), 0),
        (Stats(end="max-failures", fetched=1, failed=1, pending=1), 1),
        (Stats(end="fail-fast", fetched=1, pending=1), 1),
        (Stats(end="max-pages", fetched=1, pending=1), 3),
        (Stats(end="max-pages", fetched=1), 0),
        (Stats(end="max-items", fetched=1, pending=1), 3),
        (Stats(end="max-time", pending=1), 3),
        (Stats(end="stalled", pending=1), 3),
        (Stats(end="closed pipe", fetched=1), 3),
        (Stats(end="something new", fetched=1), 3),
    ],
    ids=lambda value: str(getattr(value, "end", value)),
)
def test_the_exit_code_says_how_a_crawl_ended(stats: Stats, code: int):
    assert exits.of_crawl(stats) == code
