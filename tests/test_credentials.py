"""Who gets credentials."""

from __future__ import annotations

import logging

import pytest

from scrapekit.config import Settings
from scrapekit.credentials import ORIGINS, Credentials
from scrapekit.errors import ConfigError

ENVIRONMENT = {"API": "for-api", "OTHER": "for-other"}


def bearer(name, **more):
    return {"auth": {"scheme": "bearer", "token": {"env": name}, **more}}


def made(hosts, *, spider="", **tables):
    return Credentials(Settings.make({"hosts": hosts, **tables}), spider, environment=ENVIRONMENT)


def test_the_host_gets_them_and_its_subdomains_neighbours_and_parents_do_not():
    mine = made({"api.example.com": bearer("API")})
    assert mine.field("https://api.example.com/a?b") == "Bearer for-api"
    for host in ("example.com", "a.api.example.com", "xapi.example.com", "api.example.com.evil.test", "44.0.0.1"):
        assert mine.field(f"https://{host}/") == ""


def test_D09_another_port_is_another_origin():
    mine = made({"api.test": bearer("API"), "api.test:8443": bearer("OTHER")})
    assert mine.field("https://api.test/") == "Bearer for-api"
    assert mine.field("https://api.test:8443/") == "Bearer for-other"
    assert mine.field("https://api.test:9443/") == ""


def test_D06_http_gets_none_unless_somebody_said_that_this_is_no_matter(caplog):
    mine = made({"api.test": bearer("API"), "open.test": bearer("OTHER", insecure=True)})
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert mine.field("http://api.test/") == ""
    assert mine.field("http://open.test/") == "Bearer for-other"
    (record,) = caplog.records
    assert record.getMessage().startswith("http://api.test gets no credentials: http can be read by everybody")


def test_this_machine_gets_them_over_http():
    hosts = {"127.0.0.1:8900": bearer("API"), "books.test": bearer("OTHER"), "cdn.test": bearer("OTHER")}
    mine = made(hosts, resolve={"books.test": "127.0.0.1:8900", "cdn.test": "44.0.0.1"})
    assert mine.field("http://127.0.0.1:8900/") == "Bearer for-api"
    assert mine.field("http://127.0.0.1:8901/") == ""
    assert mine.field("http://books.test/") == "Bearer for-other"
    assert mine.field("http://cdn.test/") == ""


def test_those_below_a_domain_get_them_where_the_rule_says_so_and_one_may_be_left_out():
    mine = made({"*.example.com": bearer("API"), "www.example.com": {"auth": {"scheme": "none"}}})
    assert mine.field("https://a.example.com/") == "Bearer for-api"
    assert mine.field("https://example.com/") == mine.field("https://www.example.com/") == ""
    assert mine.field("https://a.example.com:8443/") == ""


def test_a_spider_s_own_rule_holds_for_it_alone():
    tables = {"spiders": {"a": {"hosts": {"api.test": bearer("OTHER")}}, "b": {"hosts": {"b.test": bearer("UNSET")}}}}
    assert made({"api.test": bearer("API")}, spider="a", **tables).field("https://api.test/") == "Bearer for-other"
    assert made({"api.test": bearer("API")}, **tables).field("https://api.test/") == "Bearer for-api"
    with pytest.raises(ConfigError):
        made({}, spider="b", **tables)


def test_what_is_missing_is_told_before_anything_is_fetched():
    with pytest.raises(ConfigError) as caught:
        made({"api.test": bearer("UNSET")})
    assert str(caught.value) == 'hosts."api.test".auth: UNSET is not set in the environment'


def test_nothing_tells_them():
    mine = made({"api.test": bearer("API")})
    mine.field("https://api.test/")
    assert "for-api" not in repr(mine)


def test_of_so_many_origins_is_remembered_what_they_get():
    mine = made({"*.example.com": bearer("API")})
    for number in range(ORIGINS + 1):
        assert mine.field(f"https://{number}.example.com/")
    assert len(mine._known) <= ORIGINS
