from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from scrapekit.errors import PipeClosed, SinkError
from scrapekit.sinks import ListSink, StdoutSink, keep, write_all


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for end in (reader, writer):
        try:
            os.close(end)
        except OSError:
            pass


def test_items_are_lines_and_out_at_once(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    sink = StdoutSink(writer)
    sink.write([keep({"a": 1}), keep({"a": "é"})])
    assert os.read(reader, 1000).decode() == '{"a":1}\n{"a":"é"}\n'
    sink.close()
    os.write(writer, b"still open")


def test_it_cannot_go_back(pipe: tuple[int, int]) -> None:
    sink = StdoutSink(pipe[1])
    assert sink.position() is None
    with pytest.raises(SinkError, match="cannot go back"):
        sink.rewind(0)


def test_a_reader_that_has_gone_is_a_signal_of_its_own(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    with pytest.raises(PipeClosed):
        StdoutSink(pipe[1]).write([keep({"a": 1})])


def test_a_full_pipe_that_does_not_block_is_waited_for(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.set_blocking(writer, False)
    item = keep({"a": "x" * 300_000})
    got = bytearray()

    def read() -> None:
        while len(got) < len(item.line) + 1:
            got.extend(os.read(reader, 65536))

    thread = threading.Thread(target=read)
    thread.start()
    StdoutSink(writer).write([item])
    thread.join()
    assert got.decode() == item.line + "\n"


def test_a_list_keeps_the_objects_and_goes_back() -> None:
    sink, item = ListSink(), {"a": 1}
    sink.write([keep(item), keep({"a": 2})])
    assert sink.items[0] is item
    sink.rewind(1)
    assert sink.items == [{"a": 1}]
    with pytest.raises(SinkError, match="was left at 2 items"):
        sink.rewind(2)


def test_what_cannot_go_back_is_written_last(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    kept = ListSink()
    with pytest.raises(PipeClosed):
        write_all([StdoutSink(pipe[1]), kept], [keep({"a": 1})])
    assert kept.items == []
