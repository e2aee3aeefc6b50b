"""Hours of the day at which a host may be visited, on the wall clock of some place."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit import hours
from scrapekit.robots import VisitTime


def at(text: str) -> float:
    """A moment, from the time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def opening(visit: str, now: str) -> str:
    return datetime.fromtimestamp(hours.parse(visit).opens(at(now)), UTC).strftime("%m-%d %H:%M:%S")


@pytest.mark.parametrize(
    ("visit", "now", "expected"),
    [
        # UTC, unless something else is said
        ("01:00-05:00", "2026-01-10 00:59:59", "01-10 01:00:00"),
        ("01:00-05:00", "2026-01-10 01:00:00", "01-10 01:00:00"),
        ("01:00-05:00", "2026-01-10 04:59:59", "01-10 04:59:59"),
        ("01:00-05:00", "2026-01-10 05:00:00", "01-11 01:00:00"),
        ("01:00-05:00 UTC", "2026-01-10 05:00:00", "01-11 01:00:00"),
        ("1:00 - 5:00", "2026-01-10 05:00:00", "01-11 01:00:00"),
        # over midnight, and up to it
        ("22:00-06:00", "2026-01-10 23:00:00", "01-10 23:00:00"),
        ("22:00-06:00", "2026-01-10 05:59:59", "01-10 05:59:59"),
        ("22:00-06:00", "2026-01-10 06:00:00", "01-10 22:00:00"),
        ("22:00-24:00", "2026-01-10 23:59:59", "01-10 23:59:59"),
        ("22:00-24:00", "2026-01-11 00:00:00", "01-11 22:00:00"),
        ("22:00-00:00", "2026-01-11 00:00:00", "01-11 22:00:00"),
        ("00:00-24:00", "2026-01-10 12:00:00", "01-10 12:00:00"),
        # several ranges
        ("01:00-02:00, 13:00-14:00", "2026-01-10 02:00:00", "01-10 13:00:00"),
        ("01:00-02:00,13:00-14:00", "2026-01-10 14:00:00", "01-11 01:00:00"),
        # the wall clock of a place: one hour ahead in winter, two in summer
        ("01:00-05:00 Europe/Berlin", "2026-01-10 12:00:00", "01-11 00:00:00"),
        ("01:00-05:00 Europe/Berlin", "2026-07-10 12:00:00", "07-10 23:00:00"),
        ("01:00-02:00, 13:00-14:00 Europe/Berlin", "2026-01-10 01:00:00", "01-10 12:00:00"),
        ("01:00-02:00 Europe/Berlin, 13:00-14:00", "2026-01-10 01:00:00", "01-10 12:00:00"),
        ("01:00-02:00 UTC, 13:00-14:00 Asia/Kolkata", "2026-01-10 02:00:00", "01-10 07:30:00"),
        ("01:00-02:00 America/New_York", "2026-01-10 12:00:00", "01-11 06:00:00"),
        # 29 March 2026, Berlin: 02:00 is 03:00, at 01:00 UTC
        ("02:00-03:00 Europe/Berlin", "2026-03-28 12:00:00", "03-30 00:00:00"),
        ("02:30-05:00 Europe/Berlin", "2026-03-28 12:00:00", "03-29 01:00:00"),
        ("04:00-05:00 Europe/Berlin", "2026-03-28 12:00:00", "03-29 02:00:00"),
        ("01:00-02:30 Europe/Berlin", "2026-03-29 01:00:00", "03-29 23:00:00"),
        # 25 October 2026, Berlin: 03:00 is 02:00 again, at 01:00 UTC
        ("02:00-03:00 Europe/Berlin", "2026-10-24 12:00:00", "10-25 00:00:00"),
        ("02:00-03:00 Europe/Berlin", "2026-10-25 01:30:00", "10-25 01:30:00"),
        ("01:00-02:30 Europe/Berlin", "2026-10-25 00:30:00", "10-25 01:00:00"),
        ("02:30-02:45 Europe/Berlin", "2026-10-25 00:45:00", "10-25 01:30:00"),
        ("04:00-05:00 Europe/Berlin", "2026-10-24 12:00:00", "10-25 03:00:00"),
        # half an hour, on Lord Howe Island
        ("02:15-02:30 Australia/Lord_Howe", "2026-10-03 12:00:00", "10-04 15:15:00"),
    ],
)  # fmt: skip
def test_the_next_moment_at_which_a_visit_is_welcome(visit, now, expected):
    assert opening(visit, now) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", 'must be hours, such as "01:00-05:00 Europe/Berlin", not ""'),
        ("night", 'not "night"'),
        ("1-5", 'not "1-5"'),
        ("01:00", 'not "01:00"'),
        ("01:00-05:00,", 'not ""'),
        ("01:00-05:00 Mon", '"Mon" is no time zone'),
        ("01:00-05:00 Europe", '"Europe" is no time zone'),
        ("01:00-05:00 Europe/Atlantis", '"Europe/Atlantis" is no time zone'),
        ("01:00-05:00 ../../etc/passwd", "must be hours"),
        ("01:00-05:00 UTC+1 x", "must be hours"),
        ("01:60-05:00", '"01:60" is no time of the day'),
        ("01:00-24:01", '"24:01" is no time of the day'),
        ("25:00-05:00", '"25:00" is no time of the day'),
        ("05:00-05:00", "has no time in"),
        ("24:00-05:00", "has no time in"),
        ("01:00-02:00 UTC, 03:00-04:00, 05:00-06:00 Asia/Tokyo", "each range must name its own"),
    ],
)
def test_text_that_is_no_hours_is_refused_with_what_is_wrong(text, complaint):
    with pytest.raises(ValueError) as caught:
        hours.parse(text)
    assert complaint in str(caught.value)


