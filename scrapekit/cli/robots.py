"""``scrapekit robots``: what a robots.txt says of a URL, and by which of its lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Final

import click

from scrapekit import kernel
from scrapekit.cli import exits
from scrapekit.cli.options import read_settings, sets, verbose
from scrapekit.config import Settings
from scrapekit.url import canonical, host_of

if TYPE_CHECKING:
    from scrapekit.scout import Site

#: Sitemaps that are listed by name; a file may hold thousands.
_SITEMAPS: Final = 20


@click.command("robots", short_help="Ask a robots.txt about a URL.")
@click.argument("url", metavar="URL")
@click.option("--agent", metavar="NAME", help="The robots.txt token to ask for, instead of [identity] name.")
@click.option("--file", metavar="FILE", type=click.File("rb"), help="Judge by this file; nothing is fetched.")
@sets
@verbose
def command(url: str, agent: str | None, file: IO[bytes] | None, sets: tuple[str, ...]) -> int:
    """Ask a site's robots.txt whether URL may be fetched, and say why.

    Prints the verdict, the group that was asked, the line that decides and its number, the pause between two requests
    and which rule asks for it, the age of the file, and its sitemaps. That one file is fetched and nothing else; up to
    five redirects are followed. The User-Agent is your own, whichever --agent is asked for.

    \b
    Exit codes:  0  allowed
                 1  not allowed, or robots.txt cannot be reached
                 2  usage or configuration
    """
    if agent is not None and not agent.strip():
        raise click.UsageError("--agent is empty")
    settings, url = read_settings(sets), canonical(url)
    agent = agent or settings.identity.name
    site = _fetched(url, settings) if file is None else _given(file)
    for key, value in _rows(url, agent, settings, site):
        click.echo(f"{key:8} {value}")
    return exits.DONE if site.allows(url, agent) else exits.FAILED


def _fetched(url: str, settings: Settings) -> Site:
    from scrapekit.scout import scouting  # help and a wrong option should not wait for it

    async def fetched() -> Site:
        async with scouting(settings) as scout:
            return await scout.site(url)

    site: Site = kernel.run(fetched)
    return site


def _given(file: IO[bytes]) -> Site:
    from scrapekit.robots import parse
    from scrapekit.scout import Answer, Site

    return Site(parse(file.read()), Answer(str(file.name)))


def _rows(url: str, agent: str, settings: Settings, site: Site) -> Iterator[tuple[str, str]]:
    from scrapekit.cli.saying import answer_text, hints_rows, pause_text, verdict_rows

    host, rules = host_of(url), site.rules
    yield "url", url
    yield from verdict_rows(site.verdict(url, agent), agent)
    yield "delay", pause_text(settings, host, site.asked(agent))
    if rules is not None:
        yield from hints_rows(rules, agent, url)
    for before in site.answer.history:
        yield "asked", f"{before}, which leads on"
    if site.answer.response is None and site.answer.error is None:
        yield "file", f"{site.answer.url}, as it was given"
    else:
        yield "file", answer_text(site.answer)
        yield "age", "0 s: it was fetched just now, and a crawl would ask again after 24 h"
    if settings.limits_for(host).robots == "ignore":
        yield "but", f'a crawl would not ask: robots = "ignore" by {_rule(settings, host)}'
    yield from _sitemaps(rules.sitemaps if rules else [])


def _rule(settings: Settings, host: str) -> str:
    from scrapekit.cli.saying import given, rule_text

    return rule_text(given(settings, host, "robots"))


def _sitemaps(sitemaps: list[str]) -> Iterator[tuple[str, str]]:
    yield from (("sitemap", each) for each in sitemaps[:_SITEMAPS])
    if len(sitemaps) > _SITEMAPS:
        yield "sitemap", f"and {len(sitemaps) - _SITEMAPS} more"
