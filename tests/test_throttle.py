"""How long a host rests between two sends, and by whose wish."""

from __future__ import annotations

import pytest

from scrapekit.throttle import FREE, Pause, pause


@pytest.mark.parametrize(
    ("delay", "crawl_delay", "most", "expected"),
    [
        (1.0, None, 60, Pause(1.0, "delay")),
        (0.0, None, 60, Pause(0.0, FREE)),
        (1.0, 0.5, 60, Pause(1.0, "delay")),
        (1.0, 1.0, 60, Pause(1.0, "delay")),
        (1.0, 1.5, 60, Pause(1.5, "crawl-delay")),
        (0.0, 0.0, 60, Pause(0.0, FREE)),
        (0.0, 0.1, 60, Pause(0.1, "crawl-delay")),
        (1.0, 86400, 60, Pause(60, "crawl-delay")),
        (90.0, 86400, 60, Pause(90.0, "delay")),
        (1.0, 5, 0, Pause(1.0, "delay")),
    ],
)
def test_the_largest_pause_counts_and_says_whose_it_is(delay, crawl_delay, most, expected):
    assert pause(delay=delay, crawl_delay=crawl_delay, max_crawl_delay=most) == expected


def test_without_a_limit_a_crawl_delay_counts_in_full():
    assert pause(delay=1.0, crawl_delay=1e9) == Pause(1e9, "crawl-delay")
