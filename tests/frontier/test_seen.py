"""The set of fingerprints holds exactly what was put in, in few bytes each."""

from __future__ import annotations

import random
import sys

from hypothesis import given
from hypothesis import strategies as st

from scrapekit.frontier.seen import CUT, Seen, strung

#: Of few different bytes, so that many share a bucket and stand in each other across their borders.
ALIKE = st.binary(min_size=16, max_size=16).map(lambda data: bytes(3) + bytes(byte & 1 for byte in data[3:]))


@given(st.lists(st.sets(ALIKE, max_size=30), max_size=5), st.lists(ALIKE, max_size=30))
def test_it_holds_what_was_added_and_nothing_else(batches: list[set[bytes]], others: list[bytes]) -> None:
    seen, model = Seen(), set()
    for batch in batches:
        new = {one[:CUT]: one for one in batch if one[:CUT] not in model}
        seen.add(strung(new.values()))
        model |= new.keys()
        assert len(seen) == len(model)
        for one in [*batch, *others]:
            assert (one in seen) == (one[:CUT] in model)


def test_what_is_found_across_the_border_of_two_is_not_seen() -> None:
    seen = Seen()
    one, two = bytes(3) + b"abcdefgh" + bytes(5), bytes(3) + b"ijklmnop" + bytes(5)
    seen.add(strung([one, two]))
    assert one in seen
    assert two in seen
    assert bytes(3) + b"efghijkl" + bytes(5) not in seen


def test_each_of_the_81_bits_counts() -> None:
    seen, one = Seen(), bytes(range(100, 116))
    seen.add(strung([one]))
    number = int.from_bytes(one, "big")
    flipped = [(number ^ 1 << 127 - bit).to_bytes(16, "big") in seen for bit in range(128)]
    # 17 bits for the bucket, 64 in it; the seven between them and those beyond are not looked at.
    assert [bit for bit, still in enumerate(flipped) if not still] == [*range(17), *range(24, 88)]


def test_what_is_no_fingerprint_is_not_in_it() -> None:
    assert None not in Seen()
    assert "text" not in Seen()


def test_a_million_take_less_than_sixteen_bytes_each() -> None:
    seen = Seen()
    seen.add(random.Random(5).randbytes(CUT * 1_000_000))
    assert len(seen) == 1_000_000
    assert sys.getsizeof(seen._buckets) + sum(map(sys.getsizeof, seen._buckets)) < 16_000_000
