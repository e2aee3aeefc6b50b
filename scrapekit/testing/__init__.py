"""What the tests of a spider need: a fake site in memory and a virtual clock."""

from __future__ import annotations

from scrapekit.testing.clock import Deadlock, VirtualClock
from scrapekit.testing.network import CLOSE, RESET, SILENCE, FakeNetwork, FakeSite, Page, Received

__all__ = ["CLOSE", "RESET", "SILENCE", "Deadlock", "FakeNetwork", "FakeSite", "Page", "Received", "VirtualClock"]
