from __future__ import annotations

import logging
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import curio
import pytest

from scrapekit.errors import ConfigError
from scrapekit.http.server import Access, Server, ServerReply, ServerRequest

GET = b"GET /%d HTTP/1.1\r\nHost: books.test\r\n\r\n"
Run = Callable[..., Any]


def echo(request: ServerRequest) -> ServerReply:
    return ServerReply.text(f"{request.method} {request.host}{request.target} {request.body.decode()}")


async def spoken(server: Server, data: bytes) -> bytes:
    """Everything that the server says to one client who sends this and then closes its side."""
    async with await curio.open_connection(server.host, server.port) as sock:
        await sock.sendall(data)
        await sock.shutdown(socket.SHUT_WR)
        return await until_closed(sock)


async def until_closed(sock: Any) -> bytes:
    said = []
    while data := await sock.recv(65536):
        said.append(data)
    return b"".join(said)


async def ended(log: list[Access], count: int) -> None:
    while len(log) < count:
        await curio.sleep(0)


def test_one_connection_serves_many_requests(run: Run) -> None:
    async def main() -> bytes:
        async with Server(echo) as server:
            assert repr(server) == f"<Server 127.0.0.1:{server.port} 0 connections, 0 requests>"
            return await spoken(server, GET % 1 + GET % 2 + b"POST /3 HTTP/1.0\r\nContent-Length: 2\r\n\r\nok")

    said = run(main)
    assert said.count(b"HTTP/1.1 200 OK") == 3
    assert [b"GET books.test/1 " in said, b"GET books.test/2 " in said, b"POST /3 ok" in said] == [True] * 3


def test_a_coroutine_handler_is_awaited_and_holds_up_nobody(run: Run) -> None:
    release = curio.Event()

    async def handler(request: ServerRequest) -> ServerReply:
        if request.path == "/1":
            await release.wait()
        return echo(request)

    async def main() -> tuple[bytes, bytes]:
        async with Server(handler) as server:
            slow = await curio.spawn(spoken, server, GET % 1)
            quick = await spoken(server, GET % 2)
            await release.set()
            return await slow.join(), quick

    slow, quick = run(main)
    assert b"books.test/1" in slow
    assert b"books.test/2" in quick


def test_the_log_tells_when_each_request_came_and_what_became_of_it(run: Run) -> None:
    log: list[Access] = []

    async def main() -> None:
        before, wall = time.monotonic(), time.time()
        async with Server(lambda _: ServerReply(404), access=log.append) as server:
            await spoken(server, b"HEAD /a?b HTTP/1.1\r\nHost: books.test\r\n\r\n" + GET % 1)
        after = time.monotonic()
        assert before <= log[0].started <= log[0].ended <= log[1].started <= log[1].ended <= after
        assert wall <= log[0].at <= log[1].at <= time.time()

    run(main)
    assert [(each.method, each.host, each.target, each.status) for each in log] == [
        ("HEAD", "books.test", "/a?b", 404),
        ("GET", "books.test", "/1", 404),
    ]


def test_a_request_starts_with_its_first_byte_and_not_with_the_connection(run: Run) -> None:
    log: list[Access] = []

    async def main() -> float:
        async with Server(echo, access=log.append) as server:
            async with await curio.open_connection(server.host, server.port) as sock:
                await sock.sendall(GET % 1)
                await sock.recv(65536)
                idle = time.monotonic()
                await sock.sendall(GET[:4])
                await curio.sleep(0.02)
                sending = time.monotonic()
                await sock.sendall((GET % 2)[4:])
                await sock.recv(65536)
            assert idle <= log[1].started < sending <= log[1].ended
        return idle

    run(main)


def test_a_bad_request_is_refused_and_logged(run: Run) -> None:
    log: list[Access] = []

    async def main() -> bytes:
        async with Server(echo, access=log.append) as server:
            return await spoken(server, GET % 1 + b"nonsense\r\n\r\n" + GET % 2)

    said = run(main)
    assert said.count(b"HTTP/1.1 200 ") == 1
    assert said.count(b"HTTP/1.1 400 Bad Request") == 1
    assert [(each.target, each.status) for each in log] == [("/1", 200), ("", 400)]


def test_a_refused_client_may_finish_sending_and_reads_why(run: Run) -> None:
    async def main() -> bytes:
        async with Server(echo, max_body=10) as server:
            head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n"
            return await spoken(server, head + b"x" * 3000000)

    assert run(main).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_waits_for_100_gets_it(run: Run) -> None:
    async def main() -> bytes:
        async with Server(echo) as server, await curio.open_connection(server.host, server.port) as sock:
            await sock.sendall(
                b"PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
            )
            assert await sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
            await sock.sendall(b"ok")
            return await until_closed(sock)

    assert b"PUT a/ ok" in run(main)


