from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from scrapekit import tables
from scrapekit.config import FILE_NAME, Limits, Settings, SpiderTable, find_project, load
from scrapekit.errors import ConfigError
from scrapekit.headers import Headers
from scrapekit.version import VERSION

EXAMPLE = """\
[scrapekit]
spiders = ["spiders"]

[identity]                       # who you are, to the sites you visit
name = "examplebot"              # the robots.txt token, and the start of the User-Agent
contact = "https://example.org/bot"

[crawl]
concurrency = 64                 # fetches in flight, over all hosts

[limits]                         # for every host
concurrency = 1
delay = 1.0                      # seconds between starts of requests to one host
timeout = 30.0
max_size = "32 MiB"
robots = "obey"                  # "ignore" needs robots_reason = "...", loopback excepted
headers = {}

[hosts."*.example.com"]          # the most specific pattern wins, key by key
delay = 0.25
concurrency = 4

[spiders.quotes.limits]          # a spider's own general limits
delay = 2.0

[spiders.quotes.hosts."quotes.toscrape.com"]
concurrency = 2

[resolve]                        # static names
"books.test" = "127.0.0.1:8900"
"""

Load = Callable[[str], Settings]


@pytest.fixture
def read(tmp_path: Path) -> Load:
    """Load a project whose file has this text."""

    def read(text: str) -> Settings:
        path = tmp_path / FILE_NAME
        path.write_bytes(text.encode())
        return load(path)

    return read


def refusal(make: Callable[[], Any]) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        make()
    assert "\n" not in str(caught.value)
    return caught.value


def delay(settings: Settings, host: str, spider: str = "") -> float:
    return settings.limits_for(host, spider).delay


# ---- the file ----


def test_the_file_of_the_documentation_is_read(read: Load) -> None:
    settings = read(EXAMPLE)
    assert settings.identity.name == "examplebot"
    assert settings.identity.contact == "https://example.org/bot"
    assert settings.crawl.concurrency == 64
    assert settings.limits.max_size == 32 * 1024 * 1024
    assert settings.limits_for("a.example.com").concurrency == 4
    assert settings.limits_for("quotes.toscrape.com", "quotes").concurrency == 2
    assert settings.on_loopback("books.test")


def test_an_empty_file_gives_the_defaults(read: Load) -> None:
    settings = read("")
    assert settings.model_dump() == Settings().model_dump()
    assert settings.limits_for("example.com") == Limits()


def test_the_defaults_are_polite() -> None:
    limits = Settings().limits_for("example.com")
    assert (limits.concurrency, limits.delay, limits.robots, limits.headers) == (1, 1.0, "obey", Headers())
    assert (limits.timeout, limits.connect_timeout, limits.max_size) == (30.0, 10.0, 32 * 1024 * 1024)
    assert (Settings().crawl.concurrency, Settings().crawl.max_wait, Settings().crawl.max_redirects) == (64, 600.0, 10)
    assert (Settings().crawl.callback_timeout, Settings().limits.max_size) == (60.0, 32 * 1024 * 1024)
    assert Settings().crawl.max_failures is None
    assert Settings().identity.contact is None


def test_settings_are_frozen() -> None:
    for change in (Settings(), Settings().limits, Settings().crawl, Settings().identity):
        with pytest.raises(ValueError, match="frozen"):
            change.delay = 0  # type: ignore[union-attr]


def test_every_key_has_a_default_and_says_what_it_is_for() -> None:
    assert Settings().model_dump() == Settings.make({}).model_dump()
    for table, key, _, why in tables.reference():
        assert why.endswith("."), (table, key)


def test_the_project_is_the_nearest_folder_upward(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / FILE_NAME).write_text("")
    assert find_project(inner) == tmp_path / FILE_NAME
    (tmp_path / "a" / FILE_NAME).write_text("")
    assert find_project(inner) == tmp_path / "a" / FILE_NAME
    assert find_project(tmp_path / "a") == tmp_path / "a" / FILE_NAME
    (inner / FILE_NAME).mkdir()  # a folder of that name is no project
    assert find_project(inner) == tmp_path / "a" / FILE_NAME


