"""What a page asks of robots, and what is said of the use of its content."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from scrapekit import directives, robots
from scrapekit.directives import NO_USES, NOTHING, Directives, content_signal, content_usage, read, refusal, wish
from scrapekit.headers import Headers
from scrapekit.response import Response

AGENT = "examplebot"


def of(*fields: str, metas=(), agent: str = AGENT, **more) -> Directives:
    """The directives of fields written as ``Name: value``, and of metas."""
    pairs = [(name, value.strip()) for name, _, value in (field.partition(":") for field in fields)]
    return read(metas, Headers(pairs), agent, **more)


def words(*tags: str, agent: str = AGENT) -> set[str]:
    return set(of(*(f"X-Robots-Tag: {tag}" for tag in tags), agent=agent))


def page(html: str, headers=(), **more) -> Response:
    return Response(
        "http://a.test/", headers=Headers([("Content-Type", "text/html"), *headers]), body=html.encode(), **more
    )


# ---- words ----


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["noindex"], {"noindex"}),
        (["NoIndex , noarchive"], {"noindex", "noarchive"}),
        (["none"], {"none", "noindex", "nofollow"}),
        (["otherbot: noindex, nofollow"], set()),
        (["otherbot: nofollow", "noindex"], {"noindex"}),
        (["noindex, otherbot: nofollow, noarchive"], {"noindex"}),
        (["otherbot: nofollow, examplebot: noindex, noarchive"], {"noindex", "noarchive"}),
        (["ExampleBot: none"], {"none", "noindex", "nofollow"}),
        (["examplebot2: noindex"], set()),
        (["examplebot:"], set()),
        (["", ",,"], set()),
    ],
)
def test_a_tag_is_for_all_or_for_the_robot_that_it_names(tags, expected):
    assert words(*tags) == expected


def test_who_has_no_name_is_meant_by_what_is_for_all_only():
    assert words("examplebot: noindex", "nofollow", agent="") == {"nofollow"}
    assert of(metas=[("robots", "noarchive")], agent="").noarchive


def test_a_header_for_another_robot_and_one_for_all_with_a_meta_element():
    response = page(
        '<meta name="robots" content="nofollow"><a href=x>x</a>',
        [("X-Robots-Tag", "otherbot: noarchive"), ("X-Robots-Tag", "noindex")],
        agent=AGENT,
    )
    assert set(response.directives) == {"noindex", "nofollow"}
    assert response.links() == list(response.follow_all()) == []


def test_a_meta_element_may_name_us():
    html = "<meta name=ExampleBot content=noindex><meta name=otherbot content=nofollow><meta content=nosnippet>"
    assert set(page(html, agent=AGENT).directives) == {"noindex"}
    assert set(page(html).directives) == set()


def test_the_words_have_names():
    found = of("X-Robots-Tag: none, nocache")
    assert (found.noindex, found.nofollow, found.noarchive) == (True, True, True)
    assert "noindex" in found
    assert "NOINDEX" not in found
    assert (NOTHING.noindex, NOTHING.nofollow, NOTHING.noarchive, bool(NOTHING)) == (False, False, False, False)


def test_rules_with_a_value_are_no_words():
    found = of("X-Robots-Tag: max-snippet: 20, noindex, max-image-preview:large, max-snippet: 3")
    assert set(found) == {"noindex"}
    assert found.values == {"max-snippet": "20", "max-image-preview": "large"}


@pytest.mark.parametrize(
    "text",
    [
        "25 Jun 2010 15:00:00 GMT",
        "Fri, 25 Jun 2010 15:00:00 GMT",
        "Friday, 25-Jun-10 15:00:00 GMT",
        "25 Jun 2010 08:00:00 PDT",
        "2010-06-25T15:00:00Z",
        "2010-06-25 15:00:00",
    ],
)
def test_a_date_may_be_written_in_many_ways(text):
    for found in (
        of(f"X-Robots-Tag: unavailable_after: {text}, noindex"),
        of(f"X-Robots-Tag: examplebot: unavailable_after: {text}, noindex"),
    ):
        assert found.unavailable_after == datetime(2010, 6, 25, 15, tzinfo=UTC)
        assert set(found) == {"noindex"}
    at = found.unavailable_after.timestamp()
    assert [found.expired(now) for now in (at - 1, at, at + 1)] == [False, False, True]


@pytest.mark.parametrize("text", ["never", "", "99 Foo 2010", "25 Jun 99999999999 00:00:00"])
def test_what_is_no_date_never_comes(text):
    found = of(f"X-Robots-Tag: unavailable_after: {text}")
    assert found.unavailable_after is None
    assert not found.expired(1e12)


# ---- use ----


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("search=yes, ai-train=no", {"search": True, "ai-train": False}),
        ("AI-Train = NO ,ai-input=yes", {"ai-train": False, "ai-input": True}),
        ("ai-train=maybe, use=reference, search", {}),
        ("ai-train=yes, ai-train=no", {"ai-train": False}),
        ("", {}),
    ],
)
def test_signals(text, uses):
    assert content_signal(text) == uses


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("train-ai=n", {"ai-train": False}),
        ("train-ai=y, search=n, ai-use=n", {"ai-train": True, "search": False, "ai-input": False}),
        # the last value counts, and only a token says anything (AIPREF vocabulary, "Multiple Preferences")
        ('train-ai=y, train-ai, search=n, search="n"', {}),
        ("train-ai;allow=n, train-ai=y", {"ai-train": True}),
        ("Train-AI=n", {}),
        ("train-ai=n,", {}),
    ],
)
def test_preferences(text, uses):
    assert content_usage(text) == uses


def test_several_that_speak_of_one_use_are_read_together_and_a_no_counts():
    found = of(
        "Content-Signal: search=yes, ai-train=yes",
        "Content-Usage: train-ai=n",
        "Content-Usage: search=y",
        metas=[("content-signal", "ai-input=no")],
        uses={"search": False, "tdm": True},
    )
    assert found.uses == {"search": False, "ai-train": False, "ai-input": False, "tdm": True}


@pytest.mark.parametrize(
    ("header", "meta", "uses"),
    [
        ("1", None, {"tdm": False}),
        ("0", None, {"tdm": True}),
        ("1", "0", {"tdm": True}),  # what the page says goes first
        ("0", "1", {"tdm": False}),
        (None, "1", {"tdm": False}),
        ("2", None, {}),
        ("", None, {}),
    ],
)
def test_text_and_data_mining_is_reserved_by_the_page_before_the_header(header, meta, uses):
    fields = [] if header is None else [f"TDM-Reservation: {header}", "TDM-Policy: https://a.test/policy"]
    found = of(*fields, metas=[] if meta is None else [("tdm-reservation", meta)])
    assert found.uses == uses
    assert found.tdm_policy == ("https://a.test/policy" if fields else None)


def test_a_page_that_says_nothing_costs_nothing():
    assert page("<meta name=viewport content=x>").directives is NOTHING
    assert of("Server: x") is NOTHING


ROBOTS = b"""\
User-Agent: *
Allow: /
Disallow: /never/
Content-Signal: search=yes, ai-input=no
Content-Usage: / train-ai=n
Content-Usage: /ai-ok/ train-ai=y
Content-Usage: /*.pdf$ train-ai=y, search=n

User-Agent: ExampleBot
Allow: /
Content-Usage: / train-ai=y
Content-Usage: / train-ai=n, search=y
"""


@pytest.mark.parametrize(
    ("agent", "target", "uses"),
    [
        ("other", "/test", {"ai-train": False, "search": True, "ai-input": False}),
        ("other", "/ai-ok/test", {"ai-train": True}),
        ("other", "/ai-ok", {"ai-train": False, "search": True, "ai-input": False}),
        ("other", "/x.pdf", {"ai-train": True, "search": False}),
        ("examplebot", "http://a.test/x?y", {"ai-train": False, "search": True}),
    ],
)
def test_in_robots_txt_the_longest_path_counts_and_equal_ones_together(agent, target, uses):
    assert robots.parse(ROBOTS).uses(agent, target) == uses


def test_lines_of_use_change_no_verdict():
    plain = b"\n".join(line for line in ROBOTS.split(b"\n") if not line.startswith(b"Content-"))
    with_uses, without = robots.parse(ROBOTS), robots.parse(plain)
    for agent in ("other", "examplebot"):
        for target in ("/", "/never/x", "/ai-ok/", "/x.pdf"):
            assert with_uses.verdict(agent, target).allowed == without.verdict(agent, target).allowed
    assert without.uses("other", "/") is NO_USES


def test_a_signal_without_a_group_is_nobodys_and_a_path_alone_says_nothing():
    assert robots.parse(b"Content-Signal: ai-train=no\nUser-agent: *\nDisallow:").uses("x", "/") == {}
    assert robots.parse(b"User-agent: *\nContent-Usage: /").uses("x", "/") == {}


# ---- the decision ----


def test_a_wish_is_written_in_one_way():
    assert [wish(text) for text in (" NoIndex", "train-ai=n", "AI-Train=no", "ai-use=n", "tdm=n", "search=no")] == [
        "noindex", "ai-train=n", "ai-train=n", "ai-input=n", "tdm=n", "search=n",
    ]  # fmt: skip
    assert [wish(each) for each in directives.WISHES] == list(directives.WISHES)
    for bad in ("", "index", "ai-train", "ai-train=y", "noindex=n", "foo=n"):
        with pytest.raises(ValueError, match="must be one of noindex"):
            wish(bad)


@pytest.mark.parametrize(
    ("field", "wishes", "expected"),
    [
        ("X-Robots-Tag: noindex", ["noindex"], "noindex"),
        ("X-Robots-Tag: noindex", ["noarchive"], None),
        ("X-Robots-Tag: noindex", [], None),
        ("X-Robots-Tag: nocache", ["noarchive"], "noarchive"),
        ("X-Robots-Tag: otherbot: noindex", ["noindex"], None),
        ("X-Robots-Tag: unavailable_after: 2001-01-01", ["noindex"], "unavailable_after"),
        ("X-Robots-Tag: unavailable_after: 2001-01-01", ["noarchive"], None),
        ("X-Robots-Tag: unavailable_after: 2101-01-01", ["noindex"], None),
        ("Content-Signal: ai-train=no", ["noindex", "ai-train=n"], "ai-train=n"),
        ("Content-Usage: train-ai=n", ["ai-train=n"], "ai-train=n"),
        ("Content-Signal: ai-train=yes", ["ai-train=n"], None),
        ("Content-Signal: search=no", ["ai-train=n"], None),
        ("TDM-Reservation: 1", ["tdm=n"], "tdm=n"),
        ("Server: x", ["noindex", "tdm=n"], None),
    ],
)
def test_a_page_is_refused_by_the_first_wish_that_it_denies(field, wishes, expected):
    assert refusal(of(field), wishes, now=1.7e9) == expected
