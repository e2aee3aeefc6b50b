"""A form with files, as browsers write it: multipart/form-data (RFC 7578; HTML standard, "multipart form data").

Invariant: the same fields and files give the same bytes, on any day and any machine: the boundary is a digest of what
it parts. So a request counts as seen, and may be signed, as one with any other body.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from itertools import count
from mimetypes import MimeTypes
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeVar, Union

from scrapekit.errors import BadRequest

_T = TypeVar("_T")
Content = Union[bytes, str, "os.PathLike[str]"]
#: A path or bytes; or a file name, one of the two, and perhaps a content type.
File = Union[Content, tuple[str, Content], tuple[str, Content, str]]
Files = Mapping[str, Union[File, list[File]]]

#: What is sent where nothing is known of a file (RFC 7578 §4.4).
UNKNOWN: Final = "application/octet-stream"
_ESCAPES: Final = str.maketrans({"\n": "%0A", "\r": "%0D", '"': "%22"})
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_CONTENT_TYPE: Final = re.compile(r"[\x21-\x7e]+/[\x21-\x7e][\x20-\x7e]*")


def multipart(form: Any, files: Files) -> tuple[bytes, str]:
    """A body of the form's fields, then the files, each in its order; and its Content-Type.

    A field's value may be a list, a file may be as well: one part each. Paths are read now. Raises BadRequest for a
    file that cannot be read, and for what is no field or file.
    """
    parts = [*_fields(form), *_files(files)]
    boundary = first_free(_boundaries(parts), parts)
    line = b"--" + boundary.encode()
    body = b"".join(line + b"\r\n" + part + b"\r\n" for part in parts) + line + b"--\r\n"
    return body, f"multipart/form-data; boundary={boundary}"


def first_free(boundaries: Iterable[str], parts: list[bytes]) -> str:
    """The first that occurs in none of the parts (RFC 2046 §5.1)."""
    return next(each for each in boundaries if not any(each.encode() in part for part in parts))


def _boundaries(parts: list[bytes]) -> Iterator[str]:
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    for number in count():
        digest.update(bytes([number % 256]))
        yield f"----{digest.hexdigest()}"


def _fields(form: Any) -> Iterator[bytes]:
    for name, value in _pairs("form", form or {}):
        for each in value if isinstance(value, (list, tuple)) else [value]:
            content = each if isinstance(each, bytes) else _utf8(_LINE_END.sub("\r\n", str(each)))
            yield _head(name) + b"\r\n" + content


def _files(files: Files) -> Iterator[bytes]:
    for name, value in _pairs("files", files):
        for each in value if isinstance(value, list) else [value]:
            file_name, content, kind = _file(name, each)
            yield _head(name, file_name) + f"Content-Type: {kind}\r\n\r\n".encode() + content


def _pairs(what: str, given: Mapping[str, _T] | Iterable[tuple[str, _T]]) -> list[tuple[str, _T]]:
    try:
        return [(name, value) for name, value in (given.items() if isinstance(given, Mapping) else given)]
    except (TypeError, ValueError):
        raise BadRequest(f"{what}= is not names with their values: {given!r}") from None


def _head(name: Any, file_name: str | None = None) -> bytes:
    if not isinstance(name, str):
        raise BadRequest(f"a part's name is a str, not {name!r}")
    field = _LINE_END.sub("\r\n", name).translate(_ESCAPES)
    head = f'Content-Disposition: form-data; name="{field}"'
    if file_name is not None:
        head += f'; filename="{file_name.translate(_ESCAPES)}"'
    return _utf8(head) + b"\r\n"


def _file(name: str, given: Any) -> tuple[str, bytes, str]:
    """A file's name, content and content type. Bytes alone are named as their field is."""
    file_name, content, kind = _told(name, given)
    if not isinstance(file_name, str):
        raise BadRequest(f"file {name!r}: its name is a str, not {file_name!r}")
    if kind is not None and (not isinstance(kind, str) or not _CONTENT_TYPE.fullmatch(kind)):
        raise BadRequest(f"file {name!r}: {kind!r} is no content type, such as image/png")
    return file_name, _content(name, content), kind or _types().get(PurePosixPath(file_name).suffix.lower(), UNKNOWN)


def _told(name: str, given: Any) -> tuple[Any, Any, Any]:
    if isinstance(given, tuple):
        if len(given) not in (2, 3):
            raise BadRequest(f"file {name!r} is a path, bytes, or (file name, bytes, content type)")
        return given[0], given[1], given[2] if len(given) == 3 else None
    return Path(given).name if isinstance(given, (str, os.PathLike)) else name, given, None


def _content(name: str, content: Any) -> bytes:
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content)
    try:
        return Path(content).read_bytes()
    except OSError as error:
        raise BadRequest(f"file {name!r} cannot be read (a str is a path): {content}: {error.strerror}") from None
    except (TypeError, ValueError) as error:
        raise BadRequest(f"file {name!r} is neither a path nor bytes: {error}") from None


@lru_cache(maxsize=1)
def _types() -> dict[str, str]:
    """Content types by extension: Python's own, for what a system adds to them differs from one to the next."""
    return MimeTypes().types_map[True]


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise BadRequest(f"not text that can be sent: {error}") from None