def test_outside_any_folder_with_the_file_there_is_no_project(tmp_path: Path) -> None:
    assert find_project(tmp_path) is None


def test_relative_paths_start_at_the_file(read: Load, tmp_path: Path) -> None:
    assert read('[scrapekit]\nspiders = ["one", "two/three", "/abs"]').spider_folders == [
        tmp_path / "one",
        tmp_path / "two" / "three",
        Path("/abs"),
    ]


# ---- which rule wins ----


def test_what_is_said_of_a_host_beats_what_is_said_in_general(read: Load) -> None:
    lines = [
        "limits.delay = 1",
        "spiders.q.limits.delay = 2",
        'hosts."h.test".delay = 3',
        'spiders.q.hosts."h.test".delay = 4',
    ]
    for strongest in range(1, 5):
        settings = read("\n".join(lines[:strongest]))
        assert delay(settings, "h.test", "q") == strongest
        assert delay(settings, "h.test", "other") == (3 if strongest >= 3 else 1)
        assert delay(settings, "else.test", "q") == (2 if strongest >= 2 else 1)


def test_a_spider_s_most_general_pattern_beats_the_most_exact_of_all_spiders(read: Load) -> None:
    settings = read('hosts."h.test:81".delay = 3\nspiders.q.hosts."*".delay = 4')
    assert delay(settings, "h.test:81", "q") == 4
    assert delay(settings, "h.test:81") == 3


def test_the_most_specific_pattern_wins(read: Load) -> None:
    patterns = ["*", "*.test", "*.b.test", "a.b.test", "a.b.test:8080"]
    for order in (patterns, patterns[::-1]):
        settings = read("\n".join(f'hosts."{each}".delay = {patterns.index(each) + 10}' for each in order))
        assert delay(settings, "a.b.test:8080") == 14
        assert delay(settings, "a.b.test") == 13
        assert delay(settings, "a.b.test:8081") == 13
        assert delay(settings, "x.b.test") == 12
        assert delay(settings, "x.a.b.test") == 12
        assert delay(settings, "b.test") == 11
        assert delay(settings, "test") == 10
        assert delay(settings, "127.0.0.1") == 10


def test_the_merge_is_key_by_key(read: Load) -> None:
    limits = read("""
[limits]
timeout = 9
[hosts."*"]
delay = 5
concurrency = 5
[hosts."*.test"]
delay = 6
[hosts."a.test"]
concurrency = 7
""").limits_for("a.test")
    assert (limits.timeout, limits.delay, limits.concurrency) == (9, 6, 7)


def test_a_value_equal_to_the_default_still_wins(read: Load) -> None:
    assert delay(read('limits.delay = 5\nhosts."a.test".delay = 1.0'), "a.test") == 1.0


def test_a_star_in_front_means_every_subdomain_and_not_the_name_itself(read: Load) -> None:
    settings = read('hosts."*.example.com".delay = 9')
    assert [delay(settings, host) for host in ("a.example.com", "b.a.example.com", "a.example.com:81")] == [9, 9, 9]
    assert [delay(settings, host) for host in ("example.com", "notexample.com", "example.com.evil.test")] == [1, 1, 1]


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("BÜCHER.Example", "xn--bcher-kva.example"),
        ("*.Bücher.example", "a.xn--bcher-kva.example"),
        ("example.com:443", "example.com"),
        ("EXAMPLE.com:8080", "example.com:8080"),
        ("example.com.", "example.com"),
        ("example.com", "example.com."),
        ("[::0001]:81", "[::1]:81"),
        ("[::1]", "[::1]:81"),
        ("127.1", "127.0.0.1:8900"),
    ],
)
def test_names_compare_as_punycode_in_lower_case(read: Load, written: str, host: str) -> None:
    assert delay(read(f'hosts."{written}".delay = 9'), host) == 9


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "http://a.test",
        "a.test/x",
        "a.*.test",
        "*a.test",
        "a.*",
        "*.",
        "*.a.test:80",
        "**",
        "a b",
        "*.0.0.1",
        "a:b",
        "*.[::1]",
    ],
)
def test_what_is_no_pattern_is_refused(read: Load, wrong: str) -> None:
    error = refusal(lambda: read(f'[limits]\n[hosts."{wrong}"]\ndelay = 1'))
    assert error.line == 2
    assert "must" in error.message


