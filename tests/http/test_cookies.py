from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit.http.cookies import MAX_COOKIES, MAX_PER_DOMAIN, CookieJar
from scrapekit.http.setcookie import MAX_AGE, MAX_ATTRIBUTE, MAX_OCTETS, parsed_date
from scrapekit.url import join

VECTORS = Path(__file__).resolve().parents[2] / "../shared/data/http/cookies_http_state.json"
NOW = 1_300_000_000.0  # March 2011, when the vectors were made
PAGE = "https://www.example.com/a/b?c"

#: What RFC 6265bis reads otherwise than RFC 6265, for which the vectors were made: what is sent now, and why.
CHANGED: dict[str, tuple[str | None, str]] = {
    "0004": ("foo", "nameless"),
    "0021": ("a=b; x; c=d", "nameless"),
    "0023": ("foo", "nameless"),
    "0024": ("foo", "nameless"),
    "0025": ("foo", "nameless"),
    "0027": ("bar", "nameless"),
    "0028": ("foo", "nameless"),
    "CHROMIUM0012": ("ABC", "nameless"),
    "MOZILLA0012": ('test="fubar! = foo; five', "nameless"),
    "MOZILLA0014": ("six", "nameless"),
    "MOZILLA0016": ("eight", "nameless"),
    "MOZILLA0017": ("eight; test=six", "nameless"),
    "NAME0017": ("a=bar", "nameless"),
    "NAME0025": ("==a=bar", "nameless"),
    "NAME0033": ("aaa", "nameless"),
    "DISABLED_CHROMIUM0022": (None, "a control character spoils the field"),
    "DISABLED_CHROMIUM0023": (None, "a control character spoils the field"),
    "OPTIONAL_DOMAIN0042": ("foo=bar", "the last Domain counts, an empty one is the host alone"),
}


def vectors() -> list[Any]:
    if not VECTORS.exists():
        return [pytest.param({}, marks=pytest.mark.skip("no ../shared/data here"))]
    return [pytest.param(case, id=case["test"]) for case in json.loads(VECTORS.read_text())]


def jar(*fields: str, url: str = PAGE, now: float = NOW) -> CookieJar:
    made = CookieJar()
    made.store(url, fields, now)
    return made


def sent(field: str, url: str = PAGE, *, to: str | None = None, now: float = NOW) -> str | None:
    """What is sent to a URL, by default the one that set the cookie."""
    return jar(field, url=url).header(to or url, now)


@pytest.mark.parametrize("case", vectors())
def test_cookies_go_as_the_http_state_cases_say(case: dict[str, Any]) -> None:
    set_by = "http://home.example.org:8888/cookie-parser?" + case["test"]
    to = join(set_by, case.get("sent-to", "/cookie-parser-result?" + case["test"]))
    by_the_cases = "; ".join(f"{pair['name']}={pair['value']}" for pair in case["sent"]) or None
    wanted, _ = CHANGED.get(case["test"], (by_the_cases, ""))
    assert jar(*case["received"], url=set_by).header(to, NOW) == wanted


def test_what_changed_is_among_the_cases_and_did_change() -> None:
    if not VECTORS.exists():
        pytest.skip("no ../shared/data here")
    cases = {case["test"]: case for case in json.loads(VECTORS.read_text())}
    for name, (now_sent, _) in CHANGED.items():
        before = "; ".join(f"{pair['name']}={pair['value']}" for pair in cases[name]["sent"]) or None
        assert before != now_sent, name


def test_an_empty_jar_sends_nothing() -> None:
    assert CookieJar().header(PAGE, NOW) is None
    assert len(CookieJar()) == 0


# ---- who gets it ----


@pytest.mark.parametrize(
    ("field", "url", "to"),
    [
        ("a=1", "http://example.com/", "http://example.com/"),
        ("a=1", "http://example.com/", "http://example.com:8080/x"),
        ("a=1", "http://example.com/", "https://example.com/"),
        ("a=1; Domain=example.com", "http://www.example.com/", "http://example.com/"),
        ("a=1; Domain=.EXAMPLE.com", "http://www.example.com/", "http://a.b.example.com/"),
        ("a=1; Domain=example.com; Domain=", "http://www.example.com/", "http://www.example.com/"),
        ("a=1; Domain=127.0.0.1", "http://127.0.0.1/", "http://127.0.0.1/"),
        ("a=1; Domain=localhost", "http://localhost/", "http://localhost/"),
        ("a=1; Domain=github.io", "http://github.io/", "http://github.io/"),
        ("a=1; Secure", "https://example.com/", "https://example.com/"),
        ("a=1; Path=/x", "http://example.com/", "http://example.com/x"),
        ("a=1; Path=/x", "http://example.com/", "http://example.com/x/y"),
        ("a=1; Path=/x/", "http://example.com/", "http://example.com/x/y"),
        ("a=1; Path=x", "http://example.com/y/z", "http://example.com/y/"),
        ("a=1", "http://example.com/y/z?/q/r", "http://example.com/y"),
    ],
)
def test_a_cookie_goes_to_its_host_and_path(field: str, url: str, to: str) -> None:
    assert sent(field, url, to=to) == "a=1"


