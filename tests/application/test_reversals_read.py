"""After any reversals every read table says what the aggregates say."""

from typing import Any

from hypothesis import given, settings

from domain.account import Account
from domain.order import Order
from domain.position import Position
from domain.values import NOTHING
from projections.catalogue import BY_NAME
from projections.positions import PositionRow
from projections.projection import Fact, Rows
from projections.shares import LATEST
from tests.application.office import Office, an_office
from tests.application.test_reversals import STEPS, do
from tests.domain.examples import ACCOUNT


def _read(office: Office, name: str) -> dict[Any, Any]:
    """The rows of a table, as its projection makes them of the log in memory."""
    rows: Rows[Any] = Rows()
    for position, event in enumerate(office.log, 1):
        BY_NAME[name].apply(
            Fact(log_position=position, topic="", event=event, metadata=b'{"actor":"a","role":"r"}'), rows
        )
    rows.changed()  # rows that follow others are made once nothing more is folded
    return rows._rows


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_read_tables_agree_with_the_aggregates(steps):
    office = an_office("2000.00")
    for step in steps:
        do(office, *step)

    _balances(office)
    _orders(office)
    _positions(office)
    _over_time(office)
    _settlements(office)
    _gains(office)
    for name in BY_NAME:
        _read(office, name)


def _balances(office: Office) -> None:
    account = office.account
    (row,) = _read(office, "balances").values()
    assert (row.cash, row.held, row.withdrawing) == (account.cash, account.held, account.withdrawing)
    assert (row.unsettled, row.owed) == (account.unsettled_proceeds, account.owed)


def _orders(office: Office) -> None:
    orders = {one.id: one for one in office.live.values() if isinstance(one, Order)}
    rows, working = _read(office, "orders"), _read(office, "open_orders")
    for order in orders.values():
        row = rows[order.id,]
        assert (row.filled_quantity, row.busted_quantity) == (order.filled, order.busted)
        assert (row.leaves_quantity, row.status) == (order.leaves, order.status or "")
        assert (row.notional, row.amount, row.average_price) == (
            order.notional,
            order.spent,
            order.average_price,
        )
        assert row.charges == sum((one.amount for one in order.charged.values()), NOTHING)
        if order.is_open:
            row = working[order.id,]
            assert (row.filled_quantity, row.busted_quantity, row.amount) == (
                order.filled,
                order.busted,
                order.spent,
            )
    assert {key[0] for key in working} == {order.id for order in orders.values() if order.is_open}
    executions = _read(office, "executions").values()
    counted = sum(row.quantity for row in executions if row.reversed_at is None)
    assert counted == sum(order.filled for order in orders.values())


def _positions(office: Office) -> None:
    position: Position = office.position(ACCOUNT)
    if not position.version:
        return
    row: PositionRow = _read(office, "positions")[ACCOUNT, "AAPL"]
    assert (row.quantity, row.reserved, row.cost) == (position.quantity, position.reserved, position.cost)
    assert row.realised == row.realised_short + row.realised_long == position.realised
    assert [(lot.lot_id, lot.quantity, lot.cost) for lot in row.lots] == [
        (lot.lot_id, lot.quantity, lot.cost) for lot in position.lots
    ]
    holders = _read(office, "holders")
    assert bool(holders) is bool(position.quantity)
    for holder in holders.values():
        assert (holder.quantity, holder.cost) == (position.quantity, position.cost)


def _over_time(office: Office) -> None:
    account: Account = office.account
    history, statement = _read(office, "history"), _read(office, "statements")
    now, today = history[ACCOUNT, LATEST], statement[ACCOUNT, LATEST]
    assert now.cash == today.closing_cash == account.cash
    assert now.cost == today.cost == office.position(ACCOUNT).cost
    for each in (now, today):
        assert {one.symbol: one.quantity for one in each.positions} == account.shares
    for day in statement.values():
        parts = day.deposited - day.withdrawn - day.bought + day.sold - day.fees + day.income
        assert day.closing_cash == day.opening_cash + parts
    assert sum(day.trades for key, day in statement.items() if key[1] != LATEST) == sum(
        row.reversed_at is None for row in _read(office, "executions").values()
    )


def _settlements(office: Office) -> None:
    due = {key[1]: row for key, row in _read(office, "settlements").items() if row.settled_at is None}
    assert {day: (row.proceeds, row.purchases) for day, row in due.items()} == {
        day: (one.proceeds, one.purchases) for day, one in office.account.unsettled.items()
    }


def _gains(office: Office) -> None:
    gains = [row for row in _read(office, "gains").values() if row.reversed_at is None]
    assert sum((row.gain for row in gains), NOTHING) == office.position(ACCOUNT).realised
