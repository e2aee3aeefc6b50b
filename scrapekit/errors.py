"""Every exception scrapekit raises on purpose.

    ScrapekitError
      ConfigError          the project or the command is set up wrong; nothing was fetched
      BadURL               not a URL that can be fetched                    (also a ValueError)
      BadRequest           a request that cannot be made                    (also a ValueError)
      CallbackError        a spider's method did what it may not, or raised
      BadSelector          not a CSS selector that the parser knows          (also a ValueError)
      ItemError            a page did not have the shape its Item declares
      FetchError           one URL could not be fetched; the crawl goes on
        Disallowed           robots.txt says no
        RobotsUnreachable    robots.txt could not be read, so nothing may be fetched
        ResolveFailed        the name has no address
          NameServerFailed     nobody could say whether it has one
        PrivateAddress       a site leads into a private network, or its name points there
        ConnectFailed        TCP: refused, unreachable, reset
        Overtaken            the host asked for a rest before anything was sent
        AskedForCalm         HTTP/2's 429: the server wants to be asked less, and its host rests
        HostDown             it has not answered for so long that it is given up
        TLSFailed            which check failed; not tried again
        ProxyFailed          the proxy, not the site
          ProxyLocked          it wants credentials that it does not get
        FetchTimeout         a deadline passed
        BadResponse          the peer broke HTTP
          TooLarge             a size limit
          TooComplex           markup that would take the parser minutes
        TooManyRedirects     a chain longer than the limit
        NotStored            our own disk would not take the body
        BadStatus            the answer's status is an error
      SinkError            where items go cannot be written; the crawl stops and can go on later
        Uncommitted          the sinks have what could not be committed after it
        SinkShort            a file ends before the place where it was left
        PipeClosed           who read standard output has gone

Branches say what the catcher does next: stop, go on, report. Errors carry facts; nobody parses a message.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar


class ScrapekitError(Exception):
    """Anything that scrapekit raises on purpose."""


class ConfigError(ScrapekitError):
    """The project, its settings or the command are wrong: what, where, and what to do."""

    def __init__(
        self,
        message: str,
        *,
        file: Path | str | None = None,
        line: int | None = None,
        key: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.message, self.file, self.line, self.key, self.hint = message, file, line, key, hint
        super().__init__(message)

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        lead = ": ".join(part for part in (place, self.key) if part)
        text = f"{lead}: {self.message}" if lead else self.message
        return f"{text} ({self.hint})" if self.hint else text


class BadURL(ScrapekitError, ValueError):
    """A string that is not an absolute http or https URL."""

    def __init__(self, url: str, why: str = "not an http or https URL") -> None:
        self.url, self.why = url, why
        super().__init__(f"{url!r}: {why}")


class BadRequest(ScrapekitError, ValueError):
    """A request with a header, meta or body that cannot be sent or stored."""


class CallbackError(ScrapekitError):
    """A spider's method raised, or did or yielded what it may not; ``place`` is the spider's line, as "file:line"."""

    def __init__(self, message: str, *, place: str = "") -> None:
        self.message, self.place = message, place
        super().__init__(f"{message} (at {place})" if place else message)


class ItemError(ScrapekitError):
    """A page did not have the shape its Item declares.

    ``field`` and ``selector`` say which declaration; ``snippet`` holds the first 200 characters of the node.
    """

    def __init__(
        self, message: str, *, model: str = "", field: str = "", selector: str = "", snippet: str = "", url: str = ""
    ) -> None:
        self.message, self.model, self.field = message, model, field
        self.selector, self.snippet, self.url = selector, snippet, url
        super().__init__(f"{model}.{field} ({selector!r}): {message}" if field else f"{model}: {message}")


class BadSelector(ScrapekitError, ValueError):
    """Not a CSS selector that the parser knows; ``where`` names the field that declares it, if one does."""

    def __init__(self, query: str, where: str = "", why: str = "not a CSS selector that can be used here") -> None:
        self.query, self.where = query, where
        super().__init__(f"{where}: {query!r}: {why}" if where else f"{query!r}: {why}")


class FetchError(ScrapekitError):
    """One URL could not be fetched.

    ``phase`` is where it happened: resolve, connect, tls, send, head, body, decode, status, robots or redirect.
    ``sent`` says whether bytes of the request had left, ``reused`` whether the connection had served before.
    """

    phase: str = ""
    #: Short and stable: it is what the summary counts under *failed*.
    label: ClassVar[str] = "fetch"

    def __init__(
        self,
        detail: str,
        *,
        url: str = "",
        host: str = "",
        address: str = "",
        phase: str = "",
        sent: bool = False,
        reused: bool = False,
    ) -> None:
        self.detail, self.url, self.host, self.address = detail, url, host, address
        self.sent, self.reused = sent, reused
        if phase:
            self.phase = phase
        super().__init__(detail)

    @property
    def reason(self) -> str:
        """What the summary counts this under, such as ``timeout`` or ``status 404``."""
        return self.label

    def __str__(self) -> str:
        where = f" [{self.phase}{' ' + self.address if self.address else ''}]" if self.phase else ""
        return f"{self.reason}: {self.detail}{where}"


class Disallowed(FetchError):
    """robots.txt says no."""

    phase, label = "robots", "disallowed"


class RobotsUnreachable(FetchError):
    """robots.txt could not be read, so nothing may be fetched (RFC 9309 §2.3.1.4)."""

    phase, label = "robots", "robots unreachable"


class ResolveFailed(FetchError):
    """The name has no address."""

    phase, label = "resolve", "no address"


class NameServerFailed(ResolveFailed):
    """The name servers failed or did not answer; the name may well have an address."""

    label = "name server"


class PrivateAddress(FetchError):
    """A page or a redirect leads to a private address, or a name has no other; nobody is asked."""

    phase, label = "resolve", "private address"


class ConnectFailed(FetchError):
    """TCP: refused, unreachable, reset, or closed without a byte."""

    phase, label = "connect", "connection"


class HostDown(FetchError):
    """The host has not answered for so long that all that waits there is given up."""

    phase, label = "connect", "host down"


class Overtaken(FetchError):
    """Between a turn and its first byte the host asked for a rest, or changed its robots.txt; nothing was sent."""

    phase, label = "connect", "overtaken"


class AskedForCalm(FetchError):
    """The server ended a stream or a connection by ENHANCE_YOUR_CALM (RFC 9113 §7): it is asked too much of."""

    phase, label = "head", "asked for calm"


class TLSFailed(FetchError):
    """The handshake or a certificate check failed; not tried again."""

    phase, label = "tls", "tls"


class ProxyFailed(FetchError):
    """The proxy failed, not the site.

    ``refused`` is set where it works, but gives no way to this site; it may well have one to others.
    """

    phase, label = "connect", "proxy"

    def __init__(self, detail: str, *, refused: bool = False, **facts: Any) -> None:
        self.refused = refused
        super().__init__(detail, **facts)


class ProxyLocked(ProxyFailed):
    """The proxy wants credentials (407, or SOCKS5's like), or does not accept those it got; not tried again."""

    phase, label = "head", "proxy locked"


class FetchTimeout(FetchError):
    """A deadline passed; ``phase`` says which."""

    label = "timeout"


class BadResponse(FetchError):
    """The peer broke HTTP, or sent a body that does not decode."""

    phase, label = "head", "bad response"


class TooLarge(BadResponse):
    """A head, a body or its inflated form went over its limit."""

    phase, label = "body", "too large"


class TooComplex(BadResponse):
    """Markup nested so deep, or tags so full of attributes, that it is not given to the parser."""

    phase, label = "body", "too complex"


class TooManyRedirects(FetchError):
    """A chain of redirects longer than the limit."""

    phase, label = "redirect", "too many redirects"


class NotStored(FetchError):
    """Our own disk would not take the body: it is full, or its folder is gone. No fault of the site's."""

    phase, label = "body", "not stored"


class BadStatus(FetchError):
    """The answer's status says that this is not the page; ``response`` holds it."""

    phase, label = "status", "status"

    def __init__(self, status: int, *, response: Any = None, **facts: Any) -> None:
        self.status, self.response = status, response
        super().__init__(f"HTTP {status}", **facts)

    @property
    def reason(self) -> str:
        return f"status {self.status}"

    def __str__(self) -> str:
        return self.reason


class SinkError(ScrapekitError):
    """Where items go cannot be written: the disk is full, the folder is gone, the file may not be changed."""

    def __init__(self, message: str, *, file: Path | str) -> None:
        self.message, self.file = message, file
        super().__init__(message)

    def __str__(self) -> str:
        return f"{self.file}: {self.message}"


class Uncommitted(SinkError):
    """The batch was written to the sinks, but the frontier could not commit it: they must go back to before it."""


class SinkShort(SinkError):
    """A file ends before the place where it was left, so something else has cut it or put another in its place."""


class PipeClosed(SinkError):
    """Who read standard output has gone: nothing is wrong, and nobody is there to read on."""