@pytest.mark.parametrize(
    ("field", "url", "to"),
    [
        ("a=1", "http://example.com/", "http://www.example.com/"),
        ("a=1", "http://www.example.com/", "http://example.com/"),
        ("a=1; Domain=example.com", "http://www.example.com/", "http://notexample.com/"),
        ("a=1; Domain=github.io", "http://github.io/", "http://x.github.io/"),
        ("a=1; Secure", "https://example.com/", "http://example.com/"),
        ("a=1; Path=/x", "http://example.com/", "http://example.com/xy"),
        ("a=1; Path=/x/", "http://example.com/", "http://example.com/x"),
        ("a=1", "http://example.com/y/z", "http://example.com/x"),
        ("a=1", "http://example.com/y/z", "http://example.com/yy"),
    ],
)
def test_a_cookie_goes_nowhere_else(field: str, url: str, to: str) -> None:
    assert sent(field, url) is not None or sent(field, url, to=join(url, "/x/")) is not None
    assert sent(field, url, to=to) is None


@pytest.mark.parametrize(
    ("field", "url"),
    [
        # K01
        ("a=1; Domain=com", "https://example.com/"),
        ("a=1; Domain=co.uk", "https://example.co.uk/"),
        ("a=1; Domain=github.io", "https://x.github.io/"),
        ("a=1; Domain=test", "https://books.test/"),
        ("a=1; Domain=other.org", "https://example.com/"),
        ("a=1; Domain=www.example.com", "https://example.com/"),
        ("a=1; Domain=0.0.1", "https://127.0.0.1/"),
        ("a=1; Domain=.0.0.1", "https://127.0.0.1/"),
        ("a=1; Domain=bücher.example", "https://xn--bcher-kva.example/"),
        ("a=1; Secure", "http://example.com/"),
        ("__Secure-a=1", "https://example.com/"),
        ("__secure-a=1", "https://example.com/"),
        ("__Secure-a=1; Secure", "http://example.com/"),
        ("__Host-a=1; Secure; Path=/; Domain=example.com", "https://example.com/"),
        ("__Host-a=1; Secure", "https://example.com/"),
        ("__Host-a=1; Secure; Path=/x", "https://example.com/x/"),
        ("__Host-a=1; Path=/", "https://example.com/"),
        ("=__Secure-a=1; Secure", "https://example.com/"),
        ("__Host-a; Secure; Path=/", "https://example.com/"),
        # K03
        ("", "https://example.com/"),
        ("=", "https://example.com/"),
        ("; Path=/", "https://example.com/"),
        ("a=1\x01", "https://example.com/"),
        ("a=1; x=\x7f", "https://example.com/"),
        ("a=1; Max-Age=0", "https://example.com/"),
        ("a=1; Max-Age=-1", "https://example.com/"),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "https://example.com/"),
    ],
)
def test_a_cookie_that_may_not_be_is_not_kept(field: str, url: str) -> None:
    assert len(jar(field, url=url)) == 0


@pytest.mark.parametrize(
    "field",
    ["__Secure-a=1; Secure", "__Host-a=1; Secure; Path=/", "__host-a=1; PATH=/; SECURE", "__Hosta=1", "__Secure=1"],
)
def test_a_cookie_that_keeps_its_promise_is_kept(field: str) -> None:
    assert len(jar(field)) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("a", "a"),
        ("=a", "a"),
        ("a=", "a="),
        ('a="x y"', 'a="x y"'),
        (" a = b ; c", "a=b"),
        ("a=b\tc", "a=b\tc"),
        ("a=b=c", "a=b=c"),
        ("a=\xe9", "a=\xe9"),
        ("a=1; HttpOnly; SameSite=Strict", "a=1"),
        ("a=1; SameSite=None", "a=1"),
    ],
)
def test_a_value_is_sent_as_it_came(field: str, value: str) -> None:
    assert sent(field) == value


