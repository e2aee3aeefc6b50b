"""What is fuzzed, each a function of one random source that fails by an AssertionError, or by what is none of ours.

``exchange``: bytes of an answer to an outcome. ``decoder``: packed bodies. ``wire``: a client on a connection, and the
request after that. Whatever comes: an answer or our error, the same however the bytes are cut, memory bounded, no hang.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

import curio

from scrapekit.errors import BadResponse, FetchError
from scrapekit.headers import Headers
from scrapekit.http import Client, Deadlines, Sizes, Terms
from scrapekit.http.decoding import PIECE, Decoder, codings
from scrapekit.http.exchange import Exchange
from scrapekit.testing import CLOSE, RESET, SILENCE, FakeNetwork, VirtualClock
from tests.fuzz.inputs import PACKERS, an_answer, body_of, mutated, packed, pieces
from tests.scenarios.server import GOOD

SIZES: Final = Sizes(max_size=50_000, max_head=4000, max_fields=50, max_interim=5)
METHODS: Final = ["GET", "GET", "GET", "HEAD", "POST"]
#: A read of the wire is no longer.
READ: Final = 65_536

Outcome = tuple[Any, ...]


def exchange(random: Random) -> None:
    """An exchange and the decoding of its body."""
    method, raw = random.choice(METHODS), an_answer(random)
    whole, cut = _exchanged(method, [raw]), _exchanged(method, pieces(random, raw))
    assert whole == cut, (method, raw, whole, cut)


def _exchanged(method: str, reads: Sequence[bytes]) -> Outcome:
    """Status and body, or that it was an error; which one may depend on how much was read when it was noticed."""
    made = Exchange(method, SIZES)
    sent: list[bytes] = []
    try:
        for read in [*reads, b""]:
            if made.feed(read):
                break
            assert read, "the end has come, and the answer is neither complete nor an error"
            sent.append(made.take())
            assert made.received <= sum(map(len, reads))
            assert _held(made) <= 2 * SIZES.max_head + READ
        sent.append(made.take())
        body = b"".join(sent)
        assert len(body) == made.size <= SIZES.max_size
        assert made.head is not None
        assert (
            made.head.length is None
            or method == "HEAD"
            or made.head.status in (204, 304)
            or made.head.length == len(body)
        )
        fields = made.head.headers.get_all("content-encoding")
        return made.head.status, made.head.headers.raw, _decoded(codings(",".join(fields)), [body])
    except BadResponse as error:
        _check(error)
        return ("error",)


def _check(error: FetchError, facts: tuple[str, str, bool] = ("", "", False)) -> None:
    assert error.phase in ("head", "body", "decode")
    assert "\n" not in str(error)
    assert (error.url, error.host, error.sent) == facts


def _held(made: Exchange) -> int:
    engine = getattr(made, "_engine", None)
    return len(engine.trailing_data[0]) if engine is not None else len(made._begun)


def decoder(random: Random) -> None:
    """A packed body, changed or as it is, in one piece and in many."""
    names = random.choices(list(PACKERS), k=random.choice([1, 1, 1, 2, 3, 6]))
    body = body_of(random)
    good = packed(random, names, body)
    raw = mutated(random, good, [b"\0", b"\xff" * 8, b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd"])
    whole, cut = _tried(names, [raw]), _tried(names, pieces(random, raw))
    # Given a whole frame at once, zstd's engine is stricter on blocks that hold nothing.
    assert whole == cut or ("zstd" in names and None in (whole, cut)), (names, raw, whole, cut)
    if raw == good and len(names) <= 5:
        assert whole == (body if len(body) <= SIZES.max_size else None), (names, raw)


def _tried(names: Sequence[str], reads: Sequence[bytes]) -> bytes | None:
    try:
        return _decoded(names, reads)
    except BadResponse as error:
        _check(error)
        return None


def _decoded(names: Sequence[str], reads: Sequence[bytes]) -> bytes:
    if not names:
        return b"".join(reads)
    made, given = Decoder(names, limit=SIZES.max_size), bytearray()
    for read in reads:
        for piece in made.feed(read):
            assert len(piece) <= PIECE + 128 * 1024
            given += piece
    made.finish()
    assert len(given) <= SIZES.max_size
    return bytes(given)


DEADLINES: Final = Deadlines(5.0, 10.0, 20.0, min_rate=10, rate_window=5.0)


def wire(random: Random) -> None:
    """A client, an answer that comes by and by, and another request; nothing is left open."""
    method, raw = random.choice(METHODS), an_answer(random)
    steps: list[Any] = []
    for piece in pieces(random, raw):
        steps += [piece, *([random.choice([0.5, 3.0, 30.0])] if not random.randrange(6) else [])]
    steps.append(random.choice([CLOSE, CLOSE, RESET, SILENCE]))
    clock = VirtualClock()
    network = FakeNetwork({"a.test": {"/": tuple(steps), "/good": GOOD}}, chop=random.choice([None, None, 7]))

    async def main() -> None:
        async with Client(network.resolver, dial=network.dial, now=clock) as client:
            begin = clock.now
            await _asked(client, method)
            assert clock.now - begin <= DEADLINES.connect + DEADLINES.total
            await curio.sleep(1000.0)  # whatever else was to come is there
            terms = Terms(DEADLINES, SIZES)
            reply = await client.send("GET", "http://a.test/good", Headers(), terms=terms)
            assert reply.body == b"good", (method, steps)

    clock.run(main)
    assert network.open == 0
    assert len(network.log) == 2


async def _asked(client: Client, method: str) -> None:
    try:
        reply = await client.send(method, "http://a.test/", Headers(), terms=Terms(DEADLINES, SIZES))
    except FetchError as error:
        _check(error, ("http://a.test/", "a.test", True))
        return
    assert len(reply.body) <= SIZES.max_size


TARGETS: Final[dict[str, Callable[[Random], None]]] = {"exchange": exchange, "decoder": decoder, "wire": wire}
