"""The engine of HTTP/2: bytes in, answers told. The other side is h2's own server, or frames written by hand."""

from __future__ import annotations

import h2.events
import h2.exceptions
import hpack
import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hypothesis import given
from hypothesis import strategies as st

from scrapekit.errors import AskedForCalm, BadResponse, ConnectFailed, FetchError, TooLarge
from scrapekit.http import http2
from scrapekit.http.answer import Answer
from scrapekit.http.engine import STREAM_WINDOW, WINDOW
from scrapekit.http.http2 import MAX_IDLE_FRAMES, MAX_SETTINGS, Http2
from scrapekit.http.terms import Sizes
from tests.http.peer import frame, server

SIZES = Sizes(100_000, max_head=4_000, max_fields=20, max_interim=2)
FIELDS = [(b":method", b"GET"), (b":authority", b"a.test"), (b":scheme", b"https"), (b":path", b"/")]
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS = 1, 4


class Both:
    """The engine, and a server that has taken what it sent."""

    def __init__(self, sizes=SIZES):
        self.engine, self.server = Http2(sizes), server()
        self.encoder = hpack.Encoder()
        self.seen = []
        self.exchange()

    def exchange(self):
        """Let both say what they have to say."""
        told = []
        while True:
            out, back = self.engine.outgoing(), self.server.data_to_send()
            if not out and not back:
                return told
            if out:
                self.seen += self.server.receive_data(out)
            if back:
                told += self.engine.receive(back)

    def open(self, method="GET", sizes=SIZES, *, whole=True):
        answer = Answer(method, sizes)
        self.engine.open(answer, [(b":method", method.encode()), *FIELDS[1:]], whole=whole)
        self.exchange()
        return answer

    def head(self, answer, *fields, end=False, status=b"200", flags=END_HEADERS):
        """A head as raw bytes, by a compression of its own that the server does not know of."""
        block = self.encoder.encode([(b":status", status), *fields])
        return frame(HEADERS, flags | (END_STREAM if end else 0), answer.number, block)

    def resets(self):
        return [(event.stream_id, event.error_code) for event in self.seen if isinstance(event, h2.events.StreamReset)]