def test_longer_paths_go_first_then_older_cookies() -> None:
    made = jar("a=1; Path=/", "b=2; Path=/a", "c=3; Path=/; Domain=example.com", "d=4; Path=/a/b")
    assert made.header(PAGE, NOW) == "d=4; b=2; a=1; c=3"


def test_a_cookie_set_again_keeps_its_place() -> None:
    made = jar("a=1", "b=2", "a=3")
    assert made.header(PAGE, NOW) == "a=3; b=2"
    assert len(made) == 2


def test_cookies_of_one_name_differ_by_path_domain_and_host() -> None:
    made = jar("a=1", "a=2; Path=/", "a=3; Domain=example.com", "a=4; Domain=www.example.com")
    assert made.header(PAGE, NOW) == "a=1; a=3; a=4; a=2"


def test_no_plain_answer_hides_a_secure_cookie() -> None:
    made = jar("a=1; Secure; Path=/login; Domain=example.com")
    for field in ("a=2; Path=/login", "a=2; Path=/login/x", "a=2; Path=/login; Domain=example.com"):
        made.store("http://www.example.com/", [field], NOW)
        assert len(made) == 1
    made.store("http://www.example.com/", ["a=2; Path=/", "b=2; Path=/login"], NOW)
    assert len(made) == 3
    made.store("https://www.example.com/", ["a=3; Path=/login"], NOW)
    assert len(made) == 4


# ---- time ----


@pytest.mark.parametrize("after", [-1, 0, 1])
def test_a_cookie_lives_its_max_age(after: int) -> None:
    assert sent("a=1; Max-Age=60", now=NOW + 60 + after) == ("a=1" if after < 0 else None)


@pytest.mark.parametrize("after", [-1, 0, 1])
def test_no_cookie_lives_beyond_400_days(after: int) -> None:
    alive = "a=1" if after < 0 else None
    assert sent(f"a=1; Max-Age={'9' * 500}", now=NOW + MAX_AGE + after) == alive
    assert sent("a=1; Expires=Fri, 31 Dec 9999 23:59:59 GMT", now=NOW + MAX_AGE + after) == alive


@pytest.mark.parametrize(
    ("attributes", "lives"),
    [
        ("Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", 60),
        ("Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", 60),
        ("Max-Age=60; Max-Age=30", 30),
        ("Max-Age=60; Max-Age=soon", 60),
        ("Max-Age=60; Max-Age=-", 60),
    ],
)
def test_max_age_counts_before_expires_and_the_last_before_the_first(attributes: str, lives: float) -> None:
    assert sent(f"a=1; {attributes}", now=NOW + lives - 1) == "a=1"
    assert sent(f"a=1; {attributes}", now=NOW + lives) is None


def test_a_cookie_without_a_date_lives_as_long_as_the_jar() -> None:
    assert sent("a=1; Max-Age=; Expires=never", now=NOW + 10 * MAX_AGE) == "a=1"


def test_a_server_takes_its_cookie_back() -> None:
    made = jar("a=1", "b=2")
    made.store(PAGE, ["a=; Max-Age=0"], NOW)
    assert made.header(PAGE, NOW) == "b=2"
    assert len(made) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777.0),
        ("Sun Nov  6 08:49:37 1994", 784111777.0),
        ("6 november 94 8:49:37", 784111777.0),
        ("08:49:37 6th Nov 1994x", 784111777.0),
        ("1 Jan 1970 00:00:00", 0.0),
        ("1 Jan 69 0:0:0", 3124224000.0),
        ("1 Jan 70 0:0:0", 0.0),
        ("29 Feb 2000 0:0:0", 951782400.0),
        ("", None),
        ("Sun, 06 Nov 1994", None),
        ("06 Nov 1994 08:49", None),
        ("Nov 1994 08:49:37", None),
        ("06 Foo 1994 08:49:37", None),
        ("06 Nov 08:49:37", None),
        ("29 Feb 1999 0:0:0", None),
        ("32 Jan 1999 0:0:0", None),
        ("0 Jan 1999 0:0:0", None),
        ("1 Jan 1600 0:0:0", None),
        ("1 Jan 1601 0:0:0", -11644473600.0),
        ("1 Jan 1999 24:0:0", None),
        ("1 Jan 1999 0:60:0", None),
        ("1 Jan 1999 0:0:60", None),
        ("1 Jan 99999 0:0:0", None),
        ("1 Jan 1999 0:0:000", None),
    ],
)
def test_dates_are_read_as_cookies_have_them(text: str, seconds: float | None) -> None:
    assert parsed_date(text) == seconds


