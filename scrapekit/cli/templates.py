"""The files of a new project and of a new spider."""

from __future__ import annotations

import json
from string import Template
from typing import Final

PROJECT: Final = """\
# The settings of this project. Every key has a polite default; "scrapekit config" shows them all.

[scrapekit]
spiders = ["spiders"]            # the folders in which spiders are found

[identity]                       # who you are, to the sites you visit
name = "scrapekit"               # the robots.txt token, and the start of the User-Agent
# contact = "https://example.org/about-my-bot"
#   Put your own page or mail address there, and take the "#" away. Without it nothing but this
#   machine is crawled: the owner of a site must be able to reach whoever visits it.

[limits]                         # for every host
delay = 1.0                      # seconds between the starts of two requests to one host
concurrency = 1                  # requests to one host at once

# A host that permits more, or asks for less. The most specific pattern wins, key by key.
# [hosts."*.example.com"]
# delay = 0.25
"""

IGNORED: Final = """\
# What crawls leave behind.
.scrapekit/
"""

_SPIDER: Final = Template('''\
"""Crawls $host."""

from scrapekit import Item, Response, Spider, css


class Page(Item):
    """What is wanted of a page: each field says by a CSS selector where it stands."""

    url: str
    title: str | None = css("title")
    headings: list[str] = css("h1, h2")


class $cls(Spider):
    name = "$name"
    start_urls = [$url]
    allowed_domains = ["$domain"]

    def parse(self, response: Response):
        yield from response.items(Page, url=response.url)
        yield from response.follow_all(css="a")
''')


def spider(*, name: str, cls: str, url: str, host: str, domain: str) -> str:
    """The source of a spider that keeps the title of each page of a site, and follows each link within it."""
    return _SPIDER.substitute(name=name, cls=cls, url=json.dumps(url), host=host, domain=domain)
