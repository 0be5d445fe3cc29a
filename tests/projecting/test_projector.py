"""The projector: every event once, whatever happens to it, its neighbours or its connection."""

import threading
import time
from typing import Any

import pytest

from infrastructure.figures import FIGURES
from infrastructure.postgres.connections import connect
from infrastructure.postgres.lease import Lease
from infrastructure.projecting import retries, runner, sharing, standing, worker
from infrastructure.projecting.operating import rebuild_all, statuses
from infrastructure.projecting.runner import Projector
from infrastructure.projecting.standing import LanesMoved, hold, live_lanes, lock, standings
from projections.catalogue import PROJECTIONS
from tests.projecting.tripwire import Once, Tripwire, count, counted, positions, running, terminate, until
from tests.projecting.worked import Desk, deposit, project, table, tables, work


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "LOOK_S", 0.05)
    monkeypatch.setattr(runner, "AGAIN_S", 0.05)
    monkeypatch.setattr(runner, "POLL_S", 0.02)
    monkeypatch.setattr(retries, "RETRY_FIRST_S", 0.02)


def a_projector(url: str, *projections: Any, **others: Any) -> Projector:
    return Projector(url, projections, **{"wake": threading.Event(), **others})


def everywhere(url: str) -> set[int]:
    """The different places where projections stand."""
    return set(positions(url).values())


def test_a_connection_cut_in_the_middle_of_a_batch_doubles_and_loses_nothing(
    desk: Desk, servers: Any
) -> None:
    work(desk)
    cuts = [
        Once(position, lambda: terminate(servers, "daybook projector")) for position in (1, 5, 14, 30, 41)
    ]
    tripwire = Tripwire(lambda fact: [cut(fact) for cut in cuts])

    with running(a_projector(desk.url, *PROJECTIONS, tripwire, batch=7)):
        until(lambda: everywhere(desk.url) == {41})

    assert all(cut.done for cut in cuts)
    assert counted(desk.url) == count(desk.facts())
    assert [(result.compared, result.differences) for result in rebuild_all(desk.url, [])] == [
        (True, 0)
    ] * len(PROJECTIONS)


def test_rows_and_position_are_written_together_or_not_at_all(desk: Desk, servers: Any) -> None:
    work(desk)
    project(desk.url, batch=20)
    before, begun = tables(desk.url), positions(desk.url)
    desk.all_at_once([deposit(desk.opened()) for _ in range(10)])
    stop = threading.Event()

    def cut() -> None:
        terminate(servers, "daybook projector")
        stop.set()

    a_projector(desk.url, *PROJECTIONS, Tripwire(Once(50, cut))).run(stop)

    assert tables(desk.url) == before
    assert positions(desk.url) == {**begun, "tripwire": 0}


def test_a_projector_that_stands_still_in_the_middle_of_a_fold_loses_its_locks(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "IDLE_LIMIT_MS", 200)
    work(desk)
    moved: list[list[str]] = []

    def stand_still() -> None:
        with connect(desk.url, application="another") as other, other.transaction():
            other.execute("SET LOCAL lock_timeout = '5s'")
            moved.append([lane.name for lane in hold(other, "tripwire")])

    tripwire = Tripwire(Once(20, stand_still))
    with running(a_projector(desk.url, *PROJECTIONS, tripwire)):
        until(lambda: everywhere(desk.url) == {41})

    assert moved == [["tripwire"]]
    assert counted(desk.url) == count(desk.facts())


@pytest.mark.parametrize("large", [1, 1_000])
def test_every_event_is_counted_also_where_a_proof_is_closed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    monkeypatch.setattr(standing, "STRETCH", 10)
    monkeypatch.setattr(worker, "LARGE", large)
    work(desk)
    before = FIGURES.count("projector_events", "audit")

    project(desk.url, batch=4)

    assert FIGURES.count("projector_events", "audit") - before == 41


def test_a_projection_that_fails_is_set_aside_and_catches_up_once_it_is_mended(desk: Desk) -> None:
    work(desk)
    broken = threading.Event()
    broken.set()

    def fail(fact: Any) -> None:
        if broken.is_set() and fact.log_position == 20:
            raise ValueError("a mistake in the fold")

    with running(a_projector(desk.url, *PROJECTIONS, Tripwire(fail), batch=7)):
        until(lambda: set(positions(desk.url).values()) >= {41} and _failure(desk.url, "tripwire"))
        others = {name: at for name, at in positions(desk.url).items() if name != "tripwire"}
        stands, said = positions(desk.url)["tripwire"], _failure(desk.url, "tripwire")
        desk.opened()
        until(lambda: positions(desk.url)["audit"] == 43)
        broken.clear()
        until(lambda: everywhere(desk.url) == {43})

    assert set(others.values()) == {41}
    assert stands < 20
    assert said == "tripwire cannot fold Account.FundsReleased at 20: ValueError('a mistake in the fold')"
    assert _failure(desk.url, "tripwire") is None
    assert counted(desk.url) == count(desk.facts())


