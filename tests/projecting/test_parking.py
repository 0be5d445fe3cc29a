"""Poison: what cannot be folded parks its account in that projection, in order, and nothing else."""

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec import Struct

from domain.aggregate import Event
from domain.facts import TOPICS
from infrastructure.postgres.connections import connect
from infrastructure.projecting import retries, runner, sharing
from infrastructure.projecting.parking import ParkedAccount, parked_accounts, resume, retry
from infrastructure.projecting.rebuilding import rebuild
from infrastructure.projecting.runner import Projector
from infrastructure.projecting.standing import Standing, standings
from projections.catalogue import BY_NAME, PROJECTIONS
from projections.projection import Fact, Key, Projection, Rows, on
from tests.projecting.tripwire import positions, running, until
from tests.projecting.worked import ANN, BOB, Desk, deposit, project, table, tables, work


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "LOOK_S", 0.05)
    monkeypatch.setattr(runner, "AGAIN_S", 0.05)
    monkeypatch.setattr(runner, "POLL_S", 0.02)
    monkeypatch.setattr(retries, "RETRY_FIRST_S", 0.01)


class Trail(Struct):
    """The positions of an account's events, in the order in which they were folded."""

    account_id: UUID
    seen: list[int]
    text: str


class Trails(Projection):
    """One row an account; calls `act` before each event."""

    name, version, row, key_columns = "trails", 1, Trail, ("account_id",)

    def __init__(self, act: Callable[[Fact], object] = lambda _: None) -> None:
        self.act = act

    def key(self, event: Event, fact: Fact) -> Key:
        return (event.account_id,)

    @on(*TOPICS)
    def anything(self, event: Event, rows: Rows[Trail]) -> None:
        said = self.act(rows.fact)
        key = (event.account_id,)
        row = rows.get(key) or rows.add(key, Trail(event.account_id, [], ""))
        row.seen.append(rows.fact.log_position)
        row.text += str(said or "")


def trails(url: str) -> dict[UUID, list[int]]:
    with connect(url, application="test") as connection:
        rows = connection.execute("SELECT account_id, seen FROM read.trails").fetchall()
    return {account_id: msgspec.json.decode(seen) for account_id, seen in rows}


def expected(desk: Desk, *, without: Callable[[Fact], bool] = lambda _: False) -> dict[UUID, list[int]]:
    found: dict[UUID, list[int]] = {}
    for fact in desk.facts():
        if not without(fact):
            found.setdefault(fact.event.account_id, []).append(fact.log_position)
    return found


def parked(url: str) -> list[ParkedAccount]:
    with connect(url, application="test") as connection:
        return parked_accounts(connection)


def poison(*places: int, act: Callable[[], object] | None = None) -> Callable[[Fact], object]:
    """Fails at the events with these positions."""

    def fail(fact: Fact) -> object:
        if fact.log_position in places:
            return act() if act else _fail(fact)
        return None

    return fail


def _fail(fact: Fact) -> None:
    raise ValueError(f"cannot fold {fact.log_position}")


def a_projector(url: str, *projections: Projection, **others: Any) -> Projector:
    return Projector(url, projections, **{"wake": threading.Event(), **others})


def busy(desk: Desk) -> list[UUID]:
    """Ten customers with five events each, one after the other in turn."""
    accounts = [desk.opened() for _ in range(10)]
    for _ in range(3):
        desk.all_at_once([deposit(account) for account in accounts])
    return accounts


@pytest.mark.parametrize("batch", [1, 7, 2000])
@pytest.mark.parametrize("partitions", [1, 3])
def test_a_poison_event_parks_its_account_and_everybody_else_goes_on(
    desk: Desk, batch: int, partitions: int
) -> None:
    accounts = busy(desk)
    place = next(f.log_position for f in desk.facts()[20:] if f.event.account_id == accounts[3])
    others = BY_NAME["balances"]

    with running(a_projector(desk.url, Trails(poison(place)), others, batch=batch, partitions=partitions)):
        until(lambda: positions(desk.url) == {"trails": 50, "balances": 50})
        more = desk.opened()
        desk.all_at_once([deposit(account) for account in accounts])
        until(lambda: positions(desk.url) == {"trails": 62, "balances": 62})

    (one,) = parked(desk.url)
    left_out = lambda fact: fact.event.account_id == accounts[3] and fact.log_position >= place  # noqa: E731
    assert (one.name, one.account_id, one.position) == ("trails", accounts[3], place)
    assert "ValueError" in one.error
    assert trails(desk.url) == expected(desk, without=left_out)
    assert more in trails(desk.url)
    assert len(table(desk.url, "balances")) == 11


