"""B: where an answer ends. No wrong body, no body of another's, no wait for what does not come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scrapekit.errors import BadResponse, TooLarge
from scrapekit.http import Sizes
from tests.scenarios import plays
from tests.scenarios.web import memory_below, send


@pytest.fixture
def framing(web: Callable[..., Any]) -> Any:
    return web(plays.B)


@pytest.mark.parametrize("path", ["/B01", "/B01/none", "/B01/last"])
def test_B01_a_body_shorter_than_its_length_is_an_error(framing: Any, path: str) -> None:
    framing.fails(path, BadResponse, "body")


@pytest.mark.parametrize("path", ["/B02", "/B02/answer", "/B02/close"])
def test_B02_what_follows_a_body_is_nobodys(framing: Any, path: str) -> None:
    framing.answers(path, kept=False)


@pytest.mark.parametrize("path", ["/B03", "/B03/list", "/B03/chunked"])
def test_B03_two_different_lengths_are_an_error(framing: Any, path: str) -> None:
    framing.fails(path, BadResponse, "head")


@pytest.mark.parametrize("path", ["/B04", "/B04/two"])
def test_B04_one_length_said_twice_is_that_length(framing: Any, path: str) -> None:
    framing.answers(path, kept=True)


@pytest.mark.parametrize("how", ["minus", "plus", "word", "hex", "float", "empty", "blank", "digits"])
def test_B05_what_is_no_number_is_an_error(framing: Any, how: str) -> None:
    framing.fails(f"/B05/{how}", BadResponse, "head")


def test_B05_a_length_beyond_all_limits_is_refused_and_nothing_is_allocated(framing: Any) -> None:
    with memory_below(4):
        framing.fails("/B05/nines", TooLarge, "body")
        framing.fails("/B05/long", BadResponse, "head")


@pytest.mark.parametrize("path", ["/B06", "/B06/other"])
def test_B06_chunks_win_over_a_length_and_the_connection_ends(framing: Any, path: str) -> None:
    framing.answers(path, kept=False)


@pytest.mark.parametrize("path", ["/B07", "/B07/close"])
def test_B07_a_transfer_coding_that_was_not_asked_for_is_an_error(framing: Any, path: str) -> None:
    framing.fails(path, BadResponse, "head")


@pytest.mark.parametrize("path", ["/B08", "/B08/length"])
def test_B08_transfer_encoding_identity_is_an_error(framing: Any, path: str) -> None:
    framing.fails(path, BadResponse, "head")


@pytest.mark.parametrize("path", ["/B09", "/B09/f", "/B09/63"])
def test_B09_a_chunk_size_beyond_all_limits_is_refused_and_nothing_is_allocated(framing: Any, path: str) -> None:
    with memory_below(4):
        framing.fails(path, TooLarge, "body")


@pytest.mark.parametrize("path", ["/B09/minus", "/B09/zeros"])
def test_B09_a_chunk_size_that_is_no_number_is_an_error(framing: Any, path: str) -> None:
    framing.fails(path, BadResponse, "body")


@pytest.mark.parametrize("path", ["/B10", "/B10/blanks", "/B10/trailers"])
def test_B10_endless_chunk_extensions_and_trailers_are_an_error(framing: Any, path: str) -> None:
    with memory_below(4):
        framing.fails(path, BadResponse, "body", sizes=Sizes(100_000, max_head=100_000), cut=False)


@pytest.mark.parametrize("path", ["/B11", "/B11/framing"])
def test_B11_trailers_change_nothing(framing: Any, path: str) -> None:
    reply = framing.answers(path, kept=True)
    assert reply.headers.raw == (("Transfer-Encoding", "chunked"),)


def test_B11_trailers_set_no_cookie(framing: Any) -> None:
    async def main(session: Any) -> int:
        assert (await session.get("http://a.test/B11")).body == b"good"
        return len(session.cookies)

    assert framing.session(main) == 0


@pytest.mark.parametrize("path", ["/B12", "/B12/in", "/B12/size", "/B12/zero"])
def test_B12_chunks_without_the_last_one_are_an_error(framing: Any, path: str) -> None:
    framing.fails(path, BadResponse, "body")


@pytest.mark.parametrize("path", ["/B13", "/B13/size", "/B13/last"])
def test_B13_bare_line_feeds_between_chunks_are_an_error(framing: Any, path: str) -> None:
    framing.fails(path, BadResponse, "body")


@pytest.mark.parametrize(("path", "body"), [("/B14", b"good"), ("/B14/1.1", b"good"), ("/B14/empty", b"")])
def test_B14_a_body_without_a_length_ends_with_its_connection(framing: Any, path: str, body: bytes) -> None:
    framing.answers(path, body, kept=False)


def test_B15_http_1_0_with_keep_alive_works(framing: Any) -> None:
    framing.answers("/B15", kept=False)


@pytest.mark.parametrize(
    ("path", "status", "kept"),
    [("/B16/204", 204, False), ("/B16/304", 304, True), ("/B16/chunked", 204, True), ("/B16/304stray", 304, False)],
)
def test_B16_statuses_without_a_body_have_none(framing: Any, path: str, status: int, kept: bool) -> None:
    framing.answers(path, b"", status, kept=kept)


@pytest.mark.parametrize(("path", "kept"), [("/B17", True), ("/B17/chunked", True), ("/B17/stray", False)])
def test_B17_the_answer_to_head_has_no_body(framing: Any, path: str, kept: bool) -> None:
    framing.answers(path, b"", method="HEAD", kept=kept)


def test_B18_interim_answers_are_passed_over(framing: Any) -> None:
    reply = framing.answers("/B18", kept=True)
    assert reply.headers.get_all("set-cookie") == ["final=1"]

    async def main(session: Any) -> list[str]:
        assert (await session.get("http://a.test/B18")).body == b"good"
        return [cookie.name for cookie in session.cookies]

    assert framing.session(main) == ["final"]


@pytest.mark.parametrize("path", ["/B19", "/B19/after"])
def test_B19_a_protocol_that_nobody_asked_for_is_an_error(framing: Any, path: str) -> None:
    framing.fails(path, BadResponse, "head")


@pytest.mark.parametrize("path", ["/B20", "/B20/later"])
def test_B20_a_second_answer_is_given_to_nobody(framing: Any, path: str) -> None:
    framing.answers(path, kept=False)


@pytest.mark.parametrize("path", ["/B21", "/B21/two"])
def test_B21_chunked_twice_is_an_error(framing: Any, path: str) -> None:
    framing.fails(path, BadResponse, "head")


@pytest.mark.parametrize("path", ["/B02", "/B02/answer", "/B20", "/B16/204", "/B16/304stray"])
def test_B20_what_is_left_over_reaches_none_of_many_that_follow(framing: Any, path: str) -> None:
    async def main(client: Any) -> None:
        for _ in range(5):
            await send(client, path)
            assert (await send(client, "/good")).body == b"good"

    framing.talk(main)
