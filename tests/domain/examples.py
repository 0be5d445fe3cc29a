"""What the tests of the domain start from, and how they look at facts."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain.account import Account
from domain.aggregate import Aggregate, Event
from domain.errors import Refusal
from domain.fees import FeeSchedule
from domain.order import Order, cap_on_price
from domain.position import Position, position_id
from domain.terms import OrderTerms
from domain.trade import Trade, TradeDates
from domain.values import rounded

NOW = datetime(2026, 1, 5, 15, 30, tzinfo=UTC)
COLLAR = Decimal("0.05")
OWNER, ACCOUNT, ORDER, OTHER_ORDER, TRANSFER = (UUID(int=n) for n in range(1, 6))

DATES = {"trade_date": NOW.date(), "settles_on": NOW.date() + timedelta(days=1)}
TODAY = TradeDates(**DATES)
FREE = FeeSchedule(())

D = Decimal


def facts(aggregate: Aggregate) -> list[tuple[str, dict[str, Any]]]:
    """What was recorded, by name, without what every event carries."""
    common = set(Event.__struct_fields__)
    return [
        (type(event).__name__, {k: v for k, v in msgspec.structs.asdict(event).items() if k not in common})
        for event in aggregate.pending
    ]


def names(aggregate: Aggregate) -> list[str]:
    """The names of what was recorded."""
    return [name for name, _ in facts(aggregate)]


def stored(aggregate: Any) -> Any:
    """The aggregate after its facts were stored."""
    aggregate.pending.clear()
    return aggregate


def refuses(refusal: type[Refusal], aggregate: Aggregate, decide: Callable[[], object]) -> str:
    """Check that a decision is refused and records nothing; answer what it said."""
    before = msgspec.json.encode(aggregate)
    with pytest.raises(refusal) as caught:
        decide()
    assert msgspec.json.encode(aggregate) == before
    return caught.value.detail


def replayed(aggregate: Aggregate, history: Iterable[Event]) -> Aggregate:
    """A new aggregate that took in this history, each fact as the store would give it back."""
    again = type(aggregate)(id=aggregate.id, account_id=aggregate.account_id)
    for event in history:
        again.evolve(msgspec.json.decode(msgspec.json.encode(event), type=type(event)))
    return again


def snapshot(aggregate: Aggregate) -> Aggregate:
    """The aggregate as it comes back out of its snapshot."""
    return msgspec.json.decode(msgspec.json.encode(aggregate), type=type(aggregate))


def an_account(cash: str = "1000.00") -> Account:
    """An open account with this much cash."""
    account = Account(id=ACCOUNT, account_id=ACCOUNT)
    account.open(owner_id=OWNER, at=NOW)
    if D(cash):
        account.deposit(D(cash), transfer_id=TRANSFER, at=NOW)
    return stored(account)


def some_terms(**changes: Any) -> OrderTerms:
    """Terms of a limit order to buy 10 AAPL at 100, changed as told."""
    usual = {"symbol": "AAPL", "side": "buy", "type": "limit", "quantity": D(10), "limit_price": D(100)}
    return msgspec.convert({**usual, **changes}, OrderTerms, strict=False)


def an_order(ask: str | None = "100", **changes: Any) -> Order:
    """A placed order."""
    terms = some_terms(**changes)
    order = Order(id=ORDER, account_id=ACCOUNT)
    cap = cap_on_price(terms, ask=D(ask) if ask else None, collar=COLLAR)
    order.place(terms, price_cap=cap, at=NOW)
    return stored(order)


def a_position(*lots: tuple[str, str]) -> Position:
    """A position of AAPL made of lots, each with a quantity and a cost."""
    position = Position(id=position_id(ACCOUNT, "AAPL"), account_id=ACCOUNT)
    for number, (quantity, cost) in enumerate(lots, start=100):
        position.open_lot(a_trade(quantity, cost=cost, execution=number), at=NOW)
    return stored(position)


def a_trade(
    quantity: str, price: str = "100", *, cost: str | None = None, execution: int = 99, order: UUID = ORDER
) -> Trade:
    """An execution of AAPL."""
    return Trade(
        order_id=order,
        execution_id=UUID(int=execution),
        symbol="AAPL",
        quantity=D(quantity),
        price=D(price),
        amount=rounded(D(quantity) * D(price)) if cost is None else D(cost),
        leaves_quantity=D(1),
        street=rounded(D(quantity) * D(price)) if cost is None else D(cost),
        **DATES,
    )
