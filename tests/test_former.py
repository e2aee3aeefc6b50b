"""What an incremental crawl knows of the run before it: what is asked again and how, and what counts as unchanged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scrapekit import Headers, Request, Response
from scrapekit.content import Stored
from scrapekit.errors import ConfigError, SinkError
from scrapekit.former import CONDITIONS, Change, Former, digest_of, validators_of
from scrapekit.formerpages import FILE_NAME
from scrapekit.frontier import Outcome, Validators
from scrapekit.sinks import RunFolder

A, B, C = "https://a.test/a", "https://a.test/b", "https://a.test/c"
TAG, DATE = '"v1"', "Mon, 01 Jan 2024 00:00:00 GMT"


@dataclass
class Ending:
    """One outcome in a fake archive."""

    request: Request
    history: tuple[str, ...] = ()
    outcome: Outcome = Outcome.FETCHED
    reason: str = ""
    validators: Validators | None = None
    items: int = 0
    place: int = 0


class Runs:
    """Runs of one project, each with an archive in memory and a record of items on disk."""

    def __init__(self, root: Path) -> None:
        self.root, self.archives = root, {}
        self.opened: list[Former] = []

    def run(self, *endings: Ending, items: int = 0) -> RunFolder:
        """A run that ended so, with items numbered from 0."""
        folder = RunFolder.create(self.root, "pages")
        folder.items.write_text("".join(f'{{"n":{n}}}\n' for n in range(items)))
        self.archives[folder.frontier] = list(endings)
        return folder

    def archived(self, path: Path) -> Iterator[Ending]:
        if path not in self.archives:
            raise SinkError("is not there", file=path)
        yield from self.archives[path]

    def after(self, former: RunFolder, work: RunFolder | None = None) -> Former:
        """The former run as a new one sees it."""
        self.opened.append(Former.open(former, work or self.run(), self.archived))
        return self.opened[-1]


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    for former in made.opened:
        former.close()


def answer(
    request: Request | str, body: bytes = b"page", status: int = 200, *, history: Any = (), **fields: str
) -> Response:
    request = Request(request) if isinstance(request, str) else request
    headers = Headers([(name.replace("_", "-"), value) for name, value in fields.items()])
    return Response(request.url, request, status, headers, body, history=history)


def fetched(request: Request | str, body: bytes = b"page", *, history: Any = (), **more: Any) -> Ending:
    """A page that was fetched with these fields."""
    facts = {name: more.pop(name) for name in ("items", "place", "reason") if name in more}
    response = answer(request, body, history=history, **more)
    assert response.request is not None
    return Ending(response.request, history, validators=validators_of(response), **facts)


def failed(url: str, reason: str) -> Ending:
    return Ending(Request(url), outcome=Outcome.FAILED, reason=reason)


def judged(former: Former, response: Response) -> Change:
    return former.judge(response)[1]


def sent(former: Former, request: Request | str) -> dict[str, str]:
    """The fields that are added to a request."""
    request = Request(request) if isinstance(request, str) else request
    return dict(former.conditional(request, request).headers)


# -- what is asked again


def test_every_request_of_the_former_run_is_made_again_in_its_order(runs):
    endings = [fetched(B), failed(A, "timeout"), Ending(Request(C), outcome=Outcome.DISALLOWED)]
    former = runs.after(runs.run(*endings))
    assert [request.url for request in former.requests()] == [B, A, C]


def test_a_request_is_made_again_as_it_was(runs):
    request = Request(A, "detail", meta={"shop": 3}, headers={"X-A": "1"}, jar="two", priority=5, depth=4, parent=B)
    former = runs.after(runs.run(fetched(request)))
    assert list(former.requests()) == [request]


def test_of_a_redirected_page_the_first_url_is_asked_again(runs):
    former = runs.after(runs.run(fetched(C, history=(A, B))))
    assert [request.url for request in former.requests()] == [A]


def test_what_start_gives_unfiltered_it_gives_again_itself(runs):
    first, later = Request(A, dont_filter=True), Request(B, dont_filter=True, depth=1)
    former = runs.after(runs.run(fetched(first), fetched(later)))
    assert list(former.requests()) == [later]


# -- how it is asked


def test_a_page_is_asked_for_by_the_validators_that_it_had(runs):
    former = runs.after(runs.run(fetched(A, ETag=TAG, Last_Modified=DATE), fetched(B, Last_Modified=DATE), fetched(C)))
    assert sent(former, A) == {"if-none-match": TAG, "if-modified-since": DATE}
    assert sent(former, B) == {"if-modified-since": DATE}
    assert sent(former, C) == {}
    assert sent(former, "https://a.test/new") == {}


def test_an_entity_tag_goes_back_as_it_came(runs):
    former = runs.after(runs.run(fetched(A, ETag='W/"x"'), fetched(B, ETag="no quotes")))
    assert [sent(former, url)["if-none-match"] for url in (A, B)] == ['W/"x"', "no quotes"]


@pytest.mark.parametrize(("length", "goes"), [(1, True), (512, True), (513, False)])
def test_a_validator_beyond_reason_does_not_go_back(runs, length, goes):
    former = runs.after(runs.run(fetched(A, ETag="x" * length)))
    assert ("if-none-match" in sent(former, A)) is goes


@pytest.mark.parametrize("name", CONDITIONS)
def test_conditions_of_the_spiders_own_are_left_alone(runs, name):
    former = runs.after(runs.run(fetched(A, ETag=TAG)))
    own = Request(A, headers={name: "own"})
    assert former.conditional(Request(A), own) is own


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS"])
def test_only_get_and_head_are_conditional(runs, method):
    request = Request(A, method=method)
    former = runs.after(runs.run(fetched(request, ETag=TAG)))
    assert former.conditional(request, request) is request


def test_another_callback_gets_its_page_whole(runs):
    former = runs.after(runs.run(fetched(Request(A, "parse"), ETag=TAG)))
    assert sent(former, Request(A)) == {"if-none-match": TAG}
    assert sent(former, Request(A, "detail")) == {}
    assert judged(former, answer(Request(A, "detail"), ETag=TAG)) is Change.CHANGED


def test_what_the_spider_prepared_is_sent_with_the_condition_besides(runs):
    former = runs.after(runs.run(fetched(A, ETag=TAG)))
    prepared = Request(A + "?token=1", headers={"X-Token": "1"})
    conditional = former.conditional(Request(A), prepared)
    assert conditional == prepared.replace(headers={"X-Token": "1", "If-None-Match": TAG})


# -- what has changed


def test_a_page_that_was_not_there_is_new(runs):
    former = runs.after(runs.run(fetched(A), failed(B, "timeout")))
    assert [judged(former, answer(url)) for url in (B, C)] == [Change.NEW, Change.NEW]


def test_a_304_to_our_condition_is_unchanged(runs):
    former = runs.after(runs.run(fetched(A, ETag=TAG), fetched(B, Last_Modified=DATE)))
    assert [judged(former, answer(url, b"", 304)) for url in (A, B)] == [Change.UNCHANGED] * 2


def test_a_304_that_was_not_asked_for_holds_no_page_of_ours(runs):
    own = Request(B, headers={"If-None-Match": '"own"'})
    former = runs.after(runs.run(fetched(A), fetched(own, ETag=TAG)))
    assert judged(former, answer(A, b"", 304)) is Change.CHANGED
    assert judged(former, answer(own, b"", 304)) is Change.CHANGED
    assert judged(former, answer(C, b"", 304)) is Change.NEW


def test_without_validators_the_body_tells(runs):
    former = runs.after(runs.run(fetched(A, b"one"), fetched(B, b"one")))
    assert judged(former, answer(A, b"one")) is Change.UNCHANGED
    assert judged(former, answer(B, b"two")) is Change.CHANGED


def test_a_server_that_pays_no_heed_to_the_condition_is_judged_by_what_it_sends(runs):
    former = runs.after(runs.run(fetched(A, b"one", ETag=TAG), fetched(B, b"one", Last_Modified=DATE)))
    assert judged(former, answer(A, b"one", ETag=TAG)) is Change.UNCHANGED
    assert judged(former, answer(A, b"two", ETag=TAG)) is Change.CHANGED
    assert judged(former, answer(A, b"two", ETag='"v2"')) is Change.CHANGED
    assert judged(former, answer(B, b"one", Last_Modified="now")) is Change.UNCHANGED
    assert judged(former, answer(B, b"two", Last_Modified=DATE)) is Change.CHANGED


def test_the_same_bytes_with_new_validators_are_unchanged_and_the_new_ones_are_asked_by_next(runs):
    former = runs.after(runs.run(fetched(A, b"one", ETag=TAG), fetched(B, b"one")))
    for url in (A, B):
        ending = carried(former, answer(url, b"one", ETag='"touched"', Last_Modified=DATE))
        assert ending.validators[:2] == ('"touched"', DATE)


def test_the_same_body_with_another_status_is_changed(runs):
    former = runs.after(runs.run(fetched(A, b""), fetched(B, b"", ETag=TAG)))
    assert judged(former, answer(A, b"", 404)) is Change.CHANGED
    assert judged(former, answer(B, b"", 404, ETag=TAG)) is Change.CHANGED


def test_of_head_there_is_no_body_to_compare(runs):
    one, two = Request(A, method="HEAD"), Request(B, method="HEAD")
    former = runs.after(runs.run(fetched(one, b""), fetched(two, b"", ETag=TAG)))
    assert judged(former, answer(one, b"")) is Change.CHANGED
    assert judged(former, answer(two, b"", ETag='"v2"')) is Change.CHANGED
    assert judged(former, answer(two, b"", ETag=TAG)) is Change.UNCHANGED


def test_a_redirect_to_the_same_page_is_judged_by_that_page(runs):
    former = runs.after(runs.run(fetched(B, b"one", history=(A,), ETag=TAG)))
    assert sent(former, A) == {}
    assert sent(former, B) == {"if-none-match": TAG}
    assert judged(former, answer(B, b"", 304, history=(A,))) is Change.UNCHANGED


def test_a_redirect_to_another_page_has_changed_and_so_has_none_at_all(runs):
    former = runs.after(runs.run(fetched(B, b"one", history=(A,))))
    assert judged(former, answer(C, b"one", history=(A,))) is Change.CHANGED
    assert judged(former, answer(A, b"one")) is Change.CHANGED


def test_of_a_page_that_was_fetched_twice_the_last_time_counts(runs):
    former = runs.after(runs.run(fetched(A, b"one"), fetched(A, b"two")))
    assert judged(former, answer(A, b"two")) is Change.UNCHANGED
    assert judged(former, answer(A, b"one")) is Change.CHANGED


def test_a_body_in_a_file_has_the_digest_that_it_has_in_memory(tmp_path):
    stored = Stored(tmp_path / "body")
    stored.path.write_bytes(b"x" * 200_000)
    assert digest_of(answer(A, stored)) == digest_of(answer(A, b"x" * 200_000))  # type: ignore[arg-type]
    assert len(digest_of(answer(A))) == 8


# -- from run to run


def carried(former: Former, response: Response) -> Ending:
    """An unchanged page as this run's archive will have it."""
    validators, change = former.judge(response)
    assert change is Change.UNCHANGED
    assert response.request is not None
    return Ending(response.request, response.history, reason="unchanged", validators=validators)


