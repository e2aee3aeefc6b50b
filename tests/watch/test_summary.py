from __future__ import annotations

import io
from collections import Counter

from scrapekit.stats import Stats
from scrapekit.watch.console import Console
from scrapekit.watch.summary import summary


def example() -> Stats:
    return Stats(
        seen=1211,
        fetched=1169,
        failed=7,
        disallowed=2,
        dropped=30,
        pending=3,
        duplicates=20_412,
        items=1168,
        rejected=1,
        sends=1190,
        retries=12,
        redirects=1,
        bytes=3_565_158,
        hosts=3,
        statuses=Counter({200: 1169, 404: 3, 503: 12}),
        reasons=Counter(
            {
                ("failed", "status 404"): 3,
                ("failed", "timeout"): 2,
                ("failed", "callback"): 1,
                ("failed", "tls"): 1,
                ("disallowed", "robots.txt"): 2,
                ("dropped", "offsite"): 30,
            }
        ),
        end="max-pages",
        duration=12.34,
    )


FILES = {"items": "quotes.jsonl", "rejected": ".scrapekit/runs/20261123-101502-quotes/rejected.jsonl"}

WHOLE = """\
quotes stopped at --max-pages after 12.3 s

    fetched         1,169
  + failed              7   status 404 (3), timeout (2), callback (1), 1 other
  + disallowed          2   robots.txt (2)
  + dropped            30   offsite (30)
  + pending             3
  = seen            1,211   and 20,412 duplicates, not counted
    sends           1,190   12 retries, 1 redirect, 3.4 MiB from 3 hosts
    statuses                200 (1,169), 503 (12), 404 (3)
    pages/s          94.7
    items           1,168   and 1 rejected

  items     quotes.jsonl
  rejected  .scrapekit/runs/20261123-101502-quotes/rejected.jsonl
"""


def printed(stats: Stats, **options: object) -> str:
    out = io.StringIO()
    Console(file=out, width=40).say(summary("quotes", stats, **options))  # type: ignore[arg-type]
    return "\n".join(line.rstrip() for line in out.getvalue().split("\n"))


def test_the_summary_adds_up_and_says_where_things_are() -> None:
    assert printed(example(), files=FILES) == WHOLE


def test_it_is_the_same_on_a_terminal_but_for_colours() -> None:
    assert summary("quotes", example(), files=FILES).plain + "\n" == WHOLE
    assert summary("quotes", example()).spans


def test_no_item_is_said_with_what_matched_nothing() -> None:
    stats = example()
    stats.items, stats.rejected = 0, 0
    stats.misses = Counter({f"Quote.f{n} span.f{n}": 100 - n for n in range(11)})
    assert printed(stats).split("\n\n")[2].split("\n")[:4] == [
        "No item came out of 1,169 pages.",
        "These selectors matched nothing:",
        "  Quote.f0 span.f0  (100 times)",
        "  Quote.f1 span.f1  (99 times)",
    ]
    assert printed(stats).endswith("  and 1 more\n")


def test_no_item_without_a_selector_to_blame() -> None:
    assert printed(Stats(seen=1, fetched=1)).endswith("No item came out of 1 page.\nNo callback yielded one.\n")
    assert printed(Stats(seen=1, fetched=1, rejected=2)).endswith("\nAll that were found were rejected.\n")
    assert printed(Stats(seen=1, failed=1)).endswith("\n\nNo item came out of 0 pages.\n")


def test_no_item_is_no_wonder_where_no_page_has_changed() -> None:
    reasons = Counter({("fetched", "unchanged"): 2})
    assert "No item" not in printed(Stats(seen=2, fetched=2, reasons=reasons))
    assert "No item came out of 1 page.\n" in printed(Stats(seen=3, fetched=3, reasons=reasons))


def test_an_end_without_words_of_its_own_is_said_as_it_is() -> None:
    assert printed(Stats(end="disk full")).startswith("quotes stopped: disk full after 0.0 s\n")
    assert printed(Stats(end="finished")).startswith("quotes finished after 0.0 s\n")


def test_names_cannot_command_the_terminal() -> None:
    stats = example()
    stats.reasons["failed", "\x1b[2J"] = 50
    assert "\\x1b[2J (50)" in printed(stats)