def test_once_mended_a_parked_account_is_folded_in_order_and_loses_nothing(desk: Desk) -> None:
    accounts = busy(desk)
    desk.all_at_once([deposit(account) for account in accounts])
    project(desk.url, projections=[Trails(poison(9, 31))])
    kept = parked(desk.url)

    with connect(desk.url, application="test") as connection:
        again = [resume(connection, Trails(poison(9)), one.account_id) for one in kept]
        still = parked(desk.url)
        mended = [resume(connection, Trails(), one.account_id) for one in still]
        nothing = resume(connection, Trails(), accounts[0])

    assert len(kept) == 2
    assert [(one.error is None, one.events > 0) for one in again] == [(False, False), (True, True)]
    assert [(one.position, one.attempts) for one in still] == [(9, 2)]
    assert [(one.error, one.events) for one in mended] == [(None, 6)]
    assert (nothing.error, nothing.events) == (None, 0)
    assert parked(desk.url) == []
    assert trails(desk.url) == expected(desk)


def test_a_retry_that_meets_the_next_poison_keeps_what_it_folded_before(desk: Desk) -> None:
    account_id = desk.opened()
    desk.all_at_once([deposit(account_id)] * 8)
    project(desk.url, projections=[Trails(poison(4))])

    with connect(desk.url, application="test") as connection:
        found = resume(connection, Trails(poison(7)), account_id)

    (one,) = parked(desk.url)
    assert (found.events, found.error, one.position) == (3, "ValueError('cannot fold 7')", 7)
    assert trails(desk.url) == {account_id: [1, 2, 3, 4, 5, 6]}


def test_an_account_is_resumed_while_the_projector_works(desk: Desk) -> None:
    account_id = desk.opened()
    broken = Trails(poison(2))
    projector = a_projector(desk.url, broken, batch=3)

    with running(projector), connect(desk.url, application="test") as connection:
        until(lambda: parked(desk.url))
        desk.all_at_once([deposit(account_id)] * 20)
        broken.act = lambda _: None
        found = resume(connection, Trails(), account_id)
        desk.all_at_once([deposit(account_id)] * 20)
        until(lambda: positions(desk.url) == {"trails": 42})

    assert found.error is None
    assert trails(desk.url) == {account_id: list(range(1, 43))}


@pytest.mark.parametrize("rubbish", [b"{}", b"\xff", b'{"originator_id":7}'])
def test_an_event_that_does_not_read_parks_its_account_where_it_counts_and_stops_nobody(
    desk: Desk, rubbish: bytes
) -> None:
    work(desk)
    _append(desk, "Account.Deposited", rubbish)
    desk.opened()

    project(desk.url, projections=[*PROJECTIONS, Trails()])

    names = {one.name for one in parked(desk.url)}
    assert {one.account_id for one in parked(desk.url)} == {ANN}
    assert {"balances", "audit", "trails"} <= names
    assert "orders" not in names
    assert set(positions(desk.url).values()) == {44}


def test_an_event_of_a_kind_that_nobody_knows_parks_its_account_everywhere(desk: Desk) -> None:
    work(desk)
    _append(desk, "Account.Teleported", b"{}")
    desk.opened()

    project(desk.url)

    assert {one.name for one in parked(desk.url)} == set(BY_NAME)
    assert set(positions(desk.url).values()) == {44}


