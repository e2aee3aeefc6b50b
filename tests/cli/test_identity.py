"""``scrapekit identity new``: two files, and what to do with them."""

from __future__ import annotations

import json
import stat

import pytest

from scrapekit.config import load
from scrapekit.signing import signer

pytest.importorskip("cryptography")


def test_a_key_and_its_directory_are_made_for_the_owner_alone(scrapekit, folder):
    (folder / "scrapekit.toml").write_text('[identity]\ncontact = "https://example.org/bot"\n')
    said = scrapekit("identity", "new")
    assert (said.code, said.err) == (0, "")
    made = folder / ".scrapekit" / "identity"
    key, public = made / "signing-key.pem", made / "http-message-signatures-directory"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert (folder / ".scrapekit" / ".gitignore").read_text() == "*\n"
    assert "PRIVATE" in key.read_text()
    (entry,) = json.loads(public.read_text())["keys"]
    assert entry["kid"] in said.out
    assert "Serve the second file at https://example.org/.well-known/http-message-signatures-directory" in said.out
    assert "Content-Type: application/http-message-signatures-directory+json" in said.out
    assert "key_directory" not in said.out
    # What it says to add is what a crawl reads.
    line = next(line.strip() for line in said.out.splitlines() if "signing_key" in line)
    with (folder / "scrapekit.toml").open("a") as file:
        file.write(line + "\n")
    signs = signer(load(folder / "scrapekit.toml"), clock=lambda: 0.0)
    assert signs is not None
    assert entry["kid"] in dict(signs("GET", "https://a.test/"))["Signature-Input"]


def test_no_key_is_ever_replaced(scrapekit, folder):
    assert scrapekit("identity", "new", "mine").code == 0
    before = (folder / "mine" / "signing-key.pem").read_bytes()
    said = scrapekit("identity", "new", "mine")
    assert (said.code, said.refusal) == (
        2,
        "mine/signing-key.pem: there is one already (give another folder, or move it away)",
    )
    assert (folder / "mine" / "signing-key.pem").read_bytes() == before


def test_without_an_https_contact_the_origin_is_asked_for(scrapekit):
    said = scrapekit("identity", "new")
    assert "https://YOUR-SITE/.well-known/" in said.out
    assert 'key_directory = "https://YOUR-SITE"' in said.out


def test_a_folder_that_cannot_be_written_is_told(scrapekit, folder):
    (folder / "taken").write_text("")
    said = scrapekit("identity", "new", "taken/below")
    assert said.code == 2
    assert "no key can be kept there" in said.refusal
