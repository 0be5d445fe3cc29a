"""The terms of an order: what the customer asks for, checked for what its type needs.

Types, time in force and sides are FIX's (OrdType 40, TimeInForce 59, Side 54) in Alpaca's spelling.
"""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType

from domain import values
from domain.errors import OrderTermsMustFitItsType
from domain.values import Price, Quantity


class Side(StrEnum):
    """Which way the shares go."""

    BUY = "buy"
    SELL = "sell"


class OrderType(StrEnum):
    """What price the order may trade at, and whether it waits for a stop to be elected."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"

    @property
    def has_limit(self) -> bool:
        """Whether a limit price bounds its executions."""
        return self in (OrderType.LIMIT, OrderType.STOP_LIMIT)

    @property
    def has_stop(self) -> bool:
        """Whether it waits until its stop is elected."""
        return self in (OrderType.STOP, OrderType.STOP_LIMIT)


class TimeInForce(StrEnum):
    """How long the order lives."""

    DAY = "day"  # until the session closes
    GTC = "gtc"  # until it is cancelled
    IOC = "ioc"  # fills what it can on the first quote it meets, the rest is cancelled
    FOK = "fok"  # fills whole on the first quote it meets, or is cancelled


class LotMethod(StrEnum):
    """Which lots a sale takes its shares out of; `specific` are those that the order names."""

    FIFO = "fifo"  # the oldest first
    LIFO = "lifo"  # the newest first
    HIFO = "hifo"  # the ones that cost most a share first
    SPECIFIC = "specific"


class LotChoice(Struct, frozen=True, kw_only=True, gc=False):
    """So many shares of a lot."""

    lot_id: UUID
    quantity: Quantity


class OrderTerms(Struct, frozen=True, kw_only=True, gc=False):
    """What the customer asks for. Raises InputIsWrong when its parts do not fit together.

    A sale may name the method by which its lots are chosen, or the `lots` themselves, taken in their order. What is
    left out is not stored, so that older orders keep their bytes.
    """

    symbol: str
    side: Side
    type: OrderType
    quantity: Quantity
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Price | None = None
    stop_price: Price | None = None
    client_order_id: str | None = None
    lot_method: LotMethod | UnsetType = UNSET
    lots: tuple[LotChoice, ...] | UnsetType = UNSET

    @classmethod
    def checked(cls, **terms: Any) -> "OrderTerms":
        """Build terms from values as they came in, each checked and brought to its number of places."""
        for name, check in _CHECKS.items():
            if terms.get(name) is not None:
                terms[name] = check(terms[name])
        checked = cls(**terms)
        checked.require_fitting_prices()
        checked.require_fitting_lots()
        return checked

    def changed(self, **changes: Decimal | None) -> "OrderTerms":
        """The same terms with some prices or the quantity replaced; None leaves a term as it is."""
        wanted = {name: value for name, value in changes.items() if value is not None}
        return OrderTerms.checked(**{**msgspec.structs.asdict(self), **wanted})

    def require_fitting_prices(self) -> None:
        """A price is there exactly when the type has one."""
        _require_exactly(self.limit_price, needed=self.type.has_limit, name="limit_price", kind=self.type)
        _require_exactly(self.stop_price, needed=self.type.has_stop, name="stop_price", kind=self.type)

    def require_fitting_lots(self) -> None:
        """Lots are chosen by sales only; those that are named are named once, and suffice."""
        if self.lot_method is UNSET:
            return
        if self.is_buy:
            raise OrderTermsMustFitItsType("an order to buy chooses no lots")
        chosen = self.chosen_lots
        if (self.lot_method is LotMethod.SPECIFIC) != bool(chosen):
            raise OrderTermsMustFitItsType("`lots` are named exactly when the lot method is specific")
        if len({choice.lot_id for choice in chosen}) < len(chosen):
            raise OrderTermsMustFitItsType("a lot is named twice")
        if chosen and sum(choice.quantity for choice in chosen) < self.quantity:
            raise OrderTermsMustFitItsType("the lots that are named have fewer shares than would be sold")

    @property
    def chosen_lots(self) -> tuple[LotChoice, ...]:
        """The lots that the order names; none when it goes by a method."""
        return () if isinstance(self.lots, UnsetType) else self.lots

    @property
    def is_buy(self) -> bool:
        """Whether it buys."""
        return self.side is Side.BUY


def checked_lots(
    method: LotMethod | None, choices: Iterable[LotChoice] | None
) -> dict[str, LotMethod | tuple[LotChoice, ...]]:
    """The terms of a choice of lots, each quantity checked; lots alone are specific. Nothing chosen is left out."""
    if choices is None:
        return {} if method is None else {"lot_method": method}
    lots = tuple(LotChoice(lot_id=c.lot_id, quantity=values.quantity(c.quantity)) for c in choices)
    return {"lot_method": method or LotMethod.SPECIFIC, "lots": lots}


_CHECKS: dict[str, Any] = {
    "symbol": values.symbol,
    "quantity": values.quantity,
    "limit_price": values.price,
    "stop_price": values.price,
}


def _require_exactly(value: Price | None, *, needed: bool, name: str, kind: OrderType) -> None:
    if needed and value is None:
        raise OrderTermsMustFitItsType(f"a {kind} order needs a {name}")
    if not needed and value is not None:
        raise OrderTermsMustFitItsType(f"a {kind} order has no {name}")
