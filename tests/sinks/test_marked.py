"""An item's line says how its page stands to the former run, whatever kind of item it is."""

from __future__ import annotations

import json
from collections import namedtuple
from dataclasses import dataclass
from decimal import Decimal

import pytest
from pydantic import BaseModel, ConfigDict, RootModel

from scrapekit.sinks.kept import keep
from scrapekit.sinks.marked import marked, marked_line


class Book(BaseModel):
    model_config = ConfigDict(frozen=True)
    title: str
    price: Decimal = Decimal("1.10")


class Watched(Book):
    change: str = "none"


@dataclass
class Plain:
    title: str


@dataclass(frozen=True, slots=True)
class Noted:
    title: str
    change: str = "none"


class Titles(RootModel[list[str]]):
    pass


@pytest.mark.parametrize("item", [Book(title="a"), Plain("a"), {"title": "a"}, {}])
def test_an_item_without_the_field_has_it_in_its_line_after_its_own(item):
    line = json.loads(marked(item, "change", "new").line)
    assert line == {**json.loads(keep(item).line), "change": "new"}
    assert list(line)[-1] == "change"


@pytest.mark.parametrize("item", [Watched(title="a"), Noted("a"), {"title": "a", "change": "none"}])
def test_an_item_that_has_the_field_has_it_set_and_the_callers_own_stays_as_it_was(item):
    kept = marked(item, "change", "gone")
    assert json.loads(kept.line)["change"] == "gone"
    assert kept.line.count("change") == 1
    held, own = ((each if isinstance(each, dict) else {"change": each.change}) for each in (kept.item, item))
    assert (held["change"], own["change"]) == ("gone", "none")


def test_a_model_without_the_field_is_handed_on_as_it_is():
    book = Book(title="a")
    kept = marked(book, "change", "new")
    assert kept.item is book
    assert kept.kind == "Book"


def test_an_item_that_is_no_object_is_named_beside_the_field():
    assert json.loads(marked(Titles(["a"]), "change", "new").line) == {"value": ["a"], "change": "new"}


def test_the_values_of_a_line_come_through_as_they_were():
    line = '{"big":123456789012345678901234567890,"tiny":5e-324,"text":"\\u2028\\u00e9 \\"","none":null,"n":[1.5,{}]}'
    assert json.loads(marked_line(line, "change", "gone")) == {**json.loads(line), "change": "gone"}


def test_what_is_no_item_is_refused_as_ever():
    with pytest.raises(TypeError, match="no item"):
        marked(namedtuple("Pair", "a b")(1, 2), "change", "new")
