"""A URL into a file: whole or not there, gone on with where it broke off, never of two versions."""

from __future__ import annotations

import gzip
import json

import pytest

from scrapekit import Session
from scrapekit.errors import BadResponse, BadStatus, ConnectFailed, TooLarge
from scrapekit.headers import Headers
from scrapekit.http.ranges import validator
from scrapekit.testing import CLOSE, FakeNetwork, VirtualClock

BODY = b"".join(b"%07d\n" % number for number in range(1_000))  # 8,000 bytes, no two alike
URL = "http://a.test/file"
TAG = '"v1"'


class Server:
    """A file with ranges as RFC 9110 §14 has them; each answer can be cut, once, after so many bytes."""

    def __init__(self, body=BODY, tag=TAG, *, cuts=(), **changed):
        self.body, self.tag, self.cuts = body, tag, list(cuts)
        self.ranges, self.conditions, self.most = True, True, None
        self.fields, self.asked = {}, []
        vars(self).update(changed)

    def __call__(self, received):
        asked = received.headers.get("range")
        self.asked.append((asked, received.headers.get("if-range")))
        assert received.headers["accept-encoding"] == "identity"
        start = int(asked[6:-1]) if asked and self.ranges else 0
        if asked and self.conditions and received.headers.get("if-range") != self.tag:
            start = 0
        if start >= len(self.body) > 0 and asked:
            return self.written(416, {"Content-Range": f"bytes */{len(self.body)}"}, b"")
        end = min(len(self.body), start + self.most) if self.most else len(self.body)
        if start or (self.most and asked):
            fields = {"Content-Range": f"bytes {start}-{end - 1}/{len(self.body)}"}
            return self.written(206, fields | self.fields, self.body[start:end])
        return self.written(200, self.fields, self.body)

    def written(self, status, fields, body):
        fields = {"Content-Length": len(body), **({"ETag": self.tag} if self.tag else {})} | fields
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        head = f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode()
        if self.cuts and (cut := self.cuts.pop(0)) is not None:
            return (head + body[:cut], CLOSE)
        return head + body


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.bin"


@pytest.fixture
def get(run, path):
    """``get(server, **options)`` downloads once; the Download, or the error."""

    def getter(server, **options):
        network, clock = FakeNetwork({"a.test": {"/file": server}}), VirtualClock()

        async def main():
            async with Session(network=network, now=clock) as session:
                return await session.download(options.pop("url", URL), path, **options)

        try:
            return run(main, clock=clock)
        finally:
            assert network.open == 0

    return getter


def broken(get, server, kind=BadResponse, **options):
    with pytest.raises(kind) as caught:
        get(server, **options)
    return caught.value


def names(path):
    return sorted(each.name for each in path.parent.iterdir())


def test_a_file_is_there_once_it_is_whole(get, path):
    download = get(Server())
    assert (path.read_bytes(), names(path)) == (BODY, ["file.bin"])
    assert (download.path, download.size, download.resumed, download.url) == (path, 8_000, 0, URL)
    assert (download.status, download.headers["etag"]) == (200, TAG)


@pytest.mark.parametrize("cut", [0, 1, 4_000, 7_999])
def test_what_broke_off_is_gone_on_with(get, path, cut):
    server = Server(cuts=[cut])
    broken(get, server)
    assert names(path) == ["file.bin.part", "file.bin.part.json"]
    assert path.with_name("file.bin.part").read_bytes() == BODY[:cut]
    download = get(server)
    assert (path.read_bytes(), names(path)) == (BODY, ["file.bin"])
    assert server.asked == [(None, None), (f"bytes={cut}-", TAG) if cut else (None, None)]
    assert (download.size, download.resumed, download.status) == (8_000, cut, 206 if cut else 200)