def test_two_patterns_for_one_host_are_refused(read: Load) -> None:
    error = refusal(lambda: read('[hosts."a.test"]\n[hosts."A.TEST"]'))
    assert (error.line, error.key) == (2, 'hosts."A.TEST"')
    assert '"a.test"' in error.message


def test_headers_merge_field_by_field(read: Load) -> None:
    settings = read("""
limits.headers = {Accept = "a", X-One = "1", X-Two = "2"}
hosts."h.test".headers = {accept = "b", X-Two = ""}
""")
    assert settings.limits_for("h.test").headers == Headers([("X-One", "1"), ("accept", "b"), ("X-Two", "")])
    assert settings.limits_for("x.test").headers == Headers([("Accept", "a"), ("X-One", "1"), ("X-Two", "2")])


LABELS = st.sampled_from(["a", "b", "test", "xn--bcher-kva"])
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
HOSTS = st.one_of(
    NAMES, NAMES.map(lambda name: f"{name}:81"), st.sampled_from(["127.0.0.1", "127.0.0.1:81", "[::1]:81"])
)
PATTERNS = st.one_of(st.just("*"), HOSTS, NAMES.map(lambda name: f"*.{name}"))


def weight(pattern: str, host: str) -> int:
    """How specific a matching pattern is; -1 for one that does not match. Slow and plain, to compare with."""
    name = host.rpartition(":")[0] if host.endswith(":81") else host
    if pattern == host:
        return 1001 if pattern.endswith(":81") else 1000
    if pattern == name:
        return 1000
    if pattern == "*":
        return 0
    return len(pattern) if pattern[:2] == "*." and name.endswith(pattern[1:]) and name[-1] not in "]1" else -1


@given(st.lists(PATTERNS, unique=True), st.lists(PATTERNS, unique=True), HOSTS)
def test_of_any_patterns_the_most_specific_that_matches_wins(every: list[str], own: list[str], host: str) -> None:
    def table(patterns: list[str], base: int) -> dict[str, Limits]:
        return {pattern: Limits(delay=base + at) for at, pattern in enumerate(patterns)}

    settings = Settings(hosts=table(every, 100), spiders={"q": SpiderTable(hosts=table(own, 200))})
    expected = 1.0
    for patterns, base in ((every, 100), (own, 200)):
        matching = [
            (weight(pattern, host), base + at) for at, pattern in enumerate(patterns) if weight(pattern, host) >= 0
        ]
        expected = max(matching, default=(0, expected))[1]
    assert delay(settings, host, "q") == expected


def test_hosts_under_the_same_rules_share_their_limits() -> None:
    settings = Settings()
    assert settings.limits_for("a.test") is settings.limits_for("b.test", "unknown spider")


# ---- what is refused ----


@pytest.mark.parametrize(
    ("text", "line", "key", "hint"),
    [
        ("[limits]\ndealy = 1", 2, "limits.dealy", "delay"),
        ("[limits]\n\n# x\nheaders = {}\nrobot = 'obey'", 5, "limits.robot", "robots"),
        ("[limit]\ndelay = 1", 1, "limit", "limits"),
        ("delay = 1", 1, "delay", "belongs in [limits]"),
        ("[crawl]\ndelay = 1", 2, "crawl.delay", "belongs in [limits]"),
        ("[hosts.'a.test']\nconcurency = 1", 2, 'hosts."a.test".concurency', "concurrency"),
        ("hosts.'a.test'.dely = 1", 1, 'hosts."a.test".dely', "delay"),
        ("[hosts]\n'a.test' = { delay = 1, dely = 2 }", 2, 'hosts."a.test".dely', "delay"),
        ("[spiders.q]\n[spiders.q.limit]", 2, "spiders.q.limit", "limits"),
        ("[spiders.q.hosts.'a.test']\n'time out' = 1", 2, 'spiders.q.hosts."a.test"."time out"', "timeout"),
        ("[spiders.q]\ndelay = 1", 2, "spiders.q.delay", "belongs in [limits]"),
        ("[hosts.example.com]\ndelay = 1", 1, "hosts.example.com", '[hosts."example.com"]'),
        ("[identity]\nzzz = 1", 2, "identity.zzz", "name, contact"),
    ],
)
def test_an_unknown_key_has_file_line_and_the_nearest_right_key(
    read: Load, tmp_path: Path, text: str, line: int, key: str, hint: str
) -> None:
    for spelt in (text, text.replace("\n", "\r\n"), "\ufeff" + text):
        error = refusal(lambda spelt=spelt: read(spelt))  # type: ignore[misc]
        assert (error.file, error.line, error.key, error.message) == (tmp_path / FILE_NAME, line, key, "unknown key")
        assert error.hint is not None
        assert hint in error.hint


