"""A rebuild yields to customers: small chunks and rests while the log grows, and low priority on both sides."""

import os
import time

import pytest

from infrastructure.postgres.connections import connect
from infrastructure.postgres.niceness import be_nice
from infrastructure.projecting.operating import rebuild_all
from infrastructure.projecting.rebuild import manner
from infrastructure.projecting.rebuild.manner import CHUNK, GENTLE_CHUNK, Gait, Manner, yielding
from tests.projecting.worked import Desk, deposit, project, work


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it rested, each time; nobody really waits."""
    found: list[float] = []
    monkeypatch.setattr(manner.time, "sleep", found.append)
    return found


def _later(gait: Gait, seconds: float) -> None:
    """As if it had looked so long ago."""
    gait._looked -= seconds


def test_chunks_are_small_and_it_rests_while_customers_are_at_work(desk: Desk, rests: list[float]) -> None:
    account_id = desk.opened()
    with connect(desk.url, application="test") as connection:
        gait = Gait(connection, Manner())
        desk.all_at_once([deposit(account_id) for _ in range(30)])
        _later(gait, 1.0)
        gait.rest(0.2)
        busy = gait.chunk
        _later(gait, 1.0)
        gait.rest(0.2)
        idle = gait.chunk

    assert (busy, idle) == (GENTLE_CHUNK, CHUNK)
    assert rests == [0.1]


def test_it_begins_gently_because_nothing_is_known_yet(desk: Desk) -> None:
    with connect(desk.url, application="test") as connection:
        assert Gait(connection, Manner()).chunk == GENTLE_CHUNK
        assert Gait(connection, Manner(chunk=7)).chunk == 7


def test_who_does_not_care_never_rests(desk: Desk, rests: list[float]) -> None:
    account_id = desk.opened()
    with connect(desk.url, application="test") as connection:
        gait = Gait(connection, Manner(is_gentle=False))
        desk.all_at_once([deposit(account_id) for _ in range(30)])
        _later(gait, 1.0)
        gait.rest(0.2)

        assert gait.chunk == CHUNK
    assert rests == []


def test_the_servers_side_has_low_priority_too(desk: Desk) -> None:
    with connect(desk.url, application="test") as connection:
        before = os.getpriority(os.PRIO_PROCESS, connection.info.backend_pid)
        yielding(connection)
        after = os.getpriority(os.PRIO_PROCESS, connection.info.backend_pid)
        waits = connection.execute("SHOW synchronous_commit").fetchone()

        assert after == max(before, manner.NICENESS)
        assert waits == ("off",)


def test_a_process_that_is_not_a_servers_is_left_alone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(desk.url, application="test") as connection:
        monkeypatch.setattr(type(connection.info), "backend_pid", os.getpid())

        assert not be_nice(connection, 10)


def test_a_rebuild_while_customers_are_at_work_is_right_and_ends(desk: Desk) -> None:
    work(desk)
    account_id = desk.opened()
    desk.all_at_once([deposit(account_id) for _ in range(200)])
    project(desk.url)
    began = time.monotonic()

    results = rebuild_all(desk.url, ["balances", "history"], manner=Manner(chunk=20))

    assert {(one.compared, one.differences) for one in results} == {(True, 0)}
    assert time.monotonic() - began < 60
