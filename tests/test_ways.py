"""The way to each URL: of which settings it is made, that it is kept, and what makes it another."""

from __future__ import annotations

import logging
import sys

import pytest
import trustme

from scrapekit.config import Settings, load
from scrapekit.errors import ConfigError, ProxyFailed, ProxyLocked
from scrapekit.http import DIRECT, Proxy, Trust
from scrapekit.proxychoice import REST
from scrapekit.ways import Ways

URL = "https://site.test/page?q=1"
PROXY = Proxy("http", "p.example", 3128)
LIST = ["http://a.proxy:1", "http://b.proxy:1", "http://c.proxy:1"]


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Rig:
    def __init__(self, environment=(), spider="", **tables):
        self.settings, self.spider, self.clock = Settings.make(tables), spider, Clock()
        self.ways = Ways(self.settings, environment=dict(environment), spider=spider, now=self.clock)

    def of(self, url=URL):
        return self.ways.of(url, self.limits(url))

    def limits(self, url=URL):
        return self.settings.limits_for(url.split("/")[2], self.spider)

    def fails(self, way, error=None, url=URL):
        return self.ways.failed(url, self.limits(url), way, error or ProxyFailed("down"))


def test_without_settings_the_way_is_direct():
    assert Rig().of() == DIRECT


def test_what_the_host_s_settings_say_is_in_its_way():
    rig = Rig(hosts={"site.test": {"proxy": str(PROXY), "http2": True, "verify": False}})
    way = rig.of()
    assert (way.proxy, way.http2, way.trust) == (PROXY, True, Trust(verify=False))
    assert rig.of("https://other.test/") == DIRECT


def test_http2_without_its_library_is_told_when_the_crawl_is_set_up(monkeypatch, tmp_path):
    file = tmp_path / "scrapekit.toml"
    file.write_text('[hosts."site.test"]\nhttp2 = true\n')
    Ways(load(file), environment={})
    monkeypatch.setitem(sys.modules, "h2", None)
    with pytest.raises(ConfigError) as caught:
        Ways(load(file), environment={})
    assert str(caught.value) == (
        f'{file}:2: hosts."site.test".http2: HTTP/2 cannot be spoken: h2 is not installed '
        "(pip install 'polite-scrapekit[http2]')"
    )
    Ways(Settings.make({}), environment={})


def test_a_spider_s_own_limits_count_for_it():
    table = {"shop": {"hosts": {"site.test": {"proxy": str(PROXY)}}}}
    assert Rig(spiders=table, spider="shop").of().proxy == PROXY
    assert Rig(spiders=table).of().proxy is None


def test_the_environment_counts_where_the_settings_say_nothing():
    environment = {"https_proxy": str(PROXY), "no_proxy": "direct.test"}
    rig = Rig(environment, hosts={"none.test": {"proxy": "none"}, "own.test": {"proxy": "http://o.proxy:1"}})
    assert rig.of().proxy == PROXY
    assert rig.of("http://site.test/").proxy is None
    assert [rig.of(f"https://{name}.test/").proxy for name in ("direct", "none")] == [None, None]
    assert rig.of("https://own.test/").proxy == Proxy("http", "o.proxy", 1)


def test_a_way_is_made_once_for_an_origin_and_its_limits():
    made = []
    settings = Settings.make({"limits": {"verify": False}})
    ways = Ways(settings, environment={}, may_be_private=lambda url: made.append(url) or False)
    limits = settings.limits_for("site.test")
    first = ways.of("https://site.test/1", limits)
    assert all(ways.of(f"https://site.test/{n}", limits) is first for n in range(10))
    assert ways.of("http://site.test/1", limits) is not first
    assert made == ["https://site.test/1", "http://site.test/1"]
    assert not first.private


def test_ways_that_are_alike_share_connections():
    rig = Rig(limits={"proxy": str(PROXY)})
    assert rig.of("https://a.test/") == rig.of("https://b.test/")
    assert hash(rig.of("https://a.test/")) == hash(rig.of("https://b.test/"))


def test_of_how_many_origins_the_ways_are_kept_is_bounded(monkeypatch):
    monkeypatch.setattr("scrapekit.ways.MAX_KNOWN", 10)
    rig = Rig()
    for n in range(100):
        rig.of(f"https://h{n}.test/")
    assert len(rig.ways._known) <= 10


