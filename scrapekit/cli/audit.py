"""``scrapekit audit``: whether a run kept to the rules, by its own ledger."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from scrapekit.cli import exits
from scrapekit.cli.options import read_settings, verbose
from scrapekit.errors import ConfigError

if TYPE_CHECKING:
    from scrapekit.audit import Report

#: Violations that are printed; --json has them all.
_SHOWN: Final = 20


@click.command("audit", short_help="Check that a run kept to the rules.")
@click.argument("run", metavar="[RUN]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as JSON.")
@click.option(
    "--html",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page that can be sent to a site's owner.",
)
@click.option("--host", metavar="HOST", help="With --html: of this host only.")
@verbose
def command(run: str | None, as_json: bool, html: Path | None, host: str | None) -> int:
    """Hold a run's ledger against the rules: delays, limits, robots.txt, and every pause that a site asked for.

    RUN is the name of a run in .scrapekit/runs or a folder; by default the newest. Gaps are counted between the first
    bytes that were sent, and every limit is worked out again from the settings and the robots.txt files of that time.

    \b
    Exit codes:  0  no rule was broken
                 1  a rule was broken
                 2  usage, or a ledger that cannot be read
    """
    from scrapekit.audit import judge
    from scrapekit.ledger import read

    if host is not None and html is None:
        raise click.UsageError("--host needs --html")
    report = judge(read(_folder(run)))
    if html is not None:
        _write_page(report, html, host)
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        _print(report)
    return exits.FAILED if report.violations else exits.DONE


def _folder(run: str | None) -> Path:
    """The run that is meant. Raises ConfigError where there is none."""
    from scrapekit.ledger import FILE_NAME
    from scrapekit.sinks import HOME

    runs = read_settings().root / HOME / "runs"
    if run is not None:
        given = next((each for each in (runs / run, Path(run)) if each.is_dir()), None)
        if given is None:
            raise ConfigError(f"there is no run {run!r}", file=runs, hint="name one of its folders")
        return given
    # Names begin with the time, so the last one is the newest.
    kept = sorted((each.parent for each in runs.glob(f"*/{FILE_NAME}")), key=lambda folder: folder.name)
    if not kept:
        raise ConfigError("no run has a ledger here", file=runs, hint="crawl first: scrapekit crawl NAME")
    return kept[-1]


def _print(report: Report) -> None:
    from scrapekit.watch import open_console
    from scrapekit.watch.audit import table, verdict, violations

    console = open_console(sys.stdout)
    wide = console.width if console.is_terminal else 0
    console.say(table(report, width=wide))
    if report.violations:
        console.say("")
        console.say(violations(report, most=_SHOWN))
    console.say("")
    console.say(verdict(report))


def _write_page(report: Report, file: Path, host: str | None) -> None:
    from scrapekit.watch.audit_page import page

    if host is not None and report.of_host(host) is None:
        raise ConfigError(f"the run has nothing of {host!r}", hint=f"it has {', '.join(_names(report))}")
    try:
        file.write_text(page(report, host=host), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=file) from error
    click.echo(f"wrote {file}", err=True)


def _names(report: Report) -> list[str]:
    names = [host.host for host in report.hosts[:5]]
    return [*names, "…"] if len(report.hosts) > len(names) else names
