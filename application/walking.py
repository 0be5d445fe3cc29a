"""One order's life, step by step: each fact of it, in order, account and position, with the account before and after."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from application.changes import Change, changed
from application.history import Standing
from application.views import FieldValue, fields_of
from domain.account import Account
from domain.aggregate import Event
from domain.errors import OrderMustExist
from domain.facts import name_of
from domain.order import Order
from domain.position import Position
from domain.values import NO_SHARES, NOTHING, Money, Quantity


class AccountThen(Struct, frozen=True, kw_only=True):
    """The account at a step: its cash, what this order holds of it, and its shares of the order's symbol."""

    cash: Money
    held: Money
    available: Money
    unsettled: Money
    held_for_order: Money
    quantity: Quantity
    reserved: Quantity
    cost: Money
    status: str | None
    filled_quantity: Quantity


class Step(Struct, frozen=True, kw_only=True):
    """One fact, and what it changed."""

    log_position: int
    event: str
    recorded_at: datetime
    before: AccountThen
    after: AccountThen
    changes: list[Change]


class OrderWalk(Struct, frozen=True, kw_only=True):
    """The life of an order so far."""

    order_id: UUID
    account_id: UUID
    symbol: str
    steps: list[Step]


def walk(order_id: UUID, account_id: UUID, history: Iterable[tuple[int, Event]]) -> OrderWalk:
    """Fold the account's events, oldest first, and stop at each that is about the order. Raises OrderMustExist."""
    events = list(history)
    symbol = _symbol_of(order_id, events)
    return OrderWalk(
        order_id=order_id,
        account_id=account_id,
        symbol=symbol,
        steps=list(_steps(Standing(account_id), order_id, symbol, events)),
    )


def is_about(event: Event, order_id: UUID) -> bool:
    """Whether an event is a fact of an order, or of the cash or shares that moved for it."""
    return event.originator_id == order_id or getattr(event, "order_id", None) == order_id


def _symbol_of(order_id: UUID, events: list[tuple[int, Event]]) -> str:
    for _, event in events:
        if event.originator_id == order_id and isinstance(event, Order.Placed | Order.Rejected):
            return event.terms.symbol
    raise OrderMustExist(f"there is no order {order_id}")


def _steps(
    standing: Standing, order_id: UUID, symbol: str, events: list[tuple[int, Event]]
) -> Iterator[Step]:
    for position, event in events:
        if not is_about(event, order_id):
            standing.take_in(position, event)
            continue
        before, fields = _then(standing, order_id, symbol), _fields(standing, event.originator_id)
        aggregate = standing.take_in(position, event)
        after = fields_of(aggregate)
        yield Step(
            log_position=position,
            event=name_of(type(event)),
            recorded_at=event.recorded_at,
            before=before,
            after=_then(standing, order_id, symbol),
            changes=[
                Change.of(path, fields.get(path), after.get(path), [position])
                for path in changed(fields, after)
            ],
        )


def _fields(standing: Standing, subject_id: UUID) -> dict[str, FieldValue]:
    return fields_of(standing.aggregates.get(subject_id))


def _then(standing: Standing, order_id: UUID, symbol: str) -> AccountThen:
    account: Account = standing.account
    position: Position | None = standing.position_in(symbol)
    order = standing.aggregates.get(order_id)
    return AccountThen(
        cash=account.cash,
        held=account.held,
        available=account.available,
        unsettled=account.unsettled_proceeds,
        held_for_order=account.held_for(order_id),
        quantity=NO_SHARES if position is None else position.quantity,
        reserved=NO_SHARES if position is None else position.reserved,
        cost=NOTHING if position is None else position.cost,
        status=str(order.status) if isinstance(order, Order) else None,
        filled_quantity=order.filled if isinstance(order, Order) else NO_SHARES,
    )
