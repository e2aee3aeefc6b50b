"""A request is a value: checked when made, frozen, written out and read back whole."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit import Request
from scrapekit.errors import BadRequest, BadURL

URL = "https://example.com/a"
FIELDS = ("url", "callback", "method", "headers", "body", "cookies", "jar", "meta", "priority", "dont_filter",
          "errback", "timeout", "max_size", "to_file", "idempotent", "accept_status", "depth", "parent")  # fmt: skip


def full(**changes):
    """A request of which no field is as by default."""
    fields = {
        "callback": "parse_book",
        "method": "PUT",
        "headers": [("X-A", "1"), ("X-A", "2"), ("Accept", "text/plain")],
        "body": b"\x00\xff body",
        "cookies": {"sid": "1"},
        "jar": "second",
        "meta": {"page": 2, "tags": ["a", None, 1.5, True]},
        "priority": -3,
        "dont_filter": True,
        "errback": "failed",
        "timeout": 2.5,
        "max_size": 1_000_000,
        "to_file": True,
        "idempotent": True,
        "accept_status": {404, 410},
        "depth": 4,
        "parent": "https://example.com/",
    }
    return Request(URL, **(fields | changes))


def test_no_field_is_forgotten_in_these_tests():
    default, changed = Request(URL), full()
    assert [name for name in FIELDS[1:] if getattr(default, name) == getattr(changed, name)] == []
    assert set(Request.__mro__[1].__slots__) == set(FIELDS)


# ---- made ----


def test_the_url_is_kept_in_its_canonical_spelling():
    assert Request("HTTP://EXAMPLE.com:80/a/../b#part").url == "http://example.com/b"


@pytest.mark.parametrize(
    "url", ["", "/relative", "example.com", "mailto:a@b.c", "ftp://a/", "http://", None, 5, b"http://a/"]
)
def test_what_is_no_url_to_fetch_is_refused(url):
    with pytest.raises(BadURL):
        Request(url)


def test_what_is_not_given_has_its_default():
    request = Request(URL)
    assert (request.method, request.body, request.headers.raw, request.cookies) == ("GET", b"", (), ())
    assert (request.jar, request.meta, request.priority, request.depth, request.parent) == ("", {}, 0, 0, None)
    assert (request.callback, request.errback, request.timeout, request.accept_status) == (
        None,
        None,
        None,
        frozenset(),
    )
    assert (request.dont_filter, request.idempotent) == (False, False)


def test_two_requests_do_not_share_their_meta():
    assert Request(URL).meta is not Request(URL).meta


def test_meta_is_copied_so_that_what_is_changed_later_does_not_count():
    meta = {"tags": ["a"]}
    request = Request(URL, meta=meta)
    meta["tags"].append("b")
    assert request.meta == {"tags": ["a"]}


def test_meta_is_from_the_beginning_what_comes_back_from_being_stored():
    assert Request(URL, meta={"pair": (1, 2)}).meta == {"pair": [1, 2]}


def _nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return {"deep": value}


@pytest.mark.parametrize(
    "meta", [{"a": object()}, {"a": b"bytes"}, {"a": {1, 2}}, {"a": float("nan")}, {"a": float("inf")},
             {(1, 2): 3}, [1], "text", 5, _nested(100_000)],
    ids=["object", "bytes", "set", "nan", "inf", "key", "list", "str", "int", "deep"],
)  # fmt: skip
def test_meta_that_is_no_json_object_is_refused(meta):
    with pytest.raises(BadRequest, match="meta"):
        Request(URL, meta=meta)


def test_a_circle_in_meta_is_refused():
    meta = {}
    meta["self"] = meta
    with pytest.raises(BadRequest, match="meta"):
        Request(URL, meta=meta)


@pytest.mark.parametrize("bad", ["a\rb", "a\nb", "a\r\nX: y", "a\0b", "\ud800", 5, None, b"a"])
def test_a_header_that_cannot_be_sent_is_refused(bad):
    with pytest.raises(BadRequest, match="header"):
        Request(URL, headers={"X-A": bad})
    with pytest.raises(BadRequest, match="header"):
        Request(URL, headers=[("X-A", bad)])


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\n", "ä", 5, None])
def test_a_header_name_that_is_no_token_is_refused(name):
    with pytest.raises(BadRequest, match="header"):
        Request(URL, headers={name: "x"})


def test_headers_may_be_pairs_of_any_kind_and_are_kept_as_tuples():
    request = Request(URL, headers=[["X-A", "1"], ("X-A", "2")])
    assert request.headers.raw == (("X-A", "1"), ("X-A", "2"))
    assert Request(URL, headers={"X-A": ["1", "2"]}).headers == request.headers


@pytest.mark.parametrize("bad", ["a;b", "a\rb", "a\nb", "a\0b", "\x7f", "\ud800"])
def test_a_cookie_that_could_break_out_of_its_field_is_refused(bad):
    with pytest.raises(BadRequest, match="cookie"):
        Request(URL, cookies={"name": bad})
    with pytest.raises(BadRequest, match="cookie"):
        Request(URL, cookies={bad: "value"})


@pytest.mark.parametrize("cookies", [{"a=b": "c"}, {"a": 1}, {1: "a"}, ["ab", "abc"], 5])
def test_cookies_that_are_not_names_with_values_are_refused(cookies):
    with pytest.raises(BadRequest, match="cookie"):
        Request(URL, cookies=cookies)


@pytest.mark.parametrize("method", ["G T", "GET\r\n", "-", "GÉT", "a/b", 5])
def test_a_method_that_is_no_token_is_refused(method):
    with pytest.raises(BadRequest, match="method"):
        Request(URL, method=method)


def test_a_method_is_kept_in_upper_case():
    assert Request(URL, method="patch").method == "PATCH"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("priority", ["1", 1.5]),
        ("timeout", [0, -1, "5", float("nan"), float("inf"), True]),
        ("max_size", [0, -1, "5", 1.5, float("inf"), True]),
        ("jar", [5, "a\0b", "a\nb", "\ud800"]),
        ("accept_status", [404, {"404"}, {404.5}]),
        ("body", [5, ["a"], "\ud800"]),
        ("callback", [5, ["parse"], object()]),
    ],
)
def test_what_would_stop_the_crawl_later_is_refused_when_made(field, values):
    for value in values:
        with pytest.raises(BadRequest, match=field):
            Request(URL, **{field: value})


def test_an_errback_is_a_method_or_a_name():
    with pytest.raises(BadRequest, match="neither a method"):
        Request(URL, errback=5)


def test_a_body_given_as_text_is_utf_8():
    assert Request(URL, method="POST", body="ä").body == "ä".encode()


def test_json_makes_a_post_with_its_content_type():
    request = Request(URL, json={"a": ["ä", 1]})
    assert (request.method, request.headers["content-type"]) == ("POST", "application/json")
    assert json.loads(request.body) == {"a": ["ä", 1]}


@pytest.mark.parametrize("value", [0, False, "", [], {}])
def test_json_that_counts_as_false_is_sent_all_the_same(value):
    request = Request(URL, json=value)
    assert request.method == "POST"
    assert json.loads(request.body) == value


def test_form_makes_a_post_with_its_content_type():
    request = Request(URL, form={"q": "a b&c", "tag": ["x", "y"]})
    assert request.body == b"q=a+b%26c&tag=x&tag=y"
    assert (request.method, request.headers["Content-Type"]) == ("POST", "application/x-www-form-urlencoded")


def test_line_ends_in_a_form_stay_within_it():
    request = Request(URL, form={"a\r\nX: y": "b\r\n\r\nc", "d&e=f": ["g\nh"]})
    assert request.body == b"a%0D%0AX%3A+y=b%0D%0A%0D%0Ac&d%26e%3Df=g%0Ah"


def test_a_method_and_a_content_type_that_are_given_stay():
    request = Request(URL, method="PUT", headers={"content-type": "application/ld+json"}, json={})
    assert (request.method, request.headers.get_all("Content-Type")) == ("PUT", ["application/ld+json"])


@pytest.mark.parametrize(
    "fields", [{"json": 1, "form": {}}, {"json": 1, "body": b"x"}, {"form": {"a": "b"}, "body": "x"},
               {"json": object()}, {"json": float("nan")}, {"json": "\ud800"}, {"form": {"a": "\ud800"}}],
)  # fmt: skip
def test_bodies_that_cannot_be_written_or_are_given_twice_are_refused(fields):
    with pytest.raises(BadRequest):
        Request(URL, **fields)


# ---- frozen, compared, copied ----


def test_a_request_is_frozen_and_says_how_to_change_it():
    request = Request(URL)
    with pytest.raises(AttributeError, match=r"replace\(priority="):
        request.priority = 3
    with pytest.raises(AttributeError):
        request.other = 3
    with pytest.raises(AttributeError):
        del request.url
    assert request.priority == 0


def test_replace_changes_what_is_named_and_checks_it():
    request = full()
    changed = request.replace(priority=9, url="https://example.com/b/../c")
    assert (changed.priority, changed.url) == (9, "https://example.com/c")
    same = [name for name in FIELDS if getattr(changed, name) == getattr(request, name)]
    assert same == [name for name in FIELDS if name not in {"priority", "url"}]
    with pytest.raises(BadRequest):
        request.replace(headers={"a": "b\n"})
    with pytest.raises(TypeError):
        request.replace(prio=1)


def test_replace_by_json_or_form_takes_the_place_of_the_old_body():
    form = Request(URL, form={"a": "b"}, headers={"X-A": "1"})
    request = form.replace(json=[1])
    assert (request.body, request.headers["content-type"], request.headers["x-a"]) == (b"[1]", "application/json", "1")
    assert Request(URL).replace(json=[1]).method == "POST"
    assert Request(URL, method="PUT").replace(form={"a": "b"}).method == "PUT"


def test_equal_requests_are_equal_in_every_field():
    assert full() == full()
    assert hash(full()) == hash(full())
    for name, value in {"priority": 0, "callback": None, "meta": {}, "headers": {}, "accept_status": ()}.items():
        assert full(**{name: value}) != full()
    assert Request(URL) != URL


def test_bound_names_the_callbacks_and_where_it_was_found_and_keeps_the_rest():
    request = full(callback=print, errback=print)
    bound = request.bound("parse", None, 7, "https://example.com/p")
    assert (bound.callback, bound.errback, bound.depth, bound.parent) == ("parse", None, 7, "https://example.com/p")
    other = {"callback", "errback", "depth", "parent"}
    assert all(getattr(bound, name) == getattr(request, name) for name in FIELDS if name not in other)
    assert request.callback is print
    with pytest.raises(AttributeError):
        bound.depth = 1


def test_at_is_the_same_request_for_another_url_with_a_meta_of_its_own():
    request = full()
    there = request.at("https://example.com/z")
    assert there.url == "https://example.com/z"
    assert there == request.replace(url="https://example.com/z")
    assert there.meta is not request.meta


def test_copies_and_pickles_are_equal_and_frozen():
    for request in (Request(URL), full()):
        for again in (copy.copy(request), copy.deepcopy(request), pickle.loads(pickle.dumps(request))):
            assert again == request
            assert type(again) is Request


def test_a_request_says_what_it_is_in_one_line():
    assert repr(full()) == f"<Request PUT {URL}>"


def test_only_safe_methods_and_requests_marked_idempotent_are_repeatable():
    safe = {method for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE")
            if Request(URL, method=method).repeatable}  # fmt: skip
    assert safe == {"GET", "HEAD", "OPTIONS"}
    assert Request(URL, method="POST", idempotent=True).repeatable


# ---- written out and read back ----

text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
token = st.text("abcXYZ-_.09", min_size=1, max_size=8)
plain = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | text
)
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=6
)
some_requests = st.builds(
    Request,
    st.builds("https://{}.test/{}".format, st.sampled_from(["a", "b.c"]), text),
    st.none() | token,
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD"]),
    headers=st.lists(st.tuples(token, text), max_size=3),
    body=st.binary(max_size=20),
    cookies=st.dictionaries(token, token, max_size=2),
    jar=text,
    meta=st.dictionaries(text, values, max_size=3),
    priority=st.integers(-5, 5),
    dont_filter=st.booleans(),
    errback=st.none() | token,
    timeout=st.none() | st.floats(0.001, 1e6),
    max_size=st.none() | st.integers(1),
    to_file=st.booleans(),
    idempotent=st.booleans(),
    accept_status=st.frozensets(st.integers(100, 599), max_size=3),
    depth=st.integers(0, 9),
    parent=st.none() | st.just("https://p.test/"),
)


@given(some_requests)
def test_what_is_written_out_and_read_back_through_json_is_equal(request):
    assert Request.from_dict(json.loads(json.dumps(request.to_dict()))) == request


@given(some_requests)
def test_what_is_pickled_is_equal_and_has_the_same_fingerprint(request):
    again = pickle.loads(pickle.dumps(request))
    assert again == request
    assert again.fingerprint() == request.fingerprint()


def test_only_what_differs_from_the_default_is_written():
    assert Request(URL).to_dict() == {"url": URL}
    assert set(full().to_dict()) == set(FIELDS)


def test_a_callback_that_is_not_yet_a_name_cannot_be_written():
    with pytest.raises(BadRequest, match="callback"):
        Request(URL, callback=print).to_dict()


# ---- seen ----


def test_method_url_body_and_jar_decide_what_counts_as_seen():
    first = Request(URL).fingerprint()
    assert len(first) == 16
    assert Request("HTTPS://EXAMPLE.COM:443/x/../a#frag").fingerprint() == first
    others = [Request(URL + "?"), Request(URL, method="HEAD"), Request(URL, body=b"x"), Request(URL, jar="b")]
    assert len({first, *(other.fingerprint() for other in others)}) == 5


def test_nothing_else_decides_what_counts_as_seen():
    plain = Request(URL, method="PUT", body=b"\x00\xff body", jar="second").fingerprint()
    assert full().fingerprint() == plain


@given(some_requests, some_requests)
def test_fingerprints_are_equal_only_for_the_same_method_url_body_and_jar(one, other):
    same = (one.method, one.url, one.body, one.jar) == (other.method, other.url, other.body, other.jar)
    assert (one.fingerprint() == other.fingerprint()) == same


def test_a_fingerprint_is_the_same_in_every_process():
    assert Request(URL).fingerprint().hex() == "969065efe4e160eb6d90f3b0ab5cc775"
    assert Request(URL, json=1, jar="b").fingerprint().hex() == "c4bc1ad657dc2554ef50765e3ee11cd9"
