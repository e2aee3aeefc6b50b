"""Real proxies on loopback: tinyproxy (HTTP) and microsocks (SOCKS5), each with a port of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.real.nginx import free_port

#: program      Debian package
PACKAGES = {"tinyproxy": "tinyproxy-bin", "microsocks": "microsocks"}
USER = ("somebody", "s3cret")

TINYPROXY = """
Port {port}
Listen 127.0.0.1
Timeout 20
MaxClients 20
LogLevel Critical
LogFile "{home}/log"
{auth}
"""


def missing(name: str) -> str:
    """What stops a proxy from being started here, or nothing."""
    return "" if _program(name) else f"{name} is not installed (apt-get install {PACKAGES[name]})"


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin")


@contextmanager
def proxy(name: str, *, locked: bool = False) -> Iterator[str]:
    """Run a proxy, with USER if it is ``locked``; gives its host and port."""
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as folder:
        port = free_port()
        command = _tinyproxy(Path(folder), port, locked) if name == "tinyproxy" else _microsocks(port, locked)
        with subprocess.Popen([_program(name) or name, *command], stdin=subprocess.DEVNULL, **_QUIET) as server:
            try:
                _await_listener(port, server)
                yield f"127.0.0.1:{port}"
            finally:
                server.terminate()
                try:
                    server.wait(5)
                except subprocess.TimeoutExpired:  # it waits for somebody to hang up
                    server.kill()


_QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def _tinyproxy(home: Path, port: int, locked: bool) -> Sequence[str]:
    auth = f"BasicAuth {USER[0]} {USER[1]}" if locked else ""
    (home / "conf").write_text(TINYPROXY.format(port=port, home=home, auth=auth))
    return ["-d", "-c", str(home / "conf")]


def _microsocks(port: int, locked: bool) -> Sequence[str]:
    return ["-i", "127.0.0.1", "-p", str(port), *(["-u", USER[0], "-P", USER[1]] if locked else [])]


def _await_listener(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while True:
        assert server.poll() is None, "the proxy did not start"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, "the proxy does not listen"
            time.sleep(0.02)
        else:
            return