@pytest.mark.parametrize(
    ("table", "key", "wrong"),
    [
        ("limits", "concurrency", ["0", "-1", "true", "1.0", "'1'", "[]"]),
        ("limits", "delay", ["-0.1", "true", "nan", "inf", "'fast'", "{}"]),
        ("limits", "timeout", ["0", "-1", "inf", "false", "'0 s'"]),
        ("limits", "connect_timeout", ["0", "'x'"]),
        ("limits", "first_byte_timeout", ["0", "'x'"]),
        ("limits", "max_size", ["0", "-1", "true", "1.5", "'32 Mib!'"]),
        ("limits", "robots", ["true", "'Obey'", "'maybe'", "0"]),
        ("limits", "robots_reason", ["''", "' '", "1", "true"]),
        ("limits", "jitter", ["-0.1", "11", "nan", "'much'"]),
        ("limits", "adaptive", ["-0.1", "1001", "nan", "'much'"]),
        ("limits", "visit", ["''", "'at night'", "'01:00'", "'01:00-05:00 Berlin'", "5", "true", "[]"]),
        ("limits", "max_pages", ["-1", "true", "1.5", "'1'"]),
        ("limits", "max_bytes", ["-1", "true", "1.5", "'many'"]),
        ("limits", "max_errors", ["-1", "true", "1.5"]),
        ("limits", "max_time", ["0", "-1", "true", "'soon'"]),
        ("limits", "circuit_failures", ["-1", "true", "1.5"]),
        ("limits", "circuit_trials", ["0", "true", "1.5"]),
        ("limits", "max_depth", ["-1", "true", "1.5"]),
        ("limits", "max_url", ["0", "true", "1.5"]),
        ("limits", "max_variations", ["0", "true", "1.5"]),
        ("limits", "per_address", ["-1", "true", "1.5"]),
        ("limits", "per_domain", ["-1", "true", "1.5"]),
        ("limits", "max_crawl_delay", ["-1", "true"]),
        ("limits", "max_retry_after", ["-1", "true"]),
        ("limits", "headers", ["1", "[]", "{ A = 1 }", "{ 'A B' = 'x' }", '{ A = "x\\r\\nB: y" }', "{ Host = 'a' }"]),
        ("crawl", "concurrency", ["0", "10001", "true", "64.0", "'64'"]),
        ("crawl", "max_wait", ["0", "true", "'soon'"]),
        ("crawl", "max_failures", ["-1", "1.1", "-0.1", "nan", "true", "'10'", "'101 %'", "'many'", "[]"]),
        ("crawl", "max_redirects", ["-1", "true", "1.5"]),
        ("crawl", "callback_timeout", ["0", "true"]),
        ("crawl", "workbench", ["0", "true"]),
        ("crawl", "window", ["0", "true"]),
        ("identity", "name", ["''", "'a b'", "'bot/1.0'", "1", "'bört'"]),
        (
            "identity",
            "contact",
            ["''", "'me'", "'http://'", "'a@'", "'@b'", "1", "'https://a/ b'", "'a@b)'", "'ä@b.c'"],
        ),
        ("scrapekit", "spiders", ["'spiders'", "['']", "[1]", "true"]),
        ("resolve", "'a.test'", ["'b.test'", "1", "'127.0.0.1:0'", "'127.0.0.1:65536'", "'::1:80x'", "''", "true"]),
    ],
)
def test_a_wrong_value_has_its_line_and_key(read: Load, table: str, key: str, wrong: list[str]) -> None:
    for value in wrong:
        error = refusal(lambda value=value: read(f"# one\n[{table}]\n{key} = {value}\n"))  # type: ignore[misc]
        assert error.line == 3, value
        assert error.key is not None
        assert error.key.startswith(tomllib_key(table, key)), value


