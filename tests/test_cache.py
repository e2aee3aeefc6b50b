"""Answers kept for working on a spider: what is kept, for whom, and that losing them stops nothing."""

from __future__ import annotations

import logging
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scrapekit import Headers, Request
from scrapekit.cache import FILE_NAME, MAX_BODY, PageCache, is_page, key_of
from scrapekit.content import Budget, Kept
from scrapekit.errors import SinkError
from scrapekit.frontier import Row
from scrapekit.http import Reply

URL = "https://a.test/page"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], PageCache]]:
    """Opens the cache, as another process would; all are closed in the end."""
    made: list[PageCache] = []

    def opened() -> PageCache:
        made.append(PageCache(tmp_path))
        return made[-1]

    yield opened
    for each in made:
        each.close()


def reply(status: int = 200, body: bytes = b"<h1>A page</h1>", *headers: tuple[str, str]) -> Reply:
    return Reply(status, Headers([("Content-Type", "text/html"), *headers]), body, "1.1", "10.0.0.1", 321, True)


def row(request: Request, id: int = 1) -> Row:
    return Row(id, "a.test", request)


def put(cache: PageCache, request: Request, answer: Reply, now: float) -> None:
    cache.put(request, answer, Headers(), lambda: now)


def kept(cache: PageCache, request: Request, answer: Reply | None = None) -> Reply | None:
    """What the cache has for a request once an answer to it was put."""
    put(cache, request, answer or reply(), 1000.0)
    cache.flush()
    return cache.get(request)


# -- what comes back


def test_an_answer_comes_back_as_it_was_but_not_over_the_wire(opened):
    answer = reply(200, bytes(range(256)) * 100, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))
    got = kept(opened(), Request(URL), answer)
    assert got is not None
    assert (got.status, got.headers.raw, got.body, got.version, got.address) == (
        (200, answer.headers.raw, answer.body, "1.1", "10.0.0.1")
    )
    assert (got.wire_bytes, got.reused) == (0, False)


def test_an_answer_is_there_for_the_next_process(opened):
    first = opened()
    put(first, Request(URL), reply(), 1000.0)
    first.close()
    assert opened().get(Request(URL)) is not None


def test_what_was_put_is_written_when_the_keeper_asks(opened):
    cache = opened()
    put(cache, Request(URL), reply(), 1000.0)
    assert cache.get(Request(URL)) is None
    assert cache.has([row(Request(URL), 7)]) == {7}
    assert cache.get(Request(URL)) is not None


def test_the_latest_answer_counts(opened):
    cache = opened()
    kept(cache, Request(URL), reply(200, b"old"))
    got = kept(cache, Request(URL), reply(200, b"new"))
    assert got is not None
    assert got.body == b"new"
    assert cache.sizes().answers == 1


def test_a_body_that_came_in_pieces_is_kept_whole(opened):
    body = Kept(Budget(1000))
    body.add(b"one ")
    body.add(b"two")
    got = kept(opened(), Request(URL), Reply(200, Headers(), body, "1.1", "", 7, False))
    assert got is not None
    assert got.body == b"one two"


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001])
def test_all_rows_that_are_kept_are_found_at_once(opened, count):
    cache = opened()
    requests = [Request(f"{URL}/{n}") for n in range(count)]
    for request in requests:
        put(cache, request, reply(), 1000.0)
    rows = [row(request, n) for n, request in enumerate(requests)] + [row(Request(URL + "/other"), 5000)]
    assert cache.has(rows) == set(range(count))


def test_two_rows_of_one_request_are_both_found(opened):
    cache = opened()
    put(cache, Request(URL), reply(), 1000.0)
    assert cache.has([row(Request(URL), 1), row(Request(URL, dont_filter=True), 2)]) == {1, 2}


# -- what is kept


@pytest.mark.parametrize("status", [200, 204, 206, 301, 302, 307, 308, 400, 401, 403, 404, 410, 451, 499])
def test_pages_redirects_and_missing_pages_are_kept(opened, status):
    got = kept(opened(), Request(URL), reply(status))
    assert got is not None
    assert got.status == status


@pytest.mark.parametrize("status", [304, 408, 425, 429, 500, 502, 503, 504, 599])
def test_failures_that_may_pass_are_not_kept(opened, status):
    assert kept(opened(), Request(URL), reply(status)) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_get_and_head_are_kept(opened, method):
    assert kept(opened(), Request(URL, method=method)) is None


def test_head_and_get_have_answers_of_their_own(opened):
    cache = opened()
    assert kept(cache, Request(URL, method="HEAD"), reply(200, b"")) is not None
    assert cache.get(Request(URL)) is None


@pytest.mark.parametrize("name", ["Authorization", "proxy-authorization"])
def test_what_was_asked_with_credentials_is_not_kept(opened, name):
    cache = opened()
    secret = Headers({name: "Basic x"})
    assert kept(cache, Request(URL, headers=secret)) is None
    cache.put(Request(URL), reply(), secret, lambda: 1000.0)
    assert cache.has([row(Request(URL)), row(Request(URL, headers=secret))]) == set()


