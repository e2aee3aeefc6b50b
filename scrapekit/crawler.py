"""``crawl()``, the way in for Python callers, and what makes a crawl of settings, a spider and a run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Literal, overload

from scrapekit import kernel
from scrapekit.access import Network
from scrapekit.config import Settings, find_project, load
from scrapekit.errors import ConfigError
from scrapekit.execution import Crawl
from scrapekit.files import Export
from scrapekit.former import newest
from scrapekit.resume import to_resume
from scrapekit.scheduler import Bounds
from scrapekit.sinks import STDOUT, ListSink, RunFolder, Sink, check_targets
from scrapekit.spider import Spider
from scrapekit.stats import Stats

log = logging.getLogger("scrapekit.crawl")


@overload
def crawl(
    spider: Spider | type[Spider], settings: Settings | None = ..., *, items: Literal[True], **more: Any
) -> tuple[Stats, list[Any]]: ...
@overload
def crawl(
    spider: Spider | type[Spider], settings: Settings | None = ..., *, items: Literal[False] = ..., **more: Any
) -> Stats: ...
def crawl(spider: Spider | type[Spider], settings: Settings | None = None, *, items: bool = False, **more: Any) -> Any:
    """Run a spider to its end, and give the statistics; with ``items=True`` also the items, as (stats, items).

    Blocks; takes what ``crawl_async`` takes, and raises the same.
    """
    return kernel.run(_crawl, spider, settings, items, more)


async def crawl_async(
    spider: Spider | type[Spider], settings: Settings | None = None, *, items: bool = False, **more: Any
) -> Any:
    """``crawl`` inside curio.

    ``arguments``: for the spider's ``__init__``, where a class is given. ``output``: files or sinks for the items, with
    ``overwrite`` or ``append``. ``keep``: whether the run has a folder of its own below ``.scrapekit/runs``; by default
    it has, but on a fake ``network``. ``resume``: take up the newest run with work left, or the one of that id.
    ``since_last``: ask only for what has changed since the newest run that ended in good order.
    ``cache``: take what the project keeps of pages, and keep what is fetched: for working on the spider.
    ``max_pages``, ``max_items``, ``max_time``, ``max_failures``, ``fail_fast``: see Bounds. Settings are those of the
    nearest scrapekit.toml by default.

    Raises ConfigError or SinkError.
    """
    return await _crawl(spider, settings, items, more)


async def _crawl(spider: Spider | type[Spider], settings: Settings | None, items: bool, more: dict[str, Any]) -> Any:
    kept = ListSink()
    made = prepare_crawl(spider, settings, extra_sinks=(kept,) if items else (), **more)
    stats = await made.run()
    return (stats, kept.items) if items else stats


def prepare_crawl(
    spider: Spider | type[Spider],
    settings: Settings | None = None,
    *,
    arguments: Mapping[str, Any] | None = None,
    output: Sequence[str | Path | Sink] | str | Path = (),
    overwrite: bool = False,
    append: bool = False,
    keep: bool | None = None,
    resume: bool | str = False,
    since_last: bool = False,
    cache: bool = False,
    network: Network | None = None,
    clock: Callable[[], float] | None = None,
    extra_sinks: Sequence[Sink] = (),
    random: Random | None = None,
    root: Path | None = None,
    target: str = "",
    bounds: Bounds | None = None,
    **bound: Any,
) -> Crawl:
    """A crawl that is not yet running; its run is kept below ``root``, by default the project's.

    ``target`` is what a person calls the spider by. Raises ConfigError.
    """
    settings = settings or _found_settings()
    home = root or settings.root
    left = to_resume(home, spider.name, resume if isinstance(resume, str) else None) if resume else None
    given = {**(left.arguments if left else {}), **(arguments or {})}
    made = spider if isinstance(spider, Spider) else spider(**given)
    if cache and since_last:
        raise ConfigError("--cache and --since-last exclude each other: what is kept never changes")
    targets = [output] if isinstance(output, (str, Path)) else output
    files = [target for target in targets if isinstance(target, (str, Path))]
    if left is None:
        check_targets(files, overwrite=overwrite, append=append)
    wants_folder = keep if keep is not None else network is None
    since = _former(home, made.name, _storable(given)) if since_last and left is None and wants_folder else None
    if left is not None and since_last and not left.peek.notes.get("former"):
        log.warning("run %s was begun without --since-last, and goes on so", left.run.id)
    run = left.run if left else RunFolder.create(home, made.name) if wants_folder else None
    try:
        return Crawl(
            made,
            settings,
            bounds=bounds or Bounds(**({"max_failures": settings.crawl.max_failures} | bound)),
            exports=[Export(_placed(file), overwrite=overwrite, append=append) for file in files],
            sinks=[*(target for target in targets if not isinstance(target, (str, Path))), *extra_sinks],
            run=run,
            resumed=left is not None,
            since=since,
            cache=cache,
            facts=_facts(arguments=_storable(given), target=target, former=since.id if since else ""),
            clock=clock,
            network=network,
            random=random,
        )
    except ConfigError:
        if run is not None and left is None:
            run.remove()  # nothing has begun
        raise


def _facts(**facts: Any) -> dict[str, Any]:
    """What is noted of a run besides: a run that is taken up keeps what is not told again."""
    return {name: value for name, value in facts.items() if value}


def _former(root: Path, spider: str, arguments: Mapping[str, Any]) -> RunFolder | None:
    """The run to go by, said."""
    found = newest(root, spider, arguments)
    if found is None:
        such = "with these arguments " if arguments else ""
        log.warning("no run of %s %shas ended in good order, so this is an ordinary crawl", spider, such)
    else:
        log.info("asking for what has changed since run %s", found.id)
    return found


def _storable(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those that can be noted; a caller from Python gives the others again."""
    kinds = (str, int, float, bool, type(None))
    return {name: value for name, value in arguments.items() if isinstance(value, kinds)}


def _placed(target: str | Path) -> str:
    """An export's target as it is noted: a run may be taken up in another folder."""
    return STDOUT if target == STDOUT else str(Path(target).absolute())


def _found_settings() -> Settings:
    file = find_project(Path.cwd())
    return load(file) if file else Settings()


__all__ = ["Bounds", "ConfigError", "Crawl", "crawl", "crawl_async", "prepare_crawl"]
