"""The way to each URL: what the settings say of TLS and of private addresses."""

from __future__ import annotations

import logging

import pytest
import trustme

from scrapekit.config import Settings, load
from scrapekit.errors import ConfigError
from scrapekit.http import Trust
from scrapekit.ways import Ways


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
