"""What operators do about rebuilds: go on with one that was cut off, pause it, and take back what went live."""

import multiprocessing
import socket
import threading
from typing import Any

import pytest

from infrastructure.postgres.connections import connect
from infrastructure.projecting import rebuilding
from infrastructure.projecting.operating import forget, rebuild_all, roll_back, under_way
from infrastructure.projecting.rebuild import control, crew, memory, share, swapping
from infrastructure.projecting.rebuild.control import (
    PreviousTableMustExist,
    RebuildMustBeUnderWay,
    RebuildMustNotBeAtWork,
)
from infrastructure.projecting.rebuild.manner import Manner
from infrastructure.projecting.rebuild.reports import Report
from infrastructure.projecting.rebuilding import (
    RebuildFailed,
    RebuildIsNotWanted,
    alone,
    cut_off_by,
    rebuild,
    rebuild_together,
)
from infrastructure.projecting.standing import standings
from infrastructure.projecting.verifying import verify
from projections.balances import Balances
from projections.catalogue import BY_NAME, PROJECTIONS
from projections.projection import Fact
from tests.projecting.tripwire import Once, Tripwire, count, counted, until
from tests.projecting.worked import ANN, Desk, deposit, project, table, tables, work


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "CHUNK", 10)
    monkeypatch.setattr(swapping, "NEAR", 5)
    monkeypatch.setattr(crew, "NEAR", 5)
    monkeypatch.setattr(rebuilding, "USUAL", Manner(chunk=10, short=10))
    monkeypatch.setattr(crew, "PAUSED_LOOK_S", 0.01)


@pytest.fixture
def projected(desk: Desk) -> Desk:
    """The worked history, projected."""
    work(desk)
    project(desk.url)
    return desk


class Power(BaseException):
    """The power fails."""


def fail(error: BaseException) -> Any:
    """What raises this."""

    def act() -> None:
        raise error

    return act


def test_a_rebuild_that_was_cut_off_goes_on_from_its_checkpoint(projected: Desk) -> None:
    project(projected.url, projections=[Tripwire()])
    with pytest.raises(Power):
        rebuild(projected.url, Tripwire(Once(35, fail(Power()))))
    seen: list[int] = []

    found = rebuild(projected.url, Tripwire(lambda fact: seen.append(fact.log_position)))

    assert seen == list(range(31, 42))
    assert (found.compared, found.differences, found.events) == (True, 0, 41)
    assert counted(projected.url) == count(projected.facts())


def test_a_checkpoint_of_other_code_or_a_fresh_rebuild_begins_anew(projected: Desk) -> None:
    project(projected.url, projections=[Tripwire()])
    newer = Tripwire(Once(35, fail(Power())))
    newer.version = 2
    seen: list[int] = []

    for cut_off, fresh in ((newer, False), (Tripwire(Once(35, fail(Power()))), True)):
        with pytest.raises(Power):
            rebuild(projected.url, cut_off)
        seen.clear()
        again = Tripwire(lambda fact: seen.append(fact.log_position))
        rebuild_together(projected.url, [again], fresh=fresh)

        assert seen == list(range(1, 42))
    assert counted(projected.url) == count(projected.facts())


def test_several_processes_share_the_accounts_and_one_rebuild_all_projections(projected: Desk) -> None:
    for _ in range(8):
        projected.opened()
    project(projected.url)
    before = tables(projected.url)

    found = rebuild_all(projected.url, [], parallel=2)

    assert [(r.compared, r.differences) for r in found] == [(True, 0)] * len(PROJECTIONS)
    assert tables(projected.url) == before
    proved = list(verify(projected.url, PROJECTIONS, rows=True))
    assert all(one.is_right for one in proved)
    assert {(one.events, one.proved_after) for one in proved} == {(57, 0)}


def test_the_table_before_goes_live_again_in_one_step_and_goes_on_from_where_the_log_is(
    projected: Desk,
) -> None:
    rebuild(projected.url, BY_NAME["balances"])
    projected.all_at_once([deposit(ANN) for _ in range(30)])
    project(projected.url)
    sound = table(projected.url, "balances")
    with connect(projected.url, application="test") as connection:
        connection.execute("UPDATE read.balances SET cash = 0")

    back = roll_back(projected.url, "balances")

    assert back.position == 71
    assert table(projected.url, "balances") == sound
    projected.all_at_once([deposit(ANN)])
    project(projected.url)
    assert rebuild(projected.url, BY_NAME["balances"]).differences == 0


def test_what_was_taken_back_can_be_taken_back_too_until_it_is_forgotten(projected: Desk) -> None:
    sound = table(projected.url, "orders")
    rebuild(projected.url, BY_NAME["orders"])

    for _ in range(3):
        roll_back(projected.url, "orders")
        assert table(projected.url, "orders") == sound
    forget(projected.url, "orders")

    with pytest.raises(PreviousTableMustExist):
        roll_back(projected.url, "orders")
    with pytest.raises(PreviousTableMustExist):
        forget(projected.url, "orders")


def test_nothing_is_taken_back_while_it_is_being_rebuilt(projected: Desk) -> None:
    rebuild(projected.url, BY_NAME["orders"])

    with alone(projected.url, ["orders"]), pytest.raises(RebuildMustNotBeAtWork):
        roll_back(projected.url, "orders")


