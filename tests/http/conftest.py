"""A server on loopback that does what it is told, in a thread, with or without TLS."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from contextlib import suppress

import pytest

#: Steps beside bytes: close at once with a reset, or read no more and wait until the test is over.
RESET, SILENCE = "reset", "silence"


class Loopback:
    """Plays ``steps`` for each request, on each connection, then closes unless told ``keep``."""

    def __init__(self, steps, *, context=None, keep=False):
        self.steps, self.context, self.keep = steps, context, keep
        self.connections = 0
        self.requests: list[bytes] = []
        self.over = threading.Event()
        self.faults: list[Exception] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock):
        sock.settimeout(10)
        try:
            if self.context is not None:
                sock = self.context.wrap_socket(sock, server_side=True)
            while data := sock.recv(65536):
                self.requests.append(data)
                for step in self.steps:
                    self._play(sock, step)
                if not self.keep:
                    return
        except OSError as error:
            self.faults.append(error)
        finally:
            with suppress(OSError):
                if isinstance(sock, ssl.SSLSocket) and "rude" not in self.steps:
                    sock.unwrap()
            sock.close()

    def _play(self, sock, step):
        if step == SILENCE:
            self.over.wait(10)
        elif step == RESET:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
            raise OSError("reset on purpose")
        elif isinstance(step, float):
            time.sleep(step)
        elif isinstance(step, bytes):
            sock.sendall(step)

    def stop(self):
        self.over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)


@pytest.fixture
def loopback():
    """``loopback(*steps, context=None, keep=False)`` starts a server; ``.port`` is where."""
    started = []

    def start(*steps, **options):
        started.append(Loopback(steps, **options))
        return started[-1]

    yield start
    for server in started:
        server.stop()
