"""What an answer about an account's past says of each aggregate, whole and field by field.

A field is named by its path in the answer, such as `cash`, `positions/AAPL/lots/ID/cost` or
`orders/ID/filled_quantity`; members of a list go by what they are known by.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct, UnsetType

from application.answers import OrderAnswer
from domain.account import Account
from domain.aggregate import Aggregate
from domain.order import Order
from domain.position import Lot, Position
from domain.values import Money, Quantity

FieldValue = Decimal | str

_KNOWN_BY = ("lot_id", "order_id", "symbol")
_APART = frozenset({"log_position", "account_id"})
"""What says where or whose a thing is is not a field of it."""


class PositionAsOf(Struct, frozen=True, kw_only=True):
    """Shares of one symbol then; `cost` is of the shares held, `realised` the profit of those sold."""

    symbol: str
    quantity: Quantity
    reserved: Quantity
    cost: Money
    realised: Money
    lots: list[Lot]


def account_view(account: Account) -> dict[str, Any]:
    """The fields of AccountAsOf that are the account's own."""
    return {
        "status": str(account.status),
        "cash": account.cash,
        "held": account.held,
        "available": account.available,
        "withdrawing": account.withdrawing,
        "owed": account.owed,
        "unsettled": account.unsettled_proceeds,
        "withdrawable": account.withdrawable,
        "settlements": account.unsettled,
        "good_faith_violations": account.good_faith_violations,
        "holds": account.holds,
    }


def position_view(position: Position) -> PositionAsOf:
    """A position, with its lots."""
    return PositionAsOf(
        symbol=position.symbol,
        quantity=position.quantity,
        reserved=position.reserved,
        cost=position.cost,
        realised=position.realised,
        lots=position.lots,
    )


def order_view(order: Order, log_position: int = 0) -> OrderAnswer:
    """An order whose last event stands at a log position."""
    answer = OrderAnswer.of(order)
    answer.log_position = log_position
    return answer


def fields_of(aggregate: Aggregate | None) -> dict[str, FieldValue]:
    """Every field that answers tell of an aggregate, by path: numbers as they are, all else as text."""
    match aggregate:
        case Account():
            return dict(_flat(account_view(aggregate), ""))
        case Position():
            return dict(_flat(position_view(aggregate), f"positions/{aggregate.symbol}"))
        case Order():
            return dict(_flat(order_view(aggregate), f"orders/{aggregate.id}"))
        case _:
            return {}


def _flat(value: Any, path: str) -> Iterator[tuple[str, FieldValue]]:
    match value:
        case None | UnsetType():
            return
        case Decimal() | str():
            yield path, value if isinstance(value, Decimal) else str(value)
        case dict():
            for key, one in value.items():
                yield from _flat(one, f"{path}/{key}" if path else str(key))
        case list() | tuple():
            yield from _flat_list(value, path)
        case Struct():
            names = (name for name in value.__struct_fields__ if name not in _APART)
            yield from _flat({name: getattr(value, name) for name in names}, path)
        case _:
            yield path, str(msgspec.to_builtins(value))


def _flat_list(values: list[Any] | tuple[Any, ...], path: str) -> Iterator[tuple[str, FieldValue]]:
    for one in values:
        if isinstance(one, Struct):
            known_by = next(name for name in _KNOWN_BY if name in one.__struct_fields__)
            yield from _flat(one, f"{path}/{getattr(one, known_by)}")
    days = [str(one) for one in values if isinstance(one, date)]
    if days:
        yield path, " ".join(days)
