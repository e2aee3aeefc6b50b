"""The program ``scrapekit``: its list of commands, and what is said where one of them cannot go on."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from scrapekit.cli import exits
from scrapekit.errors import ScrapekitError, SinkError
from scrapekit.version import VERSION

#   command    what it does; here, so that help imports no command
COMMANDS: Final[Mapping[str, str]] = {
    "crawl": "Run a spider.",
    "runs": "Look at the runs that are kept; export, retry or delete them.",
    "cache": "Look at the pages that are kept for crawl --cache, or clear them.",
    "list": "List the project's spiders.",
    "new": "Make a project or a spider.",
    "config": "Show the settings, and which rule gave each.",
    "robots": "Ask a robots.txt about a URL.",
    "plan": "Say what a crawl would meet, and how long it must take.",
    "explain": "Say how a URL would be fetched, and why it would not.",
    "identity": "Make the key that signs your requests.",
    "audit": "Check that a run kept to the rules.",
    "demo": "Crawl a bookshop that runs on this machine.",
    "version": "Show the version.",
}


@dataclass(slots=True)
class Shell:
    """What holds for the whole program: how much it says (-1 for -q, 1 for -v)."""

    verbosity: int = 0


class Commands(click.Group):
    """Commands that are imported when they are called, in the order in which people meet them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"scrapekit.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(COMMANDS)}"
            raise click.UsageError(f"there is no command {args[0]!r} ({hint})", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, "-V", "--version", prog_name="scrapekit", message="%(prog)s %(version)s")
def program() -> None:
    """Crawl websites politely, and keep what their pages hold.

    Each command tells more: scrapekit COMMAND --help.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; the arguments are those of the command line unless they are given."""
    shell = Shell()
    try:
        result: Any = program.main(
            list(argv) if argv is not None else None, "scrapekit", standalone_mode=False, obj=shell
        )
        sys.stdout.flush()
        return result if isinstance(result, int) else exits.DONE
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return exits.USAGE
    except click.ClickException as error:
        return _refuse(_usage(error), shell)
    except ScrapekitError as error:
        return _refuse(str(error), shell, exits.WORK_LEFT if isinstance(error, SinkError) else exits.USAGE)
    except (KeyboardInterrupt, click.Abort):
        return exits.SIGINT
    except BrokenPipeError:
        # What is left in the buffer would raise again when Python flushes it at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.FAILED
    except Exception as error:  # noqa: BLE001 (a bug of ours, or of the user's code where we did not expect it)
        said = f"{type(error).__name__}: {error}".partition("\n")[0]
        return _refuse(f"{said} (this should not happen; -v shows where)", shell, exits.FAILED)


def _refuse(message: str, shell: Shell, code: int = exits.USAGE) -> int:
    """One line, and with -v how it came to it."""
    if shell.verbosity > 0:
        traceback.print_exc()
    click.echo(f"scrapekit: {' '.join(message.splitlines())}", err=True)
    return code


def _usage(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    text = error.format_message()
    text = text[:1].lower() + text[1:].rstrip(".")
    command = context.command_path.partition(" ")[2] if context else ""
    return f"{command}: {text}; see scrapekit {command} --help" if command else text
