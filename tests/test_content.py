"""The bytes of an answer from the wire to a spider's hands: saved by name, gone on with, given back."""

from __future__ import annotations

import gc

import pytest

from scrapekit import Request, Settings, Spider, crawl_async
from scrapekit.content import Budget, Kept, Stored, chunks_of, move_new, place
from scrapekit.http.body import LARGE, SMALL, Spool
from scrapekit.testing import CLOSE, FakeNetwork, Page, VirtualClock

PDF = b"%PDF-1.7\n" + b"".join(b"%07d\n" % number for number in range(5_000))
INDEX = '<a href="/report">report</a><a href="/next">next</a>'
SETTINGS = Settings.model_validate({"identity": {"contact": "mailto:me@example.test"}, "limits": {"delay": 0.1}})


class Network(FakeNetwork):
    """One whose client has a spool of ours."""

    spool: Spool

    def client(self):
        client = super().client()
        client.spool = self.spool
        return client


@pytest.fixture
def crawled(run, tmp_path):
    """The statistics of a crawl of a spider over pages; afterwards no file and no memory is left of any body."""

    def crawler(spider, pages, memory=10**6):
        network, clock = Network({"a.test": pages}), VirtualClock()
        network.spool = Spool(tmp_path / "files", memory=memory)

        async def main():
            return await crawl_async(spider, SETTINGS, network=network, clock=clock)

        stats = run(main, clock=clock)
        gc.collect()
        assert network.spool.budget.used == 0
        assert not (tmp_path / "files").exists() or list((tmp_path / "files").iterdir()) == []
        assert network.open == 0
        return stats, network

    return crawler


class Reports(Spider):
    name = "reports"
    start_urls = ("http://a.test/",)

    def __init__(self, out):
        self.out, self.paths = out, []

    def parse(self, response):
        yield Request(response.urljoin("/report"), self.save, to_file=True)
        yield Request(response.urljoin("/missing"), self.save, to_file=True)

    def save(self, response):
        assert response.path is not None
        self.paths.append(response.path)
        assert b"".join(response.iter_bytes(1_000)) == PDF
        yield {"file": response.save(self.out).name, "links": len(response.links()), "status": response.status}


ATTACHED = {"Content-Disposition": 'attachment; filename="../../r.pdf"', "Content-Type": "application/pdf"}


def test_a_spider_saves_what_it_asked_for_as_a_file(crawled, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    spider = Reports(out)
    stats, _ = crawled(spider, {"/": INDEX, "/report": Page(PDF, headers=ATTACHED)})
    assert (stats.fetched, stats.failed, stats.items) == (2, 1, 1)
    assert [path.name for path in out.iterdir()] == ["r.pdf"]  # L07
    assert (out / "r.pdf").read_bytes() == PDF
    assert [path.parent.name for path in spider.paths] == ["files"]


def test_a_file_that_breaks_off_in_a_crawl_is_gone_on_with_by_its_retry(crawled, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    size, tag = len(PDF), 'ETag: "v1"\r\n'
    broken = (f"HTTP/1.1 200 OK\r\n{tag}Content-Length: {size}\r\n\r\n".encode(), PDF[:9_000], CLOSE)
    head = (
        f"HTTP/1.1 206 X\r\n{tag}Content-Length: {size - 9_000}\r\nContent-Range: bytes 9000-{size - 1}/{size}\r\n\r\n"
    )
    spider = Reports(out)
    stats, network = crawled(spider, {"/": INDEX, "/report": [broken, head.encode() + PDF[9_000:]]})
    assert (stats.fetched, stats.retries, stats.items) == (2, 1, 1)
    assert (out / "report").read_bytes() == PDF
    asked = [each.headers.get("range") for each in network.log if each.target == "/report"]
    assert asked == [None, "bytes=9000-"]
    assert stats.bytes < size  # what came of answers that stand: only the rest was sent again


class Chain(Spider):
    """Pages that are each held until the next ones have come."""

    name = "chain"
    start_urls = ("http://a.test/0",)

    def __init__(self, last):
        self.last, self.kinds = last, []

    def parse(self, response):
        self.kinds.append(type(response.content))
        number = int(response.url.rpartition("/")[2])
        assert response.title == f"page {number}"
        if number < self.last:
            yield f"/{number + 1}"


@pytest.mark.parametrize(
    ("size", "memory", "kind"),
    [
        (SMALL, 0, Kept),
        (SMALL + 1, 0, Stored),
        (SMALL + 1, SMALL + 1, Kept),
        (SMALL + 1, SMALL, Stored),
        (LARGE + 1, 10**9, Stored),
    ],
)
def test_a_page_is_read_the_same_from_memory_and_from_disk(crawled, size, memory, kind):
    pages = {}
    for number in range(3):
        page = f"<title>page {number}</title>".encode()
        pages[f"/{number}"] = Page(page + b" " * (size - len(page)))
    spider = Chain(2)
    stats, _ = crawled(spider, pages, memory)
    assert (stats.fetched, spider.kinds) == (3, [kind] * 3)


def test_memory_comes_back_with_each_page_and_not_in_the_end(crawled):
    pages = {f"/{number}": Page(f"<title>page {number}</title>" + " " * 40_000) for number in range(40)}
    spider = Chain(39)
    gc.disable()
    try:
        stats, network = crawled(spider, pages, memory=100_000)
    finally:
        gc.enable()
    assert stats.fetched == 40
    assert network.spool.files == 0
    assert set(spider.kinds) == {Kept}


# ---- pieces and places ----


def test_pieces_are_joined_once():
    kept = Kept(Budget(10))
    assert kept.read() == b""
    for piece in (b"a", b"bc", b""):
        kept.add(piece)
    assert kept.read() is kept.read()
    assert (kept.read(), kept.size, list(kept.chunks(2))) == (b"abc", 3, [b"ab", b"c"])
    assert kept.clear() == [b"abc"]
    assert (kept.read(), kept.size) == (b"", 0)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
def test_chunks_are_all_of_it_in_order(size):
    chunks = list(chunks_of(b"abcd", size))
    assert b"".join(chunks) == b"abcd"
    assert all(len(chunk) == size for chunk in chunks[:-1])


def test_a_name_that_is_taken_stays_as_it_is(tmp_path):
    source, taken = tmp_path / "a", tmp_path / "b"
    source.write_text("new")
    taken.write_text("old")
    with pytest.raises(FileExistsError):
        move_new(source, taken)
    assert (source.read_text(), taken.read_text()) == ("new", "old")
    move_new(source, tmp_path / "c")
    assert ((tmp_path / "c").read_text(), source.exists()) == ("new", False)


def test_a_body_that_cannot_be_written_leaves_nothing_where_it_was_to_go(tmp_path):
    gone = Stored(tmp_path / "gone.body", shared=False)
    with pytest.raises(FileNotFoundError):
        place(gone, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
