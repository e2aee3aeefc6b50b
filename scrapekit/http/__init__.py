"""The wire: HTTP/1.1 and HTTP/2 over curio sockets, with h11 and h2 as the protocol engines."""

from __future__ import annotations

from scrapekit.http.body import Spool
from scrapekit.http.client import Client
from scrapekit.http.connection import Reply
from scrapekit.http.gate import SessionLimits
from scrapekit.http.redirect import MAX_HOPS, REDIRECTS, Hop, next_hop
from scrapekit.http.resolver import Names, Resolver
from scrapekit.http.session import Session
from scrapekit.http.terms import DIRECT, Deadlines, Proxy, Sizes, Terms, Trust, Way

__all__ = [
    "DIRECT",
    "MAX_HOPS",
    "REDIRECTS",
    "Client",
    "Deadlines",
    "Hop",
    "Names",
    "Proxy",
    "Reply",
    "Resolver",
    "Session",
    "SessionLimits",
    "Sizes",
    "Spool",
    "Terms",
    "Trust",
    "Way",
    "next_hop",
]
