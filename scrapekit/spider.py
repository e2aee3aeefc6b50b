"""What the user subclasses: where to start, how to parse."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from scrapekit.errors import BadURL, CallbackError, ConfigError, ScrapekitError
from scrapekit.request import Request
from scrapekit.response import Response
from scrapekit.url import canonical_host


@dataclass(frozen=True, slots=True)
class Failure:
    """What an ``errback`` is given: the request, what went wrong, and the answer if there was one."""

    request: Request
    error: ScrapekitError
    response: Response | None = None


class Spider:
    """Subclass it; give it a ``name``, ``start_urls`` and a ``parse`` method.

    A callback may be a plain function, a generator, a coroutine or an async generator, and yields items, Requests,
    URLs as str (relative ones are joined to the page), or None. Arguments of the command line (``-a key=value``)
    arrive as keyword arguments of ``__init__``.

    A class meant only as a base for spiders says so: ``class Base(Spider, abstract=True)``.
    """

    name: ClassVar[str]
    #: Where to begin. May also be set on the instance.
    start_urls: Iterable[str] = ()
    #: If given, a request to a host that is neither one of these nor below one is dropped: offsite.
    allowed_domains: Iterable[str] = ()
    #: Statuses other than 2xx that go to the callback instead of the errback.
    accept_status: Iterable[int] = frozenset()
    #: If given, each item gets a field of that name, which says how its page stands to the former run of the spider:
    #: new, changed, or gone (see ``scrapekit crawl --since-last``).
    changes: str = ""

    @property
    def state(self) -> dict[str, Any]:
        """A dict of your own that is committed with the crawl, and is there again when the crawl is resumed.

        What it holds must be what JSON can hold. It is there from ``opened`` on.
        """
        found: dict[str, Any] = self.__dict__.setdefault("_state", {})
        return found

    @state.setter
    def state(self, value: dict[str, Any]) -> None:
        self.__dict__["_state"] = value

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        name = getattr(cls, "name", None)
        if not abstract and not (isinstance(name, str) and name.strip()):
            raise TypeError(f"spider {cls.__qualname__} needs a name, such as: name = {cls.__qualname__.lower()!r}")
        for field in ("start_urls", "allowed_domains", "accept_status"):
            _check_many(cls.__qualname__, field, getattr(cls, field))
        if not isinstance(cls.changes, str):
            raise TypeError(f"spider {cls.__qualname__}: changes is the name of a field, not {cls.changes!r}")

    def __init__(self, **arguments: Any) -> None:
        for key, value in arguments.items():
            setattr(self, key, value)

    def __repr__(self) -> str:
        return f"<{type(self).__qualname__} {getattr(self, 'name', '')!r}>"

    @property
    def log(self) -> logging.Logger:
        """A logger of the spider's own."""
        return logging.getLogger(f"scrapekit.spider.{self.name}")

    def start(self) -> Iterable[Request | str] | AsyncIterator[Request | str]:
        """The first requests; by default one for each of ``start_urls``. May be a generator or an async generator."""
        _check_many(type(self).__qualname__, "start_urls", self.start_urls)
        return (Request(url) for url in self.start_urls)

    def parse(self, response: Response) -> Any:
        """The callback of requests that name no other."""
        raise NotImplementedError(f"spider {self.name!r} has no parse method, and no other callback was named")

    def errback(self, failure: Failure) -> Any:
        """Told once of each request that ended *failed*; may yield what a callback may."""

    def opened(self) -> Any:
        """Called before the first request; may be a coroutine."""

    def closed(self, reason: str) -> Any:
        """Called after the last outcome, with why the crawl ended; may be a coroutine."""

    def prepare(self, request: Request) -> Request | None:
        """Called before each send; gives the request to send, at the same origin, or None to drop it."""
        return request

    def accept(self, item: Any) -> Any:
        """Called before an item is kept; gives the item to keep, or None to leave it out."""
        return item


def allowed_hosts(spider: Spider) -> tuple[str, ...]:
    """The spider's ``allowed_domains`` in canonical spelling; each also allows what is below it.

    Raises ConfigError for one that is no domain.
    """
    try:
        _check_many(type(spider).__qualname__, "allowed_domains", spider.allowed_domains)
        return tuple(_domain(domain) for domain in spider.allowed_domains)
    except (BadURL, TypeError) as error:
        raise ConfigError(f"{spider!r}: allowed_domains: {error}", hint='such as "example.com"') from None


def _domain(text: str) -> str:
    if not isinstance(text, str) or "*" in text:
        raise BadURL(text, "not a domain; subdomains are allowed without being named")
    return canonical_host(text.removeprefix(".")).removesuffix(".")


def _check_many(spider: str, field: str, value: Any) -> None:
    if isinstance(value, (str, bytes, int)):
        raise TypeError(f"spider {spider}: {field} is a list, not {value!r} alone")


def callback_name(spider: Spider, callback: str | Callable[..., Any] | None, default: str = "parse") -> str:
    """The name by which a callback is stored.

    Raises CallbackError for a lambda, a foreign function, or a name that the spider does not have.
    """
    if callback is None:
        return default
    if isinstance(callback, str):
        if not callable(getattr(spider, callback, None)):
            raise CallbackError(f"{spider!r} has no method {callback!r}")
        return callback
    name = _method_name(spider, callback) if getattr(callback, "__self__", None) is spider else None
    if name is None:
        raise CallbackError(
            f"callback {callback!r} is not a method of {spider!r}; it must be one, or its name, to survive a restart"
        )
    return name


def _method_name(spider: Spider, method: Any) -> str | None:
    """The name under which the spider has this method; a decorator, or ``__private``, makes it another than its own."""
    names = [getattr(method, "__name__", ""), *dir(type(spider))]
    return next((name for name in names if name and _attribute(spider, name) == method), None)


def _attribute(spider: Spider, name: str) -> Any:
    """An attribute, without running properties."""
    if isinstance(getattr(type(spider), name, None), property):
        return None
    return getattr(spider, name, None)
