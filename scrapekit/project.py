"""Find the spiders of a project, and one spider by what a person calls it.

Each file is imported by itself: one that breaks is told with file and line, and hides no other. Files and folders that
begin with ``_`` or ``.`` are not looked into.

Knows nothing of how a spider runs.
"""

from __future__ import annotations

import difflib
import inspect
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from scrapekit.config import Settings
from scrapekit.errors import ConfigError
from scrapekit.importing import Place, broken, load_file, load_module, shown
from scrapekit.spider import Spider

log = logging.getLogger("scrapekit.project")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The spiders of a project, by name, and what is wrong with it."""

    spiders: tuple[type[Spider], ...]
    problems: tuple[ConfigError, ...]

    @property
    def names(self) -> list[str]:
        """The spiders' names, each once."""
        return sorted({spider.name for spider in self.spiders})

    def named(self, name: str) -> type[Spider]:
        """The one spider of this name. Raises ConfigError if there is none, or more than one."""
        found = [spider for spider in self.spiders if spider.name == name]
        if len(found) > 1:
            raise ConfigError(
                f"{len(found)} spiders are named {name!r}: {' and '.join(str(place_of(spider)) for spider in found)}",
                hint=f"rename all but one, or say which: {shown(place_of(found[0]).file)}:{found[0].__name__}",
            )
        if not found:
            raise ConfigError(f"there is no spider {name!r}", hint=self._instead(name))
        return found[0]

    def _instead(self, name: str) -> str:
        """What was probably meant, and which files could not be asked."""
        hints = [_nearest(name, self.names) or "see: scrapekit list"]
        hints.extend(f"not read: {problem}" for problem in self.problems)
        return "; ".join(hints)


def discover(settings: Settings) -> Catalogue:
    """Import every spider file of the project's folders."""
    spiders: list[type[Spider]] = []
    problems: list[ConfigError] = []
    for folder in settings.spider_folders:
        if not folder.is_dir():
            problems.append(_no_folder(folder, settings))
        for file in _files(folder):
            try:
                spiders.extend(spiders_in(load_file(file, _root(settings))))
            except ConfigError as error:
                problems.append(error)
    problems.extend(_unknown_tables(settings, {spider.name for spider in spiders}) if not problems else ())
    return Catalogue(tuple(spiders), tuple(problems))


def pick(target: str, settings: Settings) -> type[Spider]:
    """The spider that is meant by a name of the project, ``path/to/spider.py[:Class]`` or ``module:Class``.

    Raises ConfigError with what to do about it: nothing of the kind, several, or a file that breaks. What else is wrong
    with the project is logged as a warning.
    """
    place, _, name = target.rpartition(":") if ":" in target else (target, "", "")
    if place.endswith(".py"):
        return _one_of(load_file(Path(place), _root(settings)), name, place)
    if name:
        return _one_of(load_module(place), name, place)
    if settings.file is None:
        raise ConfigError(f"there is no spider {target!r}, for there is no project here", hint=_without_project(target))
    catalogue = discover(settings)
    spider = catalogue.named(target)
    for problem in catalogue.problems:
        log.warning("%s", problem)
    return spider


def make(spider: type[Spider], arguments: Mapping[str, str]) -> Spider:
    """The spider itself, made with the arguments of the command line.

    Raises ConfigError for arguments that it does not take, and for what its ``__init__`` raises, with the line.
    """
    try:
        inspect.signature(spider).bind(**arguments)
    except TypeError as error:
        raise ConfigError(f"spider {spider.name!r}: {error}", hint=_takes(spider)) from None
    try:
        return spider(**arguments)
    except (Exception, SystemExit) as error:
        raise broken(error, place_of(spider).file) from error


def spiders_in(module: ModuleType) -> list[type[Spider]]:
    """The spiders that a module defines itself; bases without a name are none."""
    return [
        each
        for each in vars(module).values()
        if isinstance(each, type)
        and issubclass(each, Spider)
        and each.__module__ == module.__name__
        and isinstance(getattr(each, "name", None), str)
    ]


def place_of(spider: type[Spider]) -> Place:
    """File and line of a spider's class."""
    file = Path(sys.modules[spider.__module__].__file__ or "")
    try:
        return Place(file, inspect.getsourcelines(spider)[1])
    except (OSError, TypeError):
        return Place(file, None)


def _root(settings: Settings) -> Path | None:
    return settings.root if settings.file else None


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*.py")):
        if not any(part.startswith(("_", ".")) for part in path.relative_to(folder).parts):
            yield path


def _one_of(module: ModuleType, name: str, place: str) -> type[Spider]:
    """The spider class of this name, or the only one there is."""
    if name and isinstance(found := getattr(module, name, None), type) and issubclass(found, Spider):
        return found
    spiders = spiders_in(module)
    classes = [spider.__name__ for spider in spiders]
    if name:
        raise ConfigError(f"{place} has no spider class {name!r}", hint=_nearest(name, classes))
    if len(spiders) == 1:
        return spiders[0]
    if not spiders:
        raise ConfigError(f"{place} has no spider", hint="a spider is a subclass of scrapekit.Spider with a name")
    raise ConfigError(f"{place} has {len(spiders)} spiders", hint=f"say which, such as {place}:{classes[0]}")


def _takes(spider: type[Spider]) -> str:
    names = [
        f"{name}=…" if each.default is each.empty else f"[{name}=…]"
        for name, each in inspect.signature(spider).parameters.items()
        if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    ]
    return f"it takes -a {' -a '.join(names)}" if names else "it takes none"


def _unknown_tables(settings: Settings, names: set[str]) -> Iterator[ConfigError]:
    """Limits for a misspelt spider would hold for nobody, in silence."""
    for name in settings.spiders:
        if name not in names:
            path = ("spiders", name)
            yield ConfigError(
                "no spider has this name",
                file=settings.file and shown(settings.file),
                line=settings.line(path),
                key=".".join(path),
                hint=_nearest(name, sorted(names)),
            )


def _no_folder(folder: Path, settings: Settings) -> ConfigError:
    line = settings.line(("scrapekit", "spiders"))
    return ConfigError(f"there is no folder {shown(folder)}", file=settings.file and shown(settings.file), line=line)


def _nearest(name: str, known: Sequence[str]) -> str | None:
    near = difflib.get_close_matches(name, known, 1)
    if near:
        return f"did you mean {near[0]}?"
    return f"there is {', '.join(known)}" if known else None


def _without_project(target: str) -> str:
    if Path(f"{target}.py").is_file():
        return f"did you mean {target}.py?"
    return "give a file, such as path/to/spider.py, or make a project: scrapekit new project DIR"
