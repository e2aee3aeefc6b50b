"""The former run of a spider, as an incremental crawl stands to it: what to ask again, how, and what has changed.

Every request of the former run is made again, so that an index page which is as before does not hide its links. A page
is asked for on condition that it has changed, by the validators that its URL gave (RFC 9110 §13.1). Where the server
gives none, pays no heed to them, or has new ones for the same bytes, a digest of the body tells. A page is unchanged
only for the callback that got it before.

Does not send, and does not decide what becomes of a page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from hashlib import sha1
from pathlib import Path
from typing import Any, Final, Self

from scrapekit.errors import ConfigError, SinkError
from scrapekit.formerpages import (
    FILE_NAME,
    GONE,
    UNCHANGED,
    Ending,
    FormerPages,
    Page,
    build,
    callback_of,
    first_of,
)
from scrapekit.frontier import Validators
from scrapekit.frontier.archive import archived
from scrapekit.history import Account, State, accounts
from scrapekit.request import Request
from scrapekit.response import Response
from scrapekit.sinks import Kept, RunFolder
from scrapekit.sinks.marked import marked_line

#: Bytes of a page's digest: that a changed page has the same is one chance in 2 to the 64th.
DIGEST: Final = 8
#: Fields that make a request conditional, or ask for a part; whoever sets one judges the answer (RFC 9110 §13, §14).
CONDITIONS: Final = ("if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range", "range")
#: Bounds that somebody set; what such a crawl has done, it has done in good order.
_WISHED: Final = frozenset({"max-pages", "max-items", "max-time"})
#: A validator that can be sent back as it came; the spelling of an entity tag is the server's own affair.
_USABLE: Final = re.compile(r"[\x20-\x7e\x80-\xff]{1,512}")

Archive = Callable[[Path], Iterable[Ending]]


class Change(StrEnum):
    """How a page stands to the former run."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = UNCHANGED
    GONE = "gone"


class Former:
    """The former run, from within the folder of the new one. Lookups raise SinkError where its table is damaged."""

    def __init__(self, run: RunFolder, pages: FormerPages, archived: Archive) -> None:
        self._run, self._pages, self._archived = run, pages, archived

    @classmethod
    def open(cls, run: RunFolder, work: RunFolder, archived: Archive = archived) -> Self:
        """Read ``run`` into the folder of the new one, ``work``, unless that was done before it was interrupted.

        Raises ConfigError where it cannot be read, SinkError where nothing can be written.
        """
        if not (work.path / FILE_NAME).exists():
            try:
                build(run, work.path, archived)
            except SinkError as error:
                if Path(error.file).parent == work.path:
                    raise
                raise _unreadable(run, error) from error
        return cls(run, FormerPages(work.path), archived)

    def __repr__(self) -> str:
        return f"<Former {self._run.id}>"

    @property
    def id(self) -> str:
        """The id of the former run."""
        return self._run.id

    def close(self) -> None:
        """Let go of the table."""
        self._pages.close()

    def requests(self) -> Iterator[Request]:
        """Every request that the former run made, to be made again: the first one of each chain of redirects.

        ``start()`` gives again what it gave with ``dont_filter``, so that is left out. Raises ConfigError.
        """
        try:
            for ending in self._archived(self._run.frontier):
                request = first_of(ending.request, ending.history)
                if request.depth or not request.dont_filter:
                    yield request
        except SinkError as error:
            raise _unreadable(self._run, error) from error

    def conditional(self, request: Request, prepared: Request) -> Request:
        """What to send for ``request``, of which the spider made ``prepared``: with a condition, where one is known.

        Only GET and HEAD have one; conditions of the spider's own are left alone, and then none is added.
        """
        if request.method not in ("GET", "HEAD") or _has_conditions(prepared):
            return prepared
        page = self._pages.find(request)
        fields = _conditions(page) if page is not None and page.callback == callback_of(request) else {}
        return prepared.replace(headers=prepared.headers.updated(fields)) if fields else prepared

    def judge(self, response: Response) -> tuple[Validators, Change]:
        """How an answer's page stands to the former run, and by what the next run can ask for it again."""
        page, validators = self._find(response), validators_of(response)
        if page is None:
            return validators, Change.NEW
        assert response.request is not None
        if page.callback != callback_of(response.request) or not _is_same(page, response, validators):
            return validators, Change.CHANGED
        if response.status == 304:  # it may bring new ones (RFC 9111 §4.3.4)
            etag, modified = validators.etag or page.etag, validators.modified or page.modified
            validators = Validators(etag, modified, page.digest)
        return validators, Change.UNCHANGED

    def judge_failed(self, response: Response) -> Change:
        """How an answer that is no page stands to the former run."""
        if self._find(response) is None:
            return Change.NEW
        return Change.GONE if response.status in GONE else Change.CHANGED

    def items_of(self, response: Response, field: str) -> list[Kept]:
        """The items that a page gave when it was last read, marked as gone in ``field``.

        Where they cannot be found any more, one record that holds the page's ``url``.
        """
        page = self._find(response)
        lines = self._lines_of(page) if page is not None else None
        if lines is None:
            lines = [json.dumps({"url": response.history[0] if response.history else response.url})]
        return [Kept(marked_line(line, field, Change.GONE)) for line in lines]

    def _find(self, response: Response) -> Page | None:
        """What is known of a page by its own URL, else by the URL that led to it."""
        request = response.request
        assert request is not None
        return self._pages.find(request) or (
            self._pages.find(first_of(request, response.history)) if response.history else None
        )

    def _lines_of(self, page: Page) -> list[str] | None:
        if page.start is None or page.length is None:
            return None
        if not page.length:
            return []
        try:
            with self._run.beside(page.run).items.open("rb") as file:
                file.seek(page.start)
                text = file.read(page.length).decode()
        except (OSError, ValueError):
            return None
        return text.split("\n")[:-1] if text.endswith("\n") else None


