"""The terms of an order: what the customer asks for, checked for what its type needs.

Types, time in force and sides are FIX's (OrdType 40, TimeInForce 59, Side 54) in Alpaca's spelling.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

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


class OrderTerms(Struct, frozen=True, kw_only=True, gc=False):
    """What the customer asks for. Raises InputIsWrong when its parts do not fit together."""

    symbol: str
    side: Side
    type: OrderType
    quantity: Quantity
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Price | None = None
    stop_price: Price | None = None
    client_order_id: str | None = None

    @classmethod
    def checked(cls, **terms: Any) -> "OrderTerms":
        """Build terms from values as they came in, each checked and brought to its number of places."""
        for name, check in _CHECKS.items():
            if terms.get(name) is not None:
                terms[name] = check(terms[name])
        checked = cls(**terms)
        checked.require_fitting_prices()
        return checked

    def changed(self, **changes: Decimal | None) -> "OrderTerms":
        """The same terms with some prices or the quantity replaced; None leaves a term as it is."""
        wanted = {name: value for name, value in changes.items() if value is not None}
        return OrderTerms.checked(**{**msgspec.structs.asdict(self), **wanted})

    def require_fitting_prices(self) -> None:
        """A price is there exactly when the type has one."""
        _require_exactly(self.limit_price, needed=self.type.has_limit, name="limit_price", kind=self.type)
        _require_exactly(self.stop_price, needed=self.type.has_stop, name="stop_price", kind=self.type)

    @property
    def is_buy(self) -> bool:
        """Whether it buys."""
        return self.side is Side.BUY


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
