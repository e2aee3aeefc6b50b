from __future__ import annotations

import pytest

from scrapekit.http.dialogue import Dialogue, ServerReply, ServerRequest

DATE = "Thu, 01 Jan 1970 00:00:00 GMT"
POST = b"POST /basket HTTP/1.1\r\nHost: books.test\r\nContent-Length: 5\r\n\r\nseven"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def asked(data: bytes, **options: int) -> ServerRequest | ServerReply | None:
    dialogue = Dialogue(**options)
    dialogue.feed(data)
    return dialogue.request()


def answered(data: bytes, reply: ServerReply) -> bytes:
    dialogue = Dialogue()
    dialogue.feed(data)
    assert isinstance(dialogue.request(), ServerRequest)
    return dialogue.answer(reply, DATE)


def refused(data: bytes, **options: int) -> int:
    reply = asked(data, **options)
    assert isinstance(reply, ServerReply)
    assert ("Connection", "close") in reply.headers
    return reply.status


def test_a_request_is_the_same_however_its_bytes_are_cut() -> None:
    whole = asked(POST)
    assert whole == ServerRequest("POST", "/basket", "books.test", whole.headers, b"seven")  # type: ignore[union-attr]
    for cut in range(1, len(POST)):
        dialogue = Dialogue()
        dialogue.feed(POST[:cut])
        assert dialogue.request() is None, cut
        dialogue.feed(POST[cut:])
        assert dialogue.request() == whole, cut


def test_requests_that_came_together_are_given_one_by_one() -> None:
    dialogue = Dialogue()
    dialogue.feed(POST + b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
    for target in ("/basket", "/next"):
        request = dialogue.request()
        assert isinstance(request, ServerRequest)
        assert request.target == target
        dialogue.answer(ServerReply(), DATE)
        assert dialogue.go_on()
        assert dialogue.begun is (target == "/basket")


@pytest.mark.parametrize(
    ("head", "host", "target"),
    [
        (b"GET /a?b=c%20d HTTP/1.1\r\nHost: books.test:81\r\n", "books.test:81", "/a?b=c%20d"),
        (b"GET http://other.test/a HTTP/1.1\r\nHost: books.test\r\n", "other.test", "/a"),
        (b"GET http://other.test HTTP/1.1\r\nHost: books.test\r\n", "other.test", "/"),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n", "a", "*"),
        (b"GET /?to=http://x/ HTTP/1.0\r\n", "", "/?to=http://x/"),
    ],
)
def test_host_and_target_are_what_the_client_asked_for(head: bytes, host: str, target: str) -> None:
    request = asked(head + b"\r\n")
    assert isinstance(request, ServerRequest)
    assert (request.host, request.target) == (host, target)


def test_path_and_query_are_read_off_the_target() -> None:
    request = ServerRequest("GET", "/search%2F?q=sea+salt&empty=&q=last")
    assert (request.path, request.query) == ("/search%2F", {"q": "last", "empty": ""})
    assert ServerRequest("GET", "/").query == {}


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # RFC 9112 §3.2: no Host
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nbad field: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (CHUNKED + b"xyz\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70000, 431),
        (b"CONNECT books.test:443 HTTP/1.1\r\nHost: books.test:443\r\n\r\n", 501),
    ],
)
def test_what_is_no_request_is_refused_and_ends_the_connection(data: bytes, status: int) -> None:
    assert refused(data) == status


@pytest.mark.parametrize("size", [0, 1, 7, 8])
def test_a_body_up_to_the_limit_is_taken(size: int) -> None:
    body = b"x" * size
    for data in (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (size, body),
        CHUNKED + (b"%x\r\n%s\r\n" % (size, body) if size else b"") + b"0\r\n\r\n",
    ):
        request = asked(data, max_body=8)
        assert isinstance(request, ServerRequest)
        assert request.body == body


def test_a_body_over_the_limit_is_refused_before_it_is_read() -> None:
    assert refused(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", max_body=8) == 413
    assert refused(CHUNKED + b"9\r\nxxxxxxxxx", max_body=8) == 413


def test_a_client_that_waits_for_100_is_told_to_go_on_once() -> None:
    dialogue = Dialogue()
    dialogue.feed(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert dialogue.request() is None
    assert dialogue.interim() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert dialogue.interim() == b""
    dialogue.feed(b"ok")
    assert isinstance(dialogue.request(), ServerRequest)


def test_a_reply_carries_its_length_and_date() -> None:
    reply = ServerReply.text("naïve")
    assert answered(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", reply) == (
        b"HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 6\r\n\r\n%s"
        % (DATE.encode(), "naïve".encode())
    )


def test_head_is_answered_by_the_head_of_get() -> None:
    reply = ServerReply.text("hello")
    with_body = answered(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", reply)
    assert answered(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", reply) == with_body.removesuffix(b"hello")


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_body_promises_none(status: int) -> None:
    data = answered(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", ServerReply(status, b"left out"))
    assert data.startswith(b"HTTP/1.1 %d " % status)
    assert b"left out" not in data
    assert b"ontent-" not in data


def test_a_handler_cannot_lie_about_the_length() -> None:
    reply = ServerReply(200, b"four", (("content-length", "9"), ("Transfer-Encoding", "chunked")))
    data = answered(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", reply)
    assert b"Content-Length: 4\r\n" in data
    assert b"chunked" not in data


@pytest.mark.parametrize(
    "reply",
    [ServerReply(199), ServerReply(200, b"", (("X", "a\r\nSet-Cookie: b"),)), ServerReply(200, b"", (("X", "ü"),))],
)
def test_a_reply_that_cannot_be_sent_leaves_the_connection_able_to_say_so(reply: ServerReply) -> None:
    dialogue = Dialogue()
    dialogue.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    dialogue.request()
    with pytest.raises(ValueError):
        dialogue.answer(reply, DATE)
    assert dialogue.answer(ServerReply(500), DATE).startswith(b"HTTP/1.1 500 ")


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", False),
        (b"GET / HTTP/1.0\r\nHost: a\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n", True),
    ],
)
def test_the_connection_is_kept_as_the_client_asks(head: bytes, kept: bool) -> None:
    dialogue = Dialogue()
    dialogue.feed(head + b"\r\n")
    assert isinstance(dialogue.request(), ServerRequest)
    data = dialogue.answer(ServerReply(), DATE)
    assert dialogue.go_on() is kept
    assert (b"\r\nConnection: close\r\n" in data) is not kept