def whole_answer():
    """A few exchanges as the server sends them, and what is to come of them."""
    both = Both()
    first, second = both.open(), both.open("HEAD")
    peer = both.server
    peer.send_headers(first.number, [(b":status", b"103"), (b"link", b"x")])
    peer.send_headers(second.number, [(b":status", b"200"), (b"content-length", b"9")], end_stream=True)
    peer.ping(b"12345678")
    peer.send_headers(first.number, [(b":status", b"200"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")])
    peer.send_data(first.number, b"go", pad_length=10)
    peer.increment_flow_control_window(10)
    peer.send_data(first.number, b"od")
    peer.send_headers(first.number, [(b"trailer", b"t"), (b"set-cookie", b"c=3")], end_stream=True)
    return both, first, second, peer.data_to_send()


LENGTH = len(whole_answer()[3])


@pytest.mark.parametrize("cut", range(LENGTH + 1))
def test_answers_are_the_same_wherever_the_bytes_are_cut(cut):
    both, first, second, data = whole_answer()
    told = [*both.engine.receive(data[:cut]), *both.engine.receive(data[cut:])] if 0 < cut < LENGTH else None
    if told is None:
        told = both.engine.receive(data)
    assert {first, second} <= set(told)
    assert first.ended
    assert second.ended
    assert (first.head.status, first.take(), first.size) == (200, b"good", 4)
    assert first.head.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert (second.head.headers["content-length"], second.take()) == ("9", b"")
    both.exchange()
    assert any(isinstance(event, h2.events.PingAckReceived) for event in both.seen)


def test_answers_are_the_same_byte_by_byte():
    both, first, second, data = whole_answer()
    for byte in data:
        both.engine.receive(bytes([byte]))
    assert (first.take(), first.ended, second.ended) == (b"good", True, True)


def test_the_first_bytes_are_the_preface_and_our_settings():
    both = Both()
    changed = next(event for event in both.seen if isinstance(event, h2.events.RemoteSettingsChanged))
    said = {code: change.new_value for code, change in changed.changed_settings.items()}
    assert said[SettingCodes.ENABLE_PUSH] == 0
    assert said[SettingCodes.INITIAL_WINDOW_SIZE] == STREAM_WINDOW
    assert both.server.outbound_flow_control_window == WINDOW


# ---- what is one stream's fault ends that stream alone ----

BAD_HEADS = {
    "no status": ([], b"200"),
    "status 2000": ([(b"x", b"y")], b"2000"),
    "status abc": ([], b"abc"),
    "101": ([], b"101"),
    "an upper-case name": ([(b"X-Y", b"1")], b"200"),
    "an empty name": ([(b"", b"1")], b"200"),
    "a space in a name": ([(b"a b", b"1")], b"200"),
    "connection": ([(b"connection", b"close")], b"200"),
    "transfer-encoding": ([(b"transfer-encoding", b"chunked")], b"200"),
    "a second status": ([(b":status", b"201")], b"200"),
    "a pseudo-field of requests": ([(b":path", b"/")], b"200"),
    "CR in a value": ([(b"x", b"a\rb")], b"200"),
    "LF in a value": ([(b"x", b"a\nb")], b"200"),
    "NUL in a value": ([(b"x", b"a\0b")], b"200"),
    "two lengths": ([(b"content-length", b"1"), (b"content-length", b"2")], b"200"),
    "a negative length": ([(b"content-length", b"-4")], b"200"),
    "a length of twenty nines": ([(b"content-length", b"9" * 20)], b"200"),
}


@pytest.mark.parametrize("name", BAD_HEADS)
def test_a_head_that_is_wrong_ends_its_stream_alone(name):
    fields, status = BAD_HEADS[name]
    both = Both()
    bad, good = both.open(), both.open()
    pairs = fields if name == "no status" else [(b":status", status), *fields]
    block = both.encoder.encode(pairs)
    both.engine.receive(frame(HEADERS, END_HEADERS, bad.number, block))
    assert type(bad.fault) is BadResponse
    assert bad.fault.phase == "head"
    assert not both.engine.over
    both.engine.receive(both.head(good, end=True))
    assert good.ended
    both.exchange()
    assert both.resets() == [(bad.number, ErrorCodes.PROTOCOL_ERROR)]


@pytest.mark.parametrize(
    ("declared", "sent", "fault"),
    [(4, 4, None), (4, 3, "3 of 4 bytes"), (4, 5, "more than the 4"), (0, 0, None), (1, 0, "0 of 1"), (None, 7, None)],
)
def test_a_body_is_as_long_as_it_declares(declared, sent, fault):
    both = Both()
    answer, other = both.open(), both.open()
    fields = [] if declared is None else [(b"content-length", str(declared).encode())]
    both.engine.receive(both.head(answer, *fields) + frame(DATA, END_STREAM, answer.number, b"x" * sent))
    if fault is None:
        assert answer.ended
        assert answer.take() == b"x" * sent
    else:
        assert type(answer.fault) is BadResponse
        assert fault in answer.fault.detail
        assert (answer.fault.phase, answer.ended) == ("body", False)
    both.engine.receive(both.head(other, end=True))
    assert other.ended


def test_an_answer_is_done_when_all_of_it_was_taken():
    # Who puts away a piece does not see the last one come.
    both = Both()
    answer = both.open()
    both.engine.receive(both.head(answer) + frame(DATA, END_STREAM, answer.number, b"last"))
    assert (answer.ended, answer.done) == (True, False)
    assert answer.take() == b"last"
    assert answer.done


@pytest.mark.parametrize("status", [b"204", b"304"])
def test_an_answer_without_a_body_may_declare_one(status):
    both = Both()
    answer = both.open()
    both.engine.receive(both.head(answer, (b"content-length", b"100"), status=status, end=True))
    assert answer.ended


def test_a_body_in_answer_to_head_is_the_fault_of_that_stream():
    both = Both()
    answer, other = both.open("HEAD"), both.open()
    both.engine.receive(both.head(answer) + frame(DATA, END_STREAM, answer.number, b"x"))
    assert "HEAD" in answer.fault.detail
    both.engine.receive(both.head(other, end=True))
    assert other.ended


def test_a_body_before_its_head_is_an_error():
    both = Both()
    answer = both.open()
    both.engine.receive(frame(DATA, END_STREAM, answer.number, b"x"))
    assert isinstance(answer.fault, BadResponse)


@pytest.mark.parametrize(("size", "large"), [(99_999, False), (100_000, False), (100_001, True)])
def test_the_limit_of_a_body(size, large):
    both = Both()
    answer = both.open()
    data = both.head(answer)
    for start in range(0, size, 16_000):
        data += frame(DATA, 0, answer.number, b"x" * min(16_000, size - start))
    both.engine.receive(data)
    assert (type(answer.fault) is TooLarge) is large
    declared = both.open()
    both.engine.receive(both.head(declared, (b"content-length", str(size).encode())))
    assert (type(declared.fault) is TooLarge) is large
    assert not both.engine.over


# ---- heads: their size, their fields, their pieces ----


@pytest.mark.parametrize(("interim", "fine"), [(0, True), (2, True), (3, False)])
def test_the_limit_of_interim_answers(interim, fine):
    both = Both()
    answer = both.open()
    for _ in range(interim):
        both.engine.receive(both.head(answer, status=b"103"))
    both.engine.receive(both.head(answer, end=True))
    assert answer.ended is fine


@pytest.mark.parametrize(("count", "fine"), [(19, True), (20, False)])
def test_the_limit_of_fields(count, fine):
    both = Both()
    answer = both.open()
    both.engine.receive(both.head(answer, *[(b"x", b"%d" % n) for n in range(count)], end=True))
    assert answer.ended is fine
    assert fine or type(answer.fault) is TooLarge
    assert not both.engine.over


@pytest.mark.parametrize(("size", "fine"), [(3_981, True), (3_982, False)])
def test_the_limit_of_a_head(size, fine):
    both = Both()
    answer = both.open()
    both.engine.receive(both.head(answer, (b"x", b"y" * size), end=True))
    assert answer.ended is fine
    assert fine or type(answer.fault) is TooLarge


def in_pieces(both, answer, value, size, *, padded=False):
    block = both.encoder.encode([(b":status", b"200"), (b"x", value)], huffman=False)
    pieces = [block[start : start + size] for start in range(0, len(block), size)]
    first = bytes((3,)) + bytes(5) + pieces[0] + b"\0\0\0" if padded else pieces[0]
    data = frame(HEADERS, END_STREAM | (0x28 if padded else 0), answer.number, first)
    for piece in pieces[1:-1]:
        data += frame(CONTINUATION, 0, answer.number, piece)
    return data + frame(CONTINUATION, END_HEADERS, answer.number, pieces[-1])


@pytest.mark.parametrize("padded", [False, True])
def test_a_head_in_many_pieces_is_a_head(padded):
    # h2 by itself takes no more than 64.
    both = Both()
    answer = both.open()
    both.engine.receive(in_pieces(both, answer, b"y" * 1_500, 10, padded=padded))
    assert answer.ended
    assert answer.head.headers["x"] == "y" * 1_500


def test_a_head_of_a_megabyte_passes_where_it_may():
    sizes = Sizes(max_head=2_000_000)
    both = Both(sizes)
    answer = both.open(sizes=sizes)
    both.engine.receive(in_pieces(both, answer, b"y" * 1_200_000, 16_000))
    assert answer.ended
    assert len(answer.head.headers["x"]) == 1_200_000


def test_a_head_without_end_is_refused_and_costs_no_more_than_a_head():
    both = Both()
    answer, other = both.open(), both.open()
    both.engine.receive(frame(HEADERS, 0, answer.number, both.encoder.encode([(b":status", b"200")])))
    for _ in range(1_000):
        both.engine.receive(frame(CONTINUATION, 0, answer.number, b"\0" + b"\x7f" + b"y" * 1_000))
    assert both.engine.over
    assert type(answer.fault) is TooLarge
    assert type(other.fault) is ConnectFailed
    assert both.engine._head.size < 40_000


def test_empty_pieces_without_end_are_a_flood():
    both = Both()
    answer = both.open()
    both.engine.receive(frame(HEADERS, 0, answer.number, b""))
    both.engine.receive(frame(CONTINUATION, 0, answer.number) * (MAX_IDLE_FRAMES + 1))
    assert "flood" in answer.fault.detail


def test_few_bytes_that_unpack_to_a_huge_head_are_refused():
    both = Both()
    answer, other = both.open(), both.open()
    first = both.encoder.encode([(b":status", b"200"), (b"x", b"y" * 3_000)])
    both.engine.receive(frame(HEADERS, END_HEADERS | END_STREAM, other.number, first))
    both.engine.receive(frame(HEADERS, END_HEADERS, answer.number, b"\x88" + b"\xbe" * 10_000))
    assert other.ended
    assert type(answer.fault) is TooLarge
    assert both.engine.over


@pytest.mark.parametrize(
    "between",
    [
        frame(PING, 0, 0, bytes(8)),
        frame(DATA, 0, 1, b"x"),
        frame(CONTINUATION, END_HEADERS, 3, b""),
        frame(HEADERS, 4, 1, b"\x88"),
    ],
)
def test_nothing_comes_between_the_pieces_of_a_head(between):
    both = Both()
    answer = both.open()
    both.open()
    both.engine.receive(frame(HEADERS, 0, answer.number, b"\x88") + between)
    assert both.engine.over
    assert isinstance(answer.fault, BadResponse)


# ---- what ends the connection ----

BROKEN = {
    "HTTP/1": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not HTTP/2"),
    "no settings first": (frame(PING, 0, 0, bytes(8)), "not HTTP/2"),
    "a frame too long": (server().data_to_send() + b"\xff\xff\xff" + bytes(6), "16777215 bytes"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_http2_is_seen_at_once(name):
    data, words = BROKEN[name]
    engine = Http2(SIZES)
    answers = [Answer("GET", SIZES), Answer("GET", SIZES)]
    for answer in answers:
        engine.open(answer, FIELDS, whole=True)
    assert set(engine.receive(data)) == set(answers)
    assert all(type(answer.fault) is BadResponse and words in answer.fault.detail for answer in answers)
    assert answers[0].fault is not answers[1].fault
    assert (engine.over, engine.capacity) == (True, 0)


def bad_frames(number):
    return {
        "a push": frame(PUSH, END_HEADERS, number, b"\0\0\0\2\x82"),
        "a ping of seven bytes": frame(PING, 0, 0, bytes(7)),
        "a stream that is not there": frame(HEADERS, END_HEADERS, 99, b"\x88"),
        "a stream of the server's": frame(HEADERS, END_HEADERS, 2, b"\x88"),
        "fields that do not unpack": frame(HEADERS, END_HEADERS, number, b"\xff\xff\xff\xff"),
        "a window beyond all": frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"),
        "a window update of nothing": frame(WINDOW_UPDATE, 0, 0, bytes(4)),
        "a setting that cannot be": frame(SETTINGS, 0, 0, b"\0\4\xff\xff\xff\xff"),
        "settings cut short": frame(SETTINGS, 0, 0, b"\0\4\xff"),
        "a goodbye cut short": frame(GOAWAY, 0, 0, bytes(7)),
        "padding and no frame": frame(HEADERS, 0x8, number, b"\xff"),
        "a continuation of nothing": frame(CONTINUATION, END_HEADERS, number, b"\x88"),
    }


@pytest.mark.parametrize("name", bad_frames(1))
def test_a_frame_that_is_wrong_ends_the_connection_with_an_error_for_each(name):
    both = Both()
    one, two = both.open(), both.open()
    data = bad_frames(one.number)[name]
    both.engine.receive(both.head(two, end=True) + data)
    assert two.ended, "what the same read had brought before is not forgotten"
    assert both.engine.over
    assert isinstance(one.fault, FetchError)
    with pytest.raises(ConnectFailed):
        both.engine.open(Answer("GET", SIZES), FIELDS, whole=True)


@pytest.mark.parametrize(
    "flood",
    [
        frame(PING, 0, 0, bytes(8)),
        frame(SETTINGS, 0, 0, b""),
        frame(RST, 0, 77, bytes(4)),
        frame(PRIORITY, 0, 77, bytes(5)),
        frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1"),
        frame(0x77, 0, 0, b"unknown"),
        frame(DATA, 0, 1, b""),
    ],
)
def test_a_flood_of_frames_that_bring_nothing_is_bounded(flood):
    both = Both()
    answer = both.open()
    both.engine.receive(both.head(answer))
    for _ in range(MAX_IDLE_FRAMES):
        both.engine.receive(flood)
        both.engine.outgoing()
    if not answer.fault:
        both.engine.receive(flood)
    assert isinstance(answer.fault, FetchError)


def test_settings_beyond_number_are_refused():
    both = Both()
    answer = both.open()
    entries = b"".join((0x100 + n).to_bytes(2, "big") + bytes(4) for n in range(MAX_SETTINGS + 1))
    both.engine.receive(frame(SETTINGS, 0, 0, entries))
    assert "flood" in answer.fault.detail


def test_answers_to_pings_that_nobody_reads_are_bounded(monkeypatch):
    monkeypatch.setattr(http2, "MAX_UNREAD", 1_000)
    both = Both()
    answer = both.open()
    both.engine.receive(frame(PING, 0, 0, bytes(8)) * 100)
    assert "does not read" in answer.fault.detail


@pytest.mark.parametrize("begun", [False, True])
def test_the_end_of_the_connection_is_an_error_for_each(begun):
    both = Both()
    answer = both.open()
    if begun:
        both.engine.receive(both.head(answer))
    assert both.engine.receive(b"") == [answer]
    assert type(answer.fault) is (BadResponse if begun else ConnectFailed)
    assert answer.fault.phase == ("body" if begun else "head")


def test_whoever_leaves_a_connection_that_is_over_says_nothing():
    both = Both()
    answer = both.open("POST", whole=False)
    both.engine.receive(both.head(answer, end=True))
    both.engine.receive(b"")
    both.engine.leave(answer)
    assert both.engine.outgoing() == b""


# ---- resets and goodbyes ----


@pytest.mark.parametrize(
    ("code", "kind", "unprocessed"),
    [
        (ErrorCodes.REFUSED_STREAM, ConnectFailed, True),
        (ErrorCodes.CANCEL, ConnectFailed, False),
        (ErrorCodes.INTERNAL_ERROR, ConnectFailed, False),
        (ErrorCodes.ENHANCE_YOUR_CALM, AskedForCalm, False),
        (ErrorCodes.HTTP_1_1_REQUIRED, ConnectFailed, True),
        (ErrorCodes.NO_ERROR, ConnectFailed, False),
        (ErrorCodes.PROTOCOL_ERROR, BadResponse, False),
        (0xBEEF, ConnectFailed, False),
    ],
)
def test_a_reset_says_why(code, kind, unprocessed):
    both = Both()
    answer, other = both.open(), both.open()
    both.engine.receive(frame(RST, 0, answer.number, int(code).to_bytes(4, "big")))
    assert type(answer.fault) is kind
    assert answer.unprocessed is unprocessed
    assert (getattr(code, "name", "0xbeef")) in answer.fault.detail
    both.engine.leave(answer)
    both.engine.receive(both.head(other, end=True))
    assert other.ended


def test_a_reset_after_the_answer_is_no_matter():
    both = Both()
    answer = both.open(whole=False)
    both.engine.receive(both.head(answer, end=True) + frame(RST, 0, answer.number, bytes(4)))
    assert answer.ended
    assert answer.fault is None


def test_a_goodbye_lets_the_streams_that_it_names_end():
    both = Both()
    first, second = both.open(), both.open()
    both.engine.receive(both.head(first) + frame(GOAWAY, 0, 0, first.number.to_bytes(4, "big") + bytes(4)))
    assert (second.unprocessed, type(second.fault)) == (True, ConnectFailed)
    assert both.engine.capacity == 0
    assert not both.engine.over
    both.engine.receive(frame(DATA, END_STREAM, first.number, b"good"))
    assert first.take() == b"good"
    assert first.ended


def test_the_reason_of_a_goodbye_is_told_with_the_end():
    both = Both()
    answer = both.open()
    both.engine.receive(frame(GOAWAY, 0, 0, b"\0\0\0\xff" + int(ErrorCodes.ENHANCE_YOUR_CALM).to_bytes(4, "big")))
    assert answer.fault is None
    both.engine.receive(b"")
    assert "ENHANCE_YOUR_CALM" in answer.fault.detail
    assert type(answer.fault) is AskedForCalm


@pytest.mark.parametrize("code", [ErrorCodes.NO_ERROR, ErrorCodes.ENHANCE_YOUR_CALM, ErrorCodes.HTTP_1_1_REQUIRED])
@pytest.mark.parametrize("ending", ["closed", "reset"])
def test_a_goodbye_for_calm_is_the_reason_of_each_stream_that_ends_by_it(code, ending):
    kind = AskedForCalm if code == ErrorCodes.ENHANCE_YOUR_CALM else ConnectFailed
    both = Both()
    whole, begun, waiting, beyond = (both.open() for _ in range(4))
    both.engine.receive(both.head(whole, end=True) + both.head(begun))
    both.engine.receive(frame(GOAWAY, 0, 0, waiting.number.to_bytes(4, "big") + int(code).to_bytes(4, "big")))
    assert (type(beyond.fault), beyond.unprocessed) == (kind, True)
    assert both.engine.wants_http1 is (code == ErrorCodes.HTTP_1_1_REQUIRED)
    if ending == "closed":
        both.engine.receive(b"")
    else:
        both.engine.break_off(ConnectFailed("reset"))
    assert (type(waiting.fault), waiting.unprocessed) == (kind, False)
    cut = BadResponse if ending == "closed" and kind is ConnectFailed else kind
    assert (type(begun.fault), whole.fault) == (cut, None)
    with pytest.raises(kind):
        both.open()


def test_who_wants_http1_is_asked_no_more_on_the_same_connection():
    both = Both()
    answer, other = both.open(), both.open()
    both.engine.receive(frame(RST, 0, answer.number, int(ErrorCodes.HTTP_1_1_REQUIRED).to_bytes(4, "big")))
    assert (both.engine.wants_http1, both.engine.capacity, other.fault) == (True, 0, None)


# ---- windows ----


def test_a_peer_may_send_no_more_than_a_window_until_it_is_taken():
    sizes = Sizes(10 * STREAM_WINDOW)
    both = Both(sizes)
    answer = both.open(sizes=sizes)
    both.server.send_headers(answer.number, [(b":status", b"200")])
    sent = 0
    while room := min(both.server.local_flow_control_window(answer.number), 16_384):
        both.server.send_data(answer.number, b"x" * room)
        sent += room
        both.exchange()
    assert sent == STREAM_WINDOW
    assert len(answer.take()) == STREAM_WINDOW
    both.engine.acknowledge(answer)
    both.exchange()
    assert both.server.local_flow_control_window(answer.number) == STREAM_WINDOW


@pytest.mark.parametrize("how", ["leave", "fault"])
def test_what_a_lost_stream_was_sent_is_given_back_to_the_window_of_all(how):
    both = Both(Sizes(10 * STREAM_WINDOW))
    for _ in range(3 * WINDOW // STREAM_WINDOW):
        answer = both.open(sizes=Sizes(10 * STREAM_WINDOW))
        fields = [(b"content-length", b"5")] if how == "fault" else []
        both.server.send_headers(answer.number, [(b":status", b"200"), *fields])
        for _ in range(STREAM_WINDOW // 16_384):
            both.server.send_data(answer.number, bytes(16_384))
        both.exchange()
        both.engine.leave(answer)
        both.exchange()
    assert both.server.outbound_flow_control_window > WINDOW // 2


def test_frames_for_a_stream_that_we_have_left_are_taken_and_dropped():
    both = Both()
    answer, other = both.open(), both.open()
    both.engine.leave(answer)
    late = both.head(answer) + frame(DATA, END_STREAM, answer.number, b"late")
    both.engine.receive(late + both.head(other, end=True))
    assert other.ended
    assert not both.engine.over
    both.exchange()
    assert (answer.number, ErrorCodes.CANCEL) in both.resets()


@pytest.mark.parametrize(("size", "flood"), [(16_000, False), (512, False), (128, False), (50, True), (1, True)])
def test_what_is_still_on_the_way_for_a_stream_that_we_have_left_is_no_flood(size, flood):
    both = Both()
    answer, other = both.open(), both.open()
    both.engine.receive(both.head(answer))
    both.engine.leave(answer)
    both.exchange()
    before = both.server.outbound_flow_control_window
    late = frame(DATA, 0, answer.number, b"x" * size)
    for _ in range(STREAM_WINDOW // size):
        both.engine.receive(late)
    assert both.engine.over is flood
    if not flood:
        both.exchange()
        assert both.server.outbound_flow_control_window - before > STREAM_WINDOW // 2
        assert both.resets() == [(answer.number, ErrorCodes.CANCEL)]
        both.engine.receive(both.head(other, end=True))
        assert other.ended


def test_late_bodies_without_end_are_a_flood():
    both = Both()
    answer, other = both.open(), both.open()
    both.engine.leave(answer)
    for _ in range(2 * WINDOW // 16_000 + 100):
        both.engine.receive(frame(DATA, 0, answer.number, bytes(16_000)))
        both.engine.outgoing()
    assert "flood" in other.fault.detail


def test_a_body_is_sent_as_the_peer_has_room():
    both = Both()
    answer = both.open("POST", whole=False)
    body, sent = bytes(200_000), 0
    while sent < len(body):
        taken = both.engine.send(answer, body[sent:], last=True)
        both.exchange()
        if not taken:
            both.server.acknowledge_received_data(65_535, answer.number)
            assert answer in both.exchange(), "who waits for room is told"
        sent += taken
    received = [event for event in both.seen if isinstance(event, h2.events.DataReceived)]
    assert sum(len(event.data) for event in received) == len(body)
    assert any(isinstance(event, h2.events.StreamEnded) for event in both.seen)


@pytest.mark.parametrize(("allowed", "opened"), [(0, 0), (1, 1), (3, 3), (1_000, 100)])
def test_no_more_streams_than_either_side_allows(allowed, opened):
    both = Both()
    both.server.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: allowed})
    both.exchange()
    assert both.engine.capacity == opened
    for _ in range(opened):
        both.open()
    with pytest.raises(ConnectFailed):
        both.open()


def test_the_peer_does_not_decide_how_much_we_remember():
    both = Both()
    both.server.update_settings({SettingCodes.HEADER_TABLE_SIZE: 2**31})
    both.exchange()
    assert both.engine._h2.encoder.header_table_size <= 16 * 1024
    for n in range(300):
        answer = Answer("GET", SIZES)
        both.engine.open(answer, [*FIELDS, (b"x", b"%d" % n * 50)], whole=True)
        both.exchange()
        both.server.send_headers(answer.number, [(b":status", b"200")], end_stream=True)
        both.exchange()
        both.engine.leave(answer)
    assert not both.engine.over


@given(st.binary(max_size=2_000), st.integers(0, 200), st.data())
def test_no_bytes_raise_anything_or_are_kept_without_bound(junk, cut, choice):
    both = Both()
    answer = both.open()
    good = both.head(answer, (b"x", b"y")) + frame(DATA, 0, answer.number, b"good")
    both.engine.receive(good[:cut] + junk)
    for _ in range(3):
        kind = choice.draw(st.integers(0, 12))
        payload = choice.draw(st.binary(max_size=40))
        both.engine.receive(frame(kind, choice.draw(st.integers(0, 255)), choice.draw(st.integers(0, 3)), payload))
    both.engine.receive(b"")
    assert both.engine.over
    assert answer.ended or isinstance(answer.fault, FetchError)
