"""An order: what a customer asked for, and what became of it.

The life of an order, as a table: the status it is in, what may happen then, and the status after.
Statuses are Alpaca's words; `accepted` means that Daybook has taken the order and holds its cover.
A stop's election changes what the order may do, not its status, as in FIX (ExecType L).
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from msgspec import UnsetType

from domain.aggregate import Aggregate, Event
from domain.errors import (
    ClientOrderIdMustBeUnique,
    ExecutionMustNotExceedLeaves,
    ExecutionMustRespectItsLimit,
    OrderMustBeOpen,
    QuantityMustExceedFilled,
    ReplacementMustChangeSomething,
    StopMustNotBeElected,
)
from domain.fees import FeeSchedule
from domain.terms import LotMethod, OrderTerms
from domain.trade import Charge, Trade, TradeDates, total
from domain.values import (
    NO_SHARES,
    NOTHING,
    Money,
    Price,
    Quantity,
    average,
    rounded,
    rounded_down,
    rounded_up,
)


class OrderStatus(StrEnum):
    """Where an order stands."""

    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"


S = OrderStatus
OPEN_STATUSES = (S.ACCEPTED, S.PARTIALLY_FILLED)

LIFE: dict[OrderStatus | None, dict[str, tuple[OrderStatus, ...]]] = {
    None: {"Placed": (S.ACCEPTED,), "Rejected": (S.REJECTED,)},
    S.ACCEPTED: {
        "Accepted": (S.ACCEPTED,),
        "Triggered": (S.ACCEPTED,),
        "Replaced": (S.ACCEPTED,),
        "Adjusted": (S.ACCEPTED,),
        "Executed": (S.PARTIALLY_FILLED, S.FILLED),
        "Cancelled": (S.CANCELLED,),
        "Expired": (S.EXPIRED,),
    },
    S.PARTIALLY_FILLED: {
        "Replaced": (S.PARTIALLY_FILLED,),
        "Adjusted": (S.PARTIALLY_FILLED,),
        "Executed": (S.PARTIALLY_FILLED, S.FILLED),
        "Cancelled": (S.CANCELLED,),
        "Expired": (S.EXPIRED,),
    },
    S.FILLED: {},
    S.CANCELLED: {},
    S.EXPIRED: {},
    S.REJECTED: {},
}


class Order(Aggregate, kw_only=True):
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
    notional: Decimal = Decimal(0)  # exact sum of quantity x price
    spent: Money = (
        NOTHING  # the notional to the cent, up for a buy, down for a sale: what changed hands so far
    )
    executions: set[UUID] = set()
    charged: dict[str, Charge] = {}  # by name, over all executions
    charges_held: Money = NOTHING  # what of a buy's hold is for charges; they never come to more

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

    class Executed(Event, frozen=True, kw_only=True):
        """A venue traded for the order (FIX ExecType F). `quote` is the sequence of the quote it took.

        `amount` is the shares' money to the cent, before charges.
        """

        execution_id: UUID
        venue: str
        quantity: Quantity
        price: Price
        amount: Money
        leaves_quantity: Quantity
        quote: int
        charges: tuple[Charge, ...] = ()

        def apply(self, order: "Order") -> None:
            order.executions.add(self.execution_id)
            for charge in self.charges:
                order._charge(charge)
            order.venue = self.venue
            order.filled += self.quantity
            order.notional += self.quantity * self.price
            order.spent += self.amount
            order.status = S.PARTIALLY_FILLED if self.leaves_quantity else S.FILLED
            if not self.leaves_quantity:
                order.ended_at = self.recorded_at

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
            order.filled = self.filled

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

    def execute(
        self,
        quantity: Quantity,
        price: Price,
        *,
        execution_id: UUID,
        venue: str,
        quote: int,
        dates: TradeDates,
        fees: FeeSchedule,
        at: datetime,
    ) -> Trade:
        """Take in an execution: never more than is left, never worse than the limit. `fees` says its charges."""
        self._require("Executed")
        self._require_within_limit(price)
        if quantity > self.leaves:
            raise ExecutionMustNotExceedLeaves(f"{quantity} executed, {self.leaves} left")
        is_buy, notional = self._terms.is_buy, self.notional + quantity * price
        amount = (rounded_up if is_buy else rounded_down)(notional) - self.spent
        street = rounded(notional) - rounded(self.notional)
        charges = self._charges(quantity, price, amount=amount, day=dates.trade_date, fees=fees)
        charged = total(charges)
        self.record(
            Order.Executed,
            at=at,
            execution_id=execution_id,
            venue=venue,
            quantity=quantity,
            price=price,
            amount=amount,
            leaves_quantity=self.leaves - quantity,
            quote=quote,
            charges=charges,
        )
        return Trade(
            order_id=self.id,
            execution_id=execution_id,
            symbol=self.symbol,
            quantity=quantity,
            price=price,
            amount=amount + charged if is_buy else amount - charged,
            street=street,
            leaves_quantity=self.leaves,
            trade_date=dates.trade_date,
            settles_on=dates.settles_on,
            charges=charges,
        )

    def replace(
        self, terms: OrderTerms, *, price_cap: Price | None, charges_held: Money = NOTHING, at: datetime
    ) -> None:
        """Change quantity or prices of an open order. The quantity is the order's total."""
        self._require("Replaced")
        if terms == self.terms:
            raise ReplacementMustChangeSomething("the order already has these terms")
        if terms.quantity <= self.filled:
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
    def symbol(self) -> str:
        """The ticker."""
        return self._terms.symbol

    @property
    def lot_method(self) -> LotMethod | None:
        """By which method a sale chooses its lots; None leaves that to the account's standing order."""
        method = self._terms.lot_method
        return None if isinstance(method, UnsetType) else method

    @property
    def is_open(self) -> bool:
        """Whether it may still trade."""
        return self.status in OPEN_STATUSES

    @property
    def leaves(self) -> Quantity:
        """Shares still to trade; none once the order has ended (FIX LeavesQty 151)."""
        return self._terms.quantity - self.filled if self.is_open else NO_SHARES

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

    @property
    def waits_for_stop(self) -> bool:
        """Whether it must be elected before it can trade."""
        return self._terms.type.has_stop and self.triggered_at is None

    def require_new(self) -> None:
        """Refuse to use an order id a second time."""
        if self.status is not None:
            raise ClientOrderIdMustBeUnique(f"order {self.id} exists already")

    @property
    def _terms(self) -> OrderTerms:
        assert self.terms is not None, "an order is born with its terms"  # noqa: S101  a fault of ours
        return self.terms

    @property
    def _charges_left(self) -> Money:
        """What of a buy's hold is still there for charges."""
        return self.charges_held - total(tuple(self.charged.values()))

    def _charges(
        self, quantity: Quantity, price: Price, *, amount: Money, day: date, fees: FeeSchedule
    ) -> tuple[Charge, ...]:
        side = self._terms.side
        if not fees.in_force(day, side):
            return ()
        return fees.charges(
            day=day,
            side=side,
            quantity=quantity,
            notional=quantity * price,
            so_far=self.charged,
            at_most=self._charges_left if self._terms.is_buy else amount,
        )

    def _charge(self, charge: Charge) -> None:
        before = self.charged.get(charge.name)
        if before is not None:
            charge = Charge(
                name=charge.name, amount=before.amount + charge.amount, exact=before.exact + charge.exact
            )
        self.charged[charge.name] = charge

    def _require(self, fact: str) -> None:
        if fact not in LIFE[self.status]:
            raise OrderMustBeOpen(f"the order is {self.status}")

    def _require_within_limit(self, price: Price) -> None:
        terms = self._terms
        if self.waits_for_stop:
            raise ExecutionMustRespectItsLimit("the stop has not been elected")
        too_dear = terms.is_buy and self.price_cap is not None and price > self.price_cap
        too_cheap = not terms.is_buy and terms.limit_price is not None and price < terms.limit_price
        if too_dear or too_cheap:
            raise ExecutionMustRespectItsLimit(f"{price} is worse than the order allows")

    FACTS = (Placed, Rejected, Accepted, Triggered, Executed, Replaced, Adjusted, Cancelled, Expired)


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
