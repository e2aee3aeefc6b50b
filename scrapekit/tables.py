"""What may stand in scrapekit.toml: the tables, their keys, the defaults and why they are so.

Frozen, and strict: no unknown key passes, no bool for a number, no text for one. Every default is the polite one.

Knows nothing of files, of lines, and of which rule applies to a host.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, PlainValidator, StringConstraints

from scrapekit import hours, units
from scrapekit.auth import Auth, parse_auth
from scrapekit.directives import wish
from scrapekit.errors import BadURL
from scrapekit.headers import Headers, checked
from scrapekit.hours import Hours
from scrapekit.proxies import ProxyList, proxy_list
from scrapekit.referer import DEFAULT, Policy
from scrapekit.url import canonical, canonical_host, origin_of, split

#: Bytes of one head, its interim responses counted in. The web's honest heads end near 64 KB; a page that sets 300
#: cookies of 4,000 bytes is meant to lose the cookies, not the page.
MAX_HEAD: Final = 2 * 1024 * 1024
#: Header fields of one head.
MAX_FIELDS: Final = 1_000
#: 1xx responses before the answer (RFC 9110 §15.2 sets no limit).
MAX_INTERIM: Final = 20

#: RFC 9309 §2.2.1: a product token is made of these.
_TOKEN: Final = re.compile(r"[A-Za-z_-]+")
_CONTACT: Final = re.compile(r"(https?://[^\s/]+|mailto:[^\s@]+@|[^\s@/:]+@)[!-~]+")
_SHARE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_NAME_AND_PORT: Final = re.compile(r"(\[[^]]*]|[^:]*)(?::(\d{1,5}))?")
_PORTS: Final = range(1, 65536)
#: They frame the message: the wire writes them itself.
_OURS: Final = frozenset({"host", "connection", "content-length", "transfer-encoding", "te", "upgrade", "expect"})


def _failures(value: object) -> int | float | None:
    """A whole number is a count, a fraction or a percentage is a share."""
    share = _SHARE.fullmatch(value.strip()) if isinstance(value, str) else None
    number: object = float(share[1]) / 100 if share else value
    if number is None or (type(number) is int and number >= 0) or (type(number) is float and 0 <= number <= 1):
        return number
    raise ValueError('must be a count, such as 100, or a share, such as 0.1 or "10 %"')


def _token(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise ValueError("must be a word of letters, _ and - (RFC 9309), for sites name it so in robots.txt")
    return value


def _contact(value: str) -> str:
    if not value.isascii() or not _CONTACT.fullmatch(value) or set(value) & set("()\\"):
        raise ValueError("must be the URL of a page about your crawl, or a mail address")
    return value


def _https_origin(value: str) -> str:
    try:
        url = canonical(value)
    except BadURL:
        url = ""
    if not url.startswith("https://") or split(url).target != "/":
        raise ValueError('must be an https origin, such as "https://example.org"')
    return origin_of(url)


def _headers(value: object) -> Headers:
    if not isinstance(value, (Mapping, Headers)):
        raise ValueError("must be a table of header fields")
    headers = checked(value)
    for name in headers:
        if name in _OURS:
            raise ValueError(f"{name!r} is written by scrapekit itself")
    return headers


def pattern(text: str) -> str:
    """The canonical form of ``*``, ``*.example.com``, ``example.com`` or ``example.com:8080``. Raises ValueError."""
    if text == "*":
        return text
    suffix = text.startswith("*.")
    try:
        host = canonical_host(text[2:] if suffix else text)
    except BadURL:
        raise ValueError('must be a host, such as "example.com", "example.com:8080", "*.example.com" or "*"') from None
    name, port = _name_and_port(host)
    if "*" in host:
        raise ValueError('must have its "*" alone or in front, as in "*.example.com"')
    if suffix and _name_and_port(text)[1]:
        raise ValueError("must not have a port after a pattern; only an exact name may")
    if suffix and (name[-1:] == "]" or name.rpartition(".")[2].isdigit()):
        raise ValueError("must not be part of an address; an address has no subdomains")
    return ("*." if suffix else "") + name.removesuffix(".") + (f":{port}" if port else "")


def _name_and_port(text: str) -> tuple[str, str]:
    found = _NAME_AND_PORT.fullmatch(text)
    return (found[1], found[2] or "") if found else (text, "")


def _pattern(text: str) -> str:
    """Check only: the file's own spelling is what messages show."""
    pattern(text)
    return text


