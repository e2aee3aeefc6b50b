"""The client's side of an HTTP/2 connection, without its sockets: bytes in, answers told; bytes out.

h2 is the engine for streams, windows and the compression of fields. Frames are cut and counted here before it sees
them, since it is laxer or stricter than the web needs: it keeps a frame of any length before it looks at it, takes no
head in more than 64 frames, forgets what one read has brought if its last frame is wrong, ends the connection for a
fault that is one stream's, and all streams at the peer's first GOAWAY. So it is given one whole frame at a time, a head
in one piece, no field but the status, no GOAWAY, and nothing of bodies that nobody waits for.

Invariant: what is kept of the peer's bytes is one frame and one head, and of each stream no more than its window.

Knows no clock. All that goes wrong is told as the fault of answers; nothing is raised but by ``open``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import h2.events
import h2.exceptions
from h2.errors import ErrorCodes
from hyperframe.exceptions import HyperframeError

from scrapekit.errors import AskedForCalm, BadResponse, ConnectFailed, FetchError, TooLarge
from scrapekit.http.answer import Answer
from scrapekit.http.engine import STREAM_WINDOW, engine_of, inflated
from scrapekit.http.frames import END_HEADERS, HEADER, MAX_FRAME, Cutter, Frame, Gathering, Kind, window_update
from scrapekit.http.terms import Sizes

#: Streams at once, whatever the peer allows (RFC 9113 §6.5.2 asks for 100 at least).
MAX_STREAMS: Final = 100
#: Frames in a row that bring no answer forward; an honest peer has a handful of them.
MAX_IDLE_FRAMES: Final = 1_000
#: Bytes of a frame of DATA for a stream that we have left, from which on it is no nuisance by its number.
_LATE: Final = 128
#: Settings in a connection's life.
MAX_SETTINGS: Final = 1_000
#: Bytes that the peer makes us say (to its PINGs and SETTINGS) and does not read.
MAX_UNREAD: Final = 256 * 1024
#: Of what the peer lets us remember of our own fields, in bytes.
_TABLE: Final = 16 * 1024

#: Frames of which answers are made.
_OF_ANSWERS: Final = frozenset({Kind.DATA, Kind.HEADERS, Kind.CONTINUATION})

#: Codes by which a peer says that it is we who broke the protocol: to repeat the request is no use.
_OUR_FAULT: Final = frozenset(
    {
        ErrorCodes.PROTOCOL_ERROR,
        ErrorCodes.FLOW_CONTROL_ERROR,
        ErrorCodes.STREAM_CLOSED,
        ErrorCodes.FRAME_SIZE_ERROR,
        ErrorCodes.COMPRESSION_ERROR,
    }
)
#: Codes of a reset by which it says that it has not looked at the request.
_UNSEEN: Final = frozenset({ErrorCodes.REFUSED_STREAM, ErrorCodes.HTTP_1_1_REQUIRED})
_FAULTS: Final = (h2.exceptions.H2Error, HyperframeError)


class Http2:
    """One connection. ``answers`` are the streams under way, by number; ``sizes`` are told to the peer.

    ``receive`` takes what arrived (b"" for the end) and says whose answers have news; ``outgoing`` gives what is to be
    sent, whoever caused it. ``greeted`` says that the peer's settings are here, ``over`` that it will carry nothing
    more, and ``fault`` why.
    """

    def __init__(self, sizes: Sizes) -> None:
        self.answers: dict[int, Answer] = {}
        self.greeted = self.over = False
        self.fault: FetchError | None = None
        self.received = 0  # bytes from the peer
        self.wants_http1 = False  # the peer speaks HTTP/1.1 here, and nothing else
        self._calm = False  # it goes because it is asked too much of
        self._leaving = ""  # why no stream may be opened any more
        self._told: dict[Answer, None] = {}  # whose news were not fetched yet
        self._unsent: set[int] = set()  # streams whose request is not all sent
        self._cutter, self._out = Cutter(), bytearray()
        self._head: Gathering | None = None  # a head that goes on in CONTINUATION frames
        self._idle_frames, self._settings = 0.0, 0
        self._late = 0  # bytes for streams that are over, not yet given back
        self._h2, self._decoder = engine_of(sizes)

    def __repr__(self) -> str:
        return f"<Http2 {len(self.answers)} streams{', over' if self.over else ''}>"

    @property
    def capacity(self) -> int:
        """How many streams there may be at once, those under way included."""
        return 0 if self.over or self._leaving else min(MAX_STREAMS, self._h2.remote_settings.max_concurrent_streams)

    @property
    def refusal(self) -> FetchError:
        """Why there may be no streams."""
        return self.fault or self._gone(f"the server allows no streams{self._reason}")

    @property
    def _gone(self) -> type[FetchError]:
        return AskedForCalm if self._calm else ConnectFailed

    def retire(self) -> None:
        """Open no more streams; those under way go on."""
        self._leaving = self._leaving or "retired"

    # What is sent.

    def open(self, answer: Answer, fields: Sequence[tuple[bytes, bytes]], *, whole: bool) -> None:
        """Begin a request; ``whole`` says that no body follows. Raises ConnectFailed where no stream can be opened."""
        if len(self.answers) >= self.capacity:
            raise self._gone(f"no stream is free{f': {self._leaving}' if self._leaving else ''}", phase="send")
        try:
            number = self._h2.get_next_available_stream_id()
            self._h2.send_headers(number, fields, end_stream=whole)
        except _FAULTS as error:
            raise ConnectFailed(f"no stream is free: {_words(error)}", phase="send") from None
        self._decoder.max_header_list_size = max(self._decoder.max_header_list_size, inflated(answer.sizes))
        if not whole:
            self._unsent.add(number)
        self._idle_frames = 0.0
        answer.number, self.answers[number] = number, answer

    def send(self, answer: Answer, data: bytes, *, last: bool) -> int:
        """Send of a body what the peer has room for, and say how many bytes that was; none once it has answered."""
        if self.over or answer.ended or answer.fault is not None:
            return 0
        window = self._h2.local_flow_control_window(answer.number)
        piece = data[: min(window, self._h2.max_outbound_frame_size)] if window > 0 else b""
        last = last and len(piece) == len(data)
        if piece or last:
            self._h2.send_data(answer.number, piece, end_stream=last)
            self._idle_frames = 0.0
        if last:
            self._unsent.discard(answer.number)
        return len(piece)

    def leave(self, answer: Answer) -> None:
        """Nobody waits for it any longer: what is still under way is reset."""
        if self.answers.pop(answer.number, None) is None:
            return
        self.acknowledge(answer)
        if answer.fault is None and not (answer.ended and answer.number not in self._unsent):
            self._reset(answer.number, ErrorCodes.CANCEL)
        self._unsent.discard(answer.number)

    def acknowledge(self, answer: Answer) -> None:
        """Let the peer send as much again as was taken."""
        owed, answer.owed = answer.owed, 0
        if owed and not self.over:
            self._h2.acknowledge_received_data(owed, answer.number)

    @property
    def pending(self) -> bool:
        """Whether there is anything to be sent."""
        self._out += self._h2.data_to_send()
        return bool(self._out)

    def outgoing(self) -> bytes:
        """What is to be sent now."""
        data, self._out = bytes(self._out) + self._h2.data_to_send(), bytearray()
        return data

    # What is received.

    def receive(self, data: bytes) -> list[Answer]:
        """Take what the peer sent; the answers that have news."""
        self.received += len(data)
        if not data:
            self._end()
        self._cutter.feed(data)
        try:
            while not self.over and (frame := self._cutter.next()) is not None:
                self._take(frame)
        except FetchError as error:
            self.break_off(error)
        told = list(self._told)
        self._told.clear()
        return told

    def _end(self) -> None:
        """The peer's end: where nothing had come, it is the connection that failed."""
        self.fault = self.fault or self._gone(f"closed{self._reason}")
        for answer in self.answers.values():
            kind = BadResponse if answer.received and not self._calm else self._gone
            self._fail(answer, kind(f"closed before the end of the answer{self._reason}", phase=answer.phase))
        self.over = True

    def break_off(self, error: FetchError) -> None:
        """The connection is of no use any more: each answer gets this error as its own."""
        self.over, self.fault = True, self.fault or error
        for answer in list(self.answers.values()):
            kind = self._gone if isinstance(error, ConnectFailed) else type(error)
            self._fail(answer, kind(f"{error.detail}{self._reason}", phase=answer.phase))

    @property
    def _reason(self) -> str:
        return f" ({self._leaving})" if self._leaving.startswith("GOAWAY") else ""

    def _take(self, frame: Frame) -> None:
        self._count(frame)
        if frame.stream and frame.stream % 2 == 0:  # ours are odd, and we let nothing be pushed (RFC 9113 §5.1.1)
            raise BadResponse("a stream that nobody asked for")
        answer = self.answers.get(frame.stream)
        if answer is not None and frame.kind in _OF_ANSWERS:
            answer.received += len(frame.raw)
        if frame.kind == Kind.GOAWAY:
            self._take_goodbye(frame.payload)
        elif self._head is not None or (frame.kind == Kind.HEADERS and not frame.flags & END_HEADERS):
            self._gather(frame)
        elif frame.kind == Kind.DATA and self._is_late(answer, frame):
            self._drop(frame)
        else:
            self._hand(frame)
        self.greeted = True  # the first frame is its settings, or none is taken

    def _is_late(self, answer: Answer | None, frame: Frame) -> bool:
        """Whether DATA is for a stream that is over on our side: nobody takes it."""
        if answer is None:
            return 0 < frame.stream <= self._h2.highest_outbound_stream_id
        if answer.method == "HEAD" and len(frame.raw) > HEADER:
            self._fault(answer, BadResponse("a body in answer to HEAD", phase="body"))
        return answer.fault is not None

    def _drop(self, frame: Frame) -> None:
        """It counts in the window of all. h2 would answer each such frame with a reset, which looks like an attack."""
        self._late += len(frame.raw) - HEADER
        if self._late >= STREAM_WINDOW // 4:
            self._out += window_update(self._late)
            self._late = 0

    def _count(self, frame: Frame) -> None:
        """Bound what costs us work and brings nobody his answer."""
        size = len(frame.raw)
        if frame.stream in self.answers and frame.kind in (Kind.DATA, Kind.HEADERS) and size > HEADER:
            self._idle_frames = 0.0
            return
        # Where we have left a stream, a window of its body may still be on the way.
        late = frame.kind == Kind.DATA and size >= _LATE
        self._idle_frames += size / MAX_FRAME if late else 1
        if frame.kind == Kind.SETTINGS:
            self._settings += size // 6
        if self._idle_frames > MAX_IDLE_FRAMES or self._settings > MAX_SETTINGS:
            raise BadResponse("a flood of frames that bring no answer")

    def _gather(self, frame: Frame) -> None:
        """A head in pieces, together no longer than a head may be."""
        if self._head is None:
            self._head = Gathering(frame)
            return
        head, whole = self._head, self._head.add(frame)
        if head.size > self._decoder.max_header_list_size:
            raise self._blamed(head.stream, TooLarge(f"a head of more than {head.size} bytes", phase="head"))
        if whole is not None:
            self._head = None
            self._hand(whole)

    def _hand(self, frame: Frame) -> None:
        """Let h2 have a frame, and tell what it makes of it."""
        try:
            events = self._h2.receive_data(frame.raw)
        except h2.exceptions.DenialOfServiceError as error:
            raise self._blamed(frame.stream, TooLarge(_words(error), phase="head")) from None
        except _FAULTS as error:
            raise self._blamed(frame.stream, BadResponse(_words(error))) from None
        for event in events:
            self._tell(event)
        if self.pending and len(self._out) > MAX_UNREAD:
            raise BadResponse("a peer that makes us answer and does not read")

    def _blamed(self, stream: int, error: FetchError) -> FetchError:
        """The fault is one stream's, though it ends the connection: what the others are told."""
        answer = self.answers.get(stream)
        if answer is None:
            return error
        self._fail(answer, error)
        return ConnectFailed("cut for the fault of another stream")

    def _tell(self, event: Any) -> None:
        kind = type(event)
        if kind is h2.events.WindowUpdated or kind is h2.events.RemoteSettingsChanged:
            self._told.update((self.answers[number], None) for number in self._unsent)
            self._h2.encoder.header_table_size = min(self._h2.encoder.header_table_size, _TABLE)
            return
        answer = self.answers.get(getattr(event, "stream_id", 0) or 0)
        if answer is None or answer.fault is not None:
            return
        try:
            self._tell_one(answer, kind, event)
        except FetchError as error:
            self._fault(answer, error)
        self._told[answer] = None

    def _tell_one(self, answer: Answer, kind: type, event: Any) -> None:
        if kind is h2.events.DataReceived:
            answer.owed += event.flow_controlled_length
            answer.take_data(event.data)
        elif kind is h2.events.StreamEnded:
            answer.end()
        elif kind is h2.events.StreamReset:
            self._take_reset(answer, int(event.error_code))
        elif kind in _HEADS:
            answer.take_fields(self._decoder.fields)

    def _take_reset(self, answer: Answer, code: int) -> None:
        error = BadResponse if code in _OUR_FAULT else _kind(code)
        refused = code in _UNSEEN and answer.head is None
        if code == ErrorCodes.HTTP_1_1_REQUIRED:
            self.wants_http1 = True
            self.retire()
        self._fail(answer, error(f"the stream was reset: {_name(code)}", phase=answer.phase), unprocessed=refused)

    def _take_goodbye(self, payload: bytes) -> None:
        """GOAWAY: streams beyond the last one named were not looked at, the others go on (RFC 9113 §6.8)."""
        if len(payload) < 8:
            raise BadResponse("a GOAWAY that is cut short")
        last, code = int.from_bytes(payload[:4], "big") & 0x7FFF_FFFF, int.from_bytes(payload[4:8], "big")
        self._leaving = f"GOAWAY {_name(code)}"
        self._calm = self._calm or code == ErrorCodes.ENHANCE_YOUR_CALM
        self.wants_http1 = self.wants_http1 or code == ErrorCodes.HTTP_1_1_REQUIRED
        for answer in list(self.answers.values()):
            if answer.number > last:
                error = _kind(code)(f"not looked at ({self._leaving})", phase="head")
                self._fail(answer, error, unprocessed=True)

    def _fault(self, answer: Answer, error: FetchError) -> None:
        """One stream's fault, which ends that stream alone (RFC 9113 §8.1.1)."""
        self._fail(answer, error)
        self.acknowledge(answer)
        self._reset(answer.number, ErrorCodes.PROTOCOL_ERROR)

    def _fail(self, answer: Answer, error: FetchError, *, unprocessed: bool = False) -> None:
        answer.fail(error, unprocessed=unprocessed)
        self._told[answer] = None

    def _reset(self, number: int, code: ErrorCodes) -> None:
        if self.over:
            return
        try:
            self._h2.reset_stream(number, code)
        except h2.exceptions.NoSuchStreamError:  # it has ended on both sides
            return


_HEADS: Final = frozenset({h2.events.ResponseReceived, h2.events.InformationalResponseReceived})


def _kind(code: int) -> type[FetchError]:
    """What it means that a peer goes, or drops a stream, for this reason, where that is no fault of ours."""
    return AskedForCalm if code == ErrorCodes.ENHANCE_YOUR_CALM else ConnectFailed


def _name(code: int) -> str:
    """What a code is called (RFC 9113 §7)."""
    return ErrorCodes(code).name if code in ErrorCodes._value2member_map_ else f"code {code:#x}"


def _words(error: Exception) -> str:
    """The engine's message, kept to a line."""
    return " ".join(str(error).split())[:200]
