"""What the server does, by scenario: the plays of A, B, C and E that are one exchange each. The path is the id.

A test of each stands in the module of its letter; the chaos plays them all.
"""

from __future__ import annotations

import gzip
import zlib
from functools import lru_cache
from typing import Any, Final

import brotli

from tests.scenarios.server import CLOSE, GOOD, RESET, SILENCE, Forever, answer

HEAD: Final = b"HTTP/1.1 200 OK\r\n"
CHUNKED: Final = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP: Final = "Content-Encoding: gzip"
PACKED: Final = gzip.compress(b"good", mtime=0)
STRAY: Final = answer(b"STRAY")


def sized(*fields: bytes, body: bytes = b"good") -> bytes:
    """An answer of 4 bytes with these fields beside its length."""
    return HEAD + b"Content-Length: 4\r\n" + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def framed(*fields: bytes, body: bytes = b"good") -> bytes:
    """An answer with these fields and no others."""
    return HEAD + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def moved(location: str, status: int = 302, *fields: str) -> bytes:
    """A redirect; the Location goes as UTF-8."""
    return answer(b"", status, f"Location: {location.encode().decode('latin-1')}", *fields)


def nested(times: int) -> bytes:
    body = b"good"
    for _ in range(times):
        body = gzip.compress(body, mtime=0)
    return answer(body, 200, f"Content-Encoding: {', '.join(['gzip'] * times)}")


def deflated(window: int, body: bytes = b"good") -> bytes:
    engine = zlib.compressobj(wbits=window)
    return engine.compress(body) + engine.flush()


@lru_cache
def bomb(megabytes: int) -> bytes:
    """An answer of a thousandth of what it inflates to."""
    engine = zlib.compressobj(9, wbits=31)
    body = b"".join([*(engine.compress(bytes(1024**2)) for _ in range(megabytes)), engine.flush()])
    return answer(body, 200, GZIP)


A: Final[dict[str, Any]] = {
    "/A02": (SILENCE,),
    "/A03": (HEAD, Forever(b"X", 0.01)),
    "/A03/status": tuple(step for byte in sized() for step in (bytes([byte]), 0.05)),
    "/A04": (HEAD + b"Content-Length: 1000000\r\n\r\n", Forever(b"x", 0.01)),
    "/A04/chunked": (CHUNKED, Forever(b"1\r\nx\r\n", 0.01)),
    "/A04/close": (HEAD + b"\r\n", Forever(b"x", 0.01)),
    "/A05": (HEAD + b"Content-Length: 10000\r\n\r\n" + b"x" * 5000, SILENCE),
    "/A05/chunked": (CHUNKED + b"1388\r\n" + b"x" * 2500, SILENCE),
    "/A06": (HEAD + b"\r\n", Forever(b"x" * 65536)),
    "/A06/1.0": (b"HTTP/1.0 200 OK\r\n\r\n", Forever(b"x" * 65536)),
    "/A07": (CHUNKED, Forever(b"10000\r\n" + b"x" * 65536 + b"\r\n")),
    "/A07/small": (CHUNKED, Forever(b"1\r\nx\r\n" * 10_000)),
    "/A08": (HEAD, Forever(b"X-Filler: " + b"y" * 500 + b"\r\n")),
    "/A08/one": (HEAD + b"X: ", Forever(b"y" * 65536)),
    "/A08/status": (b"HTTP/1.1 200 ", Forever(b"O" * 65536)),
    "/A09": (Forever(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),),
    "/A09/100": (Forever(b"HTTP/1.1 100 Continue\r\n\r\n", 0.001),),
    "/A10": (CLOSE,),
    "/A11": (RESET,),
    "/A11/head": (HEAD, 0.02, RESET),
    "/A11/body": (HEAD + b"Content-Length: 1000\r\n\r\nxx", 0.02, RESET),
}

