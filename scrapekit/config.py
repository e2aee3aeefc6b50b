"""The settings of a project: scrapekit.toml read once, checked whole, and asked by host.

Invariant: a Settings that exists is valid; asking it never fails. Does not know which hosts a spider will visit:
``check_host`` is to be asked before the first request to each.
"""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import PrivateAttr, ValidationError

from scrapekit import complaint, tables, tomlfile
from scrapekit.errors import ConfigError
from scrapekit.headers import Headers
from scrapekit.hostrules import HostRules, leaves
from scrapekit.suffixes import is_public
from scrapekit.tables import Address, Crawl, Identity, Limits, Project, SpiderTable
from scrapekit.tomlfile import KeyPath, dotted
from scrapekit.url import canonical, is_loopback, origin_of, split_host
from scrapekit.version import VERSION

__all__ = [
    "FILE_NAME",
    "Crawl",
    "Given",
    "Identity",
    "Limits",
    "Project",
    "Settings",
    "SpiderTable",
    "find_project",
    "load",
]

FILE_NAME: Final = "scrapekit.toml"
_MAIL: Final = re.compile(r"[^\s@:/]+@[^\s@/]+")


class Given(NamedTuple):
    """A value in force: its key, the rule that gave it, and that rule's line in the file, if it stands there."""

    key: str
    value: Any
    rule: str
    line: int | None


class Source(NamedTuple):
    """Where settings come from: the file, the line of each key, and the keys that ``--set`` replaced."""

    file: Path | None = None
    lines: Mapping[KeyPath, int] = {}
    sets: frozenset[KeyPath] = frozenset()