def test_limits_that_come_after_others_have_gone_get_no_way_of_theirs():
    rig = Rig()
    for n in range(200):
        limits = Settings.make({"limits": {"proxy": f"http://p{n}.example:1"}}).limits_for("site.test")
        assert rig.ways.of(URL, limits).proxy.host == f"p{n}.example"


# ---- who looks names up ----


@pytest.mark.parametrize(
    ("proxy", "here"),
    [("none", True), ("http://p:1", False), ("https://p:1", False), ("socks5://p", True), ("socks5h://p", False)],
)
def test_names_are_looked_up_by_the_proxy_where_it_can(proxy, here):
    rig = Rig(limits={"proxy": proxy})
    assert rig.ways.names_here(URL, rig.limits()) is here


# ---- failures ----


def test_when_its_proxy_is_down_a_host_goes_on_by_the_next_at_once():
    rig = Rig(limits={"proxy": LIST})
    first = rig.of()
    assert rig.fails(first)
    second = rig.of()
    assert second.proxy != first.proxy
    assert rig.fails(first), "told again by another request, which goes on by the second too"
    assert rig.of() == second
    assert rig.fails(second)
    assert not rig.fails(rig.of()), "all rest"
    rig.clock.now += REST
    assert rig.fails(rig.of())


def test_a_proxy_that_gives_no_way_to_a_site_is_not_replaced_for_nothing():
    """A site that is down is down by every proxy: the next try counts, and goes by the next one."""
    rig = Rig(limits={"proxy": LIST})
    others = {n: rig.of(f"https://h{n}.test/") for n in range(20)}
    first = rig.of()
    assert not rig.fails(first, ProxyFailed("502", refused=True))
    assert rig.of() != first
    assert {n: rig.of(f"https://h{n}.test/") for n in range(20)} == others


def test_a_proxy_that_is_locked_is_left_alone_like_one_that_is_down():
    rig = Rig(limits={"proxy": LIST})
    first = rig.of()
    assert rig.fails(first, ProxyLocked("407"))
    assert all(rig.of(f"https://h{n}.test/").proxy != first.proxy for n in range(20))


def test_a_way_without_a_list_has_no_other():
    for rig in (Rig(limits={"proxy": str(PROXY)}), Rig({"all_proxy": str(PROXY)})):
        assert not rig.fails(rig.of())
        assert rig.of().proxy == PROXY
    assert not Rig().fails(DIRECT)


# ---- what is wrong is told before anything is fetched ----


@pytest.mark.parametrize(
    "tables",
    [
        {"limits": {"proxy": "http://me:${NOT_THERE}@p"}},
        {"hosts": {"*.Site.test": {"proxy": ["http://p", "http://me:${NOT_THERE}@p"]}}},
        {"spiders": {"shop": {"hosts": {"site.test:8080": {"proxy": "http://me:${NOT_THERE}@p"}}}}},
    ],
)
def test_credentials_that_are_not_in_the_environment_are_missed_at_once(tables):
    with pytest.raises(ConfigError, match="NOT_THERE is not set in the environment"):
        Rig(spider="shop", **tables)
    Rig({"NOT_THERE": "x"}, spider="shop", **tables)


def test_where_they_are_asked_for_is_told(tmp_path):
    (tmp_path / "scrapekit.toml").write_text('[limits]\n\n[hosts."*.site.test"]\nproxy = "http://me:${NOT_THERE}@p"\n')
    with pytest.raises(ConfigError) as caught:
        Ways(load(tmp_path / "scrapekit.toml"), environment={})
    assert str(caught.value).endswith(
        'scrapekit.toml:4: hosts."*.site.test".proxy: NOT_THERE is not set in the environment'
    )


def test_credentials_of_another_spider_are_not_missed():
    Rig(spider="books", spiders={"shop": {"limits": {"proxy": "http://me:${NOT_THERE}@p"}}})


def test_a_variable_that_names_no_proxy_is_told_at_once_where_it_would_be_used():
    with pytest.raises(ConfigError, match="http_proxy"):
        Rig({"http_proxy": "gopher://x"})
    Rig({"http_proxy": "gopher://x"}, limits={"proxy": "none"})


