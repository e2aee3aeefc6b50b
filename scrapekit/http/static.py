"""Static names: what ``[resolve]`` says, as a resolver uses it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from scrapekit.errors import ConfigError
from scrapekit.tables import static_name


def read_static(entries: Mapping[str, str]) -> dict[str, tuple[str, int | None]]:
    """Canonical name, or name with port, to IP address and port, None for the one asked for. Raises ConfigError."""
    return {_name(name): _target(name, target) for name, target in entries.items()}


def _name(name: str) -> str:
    try:
        return static_name(name)
    except ValueError as error:
        raise ConfigError(str(error), key=f"resolve.{name}") from None


def _target(name: str, target: str) -> tuple[str, int | None]:
    try:
        if target.count(":") > 1 and "[" not in target:
            target = f"[{target}]"
        ip, colon, port = target.rpartition(":")
        if not colon or port.endswith("]"):
            ip, port = target, ""
        ip = str(ipaddress.ip_address(ip.strip("[]")))
        return ip, _port(port) if port else None
    except ValueError:
        raise ConfigError(f"{target!r} is not an IP address, or address:port", key=f"resolve.{name}") from None


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise ValueError(text)
    return port
