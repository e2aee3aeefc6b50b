"""Proxies as they are written: parsed, their credentials kept out of every repr, message and file.

Pure: the environment is handed in. Does not know which host goes through which proxy (``proxychoice.py``), nor how one
is spoken to.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from scrapekit.errors import BadURL, ConfigError
from scrapekit.url import canonical_host

#: scheme and the port where none is given; socks5 takes addresses, by socks5h the proxy looks names up.
PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_EXAMPLE: Final = 'such as "http://proxy.example:3128"'
_PROXY: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<user>[^/?#]*)@)?"
    r"(?P<host>\[[^\]/?#@]*\]|[^:/?#@\[\]]+)(?::(?P<port>[0-9]{1,5}))?/?"
)
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_USERINFO: Final = re.compile(r"(?<=://).*(?=@)", re.DOTALL)
#: RFC 1929 §2 counts each in one byte.
_MOST: Final = 255


@dataclass(frozen=True, slots=True)
class Proxy:
    """Whom to go through: ``scheme`` is http, https, socks5 or socks5h; ``host`` is canonical, without brackets."""

    scheme: str
    host: str
    port: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        """Without credentials, for logs and errors."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def resolves(self) -> bool:
        """Whether it looks the names of sites up itself."""
        return self.scheme != "socks5"

    @property
    def authorization(self) -> str:
        """What Proxy-Authorization says (RFC 7617), nothing without credentials."""
        return _basic(self.username, self.password) if self.username or self.password else ""


@dataclass(frozen=True, slots=True, repr=False)
class ProxyList:
    """Proxies as the settings have them, checked; none is a direct way. Credentials may be ``${NAME}``."""

    written: tuple[str, ...]

    def __repr__(self) -> str:
        return f"ProxyList({self.shown()!r})"

    def shown(self) -> str | list[str]:
        """As it may be shown to anybody, in the form in which it would be written."""
        return _as_value([shown(text) for text in self.written])

    def secret(self) -> str | list[str]:
        """As it was written, credentials and all."""
        return _as_value(list(self.written))

    def proxies(self, environment: Mapping[str, str]) -> tuple[Proxy, ...]:
        """The proxies. Raises ConfigError for credentials that the environment does not have, or that cannot be."""
        try:
            return tuple([parse(text, environment) for text in self.written])
        except ValueError as error:
            raise ConfigError(str(error), key="proxy") from None


def proxy_list(value: object) -> ProxyList | None:
    """The setting ``proxy``: a URL, a list of URLs, "none" or "" for a direct way. Raises ValueError."""
    if value is None or isinstance(value, ProxyList):
        return value
    if isinstance(value, str) and value.strip().lower() in ("", "none"):
        return ProxyList(())
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)):
        raise ValueError(f'must be a proxy, {_EXAMPLE}, a list of proxies, or "none"')
    for text in texts:
        parse(text)
    return ProxyList(tuple(texts))


def shown(text: object) -> str:
    """A proxy as it may be shown to anybody: ``${NAME}`` stays, every other credential goes."""
    url = text if isinstance(text, str) else ""
    return _USERINFO.sub(lambda found: ":".join(map(_masked, found[0].split(":", 1))), url)


def parse(text: object, environment: Mapping[str, str] | None = None) -> Proxy:
    """A proxy from its URL; ``${NAME}`` in user name or password is taken from the environment as it stands there.

    Without an environment only the form is checked. No message repeats what was given. Raises ValueError, and
    ConfigError for a variable that is not set.
    """
    found = _PROXY.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"must be a proxy's URL, {_EXAMPLE}; other characters in credentials are percent-encoded")
    scheme = found["scheme"].lower()
    if scheme not in PORTS:
        raise ValueError(f"must begin with one of {', '.join(f'{each}://' for each in PORTS)}")
    port = int(found["port"]) if found["port"] else PORTS[scheme]
    if not 0 < port < 65536:
        raise ValueError("must have a port from 1 to 65535")
    name, _, password = (found["user"] or "").partition(":")
    user = _filled(name, environment), _filled(password, environment)
    _check(scheme, *user)
    return Proxy(scheme, _host(found["host"]), port, *user)


def _host(text: str) -> str:
    try:
        host = canonical_host(text)
    except BadURL:
        host = ""
    if not host or "$" in host or "*" in host:
        raise ValueError(f"must have a host, {_EXAMPLE}; only user name and password may be ${{NAME}}")
    return host.strip("[]")


def _filled(text: str, environment: Mapping[str, str] | None) -> str:
    """A user name or a password, with what the environment has for each ``${NAME}``."""
    parts = _VARIABLE.split(text)
    try:
        parts[::2] = [unquote(part, errors="strict") for part in parts[::2]]
    except UnicodeDecodeError:
        raise ValueError("must have credentials that are UTF-8 when percent-decoded") from None
    for at in range(1, len(parts), 2):
        parts[at] = _variable(parts[at], environment) if environment is not None else "x"
    return "".join(parts)


def _variable(name: str, environment: Mapping[str, str]) -> str:
    if name not in environment:
        raise ConfigError(f"{name} is not set in the environment", key="proxy")
    return environment[name]


def _check(scheme: str, username: str, password: str) -> None:
    if _CONTROL.search(username + password):
        raise ValueError("must have credentials without control characters")
    if scheme.startswith("socks"):
        if max(len(username.encode()), len(password.encode())) > _MOST:
            raise ValueError(f"must have credentials of {_MOST} bytes at the most (RFC 1929)")
        if bool(username) != bool(password):
            raise ValueError("must have a user name and a password, or neither (RFC 1929)")
    elif ":" in username:
        raise ValueError("must have a user name without a colon (RFC 7617)")


@lru_cache(maxsize=64)
def _basic(username: str, password: str) -> str:
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode("ascii")


def _masked(part: str) -> str:
    return part if not part or _VARIABLE.fullmatch(part) else "***"


def _as_value(texts: list[str]) -> str | list[str]:
    return texts if len(texts) > 1 else texts[0] if texts else "none"
