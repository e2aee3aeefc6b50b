from __future__ import annotations

import base64
import gzip
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scrapekit.robots import MAX_LINE, MAX_SIZE, RequestRate, Robots, Verdict, VisitTime, parse

DATA = Path(__file__).resolve().parents[1] / "../shared/data/robots"

#: Real files on which Google's matcher and ours differ, with the section of RFC 9309 that is on our side.
NAMED: dict[tuple[str, str, str], str] = {}


def vectors() -> list[Any]:
    path = DATA / "allowed.json"
    if not path.exists():
        return [pytest.param({}, marks=pytest.mark.skip("no ../shared/data here"))]
    return [pytest.param(case, id=case["id"]) for case in json.loads(path.read_text())]


def rules(text: str) -> Robots:
    return parse(text.encode())


def allowed(text: str, target: str, agent: str = "examplebot") -> bool:
    return rules(text).verdict(agent, target).allowed


def for_all(*lines: str) -> str:
    return "\n".join(["User-agent: *", *lines])


@pytest.mark.parametrize("case", vectors())
def test_verdicts_are_those_of_other_parsers(case: dict[str, Any]) -> None:
    body = case["robots"].encode() if case.get("robots") is not None else base64.b64decode(case["robots_b64"])
    assert parse(body).verdict(case["agent"], case["url"]).allowed is case["allowed"]


def test_real_files_are_read_as_google_reads_them() -> None:
    path = DATA / "real.jsonl.gz"
    if not path.exists():
        pytest.skip("no ../shared/data here")
    verdicts, differing = 0, set()
    with gzip.open(path, "rt") as lines:
        for case in map(json.loads, lines):
            robots = parse(base64.b64decode(case["robots_b64"]))
            for agent, url, wanted in case["verdicts"]:
                verdicts += 1
                if robots.verdict(agent, url).allowed is not wanted:
                    differing.add((case["id"], agent, url))
    assert verdicts > 50_000
    assert differing == set(NAMED)


# ---- lines ----


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\n\n", "\r\r\n"])
def test_any_line_end_ends_a_line(end: str) -> None:
    robots = rules(end.join(["User-agent: *", "Disallow: /a", "Allow: /a/b", ""]))
    assert not robots.verdict("x", "/a").allowed
    assert robots.verdict("x", "/a/b").allowed


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("User-agent: *\nDisallow: /", 2),
        ("User-agent: *\r\nDisallow: /", 2),
        ("\r\n\r\nUser-agent: *\r\n#\r\nDisallow: /", 5),
        ("\n\r\rUser-agent: *\rDisallow: /", 5),
    ],
)
def test_lines_are_counted_as_an_editor_counts_them(text: str, line: int) -> None:
    assert rules(text).verdict("x", "/").line == line


@pytest.mark.parametrize(
    "line",
    [
        "Disallow: /a",
        "disallow:/a",
        "DISALLOW\t:\t/a\t",
        "  Disallow : /a  # why",
        "Disallow: /a#b",
        "Disallow /a",
        "Dissallow: /a",
        "Disalow: /a",
        "\v\fDisallow: /a\v\f",
        "\0Disallow: /a\0",
    ],
)
def test_a_rule_is_understood_however_it_is_typed(line: str) -> None:
    assert not allowed(for_all(line), "/a")
    assert allowed(for_all(line), "/b")


@pytest.mark.parametrize(
    "line",
    ["Disallow:", "Disallow", "Disallow / a", "Disallowed: /a", "Dis allow: /a", "#Disallow: /a", ": /a", "/a", "\0"],
)
def test_what_is_no_rule_forbids_nothing(line: str) -> None:
    assert allowed(for_all(line), "/a")


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
def test_a_byte_order_mark_is_no_part_of_the_first_line(mark: bytes) -> None:
    assert not parse(mark + b"User-agent: *\nDisallow: /a").verdict("x", "/a").allowed


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_file_that_says_it_is_utf16_is_read(encoding: str) -> None:
    robots = parse("\ufeffUser-agent: *\nDisallow: /é".encode(encoding))
    assert not robots.verdict("x", "/%C3%A9").allowed


