"""Which addresses are not of the open net: this machine, its network, its provider's, and those that nobody has.

Whoever may write a link or a Location may write such an address, and what stands there (a router's page, a database, a
cloud's metadata with its keys) answers because it takes the crawler for a neighbour.

The tables are IANA's registries of special-purpose addresses, read so: private is what the open net does not route.
The documentation nets belong there: if anything answers at 192.0.2.1, it is in your own network. The standard library's
``is_private`` changed its mind between patch releases, and so is not asked.

Pure. Knows nothing of names but ``localhost``, of which RFC 6761 says where it is.
"""

from __future__ import annotations

import ipaddress
from typing import Final, Union

from scrapekit.url import is_loopback

_IP = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

_PRIVATE_V4: Final = tuple(
    ipaddress.IPv4Network(net)
    for net in (
        "0.0.0.0/8",  # this network; Linux takes 0.0.0.0 for this machine
        "10.0.0.0/8",  # RFC 1918
        "100.64.0.0/10",  # a provider's own (RFC 6598); some clouds' metadata
        "127.0.0.0/8",  # this machine
        "169.254.0.0/16",  # link-local; 169.254.169.254 is the metadata of most clouds
        "172.16.0.0/12",  # RFC 1918
        "192.0.0.0/24",  # of protocols
        "192.0.2.0/24",  # documentation
        "192.168.0.0/16",  # RFC 1918
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
#: All that is routed over the open net is in here (RFC 4291 §2.4); beyond are ::1, fc00::/7, fe80::/10, fec0::/10,
#: multicast, 64:ff9b:1::/48, and what nobody has.
_GLOBAL_V6: Final = ipaddress.IPv6Network("2000::/3")
_PRIVATE_V6: Final = tuple(
    ipaddress.IPv6Network(net)
    for net in (
        "2001::/23",  # of protocols: Teredo (looked into below), ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)
_TEREDO: Final = ipaddress.IPv6Network("2001::/32")
_6TO4: Final = ipaddress.IPv6Network("2002::/16")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")


def is_private(ip: str) -> bool:
    """Whether an IP address, perhaps with ``%scope``, is none of the open net.

    An IPv6 address that carries an IPv4 one is what that is (mapped, compatible, NAT64, 6to4, Teredo). True for what is
    no address.
    """
    try:
        return _judged(ipaddress.ip_address(ip.partition("%")[0]))
    except ValueError:
        return True


def is_private_host(hostname: str) -> bool:
    """Whether a canonical hostname is a private address by its spelling; of other names the spelling tells nothing."""
    hostname = hostname.strip("[]")
    if ":" in hostname or hostname[-1:].isdigit():  # an address and nothing else (URL standard, "host parsing")
        return is_private(hostname)
    return is_loopback(hostname)


def _judged(ip: _IP) -> bool:
    if isinstance(ip, ipaddress.IPv4Address):
        return any(ip in net for net in _PRIVATE_V4)
    carried = _carried(ip)
    if carried:
        return any(_judged(each) for each in carried)
    return ip not in _GLOBAL_V6 or any(ip in net for net in _PRIVATE_V6)


def _carried(ip: ipaddress.IPv6Address) -> tuple[ipaddress.IPv4Address, ...]:
    """The IPv4 addresses within an IPv6 one, by the ways that have a prefix of their own."""
    if ip.ipv4_mapped is not None:
        return (ip.ipv4_mapped,)
    if ip in _TEREDO:
        return ip.teredo or ()  # its server, and itself
    if ip in _6TO4:
        return (ip.sixtofour,) if ip.sixtofour is not None else ()
    if ip in _NAT64 or (ip in _COMPATIBLE and int(ip) > 1):
        return (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF),)
    return ()
