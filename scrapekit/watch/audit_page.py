"""An audit as one page of HTML for the owner of a site: who came, when, how often, what was left alone, whom to ask.

Self-contained: no script, nothing loaded from anywhere. All that comes from outside is escaped.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import Final

from scrapekit.audit import HostReport, Report, Violation
from scrapekit.watch.audit import gap, limit, moment
from scrapekit.watch.numbers import count, counted, size, span

_STYLE: Final = Path(__file__).with_name("audit_page.css")
#: Of each list, what is shown.
_MOST: Final = 50
#: The chart's measures, in units of its own.
_WIDTH, _HEIGHT = 720, 96


def page(report: Report, *, host: str | None = None) -> str:
    """The page as HTML: of the whole run, or of one of its hosts."""
    hosts = [each for each in report.hosts if host is None or each.host == host]
    title = f"Our visit to {hosts[0].host}" if len(hosts) == 1 else f"Our visits to {counted(len(hosts), 'host')}"
    parts = [_lead(report, hosts, title), _who(report)]
    if len(hosts) > 1:
        parts.append(_table(hosts[:_MOST], len(hosts)))
    parts += [_host(each, alone=len(hosts) == 1) for each in hosts[:_MOST]]
    parts.append(_foot(report))
    body = "\n".join(parts)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{escape(title)}</title>
<style>
{_STYLE.read_text("utf-8")}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def _lead(report: Report, hosts: Sequence[HostReport], title: str) -> str:
    requests, broken = sum(each.requests for each in hosts), sum(len(each.violations) for each in hosts)
    said = f"{counted(broken, 'rule was', 'rules were')} broken" if broken else "No rule was broken"
    return f"""<header>
<p class="badge {"bad" if broken else "good"}">{said}</p>
<h1>{escape(title)}</h1>
<p class="lead">Our robot <b>{escape(_agent(report))}</b> sent {counted(requests, "request")}, {_when(report)}.
This page says how it behaved, by the record that it makes of each request before it is sent.</p>
</header>"""


def _who(report: Report) -> str:
    start = report.runs[-1]
    contact = f"<dt>How to reach us</dt><dd>{_contact(report.contact)}</dd>" if report.contact else ""
    token = escape(start.agent)
    return f"""<section>
<h2>Who we are</h2>
<dl>
{contact}
<dt>In your log</dt><dd><code>{escape(start.user_agent)}</code></dd>
<dt>To slow us down</dt><dd><pre>Crawl-delay: 10</pre></dd>
<dt>To keep us out</dt><dd><pre>User-agent: {token}
Disallow: /</pre></dd>
</dl>
<p class="note">These lines go into your robots.txt, the first one below <code>User-agent: {token}</code> or, if you
have no rules for us alone, below <code>User-agent: *</code>. We read the file before the first page and again within 24
hours. An answer of 429 or 503 with Retry-After stops us at once, for as long as it says.</p>
</section>"""


def _table(hosts: Sequence[HostReport], number: int) -> str:
    heads = ("Host", "Requests", "Least pause", "At once", "Limit", "Left alone", "Broken rules")
    rows = (
        (
            escape(each.host),
            count(each.requests),
            gap(each.least_gap),
            count(each.most_at_once),
            escape(limit(each)),
            count(each.disallowed),
            count(len(each.violations)),
        )
        for each in hosts
    )
    more = f'<p class="note">and {counted(number - len(hosts), "more host")}</p>' if number > len(hosts) else ""
    return f"<section>\n<h2>Hosts</h2>\n{_rows(heads, rows)}\n{more}</section>"


def _host(host: HostReport, *, alone: bool) -> str:
    heading = "How often we came" if alone else escape(host.host)
    parts = [_tiles(host), _chart(host), _told(host), _alone(host), _broken(host.violations)]
    return f"<section>\n<h2>{heading}</h2>\n{''.join(parts)}</section>"


def _tiles(host: HostReport) -> str:
    tiles = [
        (count(host.requests), counted(host.robots_fetches, "was", "were") + " for robots.txt"),
        (gap(host.least_gap), f"least pause; {gap(host.delay)} was asked" if host.delay else "least pause"),
        (count(host.most_at_once), f"at most at once; {host.concurrency} allowed"),
        (size(host.size), "received"),
    ]
    heads = ("Requests", "Between two", "At once", "Data")
    inner = "\n".join(
        f'<div><span class="name">{head}</span><b>{value}</b><span>{note}</span></div>'
        for head, (value, note) in zip(heads, tiles, strict=True)
    )
    return f'<div class="tiles">\n{inner}\n</div>\n'


def _chart(host: HostReport) -> str:
    """Requests over time, as bars."""
    if host.first is None or host.last is None or not host.by_time or host.last <= host.first:
        return ""
    most = max(host.by_time)
    step = _WIDTH / len(host.by_time)
    bars = "".join(
        f'<rect x="{at * step + 1:.1f}" y="{_HEIGHT - tall:.1f}" width="{step - 2:.1f}" height="{tall:.1f}" rx="1.5"/>'
        for at, number in enumerate(host.by_time)
        if (tall := _HEIGHT * number / most)
    )
    wide = (host.last - host.first) / len(host.by_time)
    label = f"Requests over time, at most {most} in {span(wide) if wide >= 1 else gap(wide)}"
    return f"""<figure>
