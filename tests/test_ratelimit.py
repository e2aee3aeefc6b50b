"""RateLimit fields, in the three spellings that sites use, and the nonsense that they send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit.headers import Headers
from scrapekit.ratelimit import FIELDS, Quota, quota

NOW = 1_700_000_000.0


def read(*fields: tuple[str, str]) -> Quota | None:
    return quota(Headers(list(fields)), NOW)


# -- draft-ietf-httpapi-ratelimit-headers: structured fields


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ('"default";r=50;t=30', Quota(50, 30)),
        ('"default"; r=50; t=30', Quota(50, 30)),
        ('  "default";r=50;t=30  ', Quota(50, 30)),
        ("default;r=50;t=30", Quota(50, 30)),
        ('"default";t=30;r=50', Quota(50, 30)),
        ('"default";r=0;t=5', Quota(0, 5)),
        ('"default";r=999;pk=:dHJpYWwxMjEzMjM=:;t=9', Quota(999, 9)),
        ('"a;r=1;t=9";r=50;t=30', Quota(50, 30)),
        (r'"say \"a\"";r=50;t=30', Quota(50, 30)),
        ('"hour";r=100;t=36, "day";r=10;t=7200', Quota(10, 7200)),
        ('"hour";r=100;t=36 ,\t"day";r=1000;t=36', Quota(100, 36)),
        ('"hour";r=0;t=36, "day";r=1;t=86400', Quota(0, 36)),
        ('"hour";r=0;t=36, "day";r=0;t=86400', Quota(0, 86400)),
        ('"default";r=50', None),  # for how long?
        ('"default";t=30', None),
        ('"default"', None),
        ('"default";r=0;t=0', None),
        # not what the grammar says
        ("", None),
        ('"default', None),
        ('"default";', None),
        ('"default";r=50;t=30,', None),
        (',"default";r=50;t=30', None),
        ('"default";r=50;t=30 x', None),
        ('"default";r=50;t=30;;', None),
        ('"default" "x";r=50;t=30', None),
        ('"default";r=-1;t=30', None),
        ('"default";r=1.5;t=30', None),
        ('"default";r="50";t=soon', None),
        ('"default";r=50;t=9999999999999999', None),
        ('"dé";r=50;t=30', None),
        (";r=50;t=30", None),
        ("50", None),
        ("x" * 5000 + ";r=50;t=30", None),
    ],
)
def test_a_structured_field_says_what_remains(field, expected):
    assert read(("RateLimit", field)) == expected


def test_several_lines_are_one_list():
    assert read(("RateLimit", '"a";r=100;t=36'), ("ratelimit", '"b";r=10;t=7200')) == Quota(10, 7200)


@pytest.mark.parametrize(
    ("field", "policy", "expected"),
    [
        ('"a";r=50', '"a";q=100;w=60', Quota(50, 60)),
        ('"a";r=50;t=9', '"a";q=100;w=60', Quota(50, 9)),
        ('"a";r=50', '"b";q=100;w=60', None),
        ('"a";r=50;t=9', ";;", Quota(50, 9)),
        ('"a";r=0;t=9', '"a";q=100;w=60;qu="content-bytes"', None),
        ('"a";r=0;t=9', '"a";q=100;w=60;qu="requests"', Quota(0, 9)),
    ],
)
def test_the_policy_tells_what_the_quota_leaves_out(field, policy, expected):
    assert read(("RateLimit", field), ("RateLimit-Policy", policy)) == expected


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ('"default";q=100;w=60', Quota(100, 60)),
        ('"burst";q=100;w=60,"daily";q=1000;w=86400', Quota(1000, 86400)),
        ("100;w=60", Quota(100, 60)),  # up to the draft's sixth version
        ("10;w=1, 50;w=60, 1000;w=3600", Quota(1000, 3600)),
        ('"default";q=100', None),
        ('"default";w=60', None),
        ('"default";q=0;w=60', None),
        ('"default";q=100;w=0', None),
        ('"default";q=100;w=60;qu="concurrent-requests"', None),
    ],
)
def test_a_policy_alone_tells_the_rate(policy, expected):
    assert read(("RateLimit-Policy", policy)) == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("limit=100, remaining=50, reset=5", Quota(50, 5)),
        ("limit=100,remaining=0,reset=5", Quota(0, 5)),
        ("remaining=7, reset=5", Quota(7, 5)),
        ("limit=100, remaining=50", None),
        ("limit=100, remaining=x, reset=5", None),
        ("limit=100, remaining=50, reset=5;", None),
    ],
)
def test_the_seventh_version_of_the_draft_is_understood(field, expected):
    assert read(("RateLimit", field)) == expected


# -- separate fields


@pytest.mark.parametrize("prefix", ["RateLimit-", "X-RateLimit-", "X-Rate-Limit-"])
@pytest.mark.parametrize(
    ("remaining", "reset", "expected"),
    [
        ("50", "30", Quota(50, 30)),
        ("0", "30", Quota(0, 30)),
        (" 50 ", "30", Quota(50, 30)),
        ("50, 50;w=1", "30", Quota(50, 30)),
        ("598.0", "242", Quota(598, 242)),
        ("0.5", "1.5", Quota(0, 1.5)),
        ("50", f"{NOW + 90:.0f}", Quota(50, 90)),
        ("50", f"{(NOW + 90) * 1000:.0f}", Quota(50, 90)),
        ("50", f"{NOW - 90:.0f}", None),
        ("50", f"{NOW:.0f}", None),
        ("50", "0", None),
        ("50", "-1", None),
        ("-1", "30", None),
        ("unlimited", "30", None),
        ("50", "2023-11-14T22:15:00Z", None),
        ("", "", None),
        ("5" * 200, "30", None),
        ("٥", "30", None),
    ],
)
def test_separate_fields_say_the_same(prefix, remaining, reset, expected):
    assert read((prefix + "Remaining", remaining), (prefix + "Reset", reset)) == expected


def test_one_of_the_two_alone_says_nothing():
    assert read(("X-RateLimit-Remaining", "0")) is None
    assert read(("X-RateLimit-Reset", "30")) is None


def test_of_several_spellings_the_tightest_counts():
    fields = ("X-RateLimit-Remaining", "1"), ("X-RateLimit-Reset", "60"), ("RateLimit", '"a";r=50;t=30')
    assert read(*fields) == Quota(1, 60)


# -- what is made of it


@pytest.mark.parametrize(
    ("granted", "pause"),
    [(Quota(10, 30), 3.0), (Quota(1, 59), 59.0), (Quota(1, 61), 60.0), (Quota(0, 30), 0.0)],
)
def test_the_pause_spreads_what_remains_up_to_a_minute(granted, pause):
    assert granted.pause == pause


@given(st.sampled_from(sorted(FIELDS | {"x-ratelimit-reset"})), st.text(st.characters(codec="latin-1"), max_size=60))
def test_whatever_the_text_there_is_an_answer(name, text):
    granted = read((name, text), ("ratelimit-reset", "5"), ("x-rate-limit-remaining", "7"))
    assert granted is None or (granted.remaining >= 0 and granted.seconds > 0)
