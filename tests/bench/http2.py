"""HTTP/2 beside HTTP/1.1, both ours: ``python -m tests.bench.http2``.

One small page from nginx on loopback over TLS, many times over kept connections; the two take turns. Given are requests
per second of wall time and microseconds of processor time for each, start-up left out.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import curio
import trustme

from scrapekit.headers import Headers
from scrapekit.http import Client, Resolver, Terms, Trust, Way
from tests.real.nginx import free_port, missing, nginx

SIZE = 2_000
HEADERS = Headers({"User-Agent": "bench", "Accept": "*/*"})


async def measure(url: str, terms: Terms, count: int, at_once: int) -> tuple[float, float]:
    """Requests per second, and seconds of processor time for one."""
    resolver = Resolver()
    async with Client(resolver) as client:

        async def some(number: int) -> None:
            for _ in range(number):
                reply = await client.send("GET", url, HEADERS, terms=terms)
                assert len(reply.body) == SIZE
                assert reply.version == ("2" if terms.way.http2 else "1.1")

        await some(1)
        begin, busy = time.perf_counter(), time.process_time()
        tasks = [await curio.spawn(some, count // at_once) for _ in range(at_once)]
        for task in tasks:
            await task.join()
        taken = count / (time.perf_counter() - begin), (time.process_time() - busy) / count
    await resolver.close()
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each of the two runs (5)")
    parser.add_argument("--requests", type=int, default=4_000, help="requests in a run (4000)")
    options = parser.parse_args()
    if reason := missing():
        raise SystemExit(reason)
    with tempfile.TemporaryDirectory() as folder:
        home, port = Path(folder), free_port()
        (home / "page.html").write_text("x" * SIZE)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(home / "ca.pem")
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(home / "own.pem")
        tls = f"ssl_certificate {home}/own.pem; ssl_certificate_key {home}/own.pem;"
        with nginx(home, locations=f"listen 127.0.0.1:{port} ssl http2; {tls}"):
            for at_once in (1, 8):
                compare(f"https://127.0.0.1:{port}/page.html", str(home / "ca.pem"), at_once, options)


def compare(url: str, ca_file: str, at_once: int, options: argparse.Namespace) -> None:
    """Let the two take turns, and print what came of it."""
    found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for _ in range(options.rounds):
        for http2, runs in found.items():
            terms = Terms(way=Way(trust=Trust(ca_file=ca_file), http2=http2))
            runs.append(curio.run(measure, url, terms, options.requests, at_once))
    for http2, runs in found.items():
        rate, busy = (statistics.median(column) for column in zip(*runs, strict=True))
        name = "HTTP/2" if http2 else "HTTP/1.1"
        print(f"{at_once} at once, {name:8} {rate:6.0f} requests/s, {busy * 1e6:4.0f} µs each")


if __name__ == "__main__":
    main()