<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}" preserveAspectRatio="none">{bars}</svg>
<figcaption><span>{_short(host.first)}</span><span>{label.lower().capitalize()}</span><span>{_short(host.last)}</span>
</figcaption>
</figure>
"""


def _told(host: HostReport) -> str:
    """What the site asked for, and what it answered."""
    rows = [("Limit in force", escape(limit(host))), ("Median pause", gap(host.median_gap))]
    if host.waits:
        times = counted(host.waits, "time")
        rows.append(("You asked us to wait", f"{times}, and we did: {span(host.waited)} in all"))
    answers = ", ".join(f"{count(number)} × {_status(status)}" for status, number in sorted(host.statuses.items()))
    if answers:
        rows.append(("You answered", answers))
    if host.cut_off:
        rows.append(("Cut off", f"{counted(host.cut_off, 'request')} when our program was ended from outside"))
    return "<dl>\n" + "\n".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows) + "\n</dl>\n"


def _alone(host: HostReport) -> str:
    """What was not fetched."""
    if not host.disallowed and not host.dropped:
        return ""
    lines = []
    if host.disallowed:
        urls = "\n".join(f"<li><code>{escape(url)}</code></li>" for url in host.left_alone)
        more = host.disallowed - len(host.left_alone)
        rest = f'<p class="note">and {count(more)} more</p>' if more else ""
        found = counted(host.disallowed, "address", "addresses")
        lines.append(f"<p>Your robots.txt disallows {found} that we had found, and so we did not ask for them.</p>")
        lines.append(f"<details><summary>Which they are</summary>\n<ul>\n{urls}\n</ul>{rest}\n</details>")
    if host.dropped:
        reasons = ", ".join(f"{escape(reason)} ({count(number)})" for reason, number in host.dropped.items())
        lines.append(f"<p>We left others alone of our own accord: {reasons}.</p>")
    return "<h3>What we left alone</h3>\n" + "\n".join(lines) + "\n"


def _broken(violations: Sequence[Violation]) -> str:
    if not violations:
        return ""
    rows = (
        (moment(each.at), escape(each.rule), escape(each.was), escape(each.allowed), f"<code>{escape(each.url)}</code>")
        for each in violations[:_MOST]
    )
    heads = ("Time (UTC)", "Rule", "What was", "What was allowed", "Address")
    more = len(violations) - _MOST
    rest = f'<p class="note">and {count(more)} more</p>' if more > 0 else ""
    return f"<h3>Where a rule was broken</h3>\n{_rows(heads, rows)}\n{rest}"


def _foot(report: Report) -> str:
    start = report.runs[-1]
    return f"""<footer>
<p>How this was checked: each request is put on record before its first byte leaves, and once more when it has ended.
Pauses are counted from first byte to first byte. Every limit was worked out again from the settings and from your
robots.txt as it was at that moment; nothing was taken from what the program believed.</p>
<p>Run {escape(report.run)}, spider {escape(start.spider)}, scrapekit {escape(start.version)}. All times are UTC.</p>
</footer>"""


def _rows(heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{each}</th>" for each in heads)
    body = "\n".join(_lines(rows))
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    return ("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)


def _when(report: Report) -> str:
    """In words: ``on 23 November 2026, from 09:12 to 10:40 UTC``."""
    first, last = (time.gmtime(each) for each in report.between)
    day = "%d %B %Y"
    if first[:3] == last[:3]:
        return f"on {time.strftime(day, first)}, from {time.strftime('%H:%M', first)} to {_clock(last)}"
    return f"from {time.strftime(day, first)}, {_clock(first)}, to {time.strftime(day, last)}, {_clock(last)}"


def _clock(when: time.struct_time) -> str:
    return time.strftime("%H:%M UTC", when)


def _agent(report: Report) -> str:
    return report.runs[-1].agent


def _contact(contact: str) -> str:
    """A link to a page or to a mail address."""
    if contact.startswith(("http://", "https://", "mailto:")):
        target = contact
    else:
        target = f"mailto:{contact}"
    return f'<a href="{escape(target)}">{escape(contact.removeprefix("mailto:"))}</a>'


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _short(seconds: float) -> str:
    return time.strftime("%d %b %H:%M:%S", time.gmtime(seconds))
