"""The brokerage account: cash a customer owns, and cash held for open orders."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.aggregate import Aggregate, Event
from domain.errors import (
    AccountMustBeEmpty,
    AccountMustBeOpenForTrading,
    AccountMustNotBeClosed,
    AvailableCashMustCoverOrder,
    AvailableCashMustCoverWithdrawal,
    ReinstatementMustBeApproved,
)
from domain.trade import Trade
from domain.values import NO_SHARES, NOTHING, Money, Price, Quantity

SURVEILLANCE = "surveillance"
"""How the reason of a suspension begins that surveillance decided: ending it takes two members of staff."""


class AccountStatus(StrEnum):
    """`open`: everything; `suspended`: deposits and cancels only; `closed`: nothing, for ever."""

    OPEN = "open"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class Account(Aggregate, kw_only=True):
    """One customer's cash in US dollars. Always: 0 <= held <= cash."""

    owner_id: UUID | None = None
    status: AccountStatus = AccountStatus.OPEN
    opened_at: datetime | None = None
    suspended_for: str | None = None  # the reason, while it is suspended
    cash: Money = NOTHING
    held: Money = NOTHING
    holds: dict[UUID, Money] = {}  # by open order to buy; tiny orders may hold 0.00
    shares: dict[str, Quantity] = {}  # by symbol; the lots live in the positions

    # What has happened. Stored for ever, replayed often: never refuses.

    class Opened(Event, frozen=True, kw_only=True):
        """A customer opened the account."""

        owner_id: UUID
        currency: str = "USD"

        def apply(self, account: "Account") -> None:
            account.owner_id = self.owner_id
            account.opened_at = self.recorded_at

    class Deposited(Event, frozen=True, kw_only=True):
        """Money came in from outside."""

        transfer_id: UUID
        amount: Money

        def apply(self, account: "Account") -> None:
            account.cash += self.amount

    class Withdrawn(Event, frozen=True, kw_only=True):
        """Money went out."""

        transfer_id: UUID
        amount: Money

        def apply(self, account: "Account") -> None:
            account.cash -= self.amount

    class FundsHeld(Event, frozen=True, kw_only=True):
        """So much more cash is promised to an order."""

        order_id: UUID
        amount: Money

        def apply(self, account: "Account") -> None:
            account._hold(self.order_id, self.amount)

    class FundsReleased(Event, frozen=True, kw_only=True):
        """So much cash is no longer promised to an order."""

        order_id: UUID
        amount: Money

        def apply(self, account: "Account") -> None:
            account._hold(self.order_id, -self.amount)
            if not account.holds[self.order_id]:
                del account.holds[self.order_id]

    class PurchaseDebited(Event, frozen=True, kw_only=True):
        """Shares were bought: `amount` left the cash, and `released` of the order's hold ended with it."""

        order_id: UUID
        execution_id: UUID
        symbol: str
        quantity: Quantity
        price: Price
        amount: Money
        leaves_quantity: Quantity
        released: Money

        def apply(self, account: "Account") -> None:
            account.cash -= self.amount
            account._hold(self.order_id, -self.released)
            if not self.leaves_quantity:
                account.holds.pop(self.order_id, None)
            account._own(self.symbol, self.quantity)

    class SaleCredited(Event, frozen=True, kw_only=True):
        """Shares were sold: `amount` came into the cash."""

        order_id: UUID
        execution_id: UUID
        symbol: str
        quantity: Quantity
        price: Price
        amount: Money
        leaves_quantity: Quantity

        def apply(self, account: "Account") -> None:
            account.cash += self.amount
            account._own(self.symbol, -self.quantity)

    class Suspended(Event, frozen=True, kw_only=True):
        """Staff stopped new orders and withdrawals."""

        reason: str

        def apply(self, account: "Account") -> None:
            account.status = AccountStatus.SUSPENDED
            account.suspended_for = self.reason

    class Reinstated(Event, frozen=True, kw_only=True):
        """Staff ended a suspension."""

        reason: str

        def apply(self, account: "Account") -> None:
            account.status = AccountStatus.OPEN
            account.suspended_for = None

    class Closed(Event, frozen=True, kw_only=True):
        """The account ended, empty."""

        def apply(self, account: "Account") -> None:
            account.status = AccountStatus.CLOSED

    # What may be decided. Check every rule, then record one fact.

    def open(self, *, owner_id: UUID, at: datetime) -> None:
        """Open the account for its owner; asking again changes nothing."""
        if self.opened_at is None:
            self.record(Account.Opened, at=at, owner_id=owner_id)

    def deposit(self, amount: Money, *, transfer_id: UUID, at: datetime) -> None:
        """Take in money from outside."""
        self._require_not_closed()
        self.record(Account.Deposited, at=at, transfer_id=transfer_id, amount=amount)

    def withdraw(self, amount: Money, *, transfer_id: UUID, at: datetime) -> None:
        """Pay out money that no order holds."""
        self.require_open()
        if self.available < amount:
            raise AvailableCashMustCoverWithdrawal(f"{self.available} is available, {amount} was asked for")
        self.record(Account.Withdrawn, at=at, transfer_id=transfer_id, amount=amount)

    def hold(self, amount: Money, *, order_id: UUID, at: datetime) -> None:
        """Promise available cash to an order, so that no other order can spend it."""
        self.require_open()
        if self.available < amount:
            raise AvailableCashMustCoverOrder(f"{self.available} is available, {amount} is needed")
        self.record(Account.FundsHeld, at=at, order_id=order_id, amount=amount)

    def release(self, amount: Money, *, order_id: UUID, at: datetime) -> None:
        """Give back cash that an order no longer needs; without a hold there is nothing to record."""
        if order_id in self.holds:
            self.record(Account.FundsReleased, at=at, order_id=order_id, amount=amount)

    def debit_purchase(self, purchase: Trade, *, hold_after: Money, at: datetime) -> None:
        """Pay for bought shares out of the order's hold, and shrink the hold to what the rest can cost."""
        released = self.held_for(purchase.order_id) - hold_after
        self.record(Account.PurchaseDebited, at=at, released=released, **purchase.facts())

    def credit_sale(self, sale: Trade, *, at: datetime) -> None:
        """Take in the proceeds of sold shares."""
        self.record(Account.SaleCredited, at=at, **sale.facts())

    def suspend(self, reason: str, *, at: datetime) -> None:
        """Stop new orders and withdrawals; asking again changes nothing."""
        self._require_not_closed()
        if self.status is AccountStatus.OPEN:
            self.record(Account.Suspended, at=at, reason=reason)

    def reinstate(self, reason: str, *, is_approved: bool = False, at: datetime) -> None:
        """End a suspension, one that surveillance decided only with two who want it; asking again changes nothing."""
        self._require_not_closed()
        if self.status is AccountStatus.SUSPENDED:
            if self.is_blocked_by_surveillance and not is_approved:
                raise ReinstatementMustBeApproved(
                    "surveillance blocked the account: two members of staff must agree"
                )
            self.record(Account.Reinstated, at=at, reason=reason)

    def close(self, *, at: datetime) -> None:
        """End the account for ever: it must hold neither cash nor shares nor open orders."""
        if self.status is AccountStatus.CLOSED:
            return
        if self.cash or self.holds or self.shares:
            raise AccountMustBeEmpty(f"{self.cash} in cash and {len(self.shares)} positions are left")
        self.record(Account.Closed, at=at)

    # What may be asked.

    @property
    def available(self) -> Money:
        """Cash that no order holds."""
        return self.cash - self.held

    def held_for(self, order_id: UUID) -> Money:
        """Cash that this order holds."""
        return self.holds.get(order_id, NOTHING)

    @property
    def is_blocked_by_surveillance(self) -> bool:
        """Whether it is suspended for what surveillance found."""
        return self.suspended_for is not None and self.suspended_for.startswith(SURVEILLANCE)

    def require_open(self) -> None:
        """Refuse what only an account in good standing may do."""
        if self.status is not AccountStatus.OPEN:
            raise AccountMustBeOpenForTrading(f"the account is {self.status}")

    def _require_not_closed(self) -> None:
        if self.status is AccountStatus.CLOSED:
            raise AccountMustNotBeClosed("the account is closed")

    def _hold(self, order_id: UUID, amount: Money) -> None:
        self.held += amount
        self.holds[order_id] = self.holds.get(order_id, NOTHING) + amount

    def _own(self, symbol: str, quantity: Quantity) -> None:
        owned = self.shares.get(symbol, NO_SHARES) + quantity
        if owned:
            self.shares[symbol] = owned
        else:
            self.shares.pop(symbol, None)

    FACTS = (
        Opened,
        Deposited,
        Withdrawn,
        FundsHeld,
        FundsReleased,
        PurchaseDebited,
        SaleCredited,
        Suspended,
        Reinstated,
        Closed,
    )
