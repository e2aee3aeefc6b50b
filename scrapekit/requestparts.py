"""The parts of a request, each checked when the request is made: what goes through here can be sent and stored.

Each raises BadRequest, with what is wrong in words for whoever wrote the spider.
"""

from __future__ import annotations

import json as jsonlib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from scrapekit.errors import BadRequest
from scrapekit.headers import Headers
from scrapekit.multipart import Files, multipart

_NOT_IN_A_COOKIE: Final = re.compile(r"[;\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")  # RFC 6265bis §5.6
_NOT_IN_A_JAR: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def method_of(method: str) -> str:
    """A token, in upper case."""
    if not isinstance(method, str) or not method.isascii() or not method.replace("-", "").isalpha():
        raise BadRequest(f"method {method!r} is not a token")
    return method.upper()


def callback_of(callback: Any) -> Any:
    """A method or a name; whether the spider has it is known when the request is yielded."""
    if not isinstance(callback, str) and not callable(callback):
        raise BadRequest(f"callback {callback!r} is neither a method nor the name of one")
    return callback


def body_of(body: bytes | str) -> bytes:
    """Bytes; text is sent as UTF-8."""
    if isinstance(body, bytes):
        return body
    try:
        return body.encode() if isinstance(body, str) else bytes(memoryview(body))
    except (TypeError, ValueError) as error:
        raise BadRequest(f"body must be bytes or str: {error}") from None


def jar_of(jar: str) -> str:
    """A name without control characters, so that it can stand in a fingerprint."""
    if not isinstance(jar, str) or _NOT_IN_A_JAR.search(jar):
        raise BadRequest(f"jar {jar!r} is not a name")
    return jar


def priority_of(priority: int) -> int:
    """A whole number: requests of one host are put in order by it."""
    if not isinstance(priority, int):
        raise BadRequest(f"priority {priority!r} is not an int")
    return int(priority)


def timeout_of(timeout: float) -> float:
    """Seconds, more than none and fewer than for ever."""
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout < math.inf:
        raise BadRequest(f"timeout {timeout!r} is not a number of seconds above 0")
    return timeout


def size_of(max_size: int) -> int:
    """Bytes, at least one."""
    if isinstance(max_size, bool) or not isinstance(max_size, int) or max_size < 1:
        raise BadRequest(f"max_size {max_size!r} is not a number of bytes above 0")
    return max_size


def status_of(accept_status: Iterable[int]) -> frozenset[int]:
    """Whole numbers."""
    try:
        statuses = frozenset(accept_status)
    except TypeError:
        raise BadRequest(f"accept_status {accept_status!r} is not a set of statuses, such as {{404}}") from None
    if not all(type(status) is int for status in statuses):
        raise BadRequest(f"accept_status {accept_status!r} holds what is no status, such as 404")
    return statuses


def cookies_of(cookies: Any) -> tuple[tuple[str, str], ...]:
    """Pairs of names and values that cannot break out of the Cookie field."""
    try:
        pairs = [(name, value) for name, value in (cookies.items() if isinstance(cookies, Mapping) else cookies)]
    except (TypeError, ValueError):
        raise BadRequest(f"cookies {cookies!r} are not names with their values") from None
    for name, value in pairs:
        if not isinstance(name, str) or not isinstance(value, str):
            raise BadRequest(f"cookie {name!r}: {value!r} is not a str")
        if _NOT_IN_A_COOKIE.search(name + value) or "=" in name:
            raise BadRequest(f"cookie {name!r} holds a semicolon, a line break or the like")
    return tuple(pairs)


def meta_of(meta: Mapping[str, Any]) -> dict[str, Any]:
    """A copy, as it comes back from being stored."""
    if not isinstance(meta, Mapping):
        raise BadRequest(f"meta {meta!r} is not a dict")
    try:
        text = jsonlib.dumps(dict(meta), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequest(f"meta must be JSON-able: {error}") from None
    copied: dict[str, Any] = jsonlib.loads(text)
    return copied


def encoded(
    body: bytes, headers: Headers, json: Any, form: Mapping[str, Any] | None, files: Files | None
) -> tuple[bytes, Headers]:
    """The body that ``json``, ``form`` or ``files`` makes, and the headers with its Content-Type, unless they have one.

    A form with files has a boundary, so its Content-Type is never the caller's.
    """
    if body or (json is not None and (form is not None or files is not None)):
        raise BadRequest("give one of body=, json= and form= (which may have files=)")
    if files is not None:
        if "content-type" in headers:
            raise BadRequest("files= makes the Content-Type, with its boundary: leave it out of the headers")
        content, kind = multipart(form, files)
        return content, headers.updated({"Content-Type": kind})
    try:
        if form is not None:
            content, kind = urlencode(form, doseq=True).encode(), "application/x-www-form-urlencoded"
        else:
            content, kind = jsonlib.dumps(json, ensure_ascii=False, allow_nan=False).encode(), "application/json"
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequest(f"{'json' if form is None else 'form'}= cannot be written: {error}") from None
    return content, headers if "content-type" in headers else headers.updated({"Content-Type": kind})
