"""The demonstration as a visitor and as the shop see it. It takes its 15 seconds once, for all that is asserted."""

from __future__ import annotations

import io
import json
import re
import signal
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.request import urlopen

import pytest

from scrapekit import kernel
from scrapekit.cli.demo import visit
from scrapekit.cli.running import Stops
from scrapekit.demo import serving
from scrapekit.http.server import Access
from scrapekit.ledger import read
from scrapekit.watch import open_console

#: What each robots.txt asks for, in seconds; the settings' own delay of 0.1 s holds at least.
DELAYS = {"books.test": 0.15, "quotes.test": 0.1}
#: The shop's rules for every robot, read by hand.
FORBIDDEN = re.compile(r"/basket|/search|/members/(?!join)|/.*\?sort=")


@dataclass(frozen=True)
class Visit:
    code: int
    said: str
    log: list[Access]
    folder: Path

    def lines(self, spider: str, name: str) -> list[dict]:
        (run,) = (self.folder / ".scrapekit" / "runs").glob(f"*-{spider}")
        return [json.loads(line) for line in (run / name).read_text().splitlines()]

    def seen(self, host: str) -> list[Access]:
        return sorted((access for access in self.log if access.host.partition(":")[0] == host), key=lambda a: a.started)


@pytest.fixture(scope="module")
def visited(tmp_path_factory) -> Visit:
    async def main() -> tuple[int, list[Access]]:
        async with serving() as demo:
            return await visit(demo, 0, open_console(screen), Stops()), demo.log

    screen = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("demo")
        patch.chdir(folder)
        code, log = kernel.run(main)
    return Visit(code, screen.getvalue(), log, folder)


def test_every_book_is_on_disk_but_the_one_without_a_price(visited: Visit):
    assert visited.code == 0
    items = visited.lines("books", "items.jsonl")
    assert len({item["url"] for item in items}) == len(items) >= 1000
    (rejected,) = visited.lines("books", "rejected.jsonl")
    assert (rejected["model"], rejected["field"]) == ("Book", "price")
    assert "Price on request" in rejected["snippet"]


def test_every_quote_is_on_disk(visited: Visit):
    kinds = Counter("text" in item for item in visited.lines("quotes", "items.jsonl"))
    assert kinds[True] == 100
    assert kinds[False] > 0


@pytest.mark.parametrize("host", DELAYS)
def test_the_shop_s_own_log_shows_the_delay_and_never_two_at_once(visited: Visit, host: str):
    seen = visited.seen(host)
    assert len(seen) > 30
    delay = DELAYS[host]
    for earlier, later in pairwise(seen):
        assert later.started >= earlier.ended
        # On a busy machine the server may read one request late and the next in time; the ledger knows when they went.
        assert later.started - earlier.started >= delay / 10
    assert seen[-1].started - seen[0].started >= (len(seen) - 1) * delay - delay / 2
    (run,) = (visited.folder / ".scrapekit" / "runs").glob(f"*-{host.removesuffix('.test')}")
    sent = [send.start for send in read(run).sends if send.host == host and send.start is not None]
    assert len(sent) == len(seen)
    assert min(later - earlier for earlier, later in pairwise(sent)) >= delay - 1e-6


@pytest.mark.parametrize("host", DELAYS)
def test_robots_txt_was_asked_for_once_and_first(visited: Visit, host: str):
    targets = [access.target for access in visited.seen(host)]
    assert targets.index("/robots.txt") == 0
    assert targets.count("/robots.txt") == 1


def test_nothing_was_asked_for_that_robots_txt_forbids(visited: Visit):
    allowed = [access.target for access in visited.seen("books.test") if not FORBIDDEN.match(access.target)]
    assert len(allowed) == len(visited.seen("books.test"))
    (run,) = (visited.folder / ".scrapekit" / "runs").glob("*-books")
    assert json.loads((run / "stats.json").read_text())["disallowed"] > 0


def test_the_summary_and_the_shop_s_log_are_on_the_screen(visited: Visit):
    assert "books finished after" in visited.said
    assert "quotes finished after" in visited.said
    assert visited.said.count("The log of ") == 2


def test_the_shop_alone_is_served_until_ctrl_c(start):
    process = start("demo", "--serve", "--port", "0")
    url = process.stdout.readline().split()[4]
    with urlopen(url) as page:
        assert b"<title>" in page.read()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0
