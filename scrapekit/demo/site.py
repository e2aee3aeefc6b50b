"""The demonstration site as a server's handler: which host is which site, and the two pages that are no plain pages.

All but those two are pure: the same host and target always give the same reply (``answer``). ``Site`` adds the page
that is slow and the page that is busy when first asked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import curio

from scrapekit.demo import catalogue, quotes, shelves, shop
from scrapekit.demo.markup import Place, page
from scrapekit.http.dialogue import ServerReply, ServerRequest, plain

#: How long the slow page takes, in seconds.
SLOW: Final = 1.2
#: How long the busy page asks to be left alone, in whole seconds, as Retry-After has it.
RETRY_AFTER: Final = 1


class Site:
    """Answers every request, under whatever name: ``quotes.…`` is the quotes site, all else the shop.

    ``sleep`` is what the slow page waits with.
    """

    def __init__(self, *, sleep: Callable[[float], Awaitable[Any]] = curio.sleep) -> None:
        self._sleep = sleep
        self._slow = shelves.book_path(catalogue.specials()[catalogue.SLOW])
        self._busy = shelves.book_path(catalogue.specials()[catalogue.BUSY])
        self._was_busy = False

    async def __call__(self, request: ServerRequest) -> ServerReply:
        """The reply to one request."""
        if request.method not in {"GET", "HEAD"}:
            refusal = plain(405, "these pages can only be read")
            return ServerReply(405, refusal.body, (*refusal.headers, ("Allow", "GET, HEAD")))
        if request.path == self._slow:
            await self._sleep(SLOW)
        if request.path == self._busy and not self._was_busy:
            self._was_busy = True
            return _busy(Place.at(request.host))
        return answer(request)


def answer(request: ServerRequest) -> ServerReply:
    """The page at this host and path, as it is when nothing is the matter."""
    place, path = Place.at(request.host), request.path
    if place.quotes == "":
        return quotes.answer(path, place)
    if place.quotes.startswith("/") and path == place.quotes:
        return ServerReply.moved(f"{place.quotes}/", status=301)
    if place.quotes.startswith("/") and path.startswith(f"{place.quotes}/"):
        return quotes.answer(path.removeprefix(place.quotes), place)
    return shop.answer(path, request.query, place)


def _busy(place: Place) -> ServerReply:
    body = '<main class="message"><h1>Back in a minute</h1><p>The shop is busy. Come again in a second.</p></main>'
    reply = page("Busy", body, place=place, kind="shop", status=503)
    return ServerReply(503, reply.body, (*reply.headers, ("Retry-After", str(RETRY_AFTER))))