def tomllib_key(table: str, key: str) -> str:
    return f"{table}.{key}".replace("'", '"')


@pytest.mark.parametrize(
    ("table", "key", "value", "read_as"),
    [
        ("limits", "concurrency", "1", 1),
        ("limits", "delay", "0", 0.0),
        ("limits", "delay", "'1.5 s'", 1.5),
        ("limits", "timeout", "0.001", 0.001),
        ("limits", "jitter", "0", 0.0),
        ("limits", "jitter", "10", 10.0),
        ("limits", "adaptive", "0", 0.0),
        ("limits", "adaptive", "2.5", 2.5),
        ("limits", "max_pages", "0", 0),
        ("limits", "max_bytes", "0", 0),
        ("limits", "max_bytes", "'1 MiB'", 1024**2),
        ("limits", "max_errors", "0", 0),
        ("limits", "max_time", "'1 h'", 3600.0),
        ("limits", "circuit_failures", "0", 0),
        ("limits", "circuit_trials", "1", 1),
        ("limits", "max_depth", "0", 0),
        ("limits", "max_url", "1", 1),
        ("limits", "max_variations", "1", 1),
        ("limits", "per_address", "0", 0),
        ("limits", "per_domain", "0", 0),
        ("limits", "max_size", "1", 1),
        ("limits", "max_size", "'2 KiB'", 2048),
        ("crawl", "concurrency", "10_000", 10_000),
        ("crawl", "max_wait", "'10m'", 600.0),
        ("crawl", "max_failures", "0", 0),
        ("crawl", "max_failures", "1", 1),
        ("crawl", "max_failures", "1.0", 1.0),
        ("crawl", "max_failures", "0.25", 0.25),
        ("crawl", "max_failures", "'25 %'", 0.25),
        ("crawl", "max_redirects", "0", 0),
        ("identity", "name", "'Some_Bot-x'", "Some_Bot-x"),
        ("identity", "contact", "'me@example.org'", "me@example.org"),
        ("identity", "contact", "'mailto:me@example.org'", "mailto:me@example.org"),
        ("identity", "contact", "'http://example.org'", "http://example.org"),
    ],
)
def test_the_least_and_the_written_forms_of_a_value_pass(
    read: Load, table: str, key: str, value: str, read_as: object
) -> None:
    found = getattr(getattr(read(f"[{table}]\n{key} = {value}"), table), key)
    assert found == read_as
    assert type(found) is type(read_as)


@pytest.mark.parametrize("text", ["limits = 1", "hosts = []", "[hosts]\n'a.test' = 1", "spiders.q = 'x'", "[[limits]]"])
def test_what_is_to_be_a_table_must_be_one(read: Load, text: str) -> None:
    assert "must be a table, not" in refusal(lambda: read(text)).message


def test_of_several_mistakes_the_first_in_the_file_is_told(read: Load) -> None:
    error = refusal(lambda: read("[resolve]\n'x y' = '127.0.0.1'\n[limits]\ndelay = -1\n[crawl]\nwindow = 0"))
    assert error.line == 2


def test_a_message_fits_on_one_line_and_shows_what_was_given(read: Load, tmp_path: Path) -> None:
    error = refusal(lambda: read("[limits]\nconcurrency = 'four'"))
    assert str(error) == f'{tmp_path / FILE_NAME}:2: limits.concurrency: must be a whole number, not "four"'


def test_a_value_on_several_lines_has_the_line_of_its_key(read: Load) -> None:
    assert refusal(lambda: read('[scrapekit]\nspiders = [\n  "a",\n  1,\n]')).line == 2


