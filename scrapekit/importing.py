"""Import the user's files, and say where one of them broke.

Knows nothing of spiders.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType, TracebackType
from typing import NamedTuple

from scrapekit.errors import ConfigError


class Place(NamedTuple):
    """Where something stands."""

    file: Path
    line: int | None

    def __str__(self) -> str:
        return f"{shown(self.file)}:{self.line}" if self.line else shown(self.file)


def load_file(file: Path, root: Path | None) -> ModuleType:
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
        raise broken(error, file) from error
    return module


def load_module(name: str) -> ModuleType:
    """Import a module by its name, as the import statement in a file of the current folder would.

    Raises ConfigError if there is none, or with the line at which it broke.
    """
    _on_path(Path.cwd(), 0)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or f"{name}.".startswith(f"{error.name}."):
            raise ConfigError(f"there is no module {name!r}", hint="a file is given with its .py") from None
        raise broken(error, None) from error
    except (Exception, SystemExit) as error:
        raise broken(error, None) from error


def broken(error: BaseException, file: Path | None) -> ConfigError:
    """Where a file broke: the last line of the user's own that was running, or the one that does not parse."""
    if isinstance(error, SyntaxError) and error.filename:
        place, what = Place(Path(error.filename), error.lineno), f"{type(error).__name__}: {error.msg}"
    else:
        place, what = _last_line(error.__traceback__, file), f"{type(error).__name__}: {error}"
    return ConfigError(what.partition("\n")[0], file=shown(place.file), line=place.line)


def shown(path: Path) -> str:
    """A path as a person at the current folder would write it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


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
