"""A site on loopback, a project that may crawl it, and the program run in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scrapekit.cli import main

ROOT = Path(__file__).resolve().parents[2]

SPIDER = """\
from scrapekit import Item, Response, Spider, css


class Page(Item):
    url: str
    title: str = css("title")


class Pages(Spider):
    \"\"\"Every page of the site.

    And more of it.
    \"\"\"

    name = "pages"
    tag = "none"

    def start(self):
        yield "{url}/"

    def parse(self, response: Response):
        yield from response.items(Page, url=response.url)
        yield from response.follow_all(css="a")
"""


@dataclass
class Site:
    """What is served: ``pages`` by path; ``busy`` paths are 503 with this Retry-After; ``/slow`` waits for ``release``.

    ``asked`` has the paths as they came.
    """

    url: str
    asked: list[str] = field(default_factory=list)
    pages: dict[str, str] = field(default_factory=dict)
    busy: dict[str, str] = field(default_factory=dict)
    held: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)

    def chain(self, length: int) -> None:
        """Pages /, /1, /2, … each with a link to the next."""
        for n in range(length):
            link = f"<a href=/{n + 1}>on</a>" if n + 1 < length else ""
            self.pages["/" if n == 0 else f"/{n}"] = f"<title>page {n}</title>{link}"


@pytest.fixture
def site() -> Iterator[Site]:
    """A server on loopback, in threads of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or a body waits 40 ms for the acknowledgement of its head

        def do_GET(self) -> None:
            served.asked.append(self.path)
            if self.path == "/slow":
                served.held.set()
                served.release.wait(30)
            body, busy = served.pages.get(self.path), served.busy.get(self.path)
            content = (body or "nothing here").encode()
            self.send_response(503 if busy else 404 if body is None else 200)
            if busy:
                self.send_header("Retry-After", busy)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:  # the program was stopped at once
                self.close_connection = True

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        served = Site(f"http://127.0.0.1:{server.server_port}")
        served.chain(3)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        served.release.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith(("spiders", "scrapekit_spider_")):
            del sys.modules[name]


@pytest.fixture
def project(folder: Path, site: Site) -> Path:
    """A project with one spider, which crawls the site without a pause."""
    (folder / "scrapekit.toml").write_text("[limits]\ndelay = 0\n")
    (folder / "spiders").mkdir()
    (folder / "spiders" / "pages.py").write_text(SPIDER.format(url=site.url))
    return folder


@dataclass(frozen=True)
class Said:
    """How the program ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def refusal(self) -> str:
        """The one line that it said on standard error, without its own name."""
        assert self.out == ""
        assert self.err.count("\n") == 1, self.err
        assert self.err.startswith("scrapekit: ")
        return self.err[len("scrapekit: ") : -1]


Run = Callable[..., Said]


@pytest.fixture
def scrapekit(folder: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the program in this process: ``scrapekit("crawl", "pages")``."""

    def run(*argv: str) -> Said:
        capfd.readouterr()
        code = main(argv)
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return run


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the program in a process of its own, with pipes."""
    started: list[subprocess.Popen[str]] = []

    def start(*argv: str, **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "scrapekit", *argv],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
