"""A whole account as it stood at a moment: the fold of its events up to there, and nothing else."""

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from msgspec import Struct

from application.answers import OrderAnswer
from application.brokerage import fold
from domain.account import Account, Unsettled
from domain.aggregate import Aggregate, Event
from domain.errors import MomentMustBeWithinTheAccountsLife
from domain.order import Order
from domain.position import Lot, Position
from domain.values import Money, Quantity


class PositionAsOf(Struct, frozen=True, kw_only=True):
    """Shares of one symbol then; `cost` is of the shares held, `realised` the profit of those sold."""

    symbol: str
    quantity: Quantity
    reserved: Quantity
    cost: Money
    realised: Money
    lots: list[Lot]


class AccountAsOf(Struct, frozen=True, kw_only=True):
    """The account then. `log_position` is its last event's, `events` how many made it so.

    The same question, asked again at any later time, has the same answer.
    """

    account_id: UUID
    log_position: int
    recorded_at: datetime
    events: int
    status: str
    cash: Money
    held: Money
    available: Money
    withdrawing: Money
    owed: Money
    unsettled: Money
    withdrawable: Money
    settlements: dict[date, Unsettled]
    good_faith_violations: list[date]
    positions: list[PositionAsOf]
    open_orders: list[OrderAnswer]


def account_as_of(account_id: UUID, history: Iterable[tuple[int, Event]]) -> AccountAsOf:
    """Fold an account's events, each with its log position, oldest first.

    Raises MomentMustBeWithinTheAccountsLife when there are none: the account did not exist yet.
    """
    aggregates: dict[UUID, Aggregate] = {}
    orders_at: dict[UUID, int] = {}
    count, last, position = 0, None, 0
    for position, event in history:
        aggregates[event.originator_id] = fold(aggregates.get(event.originator_id), (event,))
        orders_at[event.originator_id] = position
        count, last = count + 1, event
    account = aggregates.get(account_id)
    if last is None or not isinstance(account, Account):
        raise MomentMustBeWithinTheAccountsLife(f"account {account_id} did not exist then")
    return AccountAsOf(
        account_id=account_id,
        log_position=position,
        recorded_at=last.recorded_at,
        events=count,
        status=account.status,
        cash=account.cash,
        held=account.held,
        available=account.available,
        withdrawing=account.withdrawing,
        owed=account.owed,
        unsettled=account.unsettled_proceeds,
        withdrawable=account.withdrawable,
        settlements=account.unsettled,
        good_faith_violations=account.good_faith_violations,
        positions=_positions(aggregates.values()),
        open_orders=_open_orders(aggregates.values(), orders_at),
    )


def _positions(aggregates: Iterable[Aggregate]) -> list[PositionAsOf]:
    found = [
        PositionAsOf(
            symbol=position.symbol,
            quantity=position.quantity,
            reserved=position.reserved,
            cost=position.cost,
            realised=position.realised,
            lots=position.lots,
        )
        for position in aggregates
        if isinstance(position, Position)
    ]
    return sorted(found, key=lambda position: position.symbol)


def _open_orders(aggregates: Iterable[Aggregate], orders_at: dict[UUID, int]) -> list[OrderAnswer]:
    answers = []
    for order in aggregates:
        if isinstance(order, Order) and order.is_open:
            answer = OrderAnswer.of(order)
            answer.log_position = orders_at[order.id]
            answers.append(answer)
    return sorted(answers, key=lambda answer: (answer.placed_at, str(answer.order_id)))
