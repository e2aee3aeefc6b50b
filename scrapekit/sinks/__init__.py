"""Where items go.

An item becomes one line of JSON (``keep``) and waits until its request's outcome is committed. The commit writes it to
each sink, in one piece and flushed, and stores how far each has got (``position``). After a kill a sink is opened again
where it was left, and what was written after that is cut off (``rewind``): no item is lost, and none is there twice.
"""

from __future__ import annotations

from scrapekit.sinks.csvfile import CsvSink
from scrapekit.sinks.jsonarray import JsonArraySink
from scrapekit.sinks.jsonlines import JsonLinesSink
from scrapekit.sinks.kept import Kept, keep, rejected
from scrapekit.sinks.memory import ListSink
from scrapekit.sinks.opening import STDOUT, check_target, check_targets, open_sink
from scrapekit.sinks.parquetfile import ParquetSink
from scrapekit.sinks.resuming import copy_items, resume_sink
from scrapekit.sinks.runlock import RunLock
from scrapekit.sinks.runs import HOME, LAST, RunFolder
from scrapekit.sinks.sink import Sink, write_all, write_each
from scrapekit.sinks.sqlitefile import SQLiteSink
from scrapekit.sinks.stdout import StdoutSink

__all__ = [
    "HOME",
    "LAST",
    "STDOUT",
    "CsvSink",
    "JsonArraySink",
    "JsonLinesSink",
    "Kept",
    "ListSink",
    "ParquetSink",
    "RunFolder",
    "RunLock",
    "SQLiteSink",
    "Sink",
    "StdoutSink",
    "check_target",
    "check_targets",
    "copy_items",
    "keep",
    "open_sink",
    "rejected",
    "resume_sink",
    "write_all",
    "write_each",
]