def test_an_unchanged_page_is_known_in_the_third_run_and_the_fourth(runs):
    run = runs.run(fetched(A, ETag=TAG), fetched(B, b"one"))
    for _ in range(3):
        former = runs.after(run, work := runs.run())
        assert sent(former, A) == {"if-none-match": TAG}
        runs.archives[work.frontier] = [carried(former, answer(A, b"", 304)), carried(former, answer(B, b"one"))]
        run = work


def test_a_304_brings_new_validators(runs):
    former = runs.after(runs.run(fetched(A, b"one", ETag=TAG, Last_Modified=DATE)))
    ending = carried(former, answer(A, b"", 304, ETag='"v2"'))
    assert ending.validators == Validators('"v2"', DATE, digest_of(answer(A, b"one")))


def test_a_304_without_validators_keeps_the_digest(runs):
    former = runs.after(runs.run(fetched(A, b"one", Last_Modified=DATE)))
    ending = carried(former, answer(A, b"", 304))
    assert ending.validators == Validators("", DATE, digest_of(answer(A, b"one")))


@pytest.mark.parametrize("reason", ["timeout", "status 503", "callback", "status 403"])
def test_a_failure_does_not_make_a_page_unknown(runs, reason):
    runs.after(runs.run(fetched(A, b"one", ETag=TAG)), work := runs.run(failed(A, reason)))
    former = runs.after(work)
    assert sent(former, A) == {"if-none-match": TAG}
    assert judged(former, answer(A, b"", 304)) is Change.UNCHANGED


