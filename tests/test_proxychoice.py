"""Which proxy a URL goes through: the settings first, then the environment; lists, failures and rests."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from scrapekit import proxychoice
from scrapekit.errors import ConfigError
from scrapekit.proxies import Proxy, ProxyList, proxy_list
from scrapekit.proxychoice import REST, ProxyChoice, Variables

P = Proxy("http", "p.example", 3128)
NAMES = ("a", "b", "c")
THREE = ProxyList(tuple(f"http://{name}.proxy:1" for name in NAMES))


def by(environment, url="http://site.test/", listed=None):
    found = ProxyChoice(environment).of(url, listed)
    return str(found) if found else None


# ---- the environment ----


@pytest.mark.parametrize(
    ("environment", "http", "https"),
    [
        ({}, None, None),
        ({"http_proxy": "http://a:1"}, "http://a:1", None),
        ({"https_proxy": "http://a:1"}, None, "http://a:1"),
        ({"HTTP_PROXY": "http://a:1", "HTTPS_PROXY": "socks5h://b"}, "http://a:1", "socks5h://b:1080"),
        ({"all_proxy": "socks5://a"}, "socks5://a:1080", "socks5://a:1080"),
        ({"ALL_PROXY": "http://a:1", "https_proxy": "http://b:1"}, "http://a:1", "http://b:1"),
        ({"http_proxy": "http://low:1", "HTTP_PROXY": "http://up:1"}, "http://low:1", None),
        ({"http_proxy": "", "HTTP_PROXY": "http://up:1"}, None, None),
        ({"http_proxy": "p.example:3128"}, "http://p.example:3128", None),
        ({"http_proxy": " http://a:1 "}, "http://a:1", None),
        # A CGI's caller sets HTTP_PROXY by a header field "Proxy".
        ({"HTTP_PROXY": "http://evil:1", "REQUEST_METHOD": "GET"}, None, None),
        ({"http_proxy": "http://a:1", "HTTP_PROXY": "http://evil:1", "REQUEST_METHOD": "GET"}, "http://a:1", None),
        ({"HTTPS_PROXY": "http://a:1", "REQUEST_METHOD": "GET"}, None, "http://a:1"),
        # Desktops set this one beside the others.
        (
            {"all_proxy": "socks://x", "http_proxy": "http://a:1", "https_proxy": "http://a:1"},
            "http://a:1",
            "http://a:1",
        ),
    ],
)
def test_the_usual_variables_are_read(environment, http, https):
    assert by(environment, "http://site.test/") == http
    assert by(environment, "https://site.test/") == https


@pytest.mark.parametrize(("name", "value"), [("http_proxy", "ftp://a"), ("all_proxy", "http://u:s3cret@/")])
def test_a_variable_that_names_no_proxy_is_told_by_its_name(name, value):
    choice = ProxyChoice({name: value})
    for ask in (lambda: choice.check(None), lambda: choice.of("http://site.test/", None)):
        with pytest.raises(ConfigError) as caught:
            ask()
        assert str(caught.value).startswith(f"the environment: {name}: must ")
        assert "s3cret" not in str(caught.value)


def test_the_environment_is_not_asked_where_the_settings_say_something():
    environment = {"http_proxy": "http://a:1", "all_proxy": "garbage://"}
    choice = ProxyChoice(environment)
    choice.check(ProxyList(()))
    assert choice.of("http://site.test/", ProxyList(())) is None
    assert by(environment, listed=proxy_list("http://b:1")) == "http://b:1"


#   no_proxy                       goes directly                          goes through the proxy
@pytest.mark.parametrize(
    ("exceptions", "direct", "through"),
    [
        ("", [], ["site.test", "127.0.0.1"]),
        ("*", ["site.test", "10.0.0.1", "[::1]"], []),
        ("site.test", ["site.test", "www.site.test", "a.b.site.test", "site.test:8080"], ["mysite.test", "test"]),
        (".site.test", ["site.test", "www.site.test"], ["mysite.test"]),
        ("*.site.test", ["site.test", "www.site.test"], ["mysite.test"]),
        ("SITE.test", ["site.test"], []),
        ("site.test.", ["site.test", "site.test."], []),
        ("münchen.example", ["xn--mnchen-3ya.example"], []),
        ("a.test,b.test", ["a.test", "b.test"], ["c.test"]),
        ("a.test b.test ,, c.test", ["a.test", "b.test", "c.test"], ["d.test"]),
        ("site.test:8080", ["site.test:8080", "www.site.test:8080"], ["site.test", "site.test:81"]),
        ("site.test:80", ["site.test"], ["site.test:8080"]),
        ("localhost,127.0.0.1", ["localhost", "127.0.0.1", "127.0.0.1:8000", "a.localhost"], ["127.0.0.2"]),
        ("10.0.0.0/8", ["10.0.0.1", "10.255.255.255"], ["11.0.0.1", "site.test"]),
        ("10.1.2.3/8", ["10.9.9.9"], ["11.0.0.1"]),
        ("127.0.0.1:8080", ["127.0.0.1:8080"], ["127.0.0.1"]),
        ("::1", ["[::1]", "[::1]:8080"], ["[::2]", "127.0.0.1"]),
        ("[::1]", ["[::1]", "[::1]:8080"], ["[::2]"]),
        ("[::1]:8080", ["[::1]:8080"], ["[::1]"]),
        ("2001:db8::/32", ["[2001:db8::1]", "[2001:db8:ffff::1]"], ["[2001:db9::1]"]),
        ("2001:db8::1", ["[2001:db8::1]"], ["[2001:db8::]", "[2001:db8::2]"]),
        ("[2001:db8::]/32", ["[2001:db8::1]"], ["[2001:db9::1]"]),
        ("bad/entry,[,:,[x,site.test", ["site.test"], ["bad"]),
    ],
)
def test_no_proxy_holds_for_names_below_addresses_and_networks(exceptions, direct, through):
    environment = {"http_proxy": "http://p.example:3128", "NO_PROXY": exceptions}
    for host in direct:
        assert by(environment, f"http://{host}/") is None, host
    for host in through:
        assert by(environment, f"http://{host}/") == str(P), host


def test_lower_case_no_proxy_wins():
    environment = {"http_proxy": "http://p.example:3128", "no_proxy": "a.test", "NO_PROXY": "b.test"}
    assert by(environment, "http://a.test/") is None
    assert by(environment, "http://b.test/") == str(P)
    assert Variables(environment).proxy_of("http://b.test/") == P


def test_no_proxy_does_not_speak_against_the_settings():
    assert by({"no_proxy": "*"}, listed=proxy_list(str(P))) == str(P)


# ---- lists ----


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def choice(clock):
    return ProxyChoice({}, now=clock)


def order(choice, url, clock):
    """The proxies that a host comes by, each failing in its turn."""
    found = []
    for _ in range(6):
        proxy = choice.of(url, THREE)
        found.append(proxy.host[0])
        choice.failed(url, THREE, proxy, down=False)
    return "".join(found)


def test_a_host_sticks_to_one_proxy_also_in_the_next_run(choice, clock):
    first = choice.of("http://site.test/1", THREE)
    assert {choice.of(f"{scheme}://site.test/{n}", THREE) for n in range(50) for scheme in ("http", "https")} == {first}
    assert ProxyChoice({}, now=clock).of("http://site.test/", THREE) == first


def test_hosts_spread_over_a_list(choice):
    counts = Counter(choice.of(f"http://h{n}.test/", THREE).host[0] for n in range(3000))
    assert sorted(counts) == list(NAMES)
    assert min(counts.values()) > 900


def test_a_host_moves_to_the_next_proxy_where_one_gives_no_way_to_it(choice, clock):
    assert order(choice, "http://site.test/", clock) in {"abcabc", "bcabca", "cabcab"}
    # Other hosts are none the wiser.
    fresh = ProxyChoice({}, now=clock)
    assert all(choice.of(f"http://h{n}.test/", THREE) == fresh.of(f"http://h{n}.test/", THREE) for n in range(50))


def test_a_proxy_that_is_down_rests_for_every_host(choice, clock):
    urls = [f"http://h{n}.test/" for n in range(100)]
    begun = {url: choice.of(url, THREE) for url in urls}
    down = begun[urls[0]]
    assert choice.failed(urls[0], THREE, down, down=True)
    assert all(choice.of(url, THREE) != down for url in urls)
    kept = [url for url in urls if begun[url] != down]
    assert all(choice.of(url, THREE) == begun[url] for url in kept)
    clock.now += REST
    moved = [url for url in urls if begun[url] == down]
    assert all(choice.of(url, THREE) != down for url in moved), "who has moved on stays there"
    assert any(choice.of(f"http://x{n}.test/", THREE) == down for n in range(50)), "hosts that are new may have it"


def test_a_rest_lasts_to_its_last_moment(choice, clock):
    proxy = choice.of("http://site.test/", THREE)
    choice.failed("http://site.test/", THREE, proxy, down=True)
    others = [f"http://x{n}.test/" for n in range(50)]
    clock.now += REST - 0.001
    assert all(choice.of(url, THREE) != proxy for url in others[:25])
    clock.now += 0.001
    assert any(choice.of(url, THREE) == proxy for url in others[25:])


def test_requests_that_fail_together_move_their_host_once(choice):
    url = "http://site.test/"
    proxy = choice.of(url, THREE)
    for _ in range(5):
        choice.failed(url, THREE, proxy, down=True)
    next_one = choice.of(url, THREE)
    places = [f"{name}.proxy" for name in NAMES * 2]
    assert (proxy.host, next_one.host) in set(pairwise(places))


def test_where_all_rest_there_is_one_all_the_same_and_nobody_takes_over(choice):
    url = "http://site.test/"
    took_over = []
    for _ in range(3):
        took_over.append(choice.failed(url, THREE, choice.of(url, THREE), down=True))
    assert took_over == [True, True, False]
    assert choice.of(url, THREE) is not None


def test_a_single_proxy_has_nobody_to_take_over(choice, clock):
    for listed in (proxy_list(str(P)), None):
        assert not choice.failed("http://site.test/", listed, P, down=True)
    assert choice.of("http://site.test/", proxy_list(str(P))) == P


def test_what_is_remembered_of_hosts_is_bounded(choice, monkeypatch):
    monkeypatch.setattr(proxychoice, "MAX_MOVED", 10)
    for n in range(100):
        url = f"http://h{n}.test/"
        choice.failed(url, THREE, choice.of(url, THREE), down=False)
    assert len(choice._moved) <= 10


def test_credentials_are_looked_for_when_the_settings_are_checked():
    choice = ProxyChoice({"PASS": "p"})
    choice.check(proxy_list("http://me:${PASS}@p.example"))
    with pytest.raises(ConfigError, match="OTHER is not set"):
        choice.check(proxy_list(["http://p.example", "http://me:${OTHER}@p.example"]))


def test_it_tells_who_rests_and_no_secret(choice):
    listed = proxy_list(["http://u:s3cret@a.proxy:1", "http://b.proxy:1"])
    proxy = listed.proxies({})[0]
    choice.failed("http://site.test/", listed, proxy, down=True)
    assert "http://a.proxy:1 rests" in repr(choice)
    assert "s3cret" not in repr(choice)