# ---- limits ----


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_name_and_value_have_4096_octets_between_them(over: int) -> None:
    assert len(jar("ab=" + "x" * (MAX_OCTETS - 2 + over))) == (over <= 0)
    assert len(jar("ab=" + "\xe9" * (MAX_OCTETS - 2 + over))) == (over <= 0)
    assert len(jar("ab=ж" + "x" * (MAX_OCTETS - 4 + over))) == (over <= 0)


@pytest.mark.parametrize("over", [0, 1])
def test_an_attribute_beyond_1024_octets_is_ignored(over: int) -> None:
    path = "/" + "x" * (MAX_ATTRIBUTE - 1 + over)
    cookie = next(iter(jar(f"a=1; Path={path}")))
    assert cookie.path == (path if over == 0 else "/a")


@pytest.mark.parametrize("count", [0, 1, MAX_PER_DOMAIN - 1, MAX_PER_DOMAIN, MAX_PER_DOMAIN + 1, 300])
def test_a_domain_keeps_50_cookies(count: int) -> None:  # K02
    made = jar(*(f"{number}={'x' * 4000}" for number in range(count)))
    assert len(made) == min(count, MAX_PER_DOMAIN)
    header = made.header(PAGE, NOW) or ""
    assert len(header) < MAX_PER_DOMAIN * (MAX_OCTETS + 3)
    if count:
        assert header.split("; ")[-1].startswith(f"{count - 1}=")


def test_the_cookie_longest_unused_makes_room_and_secure_ones_stay() -> None:
    made = jar("s=1; Secure; Path=/", *(f"{number}=1; Path=/{number}" for number in range(MAX_PER_DOMAIN - 1)))
    made.header("https://www.example.com/0", NOW + 1)
    made.store(PAGE, ["new=1"], NOW + 2)
    names = {cookie.name for cookie in made}
    assert len(names) == MAX_PER_DOMAIN
    assert "1" not in names
    assert {"s", "0", "new"} <= names


def test_what_expired_makes_room_first() -> None:
    made = jar("s=1; Max-Age=5", *(f"{number}=1" for number in range(MAX_PER_DOMAIN - 1)))
    made.store(PAGE, ["new=1"], NOW + 10)
    assert {cookie.name for cookie in made} == {"new", *map(str, range(MAX_PER_DOMAIN - 1))}


def test_a_jar_keeps_3000_cookies() -> None:
    made = CookieJar()
    for number in range(MAX_COOKIES + 1):
        made.store(f"https://h{number}.example/", ["a=1"], NOW)
    assert len(made) == MAX_COOKIES
    assert made.header("https://h0.example/", NOW) is None
    assert made.header(f"https://h{MAX_COOKIES}.example/", NOW) == "a=1"


# ---- state ----


def test_a_jar_is_written_out_and_read_back() -> None:
    made = jar("a=1; Path=/", "b=2; Max-Age=60; Domain=example.com", "c=3; Secure", "a=4; Path=/")
    again = CookieJar.from_state(json.loads(json.dumps(made.to_state())))
    assert len(again) == len(made)
    for url in (PAGE, "http://www.example.com/a/x", "https://example.com/a/"):
        for now in (NOW, NOW + 60):
            assert again.header(url, now) == made.header(url, now)
    again.store(PAGE, ["d=5"], NOW)
    assert (again.header(PAGE, NOW) or "").endswith("; d=5; a=4")


@given(st.lists(st.text(alphabet="ab=;, \t/.\x00é", max_size=12).map(lambda rest: "a=1;" + rest), max_size=5))
def test_any_field_is_a_cookie_or_none(fields: list[str]) -> None:
    made = jar(*fields)
    again = CookieJar.from_state(made.to_state())
    assert again.header(PAGE, NOW) == made.header(PAGE, NOW)
    assert "\x00" not in (made.header(PAGE, NOW) or "")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", ""]),
            st.sampled_from(["", "; Domain=example.com", "; Domain=www.example.com", "; Path=/", "; Secure"]),
            st.sampled_from(["", "; Max-Age=0", "; Max-Age=9"]),
        ),
        max_size=12,
    )
)
def test_the_count_is_the_number_of_cookies(operations: list[tuple[str, str, str]]) -> None:
    made = CookieJar()
    for name, where, when in operations:
        made.store(PAGE, [f"{name}=1{where}{when}"], NOW)
        assert len(made) == len(list(made))
