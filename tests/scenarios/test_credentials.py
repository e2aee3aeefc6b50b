"""Credentials reach their origin and nothing else: no other origin, no file of the run, no line of what is said."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from scrapekit.testing import FakeNetwork
from tests.scenarios.plays import moved
from tests.scenarios.server import GOOD, Asked, Server, answer

TOKEN: Final = "tkn-5up3r-s3cr3t"
PASSWORD: Final = "pwd-5up3r-s3cr3t"
BASIC: Final = b64encode(f"me:{PASSWORD}".encode()).decode()
SPIDER: Final = """\
from scrapekit import Spider


class Members(Spider):
    name = "members"

    def __init__(self, first, second):
        self.first, self.second = first, second

    def start(self):
        yield f"{self.first}/"
        yield f"{self.second}/"

    def parse(self, response):
        yield {"request": repr(response.request), "response": repr(response), "sent": dict(response.request.headers)}
        yield from response.follow_all()
        if "broken" in response.url:
            raise ValueError(f"cannot read {response!r} of {response.request!r}")

    def errback(self, failure):
        yield {"failure": repr(failure), "error": repr(failure.error)}
"""


@pytest.fixture
def members() -> Iterator[Callable[..., Server]]:
    """Start a site whose pages are for those who send this field."""
    started: list[Server] = []

    def start(field: str, elsewhere: str = "") -> Server:
        def home(asked: Asked) -> bytes:
            if asked.headers.get("authorization") != field:
                return answer("who are you?", 401)
            paths = ("/broken", "/missing", "/odd", "/moved", "/away")
            return answer("".join(f'<a href="{path}">x</a>' for path in paths), 200, "Content-Type: text/html")

        plays = {
            "/": home,
            "/broken": GOOD,
            "/odd": b"no http\r\n\r\n",
            "/moved": moved("/landed"),
            "/landed": GOOD,
            "/away": moved(f"{elsewhere}/from"),
            "/from": GOOD,
        }
        started.append(Server(plays))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def test_secrets_go_to_their_origins_and_are_found_nowhere(members: Any, tmp_path: Path, root: Path) -> None:
    third = members("")
    first = members(f"Bearer {TOKEN}", f"http://127.0.0.1:{third.port}")
    second = members(f"Basic {BASIC}", f"http://localhost:{first.port}")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "password").write_text(f"{PASSWORD}\n")
    project = tmp_path / "project"
    project.mkdir()
    (project / "spider.py").write_text(SPIDER)
    (project / "scrapekit.toml").write_text(
        f"""\
[limits]
delay = 0
circuit_failures = 0
[hosts."127.0.0.1:{first.port}"]
auth = {{ scheme = "bearer", token = {{ env = "MEMBERS_TOKEN" }} }}
[hosts."127.0.0.1:{second.port}"]
auth = {{ scheme = "basic", username = "me", password = {{ file = "../outside/password" }} }}
"""
    )

    def scrapekit(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "scrapekit", *words],
            cwd=project,
            env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "HOME": str(project), "MEMBERS_TOKEN": TOKEN},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout + done.stderr

    urls = [f"http://127.0.0.1:{each.port}" for each in (first, second)]
    said = scrapekit(
        "crawl", "spider.py", "-a", f"first={urls[0]}", "-a", f"second={urls[1]}", "-o", "items.jsonl", "-v"
    )
    items = (project / "items.jsonl").read_text()
    assert "cannot read" in said  # the spider's own error, with all that it could say
    assert items.count('"response"') >= 6

    for server, field in ((first, f"Bearer {TOKEN}"), (second, f"Basic {BASIC}")):
        own = [asked for asked in server.asked if "127" in asked.headers["host"]]
        sent = {asked.target: asked.headers.get("authorization") for asked in own}
        assert sent.pop("/landed") == field
        assert set(sent.values()) == {field}, sent  # robots.txt too
    to_others = [asked for asked in first.asked if "localhost" in asked.headers["host"]] + third.asked
    assert {asked.path for asked in to_others} >= {"/from", "/robots.txt"}
    assert [asked for asked in to_others if "authorization" in asked.headers] == []

    said += scrapekit("config") + scrapekit("explain", urls[0] + "/")
    said += scrapekit("config", "--host", f"127.0.0.1:{second.port}") + scrapekit("audit")
    assert "MEMBERS_TOKEN" in said
    assert "../outside/password" in said
    everything = {"what is said": said.encode()}
    everything |= {str(path): path.read_bytes() for path in project.rglob("*") if path.is_file()}
    assert any(path.endswith("ledger.jsonl") for path in everything), sorted(everything)
    for place, content in everything.items():
        for secret in (TOKEN, PASSWORD, BASIC):
            assert secret.encode() not in content, place


def test_D06_D09_a_redirect_takes_them_to_no_other_origin(
    crawl: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMBERS_TOKEN", TOKEN)
    targets = [f"{origin}/x" for origin in ("https://a.test", "http://a.test", "https://a.test:8443", "https://b.test")]
    hops = {f"/{n}": moved(target) for n, target in enumerate(targets)}
    network = FakeNetwork({"https://a.test": hops | {"/x": GOOD}})
    for target in targets[1:]:
        network.site(target, {"/x": GOOD})
    auth = 'hosts."a.test".auth={ scheme = "bearer", token = { env = "MEMBERS_TOKEN" } }'
    crawled = crawl(network, [f"https://a.test/{n}" for n in range(4)], auth)
    assert sorted(crawled.urls) == sorted(targets)
    sent = [(received.host, received.headers.get("authorization")) for received in network.log]
    assert {field for host, field in sent if host != "a.test"} == {None}
    plain = [field for host, field in sent if host == "a.test"]
    assert plain.count(None) == 2  # robots.txt and /x over http
    assert set(plain) == {None, f"Bearer {TOKEN}"}


def test_a_variable_that_is_missing_ends_the_crawl_before_it_begins(
    crawl: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MEMBERS_TOKEN", raising=False)
    network = FakeNetwork({"https://a.test": {"/": GOOD}})
    auth = 'hosts."a.test".auth={ scheme = "bearer", token = { env = "MEMBERS_TOKEN" } }'
    with pytest.raises(Exception, match="MEMBERS_TOKEN is not set in the environment"):
        crawl(network, ["https://a.test/"], auth)
    assert network.log == []
