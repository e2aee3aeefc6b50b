"""Signatures, against the vectors of RFC 9421 and of the Web Bot Auth draft."""

from __future__ import annotations

import base64
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from scrapekit import Settings, Spider, signing
from scrapekit.crawler import prepare_crawl
from scrapekit.errors import ConfigError
from scrapekit.scout import scouting
from scrapekit.signing import Key, Signer, directory, directory_fields, load, signature_base, signature_params, signed
from scrapekit.testing import FakeNetwork, Page, VirtualClock

pytest.importorskip("cryptography")
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

#: test-key-ed25519 (RFC 9421 appendix B.1.4).
PEM = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----
"""
KEY = Key.from_pem(PEM)
ORIGIN = "https://signature-agent.test"


# ---- vectors of others ----


def test_the_key_is_named_by_its_thumbprint():
    assert KEY.public == "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"
    assert KEY.id == "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U"
    assert Key.from_pem(KEY.pem()).id == KEY.id
    assert Key.new().id != Key.new().id


def test_rfc_9421_b_2_6():
    covered = (
        ('"date"', "Tue, 20 Apr 2021 02:07:55 GMT"),
        ('"@method"', "POST"),
        ('"@path"', "/foo"),
        ('"@authority"', "example.com"),
        ('"content-type"', "application/json"),
        ('"content-length"', "18"),
    )
    fields = dict(signed(KEY, "sig-b26", covered, (("created", 1618884473), ("keyid", "test-key-ed25519"))))
    assert fields["Signature-Input"] == (
        'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
        ';created=1618884473;keyid="test-key-ed25519"'
    )
    assert fields["Signature"] == (
        "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"
    )


@pytest.mark.parametrize(
    ("name", "expires", "nonce", "signature"),
    [
        (
            '"signature-agent";key="agent2"',
            4889289600,
            "n9p433xm+NJ3ph3upfBIGmsuwHw387YV7Q/F+6BSpGCVjYCqQw6rznNA8PVVLySrAWsv0hQtFioQb6E1YsauiA==",
            "RdNFx5Bj6au3YgAMQL/RzmUlZE8QZLIaXGRpw985hWnwPfMxT228NMk6ehRS1PSl4e8PhbNZACSanGdhEwYCCg==",
        ),
        (
            '"signature-agent"',
            1735693200,
            "e8N7S2MFd/qrd6T2R3tdfAuuANngKI7LFtKYI/vowzk4lAZYadIX6wW25MwG7DCT9RUKAJ0qVkU0mEeLElW1qg==",
            "jdq0SqOwHdyHr9+r5jw3iYZH6aNGKijYp/EstF4RQTQdi5N5YYKrD+mCT1HA1nZDsi6nJKuHxUi/5Syp3rLWBA==",
        ),
    ],
)
def test_web_bot_auth_vectors(name, expires, nonce, signature):
    covered = (('"@authority"', "example.com"), (name, f'"{ORIGIN}"'))
    parameters = (
        ("created", 1735689600),
        ("keyid", KEY.id),
        ("alg", "ed25519"),
        ("expires", expires),
        ("nonce", nonce),
        ("tag", "web-bot-auth"),
    )
    assert dict(signed(KEY, "sig2", covered, parameters))["Signature"] == f"sig2=:{signature}:"


def test_web_bot_auth_directory_vector():
    body = directory([KEY])
    assert body == (
        '{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U",'
        '"x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs","use":"sig"}]}'
    )
    fields = dict(directory_fields(KEY, "signature-agent.test", body.encode(), created=1735689600, expires=4889289600))
    assert fields["Content-Digest"] == "sha-256=:CADMT2aBdV/rqQr/NIru64ERQkCobVvllA4V0fLFDu0=:"
    assert fields["Signature"] == (
        "binding=:l6P8R67tm3kujAxbHWio7ll01qrEZ0dKD/WWlGhNYEmTnFZM8Wt0VQ9zqGfvo7T/UMkBxsigzChM1Gpz7gOVBg==:"
    )


# ---- requests ----


def verify(fields: Any, method: str, authority: str, path: str) -> str:
    """Check a request's signature as a site would, by its public key; gives the parameters."""
    label, _, params = fields["Signature-Input"].partition("=")
    member, _, agent = fields["Signature-Agent"].partition("=")
    assert member == label
    assert params.startswith(f'("@method" "@authority" "@path" "signature-agent";key="{label}");')
    covered = (
        ('"@method"', method),
        ('"@authority"', authority),
        ('"@path"', path),
        (f'"signature-agent";key="{label}"', agent),
    )
    signature = base64.b64decode(fields["Signature"].removeprefix(f"{label}=:").removesuffix(":"))
    public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(KEY.public + "="))
    public.verify(signature, signature_base(covered, params).encode())
    return params


