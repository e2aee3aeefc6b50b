"""``scrapekit identity``: the key by which sites can tell that it is you."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from scrapekit.cli.options import read_settings, verbose
from scrapekit.config import FILE_NAME, Settings
from scrapekit.errors import ConfigError
from scrapekit.importing import shown

if TYPE_CHECKING:
    from scrapekit.signing import Key

#: Below .scrapekit, which is kept out of version control.
_FOLDER: Final = Path(".scrapekit") / "identity"
_KEY, _DIRECTORY = "signing-key.pem", "http-message-signatures-directory"


@click.group("identity", short_help="Make the key that signs your requests.")
def command() -> None:
    """Make the key that signs your requests, so that a site can tell that it is you (Web Bot Auth)."""


@command.command("new", short_help="Make a key, and the file by which sites find it.")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(file_okay=False, path_type=Path))
@verbose
def new(folder: Path | None) -> None:
    """Make an Ed25519 key and the directory that publishes it, in DIR (by default .scrapekit/identity of the project).

    Sites that know Web Bot Auth look the key up at an https address of yours and so know who asks, whatever the
    User-Agent says. What to do with both files is said at the end. Nothing is sent anywhere.
    """
    from scrapekit.signing import Key, directory

    settings = read_settings()
    folder = folder or settings.root / _FOLDER
    key = Key.new()
    secret, public = folder / _KEY, folder / _DIRECTORY
    _write(folder, {secret: key.pem(), public: directory([key]).encode()})
    for line in _next_steps(settings, key, secret, public):
        click.echo(line)


def _write(folder: Path, files: dict[Path, bytes]) -> None:
    """Write new files, readable by their owner alone; none is ever replaced."""
    for file in files:
        if file.exists():
            raise ConfigError("there is one already", file=shown(file), hint="give another folder, or move it away")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.parent.name == ".scrapekit":
            _keep_out_of_git(folder.parent)
        for file, content in files.items():
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
                opened.write(content)
    except OSError as error:
        raise ConfigError(f"no key can be kept there: {error.strerror}", file=shown(folder)) from None


def _keep_out_of_git(home: Path) -> None:
    ignore = home / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")


def _next_steps(settings: Settings, key: Key, secret: Path, public: Path) -> Iterator[str]:
    from scrapekit.signing import MEDIA_TYPE, WELL_KNOWN

    origin = settings.key_origin
    yield f"made {shown(secret)}: the key, which only you may read; keep it so, and out of version control"
    yield f"made {shown(public)}: its public half, {key.id}"
    yield ""
    yield f"1. Serve the second file at {origin or 'https://YOUR-SITE'}{WELL_KNOWN}"
    yield f"   with Content-Type: {MEDIA_TYPE}"
    yield f"2. Add to {FILE_NAME}, below [identity]:"
    yield f'   signing_key = "{_relative(secret, settings.root)}"'
    if origin is None:
        yield '   key_directory = "https://YOUR-SITE"'
    yield "Every request is then signed. To change the key, serve the old and the new one together for a day."


def _relative(file: Path, root: Path) -> str:
    file = file.absolute()
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.as_posix()