class Address(str):
    """An IP address, or one with a port, to which a static name points."""

    __slots__ = ()

    @property
    def ip(self) -> str:
        """The address, an IPv6 one without its brackets."""
        return self if _is_ip(self) else _name_and_port(self)[0].strip("[]")

    @property
    def port(self) -> int | None:
        """The port, if one is given."""
        port = "" if _is_ip(self) else _name_and_port(self)[1]
        return int(port) if port else None


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _address(value: object) -> Address:
    address = Address(value) if isinstance(value, str) else None
    if address is None or not _is_ip(address.ip) or (address.port is not None and address.port not in _PORTS):
        raise ValueError('must be an address, such as "127.0.0.1", "127.0.0.1:8900" or "[::1]:8900"')
    return address


def static_name(text: str) -> str:
    """The canonical form of a name, or name and port, to be resolved. Raises ValueError."""
    name, port = _name_and_port(text)
    try:
        host = canonical_host(name)
    except BadURL:
        host = ""
    if not host or "*" in host or (port and int(port) not in _PORTS):
        raise ValueError('must be a name, such as "books.test" or "books.test:8080"')
    return host.removesuffix(".") + (f":{int(port)}" if port else "")


def _static_name(text: str) -> str:
    static_name(text)
    return text


Count = Annotated[int, Field(strict=True, ge=1)]
Seconds = Annotated[float, BeforeValidator(units.duration), Field(ge=0)]
Deadline = Annotated[float, BeforeValidator(units.duration), Field(gt=0)]
Size = Annotated[int, BeforeValidator(units.size), Field(ge=1)]
Text = Annotated[str, Field(strict=True)]
Pattern = Annotated[str, BeforeValidator(_pattern)]


def _hours(value: object) -> Hours | None:
    if value is None or isinstance(value, Hours):
        return value
    if not isinstance(value, str):
        raise ValueError('must be hours, such as "01:00-05:00 Europe/Berlin"')
    return hours.parse(value)


class Table(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, validate_default=False)


class Project(Table):
    """What belongs to the project."""

    spiders: tuple[Annotated[str, Field(strict=True, min_length=1)], ...] = Field(
        default=("spiders",), description="The folders in which spiders are found, from the folder of this file."
    )


class Identity(Table):
    """Who you are, to the sites you visit."""

    name: Annotated[Text, BeforeValidator(lambda v: _token(v) if isinstance(v, str) else v)] = Field(
        default="scrapekit",
        description="The robots.txt token, and the start of the User-Agent: sites address their rules to it.",
    )
    contact: Annotated[Text | None, BeforeValidator(lambda v: _contact(v) if isinstance(v, str) else v)] = Field(
        default=None,
        description="A page about your crawl, or a mail address, sent in the User-Agent. No default: without one "
        "nothing but loopback is crawled, for a site's owner must be able to reach whoever visits.",
    )
    signing_key: Annotated[str, StringConstraints(strict=True, min_length=1)] | None = Field(
        default=None,
        description="The key by which every request is signed (Web Bot Auth), from the folder of this file. "
        "`scrapekit identity new` makes one. Needs the extra `signing`.",
    )
    key_directory: Annotated[Text | None, BeforeValidator(lambda v: _https_origin(v) if isinstance(v, str) else v)] = (
        Field(
            default=None,
            description="The https origin that serves the key's directory, named in each signature. By default that of "
            "contact.",
        )
    )