def test_it_may_break_off_many_times(get, path):
    server = Server(cuts=[1_000, 1_000, 0, 5_000])
    for kind in (BadResponse, BadResponse, BadResponse, BadResponse):
        broken(get, server, kind)
    assert get(server).resumed == 7_000
    assert path.read_bytes() == BODY


def test_what_has_changed_is_begun_anew(get, path):
    server = Server(cuts=[4_000])
    broken(get, server)
    server.body, server.tag = BODY[::-1], '"v2"'
    download = get(server)
    assert (path.read_bytes(), download.resumed, download.status) == (BODY[::-1], 0, 200)
    assert server.asked[1] == ("bytes=4000-", TAG)


@pytest.mark.parametrize(
    "fields",
    [
        {"ETag": '"v2"'},
        {"ETag": 'W/"v1"'},
        {"Content-Range": "bytes 3999-7999/8000"},
        {"Content-Range": "bytes 4000-7999/8001"},
        {"Content-Range": "lines 4000-7999/8000"},
        {"Content-Range": ""},
        {"Content-Encoding": "gzip"},
    ],
)
def test_a_part_that_does_not_fit_is_not_joined_to_what_is_there(get, path, fields):
    server = Server(cuts=[4_000], conditions=False)
    broken(get, server)
    server.fields = fields

    def answer(received):
        if "range" not in received.headers:
            server.fields = {}
        return server(received)

    assert get(answer).resumed == 0
    assert path.read_bytes() == BODY
    assert [asked for asked, _ in server.asked] == [None, "bytes=4000-", None]


def test_a_server_that_ignores_ranges_is_fine(get, path):
    server = Server(cuts=[4_000], ranges=False)
    broken(get, server)
    assert get(server).resumed == 0
    assert path.read_bytes() == BODY


def test_a_server_that_gives_less_than_was_asked_for_is_asked_again(get, path):
    server = Server(cuts=[4_000], most=1_500)
    broken(get, server)
    download = get(server)
    assert (path.read_bytes(), download.resumed, download.size) == (BODY, 4_000, 8_000)
    assert [asked for asked, _ in server.asked[1:]] == ["bytes=4000-", "bytes=5500-", "bytes=7000-"]


def test_all_that_was_missing_was_the_name(get, path):
    server = Server(cuts=[4_000])
    broken(get, server)
    path.with_name("file.bin.part").write_bytes(BODY)
    download = get(server)
    assert (path.read_bytes(), download.resumed, download.status) == (BODY, 8_000, 416)


def test_more_than_there_ever_was_is_begun_anew(get, path):
    server = Server(cuts=[4_000])
    broken(get, server)
    path.with_name("file.bin.part").write_bytes(BODY + b"more")
    assert get(server).resumed == 0
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("tag", ["", 'W/"v1"', "v1"])
def test_without_a_strong_validator_nothing_is_gone_on_with(get, path, tag):
    server = Server(tag=tag, cuts=[4_000])
    broken(get, server)
    assert names(path) == []
    assert get(server).resumed == 0
    assert (path.read_bytes(), server.asked[1]) == (BODY, (None, None))


@pytest.mark.parametrize(
    "note", ["", "{}", "[]", '{"url": "http://a.test/other", "validator": "\\"v1\\"", "total": 8000}']
)
def test_a_part_of_something_else_is_begun_anew(get, path, note):
    path.with_name("file.bin.part").write_bytes(b"other")
    path.with_name("file.bin.part.json").write_text(note)
    server = Server()
    assert get(server).resumed == 0
    assert (path.read_bytes(), server.asked) == (BODY, [(None, None)])


def test_resuming_is_for_who_wants_it(get, path):
    server = Server(cuts=[4_000])
    broken(get, server)
    assert get(server, resume=False).resumed == 0
    assert server.asked[1] == (None, None)


def test_nothing_is_written_over_unless_it_is_said(get, path):
    path.write_text("mine")
    server = Server()
    broken(get, server, FileExistsError)
    assert (path.read_text(), names(path), server.asked) == ("mine", ["file.bin"], [])
    get(server, overwrite=True)
    assert (path.read_bytes(), names(path)) == (BODY, ["file.bin"])


