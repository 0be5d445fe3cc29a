"""How quotes meet orders: the words for it, and what one order may do at a price.

An order works at the far side of the quote: a buy takes the ask, a sell the bid, never worse than its
bound. A stop waits until it is elected; an immediate order (ioc, fok) lives for one quote. `domain.book`
holds all working orders and applies these rules to them.
"""

from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeAlias
from uuid import UUID

from msgspec import Struct

from domain.order import Order
from domain.quotes import Session
from domain.terms import OrderType, Side, TimeInForce
from domain.values import LARGEST_PRICE, Price, Quantity

ElectedBy: TypeAlias = Literal["last", "bid", "ask"]

_ANY_PRICE = Decimal(0)
_IMMEDIATE = {TimeInForce.IOC: "immediate_or_cancel", TimeInForce.FOK: "fill_or_kill"}


class WorkingOrder(Struct, kw_only=True, gc=False):
    """What the market needs to know of an open order. It changes as the book decides, ahead of the log.

    `rank` is the log position where the order was placed: its priority in time. `price_cap` is the most
    a buy may pay a share, None for sells. Whatever is in a book is changed by the book only.
    """

    order_id: UUID
    account_id: UUID
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    leaves: Quantity
    limit_price: Price | None
    stop_price: Price | None
    price_cap: Price | None
    is_triggered: bool
    is_accepted: bool
    placed_at: datetime
    rank: int
    revision: int = 0

    @classmethod
    def of(cls, order: Order, rank: int) -> "WorkingOrder":
        """Take up an order as the log has it. A fill says as much as an acknowledgement."""
        terms, placed_at = order.terms, order.placed_at
        assert terms is not None and placed_at is not None, "an order is born placed"  # noqa: S101, PT018
        return cls(
            order_id=order.id,
            account_id=order.account_id,
            symbol=terms.symbol,
            side=terms.side,
            type=terms.type,
            time_in_force=terms.time_in_force,
            leaves=order.leaves,
            limit_price=terms.limit_price,
            stop_price=terms.stop_price,
            price_cap=order.price_cap,
            is_triggered=order.triggered_at is not None,
            is_accepted=order.accepted_at is not None or bool(order.filled),
            placed_at=placed_at,
            rank=rank,
            revision=order.revision,
        )

    @property
    def is_buy(self) -> bool:
        """Whether it buys."""
        return self.side is Side.BUY

    @property
    def bound(self) -> Price:
        """The worst price it may trade at: the most a buy pays, the least a sell takes."""
        if not self.is_buy:
            return self.limit_price or _ANY_PRICE
        bounds = (self.price_cap, self.limit_price)
        return min((price for price in bounds if price is not None), default=LARGEST_PRICE)

    @property
    def waits_for_stop(self) -> bool:
        """Whether it must be elected before it can trade."""
        return self.type.has_stop and not self.is_triggered

    @property
    def is_immediate(self) -> bool:
        """Whether the first quote it meets also ends it."""
        return self.time_in_force in _IMMEDIATE and not self.waits_for_stop

    @property
    def reason_to_end(self) -> str:
        """The code for the end of an immediate order."""
        return _IMMEDIATE[self.time_in_force]

    def is_over(self, session: Session) -> bool:
        """Whether it is a day order of a session that has ended: it only waits to be expired."""
        return self.time_in_force is TimeInForce.DAY and self.placed_at < session.previous_close

    def is_elected_at(self, price: Price | None) -> bool:
        """Whether this price elects its stop: at or above for a buy, at or below for a sell."""
        if price is None or self.stop_price is None or not self.waits_for_stop:
            return False
        return price >= self.stop_price if self.is_buy else price <= self.stop_price

    def may_trade_at(self, price: Price) -> bool:
        """Whether it is free to trade, and this price is no worse than its bound."""
        if self.waits_for_stop:
            return False
        return price <= self.bound if self.is_buy else price >= self.bound

    def takes(self, offered: Quantity) -> Quantity:
        """How much of an offer it takes: fill-or-kill takes all it needs, or nothing."""
        if self.time_in_force is TimeInForce.FOK and offered < self.leaves:
            return Decimal(0)
        return min(self.leaves, offered)


class Fill(Struct, frozen=True):
    """The order trades so many shares at this price with the quote of this sequence."""

    order: WorkingOrder
    quantity: Quantity
    price: Price
    quote_sequence: int


class Election(Struct, frozen=True):
    """The quote elects the order's stop, by this one of its prices."""

    order: WorkingOrder
    quote_sequence: int
    elected_by: ElectedBy
    price: Price


class Ending(Struct, frozen=True):
    """What is left of an immediate order is taken back; `reason` is a code."""

    order: WorkingOrder
    reason: str


class Acceptance(Struct, frozen=True):
    """The order rests: the venue acknowledges it, once."""

    order: WorkingOrder


Intent: TypeAlias = Fill | Election | Ending | Acceptance
