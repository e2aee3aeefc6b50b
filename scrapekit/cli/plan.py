"""``scrapekit plan``: what a crawl would meet, before it goes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import click
import curio.meta

from scrapekit import kernel
from scrapekit.cli import exits
from scrapekit.cli.options import assignments, read_settings, sets, verbose
from scrapekit.config import Settings

if TYPE_CHECKING:
    from scrapekit.plan import HostPlan, Plan
    from scrapekit.spider import Spider

#: First requests that are looked at; start() may give millions.
_STARTS: Final = 1_000
#: Of each list, what is shown.
_SHOWN: Final = 5
#: Limits that end a host's visit, or interrupt it.
_BUDGETS: Final = ("visit", "max_pages", "max_bytes", "max_time", "max_errors")


@click.command("plan", short_help="Say what a crawl would meet, and how long it must take.")
@click.argument("name", metavar="NAME")
@click.option(
    "-a",
    "arguments",
    multiple=True,
    callback=assignments,
    metavar="KEY=VALUE",
    help="An argument for the spider. May be repeated.",
)
@click.option(
    "--sitemaps",
    default=20,
    show_default=True,
    metavar="N",
    type=click.IntRange(min=0),
    help="Ask for at most N sitemaps.",
)
@sets
@verbose
def command(name: str, arguments: dict[str, str], sitemaps: int, sets: tuple[str, ...]) -> int:
    """Say what a crawl by spider NAME would meet: hosts, limits and whose they are, what is disallowed, how much it is.

    Nothing is fetched but robots.txt and the sitemaps that it names, under the same limits as a crawl. The time is the
    least that the known requests must take; links that no sitemap names come on top.

    \b
    Exit codes:  0  the crawl has something to fetch
                 1  nothing of what it would begin with may be fetched
                 2  usage or configuration
    """
    from scrapekit.plan import Planner
    from scrapekit.project import make, pick
    from scrapekit.scout import scouting

    settings = read_settings(sets)
    spider = make(pick(name, settings), arguments)

    async def made() -> tuple[Plan, str]:
        urls, note = await _starts(spider, settings)
        async with scouting(settings, spider=spider.name) as scout:
            planner = Planner(
                scout,
                settings.identity.name,
                obeys=lambda host: settings.limits_for(host, spider.name).robots == "obey",
                max_files=sitemaps,
            )
            return await planner.make(urls), note

    plan, note = kernel.run(made)
    for line in (note, *_lines(plan, settings, spider)):
        if line:
            click.echo(line)
    return exits.DONE if any(host.allowed for host in plan.hosts.values()) else exits.FAILED


async def _starts(spider: Spider, settings: Settings) -> tuple[list[str], str]:
    """The first URLs, and what must be said of them. An async start() may do anything, so it is not run."""
    from scrapekit.callbacks import Callbacks
    from scrapekit.url import canonical

    if inspect.isasyncgenfunction(spider.start) or inspect.iscoroutinefunction(spider.start):
        urls = [canonical(url) for url in islice(spider.start_urls, _STARTS)]
        return urls, "# start() is async and was not run: what follows is of start_urls alone"
    found: list[str] = []
    given = Callbacks(spider, limit=settings.crawl.callback_timeout).each("start", _url)
    async with curio.meta.finalize(given) as urls_given:
        async for url in urls_given:
            if len(found) >= _STARTS:
                return found, f"# start() gives more: what follows is of its first {_STARTS:,} requests"
            found.append(url)
    return found, ""


def _url(value: Any) -> str:
    from scrapekit.errors import CallbackError
    from scrapekit.request import Request

    if not isinstance(value, (Request, str)):
        raise CallbackError(f"start() gave {value!r:.80}: neither a Request nor a URL")
    return (value if isinstance(value, Request) else Request(value)).url


def _lines(plan: Plan, settings: Settings, spider: Spider) -> Iterator[str]:
    if not plan.hosts:
        yield "start() gives no request"
    for host in plan.hosts.values():
        yield from _host_lines(host, settings, spider.name)
    yield from _sitemap_lines(plan)
    yield from _time_lines(plan)


def _host_lines(host: HostPlan, settings: Settings, spider: str) -> Iterator[str]:
    from scrapekit.cli.saying import answer_text, given, limit_text, pause_text, rule_text

    agent = settings.identity.name
    yield host.host
    asked = max(
        (asked for site in host.sites.values() if (asked := site.asked(agent)) is not None),
        key=lambda each: each.seconds,
        default=None,
    )
    yield f"  delay       {pause_text(settings, host.host, asked, spider)}"
    at_once = given(settings, host.host, "concurrency", spider)
    yield f"  at once     {at_once.value}: concurrency by {rule_text(at_once)}"
    for key in _BUDGETS:
        if (limit := given(settings, host.host, key, spider)).value is not None:
            shown = limit_text(key, limit.value)
            yield f"  {'hours' if key == 'visit' else 'budget':11} {shown}: {key} by {rule_text(limit)}"
    robots = given(settings, host.host, "robots", spider)
    for site in host.sites.values():
        if robots.value == "ignore":
            yield f"  robots.txt  is not obeyed, by {rule_text(robots)}"
        yield f"  robots.txt  {answer_text(site.answer)}"
    yield f"  starts      {len(host.allowed):,} allowed, {len(host.disallowed):,} disallowed"
    for url, verdict in host.disallowed[:_SHOWN]:
        yield f"    {url}: {f'line {verdict.line}: {verdict.rule}' if verdict else 'robots.txt cannot be read'}"
    yield from _more(len(host.disallowed))
    yield f"  sitemaps    promise {host.promised:,} more URLs, and name {host.forbidden:,} that are disallowed"


def _sitemap_lines(plan: Plan) -> Iterator[str]:
    if not (plan.files or plan.unread):
        yield "no robots.txt names a sitemap"
        return
    yield f"sitemaps    {len(plan.files):,} asked for" + (f", {plan.unread:,} more not" if plan.unread else "")
    for file in plan.files[:_SHOWN]:
        what = file.problem or f"{file.kind}, {file.entries:,} entries{', and more than may be' if file.cut else ''}"
        yield f"    {file.url}: {what}"
    yield from _more(len(plan.files))
    for host, count in plan.elsewhere.most_common(_SHOWN):
        yield f"    {count:,} of their URLs are of {host}, where nothing begins"


def _time_lines(plan: Plan) -> Iterator[str]:
    from scrapekit.cli.saying import duration, seconds

    longest = plan.longest
    if longest is None:
        return
    if not any(host.promised for host in plan.hosts.values()):
        yield "time        cannot be told: nothing is known but the first requests"
    elif longest.pause == 0:
        yield "time        as fast as the hosts answer, for nothing asks for a pause"
    else:
        of = f"{longest.host}, {longest.requests:,} requests {seconds(longest.pause)} apart"
        more = ", and the sitemaps that were not read" if plan.unread else ""
        yield f"time        at least {duration(longest.least)}: {of}{more}; what only links lead to comes on top"


def _more(count: int) -> Iterator[str]:
    if count > _SHOWN:
        yield f"    and {count - _SHOWN:,} more"
