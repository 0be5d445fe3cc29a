"""Projectors with different numbers of partitions: the second is refused, and whoever fights spoils nothing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from infrastructure.postgres.connections import connect
from infrastructure.projecting import sharing, worker
from infrastructure.projecting.dividing import divide
from infrastructure.projecting.runner import Projector
from infrastructure.projecting.sharing import ProjectorsMustAgreeOnPartitions, members
from infrastructure.projecting.standing import LanesMoved, live_lanes, lock
from infrastructure.projecting.worker import Worker
from projections.catalogue import BY_NAME, PROJECTIONS
from tests.projecting.tripwire import running, until
from tests.projecting.worked import Desk, work
from tests.soak.live import wrong
from tests.soak.rebuild_log import lengthen


def of(url: str, partitions: int) -> Projector:
    return Projector(url, PROJECTIONS, wake=threading.Event(), partitions=partitions, batch=50)


def divided(url: str) -> int:
    with connect(url, application="test") as connection:
        return len(live_lanes(connection, "balances"))


def at_work(url: str) -> dict[int, int]:
    with connect(url, application="test") as connection:
        return members(connection)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "PATIENCE_S", 0.3)
    monkeypatch.setattr(sharing, "LOOK_S", 0.05)


@contextmanager
def fighting(url: str, partitions: int, stop: threading.Event) -> Iterator[None]:
    """Workers without leases, which nobody can refuse."""
    workers = [
        Worker(url, BY_NAME, partition=number, partitions=partitions, batch=100)
        for number in range(partitions)
    ]
    threads = [threading.Thread(target=_fight, args=(one, stop), daemon=True) for one in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _fight(one: Worker, stop: threading.Event) -> None:
    while not stop.is_set():
        with suppress(Exception):
            one.start()
            while not stop.is_set():
                if not one.step():
                    stop.wait(0.005)
    one.close()


def test_workers_that_divide_at_the_expense_of_each_other_skip_and_double_nothing(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "LOOK_S", 0.01)
    url, stop, seen = database.app_url, threading.Event(), set()
    lengthen(url, 1000)

    with fighting(url, 2, stop), fighting(url, 3, stop):
        for end in range(1500, 40_000, 250):
            lengthen(url, end)
            with suppress(Exception):
                seen.add(divided(url))
            stop.wait(0.1)
            if end >= 6000 and seen >= {2, 3}:  # on a busy machine one side may come late
                break

    assert seen >= {2, 3}
    assert wrong(url) == []


def test_a_lane_that_was_divided_where_it_stood_cannot_be_locked_as_it_was(desk: Desk) -> None:
    work(desk)
    of(desk.url, 2).catch_up()

    with connect(desk.url, application="test") as connection:
        before = live_lanes(connection, "balances", partition=0)
        assert divide(connection, BY_NAME["balances"], 3)
        now = live_lanes(connection, "balances", partition=0)

        assert [lane.position for lane in now] == [lane.position for lane in before]
        for anywhere in (False, True):
            with pytest.raises(LanesMoved):
                lock(connection, before, anywhere=anywhere)
        assert lock(connection, now) == now


@pytest.mark.usefixtures("_impatient")
def test_a_projector_with_another_number_is_refused_with_one_sentence(desk: Desk) -> None:
    work(desk)
    with running(of(desk.url, 3)):
        until(lambda: divided(desk.url) == 3)

        for start in (lambda: of(desk.url, 2).run(threading.Event()), of(desk.url, 2).catch_up):
            with pytest.raises(ProjectorsMustAgreeOnPartitions) as refused:
                start()
            assert refused.value.operator_message == (
                "projectors with 3 partitions are at work; stop them all, or start this one with"
                " DAYBOOK_PROJECTOR_PARTITIONS=3"
            )

        with running(of(desk.url, 3)):
            until(lambda: at_work(desk.url) == {3: 2})
        assert divided(desk.url) == 3


@pytest.mark.usefixtures("_impatient")
def test_nobody_divides_while_others_project_with_another_number(desk: Desk) -> None:
    with (
        running(of(desk.url, 3)),
        connect(desk.url, application="test") as connection,
    ):
        until(lambda: divided(desk.url) == 3)

        assert not divide(connection, BY_NAME["balances"], 2)
        assert divided(desk.url) == 3


@pytest.mark.usefixtures("_impatient")
def test_the_number_is_changed_by_stopping_them_all(desk: Desk) -> None:
    work(desk)
    for number in (3, 2, 1):
        with running(of(desk.url, number)):
            until(lambda number=number: divided(desk.url) == number)

    assert wrong(desk.url) == []


@pytest.mark.usefixtures("_impatient")
def test_whoever_lost_its_leases_to_another_number_ends(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    late, stop = of(desk.url, 3), threading.Event()
    found: list[BaseException] = []

    def run() -> None:
        try:
            late.run(stop)
        except ProjectorsMustAgreeOnPartitions as refusal:
            found.append(refusal)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: divided(desk.url) == 3)
    with connect(desk.url, application="test") as other:
        session = late._shares._connection
        assert session is not None
        other.execute("SELECT pg_advisory_lock_shared(%s, %s)", (sharing._SPACE, sharing._MEMBER + 2))
        other.execute("SELECT pg_terminate_backend(%s)", (session.info.backend_pid,))
        thread.join(60)

    assert [str(refusal)[:37] for refusal in found] == ["projectors with 2 partitions are at w"]
