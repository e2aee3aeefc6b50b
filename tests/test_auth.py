"""Credentials in the settings: where they are, and never what they are."""

from __future__ import annotations

from base64 import b64encode

import pytest

from scrapekit.auth import Auth, Secret, parse_auth
from scrapekit.config import Settings, load
from scrapekit.errors import ConfigError

VALUE = "s3cret-VALUE"
BEARER = {"scheme": "bearer", "token": {"env": "API_TOKEN"}}
BASIC = {"scheme": "basic", "username": "me", "password": {"file": "secret.txt"}}


def settings(auth, host="api.test"):
    return Settings.make({"hosts": {host: {"auth": auth}}})


@pytest.mark.parametrize("table", [BEARER, BASIC, {"scheme": "none"}, BASIC | {"username": {"env": "ME"}}])
@pytest.mark.parametrize("more", [{}, {"insecure": True}])
def test_what_is_written_comes_out_as_it_was_written(table, more):
    assert parse_auth(table | more).written() == table | more
    kept = settings(table | more).tables()
    assert kept["hosts"]["api.test"]["auth"] == table | more
    assert Settings.make(kept).limits_for("api.test").auth == parse_auth(table | more)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (VALUE, "must be a table"),
        (["bearer", VALUE], "must be a table"),
        ({}, "must have a scheme that is one of basic, bearer, none"),
        ({"scheme": VALUE}, "must have a scheme"),
        ({"scheme": {"a": VALUE}}, "must have a scheme"),
        ({"scheme": "bearer"}, "must have scheme and token"),
        ({"scheme": "bearer", "tokn": VALUE}, "must have scheme and token"),
        ({"scheme": "bearer", "token": {"env": "X"}, "password": VALUE}, "nothing else"),
        ({"scheme": "bearer", "token": VALUE}, "must say where the token is"),
        ({"scheme": "bearer", "token": {"value": VALUE}}, "must say where the token is"),
        ({"scheme": "bearer", "token": {"env": VALUE}}, "by the name of a variable"),
        ({"scheme": "bearer", "token": {"env": "X", "file": VALUE}}, "must say where the token is"),
        ({"scheme": "bearer", "token": {"env": ""}}, "must say where the token is"),
        ({"scheme": "bearer", "token": [VALUE]}, "must say where the token is"),
        ({"scheme": "bearer", "token": {"file": f"{VALUE}\n"}}, "must say where the token is"),
        ({"scheme": "basic", "username": "me", "password": VALUE}, "must say where the password is"),
        ({"scheme": "basic", "username": f"me:{VALUE}", "password": {"env": "X"}}, "without colon"),
        ({"scheme": "none", "token": VALUE}, "must have scheme, and nothing else"),
        (BEARER | {"insecure": VALUE}, "true or false for insecure"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path, table, words):
    with pytest.raises(ConfigError, match=words) as caught:
        settings(table)
    assert caught.value.key == 'hosts."api.test".auth'
    assert VALUE not in str(caught.value)
    assert VALUE not in repr(caught.value)


def test_the_message_names_the_line(tmp_path):
    file = tmp_path / "scrapekit.toml"
    file.write_text(f'[hosts."api.test"]\nauth = {{ scheme = "bearer", token = "{VALUE}" }}\n')
    with pytest.raises(ConfigError, match=r"scrapekit.toml:2") as caught:
        load(file)
    assert VALUE not in str(caught.value)


@pytest.mark.parametrize(
    "tables",
    [
        {"limits": {"auth": BEARER}},
        {"hosts": {"*": {"auth": BEARER}}},
        {"hosts": {"*.com": {"auth": BEARER}}},
        {"hosts": {"*.co.uk": {"auth": BEARER}}},
        {"hosts": {"*.github.io": {"auth": BEARER}}},
        {"spiders": {"a": {"limits": {"auth": BEARER}}}},
        {"spiders": {"a": {"hosts": {"*": {"auth": BEARER}}}}},
    ],
)
def test_credentials_are_for_somebody(tables):
    with pytest.raises(ConfigError, match="would be sent to hosts of anybody"):
        Settings.make(tables)


@pytest.mark.parametrize("host", ["api.test", "*.example.co.uk", "intranet", "127.0.0.1:8900", "[::1]"])
def test_a_host_or_those_below_it_may_get_them(host):
    assert settings(BEARER, host)


def test_that_nobody_gets_them_may_be_said_of_all():
    assert Settings.make({"limits": {"auth": {"scheme": "none"}}}).limits_for("a.test").auth == Auth("none")


# ---- reading them ----


@pytest.mark.parametrize(
    ("secret", "expected"),
    [(Secret(env="T"), "x y"), (Secret(file="plain"), "abc"), (Secret(file="crlf"), "abc"), (Secret(file="bom"), "ж")],
)
def test_a_secret_is_read_from_where_it_is(tmp_path, secret, expected):
    (tmp_path / "plain").write_bytes(b"abc\n")
    (tmp_path / "crlf").write_bytes(b"abc\r\n")
    (tmp_path / "bom").write_bytes("\ufeffж".encode())
    assert secret.read({"T": "x y"}, tmp_path) == expected


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (Secret(env="UNSET"), "UNSET is not set in the environment"),
        (Secret(env="EMPTY"), "EMPTY in the environment is empty"),
        (Secret(env="TWO"), "TWO in the environment holds more than one line"),
        (Secret(file="nowhere"), "nowhere: No such file"),
        (Secret(file="."), "Is a directory"),
        (Secret(file="empty"), "empty is empty"),
        (Secret(file="two"), "two holds more than one line"),
        (Secret(file="binary"), "binary is not UTF-8"),
        (Secret(file="large"), "large is too large"),
    ],
)
def test_a_secret_that_cannot_be_read_is_told_by_its_place(tmp_path, secret, words):
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "two").write_bytes(f"a\n{VALUE}\n".encode())
    (tmp_path / "binary").write_bytes(b"\xff" + VALUE.encode())
    (tmp_path / "large").write_bytes(VALUE.encode() * 10_000)
    with pytest.raises(ConfigError, match=words) as caught:
        secret.read({"EMPTY": "", "TWO": f"a\r\n{VALUE}"}, tmp_path)
    assert VALUE not in str(caught.value)


def test_basic_is_as_rfc_7617_has_it(tmp_path):
    auth = Auth("basic", "Aladdin", Secret(env="P"))
    assert auth.field({"P": "open sesame"}, tmp_path) == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert auth.field({"P": "123£"}, tmp_path) == "Basic " + b64encode("Aladdin:123£".encode()).decode()
    hidden = Auth("basic", Secret(env="N"), Secret(env="P"))
    assert hidden.field({"N": "Aladdin", "P": "open sesame"}, tmp_path) == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    with pytest.raises(ConfigError, match="no colon"):
        hidden.field({"N": f"a:{VALUE}", "P": "x"}, tmp_path)


@pytest.mark.parametrize("token", ["a b", "ж", "a\x7fb"])
def test_a_token_is_one_word(tmp_path, token):
    auth = Auth("bearer", secret=Secret(env="T"))
    assert auth.field({"T": "mF_9.B5f-4.1JqM="}, tmp_path) == "Bearer mF_9.B5f-4.1JqM="
    with pytest.raises(ConfigError) as caught:
        auth.field({"T": token}, tmp_path)
    assert token not in str(caught.value)