def test_a_request_is_signed_for_its_method_host_and_path_and_for_a_short_time():
    signer = Signer(KEY, ORIGIN, clock=lambda: 1000.9, nonce=lambda: "n")
    fields = dict(signer("GET", "https://a.test:8443/p/q?x=1"))
    params = verify(fields, "GET", "a.test:8443", "/p/q")
    assert params.endswith(f';created=1000;keyid="{KEY.id}";alg="ed25519";expires=1300;nonce="n";tag="web-bot-auth"')
    assert fields["Signature-Agent"] == f'sig1="{ORIGIN}"'
    for wrong in (("POST", "a.test:8443", "/p/q"), ("GET", "a.test", "/p/q"), ("GET", "a.test:8443", "/")):
        with pytest.raises(Exception, match=r"^$"):
            verify(fields, *wrong)


def test_no_nonce_comes_twice():
    signer = Signer(KEY, ORIGIN, clock=lambda: 0.0)
    assert len({dict(signer("GET", "https://a.test/"))["Signature-Input"] for _ in range(100)}) == 100


def test_parameters_are_written_as_structured_fields():
    assert signature_params(['"@path"'], [("created", 1), ("tag", 'a"b\\')]) == '("@path");created=1;tag="a\\"b\\\\"'
    assert signature_params([], []) == "()"


# ---- the key's file ----


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "key.pem"
    file.write_bytes(PEM)
    file.chmod(0o600)
    return file


def test_a_key_is_read_if_nobody_else_can(file):
    assert load(file).id == KEY.id
    for mode in (0o640, 0o604, 0o620):
        file.chmod(mode)
        with pytest.raises(ConfigError, match="others may read it"):
            load(file)
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o620


