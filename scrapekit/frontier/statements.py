"""The frontier's SQL. Each statement takes or gives a whole batch as one JSON text.

sqlite3 lets go of the interpreter's lock around every step of a statement, and beside a busy crawl each time costs up
to 5 ms to get it back: so one step for a batch, not one for each row.
"""

from __future__ import annotations

from typing import Final


def _each(*columns: int) -> str:
    return "SELECT " + ", ".join(f"value ->> {column}" for column in columns) + " FROM json_each(?)"


#: [id, name]
NEW_HOSTS: Final = f"INSERT INTO hosts (id, name) {_each(0, 1)}"
#: [host, rank, id]
GONE_READY: Final = f"DELETE FROM ready WHERE (host, rank, id) IN ({_each(0, 1, 2)})"
#: [host, time, rank, id]
GONE_LATER: Final = f"DELETE FROM later WHERE (host, time, rank, id) IN ({_each(0, 1, 2, 3)})"
#: [id, url]
PARENTS: Final = f"INSERT INTO parents {_each(0, 1)}"
#: [host, rank, id, url, depth, parent, more]
READY: Final = f"INSERT INTO ready {_each(*range(7))}"
#: [host, time, rank, id, url, depth, parent, more]
LATER: Final = f"INSERT INTO later {_each(*range(8))}"
#: [id, host, rank, url, depth, parent, more, reason, validators, place, items]
FAILED: Final = f"INSERT INTO failed {_each(*range(11))}"
#: packed outcomes
ARCHIVE: Final = "INSERT INTO archive (packed) VALUES (?)"
#: fingerprints, strung together
SEEN: Final = "INSERT INTO seen (prints) VALUES (?)"
#: items, rejected: a list of lines each
TAIL: Final = "INSERT INTO tail (items, rejected) VALUES (?, ?)"
#: {name: text}
NOTES: Final = "INSERT OR REPLACE INTO notes SELECT key, value FROM json_each(?)"

#: [name] -> [[name, id]]
HOST_IDS: Final = """
SELECT json_group_array(json_array(name, id)) FROM hosts WHERE name IN (SELECT value FROM json_each(?))
"""
#: [id, opens, state]
STATES: Final = """
UPDATE hosts SET opens = j.value ->> 1, state = j.value ->> 2 FROM json_each(?) j WHERE hosts.id = j.value ->> 0
"""
#: [id, waiting]
WAITING: Final = "UPDATE hosts SET waiting = j.value ->> 1 FROM json_each(?) j WHERE hosts.id = j.value ->> 0"

#: When a host has something to give: as soon as it opens, if a row is ready; else with the earliest of the others.
_OPENS: Final = """
max(h.opens, CASE WHEN EXISTS (SELECT 1 FROM ready WHERE host = h.id) THEN :now
                  ELSE (SELECT min(time) FROM later WHERE host = h.id) END)
"""
#: [id, rows added]
MORE_WAIT: Final = (
    "UPDATE hosts SET waiting = waiting + j.value ->> 1 FROM json_each(?) j WHERE hosts.id = j.value ->> 0"
)
#: :hosts [id, ticket]: stand in line, or move up where an earlier row has come. Nothing is written of the others.
LINE_UP: Final = f"""
WITH n AS MATERIALIZED (
    SELECT h.id AS id, j.value ->> 1 AS ticket, {_OPENS} AS time
    FROM json_each(:hosts) j CROSS JOIN hosts h ON h.id = j.value ->> 0
)
UPDATE hosts AS o SET ticket = n.ticket, due = n.time FROM n
WHERE o.id = n.id AND o.due IS NOT n.time AND (o.due IS NULL OR n.time IS NULL OR n.time < o.due)
"""
#: Those that a process had leased when it was killed come back.
LINE_UP_LEASED: Final = f"""
UPDATE hosts AS h SET
    waiting = (SELECT count(*) FROM ready WHERE host = h.id) + (SELECT count(*) FROM later WHERE host = h.id),
    due = {_OPENS.replace(":now", "0")}
WHERE due IS NULL
"""
#: Those that got into line at a moment that is still to come, since the clock was set back, come now.
LINE_UP_ANEW: Final = f"UPDATE hosts AS h SET due = {_OPENS} WHERE due > :now AND due > opens"
#: :wanted [id], :now, :n -> [[id, name, state, waiting]]
LEASE: Final = """
SELECT json_group_array(json_array(id, name, state, waiting)) FROM (
    SELECT id, name, state, waiting FROM (
        SELECT h.id, name, state, waiting FROM json_each(:wanted) j CROSS JOIN hosts h ON h.id = j.value
    )
    UNION ALL
    SELECT id, name, state, waiting FROM (
        SELECT id, name, state, waiting FROM hosts
        WHERE due <= :now AND id NOT IN (SELECT value FROM json_each(:wanted)) ORDER BY due, ticket LIMIT :n
    )
)
"""
#: [id]
LEAVE_LINE: Final = "UPDATE hosts SET due = NULL WHERE id IN (SELECT value FROM json_each(?))"
NEXT_DUE: Final = "SELECT min(due) FROM hosts WHERE due IS NOT NULL"

_ROWS: Final = """
(SELECT json_group_array(json_array(id, url, depth, parent, more)) FROM (
    SELECT r.id, r.url, r.depth, p.url AS parent, r.more FROM {table} r LEFT JOIN parents p ON p.id = r.parent
    WHERE r.host = w.value AND {which} AND r.id NOT IN (SELECT value FROM json_each(:held))
    ORDER BY {order} LIMIT :most
))
"""
#: :hosts [id], :held [row id], :now, :most -> [[id, rows ready, rows whose time has come, rows whose time will come]],
#: each row as [id, url, depth, parent, more]
ROWS: Final = f"""
SELECT json_group_array(json_array(
    w.value,
    json({_ROWS.format(table="ready", which="true", order="r.rank, r.id")}),
    json({_ROWS.format(table="later", which="r.time <= :now", order="r.rank, r.id")}),
    json({_ROWS.format(table="later", which="r.time > :now", order="r.time, r.rank, r.id")})
)) FROM json_each(:hosts) w
"""

#: [reason] -> [[host, how many]]
REOPENED: Final = """
SELECT json_group_array(json_array(host, n)) FROM (
    SELECT host, count(*) AS n FROM failed
    WHERE reason IN (SELECT value FROM json_each(?)) GROUP BY host ORDER BY min(id)
)
"""
REOPEN: Final = """
INSERT INTO ready SELECT host, rank, id, url, depth, parent, more FROM failed
WHERE reason IN (SELECT value FROM json_each(?))
"""
NOT_FAILED: Final = "DELETE FROM failed WHERE reason IN (SELECT value FROM json_each(?))"
