"""Proxies as they are written: what is one, what is none, and what of it may be shown."""

from __future__ import annotations

import pytest

from scrapekit.errors import ConfigError
from scrapekit.proxies import Proxy, ProxyList, parse, proxy_list, shown


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://proxy.example:3128", Proxy("http", "proxy.example", 3128)),
        ("http://proxy.example:3128/", Proxy("http", "proxy.example", 3128)),
        ("HTTP://Proxy.Example", Proxy("http", "proxy.example", 80)),
        ("https://proxy.example", Proxy("https", "proxy.example", 443)),
        ("socks5://10.0.0.1", Proxy("socks5", "10.0.0.1", 1080)),
        ("socks5h://[2001:DB8::1]:9050", Proxy("socks5h", "2001:db8::1", 9050)),
        ("http://me:secret@p.example:1", Proxy("http", "p.example", 1, "me", "secret")),
        ("http://me@p.example:65535", Proxy("http", "p.example", 65535, "me")),
        ("http://a%40b:c%3Ad%2F@p.example", Proxy("http", "p.example", 80, "a@b", "c:d/")),
        ("http://me:a:b@c@p.example", Proxy("http", "p.example", 80, "me", "a:b@c")),
        ("http://münchen.example", Proxy("http", "xn--mnchen-3ya.example", 80)),
    ],
)
def test_a_proxy_is_read_from_its_url(text, proxy):
    assert parse(text) == proxy


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "URL"),
        (5, "URL"),
        (None, "URL"),
        ("proxy.example:3128", "URL"),
        ("proxy.example", "URL"),
        ("http://", "URL"),
        ("http://p.example/path", "URL"),
        ("http://p.example?q", "URL"),
        ("http://p.example#f", "URL"),
        ("http://p.example:", "URL"),
        ("http://p.example:port", "URL"),
        ("http://me:se/cret@p.example", "percent-encoded"),
        ("http://p.example\r\nX: y", "URL"),
        ("http://p.example\r\n", "host"),
        ("http://p.example:0", "port"),
        ("http://p.example:65536", "port"),
        ("ftp://p.example", "begin with"),
        ("socks4://p.example", "begin with"),
        ("socks://p.example", "begin with"),
        ("http://p example", "host"),
        ("http://*.example", "host"),
        ("http://[::1", "URL"),
        ("http://[zz]", "host"),
        ("http://${HOST}:1", "only user name and password"),
        ("http://me:a%0D%0Ab@p.example", "control"),
        ("http://me:a\nb@p.example", "control"),
        ("http://me:%ff@p.example", "UTF-8"),
        ("http://a%3Ab:c@p.example", "colon"),
        ("socks5://me@p.example", "neither"),
        ("socks5://:pw@p.example", "neither"),
        (f"socks5://{'u' * 256}:pw@p.example", "255"),
        (f"socks5h://me:{'ü' * 128}@p.example", "255"),
    ],
)
def test_what_is_no_proxy_is_refused_with_what_to_do(text, why):
    with pytest.raises(ValueError, match="^must ") as caught:
        parse(text)
    assert why in str(caught.value)
    assert not isinstance(text, str) or not any(word in str(caught.value) for word in ("se/cret", "pw@", "a%0D"))


def test_as_many_bytes_of_credentials_as_socks_can_count_are_taken():
    assert len(parse(f"socks5://{'u' * 255}:{'p' * 255}@p.example").password) == 255


# ---- credentials ----

SECRETS = {"USER_1": "me", "PASS": "s3:c@r%41/t", "EMPTY": "", "LINES": "a\r\nX: y", "COLON": "a:b"}


def test_credentials_come_from_the_environment_as_they_stand_there():
    assert parse("http://${USER_1}:${PASS}@p.example", SECRETS) == Proxy("http", "p.example", 80, "me", "s3:c@r%41/t")
    assert parse("http://x-${USER_1}%40y:p@p.example", SECRETS).username == "x-me@y"


def test_without_an_environment_only_the_form_of_credentials_is_checked():
    assert parse("socks5://${NOBODY}:${KNOWS}@p.example").username


def test_a_variable_that_is_not_set_is_named():
    with pytest.raises(ConfigError) as caught:
        parse("http://me:${NOT_THERE}@p.example", SECRETS)
    assert str(caught.value) == "proxy: NOT_THERE is not set in the environment"


@pytest.mark.parametrize(
    "text",
    ["http://me:${LINES}@p.example", "http://${COLON}:x@p.example", "socks5://me:${EMPTY}@p.example"],
)
def test_what_the_environment_has_must_be_possible_too_and_is_not_shown(text):
    with pytest.raises(ConfigError) as caught:
        ProxyList((text,)).proxies(SECRETS)
    assert caught.value.key == "proxy"
    assert not any(secret in str(caught.value) for secret in ("X: y", "a:b"))


def test_basic_credentials_are_one_token():
    assert parse("http://Aladdin:open%20sesame@p.example").authorization == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert parse("http://me@p.example").authorization == "Basic bWU6"
    assert parse("http://p.example").authorization == ""


def test_credentials_are_in_no_text_of_a_proxy():
    proxy = parse("http://user1:pass1@[::1]:3128")
    assert str(proxy) == "http://[::1]:3128"
    assert "user1" not in repr(proxy)
    assert "pass1" not in repr(proxy)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("http://p.example:1", "http://p.example:1"),
        ("http://user1:pass1@p.example", "http://***:***@p.example"),
        ("http://user1@p.example", "http://***@p.example"),
        ("http://user1:@p.example", "http://***:@p.example"),
        ("http://u:p@ss@p.example", "http://***:***@p.example"),
        ("http://${USER}:${PASS}@p.example", "http://${USER}:${PASS}@p.example"),
        ("http://${USER}:x${PASS}@p.example", "http://${USER}:***@p.example"),
        ("none", "none"),
        (None, ""),
    ],
)
def test_of_credentials_only_the_names_of_variables_are_shown(text, seen):
    assert shown(text) == seen


# ---- the setting ----


def test_the_setting_is_a_url_a_list_or_none():
    one, two = "http://a.example:1", "socks5h://u:p@b.example"
    assert proxy_list(one) == ProxyList((one,))
    assert proxy_list([one, two]) == ProxyList((one, two))
    assert proxy_list("none") == proxy_list("None") == proxy_list("") == proxy_list([]) == ProxyList(())
    assert proxy_list(None) is None


@pytest.mark.parametrize("value", [5, True, {"http": "http://a"}, ["http://a", 5], [["http://a"]], ["none"], [""]])
def test_nothing_else_is_a_setting(value):
    with pytest.raises(ValueError, match="^must "):
        proxy_list(value)


@pytest.mark.parametrize("value", ["none", "http://u:p@a.example", ["http://a.example", "http://u:p@b.example"]])
def test_a_setting_can_be_written_again_and_shown(value):
    made = proxy_list(value)
    assert made.secret() == value
    assert proxy_list(made.secret()) == made
    assert proxy_list(made.shown()) is not None
    assert "u:p" not in repr(made)
    assert "u:p" not in str(made.shown())