def test_what_is_no_key_is_told(file, tmp_path):
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    other = X25519PrivateKey.generate()
    pem = other.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    locked = Ed25519PrivateKey.generate().private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.BestAvailableEncryption(b"x")
    )
    for content, says in ((b"", "no private key"), (pem, "Ed25519 is wanted"), (locked, "no private key")):
        file.write_bytes(content)
        with pytest.raises(ConfigError, match=says):
            load(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none")


def test_without_the_extra_it_is_said_what_to_install(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    for attempt in (Key.new, lambda: load(file)):
        with pytest.raises(ConfigError, match=r"pip install 'polite-scrapekit\[signing\]'"):
            attempt()


# ---- the settings, and the way to the wire ----


@pytest.mark.parametrize(
    ("identity", "origin"),
    [
        ({"contact": "https://example.org/bot"}, "https://example.org"),
        ({"contact": "https://example.org:8443/bot"}, "https://example.org:8443"),
        ({"contact": "http://example.org/bot"}, None),
        ({"contact": "me@example.org"}, None),
        ({"contact": "me@example.org", "key_directory": "https://keys.example.org/"}, "https://keys.example.org"),
        ({}, None),
    ],
)
def test_the_directory_is_at_the_contacts_origin_unless_another_is_named(identity, origin):
    assert Settings.make({"identity": identity}).key_origin == origin
    made = {"identity": identity | {"signing_key": "k"}}
    if origin is None:
        with pytest.raises(ConfigError, match=r"identity\.signing_key: nothing says where sites find the key"):
            Settings.make(made)
    else:
        assert Settings.make(made).identity.signing_key == "k"


@pytest.mark.parametrize("value", ["http://example.org", "https://example.org/x", "example.org", "", 5])
def test_a_directory_is_an_https_origin(value):
    with pytest.raises(ConfigError, match=r"identity\.key_directory"):
        Settings.make({"identity": {"key_directory": value}})


@pytest.mark.parametrize(
    ("contact", "mail"),
    [
        ("me@example.org", "me@example.org"),
        ("mailto:me@example.org", "me@example.org"),
        ("mailto:me@example.org?subject=bot", "me@example.org"),
        ("https://example.org/me@home", None),
        (None, None),
    ],
)
def test_from_is_sent_if_the_contact_is_a_mail_address(contact, mail):
    headers = Settings.make({"identity": {"contact": contact} if contact else {}}).own_headers
    assert headers.get("from") == mail
    assert headers["user-agent"].startswith("scrapekit/")


class Two(Spider):
    name = "two"
    start_urls = ("http://a.test/1?q",)

    def parse(self, response):
        yield {"agent": response.agent, "uses": dict(response.directives.uses), "words": sorted(response.directives)}


def crawled(file: Path | None, identity: dict[str, str]) -> tuple[FakeNetwork, list[Any]]:
    clock = VirtualClock()
    page = Page("<meta name=two content=nosnippet><meta name=robots content=noarchive>")
    robots = "User-agent: two\nContent-Usage: /1 train-ai=n\n"
    network = FakeNetwork({"a.test": {"/robots.txt": robots, "/1": page}})
    extra = {"signing_key": str(file)} if file else {}
    settings = Settings.make({"identity": {"name": "two", **identity, **extra}})
    items: list[Any] = []

    class Sink:
        def write(self, kept: Any, /) -> None:
            items.extend(each.item for each in kept)

        def position(self) -> int:
            return len(items)

        def rewind(self, position: int, /) -> None: ...
        def sync(self) -> None: ...
        def close(self) -> None: ...

    crawl = prepare_crawl(Two, settings, network=network, clock=clock, output=[Sink()])
    clock.run(crawl.run)
    return network, items


def test_every_request_of_a_crawl_is_signed(file):
    network, _ = crawled(file, {"contact": "https://example.org/bot"})
    assert network.requests() == ["/robots.txt", "/1?q"]
    for received in network.log:
        headers = {name.title(): value for name, value in received.headers.raw}
        verify(headers, "GET", "a.test", received.target.partition("?")[0])
        assert headers["Signature-Agent"] == 'sig1="https://example.org"'
        assert "From" not in headers


def test_without_a_key_nothing_is_signed_and_a_mail_address_is_sent():
    network, _ = crawled(None, {"contact": "me@example.org"})
    for received in network.log:
        assert received.headers["from"] == "me@example.org"
        assert not [name for name in received.headers if name.startswith("signature")]


def test_a_look_before_a_crawl_is_signed_too(file):
    network, clock = FakeNetwork({"a.test": {}}), VirtualClock()
    settings = Settings.make({"identity": {"contact": "https://example.org/", "signing_key": str(file)}})

    async def main() -> None:
        async with scouting(settings, network=network, clock=clock) as scout:
            await scout.site("http://a.test/")

    clock.run(main)
    headers = {name.title(): value for name, value in network.log[0].headers.raw}
    verify(headers, "GET", "a.test", "/robots.txt")


def test_a_key_that_cannot_be_read_stops_a_crawl_before_its_first_request(file):
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="others may read it"):
        crawled(file, {"contact": "https://example.org/bot"})


def test_a_page_knows_our_name_and_what_robots_txt_says_of_its_use():
    _, items = crawled(None, {"contact": "me@example.org"})
    assert items == [{"agent": "two", "uses": {"ai-train": False}, "words": ["noarchive", "nosnippet"]}]


def test_the_directory_is_json_of_public_halves_only():
    body = directory([KEY, Key.new()])
    keys = json.loads(body)["keys"]
    assert len(keys) == 2
    assert all("d" not in key for key in keys)
    assert signing.WELL_KNOWN.startswith("/.well-known/")
