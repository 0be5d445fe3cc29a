"""The order from its placing to its end. What it trades in between is in `trading`."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from msgspec import UnsetType

from domain.aggregate import Aggregate, Event
from domain.errors import (
    ClientOrderIdMustBeUnique,
    OrderMustBeOpen,
    QuantityMustExceedFilled,
    ReplacementMustChangeSomething,
    StopMustNotBeElected,
)
from domain.order.life import LIFE, OrderStatus, S
from domain.order.trading import KINDS, Trading
from domain.terms import LotMethod, OrderTerms
from domain.trade import Charge
from domain.values import (
    NO_SHARES,
    NOTHING,
    Money,
    Price,
    Quantity,
    average,
    rounded_up,
)


class Order(Aggregate, Trading, kw_only=True):
    """One order of one account. Always: filled <= quantity, and spent <= what was set aside."""

    terms: OrderTerms | None = None
    price_cap: Price | None = None  # no buy executes above it; what is held rests on it
    status: OrderStatus | None = None
    reason: str | None = None  # why it was rejected, cancelled or expired: a code
    detail: str | None = None
    venue: str | None = None
    revision: int = 0
    placed_at: datetime | None = None
    accepted_at: datetime | None = None
    triggered_at: datetime | None = None
    ended_at: datetime | None = None
    filled: Quantity = NO_SHARES
    busted: Quantity = NO_SHARES  # of executions that were reversed; they are not traded again
    notional: Decimal = Decimal(0)  # exact sum of quantity x price
    spent: Money = (
        NOTHING  # the notional to the cent, up for a buy, down for a sale: what changed hands so far
    )
    executions: set[UUID] = set()
    charged: dict[str, Charge] = {}  # by name, over all executions
    charges_held: Money = NOTHING  # what of a buy's hold is for charges; they never come to more
    reversed: set[int] = set()  # versions of its executions that have been taken back

    # What has happened. Stored for ever, replayed often: never refuses.

    class Placed(Event, frozen=True, kw_only=True):
        """The order was taken, with its cover held. `price_cap` bounds what a buy may pay a share.

        `charges_held` is what of the cover is for charges.
        """

        terms: OrderTerms
        price_cap: Price | None = None
        charges_held: Money = NOTHING

        def apply(self, order: "Order") -> None:
            order.terms, order.price_cap = self.terms, self.price_cap
            order.charges_held = self.charges_held
            order.status, order.placed_at = S.ACCEPTED, self.recorded_at

    class Rejected(Event, frozen=True, kw_only=True):
        """The order was refused by a rule of ours; it is kept for those who examine us."""

        terms: OrderTerms
        reason: str
        detail: str

        def apply(self, order: "Order") -> None:
            order.terms, order.placed_at = self.terms, self.recorded_at
            order.reason, order.detail = self.reason, self.detail
            order.status, order.ended_at = S.REJECTED, self.recorded_at

    class Accepted(Event, frozen=True, kw_only=True):
        """A venue took the order and works it (FIX ExecType 0, New)."""

        venue: str

        def apply(self, order: "Order") -> None:
            order.venue, order.accepted_at = self.venue, self.recorded_at

    class Triggered(Event, frozen=True, kw_only=True):
        """The stop was elected by a quote (FIX ExecType L): by its last sale, bid or ask, at that price."""

        quote: int
        elected_by: str
        price: Price

        def apply(self, order: "Order") -> None:
            order.triggered_at = self.recorded_at

    class Replaced(Event, frozen=True, kw_only=True):
        """The customer changed quantity or prices; the order keeps its id (FIX ExecType 5)."""

        terms: OrderTerms
        price_cap: Price | None = None
        revision: int
        charges_held: Money = NOTHING

        def apply(self, order: "Order") -> None:
            order.terms, order.price_cap, order.revision = self.terms, self.price_cap, self.revision
            order.charges_held = self.charges_held

    class Adjusted(Event, frozen=True, kw_only=True):
        """A split changed quantity and prices (FIX ExecType D, Restated, ExecRestatementReason 0).

        `filled` is what has been filled, in new shares. The money that changed hands stays what it was.
        """

        action_id: UUID
        terms: OrderTerms
        price_cap: Price | None = None
        filled: Quantity
        revision: int

        def apply(self, order: "Order") -> None:
            order.terms, order.price_cap, order.revision = self.terms, self.price_cap, self.revision
            order.filled, order.busted = self.filled, NO_SHARES  # the terms no longer count what was reversed

    class Cancelled(Event, frozen=True, kw_only=True):
        """The rest of the order was taken back."""

        reason: str
        leaves_quantity: Quantity

        def apply(self, order: "Order") -> None:
            order.status, order.reason, order.ended_at = S.CANCELLED, self.reason, self.recorded_at

    class Expired(Event, frozen=True, kw_only=True):
        """The session of a day order closed."""

        reason: str
        leaves_quantity: Quantity

        def apply(self, order: "Order") -> None:
            order.status, order.reason, order.ended_at = S.EXPIRED, self.reason, self.recorded_at

    # What may be decided. Check every rule, then record one fact.

    def place(
        self, terms: OrderTerms, *, price_cap: Price | None, charges_held: Money = NOTHING, at: datetime
    ) -> None:
        """Take the order. Its cover, charges included, must have been held in the same decision."""
        self.require_new()
        self.record(Order.Placed, at=at, terms=terms, price_cap=price_cap, charges_held=charges_held)

    def reject(self, terms: OrderTerms, *, reason: str, detail: str, at: datetime) -> None:
        """Refuse the order, and keep it with its reason."""
        self.require_new()
        self.record(Order.Rejected, at=at, terms=terms, reason=reason, detail=detail)

    def accept(self, venue: str, *, at: datetime) -> None:
        """Note that a venue works the order; a repeated or late acknowledgement records nothing."""
        if self.accepted_at is None and self.status is S.ACCEPTED:
            self.record(Order.Accepted, at=at, venue=venue)

    def trigger(self, *, quote: int, elected_by: str, price: Price, at: datetime) -> None:
        """Elect the stop; a repeated election records nothing."""
        if self.is_open and not self.waits_for_stop:
            return
        self._require("Triggered")
        self.record(Order.Triggered, at=at, quote=quote, elected_by=elected_by, price=price)

    def replace(
        self, terms: OrderTerms, *, price_cap: Price | None, charges_held: Money = NOTHING, at: datetime
    ) -> None:
        """Change quantity or prices of an open order. The quantity is the order's total."""
        self._require("Replaced")
        if terms == self.terms:
            raise ReplacementMustChangeSomething("the order already has these terms")
        if terms.quantity <= self.filled + self.busted:
            raise QuantityMustExceedFilled(f"{self.filled} is filled already")
        if self.triggered_at is not None and terms.stop_price != self._terms.stop_price:
            raise StopMustNotBeElected("the stop has been elected")
        self.record(
            Order.Replaced,
            at=at,
            terms=terms,
            price_cap=price_cap,
            revision=self.revision + 1,
            charges_held=charges_held,
        )

    def adjust(
        self, terms: OrderTerms, *, price_cap: Price | None, filled: Quantity, action_id: UUID, at: datetime
    ) -> None:
        """Bring an open order to the shares and prices after a split."""
        self._require("Adjusted")
        self.record(
            Order.Adjusted,
            at=at,
            action_id=action_id,
            terms=terms,
            price_cap=price_cap,
            filled=filled,
            revision=self.revision + 1,
        )

    def cancel(self, reason: str, *, at: datetime) -> None:
        """Take back what is left of the order; asking again changes nothing."""
        if self.status is S.CANCELLED:
            return
        self._require("Cancelled")
        self.record(Order.Cancelled, at=at, reason=reason, leaves_quantity=self.leaves)

    def expire(self, reason: str, *, at: datetime) -> None:
        """End the order with its session; asking again changes nothing."""
        if self.status is S.EXPIRED:
            return
        self._require("Expired")
        self.record(Order.Expired, at=at, reason=reason, leaves_quantity=self.leaves)

    # What may be asked.

    @property
    def lot_method(self) -> LotMethod | None:
        """By which method a sale chooses its lots; None leaves that to the account's standing order."""
        method = self._terms.lot_method
        return None if isinstance(method, UnsetType) else method

    @property
    def average_price(self) -> Price | None:
        """Average price of what was filled, to 4 places; None before the first fill."""
        return average(self.notional, self.filled) if self.filled else None

    @property
    def cover(self) -> Money:
        """Cash that must stay held so that no further fill of a buy can overdraw the account."""
        if not self.is_open or not self._terms.is_buy or self.price_cap is None:
            return NOTHING
        shares = rounded_up(self.notional + self.leaves * self.price_cap) - self.spent
        return shares + self._charges_left if self.charges_held else shares

    def require_new(self) -> None:
        """Refuse to use an order id a second time."""
        if self.status is not None:
            raise ClientOrderIdMustBeUnique(f"order {self.id} exists already")

    def _require(self, fact: str) -> None:
        if fact not in LIFE[self.status]:
            raise OrderMustBeOpen(f"the order is {self.status}")

    FACTS = (
        Placed,
        Rejected,
        Accepted,
        Triggered,
        Trading.Executed,
        Replaced,
        Adjusted,
        Cancelled,
        Expired,
        Trading.Reversed,
    )


KINDS["Order.Executed"] = Order.Executed


def cap_on_price(terms: OrderTerms, *, ask: Price | None, collar: Decimal) -> Price | None:
    """The most a buy may pay a share: its limit, or a collar above the ask (or above the stop if higher).

    None for sells, and for a market or stop buy when there is no ask to go by.
    """
    if not terms.is_buy:
        return None
    if terms.type.has_limit:
        return terms.limit_price
    if ask is None:
        return None
    base = max(ask, terms.stop_price or ask)
    return (base * (1 + collar)).quantize(Decimal("0.0001"))