def test_hours_are_shown_as_they_were_written():
    assert str(hours.parse(" 01:00-05:00 Europe/Berlin ")) == "01:00-05:00 Europe/Berlin"
    assert str(hours.of_robots(VisitTime(6 * 60, 8 * 60 + 45))) == "06:00-08:45 UTC"
    assert str(hours.of_robots(VisitTime(0, 24 * 60 + 59))) == "00:00-24:00 UTC"


@pytest.mark.parametrize(
    ("visit", "now", "expected"),
    [
        (VisitTime(360, 525), "2026-01-10 05:59:00", "2026-01-10 06:00:00"),
        (VisitTime(360, 525), "2026-01-10 08:44:59", "2026-01-10 08:44:59"),
        (VisitTime(360, 525), "2026-01-10 08:45:00", "2026-01-11 06:00:00"),
        (VisitTime(1380, 60), "2026-01-10 00:30:00", "2026-01-10 00:30:00"),
        (VisitTime(0, 1440), "2026-01-10 23:59:59", "2026-01-10 23:59:59"),
        (VisitTime(0, 1499), "2026-01-10 12:00:00", "2026-01-10 12:00:00"),
        (VisitTime(300, 300), "2026-01-10 12:00:00", "2026-01-10 12:00:00"),
    ],
)
def test_the_visit_time_of_robots_txt_is_in_utc(visit, now, expected):
    assert hours.of_robots(visit).opens(at(now)) == at(expected)


@pytest.mark.parametrize(
    ("visits", "expected"),
    [
        ([], "2026-01-10 12:00:00"),
        (["10:00-14:00"], "2026-01-10 12:00:00"),
        (["10:00-14:00", "13:00-20:00"], "2026-01-10 13:00:00"),
        (["10:00-11:00", "10:30-20:00"], "2026-01-11 10:30:00"),
        (["22:00-06:00", "05:00-09:00"], "2026-01-11 05:00:00"),
        (["01:00-02:00, 15:00-16:00", "15:30-17:00"], "2026-01-10 15:30:00"),
    ],
)
def test_hours_of_both_kinds_must_hold(visits, expected):
    assert hours.opens(at("2026-01-10 12:00:00"), [hours.parse(visit) for visit in visits]) == at(expected)


def test_hours_that_never_meet_never_open():
    visits = [hours.parse("01:00-02:00"), hours.parse("02:00-03:00")]
    assert hours.opens(at("2026-01-10 12:00:00"), visits) == math.inf


ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Gaza"]
)
MINUTES = st.integers(0, 1439)


def holds(moment: float, start: int, end: int, zone: str) -> bool:
    wall = datetime.fromtimestamp(moment, ZoneInfo(zone))
    minute = wall.hour * 60 + wall.minute
    return start <= minute < end if start < end else minute >= start or minute < end


@given(MINUTES, MINUTES, ZONES, st.floats(1.6e9, 1.9e9))
def test_it_is_the_first_moment_that_the_wall_clock_shows(start, end, zone, now):
    if start == end:
        return
    visit = hours.parse(f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02} {zone}")
    opens = visit.opens(now)
    assert opens >= now
    assert holds(opens, start, end, zone)
    minutes = range(math.ceil(now), math.floor(opens), 60)
    assert opens == now or not any(holds(minute, start, end, zone) for minute in minutes)
    assert opens == now or not holds(opens - 1, start, end, zone)
