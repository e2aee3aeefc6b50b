"""URLs as browsers read them, in the one spelling that decides whether a page was seen.

A canonical URL is what the WHATWG URL standard serialises, absolute and http or https, without fragment and without
user name and password. Those two are left out because a URL travels: into logs, files, the Referer field and through
redirects to other hosts. Credentials belong in the settings or in a request's own headers.

Invariant: ``canonical(canonical(url)) == canonical(url)``, and everything below the line "of canonical URLs" may rely
on that spelling: ``scheme://host[:port]/…``, lower-case ASCII host, no default port.

Does not know which URLs are wanted, nor how long one may be.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote

import can_ada

from scrapekit.errors import BadURL

_SCHEMES: Final = ("https://", "http://")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
#: What a host never holds; a URL parser would take such a text for more than a host, or strip what it should refuse.
_NOT_IN_A_HOST: Final = re.compile(r"[\s/\\?#@\x00-\x20]")
_LOOPBACK_IPV4: Final = re.compile(r"127\.\d+\.\d+\.\d+")
_LOOPBACK_NAMES: Final = frozenset({"localhost", "::1"})
#: ::ffff:127.0.0.0/104, IPv4 loopback in IPv6 clothes, as the standard serialises it.
_LOOPBACK_MAPPED: Final = re.compile(r"::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}")
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]+")


def canonical(url: str) -> str:
    """The one spelling of an absolute http or https URL.

    Fragment, user name, password and default port are left out; host and percent-encoding are as the WHATWG URL
    standard says; the order of the query is kept. Raises BadURL.
    """
    try:
        href = can_ada.parse(url).href
    except ValueError:
        raise BadURL(url, "not an absolute URL, or malformed") from None
    except TypeError:
        return canonical(_scalar(url))
    return _cleaned(href) or _refuse(url)


def join(base: str, href: str) -> str:
    """The canonical URL that ``href`` means on a page at ``base``. Raises BadURL."""
    return Base(base).join(href) or _refuse(href)


class Base:
    """One page's base URL, parsed once for the page's many links. Raises BadURL if it is no http or https URL.

    ``encoding`` is the page's: the standard encodes the query of a link in it, if it is not UTF-8.
    """

    __slots__ = ("_encoding", "_url", "url")

    def __init__(self, url: str, encoding: str = "utf-8") -> None:
        self.url = canonical(url)
        self._url = can_ada.parse(self.url)
        # Pages in UTF-16 send their forms and links in UTF-8 (Encoding standard, "get an output encoding").
        self._encoding = None if encoding.lower().startswith("utf") else encoding

    def __repr__(self) -> str:
        return f"Base({self.url!r})"

    def join(self, href: str) -> str | None:
        """The canonical URL of a link, or None if it is malformed or neither http nor https."""
        if self._encoding and not href.isascii():
            href = _in_encoding(href, self._encoding)
        try:
            return _cleaned((self._url + href).href)
        except ValueError:
            return None
        except TypeError:
            return self.join(_scalar(href))


def _cleaned(href: str) -> str | None:
    """Take fragment and userinfo off what the standard serialised; None for a scheme that is not ours."""
    if not href.startswith(_SCHEMES):
        return None
    if "#" in href:
        href = href[: href.index("#")]  # the standard escapes every other "#"
    if "@" in href:
        authority = host_of(href)
        if "@" in authority:
            href = href.replace(authority, authority.rpartition("@")[2], 1)
    return href


def _refuse(url: str) -> str:
    raise BadURL(url)


def _scalar(text: str) -> str:
    """The text with lone surrogates replaced by U+FFFD, as the standard reads strings of a page."""
    if not isinstance(text, str):
        raise BadURL(text, "not a str")
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _in_encoding(href: str, encoding: str) -> str:
    """The link, its query percent-encoded in the page's encoding (URL standard, "percent-encode after encoding")."""
    head, mark, query = href.partition("#")[0].partition("?")
    try:
        return head + mark + _NOT_ASCII.sub(lambda run: quote(run[0].encode(encoding, "xmlcharrefreplace"), ""), query)
    except (LookupError, UnicodeError):
        return href


# ---- of canonical URLs: plain string work, since it runs for every link ----


class Parts(NamedTuple):
    """What it takes to connect and to ask.

    ``hostname`` is for resolving and for TLS (an IPv6 address without its brackets), ``host`` the authority as the Host
    field wants it, ``target`` path and query for the request line.
    """

    scheme: str
    hostname: str
    port: int
    host: str
    target: str


def host_of(url: str) -> str:
    """The scheme-less authority of a canonical URL, such as ``example.com`` or ``example.com:8080``."""
    return url.split("/", 3)[2]


def origin_of(url: str) -> str:
    """Scheme and authority of a canonical URL, such as ``https://example.com:8443``."""
    return url[: url.index("/", 8)]  # the shortest, http://a/, has its path's slash at 8


def split(url: str) -> Parts:
    """The parts of a canonical URL."""
    scheme, _, host, path = url.split("/", 3)
    scheme = scheme[:-1]
    hostname, port = split_host(host)
    return Parts(scheme, hostname, port or _DEFAULT_PORTS[scheme], host, "/" + path)


@lru_cache(maxsize=4096)
def split_host(host: str) -> tuple[str, int | None]:
    """Name (an IPv6 address without its brackets) and port of a canonical host; no port where it is the default."""
    name, colon, port = host.rpartition(":")
    if not colon or port.endswith("]"):
        name, port = host, ""
    return name.strip("[]"), int(port) if port else None


def canonical_host(text: str) -> str:
    """A host, or host and port, as a person types it: as ``host_of`` gives it for the URLs that are meant.

    Upper case, international names, and every spelling of an address are understood; the ports 80 and 443 are left
    out. Raises BadURL.
    """
    if not text or _NOT_IN_A_HOST.search(text):
        raise BadURL(text, "not a host, or host:port")
    try:
        host: str = can_ada.parse(f"http://{text}/").host
    except (ValueError, TypeError):
        raise BadURL(text, "not a host, or host:port") from None
    return host.removesuffix(":443")


def is_loopback(hostname: str) -> bool:
    """Whether a canonical name or address, without port, is this machine by its spelling alone (RFC 6761 §6.3)."""
    name = hostname.strip("[]").removesuffix(".")
    if name in _LOOPBACK_NAMES or name.endswith(".localhost"):
        return True
    return bool(_LOOPBACK_IPV4.fullmatch(name) or _LOOPBACK_MAPPED.fullmatch(name))


def is_below(hostname: str, domain: str) -> bool:
    """Whether a canonical name is the domain or a subdomain of it."""
    name = hostname.removesuffix(".")
    return name == domain or name.endswith("." + domain)
