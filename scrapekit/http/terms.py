"""On what terms a request is sent: how long each stage may take, how large things may be, and which way it goes.

Values, without behaviour. Requests of the same origin and the same way share connections; all else may differ from one
to the next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from scrapekit.proxies import Proxy
from scrapekit.tables import MAX_FIELDS, MAX_HEAD, MAX_INTERIM

__all__ = ["DIRECT", "MAX_SIZE", "Deadlines", "Proxy", "Sizes", "Terms", "Trust", "Way"]

#: Bytes of a body, as sent and as inflated.
MAX_SIZE: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds: to connect, the TLS handshake included; for that handshake; from the start of sending to the first byte
    of the answer, and to its last.

    ``min_rate`` is the least bytes per second that a body may come at, measured over ``rate_window`` seconds; 0 is any.
    """

    connect: float = 10.0
    first_byte: float = 30.0
    total: float = 30.0
    tls: float = 10.0
    min_rate: int = 0
    rate_window: float = 10.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is refused beyond: a body (bytes, as sent and as inflated), a head (bytes), its fields, 1xx responses."""

    max_size: int = MAX_SIZE
    max_head: int = MAX_HEAD
    max_fields: int = MAX_FIELDS
    max_interim: int = MAX_INTERIM


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe in TLS: the system, with the CA of a file beside it; or everybody, where ``verify`` is off.

    ``certificate`` and ``key`` are the files of a client's certificate (PEM).
    """

    verify: bool = True
    ca_file: str = ""
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """How an origin is reached. ``private`` lets it be at a private address; ``http2`` offers h2 by ALPN."""

    proxy: Proxy | None = None
    trust: Trust = Trust()
    http2: bool = False
    private: bool = True
    #: Worked out once: every request looks for connections on its way, some times over.
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.proxy, self.trust, self.http2, self.private)))

    def __hash__(self) -> int:
        return self._hash


DIRECT: Final = Way()


@dataclass(frozen=True, slots=True)
class Terms:
    """All of it, for one request. With ``to_file`` the body of a good answer goes to a file as it comes.

    ``guarded`` keeps this request from private addresses, though others on the same way may go there.
    """

    deadlines: Deadlines = Deadlines()
    sizes: Sizes = Sizes()
    way: Way = DIRECT
    to_file: bool = False
    guarded: bool = False
