"""The client by itself: requests, redirects and cookies for any curio program, without a crawl.

A plain client. No delay and no robots.txt unless told; every status is returned. Here callers do wait at a host's
semaphore, which in a crawl nobody may: a session has no slots that waiting could starve.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from scrapekit.errors import AskedForCalm, ConfigError, FetchError, ProxyFailed
from scrapekit.headers import Fields, Headers
from scrapekit.http.body import Into, Sink
from scrapekit.http.border import Border
from scrapekit.http.client import Client
from scrapekit.http.connection import Reply
from scrapekit.http.cookies import CookieJar, cookie_field
from scrapekit.http.dialer import Dial, dial_tcp
from scrapekit.http.download import Download, Getter
from scrapekit.http.exchange import Head
from scrapekit.http.extras import need_http2
from scrapekit.http.gate import Gate, SessionLimits, limits_of, rest
from scrapekit.http.redirect import REDIRECTS, SEE_OTHER, next_hop
from scrapekit.http.resolver import Names, Resolver
from scrapekit.http.streaming import Live, Place
from scrapekit.http.terms import DIRECT, Deadlines, Sizes, Terms, Way
from scrapekit.multipart import Files
from scrapekit.proxies import ProxyList, proxy_list
from scrapekit.proxychoice import ProxyChoice
from scrapekit.refresh import Refresh, refresh_of
from scrapekit.request import Request
from scrapekit.response import Response
from scrapekit.url import host_of
from scrapekit.version import VERSION

_HEADERS: Final = Headers({"User-Agent": f"scrapekit/{VERSION}", "Accept": "*/*"})


class Session:
    """Requests that share connections, cookies and limits; close it by ``async with``.

    ``limits`` is a SessionLimits or a mapping of its fields. ``headers`` go with every request, ``resolve`` holds
    static names. ``proxy`` is a URL or a list of them, of which each host sticks to one; by default it is what the
    environment says, unless ``trust_env`` is off. A redirect from the open net may lead to a private address only with
    ``allow_private``; the URLs that you ask for may be anywhere. ``http2`` offers HTTP/2. ``network``
    (with ``dial`` and ``resolver``) replaces the real one in tests, and ``now`` is the clock of its kernel. Raises
    ConfigError.
    """

    def __init__(
        self,
        *,
        limits: SessionLimits | Mapping[str, Any] | None = None,
        headers: Fields = (),
        resolve: Mapping[str, str] | None = None,
        proxy: str | Sequence[str] | None = None,
        trust_env: bool = True,
        allow_private: bool = False,
        http2: bool = False,
        network: Any = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits if isinstance(limits, SessionLimits) else limits_of(limits or {})
        self.headers = _HEADERS.updated(headers)
        self.cookies = CookieJar()
        self._resolver: Names = network.resolver if network else Resolver(resolve, now=now)
        dial: Dial = network.dial if network else dial_tcp
        self._client, self._now = Client(self._resolver, dial=dial, now=now), now
        self._gates: dict[str, Gate] = {}
        if http2:
            need_http2()
        limit, self._way = self.limits, Way(http2=True) if http2 else DIRECT
        self._usual = Terms(
            Deadlines(limit.connect, limit.timeout, limit.timeout, min_rate=limit.min_rate),
            Sizes(limit.max_size),
            self._way,
        )
        self._proxies = ProxyChoice(os.environ, now=now)
        self._listed = _listed(proxy, direct=not trust_env or network is not None)
        self._proxies.check(self._listed)
        self._border = Border(resolve or {}, allow_private=allow_private)

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
        files: Files | None = None,
        cookies: Mapping[str, str] | None = None,
        timeout: float | None = None,
        max_size: int | None = None,
        to_file: bool = False,
        follow: bool = True,
    ) -> Response:
        """Send a request, follow where it leads, and give the last answer, whatever its status.

        ``timeout`` (seconds) holds for each request of a chain; with ``to_file`` a good answer's body is kept in a
        file. Raises FetchError subclasses, and BadURL or BadRequest for what cannot be sent.
        """
        request = self._made(
            method,
            url,
            headers=headers,
            body=body,
            json=json,
            form=form,
            files=files,
            cookies=cookies or {},
            timeout=timeout,
            max_size=max_size,
            to_file=to_file,
        )
        return await self._follow(request, self.limits.redirects if follow else 0)

    def stream(self, method: str, url: str, *, follow: bool = True, **options: Any) -> Live:
        """The same, the body read as it comes and held nowhere: ``async with session.stream("GET", url) as response``.

        Options as for ``request``. Without ``timeout`` the whole may take its time, as long as head and first byte come
        within the session's own and the body at its least rate. Leaving early ends the transfer.
        """
        request = self._made(method, url, **options)
        return Live(partial(self._follow, request, self.limits.redirects if follow else 0))

    async def download(
        self, url: str, path: Path | str, *, resume: bool = True, overwrite: bool = False, **options: Any
    ) -> Download:
        """Get a URL into a file, which is there once it is whole; until then it is ``path`` with ".part".

        Options as for ``request``, deadlines as for ``stream``. What an earlier try has left is gone on with
        (``resume``) where the server says that it is still the same. Raises FetchError subclasses, BadStatus for an
        answer that is no 2xx among them; OSError for a path that cannot be written, FileExistsError where something is
        there already and ``overwrite`` is not said.
        """
        headers = options.pop("headers", ())

        async def send(extra: Fields, place: Place) -> Response:
            request = self._made("GET", url, headers=Headers(headers).updated(extra), **options)
            return await self._follow(request, self.limits.redirects, place)

        most = options.get("max_size") or self.limits.max_size
        return await Getter(send, url, Path(path), most).get(resume=resume, overwrite=overwrite)

    def _made(self, method: str, url: str, *, headers: Fields = (), **fields: Any) -> Request:
        return Request(url, method=method, headers=self.headers.updated(headers) if headers else self.headers, **fields)

    async def _follow(self, first: Request, hops: int, place: Place | None = None) -> Response:
        """``place`` chooses where the body goes of the answer that leads nowhere else."""
        request = first
        history: tuple[str, ...] = ()
        guarded = False
        while True:
            into = _into(place, request.url, history, hops) if place is not None else None
            response = await self._fetch(request, history, into, guarded=guarded)
            refresh = self._refresh(response) if hops and place is None else None
            hop = next_hop(
                request.method,
                request.url,
                request.headers,
                request.body,
                status=response.status if refresh is None else SEE_OTHER,
                location=(response.headers.get("location") if refresh is None else refresh.url) if hops else None,
                hops=len(history),
                max_hops=hops,
            )
            if hop is None:
                return response
            guarded = self._border.shuts(hop.url, response)
            await rest(refresh.seconds if refresh is not None else 0.0)
            history = (*history, request.url)
            request = request.replace(
                url=hop.url,
                method=hop.method,
                headers=hop.headers,
                body=hop.body,
                cookies=() if hop.crossed else request.cookies,
            )

    def _refresh(self, response: Response) -> Refresh | None:
        return refresh_of(response) if self.limits.follow_refresh and 200 <= response.status < 300 else None

    async def _fetch(
        self, request: Request, history: tuple[str, ...], into: Into | None, *, guarded: bool = False
    ) -> Response:
        host = host_of(request.url)
        gate = self._gates.get(host) or self._gates.setdefault(host, Gate(self.limits))
        async with gate:
            began = self._now()
            reply = await self._send(request, gate, into, guarded=guarded)
            elapsed = self._now() - began
        if cookies := reply.headers.get_all("set-cookie"):
            self.cookies.store(request.url, cookies, time.time())
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

    async def _send(self, request: Request, gate: Gate, into: Into | None, *, guarded: bool) -> Reply:
        """Send it; once more where a kept connection was closed under us, which is nobody's fault."""
        try:
            return await self._send_once(request, into, guarded=guarded)
        except FetchError as error:
            if isinstance(error, AskedForCalm) or not (error.reused and (request.repeatable or not error.sent)):
                raise
        await gate.another()
        return await self._send_once(request, into, guarded=guarded, fresh=True)

    async def _send_once(self, request: Request, into: Into | None, *, guarded: bool, fresh: bool = False) -> Reply:
        proxy = self._proxies.of(request.url, self._listed)
        way = self._way if proxy is None else Way(proxy, http2=self._way.http2)
        try:
            return await self._client.send(
                request.method,
                request.url,
                self._with_cookies(request),
                request.body,
                terms=self._terms(request, way, live=into is not None, guarded=guarded),
                fresh=fresh,
                into=into,
            )
        except ProxyFailed as error:
            if proxy is not None and not error.reused:
                self._proxies.failed(request.url, self._listed, proxy, down=not error.refused)
            raise

    def _terms(self, request: Request, way: Way, *, live: bool, guarded: bool) -> Terms:
        limits = self.limits
        if way is self._way and not (live or guarded or request.timeout or request.max_size or request.to_file):
            return self._usual
        total = request.timeout or limits.timeout
        first_byte = limits.timeout if live else total
        if live and request.timeout is None and limits.min_rate:
            total = math.inf
        return Terms(
            Deadlines(limits.connect, first_byte, total, min_rate=limits.min_rate),
            Sizes(request.max_size or limits.max_size),
            way,
            request.to_file,
            guarded,
        )

    def _with_cookies(self, request: Request) -> Headers:
        kept = self.cookies.header(request.url, time.time())
        if not (kept or request.cookies):
            return request.headers
        return request.headers.updated({"Cookie": cookie_field(kept, request.headers.get("cookie"), request.cookies)})


def _listed(proxy: str | Sequence[str] | None, *, direct: bool) -> ProxyList | None:
    """The proxies of a session; None for what the environment says."""
    try:
        return proxy_list("none" if proxy is None and direct else proxy)
    except ValueError as error:
        raise ConfigError(str(error), key="proxy") from None


def _into(place: Place, url: str, history: tuple[str, ...], hops: int) -> Into:
    """That choice for the answer at a URL; the body of a redirect that is followed is for nobody."""

    def choose(head: Head) -> Sink | None:
        leads = hops and head.status in REDIRECTS and "location" in head.headers
        return None if leads else place(url, history, head)

    return choose
