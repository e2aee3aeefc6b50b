"""What the tests of a spider need: a fake site in memory, a web that answers whole requests, and a virtual clock."""

from __future__ import annotations

from scrapekit.testing.clock import Deadlock, VirtualClock
from scrapekit.testing.network import FakeNetwork
from scrapekit.testing.simulation import Knobs, Simulation
from scrapekit.testing.site import CLOSE, RESET, SILENCE, FakeSite, Page
from scrapekit.testing.world import Answer, Visit, World, page, violations

__all__ = [
    "CLOSE",
    "RESET",
    "SILENCE",
    "Answer",
    "Deadlock",
    "FakeNetwork",
    "FakeSite",
    "Knobs",
    "Page",
    "Simulation",
    "VirtualClock",
    "Visit",
    "World",
    "page",
    "violations",
]
