"""The ledger's writing side: one append a record, nothing held back, nothing ever cut.

A line is a JSON array that begins with its kind. Times are whole microseconds: in a send's own line since the start of
the process (which the ``run`` line dates), in the line of its end since that. Words that come again and again (origins,
rules, addresses, digests) stand once, in a line ``["=", number, text]``, and then by number; 0 is the empty one.
Fields that are left out at the end of a line are 0::

    ["run", since the epoch, {facts}]
    ["settings", at, {tables}]
    ["robots", at, origin, status, digest, fetched, expires, error]
    ["page" or "robots.txt", row, at, origin, "/path", early, rule, delay, source, digest, line, attempt, hop, address]
    ["end", row, sent, end, status, bytes, address, error, {"retry-after": value, ...}]
    ["no", row, at, origin, "/path", outcome, reason, digest, line]

``early`` is by how much the send could have gone sooner. One row has one send out at a time, so its id tells which one
has ended.

Invariant: when a method returns, its record is with the operating system; a process that is killed loses none. There is
no fsync: a machine that loses power may lose the last ones.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any, Final

from scrapekit.errors import SinkError
from scrapekit.headers import Headers
from scrapekit.ledger.records import FORMAT, Kind
from scrapekit.proxies import shown
from scrapekit.ratelimit import FIELDS
from scrapekit.robots import MAX_SIZE
from scrapekit.version import VERSION

FILE_NAME: Final = "ledger.jsonl"
#: The folder of the kept bodies, beside the ledger.
BODIES: Final = "robots"
#: So many words are remembered by number; beyond that all are forgotten, and written again when they come up.
WORDS: Final = 50_000
#: As much of a robots.txt is kept, in bytes: all that the parser would look at, in any encoding.
KEPT: Final = 2 * MAX_SIZE + 4
#: What a server sends us is kept up to here, in characters.
MOST: Final = 200
#: The fields by which an answer asks us to go slower.
ASKING: Final = FIELDS | {"retry-after"}
_BESIDE: Final = ASKING | {name.replace("remaining", "reset") for name in FIELDS}
_NO_HEADERS: Final = Headers()
_TAGS: Final = {Kind.PAGE: "page", Kind.ROBOTS: "robots.txt"}


class Handle:
    """A send that is on record and not over. ``sent`` is when its first byte left, in seconds since the epoch."""

    __slots__ = ("at", "row", "sent")

    def __init__(self, row: int, at: int) -> None:
        self.row, self.at = row, at
        self.sent: float | None = None


class Ledger:
    """Writes the ledger of one run; resuming goes on below what is there.

    ``folder`` is the run's. All times are seconds since the epoch. Once a record could not be written nothing more may
    be sent: each further call raises the same SinkError, but ``ended``, which then does nothing.
    """

    def __init__(self, folder: Path, *, spider: str, agent: str, user_agent: str, now: float) -> None:
        self.path, self._bodies = folder / FILE_NAME, folder / BODIES
        self._words: dict[str, int] = {"": 0}
        self._count = 0
        self._unwritten = ""  # words that the next record needs
        self._error: SinkError | None = None
        self._base = round(now * 1e6)
        self._file = self._open()
        #: How many bytes it has, what other processes wrote before included.
        self.size = os.fstat(self._file).st_size
        who = {"spider": spider, "agent": agent, "user_agent": user_agent}
        facts = {"format": FORMAT, **who, "version": VERSION}
        self._put(f'["run",{self._base},{_json(facts)}]\n')

    def __repr__(self) -> str:
        return f"<Ledger {self.path}>"

    def settings(self, data: Mapping[str, Any], *, now: float) -> None:
        """From now on these settings hold, given as tables, as ``Settings.make`` takes them.

        Header fields are left out but for the User-Agent: their values are nobody's business.
        """
        self._put(f'["settings",{self._since(now)},{_json(without_secrets(data))}]\n')

    def robots(
        self,
        origin: str,
        *,
        now: float,
        status: int = 0,
        body: bytes = b"",
        fetched: float | None = None,
        expires: float | None = None,
        error: str = "",
    ) -> str:
        """A robots.txt came into force for an origin, or could not be read; gives the digest that sends refer to.

        ``status`` is the last answer's, 0 where none came and ``error`` says why. ``body`` counts for 2xx only, and is
        kept. ``fetched`` is for a copy that an earlier run had brought, now by default.
        """
        name = self._keep(body) if 200 <= status < 300 and not error else ""
        came = self._since(now if fetched is None else fetched)
        gone = self._since(now if expires is None else expires)
        fields = f"{self._word(origin)},{status},{self._word(name)},{came},{gone},{self._word(error[:MOST])}"
        self._put(f'["robots",{self._since(now)},{fields}]\n')
        return name

    def about_to_send(
        self,
        row: int,
        url: str,
        *,
        kind: Kind = Kind.PAGE,
        now: float,
        due: float,
        rule: str,
        delay: float,
        source: str,
        digest: str = "",
        line: int | None = None,
        attempt: int = 0,
        hop: int = 0,
        address: str = "",
    ) -> Handle:
        """Put a send on record. To be called after the last decision about it, and before anything of it leaves.

        ``due`` is the earliest time at which it might have gone (0: nothing held it) and ``rule`` what said so;
        ``delay`` (seconds) is in force for its host, by ``source``. ``digest`` and ``line`` are those of the robots.txt
        that allows it: "" where there is none, IGNORED where the settings say so, no line where no rule matched.
        ``attempt`` counts the tries before this one, ``hop`` the redirects. ``address`` may be told at the end.

        Raises SinkError: then it must not go.
        """
        at = round(now * 1e6) - self._base
        path = url.index("/", 8)
        early = at + self._base - round(due * 1e6) if due > 0 else "null"
        word = self._word
        text = (
            f'["{_TAGS[kind]}",{row},{at},{word(url[:path])},{quoted(url[path:])},{early},'
            f"{word(rule)},{delay:.12g},{word(source)},{word(digest)}"
        )
        if line or attempt or hop or address:
            text += f",{line or 0},{attempt},{hop},{word(address)}"
        self._put(text + "]\n")
        return Handle(row, at)

    def ended(
        self,
        handle: Handle,
        *,
        now: float,
        status: int = 0,
        size: int = 0,
        address: str = "",
        error: str = "",
        headers: Headers = _NO_HEADERS,
    ) -> None:
        """The exchange is over, at this moment; ``handle.sent`` says when its first byte left, if it did.

        ``size`` is in bytes as received. Of the answer's ``headers`` those are kept that ask us to go slower.
        """
        if self._error is not None:
            return
        started = self._base + handle.at
        sent = "null" if handle.sent is None else round(handle.sent * 1e6) - started
        text = f'["end",{handle.row},{sent},{round(now * 1e6) - started},{status},{size},{self._word(address)}'
        asked = {} if ASKING.isdisjoint(headers) else _asked(headers)
        if error or asked:
            text += f",{self._word(error[:MOST])}"
        if asked:
            text += f",{_json(asked)}"
        self._put(text + "]\n")

    def refused(
        self, row: int, url: str, *, now: float, outcome: str, reason: str, digest: str = "", line: int | None = None
    ) -> None:
        """A request ended without a send; ``digest`` and ``line`` say which robots.txt said no, by which line."""
        path = url.index("/", 8)
        word = self._word
        text = f'["no",{row},{self._since(now)},{word(url[:path])},{quoted(url[path:])},{word(outcome)},{word(reason)}'
        self._put(f"{text},{word(digest)},{line}]\n" if digest and line else text + "]\n")

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    # -- inside

    def _open(self) -> int:
        try:
            file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":
                self._unwritten = "\n"  # the last record of whoever was killed is torn
        except OSError as error:
            raise self._failure(error) from error
        return file

    def _since(self, time: float) -> int:
        return round(time * 1e6) - self._base

    def _word(self, text: str) -> int:
        number = self._words.get(text)
        return self._new_word(text) if number is None else number

    def _new_word(self, text: str) -> int:
        if len(self._words) > WORDS:
            self._words = {"": 0}
        self._count += 1
        self._words[text] = self._count
        self._unwritten += f'["=",{self._count},{quoted(text)}]\n'
        return self._count

    def _put(self, line: str) -> None:
        """Append, whole or with an error; what was written of it then is the torn end of the file."""
        if self._error is not None:
            raise self._error
        if self._unwritten:
            line, self._unwritten = self._unwritten + line, ""
        data = line.encode("ascii")
        try:
            written = os.write(self._file, data)
            while written < len(data):  # the disk fills up: the next one says so
                written += os.write(self._file, data[written:])
            self.size += written
        except OSError as error:
            self._error = self._failure(error)
            raise self._error from error

    def _keep(self, body: bytes) -> str:
        """Keep a body under its digest; a name that is there has it whole."""
        name = digest(body)
        file = self._bodies / f"{name}.txt"
        if file.exists():
            return name
        part = file.with_suffix(".part")
        try:
            self._bodies.mkdir(exist_ok=True)
            part.write_bytes(body[:KEPT])
            part.replace(file)
        except OSError as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            self._error = self._failure(error)
            raise self._error from error
        return name

    def _failure(self, error: OSError) -> SinkError:
        return SinkError(f"cannot be written: {error.strerror or error}", file=self.path)


def _asked(headers: Headers) -> dict[str, str]:
    return {name: ", ".join(headers.get_all(name))[:MOST] for name in sorted(_BESIDE) if name in headers}


def digest(body: bytes) -> str:
    """The name of a robots.txt by its content, as far as it is kept: SHA-256, in hexadecimal digits."""
    return sha256(body[:KEPT]).hexdigest()


def kept_body(folder: Path, name: str) -> bytes | None:
    """The robots.txt of that digest that is kept in a run's folder; None where it is not there, or is another one."""
    with suppress(OSError):
        body = (folder / BODIES / f"{name}.txt").read_bytes()
        return body if digest(body) == name else None
    return None


def without_secrets(data: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as tables, with no header field but the User-Agent, and no credentials of proxies."""
    clean = dict(data)
    if "limits" in clean:
        clean["limits"] = _limits(clean["limits"])
    if "hosts" in clean:
        clean["hosts"] = {host: _limits(limits) for host, limits in clean["hosts"].items()}
    if "spiders" in clean:
        clean["spiders"] = {name: without_secrets(table) for name, table in clean["spiders"].items()}
    return clean


def _limits(limits: Mapping[str, Any]) -> dict[str, Any]:
    clean = dict(limits)
    if "headers" in clean:
        fields = dict(clean["headers"])
        clean["headers"] = {name: value for name, value in fields.items() if name.lower() == "user-agent"}
    if "proxy" in clean:
        proxy = clean["proxy"]
        clean["proxy"] = [shown(each) for each in proxy] if isinstance(proxy, list) else shown(proxy)
    return clean


def _json(data: Mapping[str, Any]) -> str:
    # TOML knows dates and times, JSON does not; settings take their text as well.
    return json.dumps(data, separators=(",", ":"), default=str)