B: Final[dict[str, Any]] = {
    "/B01": (framed(b"Content-Length: 1000", body=b"12345"), CLOSE),
    "/B01/none": (framed(b"Content-Length: 1000", body=b""), CLOSE),
    "/B01/last": (framed(b"Content-Length: 5"), CLOSE),
    "/B02": sized(body=b"goodbye, and more"),
    "/B02/answer": sized() + STRAY,
    "/B02/close": (sized(body=b"goodbye"), CLOSE),
    "/B03": framed(b"Content-Length: 4", b"Content-Length: 5", body=b"good!"),
    "/B03/list": framed(b"Content-Length: 4, 5", body=b"good!"),
    "/B03/chunked": CHUNKED[:-2] + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\n4\r\ngood\r\n0\r\n\r\n",
    "/B04": framed(b"Content-Length: 4, 4"),
    "/B04/two": framed(b"Content-Length: 4", b"Content-Length: 4"),
    "/B05/minus": framed(b"Content-Length: -4"),
    "/B05/plus": framed(b"Content-Length: +4"),
    "/B05/word": framed(b"Content-Length: thousand"),
    "/B05/nines": (framed(b"Content-Length: 99999999999999999999"), CLOSE),
    "/B05/hex": framed(b"Content-Length: 0x4"),
    "/B05/float": framed(b"Content-Length: 4.0"),
    "/B05/empty": framed(b"Content-Length: "),
    "/B05/blank": framed(b"Content-Length: 4 4"),
    "/B05/digits": framed("Content-Length: ٤".encode()),
    "/B05/long": (framed(b"Content-Length: " + b"9" * 5000), CLOSE),
    "/B06": framed(b"Transfer-Encoding: chunked", b"Content-Length: 9", body=b"4\r\ngood\r\n0\r\n\r\n"),
    "/B06/other": framed(b"Content-Length: 3", b"Transfer-Encoding: chunked", body=b"4\r\ngood\r\n0\r\n\r\n"),
    "/B07": framed(b"Transfer-Encoding: gzip, chunked", body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(PACKED), PACKED)),
    "/B07/close": (framed(b"Transfer-Encoding: gzip", body=PACKED), CLOSE),
    "/B08": (framed(b"Transfer-Encoding: identity"), CLOSE),
    "/B08/length": sized(b"Transfer-Encoding: identity"),
    "/B09": CHUNKED + b"10000000000000004\r\ngood\r\n0\r\n\r\n",
    "/B09/f": CHUNKED + b"FFFFFFFFFFFFFFFFF\r\ngood\r\n0\r\n\r\n",
    "/B09/63": (CHUNKED + b"7FFFFFFFFFFFFFFF\r\ngood\r\n0\r\n\r\n", CLOSE),
    "/B09/minus": CHUNKED + b"-4\r\ngood\r\n0\r\n\r\n",
    "/B09/zeros": CHUNKED + b"0" * 100 + b"4\r\ngood\r\n0\r\n\r\n",
    "/B10": (CHUNKED + b"4;x=", Forever(b"y" * 65536)),
    "/B10/blanks": (CHUNKED + b"4", Forever(b" " * 65536)),
    "/B10/trailers": (CHUNKED + b"4\r\ngood\r\n0\r\n", Forever(b"X-Trailer: " + b"y" * 60_000 + b"\r\n")),
    "/B11": CHUNKED + b"4\r\ngood\r\n0\r\nSet-Cookie: trailer=1\r\nContent-Encoding: gzip\r\n\r\n",
    "/B11/framing": CHUNKED + b"4\r\ngood\r\n0\r\nContent-Length: 2\r\nLocation: /x\r\n\r\n",
    "/B12": (CHUNKED + b"4\r\ngood\r\n", CLOSE),
    "/B12/in": (CHUNKED + b"4\r\ngo", CLOSE),
    "/B12/size": (CHUNKED + b"4", CLOSE),
    "/B12/zero": (CHUNKED + b"4\r\ngood\r\n0\r\n", CLOSE),
    "/B13": CHUNKED + b"4\ngood\n0\n\n",
    "/B13/size": CHUNKED + b"4\ngood\r\n0\r\n\r\n",
    "/B13/last": CHUNKED + b"4\r\ngood\r\n0\n\n",
    "/B14": (b"HTTP/1.0 200 OK\r\n\r\ngood", CLOSE),
    "/B14/1.1": (HEAD + b"\r\ngood", CLOSE),
    "/B14/empty": (b"HTTP/1.0 200 OK\r\n\r\n", CLOSE),
    "/B15": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\ngood",
    "/B16/204": b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nstray",
    "/B16/304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n",
    "/B16/chunked": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
    "/B16/304stray": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nstray",
    "/B17": framed(b"Content-Length: 100000", body=b""),
    "/B17/chunked": CHUNKED,
    "/B17/stray": sized(),
    "/B18": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nSet-Cookie: hint=1\r\nLink: </x>\r\n\r\n"
    + sized(b"Set-Cookie: final=1"),
    "/B19": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "/B19/after": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n" + GOOD,
    "/B20": sized() + STRAY,
    "/B20/later": (sized(), 0.02, STRAY),
    "/B21": framed(b"Transfer-Encoding: chunked, chunked", body=b"4\r\ngood\r\n0\r\n\r\n"),
    "/B21/two": framed(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"4\r\ngood\r\n0\r\n\r\n"),
}

