"""Forms with files: what is written is what a parser of someone else's reads back, and it is the same every time."""

from __future__ import annotations

import email.policy
import json
import os
from email.parser import BytesParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit import Request, Session
from scrapekit.errors import BadRequest
from scrapekit.http.server import Server, ServerReply
from scrapekit.multipart import first_free

URL = "https://example.com/upload"


def parts(request):
    """Name, file name, content type and content of each part, as the standard library's parser reads them."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    assert message.is_multipart()
    assert not message.defects
    return [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part.get("content-type"),
            part.get_payload(decode=True),
        )
        for part in message.iter_parts()
    ]


def test_the_bytes_are_those_of_the_standard():
    request = Request(URL, form={"q": "trains"}, files={"photo": ("a.png", b"\x89PNG", "image/png")})
    boundary = request.headers["Content-Type"].removeprefix("multipart/form-data; boundary=")
    assert request.method == "POST"
    assert request.body == (
        b"--%(b)s\r\n"
        b'Content-Disposition: form-data; name="q"\r\n\r\ntrains\r\n'
        b"--%(b)s\r\n"
        b'Content-Disposition: form-data; name="photo"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n'
        b"--%(b)s--\r\n"
    ) % {b"b": boundary.encode()}


def test_fields_come_first_and_a_list_is_several_parts():
    request = Request(URL, files={"f": [b"1", ("b.txt", b"2")]}, form={"tag": ["x", "y"], "n": 5, "raw": b"\xff\r"})
    assert parts(request) == [
        ("tag", None, None, b"x"),
        ("tag", None, None, b"y"),
        ("n", None, None, b"5"),
        ("raw", None, None, b"\xff\r"),
        ("f", "f", "application/octet-stream", b"1"),
        ("f", "b.txt", "text/plain", b"2"),
    ]


@pytest.mark.parametrize("kind", [str, Path, os.fspath])
def test_a_path_is_read_when_the_request_is_made(tmp_path, kind):
    file = tmp_path / "report.CSV"
    file.write_bytes(b"a;b\r\n")
    request = Request(URL, files={"f": kind(file)})
    file.unlink()
    assert parts(request) == [("f", "report.CSV", "text/csv", b"a;b\r\n")]


def test_a_path_may_go_by_another_name_and_type(tmp_path):
    (tmp_path / "x").write_bytes(b"{}")
    named = {"f": ("data.json", tmp_path / "x"), "g": ("data", str(tmp_path / "x"), 'application/x-a; v="1"')}
    assert [part[1:3] for part in parts(Request(URL, files=named))] == [
        ("data.json", "application/json"),
        ("data", 'application/x-a; v="1"'),
    ]


@pytest.mark.parametrize("name", ["missing", "", "a\0b", "folder"])
def test_a_path_that_cannot_be_read_is_said_at_once(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadRequest, match="file 'f'"):
        Request(URL, files={"f": f"{tmp_path}/{name}"})


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.jpeg", "image/jpeg"), ("a.tar.gz", "application/octet-stream"), ("a", "application/octet-stream"),
     ("data:text/html,x", "application/octet-stream"), ("", "application/octet-stream")],
)  # fmt: skip
def test_the_content_type_is_guessed_from_the_name(name, kind):
    assert f"\r\nContent-Type: {kind}\r\n\r\n".encode() in Request(URL, files={"f": (name, b"")}).body


def test_nothing_in_a_name_breaks_out_of_its_line():
    evil = 'a"\r\nX-Evil: 1\n\r"; filename="b\\ä'
    request = Request(URL, form={evil: "v"}, files={evil: (evil, b"c")})
    lines = request.body.split(b"\r\n")
    # The HTML standard makes line ends of a field's name CRLF, and leaves those of a file's name as they are.
    field = "a%22%0D%0AX-Evil: 1%0D%0A%0D%0A%22; filename=%22b\\ä"
    file = "a%22%0D%0AX-Evil: 1%0A%0D%22; filename=%22b\\ä"
    assert lines[1] == f'Content-Disposition: form-data; name="{field}"'.encode()
    assert lines[5] == f'Content-Disposition: form-data; name="{field}"; filename="{file}"'.encode()
    assert len(lines) == 11


def test_line_ends_in_a_field_are_crlf_and_those_in_a_file_stay():
    request = Request(URL, form={"t": "a\nb\rc\r\nd"}, files={"f": b"a\nb\rc\r\nd"})
    assert b"\r\n\r\na\r\nb\r\nc\r\nd\r\n--" in request.body
    assert b"\r\n\r\na\nb\rc\r\nd\r\n--" in request.body


@pytest.mark.parametrize("bad", ["text/plain\r\nX: y", "text/plain\n", "text", "/x", "", "text/ä", 5])
def test_a_content_type_that_is_none_is_refused(bad):
    with pytest.raises(BadRequest, match="content type"):
        Request(URL, files={"f": ("a", b"", bad)})


@pytest.mark.parametrize(
    "fields",
    [{"json": 1}, {"json": 0, "form": {}}, {"body": b"x"}, {"body": "x", "form": {"a": "b"}},
     {"headers": {"content-type": "multipart/form-data; boundary=x"}}],
)  # fmt: skip
def test_a_second_body_and_a_content_type_without_the_boundary_are_refused(fields):
    with pytest.raises(BadRequest):
        Request(URL, files={"f": b""}, **fields)


@pytest.mark.parametrize(
    "files",
    [5, ["f"], "f", {"f": None}, {"f": 5}, {5: b""}, {"f": ()}, {"f": ("a",)}, {"f": ("a", b"", "a/b", 4)},
     {"f": (5, b"")}, {"f": ("a", None)}, {"f": [b"", None]}, {"\ud800": b""}, {"f": ("\ud800", b"")}],
)  # fmt: skip
def test_what_is_no_file_is_refused(files):
    with pytest.raises(BadRequest):
        Request(URL, files=files)


@pytest.mark.parametrize("form", [5, ["f"], {5: "x"}, {"a": "\ud800"}])
def test_what_is_no_field_is_refused(form):
    with pytest.raises(BadRequest):
        Request(URL, form=form, files={})


def test_no_files_still_make_a_form_of_parts():
    assert parts(Request(URL, form={"a": "b"}, files={})) == [("a", None, None, b"b")]


def test_the_same_form_is_the_same_request_and_another_one_is_not():
    same = [Request(URL, form={"a": "b"}, files={"f": ("n", b"c")}) for _ in range(2)]
    assert same[0] == same[1]
    assert same[0].fingerprint() == same[1].fingerprint()
    # In any process, on any machine.
    assert same[0].headers["content-type"] == "multipart/form-data; boundary=----860e9a2134a1f2543794be01c871cada"
    other = Request(URL, form={"a": "b"}, files={"f": ("n", b"d")})
    assert other.fingerprint() != same[0].fingerprint()
    assert other.headers["content-type"] != same[0].headers["content-type"]


def test_a_boundary_that_occurs_in_a_part_is_not_taken():
    assert first_free(iter(["aa", "bb", "cc"]), [b"xaax", b"", b"bb"]) == "cc"


def test_an_old_body_is_no_part_of_a_new_one():
    first = Request(URL, files={"f": b"1"})
    assert parts(Request(URL, body=first.body, method="PUT").replace(files={"g": b"2"}))[0][0] == "g"
    assert Request(URL, files={"f": first.body}).body.count(first.body) == 1


def test_replace_takes_the_old_body_and_its_content_type_away():
    request = Request(URL, json=1, headers={"X-A": "1"}).replace(files={"f": b"x"})
    assert parts(request) == [("f", "f", "application/octet-stream", b"x")]
    assert request.headers["x-a"] == "1"
    assert request.replace(json=2).headers["content-type"] == "application/json"


def test_it_is_stored_as_bytes_so_that_no_file_is_needed_again(tmp_path):
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    request = Request(URL, files={"f": tmp_path / "a.bin"})
    (tmp_path / "a.bin").unlink()
    again = Request.from_dict(json.loads(json.dumps(request.to_dict())))
    assert again == request
    assert parts(again)[0][3] == bytes(range(256))


# Plain names: the standard library's parser reads quotes in a way of its own.
names = st.text("abc xyz-_.0;=ä", min_size=1).filter(lambda name: name == name.strip())


@given(st.lists(st.tuples(names, names, st.binary()), min_size=1, max_size=4))
def test_what_is_written_is_read_back(given_files):
    files = {f"{n}{name}": (file_name, content, "a/b") for n, (name, file_name, content) in enumerate(given_files)}
    read = parts(Request(URL, files=files))
    assert [part[3] for part in read] == [content for _, _, content in given_files]
    assert [part[2] for part in read] == ["a/b"] * len(files)
    if all(name.isascii() and file_name.isascii() for name, (file_name, *_) in files.items()):
        assert [part[:2] for part in read] == [(name, file_name) for name, (file_name, *_) in files.items()]


def test_a_server_gets_them_by_a_session(run, tmp_path):
    (tmp_path / "page.html").write_bytes(b"<p>hi</p>")
    seen = []

    def handler(request):
        seen.append(request)
        return ServerReply.text("thanks")

    async def main():
        async with Server(handler) as server, Session(trust_env=False) as session:
            answer = await session.post(f"{server.url}form", form={"a": "ä"}, files={"f": tmp_path / "page.html"})
            put = await session.request("PUT", f"{server.url}form", files={"f": b"x"})
            return answer.text, put.status

    assert run(main) == ("thanks", 200)
    assert [request.method for request in seen] == ["POST", "PUT"]
    assert int(seen[0].headers["content-length"]) == len(seen[0].body)
    assert parts(seen[0]) == [("a", None, None, "ä".encode()), ("f", "page.html", "text/html", b"<p>hi</p>")]