def test_tables_of_a_python_program_are_checked_alike() -> None:
    error = refusal(lambda: Settings.make({"limits": {"dealy": 1}}))
    assert str(error) == "limits.dealy: unknown key (did you mean delay?)"


# ---- identity, robots, loopback ----


def test_the_user_agent_begins_with_the_name_and_holds_the_contact(read: Load) -> None:
    assert read(EXAMPLE).user_agent == f"examplebot (+https://example.org/bot) scrapekit/{VERSION}"
    assert Settings().user_agent == f"scrapekit/{VERSION}"


def test_a_user_agent_of_one_s_own_must_hold_the_name_for_which_robots_txt_is_read(read: Load) -> None:
    error = refusal(lambda: read("[identity]\nname='mybot'\n[limits.headers]\nUser-Agent = 'Mozilla/5.0'"))
    assert (error.line, error.key) == (4, "limits.headers.User-Agent")
    agent = "Mozilla/5.0 (compatible; MyBot/2)"
    settings = read(f"[identity]\nname='mybot'\n[limits.headers]\nUser-Agent = '{agent}'")
    assert settings.limits_for("a.test").headers["user-agent"] == agent


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1:80", "[::1]:8080", "localhost", "a.localhost:81"])
def test_loopback_needs_no_contact(host: str) -> None:
    Settings().check_host(host)


@pytest.mark.parametrize("host", ["example.com", "10.0.0.1", "[::2]:8080", "localhost.example.com", "127.example.com"])
def test_a_host_elsewhere_needs_a_contact_and_the_message_says_how_to_mend_it(read: Load, host: str) -> None:
    error = refusal(lambda: read("").check_host(host))
    assert error.key == "identity.contact"
    assert error.hint == f'add below [identity] in {FILE_NAME}: contact = "https://example.org/about-my-bot"'
    read(f"[identity]\n{error.hint.partition(': ')[2]}").check_host(host)


def test_outside_a_project_the_message_names_the_command_line() -> None:
    error = refusal(lambda: Settings().check_host("example.com"))
    assert error.hint == """give --set 'identity.contact="https://example.org/about-my-bot"'"""
    Settings().overridden([error.hint.split("'")[1]]).check_host("example.com")


def test_a_name_that_resolve_points_to_loopback_is_loopback(read: Load) -> None:
    settings = read(
        "[resolve]\n'a.test'='127.0.0.1:8900'\n'b.test:8080'='[::1]:80'\n'c.test'='10.0.0.1'\n'localhost'='10.0.0.1'"
    )
    assert settings.on_loopback("a.test")
    assert settings.on_loopback("a.test:9")
    assert settings.on_loopback("b.test:8080")
    assert not settings.on_loopback("b.test")
    assert not settings.on_loopback("c.test")
    assert not settings.on_loopback("localhost")
    settings.check_host("a.test")


def test_a_name_of_which_one_default_port_is_elsewhere_is_not_loopback(read: Load) -> None:
    assert not read("[resolve]\n'a.test'='127.0.0.1'\n'a.test:443'='10.0.0.1'").on_loopback("a.test")
    assert read("[resolve]\n'a.test:80'='127.0.0.1'\n'a.test:443'='127.0.0.1'").on_loopback("a.test")
    assert not read("[resolve]\n'a.test:80'='127.0.0.1'").on_loopback("a.test")


def test_a_static_name_has_address_and_port(read: Load) -> None:
    settings = read("[resolve]\n'Bücher.test'='127.0.0.1:8900'\n'a.test:8080'='[::1]:81'\n'a.test'='::1'")
    found = [
        settings.static(*each)
        for each in [("xn--bcher-kva.test", 80), ("a.test", 8080), ("a.test", 80), ("b.test", 80)]
    ]
    assert [(each.ip, each.port) if each else None for each in found] == [
        ("127.0.0.1", 8900),
        ("::1", 81),
        ("::1", None),
        None,
    ]