C: Final[dict[str, Any]] = {
    "/C01": b"HTTP/1.1 200\r\nContent-Length: 4\r\n\r\ngood",
    "/C01/blank": b"HTTP/1.1 200 \r\nContent-Length: 4\r\n\r\ngood",
    "/C02": b"HTTP/1.1 200 OK\nContent-Length: 4\n\ngood",
    "/C02/mixed": b"HTTP/1.1 200 OK\r\nContent-Length: 4\nX: y\r\n\ngood",
    "/C03": b"\r\n\r\n" + sized(),
    "/C03/lf": b"\n" + sized(),
    "/C03/many": b"\r\n" * 50 + sized(),
    "/C04/ok": (b"HTTP/1.1 OK\r\n\r\ngood", CLOSE),
    "/C04/icy": b"ICY 200 OK\r\nContent-Length: 4\r\n\r\ngood",
    "/C04/2": b"HTTP/2.0 200\r\nContent-Length: 4\r\n\r\ngood",
    "/C04/number": b"200: OK\r\nContent-Length: 4\r\n\r\ngood",
    "/C04/two": b"HTTP/1.1 20 OK\r\nContent-Length: 4\r\n\r\ngood",
    "/C04/four": b"HTTP/1.1 2000 OK\r\nContent-Length: 4\r\n\r\ngood",
    "/C04/http": b"HTTP 200 OK\r\nContent-Length: 4\r\n\r\ngood",
    "/C04/lower": b"http/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood",
    "/C05": b"HTTP/1.1 999 Request Denied\r\nContent-Length: 4\r\n\r\ngood",
    "/C05/600": b"HTTP/1.1 600 X\r\nContent-Length: 4\r\n\r\ngood",
    "/C05/099": b"HTTP/1.1 099 X\r\nContent-Length: 4\r\n\r\ngood",
    "/C06": (b"<html>good</html>", CLOSE),
    "/C06/silent": (b"<html>good</html>", SILENCE),
    "/C07": sized(b"X-Fold: a", b" b", b"\tc"),
    "/C08": sized(b"nonsense without a colon"),
    "/C08/blank": sized(b"X-Space : y"),
    "/C08/empty": sized(b": y"),
    "/C08/first": framed(b" folded: y", b"Content-Length: 4"),
    "/C09": sized(b"X-Nul: a\0b"),
    "/C09/name": sized(b"X-\0Nul: a"),
    "/C09/cr": sized(b"X-CR: a\rb"),
    "/C10": sized(b"X-Latin: caf\xe9", "X-UTF: café".encode()),
    "/C11": sized(*(b"X-%d: y" % number for number in range(20_000))),
    "/C12": sized(b"Content-Security-Policy: " + b"a" * 60 * 1024),
    "/C12/pieces": (HEAD, *(b"X-%d: " % number + b"a" * 6000 + b"\r\n" for number in range(10)), sized()[len(HEAD) :]),
    "/C12/8": sized(b"X-Large: " + b"a" * 8 * 1024**2),
    "/C13/location": b"HTTP/1.1 302 Found\r\nLocation: /first\r\nLocation: /second\r\nContent-Length: 0\r\n\r\n",
    "/C13/type": sized(b"Content-Type: text/html; charset=utf-8", b"Content-Type: image/png"),
    "/C14": sized(b"Set-Cookie: a=1", b"Set-Cookie: b=2; Expires=Wed, 09 Jun 2100 10:18:14 GMT"),
}