@pytest.mark.parametrize("reason", ["status 404", "status 410"])
def test_a_page_that_went_and_comes_back_is_new(runs, reason):
    runs.after(runs.run(fetched(A, b"one")), work := runs.run(failed(A, reason)))
    former = runs.after(work)
    assert former.judge_failed(answer(A, b"", 404)) is Change.NEW
    assert judged(former, answer(A, b"one")) is Change.NEW


def test_a_duplicate_does_not_bring_back_what_its_page_was_before(runs):
    dropped = Ending(Request(A), outcome=Outcome.DROPPED, reason="duplicate")
    runs.after(runs.run(fetched(A, b"one")), work := runs.run(fetched(A, b"two"), dropped))
    assert judged(runs.after(work), answer(A, b"two")) is Change.UNCHANGED


# -- what is gone


def gone(former: Former, url: str, **more: Any) -> list[Any]:
    return [json.loads(kept.line) for kept in former.items_of(answer(url, b"", 404, **more), "change")]


@pytest.mark.parametrize(("status", "change"), [(404, "gone"), (410, "gone"), (403, "changed"), (500, "changed")])
def test_only_404_and_410_say_that_a_page_is_gone(runs, status, change):
    former = runs.after(runs.run(fetched(A)))
    assert former.judge_failed(answer(A, b"", status)) == change
    assert former.judge_failed(answer(B, b"", status)) is Change.NEW