class Settings(tables.Tables):
    """A project's settings. ``Settings()`` holds the defaults; ``Settings.make`` and ``load`` check what they read."""

    _source: Source = PrivateAttr(Source())
    _data: dict[str, Any] = PrivateAttr(default_factory=dict)
    _rules: HostRules = PrivateAttr()
    _static: dict[str, Address] = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        super().model_post_init(context)
        self._rules = HostRules(self.limits, self.hosts, self.spiders)
        self._static = {tables.static_name(name): address for name, address in self.resolve.items()}
        self._check_agents()
        self._check_exact_names()
        self._check_signing()
        self._check_auth()

    @classmethod
    def make(cls, data: Mapping[str, Any], source: Source | None = None) -> Settings:
        """Check tables as tomli gives them. Raises ConfigError with the key, and file and line where there are any."""
        source = source or Source()
        try:
            settings = cls.model_validate(data)
        except ValidationError as error:
            raise complaint.first(error, data, source.lines, source.sets, source.file) from None
        except ConfigError as error:
            raise complaint.placed(error, source.lines, source.sets, source.file) from None
        settings._source, settings._data = source, dict(data)
        return settings

    # ---- asked by the crawl ----

    def limits_for(self, host: str, spider: str = "") -> Limits:
        """The limits in force for a host, as ``scrapekit.url.host_of`` gives it."""
        return self._rules.limits_for(host, spider)

    def check_host(self, host: str, spider: str = "") -> None:
        """Refuse a host that this crawl may not visit.

        Raises ConfigError for one that is not loopback if nobody is named as contact, or if its robots.txt is
        ignored without a reason.
        """
        if self.on_loopback(host):
            return
        if self.identity.contact is None:
            raise ConfigError(
                f"{host} is not this machine, and its owner could not reach you",
                file=self._source.file,
                key="identity.contact",
                hint=_how_to(self._source.file, "[identity]", 'contact = "https://example.org/about-my-bot"'),
            )
        self._check_reason(host, spider)

    def on_loopback(self, host: str) -> bool:
        """Whether a host is this machine, by its spelling or because ``[resolve]`` says so."""
        name, port = split_host(host)
        # A name without port may be asked for on either of the two default ports.
        addresses = [self.static(name, each) for each in ((port,) if port else (80, 443))]
        return all(is_loopback(address.ip if address else name) for address in addresses)

    def static(self, name: str, port: int) -> Address | None:
        """The address that ``[resolve]`` gives a canonical name on a port; the entry with the port wins."""
        bare = name.strip("[]").removesuffix(".")
        return self._static.get(f"{bare}:{port}") or self._static.get(bare)

    def rules(self, spider: str = "") -> Iterator[tuple[KeyPath, Limits]]:
        """Each rule that holds for some host in a spider's crawl, with its path."""
        return self._rules.in_force(spider)

    def giving(self, key: str, host: str, spider: str = "") -> KeyPath:
        """The path of the rule that gives a host's limit, which is none of the defaults."""
        return [rule for rule, limits in self._rules.matching(host, spider) if key in limits.model_fields_set][-1]

    def placed(self, error: ConfigError, path: KeyPath) -> ConfigError:
        """What is wrong with what a rule says, with its place."""
        problem = ConfigError(error.message, key=dotted(path), hint=error.hint)
        return complaint.placed(problem, self._source.lines, self._source.sets, self._source.file)

    @property
    def user_agent(self) -> str:
        """The User-Agent: the robots token first, then whom to turn to, then the program."""
        product = f"scrapekit/{VERSION}"
        contact = f" (+{self.identity.contact})" if self.identity.contact else ""
        name = self.identity.name
        return f"{product}{contact}" if name == "scrapekit" else f"{name}{contact} {product}"

    @property
    def own_headers(self) -> Headers:
        """The fields by which we say who we are: User-Agent, and From if the contact is a mail address.

        A robot should send one (RFC 9110 §10.1.2).
        """
        contact = (self.identity.contact or "").removeprefix("mailto:").partition("?")[0]
        mail = [("From", contact)] if _MAIL.fullmatch(contact) else []
        return Headers([("User-Agent", self.user_agent), *mail])

    @property
    def key_origin(self) -> str | None:
        """The https origin at which sites find our key: the one that is set, else that of the contact."""
        contact = self.identity.contact or ""
        return self.identity.key_directory or (origin_of(canonical(contact)) if contact.startswith("https:") else None)

    # ---- asked by people ----

    @property
    def file(self) -> Path | None:
        """The file these were read from."""
        return self._source.file

    @property
    def root(self) -> Path:
        """The project's folder, where relative paths of the file start; the current one outside any project."""
        return self._source.file.parent if self._source.file else Path.cwd()

    @property
    def spider_folders(self) -> list[Path]:
        """The folders in which spiders are looked for."""
        return [self.root / folder for folder in self.scrapekit.spiders]

    def explain(self, host: str, spider: str = "") -> list[Given]:
        """Each limit in force for a host, in the order of the reference, with the rule that gave it."""
        given = {key: Given(key, field.default, "default", None) for key, field in Limits.model_fields.items()}
        del given["headers"]
        for rule, limits in self._rules.matching(host, spider):
            for leaf, value in leaves(limits):
                path = (*rule, *leaf)
                name = "--set" if self._is_set(path) else f"[{dotted(rule)}]"
                given[dotted(leaf).lower()] = Given(dotted(leaf), value, name, self.line(path))
        return list(given.values())

    def line(self, path: KeyPath) -> int | None:
        """The line of the file on which a key stands; none where it is a default or comes from ``--set``."""
        return None if self._is_set(path) else self._source.lines.get(path)

    def origin(self, path: KeyPath) -> str:
        """Where a value comes from, in a few words: the file and its line, ``--set``, or ``default``."""
        if self._is_set(path):
            return "--set"
        line = self.line(path)
        return f"{FILE_NAME}:{line}" if line else "default"

    def overridden(self, texts: Iterable[str]) -> Settings:
        """These settings with single keys replaced, each given as ``KEY=VALUE`` in TOML; bare words are strings.

        That very key of the file is replaced and no other: ``limits.delay=0`` leaves ``hosts."x".delay`` as it is.
        Raises ConfigError.
        """
        data = self.tables()
        sets = set(self._source.sets)
        for text in texts:
            path, value = _assignment(text)
            path = self._rules.as_written(path)
            _put(data, path, value, text)
            sets.add(path)
        return self.make(data, self._source._replace(sets=frozenset(sets)))

    def tables(self) -> dict[str, Any]:
        """The tables as they were given, ``--set`` included: what ``make`` takes."""
        return copy.deepcopy(self._data) or self.model_dump(mode="json", exclude_unset=True)

    def reread(self) -> Settings:
        """What the file says now, with what ``--set`` replaced. Raises ConfigError."""
        if self._source.file is None:
            return self
        data, text = tomlfile.read(self._source.file)
        for path in self._source.sets:
            _put(data, path, _at(self._data, path), dotted(path))
        return self.make(data, Source(self._source.file, tomlfile.lines(text), self._source.sets))

    # ---- within ----

    def _is_set(self, path: KeyPath) -> bool:
        return any(path[: len(each)] == each for each in self._source.sets)

    def _check_exact_names(self) -> None:
        """A rule for an exact name is judged now; one for many names when it is known which of them are visited."""
        for spider, name, path, limits in self._rules.exact():
            if limits.robots == "ignore" and not self.on_loopback(name):
                self._check_reason(name, spider, path)

    def _check_reason(self, host: str, spider: str, path: KeyPath | None = None) -> None:
        limits = self.limits_for(host, spider)
        over = limits.robots == "ignore" and not limits.ignores_robots(time.time())
        if limits.robots == "obey" or (limits.robots_reason and not over):
            return
        key = dotted((*(path or self.giving("robots", host, spider)), "robots"))
        why, hint = "nothing says why its robots.txt may be ignored", f'give the reason: {key}_reason = "…"'
        if over:
            why, hint = f"its robots.txt might be ignored until {limits.robots_until}", "ask its owner again"
        problem = ConfigError(f"{host} is not this machine, and {why}", key=key, hint=f"obey it, or {hint}")
        raise complaint.placed(problem, self._source.lines, self._source.sets, self._source.file)

    def _check_signing(self) -> None:
        """A signature names where its key is found."""
        if self.identity.signing_key is not None and self.key_origin is None:
            raise ConfigError(
                "nothing says where sites find the key",
                key="identity.signing_key",
                hint='give key_directory = "https://…", or a contact that begins with https:',
            )

    def _check_auth(self) -> None:
        """Credentials are for somebody: not for every host, nor for all that register below one suffix."""
        for path, limits in self._rules.every():
            if limits.auth is None or limits.auth.scheme == "none":
                continue
            host = path[-1] if path[-2:-1] == ("hosts",) else "*"
            if host == "*" or (host.startswith("*.") and is_public(tables.pattern(host)[2:])):
                raise ConfigError(
                    "would be sent to hosts of anybody",
                    key=dotted((*path, "auth")),
                    hint='give it to the one host that it is for: [hosts."api.example.com"]',
                )

    def _check_agents(self) -> None:
        """An honest name: a User-Agent of one's own must hold the name by which robots.txt is read."""
        for path, limits in self._rules.every():
            agent = limits.headers.get("user-agent")
            if agent and self.identity.name.lower() not in agent.lower():
                key = dotted((*path, "headers", "User-Agent"))
                raise ConfigError(
                    f"does not hold {self.identity.name!r}, the name that robots.txt is read for", key=key
                )