@pytest.mark.parametrize(
    "body", [b"", b"\n", b"\xff\xfe", b"\0" * 100, b"<html><body>Not found: /</body></html>", b"\xef\xbb"]
)
def test_what_holds_no_rules_allows_everything(body: bytes) -> None:
    assert parse(body).verdict("x", "/private") == Verdict(True, None, "", "")
    assert parse(body).delay("x") is None


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_500_kib_are_read_and_a_line_beyond_counts_only_if_whole(over: int) -> None:
    last = b"\nDisallow: /private"
    body = b"User-agent: *\nDisallow: /early\n"
    body += b"#" * (MAX_SIZE - len(body) - len(last) + over) + last
    for rest in (b"", b"\nDisallow: /late\n"):
        robots = parse(body + rest)
        assert not robots.verdict("x", "/early").allowed
        assert robots.verdict("x", "/private").allowed is (over > 0)
        assert robots.verdict("x", "/late").allowed
    # Cut short, the rule would read "Disallow: /priv" or even "Disallow: /".
    assert robots.verdict("x", "/pri").allowed


def test_a_byte_order_mark_does_not_count_to_the_500_kib() -> None:
    body = b"\xef\xbb\xbfUser-agent: *\n".ljust(MAX_SIZE + 3 - 12, b"#") + b"\nDisallow: /"
    assert len(body) == MAX_SIZE + 3
    assert not parse(body).verdict("x", "/").allowed


@pytest.mark.parametrize("length", [MAX_LINE - 1, MAX_LINE, MAX_LINE + 1])
def test_a_line_is_read_up_to_its_limit(length: int) -> None:
    line = "Disallow: /".ljust(length, "a")
    robots = rules(for_all(line, "Disallow: /b"))
    assert not robots.verdict("x", "/" + "a" * (length - 11)).allowed
    assert robots.verdict("x", "/" + "a" * (min(length, MAX_LINE) - 12)).allowed
    assert not robots.verdict("x", "/b").allowed


# ---- groups (RFC 9309 §2.2.1) ----


@pytest.mark.parametrize(
    ("line", "agent"),
    [
        ("examplebot", "ExampleBot"),
        ("EXAMPLEBOT", "examplebot"),
        ("ExampleBot/2.1", "examplebot"),
        ("examplebot and friends", "examplebot"),
        ("examplebot", "examplebot/1.0 (+https://example.org/bot)"),
        ("example_bot-news", "example_bot-news"),
        ("bot2000", "bot2000"),
        ("bot2000", "bot"),
        ("*", "examplebot"),
        ("* # all", "examplebot"),
        ("* all", "examplebot"),
    ],
)
def test_a_group_is_found_by_the_product_token(line: str, agent: str) -> None:
    assert not allowed(f"User-agent: {line}\nDisallow: /", "/", agent)


@pytest.mark.parametrize(
    ("line", "agent"),
    [
        ("example", "examplebot"),
        ("examplebot", "example"),
        ("examplebot-news", "examplebot"),
        ("bot", "bot2000"),
        ("my examplebot", "examplebot"),
        ("Mozilla/5.0 examplebot", "examplebot"),
        ("*bot", "examplebot"),
        ("", "examplebot"),
        ("", ""),
    ],
)
def test_a_group_for_another_token_is_not_ours(line: str, agent: str) -> None:
    assert allowed(f"User-agent: {line}\nDisallow: /", "/", agent)


def test_groups_for_one_agent_are_merged() -> None:
    text = "User-agent: a\nDisallow: /1\nUser-agent: b\nDisallow: /2\nUser-agent: a\nDisallow: /3"
    assert [allowed(text, f"/{number}", "a") for number in (1, 2, 3)] == [False, True, False]
    text = "User-agent: *\nDisallow: /1\nUser-agent: b\nDisallow: /2\nUser-agent: *\nDisallow: /3"
    assert [allowed(text, f"/{number}", "a") for number in (1, 2, 3)] == [False, True, False]


