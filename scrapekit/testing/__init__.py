"""What the tests of a spider need: a fake site in memory and a virtual clock."""

from __future__ import annotations

from scrapekit.testing.clock import Deadlock, VirtualClock

__all__ = ["Deadlock", "VirtualClock"]