def test_ignoring_robots_needs_a_reason_where_the_name_is_exact(read: Load) -> None:
    text = "[hosts.'a.test']\ndelay = 2\nrobots = 'ignore'\n"
    error = refusal(lambda: read(text))
    assert (error.line, error.key) == (3, 'hosts."a.test".robots')
    assert error.hint is not None
    assert 'hosts."a.test".robots_reason' in error.hint
    assert read(text + "robots_reason = 'their own wish'").limits_for("a.test").robots == "ignore"
    assert read(text + "[resolve]\n'a.test' = '127.0.0.1'").limits_for("a.test").robots == "ignore"
    read("[hosts.'127.0.0.1:8000']\nrobots = 'ignore'")


def test_a_spider_s_rule_for_an_exact_name_needs_a_reason_too(read: Load) -> None:
    error = refusal(lambda: read("[spiders.q.hosts.'a.test']\nrobots = 'ignore'"))
    assert (error.line, error.key) == (2, 'spiders.q.hosts."a.test".robots')


@pytest.mark.parametrize("rule", ["limits", "hosts.'*'", "hosts.'*.test'", "spiders.q.limits", "spiders.q.hosts.'*'"])
def test_a_rule_for_many_names_is_judged_when_a_host_is_visited(read: Load, rule: str) -> None:
    contact = "identity.contact = 'a@b.test'\n"
    settings = read(f"{contact}[{rule}]\nrobots = 'ignore'")
    settings.check_host("127.0.0.1", "q")
    error = refusal(lambda: settings.check_host("a.test", "q"))
    assert (error.line, error.key) == (3, rule.replace("'", '"') + ".robots")
    read(f"{contact}[{rule}]\nrobots = 'ignore'\nrobots_reason = 'ours'").check_host("a.test", "q")


# ---- --set ----


def test_set_replaces_that_very_key_and_no_other(read: Load) -> None:
    settings = read(EXAMPLE).overridden(["limits.delay=0", 'hosts."x.test".delay=2'])
    assert delay(settings, "y.test") == 0
    assert delay(settings, "x.test") == 2
    assert delay(settings, "a.example.com") == 0.25
    assert delay(settings, "y.test", "quotes") == 2.0
    assert settings.limits.timeout == 30.0
    assert delay(read(EXAMPLE), "y.test") == 1.0


@pytest.mark.parametrize(
    ("text", "get", "value"),
    [
        ("limits.robots=ignore", lambda s: s.limits.robots, "ignore"),
        ('identity.name="abc"', lambda s: s.identity.name, "abc"),
        ("identity.contact = https://a.test/?x=y", lambda s: s.identity.contact, "https://a.test/?x=y"),
        ("crawl.max_wait=5 min", lambda s: s.crawl.max_wait, 300.0),
        ("crawl.max_failures=10%", lambda s: s.crawl.max_failures, 0.1),
        ("scrapekit.spiders=['a','b']", lambda s: s.scrapekit.spiders, ("a", "b")),
        ("limits={delay=3}", lambda s: s.limits.delay, 3.0),
        ("limits.headers.X-A=b=c", lambda s: s.limits.headers["x-a"], "b=c"),
        ("hosts.'*.Example.COM'.delay=9", lambda s: s.limits_for("a.example.com").delay, 9.0),
        (
            "spiders.quotes.hosts.'QUOTES.toscrape.com'.delay=9",
            lambda s: delay(s, "quotes.toscrape.com", "quotes"),
            9.0,
        ),
        ("spiders.new.limits.delay=9", lambda s: delay(s, "a.test", "new"), 9.0),
        ("resolve.'a.test'=127.0.0.1", lambda s: s.static("a.test", 80), "127.0.0.1"),
    ],
)
def test_a_set_value_is_toml_and_bare_words_are_strings(
    read: Load, text: str, get: Callable[[Settings], Any], value: object
) -> None:
    assert get(read(EXAMPLE).overridden([text])) == value


@pytest.mark.parametrize("text", ["", "limits.delay", "=1", "limits delay=1", "limits.=1", "limits.delay:1"])
def test_a_set_without_key_and_value_is_refused(text: str) -> None:
    assert "KEY=VALUE" in str(refusal(lambda: Settings().overridden([text])))


