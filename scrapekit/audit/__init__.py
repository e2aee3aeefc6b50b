"""The audit: a run's ledger held against the rules, trusting nothing that the scheduler computed.

Gaps and overlaps come from the times of first bytes and of ends; every limit is found again, from the settings that
were in force, from the kept bodies of robots.txt, and from what each answer asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from statistics import median
from typing import Final

from scrapekit.audit import pace, permission, rests
from scrapekit.audit.case import Case, case, ends_of_runs
from scrapekit.audit.law import Law
from scrapekit.audit.report import HostReport, Report, Violation
from scrapekit.audit.sends import gaps, is_page, overlaps
from scrapekit.ledger import Account, Refusal, Send
from scrapekit.suffixes import registrable
from scrapekit.url import split_host

__all__ = ["HostReport", "Report", "Violation", "judge"]

#: So many URLs that were left alone are named for each host.
NAMED: Final = 20
#: Into so many parts the time of a host's visits is cut, to be drawn.
PARTS: Final = 60


def judge(account: Account) -> Report:
    """Hold a ledger against the rules.

    Raises ConfigError where the ledger says too little to judge by, or a kept robots.txt is not there or was changed.
    """
    law = Law(account)
    end_of = ends_of_runs(account.runs, account.last)
    cases = [case(host, sends, law, end_of) for host, sends in _grouped(account.sends, lambda send: send.host)]
    reports = {each.host: _of_host(each, account) for each in cases}
    for violation in chain(_shared(account, cases, law, end_of), rests.hops(account.sends, law)):
        reports[violation.host].violations.append(violation)
    _add_refusals(reports, account.refusals)
    return Report(
        run=account.folder.name,
        runs=account.runs,
        contact=law.settings(account.settings[-1].seq + 1).identity.contact,
        between=(account.runs[0].at, account.last),
        hosts=sorted(reports.values(), key=lambda host: (-len(host.violations), -host.requests, host.host)),
        torn=account.torn,
    )


def _of_host(case: Case, account: Account) -> HostReport:
    report = HostReport(case.host)
    _count(report, case)
    _measure(report, case)
    report.violations += pace.delay(case)
    report.violations += pace.request_rate(case)
    report.violations += pace.concurrency(case)
    report.violations += rests.circuit(case)
    report.violations += pace.visit(case)
    _rests(report, case)
    report.violations += permission.robots(case)
    report.violations += permission.fetched(case, account.runs)
    report.violations += permission.contact(case)
    report.violations += permission.budget(case)
    report.violations.sort(key=lambda violation: violation.at)
    return report


def _count(report: HostReport, case: Case) -> None:
    report.requests = len(case.sent)
    for each in case.sent:
        send = each.send
        report.robots_fetches += not is_page(send)
        report.cut_off += send.end is None
        report.size += send.size
        if send.status:
            report.statuses[send.status] = report.statuses.get(send.status, 0) + 1


def _measure(report: HostReport, case: Case) -> None:
    if not case.sent:
        return
    report.first, report.last = case.sent[0].start, case.sent[-1].start
    report.by_time = _by_time([each.start for each in case.sent])
    found = [gap for gap, _ in gaps(case.sent)]
    report.least_gap, report.median_gap = min(found, default=None), median(found) if found else None
    report.most_at_once = max(at_once for at_once, _ in overlaps(case.sent))
    last = case.sent[-1].send
    report.delay, report.source = pace.least(case.law, last)
    report.concurrency = case.law.terms(case.host, last.seq).concurrency


def _by_time(starts: Sequence[float]) -> list[int]:
    first, took = starts[0], starts[-1] - starts[0]
    parts = [0] * PARTS
    for start in starts:
        parts[min(PARTS - 1, int((start - first) / took * PARTS)) if took else 0] += 1
    return parts


def _rests(report: HostReport, case: Case) -> None:
    """The pauses that the host asked for and got, however they overlap; and the others, which are violations."""
    until = 0.0
    for rest, broken in rests.rests(case):
        if broken is not None:
            report.violations.append(broken)
            continue
        report.waits += 1
        report.waited += max(0.0, rest.until - max(rest.since, until))
        until = max(until, rest.until)


def _shared(account: Account, cases: Sequence[Case], law: Law, end_of: Callable[[Send], float]) -> Iterator[Violation]:
    """What the hosts at one address, and those of one domain, are held to together."""
    by_domain: list[tuple[str, list[Send]]] = []
    if any(law.terms(each.host, each.sends[-1].seq).per_domain for each in cases):
        by_domain = _grouped(account.sends, lambda send: registrable(split_host(send.host)[0]))
    by_address = _grouped((send for send in account.sends if send.address), lambda send: send.address)
    for rule, groups in (("per-address", by_address), ("per-domain", by_domain)):
        for name, sends in groups:
            if len({send.host for send in sends}) > 1:
                yield from pace.shared(case(name, sends, law, end_of), rule)


def _add_refusals(reports: dict[str, HostReport], refusals: Iterable[Refusal]) -> None:
    for refusal in refusals:
        report = reports.setdefault(refusal.host, HostReport(refusal.host))
        if refusal.outcome == "disallowed":
            report.disallowed += 1
            if len(report.left_alone) < NAMED:
                report.left_alone.append(refusal.url)
        else:
            reason = refusal.reason or refusal.outcome
            report.dropped[reason] = report.dropped.get(reason, 0) + 1


def _grouped(sends: Iterable[Send], key: Callable[[Send], str]) -> list[tuple[str, list[Send]]]:
    groups: dict[str, list[Send]] = defaultdict(list)
    for send in sends:
        groups[key(send)].append(send)
    return list(groups.items())
