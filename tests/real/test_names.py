"""The resolver and a real name server, dnsmasq, in a network of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.real.names import MANY

pytestmark = pytest.mark.server

#: A user may make a network and mounts of his own where he keeps his name, for dnsmasq would else change it.
OWN = ["-m", "-n"] if sys.platform != "linux" or os.geteuid() == 0 else ["-c", "--keep-caps", "-m", "-n"]


def missing() -> str:
    for program, package in (("unshare", "util-linux"), ("ip", "iproute2"), ("dnsmasq", "dnsmasq-base")):
        if shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
            return f"{program} is missing (apt-get install {package})"
    tried = subprocess.run(["unshare", *OWN, "true"], capture_output=True, text=True)
    return f"no network of one's own can be made here: {tried.stderr.strip()}" if tried.returncode else ""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the resolver said of each name."""
    if reason := missing():
        pytest.skip(reason)
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        ["unshare", *OWN, sys.executable, root / "tests/real/names.py", tmp_path_factory.mktemp("names")],
        env={"PYTHONPATH": str(root), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_names_have_the_addresses_that_the_name_server_gives(said: dict[str, Any]) -> None:
    assert said["one.test"]["found"] == ["44.0.0.1"]
    assert set(said["both.test"]["found"]) == {"44.0.0.2", "2606:4700::2"}


def test_N01_of_fifty_addresses_a_few_are_taken(said: dict[str, Any]) -> None:
    assert len(said["many.test"]["found"]) == 8
    assert set(said["many.test"]["found"]) < set(MANY)


@pytest.mark.parametrize("name", ["missing.test", "empty.test"])  # NXDOMAIN, and no address among its records
def test_N01_a_name_that_does_not_exist_or_has_no_address(said: dict[str, Any], name: str) -> None:
    assert said[name]["found"] == ["ResolveFailed", "resolve"]


@pytest.mark.parametrize("name", ["name.elsewhere", "name.deaf"])  # REFUSED, and no answer
def test_N01_a_name_server_that_fails_is_told_from_a_name_without_address(said: dict[str, Any], name: str) -> None:
    assert said[name]["found"] == ["NameServerFailed", "resolve"]


def test_N01_a_name_server_that_says_nothing_holds_up_no_other_name(said: dict[str, Any]) -> None:
    assert said["name.deaf"]["seconds"] >= 0.9
    assert all(each["seconds"] < 0.9 for name, each in said.items() if name not in ("name.deaf", "inside.test"))


def test_N02_a_name_that_is_on_this_machine_is_not_connected_to(said: dict[str, Any]) -> None:
    assert said["inside.test"]["found"] == ["PrivateAddress", "resolve"]
