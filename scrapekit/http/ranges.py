"""Which bytes a body is a part of, and whether a partial answer goes on with it (RFC 9110 §8.8 and §14).

Invariant: bytes are joined only under a strong validator, without content codings, and where one ends the next begins.

Plain decisions: knows of no files and sends nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

from scrapekit.headers import Headers
from scrapekit.http.exchange import Head

_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII | re.IGNORECASE)
_UNSATISFIED: Final = re.compile(r"bytes \*/(\d{1,18})", re.ASCII | re.IGNORECASE)
#: A date so many seconds before the answer's own is a strong validator (§8.8.2.2).
_SETTLED: Final = 60


@dataclass(slots=True)
class Version:
    """What a part is of: ``validator`` stands for exactly these bytes, and is empty if there is none.

    ``total`` is the size of the whole in bytes, where it is known.
    """

    validator: str = ""
    total: int | None = None

    @classmethod
    def of(cls, head: Head) -> Version:
        """What the answer with this head, which is whole, is of."""
        if head.headers.get("content-encoding"):
            return cls()
        return cls(validator(head.headers), head.length)

    def fields(self, held: int) -> Headers:
        """What asks for the rest, if it is still the same; for the whole if not (§13.1.5)."""
        return Headers({"Accept-Encoding": "identity", "Range": f"bytes={held}-", "If-Range": self.validator})

    def objection(self, head: Head, held: int) -> str:
        """Why a partial answer does not go on with so many bytes; empty if it does, and the total is noted then."""
        found = _RANGE.fullmatch(head.headers.get("content-range") or "")
        if not held or found is None or int(found[1]) != held or head.headers.get("content-encoding"):
            return "the range is not the one that was asked for"
        said = head.headers.get("etag" if self.validator.startswith('"') else "last-modified")
        if said is not None and said != self.validator:
            return "the range is another version's"
        if found[3] != "*":
            if self.total not in (None, int(found[3])):
                return "the whole has another size now"
            self.total = int(found[3])
        return ""


def validator(headers: Headers) -> str:
    """What stands for exactly these bytes: a strong ETag, or a date long enough past; empty if there is neither."""
    etag = headers.get("etag")
    if etag:
        return etag if etag.startswith('"') and etag.endswith('"') and len(etag) > 2 else ""
    modified = headers.get("last-modified") or ""
    try:
        age = parsedate_to_datetime(headers.get("date") or "") - parsedate_to_datetime(modified)
    except (TypeError, ValueError):
        return ""
    return modified if age.total_seconds() >= _SETTLED else ""


def whole_size(headers: Headers) -> int | None:
    """The size that an answer 416 says the whole has (§15.5.17)."""
    found = _UNSATISFIED.fullmatch(headers.get("content-range") or "")
    return int(found[1]) if found is not None else None
