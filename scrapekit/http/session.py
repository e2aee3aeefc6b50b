"""The client by itself: requests, redirects and cookies for any curio program, without a crawl.

A plain client. No delay and no robots.txt unless told; every status is returned. Here callers do wait at a host's
semaphore, which in a crawl nobody may: a session has no slots that waiting could starve.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import curio

from scrapekit.errors import ConfigError, FetchError, ProxyFailed
from scrapekit.headers import Fields, Headers
from scrapekit.http.client import Client
from scrapekit.http.connection import Reply
from scrapekit.http.cookies import CookieJar
from scrapekit.http.dialer import Dial, dial_tcp
from scrapekit.http.redirect import MAX_HOPS, next_hop
from scrapekit.http.resolver import Names, Resolver
from scrapekit.http.terms import DIRECT, Deadlines, Sizes, Terms, Way
from scrapekit.proxies import ProxyList, proxy_list
from scrapekit.proxychoice import ProxyChoice
from scrapekit.request import Request
from scrapekit.response import Response
from scrapekit.url import host_of
from scrapekit.version import VERSION

_HEADERS: Final = Headers({"User-Agent": f"scrapekit/{VERSION}", "Accept": "*/*"})


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What a session allows itself.

    ``per_host`` requests at once to a host, their starts at least ``delay`` apart; ``timeout`` for a request, from
    sending to the last byte, and ``connect`` for a connection, in seconds; ``max_size`` of a body in bytes;
    ``redirects`` that are followed, 0 for none. Raises ConfigError for what cannot be.
    """

    per_host: int = 8
    delay: float = 0.0
    timeout: float = 30.0
    connect: float = 10.0
    max_size: int = 32 * 1024 * 1024
    redirects: int = MAX_HOPS

    def __post_init__(self) -> None:
        for name, least in (("per_host", 1), ("delay", 0), ("max_size", 1), ("redirects", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"must be {least} or more", key=name)
        for name in ("timeout", "connect"):
            if getattr(self, name) <= 0:
                raise ConfigError("must be more than 0 seconds", key=name)


class Session:
    """Requests that share connections, cookies and limits; close it by ``async with``.

    ``limits`` is a SessionLimits or a mapping of its fields. ``headers`` go with every request, ``resolve`` holds
    static names. ``proxy`` is a URL or a list of them, of which each host sticks to one; by default it is what the
    environment says, unless ``trust_env`` is off. ``network`` (with ``dial`` and ``resolver``) replaces the real one in
    tests, and ``now`` is the clock of its kernel. Raises ConfigError.
    """

    def __init__(
        self,
        *,
        limits: SessionLimits | Mapping[str, Any] | None = None,
        headers: Fields = (),
        resolve: Mapping[str, str] | None = None,
        proxy: str | Sequence[str] | None = None,
        trust_env: bool = True,
        network: Any = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits if isinstance(limits, SessionLimits) else _limits(limits or {})
        self.headers = _HEADERS.updated(headers)
        self.cookies = CookieJar()
        self._resolver: Names = network.resolver if network else Resolver(resolve, now=now)
        dial: Dial = network.dial if network else dial_tcp
        self._client = Client(self._resolver, dial=dial, now=now)
        self._gates: dict[str, _Gate] = {}
        self._proxies = ProxyChoice(os.environ, now=now)
        self._listed = _listed(proxy, direct=not trust_env or network is not None)
        self._proxies.check(self._listed)

    def __repr__(self) -> str:
        return f"<Session {len(self._gates)} hosts, {self._client!r}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close what is idle; requests under way close their connections when they end."""
        await self._client.close()
        if isinstance(self._resolver, Resolver):
            await self._resolver.close()

    async def get(self, url: str, **options: Any) -> Response:
        """GET a URL; options as for ``request``."""
        return await self.request("GET", url, **options)

    async def post(self, url: str, **options: Any) -> Response:
        """POST to a URL; options as for ``request``."""
        return await self.request("POST", url, **options)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Fields = (),
        body: bytes | str = b"",
        json: Any = None,
        form: Mapping[str, Any] | None = None,
        cookies: Mapping[str, str] | None = None,
        timeout: float | None = None,
        follow: bool = True,
    ) -> Response:
        """Send a request, follow where it leads, and give the last answer, whatever its status.

        ``timeout`` (seconds) holds for each request of a chain. Raises FetchError subclasses, and BadURL or BadRequest
        for what cannot be sent.
        """
        request = Request(
            url,
            method=method,
            headers=self.headers.updated(headers) if headers else self.headers,
            body=body,
            json=json,
            form=form,
            cookies=cookies or {},
            timeout=timeout,
        )
        return await self._follow(request, self.limits.redirects if follow else 0)

    async def _follow(self, first: Request, hops: int) -> Response:
        request = first
        history: tuple[str, ...] = ()
        while True:
            response = await self._fetch(request, history)
            hop = next_hop(
                request.method,
                request.url,
                request.headers,
                request.body,
                status=response.status,
                location=response.headers.get("location") if hops else None,
                hops=len(history),
                max_hops=hops,
            )
            if hop is None:
                return response
            history = (*history, request.url)
            request = request.replace(
                url=hop.url,
                method=hop.method,
                headers=hop.headers,
                body=hop.body,
                cookies=() if hop.crossed else request.cookies,
            )

    async def _fetch(self, request: Request, history: tuple[str, ...]) -> Response:
        gate = self._gates.get(host_of(request.url))
        if gate is None:
            gate = self._gates[host_of(request.url)] = _Gate(self.limits)
        async with gate:
            began = await curio.clock()
            reply = await self._send(request)
            elapsed = await curio.clock() - began
        self.cookies.store(request.url, reply.headers.get_all("set-cookie"), time.time())
        return Response(
            request.url,
            request,
            reply.status,
            reply.headers,
            reply.content,
            elapsed=elapsed,
            history=history,
            address=reply.address,
        )

    async def _send(self, request: Request) -> Reply:
        """Send it; once more where a kept connection was closed under us, which is nobody's fault."""
        try:
            return await self._send_once(request)
        except FetchError as error:
            if not (error.reused and request.repeatable):
                raise
        return await self._send_once(request, fresh=True)

    async def _send_once(self, request: Request, *, fresh: bool = False) -> Reply:
        limits, total = self.limits, request.timeout or self.limits.timeout
        proxy = self._proxies.of(request.url, self._listed)
        way = DIRECT if proxy is None else Way(proxy)
        try:
            return await self._client.send(
                request.method,
                request.url,
                self._with_cookies(request),
                request.body,
                terms=Terms(Deadlines(limits.connect, total, total), Sizes(limits.max_size), way),
                fresh=fresh,
            )
        except ProxyFailed as error:
            if proxy is not None and not error.reused:
                self._proxies.failed(request.url, self._listed, proxy, down=not error.refused)
            raise

    def _with_cookies(self, request: Request) -> Headers:
        kept = self.cookies.header(request.url, time.time())
        pairs = ([kept] if kept else []) + [f"{name}={value}" for name, value in request.cookies]
        return request.headers.updated({"Cookie": "; ".join(pairs)}) if pairs else request.headers


class _Gate:
    """One host: so many at once, and starts a delay apart. A start is reserved before anything is awaited."""

    def __init__(self, limits: SessionLimits) -> None:
        self._permits = curio.Semaphore(limits.per_host)
        self._delay = limits.delay
        self._opens = 0.0

    async def __aenter__(self) -> None:
        await self._permits.acquire()
        if not self._delay:
            return
        now = await curio.clock()
        start = max(now, self._opens)
        self._opens = start + self._delay
        try:
            await curio.sleep(start - now)
        except BaseException:
            await self._permits.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        await self._permits.release()


def _listed(proxy: str | Sequence[str] | None, *, direct: bool) -> ProxyList | None:
    """The proxies of a session; None for what the environment says."""
    try:
        return proxy_list("none" if proxy is None and direct else proxy)
    except ValueError as error:
        raise ConfigError(str(error), key="proxy") from None


def _limits(fields: Mapping[str, Any]) -> SessionLimits:
    try:
        return SessionLimits(**fields)
    except TypeError as error:
        raise ConfigError(f"no such limit: {error}") from None