def test_the_star_counts_only_where_no_group_names_the_agent() -> None:
    text = "User-agent: *\nDisallow: /\nUser-agent: a\nDisallow:"
    assert allowed(text, "/", "a")
    assert not allowed(text, "/", "b")
    assert rules(text).group("a").name == "a"
    assert rules(text).group("b").name == "*"


@pytest.mark.parametrize(
    "between", ["", "\n", "Sitemap: /s\n", "Crawl-delay: 5\n", "Unknown: x\n", "# x\n", "garbage\n"]
)
def test_only_a_rule_ends_a_run_of_agents(between: str) -> None:
    text = f"User-agent: a\n{between}User-agent: b\n{between}Disallow: /x\n{between}User-agent: c\nDisallow: /y"
    assert [allowed(text, "/x", agent) for agent in "abc"] == [False, False, True]
    assert [allowed(text, "/y", agent) for agent in "abc"] == [True, True, False]


def test_rules_before_any_agent_are_nobodys() -> None:
    assert allowed("Disallow: /\nCrawl-delay: 5\nUser-agent: *\nAllow: /x", "/y")
    assert rules("Crawl-delay: 5\nUser-agent: *").delay("x") is None


def test_a_group_is_compiled_once() -> None:
    robots = rules(for_all("Disallow: /"))
    assert robots.group("a") is robots.group("a")


# ---- matching (RFC 9309 §2.2.2, §2.2.3) ----


@pytest.mark.parametrize(
    ("pattern", "matched", "missed"),
    [
        ("/", ["/", "/a", "/?q"], []),
        ("/fish", ["/fish", "/fish.html", "/fish/salmon", "/fishheads", "/fish?id=1"], ["/Fish", "/catfish", "/?fish"]),
        ("/fish*", ["/fish", "/fish.html"], ["/desert/fish"]),
        ("/fish/", ["/fish/", "/fish/?id=1"], ["/fish", "/fish.html"]),
        ("fish", [], ["/fish", "fish"]),
        ("*fish", ["/fish", "/a/fish"], ["/a"]),
        ("*", ["/", "/a"], []),
        ("/*.php", ["/index.php", "/a/b.php?x", "/x?y.php"], ["/", "/windows.PHP"]),
        ("/*.php$", ["/a.php", "/a.php.php"], ["/a.php?x", "/a.php/"]),
        ("/a*b*c", ["/abc", "/a-b-c-d"], ["/acb", "/ab"]),
        ("/a*a$", ["/aa", "/a/a"], ["/a", "/ab"]),
        ("/ab*ba$", ["/abba"], ["/aba", "/ab"]),
        ("/a$", ["/a"], ["/a/", "/ab", "/"]),
        ("/a$b", ["/a$b", "/a%24bc"], ["/a", "/ab"]),
        ("/a$$", ["/a$", "/a%24"], ["/a", "/a$$"]),
        ("/$", ["/"], ["/a"]),
        ("$", [], ["/", "/a"]),
        ("*$", ["/", "/a"], []),
        ("/a**b", ["/ab", "/a/b"], ["/a"]),
        ("/%2A", ["/*", "/%2a"], ["/a"]),
        ("/a-%24", ["/a-$"], ["/a-"]),
        ("/a?b", ["/a?b", "/a?bc"], ["/a", "/a%3Fb"]),
        # what is unreserved is decoded, what is not ASCII is encoded, digits are upper case
        ("/%7eu/%61", ["/~u/a", "/%7Eu/%61"], ["/%7eu/b"]),
        ("/caf%c3%a9", ["/café", "/caf%C3%A9"], ["/caf"]),
        ("/café", ["/café", "/caf%c3%a9"], ["/caf%E9"]),
        ("/a b", ["/a b", "/a%20b"], ["/a"]),
        ("/a(b", ["/a(b", "/a%28b"], ["/ab"]),
        ("/a%28b", ["/a(b", "/a%28b"], ["/ab"]),
        ("/a|b\\", ["/a|b\\", "/a%7cb%5C"], ["/ab"]),
        ("/100%", ["/100%", "/100%!"], ["/100"]),
        # delimiters are not the same as their encoded forms
        ("/a%2Fb", ["/a%2fb"], ["/a/b"]),
        ("/a/b", ["/a/b"], ["/a%2Fb"]),
        ("/?a%3Db", ["/?a%3Db"], ["/?a=b"]),
        ("/?a%26b", ["/?a%26b"], ["/?a&b"]),
        # but within the query they structure nothing
        ("/?u=http://x", ["/?u=http://x", "/?u=http%3A%2F%2Fx"], ["/?u=x"]),
        ("/?u=http%3A%2F%2Fx", ["/?u=http://x", "/?u=http%3A%2F%2Fx"], ["/?u=x"]),
        ("/*u=http:%2F%2Fx", ["/?u=http://x", "/?u=http%3A%2F%2Fx"], ["/u=http://x"]),
        ("/*%2F*", ["/a%2Fb", "/?a/b", "/?a%2fb"], ["/a/b"]),
        ("/*?*?", ["/?a?b", "/?a%3fb"], ["/?a"]),
    ],
)
def test_a_pattern_matches_as_the_rfc_says(pattern: str, matched: list[str], missed: list[str]) -> None:
    robots = rules(for_all(f"Disallow: {pattern}"))
    assert [target for target in matched if robots.verdict("x", target).allowed] == []
    assert [target for target in missed if not robots.verdict("x", target).allowed] == []


