"""Content codings: taken off as the bytes come, within bounds, or refused in our own words."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from scrapekit.errors import BadResponse, TooLarge
from scrapekit.http.decoding import MAX_CHAIN, PIECE, Decoder, codings, decode

GOOD = b"good " * 200
LIMIT = 10_000


def bare(data):
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(data) + engine.flush()


PACK = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}
#   what                     coding     the bytes
STREAMS = {
    **{name: (name, pack(GOOD)) for name, pack in PACK.items()},
    "bare deflate": ("deflate", bare(GOOD)),  # E07
    "two members": ("gzip", gzip.compress(GOOD[:300]) + gzip.compress(GOOD[300:])),  # E08
    "rubbish behind": ("gzip", gzip.compress(GOOD) + b"\0\0rubbish"),  # E08
    "a member's first byte behind": ("gzip", gzip.compress(GOOD) + b"\x1f"),
    "two frames": ("zstd", zstandard.compress(GOOD[:300]) + zstandard.compress(GOOD[300:])),
    "stored": ("gzip", gzip.compress(GOOD, 0)),
}


def in_pieces(pieces, names, limit=LIMIT):
    decoder = Decoder(names, limit=limit)
    body = b"".join(out for piece in pieces for out in decoder.feed(piece))
    decoder.finish()
    return body


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_unpacks_the_same_wherever_it_is_cut(name):
    coding, packed = STREAMS[name]
    assert decode(packed, [coding], limit=LIMIT) == GOOD
    for cut in range(len(packed) + 1):
        assert in_pieces([packed[:cut], packed[cut:]], [coding]) == GOOD, f"cut at {cut}"
    assert in_pieces([bytes([byte]) for byte in packed], [coding]) == GOOD


@pytest.mark.parametrize("name", PACK)
def test_a_stream_that_is_cut_short_is_an_error_at_every_place(name):  # E06
    packed = PACK[name](GOOD)
    for cut in range(1, len(packed)):
        with pytest.raises(BadResponse) as caught:
            decode(packed[:cut], [name], limit=LIMIT)
        assert caught.value.phase == "decode"


@pytest.mark.parametrize("name", PACK)
def test_what_is_not_packed_is_an_error(name):  # E04
    with pytest.raises(BadResponse) as caught:
        decode(b"<html>plain</html>" * 10, [name], limit=LIMIT)
    assert caught.value.phase == "decode"


@pytest.mark.parametrize("name", PACK)
def test_an_empty_body_is_empty_whatever_it_was_packed_in(name):  # E12
    assert decode(b"", [name], limit=LIMIT) == b""


@pytest.mark.parametrize("name", PACK)
def test_nothing_packed_is_nothing(name):
    assert decode(PACK[name](b""), [name], limit=LIMIT) == b""


@pytest.mark.parametrize("name", PACK)
@pytest.mark.parametrize(
    ("limit", "fits"), [(len(GOOD) + 1, True), (len(GOOD), True), (len(GOOD) - 1, False), (1, False)]
)
def test_a_body_inflates_as_far_as_allowed(name, limit, fits):
    packed = PACK[name](GOOD)
    if fits:
        assert decode(packed, [name], limit=limit) == GOOD
    else:
        with pytest.raises(TooLarge):
            decode(packed, [name], limit=limit)


@pytest.mark.parametrize("name", PACK)
def test_a_bomb_costs_little_more_than_the_limit(name):  # E01
    packed = PACK[name](bytes(64 * 1024 * 1024))
    limit = 1024 * 1024
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            decode(packed, [name], limit=limit)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit + 16 * 1024 * 1024


@pytest.mark.parametrize("name", ["gzip", "deflate", "br"])
def test_pieces_are_small(name):
    decoder = Decoder([name], limit=1 << 30)
    sizes = [len(piece) for piece in decoder.feed(PACK[name](bytes(20 * PIECE)))]
    assert sum(sizes) == 20 * PIECE
    assert max(sizes) <= 4 * PIECE


@pytest.mark.parametrize("depth", range(1, MAX_CHAIN + 3))
def test_a_chain_is_as_long_as_allowed(depth):  # E02
    packed = GOOD
    for _ in range(depth):
        packed = gzip.compress(packed)
    if depth <= MAX_CHAIN:
        assert decode(packed, ["gzip"] * depth, limit=LIMIT) == GOOD
    else:
        with pytest.raises(BadResponse):
            decode(packed, ["gzip"] * depth, limit=LIMIT)


def test_codings_come_off_in_the_opposite_order():
    packed = gzip.compress(brotli.compress(GOOD))
    assert decode(packed, codings("br, gzip"), limit=LIMIT) == GOOD


def test_every_layer_has_the_limit():
    inner = gzip.compress(bytes(10_000_000))  # some 10 KB
    packed = gzip.compress(inner)
    with pytest.raises(TooLarge):
        decode(packed, ["gzip", "gzip"], limit=100)


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("gzip", ["gzip"]),
        (" GZIP ,br", ["gzip", "br"]),
        ("identity", []),  # E09
        ("UTF-8", []),
        ("X-GZIP", ["x-gzip"]),
        ("", []),
        (",,", []),
        ("foo", ["foo"]),
    ],
)
def test_what_is_no_coding_is_left_out(field, names):
    assert codings(field) == names


def test_an_unknown_coding_is_refused():  # E09
    with pytest.raises(BadResponse, match="foo"):
        decode(b"x", ["foo"], limit=10)


@given(st.sampled_from(sorted(PACK)), st.binary(max_size=2000), st.lists(st.integers(1, 300), max_size=20))
def test_any_body_comes_back_from_any_cuts(name, body, cuts):
    packed = PACK[name](body)
    pieces, start = [], 0
    for cut in [*cuts, len(packed)]:
        pieces.append(packed[start : start + cut])
        start += cut
    assert in_pieces(pieces, [name]) == body


@given(st.sampled_from(sorted(PACK)), st.binary(max_size=300), st.integers(0, 40), st.integers(0, 255))
def test_damage_is_noticed_in_our_own_words_or_does_no_harm(name, body, place, byte):
    packed = bytearray(PACK[name](body))
    packed[place % len(packed)] = byte
    caught = None
    try:
        decode(bytes(packed), [name], limit=LIMIT)
    except BadResponse as error:
        caught = error
    assert caught is None or caught.phase == "decode"