def test_a_path_that_cannot_be_is_told_before_anything_is_sent(get, path):
    path.parent.rmdir()
    server = Server()
    broken(get, server, FileNotFoundError)
    assert server.asked == []
    path.parent.mkdir()


@pytest.mark.parametrize("status", [404, 503, 304, 416])
def test_a_status_that_is_no_success_is_an_error_and_keeps_what_is_there(get, path, status):
    server = Server(cuts=[4_000])
    broken(get, server)
    refusal = f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()
    assert broken(get, refusal, BadStatus).status == status
    assert path.exists() is False
    if status != 416:  # which says that what is there is of no use
        assert get(server).resumed == 4_000


def test_the_cap_is_on_the_whole(get, path):
    server = Server(cuts=[4_000])
    broken(get, server, max_size=8_000)
    broken(get, server, TooLarge, max_size=7_999)
    assert get(server, max_size=8_000).size == 8_000


def test_a_body_that_is_packed_though_it_was_not_asked_for_is_unpacked(get, path):
    packed = gzip.compress(BODY)
    server = Server(packed, cuts=[100], fields={"Content-Encoding": "gzip"})
    broken(get, server)
    assert names(path) == []
    assert get(server).size == 8_000
    assert path.read_bytes() == BODY


def test_a_redirect_is_followed_with_the_range(run, path):
    server, clock = Server(cuts=[4_000]), VirtualClock()
    moved = b"HTTP/1.1 302 X\r\nLocation: http://b.test/file\r\nContent-Length: 0\r\n\r\n"
    network = FakeNetwork({"a.test": {"/file": moved}, "b.test": {"/file": server}})

    async def main():
        async with Session(network=network, now=clock) as session:
            with pytest.raises(BadResponse):
                await session.download(URL, path)
            return await session.download(URL, path)

    download = run(main, clock=clock)
    assert (download.resumed, download.url) == (4_000, "http://b.test/file")
    assert path.read_bytes() == BODY


def test_a_reset_in_the_body_keeps_what_came(run, path):
    from scrapekit.testing import RESET

    head = b'HTTP/1.1 200 OK\r\nContent-Length: 8000\r\nETag: "v1"\r\n\r\n'
    network, clock = FakeNetwork({"a.test": {"/file": [(head, BODY[:3_000], RESET), Server()]}}), VirtualClock()

    async def main():
        async with Session(network=network, now=clock) as session:
            with pytest.raises(ConnectFailed):
                await session.download(URL, path)
            note = json.loads(path.with_name("file.bin.part.json").read_text())
            assert note == {"url": URL, "validator": TAG, "total": 8_000}
            assert (await session.download(URL, path)).resumed == 3_000

    run(main, clock=clock)
    assert path.read_bytes() == BODY


NOON, LATER = "Mon, 23 Nov 2026 12:00:00 GMT", "Mon, 23 Nov 2026 12:01:00 GMT"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"ETag": '"a"', "Last-Modified": NOON, "Date": LATER}, '"a"'),
        ({"ETag": 'W/"a"', "Last-Modified": NOON, "Date": LATER}, ""),
        ({"ETag": '"'}, ""),
        ({"ETag": '""'}, ""),
        ({"Last-Modified": NOON, "Date": LATER}, NOON),
        ({"Last-Modified": NOON, "Date": LATER.replace(":01:00", ":00:59")}, ""),
        ({"Last-Modified": NOON}, ""),
        ({"Last-Modified": "yesterday", "Date": LATER}, ""),
        ({"Last-Modified": NOON.replace("GMT", "-0000"), "Date": LATER}, ""),
        ({}, ""),
    ],
)
def test_only_what_stands_for_exactly_these_bytes_is_a_validator(fields, said):
    assert validator(Headers(fields)) == said