@pytest.mark.parametrize(
    ("lines", "target", "line"),
    [
        (("Allow: /p", "Disallow: /"), "/page", 2),
        (("Disallow: /", "Allow: /p"), "/page", 3),
        (("Disallow: /folder", "Allow: /folder"), "/folder/page", 3),
        (("Disallow: /a$", "Allow: /a*"), "/a", 3),
        (("Disallow: /a*", "Allow: /a$"), "/a", 3),
        (("Allow: /page", "Disallow: /*.htm"), "/page.htm", 3),
        (("Allow: /page", "Disallow: /*.ht"), "/page.htm", 2),
        (("Allow: /page", "Disallow: /*.h"), "/page.htm", 2),
        (("Allow: /$", "Disallow: /"), "/", 2),
        (("Allow: /$", "Disallow: /"), "/page", 3),
        (("Disallow: /*/a", "Allow: /b/"), "/b/a", 2),
        (("Disallow: /x", "Disallow: /x"), "/x", 2),
        (("Disallow: /(((", "Allow: /*(("), "/(((", 3),
        (("Disallow: /%28%28", "Disallow: /((("), "/(((", 2),
    ],
)
def test_the_rule_of_most_octets_wins_and_allow_a_tie(lines: tuple[str, ...], target: str, line: int) -> None:
    assert rules(for_all(*lines)).verdict("x", target).line == line


def test_a_verdict_names_group_line_and_rule() -> None:
    robots = rules("# hello\nUser-agent: ExampleBot\nDisallow: /é*\nAllow: /é/index.html")
    assert robots.verdict("examplebot", "/%C3%A9x") == Verdict(False, 3, "Disallow: /é*", "examplebot")
    assert robots.verdict("examplebot", "/%C3%A9/") == Verdict(True, 4, "Allow: /é/index.html", "examplebot")
    assert robots.verdict("examplebot", "/b") == Verdict(True, None, "", "examplebot")
    assert robots.verdict("other", "/%C3%A9x") == Verdict(True, None, "", "")


def test_an_allowed_index_page_allows_its_folder() -> None:
    text = for_all("Disallow: /", "Allow: /a/index.html", "Allow: /index.html/b")
    assert allowed(text, "/a/")
    assert not allowed(text, "/a/x")
    assert not allowed(text, "/")