def test_a_wrong_set_is_told_as_such_and_not_as_a_line_of_the_file(read: Load) -> None:
    settings = read(EXAMPLE)
    assert str(refusal(lambda: settings.overridden(["limits.dealy=1"]))) == (
        "--set: limits.dealy: unknown key (did you mean delay?)"
    )
    assert str(refusal(lambda: settings.overridden(["limits.delay=soon"]))).startswith("--set: limits.delay: must be")
    assert str(refusal(lambda: settings.overridden(["limits.delay.x=1"]))).startswith("--set: limits.delay")
    assert str(refusal(lambda: settings.overridden(["hosts.'a.test'.robots=ignore"]))).startswith("--set: hosts")


def test_sets_add_up_and_the_last_wins() -> None:
    settings = Settings().overridden(["limits.delay=1", "crawl.window=3"]).overridden(["limits.delay=2"])
    assert (settings.limits.delay, settings.crawl.window) == (2.0, 3)


def test_settings_made_in_python_can_be_overridden() -> None:
    settings = Settings(limits=Limits(delay=0, headers={"A": "b"}), hosts={"a.test": Limits(concurrency=3)})
    changed = settings.overridden(["limits.timeout=5"])
    assert (changed.limits.delay, changed.limits.timeout, changed.limits.headers["a"]) == (0.0, 5.0, "b")
    assert changed.limits_for("a.test").concurrency == 3


# ---- who said so ----


def test_explain_names_the_rule_and_its_line(read: Load) -> None:
    settings = read(EXAMPLE).overridden(["limits.timeout=7"])
    rows = {row.key: row[1:] for row in settings.explain("quotes.toscrape.com", "quotes")}
    assert rows["delay"] == (2.0, "[spiders.quotes.limits]", 24)
    assert rows["concurrency"] == (2, '[spiders.quotes.hosts."quotes.toscrape.com"]', 27)
    assert rows["max_size"] == (32 * 1024 * 1024, "[limits]", 15)
    assert rows["timeout"] == (7.0, "--set", None)
    assert rows["connect_timeout"] == (10.0, "default", None)


def test_explain_agrees_with_the_limits_in_force(read: Load) -> None:
    settings = read(EXAMPLE)
    for host in ("a.example.com", "example.com", "quotes.toscrape.com", "quotes.toscrape.com:81"):
        for spider in ("", "quotes"):
            limits = settings.limits_for(host, spider)
            assert {row.key: row.value for row in settings.explain(host, spider)} == {
                key: getattr(limits, key) for key in Limits.model_fields if key != "headers"
            }


def test_explain_lists_header_fields_one_by_one(read: Load) -> None:
    settings = read("[limits]\nheaders = {A = '1', B = '2', C = '3'}\n[hosts.'h.test'.headers]\na = '4'\nC = ''")
    rows = [row for row in settings.explain("h.test") if row.key.startswith("headers")]
    assert rows == [
        ("headers.a", "4", '[hosts."h.test"]', 4),
        ("headers.B", "2", "[limits]", 2),
        ("headers.C", "", '[hosts."h.test"]', 5),
    ]


def test_the_origin_of_a_value_is_the_file_the_command_line_or_the_default(read: Load) -> None:
    settings = read(EXAMPLE).overridden(["identity.name=x"])
    assert settings.origin(("identity", "contact")) == "scrapekit.toml:6"
    assert settings.origin(("identity", "name")) == "--set"
    assert settings.origin(("crawl", "window")) == "default"


def test_robots_txt_is_ignored_until_its_date_and_no_longer():
    def settings(until):
        rule = f'robots = "ignore"\nrobots_reason = "they asked us"\nrobots_until = {until}'
        text = f'[identity]\ncontact = "https://example.org/bot"\n[hosts."*.example.com"]\n{rule}\n'
        return Settings.make(tomli.loads(text))

    settings("2999-12-31").check_host("a.example.com")
    with pytest.raises(ConfigError, match="until 2001-01-01"):
        settings("2001-01-01").check_host("a.example.com")
    limits = settings("2026-12-31").limits_for("a.example.com")
    last = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
    assert limits.ignores_robots(last)
    assert not limits.ignores_robots(last + 1)
    with pytest.raises(ConfigError, match="robots_until"):
        settings('"some day"')
