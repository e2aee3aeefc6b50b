"""What waits at a host, read from the file in the order in which it goes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from scrapekit.frontier import statements as sql
from scrapekit.frontier.contract import Row
from scrapekit.frontier.file import File
from scrapekit.frontier.rows import row_of
from scrapekit.frontier.schema import damaged, micros


def next_rows(
    file: File, hosts: Mapping[int, str], n: Mapping[int, int], held: Collection[int], now: float
) -> dict[str, list[Row]]:
    """Up to n rows of each host that are not held: what may go by now in its order, then the earliest of the rest.

    ``hosts`` are names by number, and so are their ``n``; ``held`` are ids of rows, whatever their host.
    """
    if not hosts:
        return {}
    values = {"hosts": list(hosts), "held": list(held), "now": micros(now), "most": max(n.values())}
    try:
        return {
            hosts[host]: _in_order(hosts[host], [*ready, *come, *to_come], now)[: n[host]]
            for host, ready, come, to_come in file.ask(sql.ROWS, values)
        }
    except (ValueError, TypeError, LookupError) as error:
        raise damaged(file.path, error) from error


def _in_order(host: str, found: list[list[Any]], now: float) -> list[Row]:
    rows = [row_of(host, *columns) for columns in found]
    return sorted(rows, key=lambda row: (row.not_before if row.not_before > now else 0.0, *row.key))
