"""Rebuilding: a new table from the beginning of the log, beside the live one, while everything goes on."""

import threading
import time
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec import Struct, defstruct

from domain.account import Account
from domain.aggregate import Event
from domain.facts import TOPICS
from infrastructure.postgres.connections import connect
from infrastructure.projecting import rebuilding, runner
from infrastructure.projecting.operating import ProjectionDesk, ProjectionMustExist, rebuild_all
from infrastructure.projecting.rebuild import crew, share, swapping
from infrastructure.projecting.rebuild.manner import Manner
from infrastructure.projecting.rebuilding import rebuild
from infrastructure.projecting.runner import Projector
from projections.balances import Balances
from projections.catalogue import BY_NAME, PROJECTIONS
from projections.projection import Fact, Projection, on
from tests.projecting.tripwire import Once, Tripwire, count, counted, positions, running, until
from tests.projecting.worked import ANN, Desk, deposit, project, table, tables, work


@pytest.fixture(autouse=True)
def _small_and_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "CHUNK", 500)
    monkeypatch.setattr(rebuilding, "USUAL", Manner(chunk=500))
    monkeypatch.setattr(swapping, "NEAR", 100)
    monkeypatch.setattr(crew, "NEAR", 100)
    monkeypatch.setattr(runner, "AGAIN_S", 0.05)
    monkeypatch.setattr(runner, "POLL_S", 0.02)


def indexes(url: str) -> list[str]:
    """The definitions of all indexes of live tables."""
    with connect(url, application="test") as connection:
        found = connection.execute(
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'read'"
            r" AND tablename NOT LIKE '%\_previous' ORDER BY 1"
        )
        return [row[0] for row in found.fetchall()]


def outcomes(found: Any) -> list[tuple[bool, int]]:
    """Whether tables were compared, and what differed."""
    return [(result.compared, result.differences) for result in found]


class Customers:
    """Threads that give commands until told to stop."""

    def __init__(self, desk: Desk) -> None:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(desk,)) for _ in range(2)]

    def _work(self, desk: Desk) -> None:
        account_id = desk.opened()
        while not self._stop.is_set():
            desk.all_at_once([deposit(account_id) for _ in range(20)])
            time.sleep(0.1)

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


class Reader(Customers):
    """Threads that look for Ann's balance all the time. What they see is how many rows there were."""

    def _work(self, desk: Desk) -> None:
        with connect(desk.url, application="test") as connection:
            while not self._stop.is_set():
                question = "SELECT cash FROM read.balances WHERE account_id = %s"
                self.seen.append(connection.execute(question, (ANN,), prepare=True).rowcount)
                time.sleep(0.002)

    def __enter__(self) -> list[int]:
        self.seen: list[int] = []
        super().__enter__()
        return self.seen


def test_a_rebuild_while_everything_goes_on_is_equal_and_loses_nothing(desk: Desk) -> None:
    work(desk)
    project(desk.url)
    named = indexes(desk.url)

    with (
        running(Projector(desk.url, PROJECTIONS, wake=threading.Event())),
        Customers(desk),
        Reader(desk) as seen,
    ):
        found = rebuild_all(desk.url, [])
        at_once_again = rebuild_all(desk.url, [])
        end = len(desk.facts())
        until(lambda: min(positions(desk.url).values()) >= end)

    project(desk.url)
    rebuilt = tables(desk.url)
    assert set(seen) == {1}
    assert outcomes(found) == outcomes(at_once_again) == [(True, 0)] * len(PROJECTIONS)
    assert indexes(desk.url) == named
    assert outcomes(rebuild_all(desk.url, [])) == [(True, 0)] * len(PROJECTIONS)
    assert tables(desk.url) == rebuilt


def test_a_rebuild_and_a_projector_in_the_middle_of_a_batch_do_not_lock_each_other_out(desk: Desk) -> None:
    work(desk)
    failures: list[BaseException] = []
    tripwire = Tripwire()
    project(desk.url, projections=[tripwire])
    desk.opened()

    def rebuild_beside() -> None:
        try:
            rebuild(desk.url, Tripwire())
        except Exception as error:  # noqa: BLE001  it is looked at below
            failures.append(error)

    beside = threading.Thread(target=rebuild_beside)

    def begin_a_rebuild_and_wait_until_it_waits_for_us() -> None:
        beside.start()
        until(lambda: _waiting(desk.url))

    tripwire.act = Once(42, begin_a_rebuild_and_wait_until_it_waits_for_us)
    project(desk.url, projections=[tripwire])
    beside.join(60)

    assert failures == []
    assert counted(desk.url) == count(desk.facts())


def _waiting(url: str) -> bool:
    with connect(url, application="test") as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name LIKE 'daybook rebuild%' AND wait_event_type = 'Lock'"
        ).fetchone()
    return found is not None and found[0] > 0


@pytest.fixture
def projected(desk: Desk) -> Desk:
    """The worked history, projected."""
    work(desk)
    project(desk.url)
    return desk


TAMPERINGS = [
    ("balances", "UPDATE read.balances SET cash = cash + 0.01 WHERE account_id = %(ann)s"),
    ("balances", "DELETE FROM read.balances WHERE account_id = %(ann)s"),
    ("orders", "UPDATE read.orders SET reason = 'nothing' WHERE reason IS NULL AND account_id = %(ann)s"),
    ("positions", "UPDATE read.positions SET lots = '[]' WHERE account_id = %(ann)s"),
    ("audit", "DELETE FROM read.audit WHERE log_position = 7 AND account_id = %(ann)s"),
]


