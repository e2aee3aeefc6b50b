"""What to fetch, and which callback gets the answer.

A request is a value: frozen, checked when made, written out and read back whole. What a request must survive (a
restart, a journey to another machine) is why a callback is kept by its method's name and why meta is JSON.
"""

from __future__ import annotations

import base64
import hashlib
import json as jsonlib
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from scrapekit.errors import BadRequest
from scrapekit.headers import Fields, Headers, checked
from scrapekit.url import canonical

#: Methods that may be sent again when it is not known whether the first one arrived (RFC 9110 §9.2.2).
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

#: field            what it is when not given
_DEFAULTS: Final[dict[str, Any]] = {
    "url": None,
    "callback": None,
    "method": "GET",
    "headers": Headers(),
    "body": b"",
    "cookies": (),
    "jar": "",
    "meta": {},
    "priority": 0,
    "dont_filter": False,
    "errback": None,
    "timeout": None,
    "idempotent": False,
    "accept_status": frozenset(),
    "depth": 0,
    "parent": None,
}


class Request:
    """One request, frozen.

    ``url`` is kept in its canonical spelling. ``callback`` and ``errback`` are methods of the spider or their names;
    None means ``parse`` and the spider's own ``errback``. ``json=`` and ``form=`` make a body with its Content-Type and
    turn a GET into a POST. ``cookies`` are sent with this request alone; ``jar`` names the jar that it shares with
    others. A higher ``priority`` goes first within its host. ``timeout`` is in seconds, for the whole exchange.
    ``depth`` and ``parent`` (a URL) are set by the crawl.

    Raises BadURL, or BadRequest for headers, cookies, meta or a body that cannot be sent or stored.
    """

    __slots__ = tuple(_DEFAULTS)

    url: str
    callback: str | Callable[..., Any] | None
    method: str
    headers: Headers
    body: bytes
    cookies: tuple[tuple[str, str], ...]
    jar: str
    meta: dict[str, Any]
    priority: int
    dont_filter: bool
    errback: str | Callable[..., Any] | None
    timeout: float | None
    idempotent: bool
    accept_status: frozenset[int]
    depth: int
    parent: str | None

    def __init__(
        self,
        url: str,
        callback: str | Callable[..., Any] | None = None,
        *,
        method: str = "",
        headers: Fields = (),
        body: bytes | str = b"",
        json: Any = None,
        form: Mapping[str, Any] | None = None,
        cookies: Mapping[str, str] | tuple[tuple[str, str], ...] = (),
        jar: str = "",
        meta: Mapping[str, Any] | None = None,
        priority: int = 0,
        dont_filter: bool = False,
        errback: str | Callable[..., Any] | None = None,
        timeout: float | None = None,
        idempotent: bool = False,
        accept_status: frozenset[int] | set[int] = frozenset(),
        depth: int = 0,
        parent: str | None = None,
    ) -> None:
        fields = checked(headers) if headers else _NO_HEADERS
        content = body.encode() if isinstance(body, str) else body
        if json is not None or form is not None:
            content, fields = _encoded(content, fields, json, form)
            method = method or "POST"
        put = object.__setattr__
        put(self, "url", canonical(url))
        put(self, "callback", callback)
        put(self, "method", _checked_method(method) if method else "GET")
        put(self, "headers", fields)
        put(self, "body", content)
        put(self, "cookies", _checked_cookies(cookies) if cookies else ())
        put(self, "jar", jar)
        put(self, "meta", _checked_meta(meta) if meta else {})
        put(self, "priority", priority)
        put(self, "dont_filter", dont_filter)
        put(self, "errback", errback)
        put(self, "timeout", timeout)
        put(self, "idempotent", idempotent)
        put(self, "accept_status", frozenset(accept_status) if accept_status else _NO_STATUS)
        put(self, "depth", depth)
        put(self, "parent", parent)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Request is frozen: use request.replace({name}=...)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Request is frozen")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Request):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __hash__(self) -> int:
        return hash((self.method, self.url, self.body, self.jar))

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.url}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_state, ({name: getattr(self, name) for name in self.__slots__},)

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again after bytes of it had left."""
        return self.idempotent or self.method in SAFE_METHODS

    def replace(self, **changes: Any) -> Request:
        """A request like this one but for the changes, which are checked as at the first making."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return Request(**(fields | changes))

    def bound(self, callback: str | None, errback: str | None, depth: int, parent: str | None) -> Request:
        """A copy as it goes into the frontier: callbacks by name, and where it was found. Checks nothing again."""
        copy = object.__new__(Request)
        put = object.__setattr__
        for name in self.__slots__:
            put(copy, name, getattr(self, name))
        put(copy, "callback", callback)
        put(copy, "errback", errback)
        put(copy, "depth", depth)
        put(copy, "parent", parent)
        return copy

    def fingerprint(self) -> bytes:
        """16 bytes that are the same for two requests of which one counts as seen when the other was.

        They stand for the method, the canonical URL, the body and the cookie jar.
        """
        key = self.url.encode()
        if self.method != "GET" or self.body or self.jar:
            # NUL stands in none of the three, so no two different requests give the same bytes to hash.
            key = b"\0".join((key, self.method.encode(), self.jar.encode(), self.body))
        return hashlib.blake2b(key, digest_size=16).digest()

    def to_dict(self) -> dict[str, Any]:
        """What differs from the defaults, as JSON-able values; callbacks must be names by then."""
        stored: dict[str, Any] = {}
        for name, default in _DEFAULTS.items():
            value = getattr(self, name)
            if value != default:
                stored[name] = _WRITERS.get(name, _same)(value)
        return stored

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Request:
        """Read back what ``to_dict`` gave."""
        return cls(**{name: _READERS.get(name, _same)(value) for name, value in stored.items()})


