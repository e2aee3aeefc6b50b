"""``scrapekit explain``: all that is known of one URL before it is fetched, or while it is waited for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from scrapekit import kernel
from scrapekit.cli import exits
from scrapekit.cli.options import read_settings, sets, verbose
from scrapekit.config import Settings
from scrapekit.errors import ConfigError
from scrapekit.url import canonical, host_of, is_below, split_host

if TYPE_CHECKING:
    from scrapekit.ledger import Send
    from scrapekit.scout import Site
    from scrapekit.spider import Spider

Row = tuple[str, str]
#: A log is searched from its end, this far. Bytes.
_LOG: Final = 8 * 1024 * 1024
_WIDTH: Final = 200
#: Of what the ledger has of one URL, the last so many are shown.
_SHOWN: Final = 3


@click.command("explain", short_help="Say how a URL would be fetched, and why it would not.")
@click.argument("url", metavar="URL")
@click.option("--spider", metavar="NAME", help="As this spider of the project would fetch it.")
@sets
@verbose
def command(url: str, spider: str | None, sets: tuple[str, ...]) -> int:
    """Say of URL: its canonical form, its host, the limits and whose they are, what robots.txt says, and what is known
    of it from the last run.

    One file is fetched and nothing else: the host's robots.txt.

    \b
    Exit codes:  0  it would be fetched
                 1  it would not
                 2  usage or configuration
    """
    from scrapekit.project import make, pick

    settings = read_settings(sets)
    page = canonical(url)
    found = make(pick(spider, settings), {}) if spider else None
    name = found.name if found else ""
    blocked = False
    for key, value, blocks in _rows(url, page, settings, found, name):
        blocked = blocked or blocks
        click.echo(f"{key:9} {value}")
    return exits.FAILED if blocked else exits.DONE


def _rows(
    given: str, url: str, settings: Settings, spider: Spider | None, name: str
) -> Iterator[tuple[str, str, bool]]:
    """What is known, and whether it keeps the URL from being fetched."""
    host = host_of(url)
    yield "url", url + (f" (given as {given})" if given != url else ""), False
    yield "host", host + (", this machine" if settings.on_loopback(host) else ""), False
    if spider is not None and not _is_allowed(host, spider):
        yield "offsite", f"{host} is not in the allowed_domains of {name}", True
    yield from ((key, value, False) for key, value in _limits(settings, host, name))
    try:
        settings.check_host(host, name)
        site = _site(url, settings, name)
    except ConfigError as error:
        yield "refused", str(error), True
    else:
        yield from _robots(url, settings, site, name)
    yield from (("last run", text, False) for text in _last_run(settings.root, url))


def _is_allowed(host: str, spider: Spider) -> bool:
    from scrapekit.spider import allowed_hosts

    domains = allowed_hosts(spider)
    return not domains or any(host == domain or is_below(split_host(host)[0], domain) for domain in domains)


def _limits(settings: Settings, host: str, spider: str) -> Iterator[Row]:
    """Each rule that gives this host a limit, with the limits that it gives."""
    from scrapekit.cli.saying import rule_text

    by_rule: dict[str, list[str]] = {}
    for each in settings.explain(host, spider):
        if each.rule != "default":
            by_rule.setdefault(each.rule if each.rule == "--set" else rule_text(each).partition(",")[0], []).append(
                each.key
            )
    if not by_rule:
        yield "limits", "every one is the default"
    for rule, keys in by_rule.items():
        yield "limits", f"{rule} gives {', '.join(keys)}"


def _site(url: str, settings: Settings, spider: str) -> Site:
    from scrapekit.scout import scouting

    async def fetched() -> Site:
        async with scouting(settings, spider=spider) as scout:
            return await scout.site(url)

    site: Site = kernel.run(fetched)
    return site


def _robots(url: str, settings: Settings, site: Site, spider: str) -> Iterator[tuple[str, str, bool]]:
    from scrapekit.cli.saying import answer_text, given, hints_rows, pause_text, rule_text, verdict_rows

    host, agent = host_of(url), settings.identity.name
    rule = given(settings, host, "robots", spider)
    for key, value in verdict_rows(site.verdict(url, agent), agent):
        yield key, value, key == "verdict" and rule.value == "obey" and not site.allows(url, agent)
    if rule.value == "ignore":
        yield "but", f'robots.txt is not obeyed here: robots = "ignore" by {rule_text(rule)}', False
    yield "delay", pause_text(settings, host, site.asked(agent), spider), False
    for key, value in hints_rows(site.rules, agent, url) if site.rules else ():
        yield key, value, False
    yield "file", answer_text(site.answer), False


def _last_run(root: Path, url: str) -> Iterator[str]:
    """What the newest run's folder tells of the URL."""
    runs = sorted(path for path in (root / ".scrapekit" / "runs").glob("*") if path.is_dir())
    if not runs:
        yield "none in this project"
        return
    run = runs[-1]
    ended = _end(run / "stats.json")
    yield f"{run.name}: {f'ended, {ended}' if ended else 'is under way, or was killed'}"
    yield from _on_record(run, url, over=bool(ended))
    if line := _last_line(run / "crawl.log", url):
        yield f"its log says: {line[:_WIDTH]}"


def _on_record(run: Path, url: str, *, over: bool) -> Iterator[str]:
    """What the run's ledger has of the URL, and of its host if the run goes on."""
    from scrapekit.ledger import read

    try:
        account = read(run)
    except ConfigError as error:
        yield f"whether it was seen cannot be told: {error}"
        return
    sends = [each for each in account.sends if each.url == url]
    refusals = [each for each in account.refusals if each.url == url]
    yield from (f"sent at {_moment(each.start or each.at)}: {_came_of(each)}" for each in sends[-_SHOWN:])
    for refusal in refusals[-_SHOWN:]:
        line = f", line {refusal.line}" if refusal.line else ""
        yield f"{refusal.outcome} at {_moment(refusal.at)}: {refusal.reason}{line}"
    if not (sends or refusals):
        yield "neither sent nor refused" + ("" if over else ": it was not found, or it waits, which no ledger tells")
    if not over:
        yield from _of_host(account.sends, host_of(url))


def _of_host(sends: Sequence[Send], host: str) -> Iterator[str]:
    """When a host was last asked, and what keeps it shut."""
    last = next((each for each in reversed(sends) if each.host == host and each.start), None)
    if last is None:
        yield f"{host} was not asked yet"
        return
    yield (
        f"{host} was last asked at {_moment(last.start or last.at)}; "
        f"the pause after that is {last.delay:g} s by {last.source}"
    )
    yield from (f"its answer asked for {name}: {value}" for name, value in last.asked.items())


def _came_of(send: Send) -> str:
    if send.end is None:
        return "no answer yet, or the process died"
    return send.error or f"HTTP {send.status}, {send.size:,} bytes"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _end(file: Path) -> str:
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["end"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _last_line(file: Path, url: str) -> str:
    """The last line of a log that names the URL as a whole."""
    try:
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - _LOG))
            lines = log.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line for line in reversed(lines) if url in (word.strip(":,;()'\"") for word in line.split())), "")
