"""nginx on loopback, with a configuration, a folder and a log of its own, for tests and benchmarks alike."""

from __future__ import annotations

import heapq
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

#: The log's fields, parted by tabs. ``$msec`` is the moment the answer was finished, ``$request_time`` how long that
#: took since the first byte of the request was read; both in seconds with three decimals, from one and the same clock
#: reading, so that their difference is exact. That clock is read once for each round of nginx's event loop.
LOG_FORMAT = r"$msec\t$request_time\t$server_addr\t$http_host\t$status\t$request_uri\t$connection"

#: Requests that are made only to see how far the log is.
MARK = "/-end-of-log-"

CONFIG = """
daemon off;
{user}
pid {home}/pid;
error_log {home}/error.log warn;
worker_processes 1;
events {{ worker_connections 8192; }}
http {{
    types {{ text/html html htm; text/css css; image/svg+xml svg; image/png png; text/javascript js; text/plain txt; }}
    default_type application/octet-stream;
    charset utf-8;
    log_format facts '{log_format}';
    access_log {home}/access.log facts;
    client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
    keepalive_requests 1000000;
    sendfile on;
    tcp_nopush on;
    server {{
        listen {listen};
        root {root};
        location = /robots.txt {{ return 404; }}
        {locations}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Hit:
    """One line of the log: a request as the server saw it; times in seconds since the epoch, to the millisecond."""

    began: float
    ended: float
    address: str
    host: str
    status: int
    target: str
    connection: str


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running server: ``base`` is its URL without a path, ``hits()`` what it has answered so far."""

    port: int
    home: Path

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def hits(self) -> list[Hit]:
        """Every request answered, in the order in which they began."""
        hits = [hit for line in self._whole_log() if not (hit := _hit(line)).target.startswith(MARK)]
        return sorted(hits, key=lambda hit: hit.began)

    def _whole_log(self) -> list[str]:
        """The log, once what was answered until now stands in it: nginx writes a line after it has sent the answer.

        Its one worker goes from one request to the next, so when a last one of ours is there, all before it are.
        """
        mark = f"{MARK}{time.monotonic_ns()}"
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as last:
            last.sendall(f"GET {mark} HTTP/1.0\r\n\r\n".encode())
            while last.recv(65536):
                pass
        deadline = time.monotonic() + 10
        while True:
            lines = (self.home / "access.log").read_text().splitlines()
            if any(mark in line for line in lines):
                return lines
            assert time.monotonic() < deadline, "nginx wrote no log"
            time.sleep(0.005)

    def forget(self) -> None:
        """Begin the log anew."""
        self._whole_log()
        os.truncate(self.home / "access.log", 0)


def _hit(line: str) -> Hit:
    ended, took, address, host, status, target, connection = line.split("\t")
    return Hit(round(float(ended) - float(took), 3), float(ended), address, host, int(status), target, connection)


def missing() -> str:
    """What stops nginx from being started here, or nothing."""
    return "" if program() else "nginx is not installed (apt-get install nginx)"


def program() -> str | None:
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


@contextmanager
def nginx(root: Path, *, any_address: bool = False, locations: str = "") -> Iterator[Nginx]:
    """Serve the files below ``root`` on a free port of 127.0.0.1, or of each address of 127.0.0.0/8.

    There is no robots.txt: it answers 404. ``locations`` are further directives for the one server block.
    """
    with tempfile.TemporaryDirectory(prefix="nginx-", ignore_cleanup_errors=True) as folder:
        home, port = Path(folder), free_port()
        user = "user root;" if os.geteuid() == 0 else ""  # else its workers could not read a private folder
        listen = f"{port} backlog=4096" if any_address else f"127.0.0.1:{port} backlog=4096"
        (home / "nginx.conf").write_text(
            CONFIG.format(user=user, home=home, listen=listen, root=root, locations=locations, log_format=LOG_FORMAT)
        )
        command = [program() or "nginx", "-p", folder, "-c", home / "nginx.conf", "-e", home / "error.log"]
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            _await_listener(port, server, home)
            yield Nginx(port, home)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(10)


def _await_listener(port: int, server: subprocess.Popen[bytes], home: Path) -> None:
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"nginx did not start: {(home / 'error.log').read_text()}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def by_address(hits: Iterable[Hit]) -> dict[str, list[Hit]]:
    """The hits of each address, in the order in which they began."""
    found: dict[str, list[Hit]] = defaultdict(list)
    for hit in hits:
        found[hit.address].append(hit)
    return dict(found)


def least_gap(hits: list[Hit]) -> float:
    """The least time between the beginnings of two requests of one list, seconds; infinite for fewer than two."""
    return min((after.began - before.began for before, after in pairwise(hits)), default=float("inf"))


def most_at_once(hits: Iterable[Hit]) -> int:
    """How many requests were being served together, at most; one that begins as another ends is not with it."""
    most = 0
    serving: list[float] = []  # when each of those being served ends
    for hit in sorted(hits, key=lambda hit: hit.began):
        while serving and serving[0] <= hit.began:
            heapq.heappop(serving)
        heapq.heappush(serving, hit.ended)
        most = max(most, len(serving))
    return most
