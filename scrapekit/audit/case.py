"""What the rules are held against: the sends of one host, or of several that share an address or a domain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from scrapekit.audit.law import Law
from scrapekit.audit.report import Violation
from scrapekit.audit.sends import Sent, as_events, in_order
from scrapekit.ledger import RunStart, Send


@dataclass(frozen=True, slots=True)
class Case:
    """All sends of ``host`` in the ledger's order, those that left in the order of their first bytes, and the law."""

    host: str
    sends: Sequence[Send]
    sent: Sequence[Sent]
    law: Law

    def events(self) -> Iterator[tuple[bool, Send]]:
        """Each send as its turn was taken (False) and as it ended (True), in the ledger's order."""
        return as_events(self.sends)

    def broken(self, rule: str, send: Send, was: str, allowed: str) -> Violation:
        """A rule broken by that send."""
        at = send.at if send.start is None else send.start
        return Violation(rule, send.host, at, send.url, was, allowed)


def case(host: str, sends: Sequence[Send], law: Law, end_of: Callable[[Send], float]) -> Case:
    """``end_of`` says when a send that was cut off was over at the latest."""
    return Case(host, sends, in_order(sends, end_of), law)


def ends_of_runs(runs: Sequence[RunStart], last: float) -> Callable[[Send], float]:
    """A process that died was dead when the next one began; of the last one, the last moment on record is known."""

    def end_of(send: Send) -> float:
        return max(send.at, next((run.at for run in runs if run.seq > send.seq), last))

    return end_of


def seconds(value: float) -> str:
    """A time as a violation tells it: to the microsecond."""
    return f"{value:.6f}".rstrip("0").rstrip(".") + " s"
