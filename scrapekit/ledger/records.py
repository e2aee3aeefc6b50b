"""What a ledger holds, as values. Times are seconds since the epoch, exact to the microsecond.

Each record has its ``seq``, the number of its line: what stands above was known when it was written, what stands below
was not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from scrapekit.url import host_of, origin_of

#: The version of the format.
FORMAT: Final = 1
#: Stands for the digest of a robots.txt where the settings say that it is not obeyed.
IGNORED: Final = "ignored"


class Kind(StrEnum):
    """What a send asked for."""

    PAGE = "page"
    ROBOTS = "robots"


@dataclass(frozen=True, slots=True)
class RunStart:
    """A process began, or resumed, the run. ``agent`` is our robots.txt token."""

    seq: int
    at: float
    spider: str
    agent: str
    user_agent: str
    version: str


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """From here on these settings hold; ``data`` is what ``Settings.make`` takes."""

    seq: int
    at: float
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RobotsCopy:
    """A robots.txt came into force for an origin, or could not be read (``error``, or a ``status`` that closes).

    ``fetched`` is when it came, before ``at`` where an earlier run had brought it. ``digest`` names the kept body.
    """

    seq: int
    at: float
    origin: str
    status: int
    digest: str
    fetched: float
    expires: float
    error: str


@dataclass(slots=True)
class Send:
    """One request on its way: robots.txt, a page, and every hop, attempt and resend of them.

    ``at`` is when it was put on record, ``due`` the earliest time at which it might have gone (None: nothing held it)
    and ``rule`` what said so; ``delay`` (seconds) was in force by ``source``. ``digest`` and ``line`` say which
    robots.txt allowed it, by which line. ``address`` is where it went.

    The rest is known once it is over: ``sent`` is when the first byte left (None: none did), ``end`` when the exchange
    ended, ``end_seq`` the line that says so, ``size`` in bytes. ``asked`` holds the fields by which the answer asked us
    to go slower, as received, their names in lower case. A send without ``end`` was cut off as the process died.
    """

    seq: int
    row: int
    kind: Kind
    url: str
    at: float
    due: float | None
    rule: str
    delay: float
    source: str
    digest: str = ""
    line: int | None = None
    attempt: int = 0
    hop: int = 0
    address: str = ""
    sent: float | None = None
    end: float | None = None
    end_seq: int = 0
    status: int = 0
    size: int = 0
    error: str = ""
    asked: Mapping[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """The host that was asked."""
        return host_of(self.url)

    @property
    def origin(self) -> str:
        """Its origin, which has a robots.txt of its own."""
        return origin_of(self.url)

    @property
    def start(self) -> float | None:
        """When the first byte left, as far as anybody knows; None where it certainly never did."""
        return self.at if self.end is None else self.sent


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that ended without a send: ``outcome`` is disallowed, dropped or failed, with its reason."""

    seq: int
    at: float
    row: int
    url: str
    outcome: str
    reason: str
    digest: str = ""
    line: int | None = None

    @property
    def host(self) -> str:
        """The host that was not asked."""
        return host_of(self.url)


Record = RunStart | SettingsChange | RobotsCopy | Send | Refusal