@pytest.mark.parametrize(("name", "statement"), TAMPERINGS)
def test_a_rebuild_finds_what_was_tampered_with_and_mends_it(
    projected: Desk, name: str, statement: str
) -> None:
    sound = table(projected.url, name)
    with connect(projected.url, application="test") as connection:
        connection.execute(statement, {"ann": ANN})
    tampered = table(projected.url, name)

    found = rebuild(projected.url, BY_NAME[name])
    again = rebuild(projected.url, BY_NAME[name])

    assert tampered != sound
    assert found.compared
    assert found.differences > 0
    assert table(projected.url, name) == sound
    assert again.differences == 0


def _deposits(version: int, columns: type[Struct], *indexed: str) -> Projection:
    kind: Any = next(field.type for field in msgspec.structs.fields(columns) if field.name == "amount")

    class DepositsProjection(Projection):
        name, row, key_columns = "deposits", columns, ("account_id",)
        ignores = tuple(kind for kind in TOPICS if kind is not Account.Deposited)

        def key(self, event: Event, fact: Fact) -> Any:
            return (event.account_id,)

        @on(Account.Deposited)
        def deposited(self, event: Account.Deposited, rows: Any) -> None:
            key = (event.account_id,)
            row = rows.get(key) or rows.add(key, columns(event.account_id, 0, 0))
            row.times += 1
            row.amount = kind(row.amount + event.amount)

    DepositsProjection.version = version
    DepositsProjection.table = msgspec.structs.replace(DepositsProjection.table, indexes=indexed)
    return DepositsProjection()


def test_a_new_version_is_rebuilt_when_the_projector_starts(desk: Desk) -> None:
    first = defstruct("First", [("account_id", UUID), ("times", int), ("amount", Decimal)])
    second = defstruct("Second", [("account_id", UUID), ("amount", Decimal), ("times", int)])
    work(desk)
    project(desk.url, projections=[_deposits(1, first)])
    before = table(desk.url, "deposits")
    desk.opened("7.50")

    project(desk.url, projections=[_deposits(2, second, "(times)")])

    assert before == [f"({ANN},1,10000.00)"]
    assert sorted(row.split(",", 1)[1] for row in table(desk.url, "deposits")) == ["10000.00,1)", "7.50,1)"]
    assert positions(desk.url) == {"deposits": 43}
    assert any("deposits_1 ON read.deposits USING btree (times)" in line for line in indexes(desk.url))


def test_a_new_version_that_fails_is_set_aside_while_the_others_go_on(desk: Desk) -> None:
    work(desk)
    tripwire = Tripwire()
    project(desk.url, projections=[tripwire, BY_NAME["balances"]])
    sound = counted(desk.url)
    desk.opened()

    def fail(fact: Fact) -> None:
        raise ValueError("a mistake in the new version")

    tripwire.version, tripwire.act = 2, fail
    project(desk.url, projections=[tripwire, BY_NAME["balances"]])
    meanwhile = counted(desk.url), positions(desk.url)
    tripwire.act = lambda _: None
    project(desk.url, projections=[tripwire, BY_NAME["balances"]])

    assert meanwhile == (sound, {"tripwire": 41, "balances": 43})
    assert counted(desk.url) == count(desk.facts())


@pytest.mark.parametrize(
    "statement", ["DROP TABLE read.tripwire", "DELETE FROM projection_generations WHERE name = 'tripwire'"]
)
def test_a_table_without_its_standing_or_a_standing_without_its_table_is_made_anew(
    desk: Desk, statement: str
) -> None:
    work(desk)
    project(desk.url, projections=[Tripwire()])
    with connect(desk.url, application="test") as connection:
        connection.execute(statement.encode())

    project(desk.url, projections=[Tripwire()])

    assert counted(desk.url) == count(desk.facts())


def test_a_projection_that_never_began_can_be_rebuilt_and_goes_on_from_there(desk: Desk) -> None:
    work(desk)

    found = rebuild(desk.url, Balances())
    desk.all_at_once([deposit(ANN, "1.00")])
    project(desk.url)

    assert (found.rows, found.events) == (2, 41)
    assert outcomes(rebuild_all(desk.url, [])) == [(True, 0)] * len(PROJECTIONS)
    assert "9461.53" in table(desk.url, "balances")[0]


def test_a_table_that_is_ahead_or_behind_is_compared_at_its_own_place(projected: Desk) -> None:
    for _ in range(100):
        account_id = projected.opened()
        projected.all_at_once([deposit(account_id)])

    behind = rebuild(projected.url, BY_NAME["balances"])
    project(projected.url)
    abreast = rebuild(projected.url, BY_NAME["balances"])

    assert (behind.compared, behind.differences, behind.events) == (True, 0, 41)
    assert (abreast.compared, abreast.differences, abreast.events) == (True, 0, 341)


def test_two_rebuilds_of_one_projection_take_turns(projected: Desk) -> None:
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.extend(rebuild_all(projected.url, ["orders"])))
        for _ in range(3)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert outcomes(found) == [(True, 0)] * 3


def test_a_rebuild_that_was_cut_off_is_begun_again(projected: Desk) -> None:
    with connect(projected.url, application="test") as connection:
        connection.execute("CREATE TABLE read.orders_shadow (rubbish text)")

    found = rebuild_all(projected.url, ["orders"])

    assert outcomes(found) == [(True, 0)]


def test_a_rebuild_asked_for_at_the_desk_tells_how_it_went(projected: Desk) -> None:
    desk = ProjectionDesk(projected.url)

    job_id = desk.start_rebuild([])
    until(lambda: desk.job(job_id).state != "running")

    job = desk.job(job_id)
    assert (job.state, job.error, job.working_on) == ("done", None, None)
    assert [result.projection for result in job.results] == [projection.name for projection in PROJECTIONS]
    assert outcomes(job.results) == [(True, 0)] * len(PROJECTIONS)
    with pytest.raises(ProjectionMustExist):
        desk.start_rebuild(["nonsense"])