def test_a_page_is_gone_by_the_url_that_led_to_it_too(runs):
    former = runs.after(runs.run(fetched(B, history=(A,), items=1), items=1))
    assert former.judge_failed(answer(A, b"", 404)) is Change.GONE
    assert former.judge_failed(answer(C, b"", 404, history=(A,))) is Change.GONE
    assert gone(former, A) == [{"n": 0, "change": "gone"}]


def test_the_items_that_a_page_gave_come_again_as_gone(runs):
    former = runs.after(runs.run(fetched(A, items=2), fetched(B, place=2), fetched(C, items=3, place=2), items=5))
    assert gone(former, A) == [{"n": 0, "change": "gone"}, {"n": 1, "change": "gone"}]
    assert gone(former, B) == []
    assert [item["n"] for item in gone(former, C)] == [2, 3, 4]


def test_items_of_failed_pages_between_them_are_passed_over(runs):
    former = runs.after(runs.run(fetched(A, items=1), fetched(B, items=1, place=4), items=5))
    assert [item["n"] for item in gone(former, B)] == [4]


def test_items_of_a_page_that_was_unchanged_in_between_are_found_in_the_run_that_wrote_them(runs):
    former = runs.after(runs.run(fetched(A, b"one", items=2), items=2), work := runs.run(fetched(B, items=1), items=1))
    runs.archives[work.frontier].append(carried(former, answer(A, b"one")))
    assert [item["n"] for item in gone(runs.after(work), A)] == [0, 1]


