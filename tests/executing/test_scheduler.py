"""What is due at a time: day orders end with their session, and long streams get snapshots."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from msgspec import structs

from application import commands as c
from application.errors import MarketClockMustRun
from domain.account import Account
from domain.order import Order
from domain.position import Position, position_id
from domain.terms import Side, TimeInForce
from infrastructure.eventstore.aggregates import load_aggregates
from infrastructure.eventstore.snapshots import Snapshotter
from infrastructure.market.calendars import calendar_named
from infrastructure.postgres.connections import connect
from infrastructure.scheduling import SessionEnds
from infrastructure.settings import Settings
from infrastructure.wiring.projector import RunningProjector, projector
from tests.executing.parts import Customers, Log, SetClock, require_consistent_books, wait_for

CLOSE = datetime(2013, 10, 7, 20, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def projecting(on_market_time: Settings) -> Iterator[RunningProjector]:
    running = projector(on_market_time).start()
    yield running
    running.stop()


@pytest.fixture
def ends(on_market_time: Settings, customers: Customers, clock: SetClock) -> SessionEnds:
    return SessionEnds(
        on_market_time.database_url or "",
        committer=customers.committer,
        clock=clock,
        calendar=calendar_named("XNYS"),
    )


def wait_until_projected(settings: Settings) -> None:
    """Wait until the table of orders has all that is in the log."""

    def done() -> bool:
        with connect(settings.database_url or "", application="test") as connection:
            found = connection.execute(
                "SELECT p.position >= (SELECT max(notification_id) FROM stored_events)"
                " FROM projections p WHERE p.name = 'orders'"
            ).fetchone()
        return bool(found and found[0])

    wait_for(done, "the orders are projected")


@pytest.mark.usefixtures("projecting")
def test_the_close_ends_exactly_the_day_orders_of_its_session_and_releases_their_cover(
    on_market_time: Settings, customers: Customers, clock: SetClock, ends: SessionEnds
) -> None:
    account = customers.account(shares=1000)
    day = {"time_in_force": TimeInForce.DAY}
    clock.time = CLOSE - SECOND
    due = [
        customers.place(account, quantity=Decimal(10), **day).order_id,
        customers.place(account, quantity=Decimal(7), side=Side.SELL, **day).order_id,
        half_filled(customers, account),
    ]
    staying = [customers.place(account).order_id]  # good till cancelled
    clock.time = CLOSE
    staying.append(customers.place(account, **day).order_id)  # a day order of the session to come
    wait_until_projected(on_market_time)
    clock.time = CLOSE + SECOND

    expired = ends.expire()

    log = Log.read(on_market_time)
    assert expired == 3
    assert {log.order(id).status for id in due} == {"expired"}
    assert {log.order(id).reason for id in due} == {"session_closed"}
    assert {log.order(id).status for id in staying} == {"accepted"}
    assert set(log.account(account).holds) == set(staying)
    require_consistent_books(log)


@pytest.mark.usefixtures("projecting")
def test_before_the_close_no_day_order_ends(
    on_market_time: Settings, customers: Customers, clock: SetClock, ends: SessionEnds
) -> None:
    clock.time = CLOSE - timedelta(hours=1)
    customers.place(customers.account(), time_in_force=TimeInForce.DAY)
    wait_until_projected(on_market_time)

    clock.time = CLOSE - SECOND

    assert ends.expire() == 0


@pytest.mark.usefixtures("projecting")
def test_ending_what_has_ended_records_nothing_whether_the_orders_table_knows_it_yet_or_not(
    on_market_time: Settings, customers: Customers, clock: SetClock, ends: SessionEnds
) -> None:
    clock.time = CLOSE - SECOND
    account = customers.account()
    for _ in range(5):
        customers.place(account, time_in_force=TimeInForce.DAY)
    wait_until_projected(on_market_time)
    clock.time = CLOSE + SECOND

    first = ends.expire()
    length = Log.read(on_market_time).end
    ends.expire()  # the table may or may not have seen the first
    wait_until_projected(on_market_time)
    last = ends.expire()

    assert (first, last) == (5, 0)
    assert Log.read(on_market_time).end == length


def test_more_day_orders_than_one_look_brings_are_ended_once_each_also_while_the_table_stands_still(
    on_market_time: Settings,
    customers: Customers,
    clock: SetClock,
    ends: SessionEnds,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("infrastructure.scheduling.EXPIRE_AT_ONCE", 10)
    clock.time = CLOSE - SECOND
    account = customers.account()
    for _ in range(25):
        customers.place(account, time_in_force=TimeInForce.DAY)
    projection = projector(on_market_time).start()
    wait_until_projected(on_market_time)
    projection.stop()
    clock.time = CLOSE + SECOND

    while_it_stands = ends.expire()
    projection = projector(on_market_time).start()
    wait_until_projected(on_market_time)
    ends.expire()
    wait_for(lambda: ends.expire() == 0, "all are ended")
    projection.stop()

    log = Log.read(on_market_time)
    assert while_it_stands == 10
    assert {str(order.status) for order in log.of_kind(Order)} == {"expired"}
    assert log.account(account).held == 0


def test_while_the_market_has_not_said_what_time_it_is_nothing_ends(
    on_market_time: Settings, customers: Customers
) -> None:
    class NoTime:
        def now(self) -> datetime:
            raise MarketClockMustRun("no time yet")

    ends = SessionEnds(
        on_market_time.database_url or "",
        committer=customers.committer,
        clock=NoTime(),
        calendar=calendar_named("XNYS"),
    )

    assert ends.expire() == 0


def test_what_is_loaded_with_a_snapshot_equals_what_is_loaded_without_and_taking_it_again_does_nothing(
    on_market_time: Settings, customers: Customers
) -> None:
    url = on_market_time.database_url or ""
    account = customers.account()
    order = customers.place(account, quantity=Decimal(1500))
    execute_piecemeal(customers, account, order.order_id, pieces=1100)
    streams = [(Account, account), (Order, order.order_id), (Position, position_id(account, "IBM"))]
    with connect(url, application="test") as connection:
        without = load_aggregates(connection, streams)
    snapshotter = Snapshotter(url, every=1000)

    taken = [snapshotter.take(), snapshotter.take()]
    execute_piecemeal(customers, account, order.order_id, pieces=10)

    with connect(url, application="test") as connection:
        stored = connection.execute(
            "SELECT originator_id, originator_version FROM stored_snapshots"
        ).fetchall()
        loaded = load_aggregates(connection, streams)
    log = Log.read(on_market_time)
    assert taken == [3, 0]
    assert dict(stored) == {id: found.version for id, found in without.items()}
    assert min(found.version for found in without.values()) > 1000
    assert loaded == {id: log.aggregates[id] for _, id in streams}
    assert loaded[order.order_id].version == without[order.order_id].version + 10
    assert Snapshotter(url, every=1000).take() == 3  # another process; it replaces or adds, and harms nothing
    assert snapshotter.take() == 0


def test_a_snapshot_of_other_fields_than_todays_is_left_alone(
    on_market_time: Settings, customers: Customers
) -> None:
    url = on_market_time.database_url or ""
    account = customers.account()
    with connect(url, application="test") as connection:
        connection.execute(
            "INSERT INTO stored_snapshots (originator_id, originator_version, topic, state)"
            " VALUES (%s, 2, 'Account/0', 'of long ago')",
            (account,),
        )
        loaded = load_aggregates(connection, [(Account, account)])

    assert loaded == {account: Log.read(on_market_time).account(account)}


def half_filled(customers: Customers, account_id: UUID) -> UUID:
    order = customers.place(account_id, quantity=Decimal(20), time_in_force=TimeInForce.DAY)
    execute_piecemeal(customers, account_id, order.order_id, pieces=10)
    return order.order_id


def execute_piecemeal(customers: Customers, account_id: UUID, order_id: UUID, *, pieces: int) -> None:
    """Execute a share at a time."""
    command = c.ExecuteOrder(
        account_id=account_id,
        order_id=order_id,
        symbol="IBM",
        execution_id=order_id,
        quantity=Decimal(1),
        price=Decimal("181.99"),
        venue="internal",
        quote=1,
    )
    futures = [customers.submit(structs.replace(command, execution_id=uuid4())) for _ in range(pieces)]
    for future in futures:
        future.result(60)
