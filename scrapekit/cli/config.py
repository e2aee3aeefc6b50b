"""``scrapekit config``: the settings as TOML, each with where it comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from scrapekit.auth import Auth
from scrapekit.cli.options import read_settings, sets, verbose
from scrapekit.config import FILE_NAME, Settings
from scrapekit.errors import BadURL, ConfigError
from scrapekit.headers import Headers
from scrapekit.proxies import ProxyList
from scrapekit.tables import Table
from scrapekit.tomlfile import KeyPath, dotted
from scrapekit.units import size_text
from scrapekit.url import canonical_host

#: Their values are nobody's business; settings are pasted into bug reports.
_SECRET: Final = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})
_NOTE_AT: Final = 40
_SIZES: Final = frozenset({"max_size"})


@click.command("config", short_help="Show the settings, and which rule gave each.")
@click.option("--host", metavar="HOST", help="Show the limits in force for this host, such as shop.example.com:8080.")
@click.option("--spider", default="", metavar="NAME", help="With --host: the limits that hold for this spider.")
@sets
@verbose
def command(host: str | None, spider: str, sets: tuple[str, ...]) -> None:
    """Show the settings in force as TOML, each with its origin: a line of scrapekit.toml, --set, or the default.

    With --host, the limits of that host, each with the rule that gave it.
    """
    settings = read_settings(sets)
    if spider and host is None:
        raise click.UsageError("--spider needs --host")
    for line in _of_host(settings, host, spider) if host is not None else _whole(settings):
        click.echo(line)


def _whole(settings: Settings) -> Iterator[str]:
    yield f"# {settings.file or f'no {FILE_NAME} here or above: these are the defaults'}"
    for name in type(settings).model_fields:
        yield from _table(settings, (name,), getattr(settings, name))


def _table(settings: Settings, path: KeyPath, table: Table | Mapping[str, Any]) -> Iterator[str]:
    """A table's own keys, then the tables in it. Of rules for hosts and spiders only what they say."""
    named = (
        dict(table) if isinstance(table, Mapping) else {key: getattr(table, key) for key in type(table).model_fields}
    )
    if len(path) > 1 and isinstance(table, Table):
        named = {key: value for key, value in named.items() if key in table.model_fields_set}
    inner = {key: value for key, value in named.items() if isinstance(value, (Table, dict))}
    own = {key: value for key, value in named.items() if key not in inner}
    if own:
        yield ""
        yield f"[{dotted(path)}]"
    for key, value in own.items():
        yield _line(key, value, settings.origin((*path, key)))
    for key, value in inner.items():
        yield from _table(settings, (*path, key), value)


def _of_host(settings: Settings, text: str, spider: str) -> Iterator[str]:
    try:
        host = canonical_host(text)
    except BadURL:
        raise ConfigError(f"{text!r} is not a host", hint="such as shop.example.com, or 127.0.0.1:8080") from None
    yield f"# {host}" + (f", spider {spider}" if spider else "")
    if spider and spider not in settings.spiders:
        yield f"# no table [{dotted(('spiders', spider))}]: what holds for every spider holds for this one"
    yield f"# User-Agent: {settings.user_agent}"
    if settings.on_loopback(host):
        yield "# this machine"
    try:
        settings.check_host(host, spider)
    except ConfigError as error:
        yield f"# would be refused: {error}"
    yield ""
    for key, value, rule, line in settings.explain(host, spider):
        yield _line(key, value, f"{rule}, {FILE_NAME}:{line}" if line else rule)


def _line(key: str, value: Any, origin: str) -> str:
    name = key if key.startswith("headers.") else dotted([key])
    text = f"# {name} is not set" if value is None else f"{name} = {_toml(name, value)}"
    return f"{text:{_NOTE_AT}}  # {origin}"


def _toml(key: str, value: Any) -> str:
    if key.lower().removeprefix("headers.") in _SECRET and value:
        return '"(not shown)"'
    if isinstance(value, Headers):
        fields = [f"{dotted([name])} = {_toml(name, content)}" for name, content in value.raw]
        return f"{{ {', '.join(fields)} }}" if fields else "{}"
    if isinstance(value, Auth):
        return _inline(value.written())
    if isinstance(value, ProxyList):
        value = value.shown()
    if isinstance(value, tuple):
        return f"[{', '.join(_toml('', each) for each in value)}]"
    if key in _SIZES:
        return json.dumps(size_text(value))
    return json.dumps(value, ensure_ascii=False)


def _inline(value: Any) -> str:
    """A table on one line, as TOML has it."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{dotted([key])} = {_inline(each)}' for key, each in value.items())} }}"
    return json.dumps(value, ensure_ascii=False)
