from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, RootModel

from scrapekit.errors import ItemError
from scrapekit.sinks import Kept, keep, rejected


class Book(BaseModel):
    title: str
    price: Decimal = Decimal("1.50")


@dataclass
class Point:
    x: int
    when: date = date(2026, 1, 2)


@pytest.mark.parametrize(
    ("item", "line", "kind"),
    [
        (Book(title="Zoë\n\u2028"), '{"title":"Zoë\\n\u2028","price":"1.50"}', "Book"),
        (Point(1), '{"x":1,"when":"2026-01-02"}', "Point"),
        ({"a": Book(title="b"), 1: {2}}, '{"a":{"title":"b","price":"1.50"},"1":[2]}', "dict"),
        ({"a": float("nan"), "b": float("-inf")}, '{"a":null,"b":null}', "dict"),
        ({}, "{}", "dict"),
    ],
)
def test_models_dataclasses_and_dicts_become_one_line_of_json(item: Any, line: str, kind: str) -> None:
    kept = keep(item)
    assert (kept.line, kept.kind) == (line, kind)
    assert kept.item is item
    json.loads(kept.line)


@pytest.mark.parametrize("item", ["text", 1, None, [Book(title="x")], Book, Point, object()])
def test_anything_else_is_no_item(item: Any) -> None:
    with pytest.raises(TypeError, match="is no item"):
        keep(item)


@pytest.mark.parametrize("value", [object(), "\ud800", b"\xff", lambda: 1])
def test_what_json_cannot_hold_is_refused_with_its_type(value: Any) -> None:
    with pytest.raises(TypeError, match="type dict that cannot be written as JSON"):
        keep({"a": value})


def test_an_item_that_holds_itself_is_refused() -> None:
    item: dict[str, Any] = {}
    item["self"] = item
    with pytest.raises(TypeError, match="cannot be written"):
        keep(item)


def test_a_message_about_a_long_item_is_short() -> None:
    with pytest.raises(TypeError) as caught:
        keep("x" * 1000)
    assert len(str(caught.value)) < 200


def test_fields_are_the_values_by_name() -> None:
    assert keep(Book(title="A")).fields() == {"title": "A", "price": "1.50"}
    assert keep(RootModel[list[int]]([1])).fields() == {"value": [1]}
    assert Kept("{}").fields() == {"value": {}}


def test_a_rejected_node_is_kept_with_its_place_and_snippet() -> None:
    error = ItemError(
        "not a number", model="Book", field="price", selector="p.price", snippet="<p>£?</p>", url="http://a.test/"
    )
    assert json.loads(rejected(error).line) == {
        "url": "http://a.test/",
        "model": "Book",
        "field": "price",
        "selector": "p.price",
        "message": "not a number",
        "snippet": "<p>£?</p>",
    }
