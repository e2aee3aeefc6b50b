"""What is remembered of a host comes back as it was, and what cannot be vouched for does not."""

from __future__ import annotations

from typing import Any

import pytest

from scrapekit.errors import ConnectFailed
from scrapekit.hostmemory import HostMemory
from scrapekit.origins import Origin
from scrapekit.request import Request

RULES = b"User-agent: *\nDisallow: /private\n"
T = 1000.0


def read(status: int = 200, body: bytes = RULES, digest: str = "abc") -> Origin:
    origin = Origin("https://a.test")
    origin.learn(status, body, T)
    origin.digest, origin.recorded = digest, True
    return origin


def again(origin: Origin, *, bodies: Any = {"abc": RULES}, process: HostMemory | None = None) -> Origin | None:  # noqa: B006
    memory = HostMemory(bodies.get)
    back = (process or memory).load(memory.dump({"origins": {origin.name: origin}}))
    assert back is not None
    found: Origin | None = back["origins"].get(origin.name)
    return found


def test_facts_come_back_and_empty_ones_are_left_out() -> None:
    memory = HostMemory({}.get)
    facts = {"throttle": {"x": [1.5, None]}, "budget": {"pages": 3}, "last_sent": 12.25}
    assert memory.load(memory.dump(facts | {"circuit": {}, "origins": {}})) == facts | {"origins": {}}
    assert memory.load(memory.dump(None)) is None


def test_a_robots_txt_comes_back_by_its_digest() -> None:
    found = again(read())
    assert found is not None
    assert (found.status, found.fetched, found.expires, found.digest) == (200, T, read().expires, "abc")
    assert not found.verdict(Request("https://a.test/private"), "bot").allowed


@pytest.mark.parametrize("status", [404, 410])
def test_one_that_is_missing_at_the_site_needs_no_body(status: int) -> None:
    found = again(read(status, b"", ""), bodies={})
    assert found is not None
    assert found.knows(T)


def test_a_body_that_is_gone_or_was_never_on_record_is_asked_for_again() -> None:
    assert again(read(), bodies={}) is None
    assert again(read(digest="")) is None
    assert again(Origin("https://a.test")) is None


def test_what_this_process_put_on_record_stays_so_for_it_alone() -> None:
    memory, origin = HostMemory({"abc": RULES}.get), read()
    text = memory.dump({"origins": {origin.name: origin}})
    for each, recorded in ((memory, True), (HostMemory({"abc": RULES}.get), False)):
        back = each.load(text)
        assert back is not None
        assert back["origins"][origin.name].recorded is recorded
    origin.recorded = False
    back = memory.load(memory.dump({"origins": {origin.name: origin}}))
    assert back is not None
    assert not back["origins"][origin.name].recorded


def test_an_origin_that_was_given_up_stays_so_for_this_process_alone() -> None:
    memory, origin = HostMemory({}.get), Origin("https://a.test")
    origin.give_up(ConnectFailed("refused"), T)
    text = memory.dump({"origins": {origin.name: origin}})
    back = memory.load(text)
    assert back is not None
    assert back["origins"][origin.name].knows(T)
    assert "refused" in str(back["origins"][origin.name].error)
    assert HostMemory({}.get).load(text) == {"origins": {}}