def test_robots_txt_itself_is_always_allowed() -> None:
    assert allowed(for_all("Disallow: /"), "https://example.com/robots.txt")
    assert not allowed(for_all("Disallow: /"), "/robots.txt?x")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.com", "/"),
        ("https://example.com/", "/"),
        ("https://example.com/a?b#c", "/a?b"),
        ("https://example.com?a/b", "/?a/b"),
        ("https://example.com:81/a//b", "/a//b"),
        ("https://example.com/x://y/z", "/x://y/z"),
    ],
)
def test_a_whole_url_is_judged_by_path_and_query(url: str, target: str) -> None:
    assert not allowed(for_all(f"Disallow: {target}$"), url)


# ---- extensions ----


@pytest.mark.parametrize(
    ("value", "delay"),
    [
        ("0", 0.0),
        ("1", 1.0),
        ("0.25", 0.25),
        (".5", 0.5),
        ("2.", 2.0),
        ("10 # seconds", 10.0),
        ("10s", 10.0),
        ("10 seconds", 10.0),
        ("86400", 86400.0),
        ("", None),
        ("-1", None),
        ("1,5", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("9" * 400, None),
        ("²", None),
    ],
)
def test_a_crawl_delay_is_a_number_of_seconds(value: str, delay: float | None) -> None:
    assert rules(for_all(f"Crawl-delay: {value}")).delay("x") == delay


def test_a_crawl_delay_is_for_the_agents_above_it() -> None:
    robots = rules("User-agent: a\nCrawl-delay: 10\nUser-agent: b\nDisallow: /x\nCrawl-delay: 2")
    assert robots.delay("a") == 10.0
    assert robots.delay("b") == 2.0
    assert robots.delay("c") is None


def test_the_longest_of_several_crawl_delays_counts() -> None:
    robots = rules("User-agent: a\nCrawl-delay: 3\nCrawl-delay: 1\nDisallow:\nUser-agent: a\nCrawl-delay: 10")
    assert robots.delay("a") == 10.0


def test_the_star_lends_no_delay_to_a_group_of_ones_own() -> None:
    robots = rules("User-agent: *\nCrawl-delay: 3\nDisallow: /\nUser-agent: a\nDisallow:")
    assert robots.delay("a") is None
    assert robots.delay("b") == 3.0


@pytest.mark.parametrize(
    ("value", "rate"),
    [
        ("1/5", RequestRate(1, 5.0)),
        ("10 / 1m", RequestRate(10, 60.0)),
        ("1/2h", RequestRate(1, 7200.0)),
        ("1/10s 0800-1200", RequestRate(1, 10.0, VisitTime(480, 720))),
        ("0/5", None),
        ("1/0", None),
        ("1", None),
        ("fast", None),
    ],
)
def test_a_request_rate_is_documents_over_time(value: str, rate: RequestRate | None) -> None:
    assert rules(for_all(f"Request-rate: {value}")).request_rate("x") == rate


def test_the_slowest_of_several_request_rates_counts() -> None:
    assert rules(for_all("Request-rate: 1/5", "Request-rate: 1/20", "Request-rate: 10/60")).request_rate("x") == (
        RequestRate(1, 20.0)
    )


@pytest.mark.parametrize(
    ("value", "times"),
    [
        ("0600-0845", VisitTime(360, 525)),
        ("06:00 - 08:45", VisitTime(360, 525)),
        ("2200 UTC-0430 UTC", VisitTime(1320, 270)),
        ("2500-0100", None),
        ("0060-0100", None),
        ("6-8", None),
    ],
)
def test_a_visit_time_is_two_times_of_day(value: str, times: VisitTime | None) -> None:
    assert rules(for_all(f"Visit-time: {value}")).visit_time("x") == times


def test_sitemaps_are_collected_wherever_they_stand() -> None:
    text = "Sitemap: https://a/1\nUser-agent: a\nSITEMAP : https://a/é # x\nDisallow: /\nSite-map: /3"
    assert rules(text).sitemaps == ["https://a/1", "https://a/é", "/3"]


# ---- hostile files ----

HOSTILE = {
    "stars and letters": for_all(*["Disallow: /" + "*a" * 8000 + "b"] * 30),
    "stars alone": for_all(*["Disallow: /" + "*" * 16000 + "b$"] * 30),
    "long needles": for_all(*["Disallow: /*" + "a" * 8000 + "b*" + "a" * 8000] * 30),
    "many rules": for_all(*[f"Disallow: /*{number}" for number in range(25_000)]),
    "many lengths": for_all(*["Disallow: /" + "b" * number for number in range(980)]),
    "many agents and hints": "\n".join(["User-agent: a"] * 15_000 + ["Crawl-delay: 1"] * 15_000),
    "one line": "User-agent: *" + " " * MAX_SIZE,
    "a rate of blanks": for_all(*["Request-rate: 1/1" + " " * 16_000 + "x"] * 30),
    "slashes": for_all(*["Allow: " + "/index.htm" * 1600] * 30),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_file_takes_long(name: str) -> None:
    """What is linear takes well under a second here; what is quadratic would take minutes."""
    began = time.process_time()
    robots = rules(HOSTILE[name])
    robots.verdict("a", "/" + "a" * 60_000)
    for _ in range(20):
        robots.verdict("a", "/" + "a" * 2_000 + "?/")
    assert robots.delay("a") in (None, 1.0)
    assert robots.request_rate("a") is None
    assert time.process_time() - began < 10


@given(st.binary(max_size=200), st.text(max_size=20))
def test_any_bytes_give_a_verdict(body: bytes, path: str) -> None:
    robots = parse(b"User-agent: *\nDisallow:" + body)
    assert robots.verdict("x", "/" + path).allowed in (True, False)
    assert robots.delay("x") is None or robots.delay("x") >= 0  # type: ignore[operator]


def decided(lines: list[tuple[bool, str]], target: str) -> bool:
    """The same by brute force: each rule a regular expression, the longest that matches, Allow in a tie."""
    matching = [(0, True)]
    for allow, pattern in lines:
        body = ".*".join(re.escape(part) for part in pattern.removesuffix("$").split("*"))
        if re.match(body + ("$" if pattern.endswith("$") else ""), target):
            matching.append((len(pattern), allow))
    return max(matching)[1]


@given(
    st.lists(st.tuples(st.booleans(), st.text(alphabet="ab/*$", min_size=1, max_size=8)), max_size=8),
    st.text(alphabet="ab/", max_size=8).map(lambda rest: "/" + rest),
)
@example([(False, "/a*"), (True, "/a$")], "/a")
def test_a_group_decides_as_its_rules_one_by_one(lines: list[tuple[bool, str]], target: str) -> None:
    text = for_all(*(f"{'Allow' if allow else 'Disallow'}: {pattern}" for allow, pattern in lines))
    assert allowed(text, target) is decided(lines, target)


@given(st.text(alphabet="ab/*$?%2fF&=é ", max_size=10), st.text(alphabet="ab/?%2fF&=*$é ", max_size=10))
def test_a_target_spelt_otherwise_gets_the_same_verdict(pattern: str, path: str) -> None:
    """What RFC 3986 calls equivalent: hexadecimal digits in either case, unreserved octets encoded or not."""
    robots, target = rules(for_all(f"Disallow: /{pattern}")), "/" + path
    lower = re.sub("%[0-9A-Fa-f]{2}", lambda found: found[0].lower(), target)
    encoded = re.sub("[ab]", lambda found: f"%{ord(found[0]):02x}", re.sub("%..", "", target))
    plain = re.sub("%..", "", target)
    assert robots.verdict("x", lower) == robots.verdict("x", target)
    assert robots.verdict("x", encoded) == robots.verdict("x", plain)