def test_a_paused_rebuild_waits_and_goes_on(projected: Desk) -> None:
    project(projected.url, projections=[Tripwire()])
    reports: list[Report] = []
    tripwire = Tripwire(Once(15, lambda: control_pause.append(_pause_beside(projected.url))))
    control_pause: list[threading.Thread] = []
    beside = threading.Thread(
        target=rebuild, args=(projected.url, tripwire), kwargs={"progress": reports.append}
    )

    beside.start()
    until(lambda: any(report.phase == "paused" for report in reports))
    (waiting,) = control.under_way(projected.url, [tripwire])
    control.resume(projected.url, ["tripwire"])
    beside.join(60)

    assert (waiting.state, waiting.is_worked_on, waiting.end) == ("paused", True, 41)
    assert 10 <= waiting.position < 41
    assert reports[-1].phase == "done"
    assert under_way(projected.url) == []
    with pytest.raises(RebuildMustBeUnderWay):
        control.pause(projected.url, ["tripwire"])


def _pause_beside(url: str) -> threading.Thread:
    """It waits for the chunk at hand."""
    thread = threading.Thread(target=control.pause, args=(url, ["tripwire"]))
    thread.start()
    until(lambda: _waits(url))
    return thread


def _waits(url: str) -> bool:
    with connect(url, application="test") as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'daybook projections'"
            " AND datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchone()
    return bool(found and found[0])


def test_one_that_cannot_be_folded_keeps_its_live_table_and_does_not_keep_others_back(
    projected: Desk,
) -> None:
    project(projected.url, projections=[Tripwire()])
    sound = counted(projected.url)
    broken = Tripwire(Once(35, fail(ValueError("a mistake"))))
    broken.version = 2

    failed, well = rebuild_together(projected.url, [broken, Balances()])

    assert failed.failure is not None
    assert "a mistake" in failed.failure
    assert (well.failure, well.differences) == (None, 0)
    assert counted(projected.url) == sound
    (left,) = control.under_way(projected.url, [broken])
    assert (left.state, left.is_worked_on) == ("failed", False)
    with pytest.raises(RebuildFailed):
        rebuild(projected.url, Tripwire(fail_always))


def fail_always(fact: Fact) -> None:
    raise ValueError("another mistake")


def test_a_new_version_is_compared_in_what_should_be_equal_and_can_be_taken_back(projected: Desk) -> None:
    project(projected.url, projections=[Tripwire()])
    projected.all_at_once([deposit(ANN) for _ in range(30)])
    newer = Tripwire()
    newer.version, newer.changes = 2, ("count",)

    found = rebuild(projected.url, newer)
    with connect(projected.url, application="test") as connection:
        went_live = standings(connection)["tripwire"]
    back = control.roll_back(projected.url, newer)

    assert (found.columns, found.differences) == (["topic", "log_position"], 0)
    assert (went_live.version, went_live.position) == (2, 71)
    assert (back.version, back.position) == (1, 41)
    with pytest.raises(RebuildIsNotWanted):
        rebuild(projected.url, newer, is_asked_for=False)
    project(projected.url, projections=[Tripwire()])
    assert counted(projected.url) == count(projected.facts())


def test_what_a_new_version_does_not_name_as_changed_is_reported_as_different(projected: Desk) -> None:
    project(projected.url, projections=[Tripwire()])
    with connect(projected.url, application="test") as connection:
        connection.execute("UPDATE read.tripwire SET count = count + 1 WHERE topic = 'Account.Opened'")
    newer = Tripwire()
    newer.version = 2

    found = rebuild(projected.url, newer)

    assert (found.differences, found.examples) == (1, ["(Account.Opened)"])


def test_rows_beyond_what_memory_may_hold_are_let_go_and_read_back(
    projected: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "ROWS_MAX", 2)
    accounts = [projected.opened() for _ in range(6)]
    projected.all_at_once([deposit(account_id) for account_id in accounts * 2])
    project(projected.url)
    before = tables(projected.url)

    found = rebuild_all(projected.url, [])

    assert [(r.compared, r.differences) for r in found] == [(True, 0)] * len(PROJECTIONS)
    assert tables(projected.url) == before


def _crew_of_two(url: str) -> str:
    try:
        crew.fold_by_processes(url, [], lambda: None, workers=2, manner=Manner())
    except BaseException as error:  # noqa: BLE001  what is said about it is the point
        return repr(error)
    return ""


def test_workers_that_cannot_be_started_say_why(desk: Desk) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # its processes may not start others
        said = pool.apply(_crew_of_two, (desk.url,))

    assert "daemonic processes are not allowed to have children" in said


def test_a_worker_that_fails_says_why() -> None:
    assert "WorkerFailed" in (said := _crew_of_two("postgresql://nobody@127.0.0.1:1/nothing"))
    assert "OperationalError" in said


def test_a_worker_that_is_killed_is_told_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://nobody:hunter2@127.0.0.1:{silent.getsockname()[1]}/nothing"

        def kill() -> None:
            for process in multiprocessing.active_children():
                process.kill()

        with pytest.raises(crew.WorkerFailed) as failed:
            crew.fold_by_processes(url, [], kill, workers=2, manner=Manner())

    assert cut_off_by(failed.value) == "a worker ended by SIGKILL"