E: Final[dict[str, Any]] = {
    "/E01": lambda asked: bomb(256),
    "/E02/3": nested(3),
    "/E02/20": nested(20),
    "/E04": answer(b"good", 200, GZIP),
    "/E04/br": answer(b"good", 200, "Content-Encoding: br"),
    "/E04/zstd": answer(b"good", 200, "Content-Encoding: zstd"),
    "/E04/deflate": answer(b"good, but not packed", 200, "Content-Encoding: deflate"),
    "/E05": answer(PACKED, 200, "Content-Type: application/gzip"),
    "/E06": answer(PACKED[:-4], 200, GZIP),
    "/E06/early": answer(PACKED[:12], 200, GZIP),
    "/E07/zlib": answer(deflated(15), 200, "Content-Encoding: deflate"),
    "/E07/raw": answer(deflated(-15), 200, "Content-Encoding: deflate"),
    "/E08": answer(gzip.compress(b"go", mtime=0) + gzip.compress(b"od", mtime=0), 200, GZIP),
    "/E08/garbage": answer(PACKED + b"\0\0\0 garbage", 200, GZIP),
    "/E08/br": answer(brotli.compress(b"good") + b"garbage", 200, "Content-Encoding: br"),
    "/E06/zstd": answer(b"(\xb5/\xfd\x20\x40\x01\x00\x00", 200, "Content-Encoding: zstd"),
    "/E09/foo": answer(b"good", 200, "Content-Encoding: foo"),
    "/E09/identity": answer(b"good", 200, "Content-Encoding: identity"),
    "/E09/utf-8": answer(b"good", 200, "Content-Encoding: UTF-8"),
    "/E09/x-gzip": answer(PACKED, 200, "Content-Encoding: X-GZIP"),
    "/E12": answer(b"", 200, GZIP),
    "/E12/chunked": framed(b"Transfer-Encoding: chunked", GZIP.encode(), body=b"0\r\n\r\n"),
    "/E12/close": (framed(GZIP.encode(), body=b""), CLOSE),
}

D: Final[dict[str, Any]] = {
    "/D01": moved("/D01"),
    "/D01/a": moved("/D01/b"),
    "/D01/b": moved("/D01/a"),
    "/D02/0": GOOD,
    **{f"/D02/{number}": moved(f"/D02/{number - 1}") for number in range(1, 31)},
    "/D03/up": moved("../x"),
    "/D03/query": moved("?q"),
    "/D03/host": moved("//b.test/x"),
    "/D03/empty": moved(""),
    "/D03/fragment": moved("#part"),
    "/D04": moved("/echo/café a|b?q=ж"),
    "/D05": answer(b"good", 302),
    "/D11": (b"HTTP/1.1 302 Found\r\nLocation: /good\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", SILENCE),
    "/D11/length": (b"HTTP/1.1 302 Found\r\nLocation: /good\r\nContent-Length: 1000000\r\n\r\n", SILENCE),
    "/D11/cut": (b"HTTP/1.1 302 Found\r\nLocation: /good\r\nContent-Length: 100\r\n\r\nx", CLOSE),
    "/D11/gzip": b"HTTP/1.1 302 Found\r\nLocation: /good\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnogz",
    "/D12/header": answer(b"good", 200, "Refresh: 0; url=/refreshed"),
    "/D12/meta": answer(b'<meta http-equiv=refresh content="0; url=/refreshed">good', 200, "Content-Type: text/html"),
    "/D12/noscript": answer(
        b'<noscript><meta http-equiv=refresh content="0; url=/refreshed"></noscript>good',
        200,
        "Content-Type: text/html",
    ),
    "/D14": moved("/" + "x" * 1024**2),
}
