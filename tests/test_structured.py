"""Structured fields: what is a dictionary, what is none, and how a string is written."""

from __future__ import annotations

import time

import pytest

from scrapekit.structured import dictionary, string


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("", {}),
        ("a=y", {"a": "y"}),
        (" a=y ,\tb=n ", {"a": "y", "b": "n"}),
        ("a", {"a": "?1"}),
        ("a;x=1;y, b", {"a": "?1", "b": "?1"}),
        ('a="n, \\"b=y\\""', {"a": '"n, \\"b=y\\""'}),
        ("a=n, a=y", {"a": "y"}),
        ("a=y, a", {"a": "?1"}),
        ("a=(x y;q=1);p, b=1.5", {"a": "(x y;q=1)", "b": "1.5"}),
        ("a=()", {"a": "()"}),
        ("a=:YWJj:, b=?0, c=@12, d=-5", {"a": ":YWJj:", "b": "?0", "c": "@12", "d": "-5"}),
        ("*.a-b_1=y", {"*.a-b_1": "y"}),
    ],
)
def test_what_is_a_dictionary(text, members):
    assert dictionary(text) == members


@pytest.mark.parametrize(
    "text",
    [
        "A=y",
        "a=y,",
        ",a=y",
        "a=y b=n",
        "a=",
        "a =y",
        "a= y",
        'a="x',
        "a=(x",
        "a=(x,y)",
        "1=y",
        "a=1.2345",
        "a=y;X",
        "a=ü",
    ],
)
def test_what_is_none(text):
    assert dictionary(text) is None


@pytest.mark.parametrize(
    "text", ["a=" + "(" * 50_000, "a=(" + "x " * 50_000, 'a="' + "\\" * 50_001, "a" + ";b" * 50_000 + "!"]
)
def test_a_long_field_is_read_in_linear_time(text):
    began = time.perf_counter()
    assert dictionary(text) is None
    assert time.perf_counter() - began < 2


def test_a_string_is_quoted_and_escaped():
    assert string('a "b" \\c') == '"a \\"b\\" \\\\c"'
    for bad in ("ü", "a\nb", "\x7f"):
        with pytest.raises(ValueError, match="ASCII"):
            string(bad)