def test_of_two_projectors_one_works_and_the_other_takes_over(desk: Desk, servers: Any) -> None:
    worked: list[str] = []
    tripwire = Tripwire()
    projectors = [
        a_projector(desk.url, tripwire, on_progress=lambda _, name=name: worked.append(name))
        for name in ("one", "other")
    ]

    with running(*projectors):
        for _ in range(10):
            desk.opened()
        until(lambda: positions(desk.url).get("tripwire") == 20)
        only = set(worked)
        while len(set(worked)) == 1:
            terminate(servers, "daybook projector leases")
            desk.opened()
            end = len(desk.facts())
            until(lambda end=end: positions(desk.url)["tripwire"] == end)

    assert len(only) == 1
    assert set(worked) == {"one", "other"}
    assert counted(desk.url) == count(desk.facts())


def test_a_lease_has_one_holder_until_its_connection_ends(database: Any, servers: Any) -> None:
    one, other, another_job = (Lease(database.app_url, name) for name in ("work", "work", "other work"))

    assert (one.hold(), other.hold(), another_job.hold(), one.hold()) == (True, False, True, True)

    terminate(servers, "daybook lease work")
    until(other.hold)
    assert (one.hold(), one.hold(), other.hold()) == (False, False, True)

    other.release()
    assert one.hold()
    one.release()
    another_job.release()


def test_whoever_lost_the_lease_without_knowing_cannot_double_a_row(desk: Desk) -> None:
    work(desk)
    stop = threading.Event()
    tripwire = Tripwire()

    def overtake() -> None:
        a_projector(desk.url, Tripwire()).catch_up()

    slow = a_projector(desk.url, tripwire, batch=10)
    slow._on_progress = lambda reached: stop.set() if reached["tripwire"] == 41 else overtake()
    slow.run(stop)

    assert counted(desk.url) == count(desk.facts())


def test_a_lane_is_locked_only_where_it_was_read(desk: Desk) -> None:
    project(desk.url)

    with connect(desk.url, application="test") as connection:
        (lane,) = live_lanes(connection, "balances")
        work(desk)
        project(desk.url)
        with pytest.raises(LanesMoved):
            lock(connection, [lane])

        assert [now.position for now in lock(connection, [lane], anywhere=True)] == [41]


def test_a_wake_up_is_followed_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "POLL_S", 2)
    wake, reached = threading.Event(), threading.Event()
    projector = a_projector(desk.url, Tripwire(), wake=wake, on_progress=lambda _: reached.set())

    with running(projector):
        until(lambda: "tripwire" in positions(desk.url))
        time.sleep(0.1)
        desk.opened()
        quiet = not reached.wait(0.2)
        wake.set()
        soon = reached.wait(1)

    assert quiet
    assert soon


def test_a_lost_wake_up_is_made_good_by_looking(desk: Desk) -> None:
    reached: list[int] = []
    projector = a_projector(desk.url, Tripwire(), on_progress=lambda moved: reached.append(moved["tripwire"]))

    with running(projector):
        until(lambda: "tripwire" in positions(desk.url))
        desk.opened()
        until(lambda: 2 in reached)

    assert positions(desk.url) == {"tripwire": 2}


def test_the_status_says_how_far_behind_each_projection_is(desk: Desk) -> None:
    work(desk)
    before = {(one.name, one.position, one.lag) for one in statuses(desk.url)}

    project(desk.url)

    assert before == {(projection.name, 0, 41) for projection in PROJECTIONS}
    assert {(one.position, one.lag, one.failure) for one in statuses(desk.url)} == {(41, 0, None)}


def test_an_empty_log_leaves_empty_tables(desk: Desk) -> None:
    project(desk.url)

    assert all(not table(desk.url, projection.name) for projection in PROJECTIONS)
    assert everywhere(desk.url) == {0}


def _failure(url: str, name: str) -> str | None:
    with connect(url, application="test") as connection:
        return standings(connection)[name].failure
