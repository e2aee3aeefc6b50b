"""A server of HTTP/2 in memory, on the other end of a fake stream: h2's own server side, and raw frames.

``serve(peer, event)`` is called for each of h2's events; what it sends, or has sent ``after`` some seconds, is read by
the client on the kernel's clock.
"""

from __future__ import annotations

import heapq
from contextlib import suppress
from itertools import count

import curio
import h2.config
import h2.connection
import h2.events
import h2.exceptions
from h2.settings import SettingCodes

CLOSE, RESET = "close", "reset"


def frame(kind, flags=0, stream=0, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def server():
    """h2's server side, with its first SETTINGS ready to be sent."""
    config = h2.config.H2Configuration(
        client_side=False,
        header_encoding=None,
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
        normalize_inbound_headers=False,
    )
    made = h2.connection.H2Connection(config)
    made.initiate_connection()
    return made


def page(body=b"good", status=200, **fields):
    """Answer every request so."""

    def serve(peer, event):
        if isinstance(event, h2.events.RequestReceived):
            peer.answer(event.stream_id, body, status, **fields)

    return serve


class Peer:
    """One connection."""

    secured = True
    protocol = "h2"
    address = "192.0.2.1:443"

    def __init__(self, network, serve, now, number):
        self.network, self.serve, self._now, self.number = network, serve, now, number
        self.h2 = server()
        self.most = 0  # streams at once
        self.requests = []
        self.events = []
        self.closed = False
        self.broken = False  # takes nothing, and says so
        self.full = False  # takes nothing more from the client
        self._order = count()
        self._due = []
        self._more = curio.Event()
        if network.allowed is not None:
            self.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: network.allowed})
        for seconds, step in network.greeting or ():
            self.put(step, seconds)
        if network.greeting is None:
            self.flush()

    # the client's side

    async def read(self, size):
        while True:
            await curio.sleep(0)
            if self._due and self._due[0][0] <= self._now():
                at, order, step = heapq.heappop(self._due)
                if step == CLOSE:
                    heapq.heappush(self._due, (at, order, step))
                    return b""
                if step == RESET:
                    raise ConnectionResetError(104, "Connection reset by peer")
                if isinstance(step, Exception):
                    raise step
                if callable(step):
                    with suppress(h2.exceptions.StreamClosedError):  # the client has left it
                        step()
                    self.flush()
                    continue
                size = min(size, self.network.chop or size)
                if len(step) > size:
                    heapq.heappush(self._due, (at, order, step[size:]))
                return step[:size]
            self._more.clear()
            if self._due:
                await curio.ignore_after(max(0.0, self._due[0][0] - self._now()), self._more.wait)
            else:
                await self._more.wait()

    async def write(self, data):
        if self.closed or self.broken:
            raise BrokenPipeError(32, "Broken pipe")
        while self.full:
            await curio.sleep(1.0)
        for event in self.h2.receive_data(data) if self.network.greeting is None else ():
            self.events.append(event)
            if isinstance(event, h2.events.RequestReceived):
                self.requests.append((self._now(), dict(event.headers)))
                self.most = max(self.most, self.h2.open_inbound_streams)
            with suppress(h2.exceptions.StreamClosedError):
                self.serve(self, event)
        if self.network.greeting is None:
            self.flush()
        await self._more.set()
        return len(data)

    def pending(self):
        return self.closed or bool(self._due and self._due[0][0] <= self._now())

    async def close(self):
        if not self.closed:
            self.closed = True
            self.network.open -= 1

    # the server's side

    def flush(self):
        if data := self.h2.data_to_send():
            self.put(data)

    def put(self, step, seconds=0.0):
        """Bytes, CLOSE, RESET, an error or a function, after so many seconds."""
        heapq.heappush(self._due, (self._now() + seconds, next(self._order), step))

    def after(self, seconds, function, *args, **options):
        self.put(lambda: function(*args, **options), seconds)

    async def say(self, step):
        """From a test: send something now."""
        self.put(step)
        await self._more.set()

    def head(self, stream, status=200, *, end=False, **fields):
        pairs = [(b":status", str(status).encode())]
        pairs += [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
        self.h2.send_headers(stream, pairs, end_stream=end)

    def answer(self, stream, body=b"good", status=200, **fields):
        self.head(stream, status, end=not body, **fields)
        if body:
            self.data(stream, body)

    def data(self, stream, body, *, end=True):
        """As much as the windows allow; the rest when they open."""
        while body:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(body))
            if room < 1:
                return self.after(0.01, self.data, stream, body, end=end)
            self.h2.send_data(stream, body[:room], end_stream=end and room == len(body))
            body = body[room:]
            self.flush()
        return None


class H2Network:
    """Dials a new Peer each time, which allows so many streams, and sends ``greeting`` (steps with their times) instead
    of its own. ``peers`` are all that there were."""

    def __init__(self, serve, *, chop=None, connecting=0.0, allowed=None, greeting=None):
        self.serve, self.chop, self.connecting = serve, chop, connecting
        self.allowed, self.greeting = allowed, greeting
        self.open = 0
        self.peers = []
        self.now = None

    async def dial(self, addresses):
        await curio.sleep(self.connecting)
        self.open += 1
        self.peers.append(Peer(self, self.serve, self.now, len(self.peers)))
        return self.peers[-1]

    @property
    def requests(self):
        return [request for peer in self.peers for request in peer.requests]
