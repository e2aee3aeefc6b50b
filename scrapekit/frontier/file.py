"""The frontier's file as its owner uses it: whole batches in, one JSON text out, and transactions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from scrapekit.frontier.schema import Translated, damaged, open_file


class File:
    """An open file. Every call raises SinkError where it is damaged or cannot be read or written."""

    def __init__(self, path: Path, *, resumed: bool = False) -> None:
        self.path = path
        self.data = open_file(path, resumed=resumed)
        self._full = False

    def __repr__(self) -> str:
        return f"<File {self.path}>"

    def run(self, statement: str, *values: Any) -> int:
        """Run a statement; lists and dicts go in as JSON. Gives how many rows it changed."""
        with Translated(self.path):
            return self.data.execute(statement, [_text(value) for value in values]).rowcount

    def run_named(self, statement: str, **values: Any) -> int:
        """Run a statement whose parameters have names."""
        with Translated(self.path):
            return self.data.execute(statement, {name: _text(value) for name, value in values.items()}).rowcount

    def ask(self, statement: str, values: tuple[Any, ...] | Mapping[str, Any] = ()) -> Any:
        """Run a statement that answers with one value, and give it; an answer that is JSON is read."""
        texts: Any
        if isinstance(values, Mapping):
            texts = {name: _text(value) for name, value in values.items()}
        else:
            texts = [_text(value) for value in values]
        with Translated(self.path):
            (answer,) = self.data.execute(statement, texts).fetchone()
        if not isinstance(answer, str):
            return answer
        try:
            return json.loads(answer)
        except ValueError as error:
            raise damaged(self.path, error) from error

    def read(self, statement: str) -> Iterator[Any]:
        """The one column of a statement's rows, one after the other."""
        with Translated(self.path):
            for (value,) in self.data.execute(statement):
                yield value

    @contextmanager
    def transaction(self, *, sync: bool = False) -> Iterator[None]:
        """All of it or nothing. ``sync``: it is over when it, and all before it, have reached the disk."""
        with Translated(self.path):
            if sync is not self._full:
                self.data.execute(f"PRAGMA synchronous = {'FULL' if sync else 'NORMAL'}")
                self._full = sync
            self.data.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.data.execute("COMMIT")
            except BaseException:
                # After some errors SQLite has gone back by itself.
                with suppress(sqlite3.Error):
                    self.data.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Work the log into the file, and let go of it. What cannot be worked in is kept in the log."""
        with suppress(sqlite3.Error):
            self.data.execute("PRAGMA busy_timeout = 1000")  # somebody who looks in may be in the way of it
            self.data.execute("PRAGMA synchronous = FULL")
            self.data.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self.data.close()


def _text(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value
