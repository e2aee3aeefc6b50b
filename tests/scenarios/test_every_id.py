"""Each scenario of the list has a test of its own name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

LIST = Path(__file__).resolve().parents[3] / "shared" / "http-scenarios.md"


def test_every_id_of_the_list_has_a_test_of_its_name(root: Path) -> None:
    if not LIST.is_file():
        pytest.skip("no ../shared/http-scenarios.md")
    ids = re.findall(r"^\| ([A-Z]\d\d) \|", LIST.read_text(), re.MULTILINE)
    assert len(ids) == 124
    played = "\n".join(file.read_text() for file in (root / "tests" / "scenarios").glob("test_*.py"))
    names = re.findall(r"^ *def (test_\w+)", played, re.MULTILINE)
    assert [each for each in ids if not any(f"_{each}_" in name for name in names)] == []
