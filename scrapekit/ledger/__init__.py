"""The ledger: what a run sent, when, and by which rule; and what it left alone.

An append-only file in the run's folder, one line a record. A send is on record before its first byte leaves, by an
append that survives the death of this process; what came of it is a second record. The bodies of robots.txt lie beside
it, each once. So anybody can check afterwards that the rules were kept (``scrapekit.audit``).
"""

from __future__ import annotations

from scrapekit.ledger.aftermath import aftermath
from scrapekit.ledger.reader import Account, read
from scrapekit.ledger.records import IGNORED, Kind, Refusal, RobotsCopy, RunStart, Send, SettingsChange
from scrapekit.ledger.writer import FILE_NAME, Handle, Ledger, digest, kept_body, without_secrets

__all__ = [
    "FILE_NAME",
    "IGNORED",
    "Account",
    "Handle",
    "Kind",
    "Ledger",
    "Refusal",
    "RobotsCopy",
    "RunStart",
    "Send",
    "SettingsChange",
    "aftermath",
    "digest",
    "kept_body",
    "read",
    "without_secrets",
]