def test_what_postgresql_refuses_is_poison_too(desk: Desk) -> None:
    accounts = busy(desk)

    project(desk.url, projections=[Trails(poison(25, act=lambda: "a\x00b"))])

    (one,) = parked(desk.url)
    left_out = lambda fact: fact.event.account_id == one.account_id and fact.log_position >= 25  # noqa: E731
    assert one.account_id in accounts
    assert one.position == 25
    assert trails(desk.url) == expected(desk, without=left_out)


def test_many_poisoned_accounts_are_parked_one_by_one(desk: Desk) -> None:
    accounts = busy(desk)

    project(desk.url, projections=[Trails(lambda f: _fail(f) if f.log_position > 20 else None)])

    assert {one.account_id for one in parked(desk.url)} == set(accounts)
    assert positions(desk.url) == {"trails": 50}


def test_a_passing_failure_parks_nobody(desk: Desk) -> None:
    busy(desk)
    fails = iter([True, True])

    def sometimes(fact: Fact) -> None:
        if fact.log_position == 12 and next(fails, False):
            _fail(fact)

    with running(a_projector(desk.url, Trails(sometimes))):
        until(lambda: positions(desk.url) == {"trails": 50})

    assert parked(desk.url) == []
    assert trails(desk.url) == expected(desk)


def test_retry_takes_what_is_named(desk: Desk) -> None:
    work(desk)
    _append(desk, "Account.Teleported", b"{}")
    project(desk.url)

    assert retry(desk.url, account_id=BOB) == []
    found = retry(desk.url, names=["audit", "orders"], account_id=ANN)

    assert {one.name for one in found} == {"audit", "orders"}
    assert all("EventIsUnreadable" in str(one.error) for one in found)
    assert {one.attempts for one in parked(desk.url) if one.name in ("audit", "orders")} == {2}


def test_parking_changes_no_row_of_other_accounts(desk: Desk) -> None:
    work(desk)
    project(desk.url)
    before = tables(desk.url)
    _append(desk, "Account.Teleported", b"{}")

    project(desk.url)

    assert tables(desk.url) == before


def test_a_rebuild_with_mended_code_clears_what_was_parked(desk: Desk) -> None:
    busy(desk)
    project(desk.url, projections=[Trails(poison(9, 31))])
    before = parked(desk.url)

    rebuild(desk.url, Trails())
    desk.opened()
    project(desk.url, projections=[Trails()])

    assert len(before) == 2
    assert parked(desk.url) == []
    assert trails(desk.url) == expected(desk)


def test_a_new_version_clears_what_was_parked(desk: Desk) -> None:
    busy(desk)
    project(desk.url, projections=[Trails(poison(9))])
    mended = Trails()
    mended.version = 2  # type: ignore[misc]

    project(desk.url, projections=[mended])

    assert parked(desk.url) == []
    assert trails(desk.url) == expected(desk)


def test_a_table_that_is_gone_parks_nobody(desk: Desk) -> None:
    busy(desk)

    with running(a_projector(desk.url, Trails(), batch=7)):
        until(lambda: positions(desk.url) == {"trails": 50})
        with connect(desk.url, application="test") as connection:
            connection.execute("ALTER TABLE read.trails RENAME TO trails_elsewhere")
        desk.opened()
        until(lambda: statuses(desk.url)["trails"].failure)
        time.sleep(0.2)
        kept = parked(desk.url)
        with connect(desk.url, application="test") as connection:
            connection.execute("ALTER TABLE read.trails_elsewhere RENAME TO trails")
        until(lambda: positions(desk.url) == {"trails": 52})

    assert kept == []
    assert trails(desk.url) == expected(desk)


def statuses(url: str) -> dict[str, Standing]:
    with connect(url, application="test") as connection:
        return standings(connection)


def _append(desk: Desk, topic: str, state: bytes) -> None:
    """Put an event into the log past the domain, as a mistake of ours would."""
    with connect(desk.url, application="test") as connection:
        connection.execute(
            "INSERT INTO stored_events SELECT max(notification_id) + 1, %s, 1000, %s, %s, %s, max(recorded_at), '{}'"
            " FROM stored_events",
            (UUID(int=99), topic, state, ANN),
        )