def load(path: Path) -> Settings:
    """Read and check a project's file. Raises ConfigError with file, line and key."""
    data, text = tomlfile.read(path)
    return Settings.make(data, Source(path.absolute(), tomlfile.lines(text)))


def find_project(start: Path) -> Path | None:
    """The ``scrapekit.toml`` of the nearest folder upward, the start included."""
    start = start.absolute()
    return next((path for folder in (start, *start.parents) if (path := folder / FILE_NAME).is_file()), None)


def _assignment(text: str) -> tuple[KeyPath, Any]:
    """A key may hold ``=`` within quotes, so the first ``=`` that leaves a key to its left is the one."""
    for at, char in enumerate(text):
        path = tomlfile.key_path(text[:at].strip()) if char == "=" else None
        if path:
            return path, tomlfile.value(text[at + 1 :].strip())
    raise ConfigError(f"{text!r} is not KEY=VALUE, such as limits.delay=2", file="--set")


def _at(data: Mapping[str, Any], path: KeyPath) -> Any:
    value: Any = data
    for part in path:
        value = value[part]
    return value


def _put(data: dict[str, Any], path: KeyPath, value: Any, text: str) -> None:
    for at, part in enumerate(path[:-1], 1):
        data = data.setdefault(part, {})
        if not isinstance(data, dict):
            raise ConfigError(f"{dotted(path[:at])} is not a table", file="--set", key=text)
    data[path[-1]] = value


def _how_to(file: Path | None, table: str, line: str) -> str:
    if file is None:
        return f"give --set '{table.strip('[]')}.{line.replace(' ', '')}'"
    return f"add below {table} in {file.name}: {line}"