@pytest.mark.parametrize("lines", [0, 1, 2])
def test_items_that_are_not_there_are_one_record_of_the_url(runs, lines):
    former = runs.after(runs.run(fetched(B, history=(A,), items=3), items=lines))
    assert gone(former, B, history=(A,)) == [{"url": A, "change": "gone"}]


def test_items_of_a_run_that_was_removed_are_one_record_of_the_url(runs):
    former = runs.after(run := runs.run(fetched(A, items=1), items=1))
    run.items.unlink()
    assert gone(former, A) == [{"url": A, "change": "gone"}]


def test_a_line_that_was_cut_short_is_no_item(runs):
    run = runs.run(fetched(A, items=1), fetched(B, items=1, place=1), items=2)
    run.items.write_bytes(run.items.read_bytes()[:-1])
    former = runs.after(run)
    assert gone(former, A) == [{"n": 0, "change": "gone"}]
    assert gone(former, B) == [{"url": B, "change": "gone"}]


# -- the table


def test_a_run_that_was_interrupted_goes_on_with_its_own_table(runs):
    run, work = runs.run(fetched(A, ETag=TAG)), runs.run()
    runs.after(run, work)
    runs.archives[run.frontier] = [fetched(B)]  # nobody looks: it was read already
    again = runs.after(run, work)
    assert sent(again, A) == {"if-none-match": TAG}


def test_a_kill_while_the_table_is_made_leaves_nothing_that_is_taken_for_it(runs):
    class Killed(BaseException):
        pass

    def dying(path: Path) -> Iterator[Ending]:
        yield fetched(A, ETag=TAG)
        raise Killed

    run, work = runs.run(fetched(A, ETag=TAG)), runs.run()
    with pytest.raises(Killed):
        Former.open(run, work, dying)
    assert [path.name for path in work.path.glob("former*")] == [f"{FILE_NAME}.part"]
    former = runs.after(run, work)
    assert judged(former, answer(A, b"", 304)) is Change.UNCHANGED
    assert [path.name for path in work.path.glob("former*")] == [FILE_NAME]


def test_a_former_run_that_cannot_be_read_is_told_with_the_way_out(runs):
    run = runs.run()
    del runs.archives[run.frontier]
    with pytest.raises(ConfigError, match=rf"the former run {run.id} cannot be read.*--since-last"):
        runs.after(run)


def test_a_former_run_that_was_removed_meanwhile_is_told(runs):
    former = runs.after(run := runs.run(fetched(A)))
    del runs.archives[run.frontier]
    with pytest.raises(ConfigError, match="cannot be read"):
        list(former.requests())


def damage_header(path: Path) -> None:
    path.write_bytes(b"x" * 5000)


def damage_pages(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))


@pytest.mark.parametrize("damage", [damage_header, damage_pages])
def test_a_damaged_table_is_told(runs, damage: Callable[[Path], None]):
    runs.after(run := runs.run(fetched(A)), work := runs.run())
    damage(work.path / FILE_NAME)
    with pytest.raises(SinkError, match="is damaged"):
        runs.after(run, work).judge(answer(A))


def test_a_damaged_table_of_the_former_run_is_told_as_the_former_runs(runs):
    runs.after(runs.run(fetched(A)), work := runs.run(failed(A, "timeout")))
    damage_header(work.path / FILE_NAME)
    with pytest.raises(ConfigError, match=f"the former run {work.id} cannot be read"):
        runs.after(work)
