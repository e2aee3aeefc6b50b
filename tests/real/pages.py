"""Trees of real pages on this machine, and a plain walk through their links as an independent count."""

from __future__ import annotations

from collections import deque
from html.parser import HTMLParser
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urldefrag, urljoin
from urllib.request import urlopen

#: Debian package    where its pages are
TREES = {
    "postgresql-doc-15": Path("/usr/share/doc/postgresql-doc-15/html"),
    "python3.11-doc": Path("/usr/share/doc/python3.11/html"),
}


def walk(start: str) -> dict[str, int]:
    """Follow every link below the start's folder, one page after another; each URL with the status it gave.

    Nothing of scrapekit takes part: the standard library fetches, parses and joins.
    """
    inside = start.rsplit("/", 1)[0] + "/"
    found = {start: 0}
    queue = deque([start])
    while queue:
        url = queue.popleft()
        try:
            with urlopen(url, timeout=30) as answer:
                found[url], kind = answer.status, answer.headers.get_content_type()
                text = answer.read().decode(answer.headers.get_content_charset("utf-8"), "replace")
        except HTTPError as error:
            found[url] = error.code
            error.close()
            continue
        if kind == "text/html":
            for href in hrefs(text):
                target = urldefrag(urljoin(url, href)).url
                if target.startswith(inside) and target not in found:
                    found[target] = 0
                    queue.append(target)
    return found


def hrefs(text: str) -> list[str]:
    """The href of every ``<a>``, as written but for the space around it."""
    parser = _Anchors()
    parser.feed(text)
    parser.close()
    return parser.found


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.extend(value.strip() for name, value in attrs if name == "href" and value)
