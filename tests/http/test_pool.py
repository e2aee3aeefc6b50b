"""Which idle connection is used, and which one goes; the pool's repr tells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapekit.http.connection import Connection, State
from scrapekit.http.pool import Pool
from scrapekit.http.terms import DIRECT


class Wire:
    """A stream that only says whether something has arrived."""

    secured = False
    address = "192.0.2.1:80"
    arrived = False

    def pending(self):
        return self.arrived


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


A = ("http://a.test", DIRECT)


@pytest.fixture
def clock():
    return Clock()


def idle(origin="http://a.test", born=1000.0):
    connection = Connection((origin, DIRECT), Wire(), born=born)
    connection._become(State.BUSY)
    connection._become(State.IDLE)
    return connection


def closing(pool):
    found = []
    while (connection := pool.dropped()) is not None:
        found.append(connection)
    return found


def test_what_is_given_is_taken_again_the_last_one_first(clock):
    pool = Pool(now=clock)
    first, second = idle(), idle()
    pool.give(first)
    pool.give(second)
    assert repr(pool) == "<Pool 2 idle (http://a.test: 2)>"
    assert pool.has(A)
    assert [pool.take(A), pool.take(A), pool.take(A)] == [second, first, None]
    assert repr(pool) == "<Pool 0 idle>"


def test_origins_do_not_share(clock):
    pool = Pool(now=clock)
    pool.give(idle("http://a.test"))
    for other in ("https://a.test", "http://a.test:8080", "http://b.test"):
        assert not pool.has((other, DIRECT))
        assert pool.take((other, DIRECT)) is None
    assert repr(pool) == "<Pool 1 idle (http://a.test: 1)>"


@pytest.mark.parametrize(("waited", "fit"), [(0.0, True), (59.9, True), (60.0, False), (61.0, False)])
def test_an_idle_connection_is_kept_for_so_long(clock, waited, fit):
    pool = Pool(now=clock, idle_seconds=60.0)
    connection = idle()
    pool.give(connection)
    clock.now += waited
    assert pool.has(A) is fit
    assert pool.take(A) is (connection if fit else None)
    assert closing(pool) == ([] if fit else [connection])


@pytest.mark.parametrize(("age", "fit"), [(599.0, True), (600.0, False)])
def test_a_connection_lives_so_long(clock, age, fit):
    pool = Pool(now=clock, max_age=600.0)
    pool.give(idle(born=clock.now - age))
    assert pool.has(A) is fit
    assert (pool.take(A) is not None) is fit


@pytest.mark.parametrize(
    ("promised", "waited", "fit"), [(5, 3.9, True), (5, 4.0, False), (1, 0.0, False), (900, 59.0, True)]
)
def test_a_server_s_promise_shortens_the_time_and_never_lengthens_it(clock, promised, waited, fit):
    pool = Pool(now=clock)
    connection = idle()
    connection.keep = promised
    pool.give(connection)
    clock.now += waited
    assert (pool.take(A) is connection) is fit


def test_a_connection_on_which_anything_arrived_is_never_given_out(clock):  # A13
    pool = Pool(now=clock)
    good, stray = idle(), idle()
    pool.give(good)
    pool.give(stray)
    stray._stream.arrived = True
    assert pool.has(A)
    assert pool.take(A) is good
    assert closing(pool) == [stray]
    assert not pool.has(A)


@pytest.mark.parametrize("limit", [0, 1, 2, 3])
def test_as_many_are_kept_as_allowed_and_the_longest_idle_goes_first(clock, limit):
    pool = Pool(now=clock, max_idle=limit)
    given = [idle(f"http://{name}.test") for name in "abc"]
    for connection in given:
        pool.give(connection)
        clock.now += 1
    assert [connection for connection in given if pool.has(connection.route)] == given[3 - limit :]
    assert closing(pool)[::-1] == given[: 3 - limit] or limit == 0
    assert repr(pool).startswith(f"<Pool {limit} idle")


def test_expired_connections_of_other_origins_go_too(clock):
    pool = Pool(now=clock)
    old = idle("http://old.test")
    pool.give(old)
    clock.now += 100
    pool.take(A)
    assert repr(pool) == "<Pool 0 idle; 1 closing>"
    assert closing(pool) == [old]


def test_a_closed_connection_is_not_kept(clock):
    pool = Pool(now=clock)
    connection = idle()
    connection._become(State.CLOSED)
    pool.give(connection)
    assert repr(pool) == "<Pool 0 idle>"


def test_a_pool_that_is_shut_keeps_nothing(clock):
    pool = Pool(now=clock)
    before, after = idle(), idle()
    pool.give(before)
    pool.shut()
    pool.give(after)
    assert pool.take(A) is None
    assert set(closing(pool)) == {before, after}


# ---- connections that carry several exchanges at once ----


class Wide(Connection):
    """Carries as many as it is told."""

    __slots__ = ("alive", "room")

    def __init__(self, room, *, born=1000.0):
        super().__init__(A, Wire(), born=born)
        self.room, self.alive = room, True
        self._become(State.BUSY)

    @property
    def capacity(self):
        return self.room

    def quiet(self):
        return self.alive and self.state is not State.CLOSED

    def rest(self):
        self._become(State.IDLE)


@pytest.mark.parametrize("room", [1, 2, 5])
def test_a_connection_is_given_to_as_many_as_it_has_room_for(clock, room):
    pool = Pool(now=clock)
    wide = Wide(room)
    pool.add(wide)
    assert [pool.take(A) for _ in range(room)] == [wide] * (room - 1) + [None]
    assert not pool.has(A)
    if room == 1:
        wide.rest()
    pool.give(wide)
    assert pool.take(A) is wide
    assert closing(pool) == []


def test_a_connection_is_idle_when_the_last_has_given_it_back(clock):
    pool = Pool(now=clock, idle_seconds=60.0)
    wide = Wide(2)
    pool.add(wide)
    pool.take(A)
    pool.give(wide)
    clock.now += 100
    assert repr(pool) == "<Pool 0 idle>"
    assert pool.has(A), "what is in use is not idle"
    wide.rest()
    pool.give(wide)
    assert repr(pool) == "<Pool 1 idle (http://a.test: 1)>"
    clock.now += 59
    assert pool.has(A)
    clock.now += 1
    assert not pool.has(A)
    assert pool.take(A) is None
    assert closing(pool) == [wide]


@pytest.mark.parametrize("why", ["old", "full", "dead"])
def test_a_connection_in_use_that_is_unfit_is_not_offered_and_not_closed(clock, why):
    pool = Pool(now=clock, max_age=10.0)
    wide = Wide(3)
    pool.add(wide)
    assert pool.take(A) is wide
    if why == "old":
        clock.now += 10
    elif why == "full":
        wide.room = 2  # the peer has changed its mind
    else:
        wide.alive = False
    assert not pool.has(A)
    assert pool.take(A) is None
    assert closing(pool) == []
    assert wide.users == 2


def test_the_peer_may_allow_more_later(clock):
    pool = Pool(now=clock)
    wide = Wide(1)
    pool.add(wide)
    assert pool.take(A) is None
    wide.room = 3
    pool.take(A)
    wide.users += 1
    pool.give(wide)
    assert pool.take(A) is wide


def test_a_shut_pool_lets_those_in_use_end_and_keeps_none(clock):
    pool = Pool(now=clock)
    wide = Wide(3)
    pool.add(wide)
    pool.take(A)
    pool.shut()
    assert pool.take(A) is None
    pool.give(wide)
    assert closing(pool) == []
    wide.rest()
    pool.give(wide)
    assert closing(pool) == [wide]


@given(
    st.lists(st.sampled_from(["add", "take", "give", "die", "wait", "grow", "shrink"]), max_size=60), st.integers(0, 9)
)
def test_no_shared_connection_is_given_to_too_many_or_closed_under_one(steps, seed):
    clock = Clock()
    pool = Pool(now=clock, max_idle=2)
    users: dict[Wide, int] = {}
    dropped: list[Connection] = []
    for number, what in enumerate(steps):
        every = list(users)
        chosen = every[(number * 7 + seed) % len(every)] if every else None
        if what == "add":
            wide = Wide(1 + (number + seed) % 3, born=clock.now)
            users[wide] = 1
            pool.add(wide)
        elif what == "take":
            taken = pool.take(A)
            if taken is not None:
                assert users[taken] < taken.capacity
                assert taken.quiet()
                users[taken] += 1
                if taken.state is State.IDLE:
                    taken._become(State.BUSY)
        elif what == "wait":
            clock.now += 31.0
        elif chosen is None:
            continue
        elif what == "give" and users[chosen]:
            users[chosen] -= 1
            if not users[chosen] and chosen.state is State.BUSY:
                chosen.rest()
            pool.give(chosen)
        elif what == "die":
            chosen._become(State.CLOSED)
        elif what == "grow":
            chosen.room += 1
        elif what == "shrink":
            chosen.room = max(0, chosen.room - 1)
        gone = closing(pool)
        assert all(users[connection] == 0 for connection in gone)
        dropped += gone
        for connection in gone:
            del users[connection]
        assert all(connection.users == count for connection, count in users.items())
        assert all(users[connection] == 0 for connection in pool._idle)
        assert len(pool._idle) <= 2
    assert len(set(map(id, dropped))) == len(dropped)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("take"), st.sampled_from("ab")),
            st.tuples(st.just("give"), st.sampled_from("ab")),
            st.tuples(st.just("arrive"), st.integers(0, 5)),
            st.tuples(st.just("wait"), st.sampled_from([1.0, 30.0, 61.0])),
        ),
        max_size=60,
    ),
    st.integers(0, 3),
)
def test_no_connection_is_lost_or_given_twice(steps, limit):
    """Against a model: every connection is with us, in the pool, or to be closed, and in one place only."""
    clock = Clock()
    pool = Pool(now=clock, max_idle=limit)
    kept: list[Connection] = []  # what the model thinks the pool holds
    dropped: list[Connection] = []
    for what, value in steps:
        if what == "wait":
            clock.now += value
        elif what == "arrive" and kept:
            kept[value % len(kept)]._stream.arrived = True
        elif what == "give":
            connection = idle(value, born=clock.now)
            pool.give(connection)
            kept.append(connection)
        elif what == "take":
            taken = pool.take((value, DIRECT))
            if taken is not None:
                assert taken.route == (value, DIRECT)
                assert taken in kept
                assert clock.now - taken.since < 60
                assert not taken._stream.arrived
                kept.remove(taken)
        gone = closing(pool)
        assert all(connection in kept for connection in gone)
        kept = [connection for connection in kept if connection not in gone]
        dropped += gone
        assert list(pool._idle) == [connection for connection in kept if connection in pool._idle]
        assert sorted(map(id, pool._idle)) == sorted(map(id, kept))
        assert len(kept) <= limit
    assert len(set(map(id, dropped))) == len(dropped)
