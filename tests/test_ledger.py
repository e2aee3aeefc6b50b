"""The ledger: each record survives the death of the process that wrote it, and reads back as it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit.config import Settings
from scrapekit.errors import ConfigError, SinkError
from scrapekit.headers import Headers
from scrapekit.ledger import FILE_NAME, IGNORED, Kind, Ledger, aftermath, digest, read, writer

T = 1_753_000_000.123456
WHO: dict[str, Any] = {"spider": "shop", "agent": "bot", "user_agent": "bot (+https://bot.test)"}
URL = "https://a.test/x"


def opened(folder: Path, now: float = T) -> Ledger:
    return Ledger(folder, **WHO, now=now)


def send(ledger: Ledger, row: int = 1, url: str = URL, now: float = T, **more: Any) -> writer.Handle:
    facts = {"due": now, "rule": "delay", "delay": 1.0, "source": "delay"} | more
    return ledger.about_to_send(row, url, now=now, **facts)


def lines(folder: Path) -> list[bytes]:
    return (folder / FILE_NAME).read_bytes().splitlines(keepends=True)


def test_a_run_says_who_came_and_when(tmp_path: Path) -> None:
    opened(tmp_path).close()
    (run,) = read(tmp_path).runs
    assert (run.at, run.spider, run.agent, run.user_agent) == (T, "shop", "bot", "bot (+https://bot.test)")
    assert run.version


ASKED = {"Retry-After": "120", "RateLimit": '"a";r=0;t=9', "Server": "x"}


def test_a_send_reads_back_whole(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    name = ledger.robots("https://a.test", now=T, status=200, body=b"User-agent: *\nAllow: /\n")
    handle = ledger.about_to_send(
        7,
        "https://a.test/y?q=%22",
        kind=Kind.PAGE,
        now=T + 2,
        due=T + 1.5,
        rule="crawl-delay",
        delay=2.5,
        source="robots.txt",
        digest=name,
        line=2,
        attempt=1,
        hop=3,
        address="::1",
    )
    handle.sent = T + 2.000001
    ledger.ended(handle, now=T + 3.5, status=503, size=99, error="timeout", headers=Headers(ASKED))
    (read_back,) = read(tmp_path).sends
    assert (read_back.row, read_back.url, read_back.kind) == (7, "https://a.test/y?q=%22", Kind.PAGE)
    assert (read_back.host, read_back.origin) == ("a.test", "https://a.test")
    assert (read_back.at, read_back.due, read_back.sent, read_back.end) == (T + 2, T + 1.5, T + 2.000001, T + 3.5)
    assert (read_back.rule, read_back.delay, read_back.source) == ("crawl-delay", 2.5, "robots.txt")
    assert (read_back.digest, read_back.line) == (name, 2)
    assert (read_back.attempt, read_back.hop, read_back.address) == (1, 3, "::1")
    assert (read_back.status, read_back.size, read_back.error) == (503, 99, "timeout")
    assert read_back.asked == {"retry-after": "120", "ratelimit": '"a";r=0;t=9'}
    ledger.close()


def test_what_held_nothing_has_no_due_time(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.ended(send(ledger, due=0.0, rule="free", delay=0.0), now=T + 1)
    (read_back,) = read(tmp_path).sends
    assert (read_back.due, read_back.delay, read_back.line) == (None, 0.0, None)
    ledger.close()


def test_the_address_may_be_known_before_or_after(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.ended(send(ledger, 1, address="10.0.0.1"), now=T + 1)
    ledger.ended(send(ledger, 2), now=T + 2, address="10.0.0.2")
    assert [each.address for each in read(tmp_path).sends] == ["10.0.0.1", "10.0.0.2"]
    ledger.close()


def test_a_send_is_on_record_before_it_ends(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    send(ledger, now=T + 1)
    (read_back,) = read(tmp_path).sends  # while the writer has it open: nothing is held back
    assert (read_back.start, read_back.end) == (T + 1, None)
    ledger.close()


def test_what_never_left_has_no_start(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.ended(send(ledger), now=T + 1, error="connection")
    (read_back,) = read(tmp_path).sends
    assert (read_back.start, read_back.end) == (None, T + 1)
    ledger.close()


def test_the_url_stands_once_for_both_records(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.ended(send(ledger, url="https://a.test/needle"), now=T + 1)
    assert b"".join(lines(tmp_path)).count(b"needle") == 1
    ledger.close()


def test_a_send_costs_less_than_150_bytes(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    name = ledger.robots("https://www.example.com", now=T, status=200, body=b"")
    url = "https://www.example.com/catalogue/books/volume-{:06}/page.html?ref=list&x=1"  # 80 characters
    before = (tmp_path / FILE_NAME).stat().st_size
    for n in range(100):
        now = T + 86_000 + n
        handle = send(ledger, 900_000 + n, url.format(n), now, due=now - 0.2, digest=name)
        handle.sent = now + 0.000123
        ledger.ended(handle, now=now + 0.25, status=200, size=123_456, address="93.184.216.34")
    assert ((tmp_path / FILE_NAME).stat().st_size - before) / 100 < 150
    ledger.close()


def test_a_robots_body_is_kept_once_by_its_digest(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    body = b"User-agent: *\nDisallow: /x\n"
    names = {ledger.robots(f"https://{host}.test", now=T, status=200, body=body, expires=T + 9) for host in "ab"}
    assert names == {digest(body)}
    account = read(tmp_path)
    assert [each.name for each in (tmp_path / "robots").iterdir()] == [f"{digest(body)}.txt"]
    assert account.body(digest(body)) == body
    copy = account.robots[1]
    assert (copy.origin, copy.status, copy.fetched, copy.expires) == ("https://b.test", 200, T, T + 9)
    ledger.close()


@pytest.mark.parametrize("status", [301, 404, 429, 500])
def test_an_answer_without_rules_keeps_no_body(tmp_path: Path, status: int) -> None:
    ledger = opened(tmp_path)
    assert ledger.robots("https://a.test", now=T, status=status, body=b"<html>") == ""
    assert read(tmp_path).robots[0].status == status
    assert not (tmp_path / "robots").exists()
    ledger.close()


def test_a_copy_of_an_earlier_run_has_its_own_age(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.robots("https://a.test", now=T, status=404, fetched=T - 3600)
    ledger.robots("https://a.test", now=T + 1, error="timeout")
    kept, failed = read(tmp_path).robots
    assert (kept.at, kept.fetched) == (T, T - 3600)
    assert (failed.status, failed.error) == (0, "timeout")
    ledger.close()


def test_a_body_that_was_changed_is_no_evidence(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    name = ledger.robots("https://a.test", now=T, status=200, body=b"User-agent: *\nDisallow: /\n")
    (tmp_path / "robots" / f"{name}.txt").write_bytes(b"User-agent: *\nAllow: /\n")
    with pytest.raises(ConfigError, match="not what was received"):
        read(tmp_path).body(name)
    (tmp_path / "robots" / f"{name}.txt").unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path).body(name)
    ledger.close()


def test_more_of_a_huge_robots_than_the_parser_reads_is_not_kept(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    body = b"#" * (writer.KEPT + 1)
    name = ledger.robots("https://a.test", now=T, status=200, body=body)
    assert len(read(tmp_path).body(name)) == writer.KEPT
    ledger.close()


def test_refusals_say_why(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.refused(3, "https://a.test/no", now=T, outcome="disallowed", reason="robots.txt", digest="abc", line=4)
    ledger.refused(4, "https://b.test/", now=T + 1, outcome="dropped", reason="budget")
    no, dropped = read(tmp_path).refusals
    assert (no.row, no.url, no.host, no.outcome, no.reason) == (
        3,
        "https://a.test/no",
        "a.test",
        "disallowed",
        "robots.txt",
    )
    assert (no.digest, no.line, dropped.digest, dropped.line) == ("abc", 4, "", None)
    ledger.close()


def test_settings_give_the_same_limits_again_and_no_secret(tmp_path: Path) -> None:
    settings = Settings.make(
        {
            "limits": {"delay": "2 s", "headers": {"Authorization": "Bearer s3cret", "User-Agent": "scrapekit x"}},
            "hosts": {"b.test": {"concurrency": 3, "headers": {"Cookie": "s3cret"}}},
            "spiders": {"shop": {"limits": {"delay": 5, "headers": {"X-Api-Key": "s3cret"}}}},
        }
    )
    ledger = opened(tmp_path)
    ledger.settings(settings.model_dump(exclude_unset=True, mode="json"), now=T)
    assert b"s3cret" not in b"".join(lines(tmp_path))
    again = Settings.make(read(tmp_path).settings[0].data)
    for host, spider in [("a.test", ""), ("b.test", ""), ("b.test", "shop")]:
        was, now = settings.limits_for(host, spider), again.limits_for(host, spider)
        assert (was.delay, was.concurrency) == (now.delay, now.concurrency)
    assert again.limits.headers.get("user-agent") == "scrapekit x"
    ledger.close()


@given(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=300),
    st.text(alphabet=st.characters(codec="utf-8"), max_size=300),
)
def test_whatever_a_server_sends_stays_in_its_line(tmp_path_factory: pytest.TempPathFactory, a: str, b: str) -> None:
    folder = tmp_path_factory.mktemp("run")
    ledger = opened(folder)
    ledger.ended(send(ledger, 1), now=T + 1, status=429, headers=Headers({"Retry-After": a, "RateLimit": b}), error=a)
    ledger.ended(send(ledger, 2), now=T + 2)
    first, _ = read(folder).sends
    assert (first.asked, first.error) == ({"retry-after": a[:200], "ratelimit": b[:200]}, a[:200])
    ledger.close()


def test_words_are_forgotten_before_they_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "WORDS", 5)
    ledger = opened(tmp_path)
    urls = [f"https://{n % 9}.test/{n}" for n in range(50)]
    for n, url in enumerate(urls):
        ledger.ended(send(ledger, n, url), now=T + n, address=f"10.0.0.{n % 7}")
    sends = read(tmp_path).sends
    assert [each.url for each in sends] == urls
    assert [each.address for each in sends] == [f"10.0.0.{n % 7}" for n in range(50)]
    assert len(ledger._words) <= 10
    ledger.close()


# -- killed at any moment


def whole(folder: Path) -> bytes:
    ledger = opened(folder)
    ledger.settings({"limits": {"delay": 2.0}}, now=T)
    ledger.robots("https://a.test", now=T, status=404)
    for n in range(3):
        ledger.ended(send(ledger, n, f"https://a.test/{n}", T + n), now=T + n + 0.5, status=200)
    ledger.refused(9, "https://a.test/no", now=T + 9, outcome="dropped", reason="offsite")
    ledger.close()
    return (folder / FILE_NAME).read_bytes()


def test_wherever_the_file_ends_all_whole_lines_count(tmp_path: Path) -> None:
    data = whole(tmp_path)
    first = data.index(b"\n") + 1
    for end in range(first, len(data) + 1):
        (tmp_path / FILE_NAME).write_bytes(data[:end])
        account = read(tmp_path)
        assert bool(account.torn) == (data[end - 1 : end] != b"\n")
        assert len(account.sends) == data[:end].count(b'"page"') - (
            data[:end].rfind(b'["page"') > data[:end].rfind(b"\n")
        )


def test_a_resumed_run_goes_on_below_a_torn_line(tmp_path: Path) -> None:
    data = whole(tmp_path)
    first = data.index(b"\n") + 1
    for end in range(first, len(data) + 1, 7):
        (tmp_path / FILE_NAME).write_bytes(data[:end])
        ledger = opened(tmp_path, now=T + 100)
        ledger.ended(send(ledger, 0, "https://b.test/", T + 101), now=T + 102)
        ledger.close()
        account = read(tmp_path)
        assert [run.at for run in account.runs] == [T, T + 100]
        assert (account.sends[-1].url, account.sends[-1].at, account.sends[-1].end) == (
            "https://b.test/",
            T + 101,
            T + 102,
        )
        assert (tmp_path / FILE_NAME).read_bytes().startswith(data[:end])


def test_what_was_out_when_the_process_died_is_never_ended_by_the_next(tmp_path: Path) -> None:
    first = opened(tmp_path)
    send(first, 1, "https://a.test/1", T + 1)
    first.close()
    second = opened(tmp_path, now=T + 50)
    second.ended(send(second, 1, "https://a.test/1", T + 51), now=T + 52)
    assert [each.end for each in read(tmp_path).sends] == [None, T + 52]
    second.close()


@pytest.mark.parametrize(
    "damage", [b'["page",1,\n', b"\n", b"{}\n", b'["what",1]\n', b'["end",77,1,1,200,1]\n', b"\xff\n"]
)
def test_a_damaged_line_in_the_midst_is_no_evidence(tmp_path: Path, damage: bytes) -> None:
    whole(tmp_path)
    found = lines(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(b"".join([*found[:4], damage, *found[4:]]))
    with pytest.raises(ConfigError, match="is not a ledger's line") as caught:
        read(tmp_path)
    assert caught.value.line == 5


@pytest.mark.parametrize("content", [None, b"", b'["run",17'])
def test_without_a_run_there_is_no_ledger(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(ConfigError):
        read(tmp_path)


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    changed = lines(tmp_path)[0].replace(b'"format":1', b'"format":2')
    (tmp_path / FILE_NAME).write_bytes(changed + b'["settings",0,{}]\n')
    with pytest.raises(ConfigError, match="format 2"):
        read(tmp_path)


KILLED = """
import os, signal, sys
from pathlib import Path
from scrapekit.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]), spider="s", agent="a", user_agent="u", now=1e9)
for n in range(1000):
    ledger.about_to_send(n, f"http://a.test/{n}", now=1e9 + n, due=0, rule="free", delay=0, source="free")
    if n == 500:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_loses_no_record(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], check=False, cwd=Path(__file__).parent.parent
    )
    assert process.returncode == -signal.SIGKILL
    account = read(tmp_path)
    assert (len(account.sends), account.torn) == (501, [])


