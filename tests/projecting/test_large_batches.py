"""Large batches, which are written in a thread and by COPY while the next tables are folded."""

import threading
from typing import Any

import pytest

from application import commands as c
from infrastructure.postgres import copying
from infrastructure.postgres.connections import connect
from infrastructure.projecting import retries, runner, sharing, tables, worker
from infrastructure.projecting.operating import rebuild_all
from infrastructure.projecting.parking import parked_accounts
from infrastructure.projecting.runner import Projector
from projections.audit import AuditRow
from projections.catalogue import PROJECTIONS
from tests.projecting.test_parking import Trails, expected, trails
from tests.projecting.tripwire import Once, Tripwire, count, counted, positions, running, terminate, until
from tests.projecting.worked import ANN, BOB, START, Desk, project, work
from tests.projecting.worked import tables as all_tables

AWKWARD = [
    "a \"quoted\" 'word', a comma",
    "null",
    "",
    "\\.",
    "C:\\temp\\new",
    "zwölf 株 🙂",
    '"',
    "\\",
    "[1]",
]
ESCAPED = ["two\nlines", "a\ttab", "bell\x07", "back\\nslash\n"]


@pytest.fixture(autouse=True)
def _everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LARGE", 1)
    monkeypatch.setattr(tables, "COPY_FROM", 1)
    monkeypatch.setattr(sharing, "LOOK_S", 0.05)
    monkeypatch.setattr(runner, "AGAIN_S", 0.05)
    monkeypatch.setattr(runner, "POLL_S", 0.02)
    monkeypatch.setattr(retries, "RETRY_FIRST_S", 0.01)


def suspended(desk: Desk, reasons: list[str]) -> None:
    """Suspend and reinstate an account for each of these reasons."""
    account_id = desk.opened()
    for reason in reasons:
        desk.do(c.SuspendAccount(account_id=account_id, reason=reason))
        desk.do(c.ReinstateAccount(account_id=account_id, reason=reason))


@pytest.mark.parametrize("batch", [1, 3, 2000])
def test_large_batches_write_the_rows_that_small_ones_write(
    desk: Desk, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(desk)
    suspended(desk, AWKWARD + ESCAPED)
    project(desk.url, batch=batch)
    large = all_tables(desk.url)

    monkeypatch.setattr(worker, "LARGE", 10_000)
    monkeypatch.setattr(tables, "COPY_FROM", 10_000)
    with connect(desk.url, application="test") as connection:
        connection.execute("DELETE FROM projection_generations")
        for projection in PROJECTIONS:
            tables.drop(connection, projection)
    project(desk.url)

    assert all_tables(desk.url) == large


def test_texts_come_through_copy_as_they_are(desk: Desk) -> None:
    suspended(desk, AWKWARD + ESCAPED)

    project(desk.url)

    said = "\n".join(sorted(f"Suspended the account: {reason}" for reason in AWKWARD + ESCAPED))
    with connect(desk.url, application="test") as connection:
        found = connection.execute("SELECT text FROM read.audit WHERE topic = 'Account.Suspended'").fetchall()
    assert "\n".join(sorted(text for (text,) in found)) == said


@pytest.mark.parametrize("text", ESCAPED)
def test_what_csv_cannot_say_is_left_to_arrays(text: str) -> None:
    row = AuditRow(1, ANN, ANN, "t", START, "a", "r", None, None, None, None, None, text, None, None, None)

    assert copying.lines([row]) is None


def test_poison_in_a_large_batch_parks_its_account_alone(desk: Desk) -> None:
    work(desk)

    def poison(fact: Any) -> None:
        if fact.log_position == 20:
            raise ValueError("poison")

    Projector(desk.url, [Trails(poison)], wake=threading.Event()).catch_up()

    with connect(desk.url, application="test") as connection:
        (parked,) = parked_accounts(connection)
    assert (parked.account_id, parked.position) == (ANN, 20)
    assert trails(desk.url) == expected(
        desk, without=lambda fact: fact.event.account_id == ANN and fact.log_position >= 20
    )
    assert BOB in trails(desk.url)


@pytest.mark.parametrize("application", ["daybook projector", "daybook projector reader"])
def test_a_connection_cut_in_a_large_batch_doubles_and_loses_nothing(
    desk: Desk, servers: Any, application: str
) -> None:
    work(desk)
    cuts = [Once(position, lambda: terminate(servers, application)) for position in (1, 14, 41)]
    tripwire = Tripwire(lambda fact: [cut(fact) for cut in cuts])

    with running(Projector(desk.url, [*PROJECTIONS, tripwire], wake=threading.Event(), batch=7)):
        until(lambda: set(positions(desk.url).values()) == {41})

    assert all(cut.done for cut in cuts)
    assert counted(desk.url) == count(desk.facts())
    found = rebuild_all(desk.url, [])
    assert [(one.compared, one.differences) for one in found] == [(True, 0)] * len(PROJECTIONS)


def test_a_table_that_refuses_a_row_leaves_no_row_of_the_batch(desk: Desk) -> None:
    work(desk)
    project(desk.url)
    before = all_tables(desk.url)
    desk.opened()
    with connect(desk.url, application="test") as connection:
        connection.execute(
            "ALTER TABLE read.audit ADD CONSTRAINT none_after CHECK (log_position <= 41) NOT VALID"
        )
    audit = [projection for projection in PROJECTIONS if projection.name == "audit"]

    worker_ = worker.Worker(desk.url, {"audit": audit[0]}, batch=2000)
    worker_.start()
    worker_.step()
    worker_.close()

    assert all_tables(desk.url)["audit"] == before["audit"]
    assert positions(desk.url)["audit"] == 41
