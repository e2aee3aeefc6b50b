"""Which limits hold for a host: the rules that match it, from weak to strong, merged key by key.

    [limits]  <  [spiders.NAME.limits]  <  [hosts.…]  <  [spiders.NAME.hosts.…]

What is said of a host beats what is said in general. Among the patterns of one table: ``*``, a short suffix, a longer
one, an exact name, an exact name with port. ``*.example.com`` is every subdomain of example.com, and not itself.

Does not know where the rules were written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from scrapekit import tables
from scrapekit.errors import ConfigError
from scrapekit.headers import Headers
from scrapekit.tables import Limits, SpiderTable
from scrapekit.tomlfile import KeyPath, dotted
from scrapekit.url import split_host

Rules = tuple[tuple[KeyPath, Limits], ...]


class HostRules:
    """The rules of one project. Raises ConfigError for two patterns that mean the same host."""

    __slots__ = ("_by_name", "_limits", "_merged", "_spiders")

    def __init__(self, limits: Limits, hosts: Mapping[str, Limits], spiders: Mapping[str, SpiderTable]) -> None:
        self._limits = limits
        self._spiders = spiders
        #: For each spider, and "" for all: canonical pattern to the rule, with its path as it is written.
        self._by_name = {"": _by_name(hosts, ("hosts",))}
        for name, spider in spiders.items():
            self._by_name[name] = _by_name(spider.hosts, ("spiders", name, "hosts"))
        #: Hosts share few sets of rules, so this stays small however many hosts there are.
        self._merged: dict[tuple[int, ...], Limits] = {}

    def limits_for(self, host: str, spider: str) -> Limits:
        """The limits in force for a canonical host."""
        rules = self.matching(host, spider)
        key = tuple([id(rule) for _, rule in rules])
        limits = self._merged.get(key)
        if limits is None:
            limits = self._merged[key] = _merge(rule for _, rule in rules)
        return limits

    def matching(self, host: str, spider: str) -> Rules:
        """The rules that apply to a canonical host, the weakest first."""
        found: list[tuple[KeyPath, Limits]] = [(("limits",), self._limits)]
        if spider in self._spiders:
            found.append((("spiders", spider, "limits"), self._spiders[spider].limits))
        names = _candidates(host)
        for owner in ("", spider) if spider else ("",):
            patterns = self._by_name.get(owner)
            if patterns:
                found.extend([patterns[name] for name in names if name in patterns])
        return tuple(found)

    def exact(self) -> Iterator[tuple[str, str, KeyPath, Limits]]:
        """The rules for one name each: spider, canonical name, path, limits."""
        for spider, patterns in self._by_name.items():
            for name, (path, limits) in patterns.items():
                if "*" not in name:
                    yield spider, name, path, limits

    def every(self) -> Iterator[tuple[KeyPath, Limits]]:
        """All rules there are."""
        yield ("limits",), self._limits
        for name, spider in self._spiders.items():
            yield ("spiders", name, "limits"), spider.limits
        for patterns in self._by_name.values():
            yield from patterns.values()

    def in_force(self, spider: str) -> Iterator[tuple[KeyPath, Limits]]:
        """All rules but those of other spiders."""
        for path, limits in self.every():
            if path[0] != "spiders" or path[1] == spider:
                yield path, limits

    def as_written(self, path: KeyPath) -> KeyPath:
        """The path of a key in which the host may be typed otherwise than the file spells it."""
        at = 1 if path[:1] == ("hosts",) else 3 if path[:1] == ("spiders",) and path[2:3] == ("hosts",) else 0
        if not at or len(path) <= at:
            return path
        try:
            known = self._by_name.get(path[1] if at == 3 else "", {}).get(tables.pattern(path[at]))
        except ValueError:
            return path
        return (*known[0], *path[at + 1 :]) if known else path


def leaves(rule: Limits) -> Iterator[tuple[KeyPath, Any]]:
    """What a rule says and leaves to no other: its keys and values, header fields one by one."""
    for key in Limits.model_fields:
        if key in rule.model_fields_set and key != "headers":
            yield (key,), getattr(rule, key)
    for name, value in rule.headers.raw:
        yield ("headers", name), value


def _by_name(hosts: Mapping[str, Limits], above: KeyPath) -> dict[str, tuple[KeyPath, Limits]]:
    found: dict[str, tuple[KeyPath, Limits]] = {}
    for written, limits in hosts.items():
        name = tables.pattern(written)
        if name in found:
            raise ConfigError(f'means the same host as "{found[name][0][-1]}"', key=dotted((*above, written)))
        found[name] = (*above, written), limits
    return found


def _candidates(host: str) -> list[str]:
    """The patterns that match a canonical host, from the most general to the most specific."""
    name, port = split_host(host)
    name = name.removesuffix(".")
    if ":" in name:
        name, found = f"[{name}]", ["*"]
    elif name[name.rfind(".") + 1 :].isdigit():  # an address, and an address has no subdomains
        found = ["*"]
    else:
        labels = name.split(".")
        found = ["*", *["*." + ".".join(labels[at:]) for at in range(len(labels) - 1, 0, -1)]]
    found.append(name)
    if port:
        found.append(f"{name}:{port}")
    return found


def _merge(rules: Iterable[Limits]) -> Limits:
    """Key by key, the later over the earlier; header fields one by one.

    An empty field stays, for it says that none of that name is to be sent, not even one of ours.
    """
    values: dict[str, Any] = {}
    headers = Headers()
    for rule in rules:
        values.update((key, getattr(rule, key)) for key in rule.model_fields_set)
        headers = headers.updated(rule.headers)
    return Limits.model_construct(**values | {"headers": headers})
