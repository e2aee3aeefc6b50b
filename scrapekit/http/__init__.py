"""The wire: HTTP/1.1 over curio sockets, with h11 as the protocol engine."""

from __future__ import annotations

from scrapekit.http.client import Client
from scrapekit.http.connection import Reply
from scrapekit.http.redirect import MAX_HOPS, REDIRECTS, Hop, next_hop
from scrapekit.http.resolver import Names, Resolver
from scrapekit.http.session import Session, SessionLimits
from scrapekit.http.talk import Deadlines

__all__ = [
    "MAX_HOPS",
    "REDIRECTS",
    "Client",
    "Deadlines",
    "Hop",
    "Names",
    "Reply",
    "Resolver",
    "Session",
    "SessionLimits",
    "next_hop",
]