class Crawl(Table):
    """The crawl as a whole."""

    concurrency: Annotated[int, Field(strict=True, ge=1, le=10_000)] = Field(
        default=64, description="Fetches in flight, over all hosts. Each host's own limit holds as well."
    )
    max_wait: Deadline = Field(
        default=600.0,
        description="If no host opens within this time the crawl ends with work left, and says which host it is.",
    )
    max_failures: Annotated[int | float | None, PlainValidator(_failures)] = Field(
        default=None,
        description='More failed requests than this end the crawl: a count, or a share such as 0.1 or "10 %".',
    )
    max_redirects: Annotated[int, Field(strict=True, ge=0)] = Field(
        default=10, description="Hops of one request; a longer chain is a loop more often than not."
    )
    callback_timeout: Deadline = Field(
        default=60.0,
        description="How long an async callback may take. A plain one cannot be interrupted, only warned of.",
    )
    workbench: Count = Field(
        default=2048,
        description="Hosts kept ready at once: about 1.3 × concurrency × (delay + latency) / latency fill the slots.",
    )
    window: Count = Field(
        default=64,
        description="Requests of one host kept in memory; the rest stay in the frontier, so memory stays bounded.",
    )
    commit_interval: Annotated[float, BeforeValidator(units.duration), Field(ge=0.02, le=10)] = Field(
        default=0.1,
        description="The longest that an outcome waits for its commit, from 20 ms to 10 s. What is not committed "
        "when a crawl is killed is fetched again.",
    )
    body_memory: Size = Field(
        default=256 * 1024**2,
        description="Bodies in flight take so much memory together at the most; what goes beyond is kept on disk "
        "meanwhile.",
    )


