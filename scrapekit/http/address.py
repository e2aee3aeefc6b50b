"""Where to connect: an IP address and a port."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Address:
    """One IP address (IPv6 without brackets, perhaps with ``%scope``) and port."""

    ip: str
    port: int

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.ip else socket.AF_INET

    @property
    def sockaddr(self) -> tuple[Any, ...]:
        """What ``socket.connect`` takes."""
        if ":" not in self.ip:
            return self.ip, self.port
        ip, _, scope = self.ip.partition("%")
        return ip, self.port, 0, int(scope) if scope.isdigit() else 0

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"
