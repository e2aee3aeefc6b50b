"""What to fetch, and which callback gets the answer.

A request is a value: frozen, checked when made, written out and read back whole. What a request must survive (a
restart, a journey to another machine) is why a callback is kept by its method's name and why meta is JSON.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any, Final, cast, final

from scrapekit import requestparts as parts
from scrapekit.errors import BadRequest
from scrapekit.headers import Fields, Headers, checked
from scrapekit.multipart import Files
from scrapekit.url import canonical

#: Methods that may be sent again when it is not known whether the first one arrived (RFC 9110 §9.2.2).
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_NO_HEADERS: Final = Headers()
_NO_STATUS: Final[frozenset[int]] = frozenset()

#: field            what it is when not given
_DEFAULTS: Final[dict[str, Any]] = {
    "url": None,
    "callback": None,
    "method": "GET",
    "headers": _NO_HEADERS,
    "body": b"",
    "cookies": (),
    "jar": "",
    "meta": {},
    "priority": 0,
    "dont_filter": False,
    "errback": None,
    "timeout": None,
    "max_size": None,
    "to_file": False,
    "idempotent": False,
    "accept_status": _NO_STATUS,
    "depth": 0,
    "parent": None,
}


class _Fields:
    """A request's slots, open to be written. A Request is made as one of these and becomes frozen by its class.

    Twenty links on a page make twenty requests: writing plain attributes is ten times faster than going round
    Request's own ``__setattr__``.
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
    max_size: int | None
    to_file: bool
    idempotent: bool
    accept_status: frozenset[int]
    depth: int
    parent: str | None


