"""One turn to one result: an answer, an error, or a put-back.

A put-back is a retry with a later time, or a redirect's next hop; both wait for a turn of their own like any request.
Nothing here waits for one, sleeps, or sends twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Final, Protocol

from scrapekit.circuit import is_failure
from scrapekit.directives import NO_USES, Uses
from scrapekit.errors import AskedForCalm, BadStatus, FetchError, Overtaken, PrivateAddress, ProxyFailed
from scrapekit.frontier import PutBack
from scrapekit.headers import Fields, Headers
from scrapekit.hosts import UNHEARD, Heard, Turn
from scrapekit.http import DIRECT, Deadlines, Reply, Sizes, Terms, Way
from scrapekit.http.cookies import CookieJar, cookie_field
from scrapekit.http.redirect import SEE_OTHER, next_hop
from scrapekit.origins import MAX_HOPS as ROBOTS_HOPS
from scrapekit.origins import closes
from scrapekit.referer import referer_along
from scrapekit.refresh import Refresh, refresh_of
from scrapekit.request import Request
from scrapekit.response import Response
from scrapekit.retry import RETRY, pause_before_retry, retry_after
from scrapekit.tables import Limits
from scrapekit.url import host_of

#: What we would like to have; a request's own Accept goes before it.
ACCEPT: Final = Headers({"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"})
#: A robots.txt is read up to here; of that, the parser takes the first 500 KiB (RFC 9309 §2.5). Bytes.
ROBOTS_SIZE: Final = 8 * 1024 * 1024
#: A pause is stretched by up to this share, so that retries of many requests do not come together.
JITTER: Final = 0.1
#: The usual terms of so many hosts are kept.
MAX_USUAL: Final = 1_000


def terms_of(
    limits: Limits, timeout: float | None, max_size: int, *, way: Way = DIRECT, to_file: bool = False
) -> Terms:
    """On what terms a request is sent to a host with these limits; ``timeout`` is the request's own, in seconds."""
    deadlines = Deadlines(
        connect=limits.connect_timeout,
        tls=limits.tls_timeout,
        first_byte=limits.first_byte_timeout,
        total=timeout or limits.timeout,
        min_rate=limits.min_rate,
    )
    sizes = Sizes(max_size, limits.max_head, limits.max_fields, limits.max_interim)
    return Terms(deadlines, sizes, way, to_file)