@pytest.mark.parametrize(
    "wrong", [RuntimeError("broken"), curio.TaskTimeout(1.0), ServerReply(100), ServerReply(200, b"", (("a b", "c"),))]
)
def test_a_handler_that_fails_is_answered_by_500_and_logged(run: Run, caplog: Any, wrong: Any) -> None:
    def handler(request: ServerRequest) -> ServerReply:
        if request.path == "/2":
            return echo(request)
        if isinstance(wrong, BaseException):
            raise wrong
        return wrong  # type: ignore[no-any-return]

    log: list[Access] = []

    async def main() -> bytes:
        async with Server(handler, access=log.append) as server:
            return await spoken(server, GET % 1 + GET % 2)

    said = run(main)
    assert said.startswith(b"HTTP/1.1 500 Internal Server Error")
    assert b"books.test/2" in said
    assert [each.status for each in log] == [500, 200]
    assert [record.getMessage() for record in caplog.records] == ["GET /1 failed"]


def test_nothing_is_printed_where_logging_is_not_set_up(run: Run, capfd: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])

    async def main() -> None:
        async with Server(lambda _: ServerReply(1)) as server:
            await spoken(server, GET % 1 + b"nonsense\r\n\r\n")

    run(main)
    assert capfd.readouterr() == ("", "")


def test_a_client_that_resets_is_logged_as_unanswered_and_harms_nobody(run: Run, caplog: Any) -> None:
    log: list[Access] = []
    came = curio.Event()
    reset = curio.Event()

    async def handler(request: ServerRequest) -> ServerReply:
        if request.path == "/1":
            await came.set()
            await reset.wait()
        return ServerReply(200, b"x" * 5000000)

    async def main() -> bytes:
        async with Server(handler, access=log.append) as server:
            sock = await curio.open_connection(server.host, server.port)
            await sock.sendall(GET % 1)
            await came.wait()
            # Zero seconds of linger make the close a reset.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await sock.close()
            await reset.set()
            half = await curio.open_connection(server.host, server.port)
            await half.sendall(b"GET /half HTT")
            await half.close()
            await ended(log, 2)
            return await spoken(server, GET % 2)

    assert len(run(main)) > 5000000
    assert {(each.target, each.status) for each in log} == {("/1", 200), ("", 0), ("/2", 200)}
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("how", ["leave", "cancel", "timeout", "raise"])
def test_the_server_ends_with_its_block_and_leaves_no_task(run: Run, how: str) -> None:
    log: list[Access] = []

    async def never(_: ServerRequest) -> ServerReply:
        await curio.sleep(1000)
        return ServerReply()

    async def block(ready: curio.Event) -> None:
        async with Server(never, access=log.append) as server:
            idle = await curio.open_connection(server.host, server.port)
            waiting = await curio.open_connection(server.host, server.port)
            try:
                await waiting.sendall(GET % 1)
                while "2 connections" not in repr(server):
                    await curio.sleep(0)
                await curio.sleep(0.01)
                await ready.set()
                if how == "raise":
                    raise KeyError(how)
                if how != "leave":
                    await curio.sleep(1000)
            finally:
                await idle.close()
                await waiting.close()

    async def main() -> None:
        ready = curio.Event()
        if how == "timeout":
            await curio.ignore_after(0.05, block, ready)
            return
        task = await curio.spawn(block, ready)
        await ready.wait()
        if how == "cancel":
            await task.cancel()
        elif how == "raise":
            with pytest.raises(curio.TaskError) as error:
                await task.join()
            assert isinstance(error.value.__cause__, KeyError)
        else:
            await task.join()

    run(main)  # which fails if a task or a descriptor is left
    assert [(each.target, each.status) for each in log] == [("/1", 0)]


def test_a_port_that_is_taken_is_an_error_of_ours(run: Run) -> None:
    async def main() -> int:
        async with Server(echo) as server:
            with pytest.raises(ConfigError, match=f"port {server.port}"):
                async with Server(echo, port=server.port):
                    pass
            with pytest.raises(ConfigError):
                async with Server(echo, port=70000):
                    pass
            return server.port

    assert run(main) > 0


def test_it_listens_on_ipv6_too(run: Run) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")

    async def main() -> None:
        try:
            async with Server(echo, host="::1") as server:
                assert server.url == f"http://[::1]:{server.port}/"
        except ConfigError:
            pytest.skip("no IPv6 on loopback")

    run(main)
