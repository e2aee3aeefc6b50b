from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit import units


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (0, 0),
        (1, 1),
        ("1", 1),
        ("7 B", 7),
        ("1kB", 1000),
        ("1 KB", 1000),
        ("1 KiB", 1024),
        ("32 MiB", 33554432),
        ("32mib", 33554432),
        ("1.5 MiB", 1572864),
        (" 2 GB ", 2_000_000_000),
        ("1 GiB", 1073741824),
    ],
)
def test_a_size_is_a_number_of_bytes_or_a_number_with_its_unit(text: object, count: int) -> None:
    assert units.size(text) == count


@pytest.mark.parametrize(
    "wrong", [True, False, 1.5, None, "", "MiB", "-1 B", "1 M", "1 Mib it", "0.3 KiB", "1_0", [], "١ B"]
)
def test_what_is_no_size_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        units.size(wrong)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (0, 0.0),
        (1, 1.0),
        (0.25, 0.25),
        ("30", 30.0),
        ("1.5 s", 1.5),
        ("500 ms", 0.5),
        ("10m", 600.0),
        ("10 min", 600.0),
        ("1h 30m", 5400.0),
        ("1h30min", 5400.0),
        ("2 days", 172800.0),
        (" .5s ", 0.5),
    ],
)
def test_a_duration_is_a_number_of_seconds_or_numbers_with_units(text: object, seconds: float) -> None:
    assert units.duration(text) == seconds


@pytest.mark.parametrize(
    "wrong", [True, None, math.inf, math.nan, "", "  ", "m", "1h 30", "30 1h", "-1 s", "1 month", "1,5 s", {}]
)
def test_what_is_no_duration_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        units.duration(wrong)


@given(st.integers(min_value=0, max_value=2**50))
def test_a_size_written_out_reads_back_the_same(count: int) -> None:
    assert units.size(units.size_text(count)) == count


@given(st.one_of(st.integers(0, 10**6).map(float), st.floats(0.001, 1e6)))
def test_a_duration_written_out_reads_back_the_same(seconds: float) -> None:
    assert units.duration(units.duration_text(seconds)) == pytest.approx(seconds, rel=1e-15)


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (33554432, "32 MiB")])
def test_a_size_is_written_in_the_largest_unit_that_fits(count: int, text: str) -> None:
    assert units.size_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0 s"), (1.0, "1 s"), (0.25, "0.25 s"), (600.0, "10 min"), (7200.0, "2 h")]
)
def test_a_duration_is_written_in_the_largest_unit_that_fits(seconds: float, text: str) -> None:
    assert units.duration_text(seconds) == text
