"""An order's executions: each within its limit and what is left of it, with its charges; and taking one back."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID, uuid5

from domain.aggregate import Event
from domain.errors import ExecutionMustNotExceedLeaves, ExecutionMustRespectItsLimit
from domain.fees import FeeSchedule
from domain.order.life import OPEN_STATUSES, OrderStatus, S
from domain.reversal import Reversal, Reversing, correcting, facts_of
from domain.terms import OrderTerms
from domain.trade import Charge, Trade, TradeDates, total
from domain.values import NO_SHARES, NOTHING, Money, Price, Quantity, rounded, rounded_down, rounded_up

KINDS: dict[str, Any] = {}
"""Facts of an order that can be taken back, by name; core.py puts them here."""


class Trading(Reversing):
    """The part of an order that trades."""

    __slots__ = ()

    terms: OrderTerms | None
    price_cap: Price | None
    status: OrderStatus | None
    triggered_at: datetime | None
    filled: Quantity
    busted: Quantity
    notional: Decimal
    spent: Money
    charged: dict[str, Charge]
    charges_held: Money
    record: Any
    _require: Any

    class Executed(Event, frozen=True, kw_only=True):
        """A venue traded for the order (FIX ExecType F). `quote` is the sequence of the quote it took.

        A correction (ExecType G) takes nothing of any quote: its `quote` is 0, and the order's status stays.

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

        def apply(self, order: Any) -> None:
            order.executions.add(self.execution_id)
            for charge in self.charges:
                order._charge(charge)
            order.venue = self.venue
            order.filled += self.quantity
            order.notional += self.quantity * self.price
            order.spent += self.amount
            if self.corrects is not None:
                order.busted -= self.quantity
                return  # it trades in the place of one that was reversed: the order stands as it did
            order.status = S.PARTIALLY_FILLED if self.leaves_quantity else S.FILLED
            if not self.leaves_quantity:
                order.ended_at = self.recorded_at

        def undo(self, order: Any, _: Any) -> None:
            for charge in self.charges:
                order._charge(Charge(name=charge.name, amount=-charge.amount, exact=-charge.exact))
            order.filled -= self.quantity
            order.busted += self.quantity
            order.notional -= self.quantity * self.price
            order.spent -= self.amount

    class Reversed(Reversal, frozen=True, kw_only=True):
        """An execution is taken back (FIX ExecType H, Trade Cancel). Its shares are not traded again."""

        KINDS: ClassVar[dict[str, Any]] = KINDS

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
        return self._take(
            quantity,
            price,
            execution_id=execution_id,
            venue=venue,
            quote=quote,
            leaves_quantity=self.leaves - quantity,
            dates=dates,
            fees=fees,
            at=at,
        )

    def reverse(self, executed: "Trading.Executed", *, reason: str, at: datetime) -> None:
        """Take back an execution; the order stands as it did, and what was busted is not traded again."""
        self.require_reversible(executed, KINDS)
        self.record(Trading.Reversed, at=at, **facts_of(executed, reason=reason, kinds=KINDS))

    def correct(
        self,
        executed: "Trading.Executed",
        quantity: Quantity,
        price: Price,
        *,
        dates: TradeDates,
        fees: FeeSchedule,
        at: datetime,
    ) -> Trade:
        """Book an execution that was reversed with the right quantity and price; not more than was reversed.

        `dates` has the day on which it traded, for the charges.
        """
        self._require_within_limit(price)
        if quantity > executed.quantity:
            raise ExecutionMustNotExceedLeaves(f"{quantity} corrected, {executed.quantity} executed")
        return self._take(
            quantity,
            price,
            execution_id=uuid5(executed.execution_id, f"right/{executed.originator_version}"),
            venue=executed.venue,
            quote=0,
            leaves_quantity=self.leaves,
            dates=dates,
            fees=fees,
            at=at,
            **correcting(executed),
        )

    @property
    def symbol(self) -> str:
        """The ticker."""
        return self._terms.symbol

    @property
    def is_open(self) -> bool:
        """Whether it may still trade."""
        return self.status in OPEN_STATUSES

    @property
    def leaves(self) -> Quantity:
        """Shares still to trade; none once the order has ended (FIX LeavesQty 151)."""
        return self._terms.quantity - self.filled - self.busted if self.is_open else NO_SHARES

    @property
    def waits_for_stop(self) -> bool:
        """Whether it must be elected before it can trade."""
        return self._terms.type.has_stop and self.triggered_at is None

    @property
    def _terms(self) -> OrderTerms:
        assert self.terms is not None, "an order is born with its terms"  # noqa: S101  a fault of ours
        return self.terms

    @property
    def _charges_left(self) -> Money:
        """What of a buy's hold is still there for charges."""
        return self.charges_held - total(tuple(self.charged.values()))

    def _take(
        self,
        quantity: Quantity,
        price: Price,
        *,
        dates: TradeDates,
        fees: FeeSchedule,
        at: datetime,
        **facts: Any,
    ) -> Trade:
        """Record an execution with its charges; `facts` are its other fields."""
        is_buy, notional = self._terms.is_buy, self.notional + quantity * price
        # After a reversal the rounding of what is left may be a cent apart, but never turns the money around.
        amount = max((rounded_up if is_buy else rounded_down)(notional) - self.spent, NOTHING)
        street = rounded(notional) - rounded(self.notional)
        charges = self._charges(quantity, price, amount=amount, day=dates.trade_date, fees=fees)
        charged = total(charges)
        executed = self.record(
            Trading.Executed, at=at, quantity=quantity, price=price, amount=amount, charges=charges, **facts
        )
        return Trade(
            order_id=self.id,
            execution_id=executed.execution_id,
            symbol=self.symbol,
            quantity=quantity,
            price=price,
            amount=amount + charged if is_buy else amount - charged,
            street=street,
            leaves_quantity=executed.leaves_quantity,
            trade_date=dates.trade_date,
            settles_on=dates.settles_on,
            charges=charges,
        )

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
        if charge.amount or charge.exact:
            self.charged[charge.name] = charge
        else:
            self.charged.pop(charge.name, None)

    def _require_within_limit(self, price: Price) -> None:
        terms = self._terms
        if self.waits_for_stop:
            raise ExecutionMustRespectItsLimit("the stop has not been elected")
        too_dear = terms.is_buy and self.price_cap is not None and price > self.price_cap
        too_cheap = not terms.is_buy and terms.limit_price is not None and price < terms.limit_price
        if too_dear or too_cheap:
            raise ExecutionMustRespectItsLimit(f"{price} is worse than the order allows")
