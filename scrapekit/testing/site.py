"""A site in memory: what it answers, step by step, bytes as they go over the wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any, Union

from scrapekit.headers import Fields, Headers


class Act(Enum):
    """What a server does instead of sending bytes."""

    CLOSE = "closes the connection"
    RESET = "resets the connection"
    SILENCE = "says nothing more, and keeps the connection"


CLOSE, RESET, SILENCE = Act.CLOSE, Act.RESET, Act.SILENCE

#: One step of an answer: bytes as they go over the wire (each delivered by a read of its own), seconds to wait, an act.
Step = Union[bytes, float, Act]


@dataclass(frozen=True, slots=True)
class Page:
    """An answer that is written out for you. A str body goes as UTF-8; ``delay`` is seconds before the first byte."""

    body: str | bytes = ""
    status: int = 200
    headers: Fields = ()
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Received:
    """One request as its site got it: ``at`` and ``until`` (when its answer is out) in the kernel's seconds.

    ``connection`` numbers the network's connections from 1.
    """

    host: str
    method: str
    target: str
    headers: Headers
    body: bytes
    at: float
    until: float
    connection: int


#: What may stand for a page: HTML, a status, a Page, bytes for the wire, a tuple of steps, a list of answers of which
#: each request takes the next (the last one stays), or a function of what was received that gives one of these.
Answer = Union[str, int, Page, bytes, tuple[Step, ...], list[Any], Callable[[Received], Any]]


class FakeSite:
    """Pages by target (path and query), or by path where the query is not named.

    Set ``latency`` (seconds before each answer), ``connecting`` (seconds to connect), ``refuses`` or ``dead`` (nobody
    answers a connect) at any time.
    """

    def __init__(
        self, pages: Mapping[str, Answer] | None = None, *, latency: float = 0.0, connecting: float = 0.0
    ) -> None:
        self._pages: dict[str, Answer] = dict(pages or {})
        self._asked: dict[str, int] = {}
        self.latency, self.connecting = latency, connecting
        self.refuses = self.dead = False

    def __repr__(self) -> str:
        return f"<FakeSite {len(self._pages)} pages>"

    def page(self, target: str, *steps: Step) -> None:
        """Answer requests for ``target`` by these steps."""
        self._pages[target] = steps

    def put(self, target: str, answer: Answer) -> None:
        """Answer requests for ``target`` by this."""
        self._pages[target] = answer

    def answer(self, request: Received) -> tuple[Step, ...]:
        """The steps that answer a request."""
        target = request.target if request.target in self._pages else request.target.partition("?")[0]
        return self._steps(target, self._pages.get(target, 404), request)

    def _steps(self, target: str, answer: Answer, request: Received) -> tuple[Step, ...]:
        if isinstance(answer, list):
            turn = self._asked.get(target, 0)
            self._asked[target] = turn + 1
            return self._steps(target, answer[min(turn, len(answer) - 1)], request)
        if callable(answer):
            return self._steps(target, answer(request), request)
        if isinstance(answer, tuple):
            return answer
        if isinstance(answer, bytes):
            return (answer,)
        return _written(_as_page(answer), head_only=request.method == "HEAD")


def _as_page(answer: str | int | Page) -> Page:
    if isinstance(answer, Page):
        return answer
    if isinstance(answer, int):
        return Page(f"<h1>{answer}</h1>" if answer >= 400 else "", answer)
    return Page(answer)


def _written(page: Page, *, head_only: bool) -> tuple[Step, ...]:
    body = page.body.encode() if isinstance(page.body, str) else page.body
    headers = Headers(page.headers)
    if body and "content-type" not in headers:
        headers = headers.updated({"Content-Type": "text/html; charset=utf-8"})
    if page.status not in (204, 304) and "content-length" not in headers and "transfer-encoding" not in headers:
        headers = headers.updated({"Content-Length": str(len(body))})
    reason = HTTPStatus(page.status).phrase if page.status in set(HTTPStatus) else ""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.raw)
    head = f"HTTP/1.1 {page.status} {reason}\r\n{lines}\r\n".encode("latin-1")
    return (*((page.delay,) if page.delay else ()), head if head_only else head + body)
