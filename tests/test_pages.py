"""What a spider makes of an answer: who gets it, what counts as what, and what never enters the frontier."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path

import curio
import curio.meta
import pytest
from pydantic import BaseModel

from scrapekit import Item, Request, Response, Spider, css
from scrapekit.callbacks import Callbacks
from scrapekit.errors import BadStatus, CallbackError, ConfigError, ConnectFailed
from scrapekit.former import Former, validators_of
from scrapekit.frontier import Outcome, Row, Validators
from scrapekit.pages import HOSTS, Harvest, Pages
from scrapekit.reach import Reach
from scrapekit.sinks import RunFolder
from scrapekit.stats import Stats
from scrapekit.tables import Limits

HERE = str(Path(__file__))
URL = "https://a.test/list/"


class Book(BaseModel):
    title: str


@dataclasses.dataclass
class Plain:
    title: str


class Base(Spider, abstract=True):
    """Keeps what its errback was told."""

    def __init__(self, **arguments):
        self.failures = []
        super().__init__(**arguments)

    def errback(self, failure):
        self.failures.append(failure)


def pages_of(spider, *, known=(), check_host=lambda host: None, former=None, archives=False, **limits):
    probes = []

    def knows(fingerprint):
        probes.append(fingerprint)
        return fingerprint in known

    pages = Pages(
        spider,
        Callbacks(spider, limit=60),
        known=knows,
        check_host=check_host,
        stats=Stats(),
        limits_for=lambda host: Limits(**limits),
        reach=Reach(limits_for=lambda host: Limits(**limits), static=lambda name, port: None),
        former=former,
        archives=archives,
    )
    return pages, probes


def row_of(url=URL, **fields):
    request = Request(url, **fields)
    return Row(1, request.url.split("/")[2], request)


def answer(row, html="", status=200):
    return Response(row.request.url, row.request, status, body=html.encode())


def harvested(parse, run, *, row=None, html="", **more):
    """What a spider whose ``parse`` is this makes of a page."""
    spider = type("Tested", (Base,), {"name": "tested", "parse": parse})()
    pages, _ = pages_of(spider, **more)
    row = row or row_of()
    return run(pages.harvest, row, answer(row, html)), spider


def urls(harvest):
    return [found.request.url for found in harvest.found]


# ---- what a callback yields ----


def test_items_requests_urls_and_none_are_what_a_callback_yields(run):
    def parse(self, response):
        yield Book(title="model")
        yield Plain("dataclass")
        yield {"title": "dict"}
        yield None
        yield Request("https://b.test/")
        yield "../other#part"
        yield "https://c.test"

    harvest, _ = harvested(parse, run)
    assert harvest.error is None
    assert [kept.line for kept in harvest.items] == [f'{{"title":"{kind}"}}' for kind in ("model", "dataclass", "dict")]
    assert urls(harvest) == ["https://b.test/", "https://a.test/other", "https://c.test/"]


def test_a_relative_url_is_joined_to_the_base_of_the_page(run):
    def parse(self, response):
        yield "x"

    harvest, _ = harvested(parse, run, html='<base href="/elsewhere/">')
    assert urls(harvest) == ["https://a.test/elsewhere/x"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(5, "int 5"), (b"x", "bytes b'x'"), ([1], "list [1]"), (Book, "ModelMetaclass"), (Plain, "type <class"),
     (object, "type <class 'object'>"), (1.5, "float 1.5"), (list("abc") * 40, "list ['a', 'b'")],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_anything_else_is_an_error_that_names_what_came_the_spider_and_the_line(value, shown, run):
    def parse(self, response):
        yield {"before": 1}
        yield value
        yield {"after": 1}

    harvest, _ = harvested(parse, run)
    message = str(harvest.error)
    assert message.startswith(f"<Tested 'tested'> yielded {shown}")
    assert message.endswith(f"(at {HERE}:{parse.__code__.co_firstlineno + 2})")
    assert len(message) < 400 + len(HERE)
    assert [kept.line for kept in harvest.items] == ['{"before":1}']


@pytest.mark.parametrize("url", ["mailto:a@b.c", "http://", "javascript:void(0)"])
def test_a_str_that_is_no_url_is_an_error_with_the_line(url, run):
    def parse(self, response):
        yield url

    harvest, _ = harvested(parse, run)
    assert str(harvest.error).startswith(f"<Tested 'tested'> yielded a str that is no URL: {url!r}")
    assert harvest.error.place == f"{HERE}:{parse.__code__.co_firstlineno + 1}"


def test_an_item_that_json_cannot_hold_is_an_error_with_the_line(run):
    def parse(self, response):
        yield {"a": object()}

    harvest, _ = harvested(parse, run)
    assert "cannot be written as JSON" in str(harvest.error)
    assert harvest.error.place == f"{HERE}:{parse.__code__.co_firstlineno + 1}"


@pytest.mark.parametrize("field", ["callback", "errback"])
@pytest.mark.parametrize("callback", [lambda response: None, print, "parse_nothing"], ids=["lambda", "foreign", "name"])
def test_a_callback_that_cannot_be_stored_is_refused_when_yielded_with_the_line(field, callback, run):
    def parse(self, response):
        yield "/first"
        yield Request("https://a.test/second", **{field: callback})

    for known in ((), {Request("https://a.test/second").fingerprint()}):
        harvest, _ = harvested(parse, run, known=known)
        assert urls(harvest) == ["https://a.test/first"]
        assert harvest.error.place == f"{HERE}:{parse.__code__.co_firstlineno + 2}"


def test_what_was_yielded_before_the_callback_raised_is_kept(run):
    def parse(self, response):
        yield {"a": 1}
        yield "/x"
        raise ValueError("broken")

    harvest, _ = harvested(parse, run)
    assert [kept.line for kept in harvest.items] == ['{"a":1}']
    assert urls(harvest) == ["https://a.test/x"]
    assert harvest.error.message == "ValueError: broken"


def test_requests_found_carry_names_depth_parent_host_and_fingerprint(run):
    def parse(self, response):
        yield Request("https://b.test:8443/x", callback=self.errback, errback=self.errback, meta={"a": 1}, priority=4)
        yield Request("https://b.test/y", "errback")

    row = row_of(callback="parse", depth=3)
    harvest, _ = harvested(parse, run, row=row)
    first, second = harvest.found
    assert (first.host, first.fingerprint) == ("b.test:8443", Request("https://b.test:8443/x").fingerprint())
    request = first.request
    assert (request.callback, request.errback, request.depth, request.parent) == ("errback", "errback", 4, URL)
    assert (request.meta, request.priority) == ({"a": 1}, 4)
    assert (second.request.callback, second.request.errback) == ("errback", None)
    assert (first.outcome, first.reason) == (None, "")


def test_the_parent_of_a_found_request_is_the_final_url(run):
    def parse(self, response):
        yield "next"

    row = row_of()
    spider = type("Moved", (Base,), {"name": "moved", "parse": parse})()
    response = Response("https://a.test/moved/", row.request, history=(URL,))
    harvest = run(pages_of(spider)[0].harvest, row, response)
    (found,) = harvest.found
    assert (found.request.url, found.request.parent) == ("https://a.test/moved/next", "https://a.test/moved/")


def test_a_known_link_is_left_out_and_nothing_is_built_of_it(run):
    def parse(self, response):
        yield "/old"
        yield "/new"
        yield Request("https://a.test/old", dont_filter=True)

    spider = type("Tested", (Base,), {"name": "tested", "parse": parse})()
    pages, probes = pages_of(spider, known={Request("https://a.test/old").fingerprint()})
    harvest = run(pages.harvest, row_of(), answer(row_of()))
    assert urls(harvest) == ["https://a.test/new", "https://a.test/old"]
    assert [link.fingerprint is None for link in harvest.found] == [False, True]
    assert len(probes) == 2


# ---- which method ----


def test_the_callback_that_the_request_names_is_called(run):
    class Two(Base):
        name = "two"

        def parse(self, response):
            yield {"by": "parse"}

        def other(self, response):
            yield {"by": "other"}

    pages, _ = pages_of(Two())
    for callback, by in ((None, "parse"), ("other", "other")):
        row = row_of(callback=callback)
        (kept,) = run(pages.harvest, row, answer(row)).items
        assert kept.line == f'{{"by":"{by}"}}'


def test_a_callback_that_is_gone_after_a_restart_is_an_outcome(run):
    harvest, spider = harvested(lambda self, response: None, run, row=row_of(callback="parse_gone"))
    assert "has no method 'parse_gone' any more" in str(harvest.error)
    assert len(spider.failures) == 1


# ---- errback ----


def test_errback_gets_request_error_and_response_when_the_callback_raised(run):
    def parse(self, response):
        raise ValueError("broken")

    row = row_of()
    harvest, spider = harvested(parse, run, row=row)
    (failure,) = spider.failures
    assert failure.request is row.request
    assert failure.error is harvest.error
    assert failure.response.url == URL


def test_errback_is_not_called_for_what_was_fetched(run):
    _, spider = harvested(lambda self, response: None, run)
    assert spider.failures == []


def test_errback_gets_the_answer_of_a_status_and_none_where_there_was_none(run):
    spider = type("Tested", (Base,), {"name": "tested"})()
    pages, _ = pages_of(spider)
    row = row_of()
    response = answer(row, status=404)
    status, cut = BadStatus(404, response=response), ConnectFailed("refused")
    run(pages.failed, row.request, status)
    run(pages.failed, row.request, cut)
    assert [(failure.request, failure.error, failure.response) for failure in spider.failures] == [
        (row.request, status, response),
        (row.request, cut, None),
    ]


def test_errback_may_yield_what_a_callback_may_and_the_outcome_stays(run):
    class Again(Base):
        name = "again"

        def parse(self, response):
            raise ValueError("broken")

        def errback(self, failure):
            yield {"failed": failure.request.url}
            yield "https://b.test/"
            yield "relative" if failure.response else None

        async def late(self, failure):
            await curio.sleep(0)
            yield {"late": failure.error.reason}

    pages, _ = pages_of(Again())
    row = row_of(depth=2)
    harvest = run(pages.harvest, row, answer(row))
    assert harvest.error.message == "ValueError: broken"
    assert urls(harvest) == ["https://b.test/", "https://a.test/list/relative"]
    assert [found.request.depth for found in harvest.found] == [3, 3]
    failed = run(pages.failed, row.request, ConnectFailed("refused"))
    assert (urls(failed), failed.items[0].line) == (["https://b.test/"], f'{{"failed":"{URL}"}}')
    late = run(pages.failed, row_of(errback="late").request, ConnectFailed("refused"))
    assert late.items[0].line == '{"late":"connection"}'


def test_an_errback_that_raises_is_told_once_and_does_not_call_itself(run, caplog):
    calls = []

    class Worse(Base):
        name = "worse"

        def parse(self, response):
            raise ValueError("first")

        def errback(self, failure):
            calls.append(failure)
            yield {"kept": 1}
            raise ValueError("second")

    pages, _ = pages_of(Worse())
    harvest = run(pages.harvest, row_of(), answer(row_of()))
    assert harvest.error.message == "ValueError: first"
    assert len(calls) == 1
    assert [kept.line for kept in harvest.items] == ['{"kept":1}']
    assert "ValueError: second" in caplog.text
    assert run(pages.failed, row_of().request, ConnectFailed("x")).error is None
    assert len(calls) == 2


def test_without_an_errback_nothing_is_run(run):
    class Silent(Spider):
        name = "silent"

    pages, _ = pages_of(Silent())
    assert run(pages.failed, row_of().request, ConnectFailed("x")) == Harvest()


# ---- accept ----


def test_what_accept_gives_is_kept_and_none_is_left_out(run):
    class Picky(Base):
        name = "picky"

        def parse(self, response):
            for price in (1, 2, 3):
                yield {"price": price}

        def accept(self, item):
            return None if item["price"] == 2 else item | {"seen": True}

    pages, _ = pages_of(Picky())
    harvest = run(pages.harvest, row_of(), answer(row_of()))
    assert [kept.line for kept in harvest.items] == ['{"price":1,"seen":true}', '{"price":3,"seen":true}']
    assert harvest.error is None


def test_an_accept_that_raises_is_the_callbacks_failure_with_its_own_line(run):
    class Broken(Base):
        name = "broken"

        def parse(self, response):
            yield {"price": 1}
            yield {}

        def accept(self, item):
            return item if item["price"] else None

    pages, _ = pages_of(Broken())
    harvest = run(pages.harvest, row_of(), answer(row_of()))
    assert [kept.line for kept in harvest.items] == ['{"price":1}']
    assert harvest.error.message == "KeyError: 'price'"
    assert harvest.error.place == f"{HERE}:{Broken.accept.__code__.co_firstlineno + 1}"


# ---- prepare ----


def prepared(prepare, run, row=None):
    spider = type("Preparing", (Base,), {"name": "preparing", "prepare": prepare} if prepare else {"name": "plain"})()
    return run(pages_of(spider)[0].prepared, row or row_of())


def test_without_prepare_the_request_goes_as_it_is(run):
    row = row_of()
    assert prepared(None, run, row) is row.request


def test_prepare_gives_the_request_to_send(run):
    def prepare(self, request):
        return request.replace(headers={"X-Signed": "1"})

    async def later(self, request):
        await curio.sleep(0)
        return request.replace(url=request.url + "?token=1")

    assert prepared(prepare, run).headers["x-signed"] == "1"
    assert prepared(later, run).url == URL + "?token=1"


def test_prepare_that_gives_none_drops_the_request(run):
    assert prepared(lambda self, request: None, run) == (Outcome.DROPPED, "prepare")


@pytest.mark.parametrize("given", ["https://b.test/", "http://a.test/", "https://a.test:8443/"])
def test_prepare_that_leads_to_another_origin_fails_the_request(given, run, caplog):
    assert prepared(lambda self, request: request.replace(url=given), run) == (Outcome.FAILED, "prepare")
    assert "must stay at its origin" in caplog.text


def test_prepare_that_raises_or_gives_what_is_no_request_fails_the_request(run, caplog):
    def raises(self, request):
        raise ValueError("no token")

    assert prepared(raises, run) == (Outcome.FAILED, "prepare")
    assert "ValueError: no token" in caplog.text
    assert prepared(lambda self, request: 5, run) == (Outcome.FAILED, "prepare")


# ---- what never enters ----


def refused(spider, *requests, run, **more):
    pages, _ = pages_of(spider, **more)
    spider.links = requests
    row = row_of(depth=1)
    return [(found.outcome, found.reason) for found in run(pages.harvest, row, answer(row)).found]


class Links(Base):
    name = "links"
    links = ()

    def parse(self, response):
        yield from self.links


def test_what_is_outside_of_the_allowed_domains_is_dropped_offsite(run):
    spider = Links(allowed_domains=["A.test", "b.test:8080", "münchen.de"])
    outside = (Outcome.DROPPED, "offsite")
    inside = (None, "")
    verdicts = {
        "https://a.test/": inside,
        "https://a.test:8443/": inside,
        "http://www.a.test/": inside,
        "https://a.test./": inside,
        "https://nota.test/": outside,
        "https://a.test.evil.test/": outside,
        "http://b.test:8080/": inside,
        "http://b.test/": outside,
        "http://www.münchen.de/": inside,
    }
    assert refused(spider, *verdicts, run=run) == list(verdicts.values())


def test_without_allowed_domains_every_host_is_welcome(run):
    assert refused(Links(), "https://anywhere.test/", run=run) == [(None, "")]


@pytest.mark.parametrize(("limit", "verdict"), [(0, "trap: depth"), (1, "trap: depth"), (2, ""), (3, "")])
def test_what_is_deeper_than_the_limit_is_dropped(limit, verdict, run):
    assert refused(Links(), "/next", run=run, max_depth=limit) == [(Outcome.DROPPED if verdict else None, verdict)]


def test_what_looks_like_a_trap_is_dropped_with_its_sign(run):
    links = ["/" + "x" * 40, "/x/y/x/y/x/y", "/list?a=1&b=2", "/list?a=2&b=3", "/list?a=3&b=4"]
    found = refused(Links(), *links, run=run, max_url=40, max_variations=2)
    assert found == [
        (Outcome.DROPPED, "trap: url length"),
        (Outcome.DROPPED, "trap: repeated segments"),
        (None, ""),
        (None, ""),
        (Outcome.DROPPED, "trap: pattern"),
    ]


def test_what_is_offsite_counts_for_no_trap(run):
    spider = Links(allowed_domains=["a.test"])
    links = ["https://b.test/list?a=1&b=2", "/list?a=1&b=2", "/list?a=2&b=2"]
    assert [reason for _, reason in refused(spider, *links, run=run, max_variations=2)] == ["offsite", "", ""]


def test_hosts_that_may_not_be_crawled_are_dropped_and_told_once(run, caplog):
    def check_host(host):
        if host != "a.test":
            raise ConfigError("contact is missing", key="identity.contact")

    verdict = (Outcome.DROPPED, "needs identity.contact")
    found = refused(Links(), "https://b.test/", "https://c.test/", "/x", run=run, check_host=check_host)
    assert found == [verdict, verdict, (None, "")]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_host_is_checked_once_and_not_remembered_for_ever(run):
    checked = []
    pages, _ = pages_of(Links(), check_host=checked.append)
    for number in range(HOSTS):
        assert pages.refusal(Request(f"https://h{number}.test/"), f"h{number}.test") is None
        assert pages.refusal(Request(f"https://h{number}.test/"), f"h{number}.test") is None
    assert len(checked) == HOSTS
    pages.refusal(Request("https://one.test/"), "one.test")
    assert len(pages._refusals) == 1


# ---- rejected items ----


def test_an_item_that_does_not_validate_is_kept_as_rejected_beside_its_siblings(run, caplog):
    class Priced(Item, root="div"):
        price: int = css("b")

    def parse(self, response):
        yield from response.items(Priced)
        raise ValueError("afterwards")

    harvest, _ = harvested(parse, run, html="<div><b>1</b></div><div><b>x</b></div><div></div><div><b>3</b></div>")
    assert [kept.line for kept in harvest.items] == ['{"price":1}', '{"price":3}']
    assert [kept.fields()["field"] for kept in harvest.rejected] == ["price", "price"]
    assert caplog.text.count("rejected") == 2


def test_what_an_errback_reads_of_the_page_counts_too_and_nothing_twice(run):
    class Priced(Item, root="div"):
        price: int = css("b")

    class Reader(Base):
        name = "reader"

        def parse(self, response):
            yield from response.items(Priced)
            raise ValueError("broken")

        def errback(self, failure):
            yield from failure.response.items(Priced)

    spider = Reader()
    pages, _ = pages_of(spider)
    harvest = run(pages.harvest, row_of(), answer(row_of(), "<div><b>x</b></div>"))
    assert len(harvest.rejected) == 2


# ---- start ----


def started(start, run, **more):
    spider = type("Starting", (Base,), {"name": "starting", "start": start, **more.pop("fields", {})})()
    pages, _ = pages_of(spider, **more)
    found = []

    async def main():
        async with curio.meta.finalize(pages.start()) as first:
            async for each in first:
                found.append(each)

    try:
        run(main)
    except (CallbackError, ConfigError) as error:
        return found, error
    return found, None


def test_start_gives_requests_and_urls_at_depth_0_without_a_parent(run):
    def start(self):
        yield "https://b.test"
        yield Request("https://a.test/", callback=self.parse)

    found, error = started(start, run)
    assert error is None
    assert [(f.host, f.request.callback, f.request.depth, f.request.parent) for f in found] == [
        ("b.test", None, 0, None),
        ("a.test", "parse", 0, None),
    ]


def test_a_start_request_elsewhere_is_dropped_offsite(run):
    found, _ = started(lambda self: ["https://b.test/"], run, fields={"allowed_domains": ["a.test"]})
    assert [(each.outcome, each.reason) for each in found] == [(Outcome.DROPPED, "offsite")]


@pytest.mark.parametrize(
    ("value", "words"),
    [(5, "start() gave int 5: neither a Request nor a URL"), ({"a": 1}, "start() gave dict"),
     (None, "start() gave NoneType None"), ("/relative", "yielded a str that is no URL: '/relative'"),
     (Request(URL, lambda response: None), "is not a method of <Starting 'starting'>")],
    ids=["int", "item", "none", "relative", "lambda"],
)  # fmt: skip
def test_what_start_may_not_give_ends_it_with_the_spider_and_the_line(value, words, run):
    def start(self):
        yield "https://a.test/"
        yield value

    found, error = started(start, run)
    assert len(found) == 1
    assert words in str(error)
    assert "Starting 'starting'" in str(error)
    assert error.place == f"{HERE}:{start.__code__.co_firstlineno + 2}"


def test_a_start_request_to_a_host_that_may_not_be_crawled_is_an_error_of_the_settings(run, caplog):
    def check_host(host):
        raise ConfigError("contact is missing", key="identity.contact")

    found, error = started(lambda self: ["https://b.test/"], run, check_host=check_host)
    assert found == []
    assert isinstance(error, ConfigError)
    assert caplog.records == []


def test_a_start_that_is_run_again_is_recognised_also_where_it_does_not_filter(run):
    def start(self):
        for _ in range(2):
            yield Request("https://a.test/", dont_filter=True)
        yield Request("https://a.test/")

    async def first(pages):
        return [found.fingerprint async for found in pages.start()]

    spider = type("Tested", (Base,), {"name": "tested", "start": start})()
    once, again = (run(first, pages_of(spider)[0]) for _ in range(2))
    assert once == again
    assert len(set(once)) == 3


# ---- in an incremental crawl ----

OLD, DEAD, CHANGED = "https://a.test/old", "https://a.test/dead", "https://a.test/changed"


class Fetched:
    """A page of the former run, whose body was ``<p>old</p>``."""

    history, outcome, reason, place = (), Outcome.FETCHED, "", 0

    def __init__(self, url, items=0, **fields):
        self.request, self.items = Request(url, **fields), items
        self.validators = validators_of(Response(url, self.request, body=b"<p>old</p>"))


@pytest.fixture
def former(tmp_path):
    run, work = RunFolder.create(tmp_path, "a"), RunFolder.create(tmp_path, "a")
    run.items.write_text('{"title":"of dead"}\n')
    detail = Fetched("https://elsewhere.test/", callback="detail", depth=2, parent=OLD)
    made = Former.open(run, work, lambda path: [Fetched(OLD), Fetched(DEAD, 1), Fetched(CHANGED), detail])
    yield made
    made.close()


def incremental(former, run, url, *, html="<p>old</p>", status=200, changes="change", items=({"title": "a"},)):
    """What becomes of a page in an incremental crawl: the harvest, and the lines of its items."""
    called = []

    def parse(self, response):
        called.append(response.url)
        yield from items

    spider = type("Tested", (Base,), {"name": "tested", "parse": parse, "changes": changes})()
    pages, _ = pages_of(spider, former=former, archives=True)
    row = row_of(url)
    response = answer(row, html, status)
    if status == 200:
        harvest = run(pages.harvest, row, response)
    else:
        harvest = run(pages.failed, row.request, BadStatus(status, response=response))
    return harvest, [json.loads(kept.line) for kept in harvest.items], called


def test_an_unchanged_page_is_fetched_unchanged_and_its_callback_is_not_called(former, run):
    harvest, items, called = incremental(former, run, OLD)
    assert harvest.outcome == (Outcome.FETCHED, "unchanged")
    assert (items, called) == ([], [])
    assert harvest.validators == Fetched(OLD).validators


@pytest.mark.parametrize(("url", "change"), [(CHANGED, "changed"), ("https://a.test/new", "new")])
def test_items_say_whether_their_page_is_new_or_changed(former, run, url, change):
    harvest, items, called = incremental(former, run, url, html="<p>new</p>")
    assert items == [{"title": "a", "change": change}]
    assert harvest.outcome == (Outcome.FETCHED, "")
    assert called == [url]


@pytest.mark.parametrize("status", [404, 410])
def test_the_items_of_a_page_that_is_gone_come_again_as_gone(former, run, status):
    _, items, _ = incremental(former, run, DEAD, status=status)
    assert items == [{"title": "of dead", "change": "gone"}]


@pytest.mark.parametrize(("url", "status"), [(DEAD, 500), (DEAD, 403), ("https://a.test/never-there", 404)])
def test_other_failures_give_no_items(former, run, url, status):
    assert incremental(former, run, url, status=status)[1] == []


def test_a_spider_that_does_not_ask_gets_its_items_as_they_are(former, run):
    assert incremental(former, run, CHANGED, html="<p>new</p>", changes="")[1] == [{"title": "a"}]
    assert incremental(former, run, DEAD, status=404, changes="")[1] == []


def test_without_a_former_run_all_pages_are_new(run):
    assert incremental(None, run, OLD)[1] == [{"title": "a", "change": "new"}]


def test_a_page_is_described_for_the_next_run_where_that_is_kept(run):
    def parse(self, response): ...

    spider = type("Tested", (Base,), {"name": "tested", "parse": parse})()
    row = row_of()
    for archives in (False, True):
        pages, _ = pages_of(spider, archives=archives)
        harvest = run(pages.harvest, row, answer(row, "<p>x</p>"))
        assert (harvest.validators is not None) is archives


def test_after_start_the_requests_of_the_former_run_are_made_again(former, run):
    class Tested(Base):
        name = "tested"
        start_urls = ["https://a.test/first"]
        allowed_domains = ["a.test"]

    pages, _ = pages_of(Tested(), former=former)

    async def pulled():
        return [found async for found in pages.start()]

    founds = run(pulled)
    assert [found.request.url for found in founds] == [
        "https://a.test/first",
        OLD,
        DEAD,
        CHANGED,
        "https://elsewhere.test/",
    ]
    last = founds[-1]
    assert (last.request.callback, last.request.depth, last.request.parent) == ("detail", 2, OLD)
    assert last.fingerprint == last.request.fingerprint()
    assert (last.outcome, last.reason) == (Outcome.DROPPED, "offsite")


def test_a_request_is_sent_on_condition_that_the_page_has_changed(tmp_path, run):
    one, two = RunFolder.create(tmp_path, "a"), RunFolder.create(tmp_path, "a")
    page = Fetched(OLD)
    page.validators = Validators('"v1"')
    former = Former.open(one, two, lambda path: [page])
    pages, _ = pages_of(type("Tested", (Base,), {"name": "tested"})(), former=former)
    row = row_of(OLD)
    assert pages.conditional(row, row.request).headers["if-none-match"] == '"v1"'
    assert pages_of(type("Tested", (Base,), {"name": "tested"})())[0].conditional(row, row.request) is row.request
    former.close()


def test_a_link_into_a_private_network_is_dropped_and_where_a_redirect_leads_is_judged_elsewhere(run):
    def parse(self, response):
        yield "http://10.0.0.1/"
        yield "http://public.test/"

    spider = type("Tested", (Base,), {"name": "tested", "parse": parse})()
    pages, _ = pages_of(spider)
    private, public = run(pages.harvest, row_of(), answer(row_of())).found
    assert (private.outcome, private.reason) == (Outcome.DROPPED, "private address")
    assert public.outcome is None
    assert pages.refusal(private.request, "10.0.0.1") is None
