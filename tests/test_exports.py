"""What scrapekit exports is what its documentation promises: no name less, and none more."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import scrapekit
from scrapekit import errors
from scrapekit.errors import ScrapekitError

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "api.md").read_text()


def promised(module: str) -> list[str]:
    """The names in the first column of the table below the module's heading."""
    section = PAGE.partition(f"## `{module}`\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (?:– )*(`.*?`) \|", section, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


@pytest.mark.parametrize("module", ["scrapekit", "scrapekit.testing"])
def test_exports_are_what_the_documentation_promises(module):
    exported = importlib.import_module(module).__all__
    assert sorted(exported) == sorted(promised(module))
    assert len(set(exported)) == len(exported)


@pytest.mark.parametrize("module", ["scrapekit", "scrapekit.testing"])
def test_every_name_that_is_exported_is_there_and_says_what_it_is(module):
    home = importlib.import_module(module)
    for name in home.__all__:
        assert getattr(home, name).__doc__, name


def test_errors_are_one_tree_and_all_of_them_are_documented():
    raised = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert all(issubclass(getattr(errors, name), ScrapekitError) for name in raised)
    assert sorted(promised("scrapekit.errors")) == sorted(raised)


def test_the_tree_in_the_docstring_of_errors_is_the_tree_of_the_classes():
    lines = re.findall(r"^    ( *)([A-Z]\w+)\b", (errors.__doc__ or ""), re.MULTILINE)
    above: list[str] = []
    for indent, name in lines:
        depth = len(indent) // 2
        del above[depth:]
        if above:
            assert above[-1] in {base.__name__ for base in getattr(errors, name).__bases__}, name
        above.append(name)
    assert {name for _, name in lines} == set(promised("scrapekit.errors"))


def test_the_package_is_typed():
    assert Path(scrapekit.__file__).with_name("py.typed").is_file()
