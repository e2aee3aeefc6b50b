"""When a host that does not answer is left alone, tried again, and given up.

So many failures in a row open the circuit: the host rests, then one request at a time is let go to try it; an answer of
any status closes the circuit, a failure makes the next rest twice as long, and after some such trials the host is down.

Pure: the clock is handed in. Does not know what becomes of the requests that wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol, Self

from scrapekit.errors import ConnectFailed, FetchError, FetchTimeout, ResolveFailed, TLSFailed

#: The rest after the circuit opens, doubled by each failed trial, and the longest. Seconds.
FIRST_REST: Final = 60.0
LONGEST_REST: Final = 3600.0
#: What says that nobody is there. A proxy's failure says nothing of the host; whatever else went wrong, it answered.
_FAILURES: Final = (ConnectFailed, FetchTimeout, ResolveFailed, TLSFailed)
#: In these phases of an exchange the answer had begun.
_ANSWERED: Final = frozenset({"body", "decode"})


class Terms(Protocol):
    """What the settings say: failures in a row that open the circuit (0: never), and trials until it is given up."""

    @property
    def circuit_failures(self) -> int: ...
    @property
    def circuit_trials(self) -> int: ...


def is_failure(error: FetchError) -> bool:
    """Whether an error says that the host is not there; a connection that had served before may well be closed."""
    return isinstance(error, _FAILURES) and not error.reused and error.phase not in _ANSWERED


class Circuit:
    """One host's circuit.

    ``failures`` counts those in a row, ``trials`` the failed ones since it opened; it is let alone until ``opens_at``.
    """

    __slots__ = ("_opened_at", "failures", "opens_at", "terms", "trials")

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.failures = self.trials = 0
        self.opens_at = self._opened_at = 0.0

    def __repr__(self) -> str:
        state = "down" if self.down else "open" if self.open else "closed"
        return f"<Circuit {state}, {self.failures} failures, {self.trials} trials>"

    @property
    def open(self) -> bool:
        """Whether the host is being let alone, or tried: then one request at a time may be out."""
        return self.opens_at > 0.0

    @property
    def down(self) -> bool:
        """Whether to give the host up."""
        return self.open and self.trials >= self.terms.circuit_trials

    def answered(self) -> None:
        """The host answered, whatever the status."""
        if self.failures:
            self.failures = self.trials = 0
            self.opens_at = self._opened_at = 0.0

    def failed(self, now: float, *, began: float) -> bool:
        """Nobody was there for what ``began`` then; whether a rest begins by it, until ``opens_at``.

        What had begun before the circuit opened is no trial.
        """
        limit = self.terms.circuit_failures
        if not limit or (self.open and began < self._opened_at):
            return False
        self.failures += 1
        if self.open:
            self.trials += 1
        elif self.failures < limit:
            return False
        self._opened_at = now
        self.opens_at = now + min(FIRST_REST * 2.0 ** min(self.trials, 16), LONGEST_REST)
        return True

    def to_state(self) -> dict[str, Any]:
        """What the next lease of the host must know, for JSON; empty for one that answers."""
        if not self.failures:
            return {}
        return {"failures": self.failures, "trials": self.trials, "opens_at": self.opens_at}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], terms: Terms) -> Self:
        """As it was left; a host that was given up gets one more trial once its rest is over."""
        circuit = cls(terms)
        circuit.failures, circuit.opens_at = state.get("failures", 0), state.get("opens_at", 0.0)
        circuit.trials = min(state.get("trials", 0), max(0, terms.circuit_trials - 1))
        return circuit
