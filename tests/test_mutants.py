"""The audit is proved on mutants: the real crawl with one line changed, convicted in a world in which it is acquitted.

Each mutant changes one expression of the code that keeps a rule. The crawl then runs on a virtual clock in a world in
which that rule matters, and its ledger is judged.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scrapekit import Response, Spider
from scrapekit.audit import Report, judge
from scrapekit.backoff import rest
from scrapekit.budget import Budget
from scrapekit.circuit import Circuit
from scrapekit.config import load
from scrapekit.crawler import prepare_crawl
from scrapekit.fetcher import Fetcher
from scrapekit.hosts import Group, Host
from scrapekit.ledger import read
from scrapekit.origins import Origin
from scrapekit.registry import HostRegistry
from scrapekit.tables import Limits
from scrapekit.testing import Answer, VirtualClock, World, page
from scrapekit.throttle import Throttle

Site = Callable[[str, int], Answer]
CONTACT = '[identity]\ncontact = "https://example.org/bot"\n'


@dataclass(frozen=True)
class Mutant:
    """One expression of one function, and what stands in its place; the world and the settings in which it matters."""

    name: str
    where: Any
    line: str
    becomes: str
    site: Site
    limits: str = ""
    spider: type[Spider] | None = None


class Start(Spider, abstract=True):
    """Follows what it finds."""

    start_urls = ("http://a.test/",)

    def parse(self, response: Response) -> Iterator[Any]:
        yield from response.follow_all(css="a")


class Follow(Start):
    name = "follow"


class Neighbours(Start):
    """Four names on one server, four hosts of one domain."""

    name = "neighbours"
    start_urls = tuple(f"http://{n}{home}/" for n in "abcd" for home in (".example.com", "--10.0.0.1.test"))


def site(
    robots: str | int = 404,
    *,
    links: int = 12,
    latency: float = 0.05,
    connect: float = 0.02,
    first: dict[str, Answer] | None = None,
) -> Site:
    """A start page with some links; ``first`` answers the first request of a path."""

    def answer(url: str, nth: int) -> Answer:
        path = "/" + url.split("/", 3)[3]
        if path == "/robots.txt":
            return Answer(robots) if isinstance(robots, int) else Answer(body=f"User-agent: *\n{robots}\n".encode())
        if first and path in first and nth == 1:
            return first[path]
        found = [f"/{n}" for n in range(links)] if path == "/" else []
        # every other connection that is new is slow
        return page(*found, latency=latency, connect=connect if nth % 2 else 0.0)

    return answer


SLOW = site(latency=6.0, connect=1.5)
BUSY = site(first={"/3": Answer(503, headers={"Retry-After": "40"})})
BUSY_AND_SILENT = site(first={"/3": Answer(503)})

MUTANTS = [
    Mutant("delay halved", Throttle._reckon, "Pause(terms.delay,", "Pause(terms.delay / 2,", site()),
    Mutant("delay counted from the turn", HostRegistry._turn, "host.throttle.pause().seconds > 0", "False", SLOW,
           "concurrency = 4\nper_address = 0"),
    Mutant("permit leaked", Host.reckon, "else self.throttle.concurrency()", "else self.throttle.concurrency() + 1",
           site(latency=5.0), "concurrency = 2\ndelay = 0.5"),
    Mutant("robots.txt not heeded", HostRegistry._disallowed, "if verdict.allowed:", "if True:", site("Disallow: /3")),
    Mutant("robots.txt unreachable taken for none", Fetcher._answered, "not closes(reply.status)", "True", site(503)),
    Mutant("robots.txt never asked for", Limits.ignores_robots, 'if self.robots == "obey":', "if False:",
           site("Disallow: /3")),
    Mutant("an old robots.txt kept", Origin.learn, "now + MAX_AGE, now + STALE", "now + 9e9, now + 9e9",
           site(), "delay = 9000.0"),
    Mutant("Crawl-delay not heeded", Throttle.learn, 'if crawl_delay else []', "if False else []",
           site("Crawl-delay: 3")),
    Mutant("Request-rate not heeded", Throttle.learn, "if request_rate is not None:", "if False:",
           site("Request-rate: 1/4")),
    Mutant("Visit-time not heeded", Host.shut_outside_hours, "hours.opens(now, limits) if limits else now", "now",
           site("Visit-time: 0200-0300")),
    Mutant("Retry-After not heeded", Throttle._rest, "self.resting = rest", "return None", BUSY),
    Mutant("Retry-After shortened", Throttle._asked_for_pause, "Rest(now + asked,", "Rest(now + asked / 2,", BUSY),
    Mutant("back-off too short", rest, "FIRST_REST", "FIRST_REST / 2", BUSY_AND_SILENT),
    Mutant("an address asked as hard as all its hosts", HostRegistry._groups_of, "limits.per_address", "0",
           site(), "per_address = 2", Neighbours),
    Mutant("a domain asked as hard as all its hosts", HostRegistry._groups_of, "limits.per_domain)]", "0)]",
           site(), "per_domain = 2", Neighbours),
    Mutant("a group's turn not awaited", Group.opening, "if pause and self.unsent:", "if False:",
           SLOW, "per_address = 2", Neighbours),
    Mutant("a page beyond the budget", Budget.exceeded, "_used_up(self.pages, terms.max_pages)",
           "_used_up(self.pages - 1, terms.max_pages)", site(), "max_pages = 5"),
    Mutant("errors beyond the budget", Budget.exceeded, "_used_up(self.errors, terms.max_errors)", "False",
           site(first={f"/{n}": Answer(404) for n in range(12)}), "max_errors = 3"),
    Mutant("hours of the settings not heeded", Host.shut_outside_hours, "hours.opens(now, limits) if limits else now",
           "now",
           site(), 'visit = "02:00-03:00"'),
    Mutant("adaptive not heeded", Throttle._reckon, "terms.adaptive * self.latency", "0.0", site(latency=2.0, links=60),
           "adaptive = 4.0"),
    Mutant("RateLimit not heeded", Throttle._limit, "if ratelimit.FIELDS.isdisjoint(headers):", "if True:",
           site(first={"/3": Answer(headers={"RateLimit": '"default";r=0;t=50'})})),
    Mutant("a host that does not answer not left alone", Circuit.failed, "if not limit or", "if True or",
           site(first={f"/{n}": Answer(resets=True) for n in range(12)}), "circuit_failures = 3"),
]  # fmt: skip


def crawl(mutant: Mutant, folder: Path) -> Report:
    """Crawl the mutant's world as the code stands now, and judge the ledger."""
    file = folder / "scrapekit.toml"
    file.write_text(f"{CONTACT}[crawl]\nmax_wait = 1e6\n[limits]\n{mutant.limits}\n")
    clock = VirtualClock()
    world = World(mutant.site, clock)
    made = prepare_crawl(mutant.spider or Follow, load(file), network=world, clock=clock, keep=True)
    clock.run(made.run)
    assert len(world.visits) > 3
    (run,) = (folder / ".scrapekit" / "runs").iterdir()
    return judge(read(run))


def mutate(monkeypatch: pytest.MonkeyPatch, mutant: Mutant) -> None:
    """Put the function in place with the one expression changed."""
    function = mutant.where.fget if isinstance(mutant.where, property) else mutant.where
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(mutant.line) == 1, f"{mutant.line!r} stands {source.count(mutant.line)} times in {source}"
    module = sys.modules[function.__module__]
    made: dict[str, Any] = {}
    changed = "from __future__ import annotations\n" + source.replace(mutant.line, mutant.becomes)
    exec(compile(changed, "<mutant>", "exec"), module.__dict__, made)
    owner, _, name = function.__qualname__.rpartition(".")
    monkeypatch.setattr(getattr(module, owner) if owner else module, name, made[name])


@pytest.fixture(autouse=True)
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's real lock file is not ours to try things on."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_real_one_is_acquitted_and_its_mutant_convicted(
    mutant: Mutant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "mutant").mkdir()
    assert [violation for host in crawl(mutant, tmp_path / "real").hosts for violation in host.violations] == []
    mutate(monkeypatch, mutant)
    assert [violation for host in crawl(mutant, tmp_path / "mutant").hosts for violation in host.violations] != []
