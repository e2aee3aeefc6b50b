"""What a body of 1 GiB costs in memory, plain or as a bomb: ``python -m tests.bench.bodies``.

Each case is a process of its own, which gets the body from a server on loopback; what is given is how far its resident
memory rose above what it was after a first small request, and the time.
"""

from __future__ import annotations

import argparse
import gzip
import os
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress

MIB = 1024 * 1024
LIMIT = 30  # MB, which no case may go beyond

#: case               what is done with ``url``, ``out`` (a path) and ``size`` (bytes)
CASES = {
    "saved": """
    response = await session.get(url, to_file=True, max_size=2 * size, timeout=3600)
    assert response.path.stat().st_size == size
    response.save(out)
""",
    "downloaded": """
    got = await session.download(url, out, max_size=2 * size)
    assert got.size == size
""",
    "streamed": """
    got = 0
    async with session.stream("GET", url, max_size=2 * size) as response:
        async for chunk in response.iter_bytes():
            got += len(chunk)
    assert got == size
""",
    "refused": """
    try:
        await session.get(url, timeout=3600)
    except TooLarge:
        pass
    else:
        raise SystemExit("it was not refused")
""",
}

PROGRAM = """
import sys, time, curio
from scrapekit import Session
from scrapekit.errors import TooLarge

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

async def main(base, url, out, size):
  async with Session() as session:
    await session.get(base)
    before, begin = peak(), time.perf_counter()
{case}
    print((peak() - before) * 1024 / 1e6, time.perf_counter() - begin)

curio.run(main, sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
"""


class Giant:
    """A server of ``/plain`` and ``/bomb``, each of ``size`` bytes once it is unpacked; anything else is small."""

    def __init__(self, size: int) -> None:
        self._size, self._block = size, os.urandom(MIB)
        self._bomb = bomb(size)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, suppress(OSError):
            while request := sock.recv(65536):
                target = request.split()[1]
                if target == b"/plain":
                    self._send(sock, "", self._size, self._block)
                elif target == b"/bomb":
                    self._send(sock, "Content-Encoding: gzip\r\n", len(self._bomb), self._bomb)
                else:
                    self._send(sock, "", 5, b"small")

    def _send(self, sock: socket.socket, fields: str, size: int, block: bytes) -> None:
        sock.sendall(f"HTTP/1.1 200 OK\r\n{fields}Content-Length: {size}\r\n\r\n".encode())
        for _ in range(size // len(block)):
            sock.sendall(block)


def bomb(size: int) -> bytes:
    """That many zeros in gzip: as many members as there are MiB."""
    return gzip.compress(bytes(MIB)) * (size // MIB)


def measure(server: Giant, what: str, case: str, size: int) -> tuple[float, float]:
    """MB of memory and seconds."""
    with tempfile.TemporaryDirectory() as folder:
        code = PROGRAM.format(case=CASES[case])
        arguments = [f"{server.base}/", f"{server.base}/{what}", f"{folder}/out", str(size)]
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    memory, seconds = map(float, done.stdout.split())
    return memory, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the body (1024)")
    options = parser.parse_args()
    size = options.size * MIB
    server = Giant(size)
    worst = 0.0
    for what in ("plain", "bomb"):
        for case in CASES:
            memory, seconds = measure(server, what, case, size)
            worst = max(worst, memory)
            print(f"{what:6} {case:11}{memory:6.1f} MB {seconds:6.1f} s", flush=True)
    if worst > LIMIT:
        raise SystemExit(f"more than {LIMIT} MB")


if __name__ == "__main__":
    main()
