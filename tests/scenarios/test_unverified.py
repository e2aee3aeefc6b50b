"""G01 in a crawl: what is not verified is refused; where somebody wants it so, it is said and kept with the run."""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from scrapekit import crawl
from scrapekit.config import load
from scrapekit.errors import TLSFailed
from tests.scenarios.crawling import Visit
from tests.scenarios.server import GOOD


@pytest.fixture
def site(web: Callable[..., Any]) -> Any:
    """A site whose certificate is of a CA that nobody knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("a.test", "b.test").configure_cert(context)
    return web({"/": GOOD}, context=context)


def test_G01_a_crawl_refuses_it_and_does_not_try_again(site: Any) -> None:
    crawled = site.crawl(["https://a.test/"], "limits.circuit_failures=0")
    assert (crawled.outcomes, crawled.reasons) == ((0, 1, 0, 0), {"failed: tls": 1})
    assert type(crawled.failures[0].error) is TLSFailed
    assert site.server.connections == 1
    assert site.server.asked == []


def test_G01_verification_is_off_for_the_one_host_that_it_is_switched_off_for(
    site: Any, tmp_path: Path, caplog: Any
) -> None:
    names = "".join(f'"{name}" = "{address}"\n' for name, address in site.names.items())
    (tmp_path / "scrapekit.toml").write_text(
        f'[limits]\ndelay = 0\n[hosts."a.test"]\nverify = false\n[resolve]\n{names}'
    )
    spider = Visit(["https://a.test/", "https://b.test/"])
    with caplog.at_level(logging.WARNING):
        stats = crawl(spider, load(tmp_path / "scrapekit.toml"))
    assert ([each.url for each in spider.answers], stats.failed) == (["https://a.test/"], 1)
    said = [record.getMessage() for record in caplog.records if "certificate" in record.getMessage()]
    assert said[:2] == [
        'certificates are not checked where [hosts."a.test"] holds: anybody may answer there',
        "a.test: its certificate is not checked",
    ]
    (ledger,) = tmp_path.rglob("ledger.jsonl")
    assert '"a.test":{"verify":false}' in json.dumps(
        [json.loads(line) for line in ledger.read_text().splitlines()], separators=(",", ":")
    )