_NO_HEADERS: Final = Headers()
_NO_STATUS: Final[frozenset[int]] = frozenset()


def _same(value: Any) -> Any:
    return value


def _name_of(callback: Any) -> str:
    if not isinstance(callback, str):
        raise BadRequest(f"callback {callback!r} is not a method's name and cannot be stored")
    return callback


_WRITERS: Final[dict[str, Callable[[Any], Any]]] = {
    "headers": lambda value: [list(pair) for pair in value.raw],
    "cookies": lambda value: [list(pair) for pair in value],
    "body": lambda value: base64.b64encode(value).decode(),
    "accept_status": sorted,
    "callback": _name_of,
    "errback": _name_of,
}
_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "headers": lambda value: [tuple(pair) for pair in value],
    "cookies": lambda value: tuple(tuple(pair) for pair in value),
    "body": base64.b64decode,
    "accept_status": frozenset,
}


def _from_state(state: dict[str, Any]) -> Request:
    return Request(**state)


def _checked_method(method: str) -> str:
    if not method.isascii() or not method.replace("-", "").isalpha():
        raise BadRequest(f"method {method!r} is not a token")
    return method.upper()


def _checked_cookies(cookies: Any) -> tuple[tuple[str, str], ...]:
    pairs = tuple(cookies.items()) if isinstance(cookies, Mapping) else tuple(tuple(pair) for pair in cookies)
    for name, value in pairs:
        if any(char in f"{name}{value}" for char in ";\r\n\0"):
            raise BadRequest(f"cookie {name!r} holds a semicolon or a line break")
    return pairs


def _checked_meta(meta: Mapping[str, Any]) -> dict[str, Any]:
    try:
        text = jsonlib.dumps(meta, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadRequest(f"meta must be JSON-able: {error}") from None
    copied: dict[str, Any] = jsonlib.loads(text)
    return copied


def _encoded(body: bytes, headers: Headers, json: Any, form: Mapping[str, Any] | None) -> tuple[bytes, Headers]:
    if body or (json is not None and form is not None):
        raise BadRequest("give one of body=, json= and form=")
    if form is not None:
        content, kind = urlencode(form, doseq=True).encode(), "application/x-www-form-urlencoded"
    else:
        try:
            content = jsonlib.dumps(json, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise BadRequest(f"json= must be JSON-able: {error}") from None
        kind = "application/json"
    return content, headers if "content-type" in headers else headers.updated({"Content-Type": kind})
