"""Header fields: case-insensitive, repeated ones kept, nothing that could break out of its line."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit.errors import BadRequest
from scrapekit.headers import Headers, checked

PAIRS = [("Set-Cookie", "a=1"), ("Content-Type", "text/html"), ("set-cookie", "b=2")]


def test_names_are_case_insensitive():
    headers = Headers(PAIRS)
    assert headers["content-TYPE"] == headers.get("CONTENT-type") == "text/html"
    assert "CONTENT-TYPE" in headers
    assert 5 not in headers


def test_repeated_fields_are_kept_in_order_and_the_first_is_the_value():
    headers = Headers(PAIRS)
    assert headers["set-cookie"] == "a=1"
    assert headers.get_all("SET-COOKIE") == ["a=1", "b=2"]
    assert headers.get_all("x") == []
    assert headers.raw == tuple(PAIRS)


def test_a_mapping_has_each_name_once_in_the_order_received():
    headers = Headers(PAIRS)
    assert list(headers) == ["set-cookie", "content-type"]
    assert len(headers) == 2
    assert dict(headers) == {"set-cookie": "a=1", "content-type": "text/html"}


def test_what_is_not_there_is_a_key_error_or_the_default():
    headers = Headers()
    with pytest.raises(KeyError):
        headers["x"]
    assert headers.get("x") is None
    assert headers.get("x", "y") == "y"
    assert not headers


def test_a_list_of_values_is_a_field_for_each():
    assert Headers({"X": ["1", "2"], "Y": "3"}).raw == (("X", "1"), ("X", "2"), ("Y", "3"))
    assert Headers({"X": []}).raw == ()


def test_equal_headers_have_equal_fields_in_the_same_order_whatever_the_case():
    assert Headers([("A", "1")]) == Headers([("a", "1")])
    assert hash(Headers([("A", "1")])) == hash(Headers([("a", "1")]))
    assert Headers([("A", "1")]) != Headers([("A", "x")])
    assert Headers(PAIRS) != Headers(PAIRS[::-1])
    assert Headers([("A", "1")]) != {"a": "1"}


def test_updated_replaces_all_of_a_name_and_keeps_the_rest():
    headers = Headers(PAIRS).updated([("SET-COOKIE", "c=3"), ("X", "1"), ("X", "2")])
    assert headers.raw == (("Content-Type", "text/html"), ("SET-COOKIE", "c=3"), ("X", "1"), ("X", "2"))
    assert Headers(PAIRS).updated({}) == Headers(PAIRS)


def test_an_empty_value_is_kept_for_it_takes_away_a_default():
    assert Headers({"Accept": "x"}).updated({"accept": ""})["accept"] == ""


def test_without_leaves_out_all_of_each_name():
    assert Headers(PAIRS).without("SET-cookie", "nothing").raw == (("Content-Type", "text/html"),)


def test_headers_survive_pickling():
    assert pickle.loads(pickle.dumps(Headers(PAIRS))) == Headers(PAIRS)


@pytest.mark.parametrize("value", ["a\rb", "a\nb", "\n", "a\0", "\ud800"])
def test_a_value_that_would_end_its_line_is_refused(value):
    for fields in ({"X": value}, [("X", value)], Headers([("X", value)])):
        with pytest.raises(BadRequest, match="header X"):
            checked(fields)


@pytest.mark.parametrize("name", ["", " ", "a b", "a:", "a\r\n", "é", "a\0"])
def test_a_name_that_is_no_token_is_refused(name):
    with pytest.raises(BadRequest, match="not a token"):
        checked({name: "x"})


@pytest.mark.parametrize("fields", [{"X": 1}, {"X": None}, {1: "x"}, [("X",)], ["X: y"], 5, {"X": [1]}])
def test_what_is_no_list_of_fields_is_refused(fields):
    with pytest.raises(BadRequest, match="header"):
        checked(fields)


@given(st.dictionaries(st.from_regex(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", fullmatch=True), st.text(max_size=9), max_size=4))
def test_what_was_checked_can_be_written_on_a_line_and_read_back(fields):
    try:
        headers = checked(fields)
    except BadRequest:
        assert any(set(value) & {"\r", "\n", "\0"} for value in fields.values())
        return
    lines = [f"{name}: {value}".encode() for name, value in headers.raw]
    assert not any(set(line) & set(b"\r\n\0") for line in lines)
    assert [tuple(line.decode().split(": ", 1)) for line in lines] == list(fields.items())
