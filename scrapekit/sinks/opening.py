"""From what the user wrote after ``-o`` to a sink, and what to say where that cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, Protocol

from scrapekit.errors import ConfigError, SinkShort
from scrapekit.sinks.csvfile import CsvSink
from scrapekit.sinks.jsonarray import JsonArraySink
from scrapekit.sinks.jsonlines import JsonLinesSink
from scrapekit.sinks.parquetfile import ParquetSink, check_installed, part_of
from scrapekit.sinks.sink import Sink
from scrapekit.sinks.sqlitefile import SQLiteSink
from scrapekit.sinks.stdout import StdoutSink

#: What stands for standard output.
STDOUT: Final = "-"


class _FileSink(Sink, Protocol):
    def check(self) -> None: ...


#   ending     what writes it
_BY_ENDING: Final[Mapping[str, Callable[..., _FileSink]]] = {
    ".jsonl": JsonLinesSink,
    ".ndjson": JsonLinesSink,
    ".json": JsonArraySink,
    ".csv": CsvSink,
    ".sqlite": SQLiteSink,
    ".db": SQLiteSink,
    ".parquet": ParquetSink,
}


def open_sink(
    target: str | Path, *, overwrite: bool = False, append: bool = False, resume_at: int | None = None
) -> Sink:
    """Open the sink for a file, by its ending, or for ``-``, standard output as JSON Lines.

    ``resume_at`` is a position that the same file's sink once gave: what was written after it is cut off. Raises
    ConfigError as ``check_target`` does, or for a file to which nothing can be added; SinkShort for one that is
    missing, or shorter than its position, on resume.
    """
    if target == STDOUT:
        return StdoutSink()
    path = Path(target)
    check_target(path, overwrite=overwrite or resume_at is not None, append=append)
    found = _stands(path) and not overwrite
    if resume_at is not None and not found:
        raise SinkShort("is not there any more", file=path)
    try:
        sink = _BY_ENDING[path.suffix.lower()](path, fresh=not found)
    except OSError as error:
        raise _unopened(path, error) from error
    try:
        if resume_at is not None:
            sink.rewind(resume_at)
        elif found:
            sink.check()
    except BaseException as error:
        sink.close()
        if isinstance(error, OSError):
            raise _unopened(path, error) from error
        raise
    return sink


def check_target(target: str | Path, *, overwrite: bool = False, append: bool = False) -> None:
    """Raise ConfigError, touching nothing, unless a sink can be opened there: says what is wrong and the way out."""
    if target == STDOUT:
        return
    path = Path(target)
    _check_ending(path)
    try:
        _check_place(path, free=overwrite or append)
        if not overwrite and _is_parquet(path) and part_of(path).exists():
            hint = f"resume that run; or {'delete that, the file is as it was' if append else '--overwrite removes it'}"
            raise ConfigError(f"{part_of(path).name} is left of a run that was killed", file=path, hint=hint)
    except OSError as error:
        raise _unopened(path, error) from error


def _check_ending(path: Path) -> None:
    if path.suffix.lower() not in _BY_ENDING:
        known = ", ".join(_BY_ENDING)
        what = f"the ending {path.suffix!r} is not known" if path.suffix else "has no ending that tells the format"
        raise ConfigError(what, file=path, hint=f"known are {known}, and - for standard output")
    if _is_parquet(path):
        check_installed(path)


def _check_place(path: Path, *, free: bool) -> None:
    if not path.parent.is_dir():
        raise ConfigError(f"there is no folder {path.parent}", file=path, hint=f"mkdir -p {path.parent}")
    if path.exists() and not path.is_file():
        raise ConfigError("is not a file", file=path)
    if path.exists() and not free:
        raise ConfigError("exists already", file=path, hint="--overwrite replaces it, --append adds to it")


def check_targets(targets: Iterable[str | Path], *, overwrite: bool = False, append: bool = False) -> None:
    """Check each target before any is opened, so that a bad one leaves no trace of the others.

    Raises ConfigError, also for one that is named twice and for ``overwrite`` together with ``append``.
    """
    if overwrite and append:
        raise ConfigError("--overwrite and --append exclude each other")
    seen: set[str | Path] = set()
    for target in targets:
        check_target(target, overwrite=overwrite, append=append)
        place = target if target == STDOUT else Path(target).resolve()
        if place in seen:
            raise ConfigError("is named twice", file=target)
        seen.add(place)


def _is_parquet(path: Path) -> bool:
    return _BY_ENDING.get(path.suffix.lower()) is ParquetSink


def _stands(path: Path) -> bool:
    """Whether there is something to go on with."""
    return path.exists() or (_is_parquet(path) and part_of(path).exists())


def _unopened(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"cannot be opened: {error.strerror or error}", file=path)
