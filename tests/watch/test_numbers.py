from __future__ import annotations

from collections.abc import Callable

import pytest

from scrapekit.watch.numbers import clock, count, counted, rate, size, span, wait


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        (count, 0, "0"),
        (count, 999, "999"),
        (count, 1169, "1,169"),
        (size, 0, "0 bytes"),
        (size, 1, "1 byte"),
        (size, 1023, "1023 bytes"),
        (size, 1024, "1.0 KiB"),
        (size, 1024**2 - 1, "1.0 MiB"),
        (size, 3_565_158, "3.4 MiB"),
        (size, 5 * 1024**6, "5,120.0 PiB"),
        (span, 0.04, "0.0 s"),
        (span, 12.34, "12.3 s"),
        (span, 59.94, "59.9 s"),
        (span, 59.96, "1 min 00 s"),
        (span, 125.4, "2 min 05 s"),
        (span, 3599.4, "59 min 59 s"),
        (span, 3599.6, "1 h 00 min"),
        (span, 86400 * 50 + 120, "1,200 h 02 min"),
        (wait, 0.84, "0.8 s"),
        (wait, 9.94, "9.9 s"),
        (wait, 9.96, "10 s"),
        (wait, 12.4, "12 s"),
        (wait, 59.4, "59 s"),
        (wait, 60.2, "1 min 00 s"),
        (clock, 0.9, "0:00"),
        (clock, 67, "1:07"),
        (clock, 3600, "1:00:00"),
        (clock, 3723.9, "1:02:03"),
        (rate, 0.0, "0.00"),
        (rate, 0.05, "0.05"),
        (rate, 0.996, "1.0"),
        (rate, 99.94, "99.9"),
        (rate, 99.96, "100"),
        (rate, 1234.4, "1,234"),
    ],
)
def test_numbers_are_written_for_people(form: Callable[[float], str], value: float, text: str) -> None:
    assert form(value) == text


def test_one_is_not_many() -> None:
    assert [counted(n, "page") for n in (0, 1, 1169)] == ["0 pages", "1 page", "1,169 pages"]
    assert counted(2, "retry", "retries") == "2 retries"