class Sender(Protocol):
    """The wire, as far as a fetch needs it."""

    async def send(
        self,
        method: str,
        url: str,
        headers: Headers,
        body: bytes = b"",
        *,
        terms: Terms,
        on_sent: Callable[[], Awaitable[None]] | None = None,
        may_go: Callable[[], bool] | None = None,
        fresh: bool = False,
    ) -> Reply: ...


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a turn: exactly one of ``response``, ``error`` and ``put_back`` is set.

    ``error`` is final; ``cause`` says why a row is put back for another try, and is None for a hop. ``heard`` is what
    the host is judged by.
    """

    response: Response | None = None
    error: FetchError | None = None
    put_back: PutBack | None = None
    cause: FetchError | None = None
    heard: Heard = UNHEARD


class Fetcher:
    """Sends requests and judges the answers.

    ``headers`` go with every request (the User-Agent among them), and what ``sign`` gives for its method and URL, and
    ``authorization`` for its URL. ``agent`` is our robots.txt token; ``uses_of`` tells what robots.txt says of the use
    of a URL's content. ``refuses_hop`` says whether an answer from a URL may not lead to a target. ``way_of`` gives the
    way to a URL; ``way_failed`` is told that its proxy failed, and says whether another takes over at once. ``keep`` is
    given each page's request and answer, with the fields that went out. ``clock`` gives seconds since the epoch.
    """

    def __init__(
        self,
        sender: Sender,
        *,
        headers: Headers,
        clock: Callable[[], float],
        max_redirects: int = 10,
        accept_status: frozenset[int] = frozenset(),
        agent: str = "",
        uses_of: Callable[[str], Uses] = lambda url: NO_USES,
        sign: Callable[[str, str], Fields] | None = None,
        authorization: Callable[[str], str] = lambda url: "",
        refuses_hop: Callable[[str, str], bool] = lambda target, url: False,
        way_of: Callable[[str, Limits], Way] = lambda url, limits: DIRECT,
        way_failed: Callable[[str, Limits, Way, ProxyFailed], bool] = lambda url, limits, way, error: False,
        keep: Callable[[Request, Reply, Headers], None] | None = None,
        random: Random | None = None,
    ) -> None:
        self._sender, self._clock, self._keep = sender, clock, keep
        self._agent, self._uses_of, self._sign = agent, uses_of, sign
        self._authorization, self._refuses_hop = authorization, refuses_hop
        self._way_of, self._way_failed = way_of, way_failed
        self._headers = ACCEPT.updated(headers)
        self._max_redirects, self._accept_status = max_redirects, accept_status
        self._random = random or Random()
        self._by_limits: dict[Headers, Headers] = {}
        #: By the identity of limits, which are held here so that it stays theirs.
        self._usual: dict[int, tuple[Limits, Terms]] = {}
        #: Rows whose kept-alive connection was closed under them: their next send wants a fresh one.
        self._cut: set[int] = set()
        self.jars: dict[str, CookieJar] = {}
        self.cookies_stored = 0  # answers that set some

    async def fetch(
        self, turn: Turn, request: Request, on_sent: Callable[[], Awaitable[None]], may_go: Callable[[], bool]
    ) -> Result:
        """Send a turn's request; whatever happens on the wire is a Result.

        ``request`` is what the spider's ``prepare`` made of the row's own. ``may_go`` is asked right before the first
        byte; if it says no, the row is put back.
        """
        limits = turn.host.limits
        way, headers = self._way_of(request.url, limits), self._outgoing(turn, request)
        began = self._clock()
        try:
            reply = await self._sender.send(
                request.method,
                request.url,
                headers,
                request.body,
                terms=self._terms(turn, request, way),
                on_sent=on_sent,
                may_go=may_go,
                fresh=turn.row.id in self._cut,
            )
        except Overtaken as error:
            return Result(put_back=PutBack(turn.row, replace(turn.row, not_before=0.0)), cause=error)
        except ProxyFailed as error:
            return self._proxy_failed(turn, request, error, way)
        except FetchError as error:
            return self._failed(turn, request, error)
        self._cut.discard(turn.row.id)
        if self._keep is not None and turn.robots_of is None:
            self._keep(turn.row.request, reply, headers)
        return self._judged(turn, request, reply, began)

    def replayed(self, turn: Turn, request: Request, reply: Reply) -> Result:
        """What becomes of a request whose answer was kept: as if it had just come, but from nobody."""
        return replace(self._judged(turn, request, reply, self._clock()), heard=UNHEARD)

    def _judged(self, turn: Turn, request: Request, reply: Reply, began: float) -> Result:
        self._keep_cookies(request, reply)
        try:
            hop = self._hop(turn, request, reply)
        except FetchError as error:
            return self._failed(turn, request, error, reply)
        if hop is not None:
            return Result(put_back=hop, heard=_heard(turn, reply))
        return self._answered(turn, request, reply, began)

    def _outgoing(self, turn: Turn, request: Request) -> Headers:
        """Our own fields, over them those of the host's settings, over them the request's; signed, if we sign."""
        headers, own = self._base(turn.host.limits.headers), {}
        if request.headers.raw:
            headers = headers.updated(request.headers)
        if referer := _referer(turn, request):
            own["Referer"] = referer
        elif headers.get("referer") == "":
            headers = headers.without("referer")
        authorization = self._authorization(request.url)
        if authorization and "authorization" not in request.headers:
            own["Authorization"] = authorization
        jar = self.jars.get(request.jar)
        kept = jar.header(request.url, self._clock()) if jar is not None else None
        if kept or request.cookies:
            own["Cookie"] = cookie_field(kept, headers.get("cookie"), request.cookies)
        if self._sign is not None:
            return headers.updated(own).updated(self._sign(request.method, request.url))
        return headers.updated(own) if own else headers

    def _base(self, limits: Headers) -> Headers:
        """Our own fields, over them those of a host's settings; made once."""
        base = self._by_limits.get(limits)
        if base is None:
            merged = self._headers.updated(limits)
            base = self._by_limits[limits] = Headers([pair for pair in merged.raw if pair[1]])
        return base

    def _terms(self, turn: Turn, request: Request, way: Way) -> Terms:
        """On what terms a turn's request is sent; those that a host's pages have in common are made once."""
        limits = turn.host.limits
        if turn.robots_of is not None or request.timeout or request.max_size or request.to_file:
            size = ROBOTS_SIZE if turn.robots_of else request.max_size or limits.max_size
            return terms_of(limits, request.timeout, size, way=way, to_file=request.to_file)
        known = self._usual.get(id(limits))
        if known is None or known[0] is not limits or known[1].way is not way:
            if len(self._usual) >= MAX_USUAL:
                self._usual.clear()
            known = self._usual[id(limits)] = limits, terms_of(limits, None, limits.max_size, way=way)
        return known[1]

    def _keep_cookies(self, request: Request, reply: Reply) -> None:
        values = reply.headers.get_all("set-cookie")
        if values:
            self.cookies_stored += 1
            self.jars.setdefault(request.jar, CookieJar()).store(request.url, values, self._clock())

    def _hop(self, turn: Turn, request: Request, reply: Reply) -> PutBack | None:
        row = turn.row
        if turn.robots_of is None and reply.status in self._accepted(row.request):
            return None
        refresh = self._refresh(turn, request, reply) if turn.host.limits.follow_refresh else None
        # What the spider's ``prepare`` added stays out of the row: the hop goes through it again.
        hop = next_hop(
            request.method,
            request.url,
            row.request.headers,
            row.request.body,
            status=reply.status if refresh is None else SEE_OTHER,
            location=reply.headers.get("location") if refresh is None else refresh.url,
            hops=len(row.history),
            max_hops=ROBOTS_HOPS if turn.robots_of else self._max_redirects,
        )
        if hop is None:
            return None
        if self._refuses_hop(hop.url, request.url):
            raise PrivateAddress(f"leads to {host_of(hop.url)}", url=request.url, host=turn.host.name, phase="redirect")
        cookies = () if hop.crossed else row.request.cookies
        target = row.request.replace(
            url=hop.url, method=hop.method, headers=hop.headers, body=hop.body, cookies=cookies
        )
        asked = max(self._asked(reply) or 0.0, refresh.seconds if refresh is not None else 0.0)
        again = hop.url in row.history or hop.url == row.request.url
        moved = replace(
            row,
            host=host_of(hop.url),
            request=target,
            history=(*row.history, row.request.url),
            attempt=0,
            not_before=self._clock() + asked if asked else 0.0,
        )
        skip = again or target.dont_filter
        return PutBack(row, moved, None if skip else target.fingerprint())

    def _refresh(self, turn: Turn, request: Request, reply: Reply) -> Refresh | None:
        """Where a good page sends its reader by itself. robots.txt is no page, and an error is none to be led by."""
        if turn.robots_of is not None or not 200 <= reply.status < 300:
            return None
        return refresh_of(Response(request.url, request, reply.status, reply.headers, reply.content))

    def _answered(self, turn: Turn, request: Request, reply: Reply, began: float) -> Result:
        row = turn.row
        response = Response(
            request.url,
            row.request,
            reply.status,
            reply.headers,
            reply.content,
            elapsed=self._clock() - began,
            history=row.history,
            address=reply.address,
            agent=self._agent,
            uses=self._uses_of(request.url),
        )
        if turn.robots_of is not None:
            good = not closes(reply.status)
        else:
            good = reply.status < 400 or reply.status in self._accepted(row.request)
        if good:
            return Result(response=response, heard=_heard(turn, reply))
        error = BadStatus(reply.status, response=response, url=request.url, host=turn.host.name, address=reply.address)
        return self._failed(turn, request, error, reply)

    def _failed(self, turn: Turn, request: Request, error: FetchError, reply: Reply | None = None) -> Result:
        row, now = turn.row, self._clock()
        heard = _heard(turn, reply, error)
        if error.reused and (request.repeatable or not error.sent) and row.id not in self._cut:
            # A kept-alive connection was closed under us, or the server says that it has not looked at the request
            # (RFC 9113 §8.7): no try of the request's, and no fault of the site's, unless it wants a rest.
            self._cut.add(row.id)
            if isinstance(error, AskedForCalm):
                return Result(put_back=PutBack(row, replace(row, not_before=0.0)), cause=error, heard=heard)
            again = PutBack(row, replace(row, not_before=0.0))
            return Result(put_back=again, cause=error, heard=replace(heard, error=None))
        self._cut.discard(row.id)
        may_repeat = request.repeatable or not error.sent
        if turn.host.circuit.open and is_failure(error) and may_repeat:
            # A trial of the host, and no try of the request: the circuit says when to end.
            return Result(put_back=PutBack(row, replace(row, not_before=0.0)), cause=error, heard=heard)
        pause = pause_before_retry(error, attempt=row.attempt + 1, repeatable=request.repeatable)
        if pause is None:
            return Result(error=error, heard=heard)
        asked = self._asked(reply) if heard.status in RETRY else None
        pause += pause * JITTER * self._random.random()
        later = replace(row, attempt=row.attempt + 1, not_before=now + (asked or pause))
        return Result(put_back=PutBack(row, later), cause=error, heard=heard)

    def _proxy_failed(self, turn: Turn, request: Request, error: ProxyFailed, way: Way) -> Result:
        """Go on at once where another proxy takes over: no try of the request's; else as after any failure."""
        other = not error.reused and self._way_failed(request.url, turn.host.limits, way, error)
        if not other or not (request.repeatable or not error.sent):
            return self._failed(turn, request, error)
        self._cut.discard(turn.row.id)
        again = PutBack(turn.row, replace(turn.row, not_before=0.0))
        return Result(put_back=again, cause=error, heard=_heard(turn, None, error))

    def _asked(self, reply: Reply | None) -> float | None:
        """Seconds that the answer asks us to wait; None or 0 for none."""
        return retry_after(reply.headers.get("retry-after"), self._clock()) if reply is not None else None

    def _accepted(self, request: Request) -> frozenset[int]:
        return self._accept_status | request.accept_status


def _heard(turn: Turn, reply: Reply | None, error: FetchError | None = None) -> Heard:
    is_page = turn.robots_of is None
    if reply is None:
        return Heard(error=error, address=error.address if error else "", is_page=is_page)
    return Heard(reply.status, reply.headers, reply.wire_bytes, reply.address, error, is_page)


def _referer(turn: Turn, request: Request) -> str:
    """What is told of the page on which a request was found; "" where settings or spider say it themselves."""
    limits, parent = turn.host.limits, turn.row.request.parent
    if parent is None or turn.robots_of is not None or "referer" in request.headers or "referer" in limits.headers:
        return ""
    return referer_along(limits.referer, parent, turn.row.history, request.url)