@pytest.mark.parametrize(("more", "is_kept"), [(0, True), (1, False)])
def test_a_body_over_the_limit_is_not_kept(opened, more, is_kept):
    body = Kept(Budget(0))
    body.add(b"x")
    body.size = MAX_BODY + more
    assert is_page(Reply(200, Headers(), body, "1.1", "", 7, False)) is is_kept
    body.size = 1


# -- for whom


@pytest.mark.parametrize(
    "other",
    [
        Request(URL + "?"),
        Request(URL, jar="two"),
        Request(URL, headers={"Accept-Language": "de"}),
        Request(URL, cookies={"lang": "de"}),
    ],
)
def test_what_may_change_the_answer_is_part_of_the_key(opened, other):
    cache = opened()
    kept(cache, Request(URL))
    assert cache.get(other) is None
    assert kept(cache, other, reply(200, b"other")) is not None
    first = cache.get(Request(URL))
    assert first is not None
    assert first.body == reply().body


def test_what_does_not_change_the_answer_is_no_part_of_the_key():
    plain = Request(URL, headers={"Accept": "a", "X-One": "1"})
    spelled = Request(URL, headers={"x-one": "1", "ACCEPT": "a"}, callback="other", priority=3, meta={"a": 1})
    assert key_of(plain) == key_of(spelled)
    assert key_of(Request(URL + "#part", timeout=3)) == key_of(Request(URL))


# -- the file


def test_clearing_forgets_everything_and_gives_the_room_back(opened, tmp_path):
    cache = opened()
    for n in range(50):
        put(cache, Request(f"{URL}/{n}"), reply(200, bytes(str(n), "ascii") * 20000), 1000.0 + n)
    cache.flush()
    before = cache.sizes()
    assert (before.answers, before.oldest, before.newest) == (50, 1000.0, 1049.0)
    assert cache.clear() == 50
    assert cache.sizes()[::2] == (0, 0.0)
    assert cache.sizes().bytes < before.bytes
    assert cache.get(Request(URL + "/1")) is None


def test_an_empty_cache_has_no_times(opened):
    assert opened().sizes()[::2] == (0, 0.0)


def test_two_processes_may_use_one_cache(opened):
    one, two = opened(), opened()
    put(one, Request(URL + "/1"), reply(), 1.0)
    put(two, Request(URL + "/2"), reply(), 1.0)
    one.flush()
    two.flush()
    assert one.get(Request(URL + "/2")) is not None
    assert two.get(Request(URL + "/1")) is not None
    assert two.clear() == 2
    assert one.get(Request(URL + "/1")) is None


def test_who_reads_does_not_wait_for_who_writes(opened, tmp_path):
    cache = opened()
    kept(cache, Request(URL))
    other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert cache.get(Request(URL)) is not None
    other.execute("ROLLBACK")
    other.close()


def test_the_keepers_thread_writes_while_the_loop_reads(opened):
    cache = opened()
    kept(cache, Request(URL))

    def keep() -> None:
        for n in range(200):
            put(cache, Request(f"{URL}/{n}"), reply(), 1.0)
            cache.has([row(Request(f"{URL}/{n}"))])

    thread = threading.Thread(target=keep)
    thread.start()
    assert all(cache.get(Request(URL)) is not None for _ in range(200))
    thread.join()
    assert cache.sizes().answers == 201


def test_the_file_is_its_owners_alone(opened, tmp_path):
    kept(opened(), Request(URL))
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(opened, tmp_path, caplog):
    (tmp_path / FILE_NAME).write_bytes(b"not a database" * 100)
    cache = opened()
    assert kept(cache, Request(URL)) is not None
    assert (tmp_path / f"{FILE_NAME}.damaged").read_bytes().startswith(b"not a database")
    assert "is damaged" in caplog.text


def test_a_file_that_breaks_in_use_stops_nothing_and_is_moved_aside_in_the_end(opened, tmp_path, caplog):
    cache = opened()
    for n in range(300):
        put(cache, Request(f"{URL}/{n}"), reply(200, b"x" * n), 1.0)
    cache.close()
    path = tmp_path / FILE_NAME
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with caplog.at_level(logging.WARNING):
        cache = opened()  # its first page is whole
        assert cache.has([row(Request(f"{URL}/{n}"), n) for n in range(300)]) == set()
        assert cache.get(Request(f"{URL}/1")) is None
        put(cache, Request(f"{URL}/1"), reply(), 1.0)
        cache.close()
    assert len(caplog.records) == 1
    assert (tmp_path / f"{FILE_NAME}.damaged").exists()
    assert kept(opened(), Request(URL)) is not None


def test_a_cache_of_another_version_is_begun_anew(opened, tmp_path):
    cache = opened()
    kept(cache, Request(URL))
    cache.close()
    data = sqlite3.connect(tmp_path / FILE_NAME)
    data.execute("PRAGMA user_version = 99")
    data.close()
    assert opened().get(Request(URL)) is None


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(SinkError, match=r"cannot be opened: No such file"):
        PageCache(tmp_path / "none")


def test_a_file_that_is_no_file_is_told(tmp_path):
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(SinkError, match="cannot be opened"):
        PageCache(tmp_path)