def newest(root: Path, spider: str, arguments: Mapping[str, Any]) -> RunFolder | None:
    """The newest run of a spider with these arguments that ended in good order: a finished one, if there is any.

    Else the newest that stopped at a bound that was set. Raises ConfigError where a newer one is damaged: what that
    knew would be taken for new.
    """
    stopped: RunFolder | None = None
    for account in accounts(root, spider):
        if account.state is State.DAMAGED:
            raise _unreadable(account.folder, account.why)
        if (account.notes.get("arguments") or {}) != arguments:
            continue
        if account.kept and account.state is State.FINISHED:
            return account.folder
        if stopped is None and account.kept and _stopped_well(account):
            stopped = account.folder
    return stopped


def validators_of(response: Response) -> Validators:
    """By what a page can be asked for again, and told from another version of it."""
    headers = response.headers
    return Validators(_usable(headers.get("etag")), _usable(headers.get("last-modified")), digest_of(response))


def digest_of(response: Response) -> bytes:
    """What stands for an answer's status and body; nothing for one that has no body by its nature."""
    if response.status == 304 or (response.request is not None and response.request.method == "HEAD"):
        return b""
    # Nobody gains by two pages of one digest, and of those in the standard library this one is the fastest.
    digest = sha1(b"%d " % response.status, usedforsecurity=False)
    for chunk in (response.body,) if response.path is None else response.iter_bytes():
        digest.update(chunk)
    return digest.digest()[:DIGEST]


def _is_same(page: Page, response: Response, validators: Validators) -> bool:
    assert response.request is not None
    if response.status == 304:
        # One that was not asked for holds no page, and says nothing of the one that we know.
        return bool(page.etag or page.modified) and not _has_conditions(response.request)
    if page.digest and validators.digest:
        return validators.digest == page.digest
    return bool(page.etag) and validators.etag == page.etag and response.status < 300


def _conditions(page: Page) -> dict[str, str]:
    fields = {"If-None-Match": page.etag, "If-Modified-Since": page.modified}
    return {name: value for name, value in fields.items() if value}


def _has_conditions(request: Request) -> bool:
    return bool(request.headers.raw) and any(name in request.headers for name in CONDITIONS)


def _usable(value: str | None) -> str:
    return value if value and _USABLE.fullmatch(value) else ""


def _stopped_well(account: Account) -> bool:
    return account.state is State.STOPPED and account.why in _WISHED


def _unreadable(run: RunFolder, why: object) -> ConfigError:
    hint = "crawl without --since-last, or remove the run's folder"
    return ConfigError(f"the former run {run.id} cannot be read: {why}", hint=hint)