class Limits(Table):
    """What one host is asked to bear."""

    concurrency: Count = Field(default=1, description="Requests to one host at once. One is what no site notices.")
    delay: Seconds = Field(
        default=1.0,
        description="Least time between the starts of two requests to one host. robots.txt may ask for more.",
    )
    timeout: Deadline = Field(default=30.0, description="One request, from connecting to the last byte.")
    connect_timeout: Deadline = Field(
        default=10.0, description="Connecting, TLS included; dead hosts must not hold slots."
    )
    first_byte_timeout: Deadline = Field(
        default=30.0, description="From the request sent to the first byte of the answer."
    )
    tls_timeout: Deadline = Field(default=10.0, description="The TLS handshake, within the time for connecting.")
    min_rate: Annotated[int, BeforeValidator(units.size), Field(ge=0)] = Field(
        default=100,
        description="The least that a body may come at, in bytes a second over any ten seconds; a body that drips is "
        "given up. 0 is any rate.",
    )
    max_size: Size = Field(
        default=32 * 1024**2,
        description="The largest body, as sent and inflated; more is an error, and a bomb is harmless.",
    )
    max_head: Size = Field(
        default=MAX_HEAD,
        description="The largest head of an answer. Honest ones end near 64 KiB, but for pages that set cookies by the "
        "hundred.",
    )
    max_fields: Count = Field(default=MAX_FIELDS, description="The most header fields of an answer.")
    max_interim: Annotated[int, Field(strict=True, ge=0)] = Field(
        default=MAX_INTERIM, description="The most 1xx answers before the final one."
    )
    http2: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="Offer HTTP/2. Its streams count as requests do: nothing is sent sooner for it. Needs the extra "
        "`http2`.",
    )
    verify: Annotated[bool, Field(strict=True)] = Field(
        default=True,
        description="Whether the server's certificate is checked. Where not, each run says so, in its ledger too.",
    )
    ca_file: Annotated[str, StringConstraints(strict=True, min_length=1)] | None = Field(
        default=None,
        description="A file of certificates (PEM) that are trusted beside the system's, from the folder of this file.",
    )
    certificate: Annotated[str, StringConstraints(strict=True, min_length=1)] | None = Field(
        default=None,
        description="A client's certificate (PEM) for servers that want one, from the folder of this file.",
    )
    key: Annotated[str, StringConstraints(strict=True, min_length=1)] | None = Field(
        default=None, description="The certificate's key (PEM), if it is in a file of its own."
    )
    auth: Annotated[Auth | None, PlainValidator(parse_auth), PlainSerializer(lambda a: a and a.written())] = Field(
        default=None,
        description='Credentials for this host alone, such as { scheme = "bearer", token = { env = "API_TOKEN" } }, or '
        '{ scheme = "basic", username = "me", password = { file = "secret.txt" } }. They go over https or to loopback '
        'only, unless insecure = true stands with them; to no other port; { scheme = "none" } sends none.',
    )
    proxy: Annotated[ProxyList | None, PlainValidator(proxy_list), PlainSerializer(lambda p: p and p.secret())] = Field(
        default=None,
        description="A proxy's URL (http, https, socks5, or socks5h, which looks names up itself), or a list of them: "
        'each host sticks to one and moves on where that fails. "none" is the direct way. By default what http_proxy, '
        "https_proxy, all_proxy and no_proxy say in the environment. User name and password may be `${NAME}`, from "
        "there.",
    )
    allow_private: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="Whether this host may be at a private address though a page led to it. A host that a start "
        "request names by its address, or that stands in `[resolve]`, may anyway: a site must not send the "
        "crawler into your network.",
    )
    robots: Literal["obey", "ignore"] = Field(
        default="obey", description='Whether robots.txt is obeyed. "ignore" needs a robots_reason, loopback excepted.'
    )
    robots_reason: Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1)] | None = Field(
        default=None, description="Why robots.txt may be ignored, such as the site's consent; kept with the run."
    )
    jitter: Annotated[float, Field(ge=0, le=10)] = Field(
        default=0.0,
        description="Each pause is stretched by a random part of it up to this: 0.5 makes 1 s last up to 1.5 s. Never "
        "shortened.",
    )
    adaptive: Annotated[float, Field(ge=0, le=1000)] = Field(
        default=0.0,
        description="The pause is at least so many times as long as the host takes to answer; 0 is off.",
    )
    visit: Annotated[Hours | None, PlainValidator(_hours), PlainSerializer(lambda h: h and str(h))] = Field(
        default=None,
        description='Hours at which the host may be visited, such as "01:00-05:00 Europe/Berlin"; at any by default.',
    )
    max_pages: Annotated[int, Field(strict=True, ge=0)] | None = Field(
        default=None, description="Pages fetched from one host in a run; what is beyond that is dropped."
    )
    max_bytes: Annotated[int, BeforeValidator(units.size), Field(ge=0)] | None = Field(
        default=None, description="Bytes received from one host in a run, as they were sent."
    )
    max_errors: Annotated[int, Field(strict=True, ge=0)] | None = Field(
        default=None, description="Tries that may fail at one host in a run."
    )
    max_time: Deadline | None = Field(default=None, description="Time from the first request to one host in a run.")
    circuit_failures: Annotated[int, Field(strict=True, ge=0)] = Field(
        default=5,
        description="After so many failures in a row to connect or to answer, a host is left alone for a while; 0 is "
        "never.",
    )
    circuit_trials: Count = Field(
        default=3, description="So many trials that fail, and what waits at the host is given up: host down."
    )
    max_depth: Annotated[int, Field(strict=True, ge=0)] = Field(
        default=10_000,
        description="Links further than this from a start are a trap, and dropped. An archive of next pages is deep.",
    )
    max_url: Count = Field(
        default=2048, description="Longer URLs, in characters, are a trap, and dropped; sitemaps end there too."
    )
    max_variations: Count = Field(
        default=10_000,
        description="URLs of one path that differ in their query, digits apart; more are a trap, and dropped. Ten "
        "times as many where all that differs is one number.",
    )
    per_address: Annotated[int, Field(strict=True, ge=0)] = Field(
        default=8,
        description="Hosts at one address together are asked as much as this many alone: a thousand names may be one "
        "small server. 0 is no limit.",
    )
    per_domain: Annotated[int, Field(strict=True, ge=0)] = Field(
        default=0,
        description="The same for all hosts of one registrable domain, such as those below example.co.uk. 0 is no "
        "limit.",
    )
    robots_until: date | None = Field(
        default=None,
        description="The last day (UTC) on which robots.txt may be ignored, such as 2026-12-31; after it, it is obeyed "
        "and a crawl that would ignore it is refused.",
    )
    respect: tuple[Annotated[str, BeforeValidator(lambda v: wish(v) if isinstance(v, str) else v)], ...] = Field(
        default=(),
        description='What pages say by which none of their items is kept, such as ["noindex", "ai-train=n"]; they are '
        "counted as rejected. Nothing by default: what you do with the items decides what concerns you.",
    )
    max_crawl_delay: Seconds = Field(
        default=60.0,
        description="The longest Crawl-delay of a robots.txt that is followed; a longer one counts as this.",
    )
    max_retry_after: Seconds = Field(
        default=3600.0,
        description="A Retry-After is followed however long it is; beyond this the host is set aside until then, and "
        "the crawl does not wait for it.",
    )
    follow_refresh: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="Whether a page that sends its reader on by itself (a Refresh field, or a meta refresh outside of "
        "noscript) is followed like a redirect, after the time that it asks for. One of more than 30 seconds, or to "
        "the page itself, only reloads it and is not.",
    )
    referer: Policy = Field(
        default=DEFAULT,
        description="What a request tells of the page on which its link was found: its URL within an origin, to others "
        "the origin alone, from https to http nothing, as browsers do. Less are "
        '"strict-origin", "origin", "same-origin" and "no-referrer". A request\'s own Referer stands; an empty one is '
        "not sent.",
    )
    headers: Annotated[Headers, PlainValidator(_headers), PlainSerializer(lambda h: dict(h.raw))] = Field(
        default=Headers(),
        description="Fields sent with each request. Merged field by field; an empty value leaves a field out.",
    )

    def ignores_robots(self, now: float) -> bool:
        """Whether robots.txt is ignored at a moment, in seconds since the epoch."""
        if self.robots == "obey":
            return False
        return self.robots_until is None or datetime.fromtimestamp(now, UTC).date() <= self.robots_until