# ---- TLS, private addresses ----


def made(settings, **more):
    return Ways(settings, environment={}, **more)


def way(settings, url, **more):
    return made(settings, **more).of(url, settings.limits_for(url.split("/")[2]))


@pytest.fixture
def project(tmp_path):
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    def write(text):
        (tmp_path / "scrapekit.toml").write_text(text)
        return load(tmp_path / "scrapekit.toml")

    return write


def test_trust_is_that_of_the_host_and_its_files_are_in_the_folder_of_the_settings(project, tmp_path):
    settings = project('[hosts."a.test"]\nca_file = "ca.pem"\nhttp2 = true\n[hosts."b.test"]\nverify = false\n')
    assert way(settings, "https://a.test/").trust == Trust(ca_file=str(tmp_path / "ca.pem"))
    assert way(settings, "https://a.test/").http2
    assert way(settings, "https://b.test/").trust == Trust(verify=False)
    assert way(settings, "https://c.test/").trust == Trust()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '[hosts."*.a.test"]\nca_file = "no.pem"',
            r'scrapekit.toml:2: hosts."\*.a.test".ca_file: .*no.pem',
        ),
        ('[limits]\nca_file = "scrapekit.toml"', "scrapekit.toml:2: limits.ca_file: .*holds no certificate"),
        ('[limits]\nkey = "ca.pem"', "scrapekit.toml:2: limits.key: a key is of no use without"),
        ('[hosts."a.test"]\ncertificate = "ca.pem"', 'hosts."a.test".certificate: .*holds no private key'),
        ('[spiders.x.limits]\nca_file = "no.pem"', "scrapekit.toml:2: spiders.x.limits.ca_file: cannot read"),
        ('[limits]\ncertificate = "ca.pem"\n[hosts."a.test"]\nkey = "no.pem"', "scrapekit.toml:2: limits.certificate"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_when_the_crawl_is_set_up(project, text, words):
    with pytest.raises(ConfigError, match=words):
        made(project(text), spider="x")


def test_a_file_for_another_spider_is_none_of_this_one_s_business(project):
    made(project('[spiders.x.limits]\nca_file = "no.pem"'), spider="y")


def test_what_is_not_verified_is_said_once_a_run_and_once_a_host(caplog):
    settings = Settings.make({"hosts": {"*.test": {"verify": False}}})
    with caplog.at_level(logging.WARNING):
        ways = made(settings)
        for url in ("https://a.test/", "https://a.test/x", "https://b.test/", "https://c.example/", "http://d.test/"):
            ways.of(url, settings.limits_for(url.split("/")[2]))
    assert [record.getMessage() for record in caplog.records] == [
        'certificates are not checked where [hosts."*.test"] holds: anybody may answer there',
        "a.test: its certificate is not checked",
        "b.test: its certificate is not checked",
    ]


def test_whether_a_url_may_be_at_a_private_address_is_asked_of_who_knows():
    private = {"http://a.test/": True, "http://b.test/": False}
    for url, leave in private.items():
        assert way(Settings(), url, may_be_private=private.__getitem__).private is leave


# ---- other settings ----


def test_other_settings_hold_at_once_and_wrong_ones_not_at_all():
    rig = Rig(limits={"proxy": "http://a.proxy:1"})
    assert rig.of().proxy.host == "a.proxy"
    with pytest.raises(ConfigError):
        rig.ways.apply(Settings.make({"limits": {"proxy": "http://${NOT_THERE}@b.proxy:1"}}))
    assert rig.of().proxy.host == "a.proxy"
    rig.settings = Settings.make({"limits": {"proxy": "http://b.proxy:1"}})
    rig.ways.apply(rig.settings)
    assert rig.of().proxy.host == "b.proxy"


def test_no_secret_is_in_what_it_says_of_itself():
    rig = Rig(limits={"proxy": ["http://me:s3cret@a.proxy", "http://b.proxy"]})
    rig.fails(rig.of())
    assert "s3cret" not in f"{rig.ways!r} {rig.of()!r} {rig.settings!r} {rig.limits()!r} {rig.limits()}"
