"""What is said to a proxy: each handshake cut at every position, and what every answer means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit.errors import BadResponse, ConnectFailed, FetchTimeout, ProxyFailed, ProxyLocked, TLSFailed
from scrapekit.headers import Headers
from scrapekit.http import Proxy, Reply, Sizes, Way
from scrapekit.http.proxying import Connect, blamed, forwarding, handshake, judged
from scrapekit.url import split

SIZES = Sizes(max_head=2000, max_fields=20, max_interim=3)
HTTP, SOCKS = Proxy("http", "p.example", 3128), Proxy("socks5h", "p.example", 1080)
OPEN_HTTP = Proxy("http", "p.example", 3128, "Aladdin", "open sesame")
OPEN_SOCKS = Proxy("socks5h", "p.example", 1080, "me", "pässword")


class Talk:
    """A handshake with a proxy that has all its bytes ready; ``said`` is what we sent."""

    def __init__(self, proxy, host="site.test", port=443):
        self.hands = handshake(proxy, host, port, SIZES)
        self.said, self.left = [self.hands.opening], b""

    def hear(self, data, cut=1 << 20):
        """Feed it, at most ``cut`` bytes at a time and no more than it wants; what it did not want is left."""
        while data and not self.hands.done:
            size = min(cut, self.hands.wants)
            assert size > 0, "it wants nothing, and is not done"
            piece, data = data[:size], data[size:]
            if answer := self.hands.feed(piece):
                self.said.append(answer)
        self.left = data
        return self

    def fails(self, data, cut=1 << 20):
        with pytest.raises(ProxyFailed) as caught:
            self.hear(data, cut)
            self.hands.feed(b"")
        assert str(self.hands._proxy) in caught.value.detail
        assert not any(secret in str(caught.value) for secret in ("sesame", "pässword", "Aladdin"))
        return caught.value


def every_cut(data):
    return range(1, len(data) + 1)


# ---- CONNECT ----


def test_a_tunnel_is_asked_for_by_name_and_port():
    assert Talk(HTTP).said == [b"CONNECT site.test:443 HTTP/1.1\r\nHost: site.test:443\r\n\r\n"]
    assert Talk(HTTP, "2001:db8::1", 8443).said[0].startswith(b"CONNECT [2001:db8::1]:8443 HTTP/1.1\r\nHost: [2001:")


def test_credentials_stand_in_the_request_for_the_tunnel():
    assert b"\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n" in Talk(OPEN_HTTP).said[0]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 Connection established\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nProxy-Agent: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"\r\nHTTP/1.1 200\r\n\r\n",
        b"HTTP/1.1 200 OK\n\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_any_2xx_opens_the_tunnel_wherever_it_is_cut(answer):
    for cut in every_cut(answer):
        assert Talk(HTTP).hear(answer, cut).hands.done
        short = Talk(HTTP).hear(answer[: cut - 1])
        assert not short.hands.done


@pytest.mark.parametrize("status", [400, 403, 404, 500, 502, 503, 504, 301, 999])
def test_another_answer_is_the_proxys_refusal_of_this_site(status):
    answer = f"HTTP/1.1 {status} No\r\nContent-Length: 3\r\n\r\nno!".encode()
    for cut in every_cut(answer):
        error = Talk(HTTP).fails(answer, cut)
        assert (type(error), error.phase, error.refused) == (ProxyFailed, "head", True)
        assert error.detail == f"http://p.example:3128: {status} for the tunnel"


def test_407_says_that_credentials_are_wanted():
    answer = b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n'
    for cut in every_cut(answer):
        error = Talk(HTTP).fails(answer, cut)
        assert (type(error), error.refused) == (ProxyLocked, False)
        assert error.detail == "http://p.example:3128: 407: it wants credentials, and there are none"
    assert Talk(OPEN_HTTP).fails(answer).detail.endswith("407: it does not accept the credentials")
    unauthorized = b"HTTP/1.1 401 Unauthorized\r\n\r\n"
    assert type(Talk(OPEN_HTTP).fails(unauthorized)) is ProxyLocked, "no site has been asked yet"


def test_the_proxys_own_reason_is_told():
    answer = b"HTTP/1.1 502 Bad Gateway\r\nProxy-Status: p; error=dns_error; rcode=NXDOMAIN\r\n\r\n"
    assert Talk(HTTP).fails(answer).detail.endswith("502 for the tunnel: dns_error")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 21 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 3000,
        b"HTTP/1.1 103 Early\r\n\r\n" * 4,
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 20",
        b"",
    ],
)
def test_what_is_no_answer_is_the_proxys_failure_wherever_it_is_cut(answer):
    for cut in [1, 2, 3, 7, 100, 1 << 20]:
        error = Talk(HTTP).fails(answer, cut)
        assert (type(error), error.phase, error.refused) == (ProxyFailed, "head", False)


def test_bytes_behind_the_answer_are_nobodys():
    answer = b"HTTP/1.1 200 OK\r\n\r\n\x16\x03"
    for cut in range(len(answer) - 1, len(answer) + 1):
        assert "bytes follow" in Talk(HTTP).fails(answer, cut).detail


@given(st.binary(max_size=200), st.integers(1, 20))
def test_whatever_comes_instead_of_an_answer_is_a_failure_or_a_tunnel(data, cut):
    for proxy in (HTTP, SOCKS, OPEN_SOCKS):
        try:
            Talk(proxy).hear(data, cut)
        except ProxyFailed:
            pass


@given(st.binary(max_size=80), st.sampled_from([b"HTTP/1.1 ", b"HTTP/1.1 200 ", b"\x05\x00", b"\x05\x00\x05\x00\x00"]))
def test_whatever_comes_after_a_good_start_is_a_failure_or_a_tunnel(data, start):
    for proxy in (HTTP, SOCKS):
        try:
            Talk(proxy).hear(start + data)
        except ProxyFailed:
            pass


# ---- SOCKS5 ----

BOUND = {
    "IPv4": b"\x01\x7f\x00\x00\x01\x1f\x90",
    "IPv6": b"\x04" + bytes(15) + b"\x01\x1f\x90",
    "a name": b"\x03\x09localhost\x1f\x90",
    "no name": b"\x03\x00\x00\x00",
}


@pytest.mark.parametrize("bound", BOUND.values(), ids=BOUND)
def test_a_socks_tunnel_opens_wherever_its_answers_are_cut(bound):
    answers = b"\x05\x00" + b"\x05\x00\x00" + bound
    for cut in every_cut(answers):
        talk = Talk(SOCKS).hear(answers + b"from the site", cut)
        assert talk.hands.done
        assert talk.left == b"from the site"
        assert talk.said == [b"\x05\x01\x00", b"\x05\x01\x00\x03\x09site.test\x01\xbb"]
        assert not Talk(SOCKS).hear(answers[: cut - 1]).hands.done


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("192.0.2.7", b"\x01\xc0\x00\x02\x07"),
        ("2001:db8::1", b"\x04\x20\x01\x0d\xb8" + bytes(11) + b"\x01"),
        ("a" * 255, b"\x03\xff" + b"a" * 255),
    ],
)
def test_an_address_goes_as_one_and_a_name_as_a_name(host, said):
    assert Talk(SOCKS, host, 80).hear(b"\x05\x00").said[1] == b"\x05\x01\x00" + said + b"\x00\x50"


def test_a_name_that_is_longer_than_socks_can_say_has_no_way():
    with pytest.raises(ProxyFailed, match="longer than") as caught:
        handshake(SOCKS, "a" * 256, 80, SIZES)
    assert caught.value.refused


def test_a_user_name_and_a_password_are_offered_where_there_are_any():
    answers = b"\x05\x02" + b"\x01\x00" + b"\x05\x00\x00" + BOUND["IPv4"]
    for cut in every_cut(answers):
        talk = Talk(OPEN_SOCKS).hear(answers, cut)
        assert talk.hands.done
        assert talk.said[:2] == [b"\x05\x02\x00\x02", b"\x01\x02me\x09p\xc3\xa4ssword"]
    assert Talk(OPEN_SOCKS).hear(b"\x05\x00\x05\x00\x00" + BOUND["IPv4"]).hands.done, "it may want none"


@pytest.mark.parametrize(
    ("proxy", "answers", "why"),
    [
        (SOCKS, b"\x05\xff", "it wants credentials, and there are none"),
        (SOCKS, b"\x05\x02", "it wants credentials, and there are none"),
        (OPEN_SOCKS, b"\x05\xff", "it takes neither these credentials nor none"),
        (OPEN_SOCKS, b"\x05\x02\x01\x01", "it does not accept the credentials"),
        (OPEN_SOCKS, b"\x05\x02\x05\x01", "it does not accept the credentials"),
    ],
)
def test_a_socks_proxy_that_wants_other_credentials_says_so(proxy, answers, why):
    for cut in every_cut(answers):
        error = Talk(proxy).fails(answers, cut)
        assert (type(error), error.phase) == (ProxyLocked, "head")
        assert error.detail == f"socks5h://p.example:1080: {why}"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (1, "general failure"),
        (2, "not allowed by its rules"),
        (3, "network unreachable"),
        (4, "host unreachable"),
        (5, "connection refused"),
        (6, "time to live expired"),
        (7, "it knows no CONNECT"),
        (8, "it knows no such addresses"),
        (9, "reason 9"),
        (255, "reason 255"),
    ],
)
def test_a_socks_refusal_is_told_however_much_of_it_comes(code, why):
    answers = b"\x05\x00" + b"\x05" + bytes([code]) + b"\x00\x01\x00\x00\x00\x00\x00\x00"
    for end in range(4, len(answers) + 1):
        error = Talk(SOCKS).fails(answers[:end])
        assert (type(error), error.phase, error.refused) == (ProxyFailed, "head", True)
        assert error.detail == f"socks5h://p.example:1080: no way to the site: {why}"


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        (b"", "hung up"),
        (b"\x05", "hung up"),
        (b"\x05\x00", "hung up"),
        (b"\x05\x00\x05\x00\x00\x01\x00\x00", "hung up"),
        (b"HTTP/1.1 400 Bad Request\r\n", "does not speak SOCKS5"),
        (b"\x04\x00", "does not speak SOCKS5"),
        (b"\x00\x5a", "does not speak SOCKS5"),
        (b"\x05\x01", "does not speak SOCKS5"),  # GSSAPI, which nobody offered
        (b"\x05\x80", "does not speak SOCKS5"),
        (b"\x05\x00\x04\x00\x00\x01", "does not speak SOCKS5"),
        (b"\x05\x00\x05\x00\x00\x02\x00", "does not speak SOCKS5"),
        (b"\x05\x00\x05\x00\x00\x00\x00", "does not speak SOCKS5"),
        (b"\x05\x00\x05\x00\x00\x03\x02\xff\xfe\x00\x00", "does not speak SOCKS5"),
    ],
)
def test_what_is_no_socks_is_told(answers, why):
    for cut in (1, 2, 100):
        error = Talk(SOCKS).fails(answers, cut)
        assert (type(error), error.refused) == (ProxyFailed, False)
        assert why in error.detail


# ---- requests in the absolute form ----


def test_only_plain_http_through_an_http_proxy_is_forwarded():
    plain, tls = split("http://a.test/"), split("https://a.test/")
    secure = Proxy("https", "p.example", 443)
    assert [forwarding(Way(proxy), plain) for proxy in (None, HTTP, secure, SOCKS)] == [None, HTTP, secure, None]
    assert [forwarding(Way(proxy), tls) for proxy in (None, HTTP, secure, SOCKS)] == [None] * 4


def reply(status, *fields):
    return Reply(status, Headers(list(fields)), b"", "1.1", "", 10, False)


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (200, ()),
        (404, ()),
        (502, ()),
        (504, (("Via", "1.1 p.example"),)),
        (502, (("Proxy-Status", "cdn; error=connection_refused, p.example"),)),
        (502, (("Proxy-Status", "p.example; received-status=502"),)),
        (200, (("Proxy-Status", "p.example; error=http_protocol_error"),)),
        (401, ()),
    ],
)
def test_what_the_proxy_does_not_call_its_own_is_the_sites_answer(status, fields):
    given_ = reply(status, *fields)
    assert judged(given_, HTTP) is given_


@pytest.mark.parametrize(
    ("status", "fields", "why"),
    [
        (502, (("Proxy-Status", "p.example; error=connection_refused"),), "502 for the request: connection_refused"),
        (504, (("Proxy-Status", 'cdn, "p, x"; error = connection_timeout; details="y"'),), "connection_timeout"),
        (503, (("Proxy-Status", "cdn"), ("proxy-status", "p; next-hop=a; error=proxy_internal_error")), "internal"),
    ],
)
def test_what_the_proxy_calls_its_own_is_its_failure(status, fields, why):
    with pytest.raises(ProxyFailed) as caught:
        judged(reply(status, *fields), HTTP)
    assert why in caught.value.detail
    assert (caught.value.phase, caught.value.refused, caught.value.sent) == ("head", True, True)


def test_a_407_is_the_proxys_and_the_site_saw_nothing():
    with pytest.raises(ProxyLocked) as caught:
        judged(reply(407), HTTP)
    assert not caught.value.sent


@pytest.mark.parametrize(
    ("error", "to_proxy"),
    [
        (ConnectFailed("reset", phase="send", sent=True), True),
        (ConnectFailed("closed", phase="head", sent=True, reused=True), True),
        (TLSFailed("bad record", phase="head"), True),
        (ConnectFailed("reset", phase="body", sent=True), False),
        (FetchTimeout("slow", phase="head", sent=True), False),
        (BadResponse("garbage", sent=True), False),
    ],
)
def test_a_connection_that_breaks_before_an_answer_is_the_proxys_failure(error, to_proxy):
    charged = blamed(error, HTTP)
    assert isinstance(charged, ProxyFailed) is to_proxy
    assert (charged.phase, charged.sent, charged.reused) == (error.phase, error.sent, error.reused)
    assert to_proxy or charged is error


def test_nothing_can_break_out_of_the_request_for_a_tunnel():
    with pytest.raises(UnicodeEncodeError):
        Connect(HTTP, "bücher.example", 443, SIZES)
    user = Proxy("http", "p", 1, "a\r\nX: y", "b\r\n\r\n")
    assert Connect(user, "site.test", 443, SIZES).opening.count(b"\r\n") == 4
