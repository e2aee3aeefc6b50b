"""A look at sites without a crawl: what is sent, when, and what an answer means."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from scrapekit import Settings
from scrapekit.errors import ConfigError, Disallowed, PrivateAddress, RobotsUnreachable
from scrapekit.scout import Answer, Scout, meaning, scouting
from scrapekit.testing import CLOSE, FakeNetwork, Page, VirtualClock

CONTACT = "identity.contact=https://example.org/bot"


def redirect(to: str, status: int = 302) -> Page:
    return Page(status=status, headers={"Location": to})


class Look:
    """A network, and what a scout does on it."""

    def __init__(self, sites: dict[str, Any], *sets: str) -> None:
        self.network, self.clock = FakeNetwork(sites), VirtualClock()
        self.settings = Settings().overridden([CONTACT, *sets])

    def run(self, main: Any) -> Any:
        async def inside() -> Any:
            async with scouting(self.settings, network=self.network, clock=self.clock) as scout:
                return await main(scout)

        return self.clock.run(inside)

    def site(self, url: str) -> Any:
        return self.run(lambda scout: scout.site(url))

    def gaps(self, host: str) -> list[float]:
        times = [each.at for each in self.network.log if each.host == host]
        return [round(after - before, 3) for before, after in pairwise(times)]


def rules(text: str) -> Page:
    return Page(text, headers={"Content-Type": "text/plain"})


def test_the_file_is_asked_for_once_by_our_own_name():
    look = Look({"a.test": {"/robots.txt": rules("User-agent: *\nDisallow: /x")}}, "identity.name=examplebot")

    async def twice(scout: Scout) -> Any:
        await scout.site("http://a.test/1")
        return await scout.site("http://a.test/2")

    site = look.run(twice)
    assert look.network.requests() == ["/robots.txt"]
    assert look.network.log[0].headers["user-agent"].startswith("examplebot ")
    assert site.allows("http://a.test/y", "examplebot")
    assert not site.allows("http://a.test/x", "examplebot")
    assert site.verdict("http://a.test/x", "examplebot").line == 2


def test_requests_to_a_host_are_a_delay_apart_and_the_longest_asked_for_counts():
    look = Look({"a.test": {"/robots.txt": rules("User-agent: *\nCrawl-delay: 5"), "/1": "1", "/2": "2"}}, CONTACT)

    async def some(scout: Scout) -> None:
        for path in ("/1", "/2"):
            assert (await scout.file(f"http://a.test{path}")).status == 200

    look.run(some)
    assert look.network.requests() == ["/robots.txt", "/1", "/2"]
    assert look.gaps("a.test") == [5.0, 5.0]


def test_a_request_rate_is_a_pause_and_max_crawl_delay_caps_it():
    for cap, gap in ((60, 20.0), (7, 7.0)):
        rate = rules("User-agent: *\nCrawl-delay: 5\nRequest-rate: 3/1m")
        look = Look({"a.test": {"/robots.txt": rate, "/1": "1"}}, f"limits.max_crawl_delay={cap}")
        look.run(lambda scout: scout.file("http://a.test/1"))
        assert look.gaps("a.test") == [gap]


@pytest.mark.parametrize(("seconds", "asked"), [(30, 3), (31, 2)])
def test_a_host_that_asks_for_a_long_rest_is_not_waited_for(seconds, asked):
    busy = Page(status=503, headers={"Retry-After": str(seconds)})
    look = Look({"a.test": {"/1": busy, "/2": "2"}})

    async def some(scout: Scout) -> list[Answer]:
        return [await scout.file(f"http://a.test{path}") for path in ("/1", "/2")]

    assert [answer.error is None for answer in look.run(some)] == [False, asked == 3]
    assert len(look.network.log) == asked


def test_hosts_at_one_address_are_asked_no_more_often_than_per_address_lets():
    sites = {name: {"/robots.txt": 404} for name in ("a.test", "b.test", "c.test")}
    for share, gaps in ((0, [0.0, 0.0]), (2, [0.5, 0.5])):
        look = Look(sites, f"limits.per_address={share}")
        one = next(iter(look.network._ips.values()))
        look.network._ips.update(dict.fromkeys(look.network._ips, one))

        async def each(scout: Scout) -> None:
            for name in sites:
                await scout.site(f"http://{name}/")

        look.run(each)
        times = [received.at for received in look.network.log]
        assert [after - before for before, after in pairwise(times)] == gaps


@pytest.mark.parametrize(("hours", "asked"), [("00:00-23:59", 1), ("00:00-00:01", 0)])
def test_a_host_is_visited_at_its_hours_only(hours, asked):
    look = Look({"a.test": {"/robots.txt": 404}}, f'limits.visit="{hours}"')
    site = look.site("http://a.test/")
    assert site.allows("http://a.test/", "x") is bool(asked)
    assert len(look.network.log) == asked
    assert asked or "may be" not in str(site.answer.error)
    assert asked or hours in str(site.answer.error)


def test_a_retry_after_is_waited_for():
    busy = Page(status=503, headers={"Retry-After": "20"})
    look = Look({"a.test": {"/1": busy, "/2": "2"}})

    async def some(scout: Scout) -> list[Answer]:
        return [await scout.file(f"http://a.test{path}") for path in ("/1", "/2")]

    first, second = look.run(some)
    assert (first.status, second.status) == (503, 200)
    assert look.gaps("a.test") == [1.0, 20.0]


@pytest.mark.parametrize("hops", [1, 5])
def test_up_to_five_redirects_are_followed(hops):
    pages: dict[str, Any] = {f"/{n}": redirect(f"/{n + 1}") for n in range(1, hops)}
    pages |= {"/robots.txt": redirect("/1"), f"/{hops}": rules("User-agent: *\nDisallow: /")}
    site = Look({"a.test": pages}).site("http://a.test/")
    assert len(site.answer.history) == hops
    assert not site.allows("http://a.test/", "x")


def test_a_sixth_redirect_closes_the_site():
    pages: dict[str, Any] = {f"/{n}": redirect(f"/{n + 1}") for n in range(1, 6)} | {"/6": rules("")}
    look = Look({"a.test": pages | {"/robots.txt": redirect("/1")}})
    site = look.site("http://a.test/")
    assert not site.allows("http://a.test/", "x")
    assert len(look.network.log) == 6
    assert "more than 5 redirects" in meaning(site.answer)


def test_a_redirect_to_another_host_is_judged_by_the_first_origins_file():
    look = Look(
        {"a.test": {"/robots.txt": redirect("http://b.test/r")}, "b.test": {"/r": rules("User-agent: *\nDisallow: /p")}}
    )
    site = look.site("http://a.test/p")
    assert site.answer.url == "http://b.test/r"
    assert not site.allows("http://a.test/p", "x")


@pytest.mark.parametrize(
    ("answer", "open_", "says"),
    [
        (200, True, "§2.3.1.1"),
        (404, True, "§2.3.1.3"),
        (401, True, "§2.3.1.3"),
        (429, False, "politer than RFC 9309 §2.3.1.3"),
        (500, False, "§2.3.1.4"),
        (503, False, "§2.3.1.4"),
        (302, True, "§2.3.1.2"),
        ((CLOSE,), False, "§2.3.1.4"),
    ],
)
def test_what_an_answer_means_is_what_it_does(answer, open_, says):
    site = Look({"a.test": {"/robots.txt": answer}}).site("http://a.test/")
    assert site.allows("http://a.test/", "x") is open_
    assert says in meaning(site.answer)
    assert ("nothing may be fetched" in meaning(site.answer)) is not open_


def test_what_is_disallowed_is_not_fetched_nor_what_a_redirect_leads_to():
    look = Look(
        {
            "a.test": {
                "/robots.txt": rules("User-agent: *\nDisallow: /no"),
                "/yes": redirect("/no/1"),
                "/no/1": "secret",
            },
            "b.test": {"/robots.txt": 500},
        }
    )

    async def some(scout: Scout) -> list[Answer]:
        return [await scout.file(url) for url in ("http://a.test/no", "http://a.test/yes", "http://b.test/")]

    first, second, third = look.run(some)
    assert isinstance(first.error, Disallowed)
    assert isinstance(second.error, Disallowed)
    assert second.url == "http://a.test/no/1"
    assert isinstance(third.error, RobotsUnreachable)
    assert look.network.requests() == ["/robots.txt", "/yes", "/robots.txt"]


def test_without_a_contact_nobody_is_asked_not_even_by_a_redirect():
    look = Look({"a.test": {}, "127.0.0.1": {"/robots.txt": redirect("http://a.test/r")}})
    look.settings = Settings()
    for url in ("http://a.test/", "http://127.0.0.1/"):
        with pytest.raises(ConfigError, match="its owner could not reach you"):
            look.site(url)
    assert [each.host for each in look.network.log] == ["127.0.0.1"]


def test_a_connection_that_was_cut_while_idle_costs_a_second_send_a_delay_later():
    look = Look({"a.test": {"/robots.txt": 404, "/1": [(CLOSE,), "there"]}})
    answer = look.run(lambda scout: scout.file("http://a.test/1"))
    assert answer.status == 200
    assert look.gaps("a.test") == [1.0, 1.0]


# ---- credentials, and private addresses ----


def test_credentials_go_with_what_is_asked_for_and_to_no_other_origin(monkeypatch):
    monkeypatch.setenv("API_TOKEN", "abc")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # of the real network, which this is not
    sites = {"https://a.test": {"/robots.txt": redirect("https://b.test/robots.txt")}, "https://b.test": {}}
    look = Look(sites, 'hosts."a.test".auth={ scheme = "bearer", token = { env = "API_TOKEN" } }')
    look.site("https://a.test/")
    sent = [(received.host, received.headers.get("authorization")) for received in look.network.log]
    assert sent == [("a.test", "Bearer abc"), ("b.test", None)]


def test_D08_a_robots_txt_that_leads_into_your_network_is_not_read_there():
    look = Look({"a.test": {"/robots.txt": redirect("http://2130706433/")}, "127.0.0.1": {}})
    site = look.site("http://a.test/")
    assert (site.rules, type(site.answer.error)) == (None, PrivateAddress)
    assert [received.host for received in look.network.log] == ["a.test"]


def test_D08_a_file_that_a_site_names_is_not_read_in_your_network_but_one_that_you_name_is():
    look = Look({"127.0.0.1:8000": {"/1": "good"}})

    async def both(scout: Scout) -> Any:
        before = await scout.file("http://127.0.0.1:8000/1")
        await scout.site("http://127.0.0.1:8000/")
        return before, await scout.file("http://127.0.0.1:8000/1")

    before, after = look.run(both)
    assert (type(before.error), after.status) == (PrivateAddress, 200)
