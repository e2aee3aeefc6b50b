"""What came back: the bytes, and the page that is in them.

The text is decoded and the page parsed when first asked for, once, and both are let go by ``release()`` when the
callback is done. A response notes what reading items from it met: ``rejected`` and ``misses``.

Does not fetch, and does not know who asks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Union

from scrapekit.content import CHUNK, Content, Stored, chunks_of, place
from scrapekit.directives import NO_USES, Directives, Uses, of_page
from scrapekit.encoding import HTML_TYPES, decode, essence, is_binary, is_html
from scrapekit.errors import BadResponse, BadStatus, BadURL, ItemError
from scrapekit.extract import read_item, read_items
from scrapekit.filename import filename
from scrapekit.headers import Headers
from scrapekit.item import ItemT
from scrapekit.links import (
    Link,
    Patterns,
    base_href,
    first_inside,
    href_of,
    hrefs_of,
    is_nofollow,
    link_nodes,
    links_of,
    unique_urls,
    wanted,
)
from scrapekit.markup import Node, Tree, parse, select, select_first, text_of
from scrapekit.request import Request
from scrapekit.url import Base

#: What may be followed: a URL (relative ones are joined to the page), a node that links, or a Link.
Target = Union[str, Node, Link]
Callback = Union[str, Callable[..., Any], None]

_NO_HEADERS: Final = Headers()


class Response:
    """One answer: ``url`` is the final one, after redirects, and ``history`` the URLs before it.

    ``elapsed`` is in seconds, ``address`` the peer's; ``agent`` is the name by which we asked, ``uses`` what robots.txt
    says of the use of the content. Everything that reads the page (``css``, ``links``, ``items`` …) raises TooComplex
    for markup that would take the parser minutes. A body that is neither HTML nor XML reads as an empty page.
    """

    __slots__ = (
        "_base",
        "_body",
        "_decoded",
        "_directives",
        "_tree",
        "_uses",
        "address",
        "agent",
        "content",
        "elapsed",
        "headers",
        "history",
        "misses",
        "rejected",
        "request",
        "status",
        "url",
    )

    def __init__(
        self,
        url: str,
        request: Request | None = None,
        status: int = 200,
        headers: Headers = _NO_HEADERS,
        body: bytes | Content = b"",
        *,
        elapsed: float = 0.0,
        history: tuple[str, ...] = (),
        address: str = "",
        agent: str = "",
        uses: Uses = NO_USES,
    ) -> None:
        self.url = url
        self.request = request
        self.status = status
        self.headers = headers
        self.content = body
        self._body = body if isinstance(body, bytes) else None
        self.elapsed = elapsed
        self.history = history
        self.address = address
        self.agent = agent
        #: Items that did not validate, and how often each selector matched nothing, as "Model.field query".
        self.rejected: list[ItemError] = []
        self.misses: Counter[str] = Counter()
        self._decoded: tuple[str, str] | None = None
        self._tree: Tree | None = None
        self._base: Base | None = None
        self._uses = uses
        self._directives: Directives | None = None

    @classmethod
    def from_html(cls, url: str, html: str, status: int = 200) -> Response:
        """A response for tests, as if ``html`` had been fetched from ``url``."""
        return cls(url, Request(url), status, Headers({"Content-Type": "text/html; charset=utf-8"}), html.encode())

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.url}>"

    def release(self) -> None:
        """Let go of text and tree; they come back if asked for. Many trees kept alive make parsing slow."""
        self._tree = self._decoded = self._base = None
        if isinstance(self.content, Stored):
            self._body = None

    # ---- the answer ----

    @property
    def body(self) -> bytes:
        """The body as bytes, its content codings taken off; read when first asked for, where it is in a file."""
        if self._body is None:
            self._body = self.content.read()  # type: ignore[union-attr]
        return self._body

    @property
    def path(self) -> Path | None:
        """The file that the body is in; None where it is in memory. The file goes when the response does."""
        return self.content.path if isinstance(self.content, Stored) else None

    @property
    def filename(self) -> str:
        """A safe name for the body as a file: Content-Disposition's, or else the URL's (RFC 6266 §4.3)."""
        return filename(self.headers.get("content-disposition"), self.url, self.headers.get("content-type"))

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Put the body into a file, whole or not at all; where that is.

        A folder gets a file with the name of ``filename``. Raises OSError as the system does, FileExistsError among
        them where the file is there already and ``overwrite`` is not said.
        """
        place_at = Path(path)
        if place_at.is_dir():
            place_at /= self.filename
        place(self.content, place_at, overwrite=overwrite)
        return place_at

    def iter_bytes(self, size: int = CHUNK) -> Iterator[bytes]:
        """The body, at most ``size`` bytes at a time; one that is in a file is never held as a whole."""
        if isinstance(self.content, Stored):
            return self.content.chunks(size)
        return chunks_of(self.body, size)

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx or 3xx."""
        return 200 <= self.status < 400

    def raise_for_status(self) -> Response:
        """This response, if it is ``ok``. Raises BadStatus otherwise."""
        if not self.ok:
            raise BadStatus(self.status, response=self, url=self.url, address=self.address)
        return self

    @property
    def encoding(self) -> str:
        """The name of the encoding, as the WHATWG's standards find it."""
        return self._text[1]

    @property
    def text(self) -> str:
        """The body as text; bytes that the encoding does not have are U+FFFD."""
        return self._text[0]

    @property
    def _text(self) -> tuple[str, str]:
        if self._decoded is None:
            self._decoded = decode(self.body, self.headers.get("content-type"))
        return self._decoded

    def json(self) -> Any:
        """The body as JSON: in UTF-8, -16 or -32, or else as Content-Type says. Raises BadResponse."""
        try:
            return json.loads(self.body)
        except UnicodeDecodeError:
            pass
        except (ValueError, RecursionError) as error:
            raise BadResponse(f"the body is not JSON: {error}", url=self.url, phase="body") from None
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError) as error:
            raise BadResponse(f"the body is not JSON: {error}", url=self.url, phase="body") from None

    # ---- the page ----

    @property
    def tree(self) -> Tree:
        """The parsed page. Raises TooComplex."""
        if self._tree is None:
            self._tree = parse(self.text if self._has_markup() else "")
        return self._tree

    def _has_markup(self) -> bool:
        """Whether the body is to be parsed: HTML or XML, or undeclared and not binary."""
        declared = self.headers.get("content-type")
        start = self._start
        if is_html(declared, start):
            return True
        kind = essence(declared)
        return (not kind or kind.endswith(("/xml", "+xml"))) and kind not in HTML_TYPES and not is_binary(start)

    @property
    def _start(self) -> bytes:
        """As much of the body as tells its type: a large one in a file is not read for that."""
        return self.body if self.path is None or self._body is not None else next(self.iter_bytes(), b"")

    def css(self, query: str) -> list[Node]:
        """The nodes that match, in document order. Raises BadSelector."""
        return select(self.tree, query)

    def css_first(self, query: str) -> Node | None:
        """The first node that matches, or None. Raises BadSelector."""
        return select_first(self.tree, query)

    @property
    def title(self) -> str:
        """The page's title, white space squeezed; empty if it has none."""
        tree = self.tree
        node = tree.head.css_first("title") if tree.head is not None else None
        node = node if node is not None else tree.css_first("title")
        return text_of(node) if node is not None else ""

    @property
    def directives(self) -> Directives:
        """What the page, its header and its robots.txt ask of us: ``"noindex" in response.directives``.

        Meta robots and X-Robots-Tag, for all or for our name, and what the owner says of the use of the content.
        """
        if self._directives is None:
            self._directives = of_page(self.tree, self.headers, self.agent, self._uses)
        return self._directives

    def item(self, model: type[ItemT], **known: Any) -> ItemT | None:
        """The first item of that class; None if there is none, or if it does not validate (see ``rejected``).

        ``known`` fills what the page does not hold, such as ``url=response.url``.
        """
        return read_item(model, self._root, self, known)

    def items(self, model: type[ItemT], **known: Any) -> Iterator[ItemT]:
        """Every item of that class, in document order; one that does not validate goes to ``rejected`` instead."""
        return read_items(model, self._root, self, known)

    @property
    def _root(self) -> Node:
        root = self.tree.root
        assert root is not None  # a document always has its <html>
        return root

    # ---- where it leads ----

    @property
    def base(self) -> Base:
        """What links are joined to: the first <base href> that is a URL for that, else the page's own."""
        if self._base is None:
            # A file that is no page has no encoding of interest, and may be too large to be read for it.
            encoding = "utf-8" if self.path is not None and not self._has_markup() else self.encoding
            own = Base(self.url, encoding)
            href = base_href(self.tree)
            there = own.join(href) if href is not None else None
            self._base = Base(there, encoding) if there is not None else own
        return self._base

    def absolute(self, href: str) -> str | None:
        """The canonical URL of a link on this page; None if it is malformed, or neither http nor https."""
        return self.base.join(href)

    def urljoin(self, href: str) -> str:
        """The canonical URL of a link on this page. Raises BadURL if it is malformed, or neither http nor https."""
        url = self.base.join(href)
        if url is None:
            raise BadURL(href)
        return url

    def links(
        self, *, allow: Patterns = (), deny: Patterns = (), css: str | None = None, nofollow: bool = False
    ) -> list[Link]:
        """The page's links (a and area), unique by URL, in document order.

        ``allow`` and ``deny`` are regular expressions searched in the absolute URL; ``css`` keeps to the links that it
        matches, or that are inside of what it matches. Links marked ``rel=nofollow``, or all of them on a page that
        says so of itself, are left out unless ``nofollow=True``.
        """
        if not nofollow and "nofollow" in self.directives:
            return []
        links = links_of(link_nodes(self.tree, css, nofollow), self.base.join)
        return list(wanted(links, allow, deny) if allow or deny else links)

    def follow(self, target: Target, callback: Callback = None, **fields: Any) -> Request:
        """A request for a link of this page, in the page's cookie jar; ``fields`` are those of Request.

        Raises BadURL for what does not link, or not by http or https.
        """
        href = _href(target)
        if href is None:
            raise BadURL(str(target), "has neither href nor src, nor a link inside")
        return Request(self.urljoin(href), callback, **self._fields(fields))

    def follow_all(
        self,
        urls: Iterable[Target] | None = None,
        callback: Callback = None,
        *,
        css: str | None = None,
        nofollow: bool = False,
        **fields: Any,
    ) -> Iterator[Request]:
        """Requests for ``urls``, or for the links at ``css``, or for all links of the page; each URL once.

        What cannot be fetched (``mailto:``, malformed) is left out, and so are links marked nofollow, as in ``links``,
        unless ``nofollow=True``; a URL given as str is always followed.
        """
        if isinstance(urls, str):
            raise TypeError(f"follow_all takes a list of URLs or nodes; did you mean css={urls!r}?")
        if urls is not None and css is not None:
            raise TypeError("follow_all takes urls or css=, not both")
        hrefs: Iterable[str | None] = _hrefs(urls, nofollow) if urls is not None else ()
        if urls is None and (nofollow or "nofollow" not in self.directives):
            hrefs = hrefs_of(self.tree, css, nofollow)
        return self._requests(unique_urls(hrefs, self.base.join), callback, self._fields(fields))

    def _requests(self, urls: Iterable[str], callback: Callback, fields: dict[str, Any]) -> Iterator[Request]:
        first = None
        for url in urls:
            # Those after the first are copies of it, at URLs that are canonical as they come.
            first = request = first.at(url) if first is not None else Request(url, callback, **fields)
            yield request

    def _fields(self, fields: dict[str, Any]) -> dict[str, Any]:
        if self.request is not None and self.request.jar:
            fields.setdefault("jar", self.request.jar)
        return fields


def _href(target: Target) -> str | None:
    if isinstance(target, str):
        return target
    if isinstance(target, Link):
        return target.url
    own = href_of(target)
    if own is None and (inside := first_inside(target)) is not None:
        own = href_of(inside)
    return own


def _hrefs(targets: Iterable[Target], nofollow: bool) -> Iterator[str | None]:
    for target in targets:
        if isinstance(target, str) or nofollow or not _marked(target):
            yield _href(target)


def _marked(target: Node | Link) -> bool:
    return target.nofollow if isinstance(target, Link) else is_nofollow(target)