class SpiderTable(Table):
    """What holds for one spider only."""

    limits: Limits = Field(default=Limits(), description="The spider's own general limits.")
    hosts: dict[Pattern, Limits] = Field(default={}, description="The spider's own limits for hosts.")


class Tables(Table):
    """The whole file."""

    scrapekit: Project = Field(default=Project(), description="The project.")
    identity: Identity = Field(default=Identity(), description="Who you are, to the sites you visit.")
    crawl: Crawl = Field(default=Crawl(), description="The crawl as a whole.")
    limits: Limits = Field(default=Limits(), description="Limits for every host.")
    hosts: dict[Pattern, Limits] = Field(
        default={}, description="Limits for hosts; the most specific pattern wins, key by key."
    )
    spiders: dict[str, SpiderTable] = Field(default={}, description="Limits for one spider.")
    resolve: dict[Annotated[str, BeforeValidator(_static_name)], Annotated[Address, PlainValidator(_address)]] = Field(
        default={}, description="Static names: host, or host:port, to address, or address:port."
    )


def reference() -> Iterator[tuple[str, str, Any, str]]:
    """Every key: its table, its name, its default, and what it is for and why; the reference is made of these."""
    tables: dict[str, type[Table]] = {"scrapekit": Project, "identity": Identity, "crawl": Crawl, "limits": Limits}
    for table, model in tables.items():
        for name, field in model.model_fields.items():
            yield table, name, field.default, field.description or ""
