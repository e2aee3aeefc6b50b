"""A server for real pages, and the program run as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.real.nginx import Nginx, missing, nginx
from tests.real.pages import TREES


@dataclass(frozen=True, slots=True)
class Done:
    """A finished `scrapekit crawl`: its exit code, what it said, and its items."""

    code: int
    said: str
    items: list[dict[str, Any]]


@pytest.fixture
def serve() -> Iterator[Callable[..., Nginx]]:
    """Start nginx: ``serve(root, **options)``, see tests/real/nginx.py; stopped when the test is over."""
    if reason := missing():
        pytest.skip(reason)
    with ExitStack() as stack:
        yield lambda root, **options: stack.enter_context(nginx(root, **options))


@pytest.fixture
def tree() -> Callable[[str], Path]:
    """The folder of pages of a Debian package."""

    def folder(package: str) -> Path:
        if not TREES[package].is_dir():
            pytest.skip(f"{TREES[package]} is missing (apt-get install {package})")
        return TREES[package]

    return folder


@pytest.fixture
def crawl(tmp_path: Path, root: Path) -> Callable[..., Done]:
    """Run `scrapekit crawl SPIDER` in a folder of its own: ``crawl(spider, *options, toml="", seconds=60)``."""

    def run(spider: Path, *options: str, toml: str = "", seconds: float = 60) -> Done:
        (tmp_path / "scrapekit.toml").write_text(toml)
        out = tmp_path / "items.jsonl"
        command = [sys.executable, "-m", "scrapekit", "crawl", str(spider), "-o", str(out), *options]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        lines = out.read_text().splitlines() if out.exists() else []
        return Done(done.returncode, done.stdout + done.stderr, [json.loads(line) for line in lines])

    return run