# -- when it cannot be written


def test_without_a_record_nothing_may_be_sent(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    handle = send(ledger, 1)
    os.close(ledger._file)
    ledger._file = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(SinkError, match=FILE_NAME):
        send(ledger, 2)
    with pytest.raises(SinkError):
        ledger.refused(3, URL, now=T, outcome="dropped", reason="x")
    ledger.ended(handle, now=T + 1)  # in a finally, where the first error is on its way already
    ledger.close()


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="cannot be written"):
        opened(tmp_path / "nowhere")
    ledger = opened(tmp_path)
    (tmp_path / "robots").write_text("a file in the way")
    with pytest.raises(SinkError, match="cannot be written"):
        ledger.robots("https://a.test", now=T, status=200, body=b"x")
    ledger.close()


def test_ignored_is_a_word_like_any_other(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    send(ledger, digest=IGNORED)
    assert read(tmp_path).sends[0].digest == IGNORED
    assert json.loads(lines(tmp_path)[-1])[0] == "page"
    ledger.close()


# ---- what a resumed run reads ----


def append(folder: Path, torn: bytes) -> None:
    with (folder / FILE_NAME).open("ab") as file:
        file.write(torn)


def late(folder: Path, position: int) -> list[tuple[int, int, bool]]:
    return [(send.row, send.status, send.end is not None) for send in aftermath(folder, position).sends]


def test_what_was_not_over_at_a_place_is_found_and_nothing_else(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    done, out, other = (send(ledger, row, f"https://{host}.test/x") for row, host in enumerate("abc", 1))
    ledger.ended(done, now=T + 1, status=200)
    place = ledger.size
    assert late(tmp_path, place) == [(2, 0, False), (3, 0, False)]
    ledger.ended(out, now=T + 2, status=429, headers=Headers({"Retry-After": "9"}))
    send(ledger, 4, "https://a.test/last", now=T + 3)
    assert late(tmp_path, place) == [(2, 429, True), (3, 0, False), (4, 0, False)]
    assert aftermath(tmp_path, place).sends[0].asked == {"retry-after": "9"}
    assert [send.url for send in aftermath(tmp_path, place).sends][::2] == ["https://b.test/x", "https://a.test/last"]
    assert late(tmp_path, 0) == [(1, 200, True), (2, 429, True), (3, 0, False), (4, 0, False)]
    assert other.row == 3


def test_a_place_in_an_earlier_process_is_read_on_through_the_later_ones(tmp_path: Path) -> None:
    first = opened(tmp_path)
    send(first, 1)
    place = first.size
    send(first, 2)
    first.close()
    append(tmp_path, b'["page",9,12')  # torn by the kill
    second = opened(tmp_path, T + 60)
    send(second, 3, now=T + 61)
    second.close()
    assert [(send.row, send.at) for send in aftermath(tmp_path, place).sends] == [(1, T), (2, T), (3, T + 61)]
    assert [send.row for send in aftermath(tmp_path, second.size).sends] == [3]


def test_a_ledger_that_is_not_there_or_was_changed_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        aftermath(tmp_path, 0)
    ledger = opened(tmp_path)
    send(ledger)
    append(tmp_path, b"rubbish]\n")
    send(ledger, 2)
    with pytest.raises(ConfigError, match="is not a ledger's line"):
        aftermath(tmp_path, 0)


@pytest.mark.parametrize(
    "proxy", ["http://me:s3cret@p.example", ["http://p.example", "socks5h://me:s3cret@p.example"], "none"]
)
def test_settings_tell_the_proxies_and_not_their_credentials(tmp_path: Path, proxy: str | list[str]) -> None:
    settings = Settings.make({"hosts": {"b.test": {"proxy": proxy}}})
    ledger = opened(tmp_path)
    ledger.settings(settings.tables(), now=T)
    ledger.settings(settings.model_dump(exclude_unset=True, mode="json"), now=T)
    assert b"s3cret" not in b"".join(lines(tmp_path))
    for change in read(tmp_path).settings:
        again, was = Settings.make(change.data).limits_for("b.test").proxy, settings.limits_for("b.test").proxy
        assert again is not None
        assert was is not None
        assert [str(each) for each in again.proxies({})] == [str(each) for each in was.proxies({})]
    ledger.close()
