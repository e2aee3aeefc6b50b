"""``scrapekit demo``: a bookshop on this machine, and a polite crawl of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scrapekit.cli import exits
from scrapekit.cli.app import Shell
from scrapekit.cli.options import quiet, verbose

if TYPE_CHECKING:
    from scrapekit.cli.running import Stops
    from scrapekit.config import Settings
    from scrapekit.demo import Demo
    from scrapekit.http.server import Access
    from scrapekit.watch import Console

#: How often the server that only serves looks whether it is to end, in seconds.
_TICK = 0.2


@click.command("demo", short_help="Crawl a bookshop that runs on this machine.")
@click.option("--serve", is_flag=True, help="Only serve the shop, to look at it in a browser, until Ctrl-C.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="Serve on this port.")
@quiet
@verbose
@click.pass_obj
def command(shell: Shell, serve: bool, port: int | None) -> int:
    """Serve a shop of 1,000 books on loopback, and crawl it, politely, with the bundled spiders.

    The items are kept in the runs' folders below .scrapekit/runs. The port is a free one by default, with --serve 8900.
    """
    from scrapekit import kernel
    from scrapekit.cli.running import Stops
    from scrapekit.watch import logging_to, open_console

    console = open_console()
    with logging_to(console, verbosity=shell.verbosity), Stops().listening() as stops:
        code: int = kernel.run(_serve, port, stops) if serve else kernel.run(_crawl, port or 0, shell, console, stops)
        return code


async def _serve(port: int | None, stops: Stops) -> int:
    from scrapekit.demo import PORT, serving
    from scrapekit.kernel import Alarm

    async with serving(PORT if port is None else port) as demo:
        click.echo(f"the shop is at {demo.url} until Ctrl-C")
        while not stops.code:
            await Alarm().sleep(_TICK)
    return exits.DONE


async def _crawl(port: int, shell: Shell, console: Console, stops: Stops) -> int:
    from scrapekit.demo import serving

    async with serving(port) as demo:
        return await visit(demo, shell.verbosity, console, stops)


async def visit(demo: Demo, verbosity: int, console: Console, stops: Stops) -> int:
    """Crawl the shop with one spider after the other, and let its own log have the last word."""
    from scrapekit.cli.running import Wish, watched
    from scrapekit.demo import SPIDERS
    from scrapekit.project import discover

    settings, codes = _settings(demo), []
    spiders = discover(settings)
    for name in SPIDERS:
        if not stops.code:
            wish = Wish(verbosity=verbosity)
            codes.append(await watched(spiders.named(name)(), settings, wish, console, stops, root=Path.cwd()))
    if verbosity >= 0:
        console.say("")
        for line in _seen_by_server(demo.log):
            console.say(line)
    return stops.code or max(codes)


def _settings(demo: Demo) -> Settings:
    """The bundled project's, with its names leading to the port that is served."""
    from scrapekit.config import FILE_NAME, load
    from scrapekit.demo import project

    names = [f'resolve."{name}"="{address}"' for name, address in demo.resolve.items()]
    return load(project() / FILE_NAME).overridden(names)


def _seen_by_server(log: Iterable[Access]) -> Iterator[str]:
    """What the shop's own log says of the visit; it knows nothing of the crawl's."""
    by_host: dict[str, list[Access]] = {}
    for access in sorted(log, key=lambda access: access.started):
        by_host.setdefault(access.host.partition(":")[0], []).append(access)
    for host, seen in by_host.items():
        gap = min((later.started - earlier.started for earlier, later in pairwise(seen)), default=0.0)
        yield f"The log of {host} itself: {len(seen):,} requests, no two closer than {gap:.3f} s."