@final
class Request(_Fields):
    """One request, frozen.

    ``url`` is kept in its canonical spelling. ``callback`` and ``errback`` are methods of the spider or their names;
    None means ``parse`` and the spider's own ``errback``. ``json=`` and ``form=`` make a body with its Content-Type and
    turn a GET into a POST. So does ``files=``, alone or with a form: by name a path (read now), bytes, or a tuple of
    file name, path or bytes, and content type; a list is several.
    ``cookies`` are sent with this request alone; ``jar`` names the jar that it shares with others. A higher
    ``priority`` goes first within its host. ``timeout`` is in seconds, for the whole exchange, and ``max_size`` in
    bytes of the body; both stand above the settings. ``to_file`` keeps a good answer's body in a file, never in memory:
    see ``Response.save``. ``depth`` and ``parent`` (a URL) are set by the crawl.

    Raises BadURL, or BadRequest for headers, cookies, meta or a body that cannot be sent or stored.
    """

    __slots__ = ()

    def __new__(
        cls,
        url: str,
        callback: str | Callable[..., Any] | None = None,
        *,
        method: str = "",
        headers: Fields = (),
        body: bytes | str = b"",
        json: Any = None,
        form: Mapping[str, Any] | None = None,
        files: Files | None = None,
        cookies: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        jar: str = "",
        meta: Mapping[str, Any] | None = None,
        priority: int = 0,
        dont_filter: bool = False,
        errback: str | Callable[..., Any] | None = None,
        timeout: float | None = None,
        max_size: int | None = None,
        to_file: bool = False,
        idempotent: bool = False,
        accept_status: Iterable[int] = _NO_STATUS,
        depth: int = 0,
        parent: str | None = None,
    ) -> Request:
        fields = object.__new__(_Fields)
        fields.url = canonical(url)
        fields.callback = None if callback is None else parts.callback_of(callback)
        fields.errback = None if errback is None else parts.callback_of(errback)
        fields.headers = checked(headers) if headers else _NO_HEADERS
        fields.body = parts.body_of(body) if body else b""
        if json is not None or form is not None or files is not None:
            fields.body, fields.headers = parts.encoded(fields.body, fields.headers, json, form, files)
            method = method or "POST"
        fields.method = parts.method_of(method) if method else "GET"
        fields.cookies = parts.cookies_of(cookies) if cookies else ()
        fields.jar = parts.jar_of(jar) if jar else ""
        fields.meta = parts.meta_of(meta) if meta else {}
        fields.priority = parts.priority_of(priority) if priority else 0
        fields.timeout = None if timeout is None else parts.timeout_of(timeout)
        fields.max_size = None if max_size is None else parts.size_of(max_size)
        fields.dont_filter, fields.idempotent, fields.to_file = bool(dont_filter), bool(idempotent), bool(to_file)
        fields.accept_status = parts.status_of(accept_status) if accept_status else _NO_STATUS
        fields.depth, fields.parent = depth, parent
        return _sealed(fields)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Request is frozen: use request.replace({name}=...)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Request is frozen")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Request):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _DEFAULTS)

    def __hash__(self) -> int:
        return hash((self.method, self.url, self.body, self.jar))

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.url}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_state, ({name: getattr(self, name) for name in _DEFAULTS},)

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again after bytes of it had left."""
        return self.idempotent or self.method in SAFE_METHODS

    def replace(self, **changes: Any) -> Request:
        """A request like this one but for the changes, which are checked as at the first making.

        A new ``json=``, ``form=`` or ``files=`` takes the place of the old body and its Content-Type.
        """
        fields = {name: getattr(self, name) for name in _DEFAULTS}
        if any(changes.get(name) is not None for name in ("json", "form", "files")):
            fields |= {"body": b"", "headers": self.headers.without("content-type")}
            fields["method"] = "" if self.method == "GET" else self.method
        return Request(**(fields | changes))

    def bound(self, callback: str | None, errback: str | None, depth: int, parent: str | None) -> Request:
        """A copy as it goes into the frontier: callbacks by name, and where it was found. Checks nothing again."""
        copy = _copied(self)
        copy.callback, copy.errback, copy.depth, copy.parent = callback, errback, depth, parent
        return _sealed(copy)

    def at(self, url: str) -> Request:
        """A copy for another URL, which is canonical: for the many links of a page. Checks nothing again."""
        copy = _copied(self)
        copy.url = url
        if copy.meta:
            copy.meta = parts.meta_of(copy.meta)
        return _sealed(copy)

    def fingerprint(self) -> bytes:
        """16 bytes that are the same for two requests of which one counts as seen when the other was.

        They stand for the method, the canonical URL, the body and the cookie jar.
        """
        key = self.url.encode()
        if self.method != "GET" or self.body or self.jar:
            # NUL stands in none of the first three, so no two different requests give the same bytes to hash.
            key = b"\0".join((key, self.method.encode(), self.jar.encode(), self.body))
        return blake2b(key, digest_size=16).digest()

    def to_dict(self) -> dict[str, Any]:
        """What differs from the defaults, as JSON-able values; callbacks must be names by then."""
        stored: dict[str, Any] = {}
        for name, default in _DEFAULTS.items():
            value = getattr(self, name)
            if value is not default and value != default:
                stored[name] = _WRITERS[name](value) if name in _WRITERS else value
        return stored

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Request:
        """Read back what ``to_dict`` gave."""
        return cls(**{name: _READERS.get(name, _same)(value) for name, value in stored.items()})


def _sealed(fields: _Fields) -> Request:
    fields.__class__ = Request
    return cast(Request, fields)


def _copied(request: Request) -> _Fields:
    copy = object.__new__(_Fields)
    copy.url, copy.callback, copy.errback = request.url, request.callback, request.errback
    copy.method, copy.headers, copy.body = request.method, request.headers, request.body
    copy.cookies, copy.jar, copy.meta = request.cookies, request.jar, request.meta
    copy.priority, copy.dont_filter, copy.idempotent = request.priority, request.dont_filter, request.idempotent
    copy.timeout, copy.accept_status = request.timeout, request.accept_status
    copy.max_size, copy.to_file = request.max_size, request.to_file
    copy.depth, copy.parent = request.depth, request.parent
    return copy


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
