"""What ended is packed small, and what was packed once can be read for ever."""

from __future__ import annotations

from scrapekit.frontier import Archived, Ended, Outcome, Row, Validators
from scrapekit.frontier.archive import pack, unpack
from scrapekit.request import Request

#: As version 1 of the file has it.
PACKED = (
    "8b8e3647382651af24b5b844bf4249c7084310bb13d253639474802c68ba8881248c1858ca00f1a363d08dcacf4989518a45757369"
    "5e7246625e3a880d727c2ac2f1c0e884458e8281298ae30d823c9562754c758c626301"
)
REQUEST = Request("https://a.test/x", callback="page", depth=2, parent="https://a.test/")
VALIDATORS = Validators('"e"', "Mon, 23 Nov 2026 05:00:00 GMT", b"\x00\xff")


def test_an_archive_of_the_first_version_is_read() -> None:
    assert list(unpack(bytes.fromhex(PACKED))) == [
        Archived(7, REQUEST, ("https://a.test/old",), Outcome.FETCHED, "unchanged", VALIDATORS, 5, 2)
    ]


def test_what_was_packed_comes_back_in_its_order() -> None:
    rows = [Row(n, "a.test", REQUEST.at(f"https://a.test/{n}")) for n in range(50)]
    ended = [Ended(row, list(Outcome)[row.id % 4], f"why {row.id}", items=row.id) for row in rows]
    there = list(unpack(pack([(one, 100 - one.row.id) for one in ended])))
    assert [(one.id, one.request, one.outcome, one.reason, one.place, one.items) for one in there] == [
        (one.row.id, one.row.request, one.outcome, one.reason, 100 - one.row.id, one.row.id) for one in ended
    ]


def test_one_outcome_alone_is_packed_small_too() -> None:
    url = "https://www.shop.example/catalogue/section-07/article-000123456/a-name-of-a-thing.html"
    request = Request(url, callback="parse_article", depth=3, parent="https://www.shop.example/catalogue/section-07/")
    row = Row(123456, "www.shop.example", request)
    alone = pack([(Ended(row, Outcome.FETCHED, "", Validators('"5e3f-64fa"', VALIDATORS.modified, b"12345678")), 99)])
    assert len(alone) < len(url) + 60
