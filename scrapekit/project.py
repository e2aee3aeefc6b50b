"""Find the spiders of a project, and one spider by what a person calls it.

Each file is imported by itself: one that breaks is told with file and line, and hides no other. Files and folders that
begin with ``_`` or ``.`` are not looked into.

Knows nothing of how a spider runs.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import NamedTuple

from scrapekit.config import Settings
from scrapekit.errors import ConfigError
from scrapekit.spider import Spider


class Place(NamedTuple):
    """Where something stands."""

    file: Path
    line: int | None

    def __str__(self) -> str:
        return f"{shown(self.file)}:{self.line}" if self.line else shown(self.file)


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
                spiders.extend(spiders_in(_load(file, _root(settings))))
            except ConfigError as error:
                problems.append(error)
    problems.extend(_unknown_tables(settings, {spider.name for spider in spiders}) if not problems else ())
    return Catalogue(tuple(spiders), tuple(problems))


def pick(target: str, settings: Settings) -> type[Spider]:
    """The spider that is meant by a name of the project, ``path/to/spider.py[:Class]`` or ``module:Class``.

    Raises ConfigError with what to do about it: nothing of the kind, several, or a file that breaks.
    """
    place, _, name = target.rpartition(":") if ":" in target else (target, "", "")
    if place.endswith(".py"):
        return _one_of(_load(Path(place), _root(settings)), name, place)
    if name:
        return _one_of(_module(place), name, place)
    if settings.file is None:
        raise ConfigError(f"there is no spider {target!r}, for there is no project here", hint=_without_project(target))
    return discover(settings).named(target)


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


def shown(path: Path) -> str:
    """A path as a person at the current folder would write it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*.py")):
        if not any(part.startswith(("_", ".")) for part in path.relative_to(folder).parts):
            yield path


def _load(file: Path, root: Path | None) -> ModuleType:
    """Import one file. Raises ConfigError with the line at which it broke."""
    file = file.absolute()
    if not file.is_file():
        raise ConfigError("there is no such file", file=shown(file))
    name = _module_name(file, root)
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(file):
        return known  # another spider file has imported it; twice would be two classes
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec, "importlib knows what .py means"
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs, as the import statement does: pydantic looks names up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        sys.modules.pop(name, None)
        raise _broken(error, file) from error
    return module


def _root(settings: Settings) -> Path | None:
    return settings.root if settings.file else None


def _module_name(file: Path, root: Path | None) -> str:
    """A file of the project is named as its fellows import it, ``spiders.quotes``; any other gets a name of its own.

    In both cases what lies beside it can be imported as well, but hides no library of the same name.
    """
    _on_path(file.parent, len(sys.path))
    parts = file.with_suffix("").relative_to(root).parts if root and file.is_relative_to(root) else ()
    if root and len(parts) > 1 and all(part.isidentifier() for part in parts):
        _on_path(root, 0)
        return ".".join(parts)
    digest = hashlib.blake2b(str(file).encode(), digest_size=4).hexdigest()
    return f"scrapekit_spider_{digest}"


def _on_path(folder: Path, at: int) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(at, str(folder))


def _module(name: str) -> ModuleType:
    _on_path(Path.cwd(), 0)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or f"{name}.".startswith(f"{error.name}."):
            raise ConfigError(f"there is no module {name!r}", hint="a file is given with its .py") from None
        raise _broken(error, None) from error
    except (Exception, SystemExit) as error:
        raise _broken(error, None) from error


def _broken(error: BaseException, file: Path | None) -> ConfigError:
    """Where a file broke: the last line of the user's own that was running, or the one that does not parse."""
    if isinstance(error, SyntaxError) and error.filename:
        place, what = Place(Path(error.filename), error.lineno), f"{type(error).__name__}: {error.msg}"
    else:
        place, what = _last_line(error.__traceback__, file), f"{type(error).__name__}: {error}"
    return ConfigError(what.partition("\n")[0], file=shown(place.file), line=place.line)


def _last_line(trace: TracebackType | None, file: Path | None) -> Place:
    """The innermost line in the file itself; for a module, in whatever is neither a library nor ours."""
    places = []
    while trace is not None:
        places.append(Place(Path(trace.tb_frame.f_code.co_filename), trace.tb_lineno))
        trace = trace.tb_next
    own = [place for place in places if place.file == file or (file is None and _is_users(place.file))]
    return (own or [Place(file or places[-1].file, None)])[-1]


def _is_users(file: Path) -> bool:
    foreign = {"site-packages", "dist-packages", "importlib"}
    return file.suffix == ".py" and not foreign & set(file.parts) and not file.is_relative_to(Path(__file__).parent)


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
