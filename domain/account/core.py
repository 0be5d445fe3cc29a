"""The account's life, its cash, and the cash held for open orders."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from domain.account.blocking import AccountStatus, Blocking
from domain.account.choosing import Choosing
from domain.account.funding import DEPOSIT_RETURNED, WITHDRAWAL_RETURNED, Funding
from domain.account.income import Entitlement, Receiving
from domain.account.reversing import KINDS, Undoing
from domain.account.settling import Settling, Unsettled
from domain.aggregate import Aggregate, Event
from domain.errors import (
    AccountMustBeClosed,
    AccountMustBeEmpty,
    AccountMustNotBeClosed,
    AvailableCashMustCoverOrder,
    AvailableCashMustCoverWithdrawal,
    ResidueMustBeThere,
)
from domain.reversal import Reversal, correcting
from domain.terms import LotMethod
from domain.trade import Trade
from domain.values import NO_SHARES, NOTHING, Money, Price, Quantity


class Account(Aggregate, Blocking, Settling, Receiving, Funding, Choosing, Undoing, kw_only=True):
    """One customer's cash in US dollars. Always: 0 <= held + withdrawing <= cash.

    `cash` counts trades from their trade date: it has the proceeds of sales that have yet to settle, and no
    longer has what purchases cost. What may be spent is `available`, what may be paid out `withdrawable`.
    `owed` is what the customer owes the firm for deposits that a bank took back.
    """

    owner_id: UUID | None = None
    status: AccountStatus = AccountStatus.OPEN
    opened_at: datetime | None = None
    suspended_for: str | None = (
        None  # the reason, while it is suspended; one of surveillance's outlasts others
    )
    suspended_until: datetime | None = None  # when a suspension ends by itself
    cash: Money = NOTHING
    held: Money = NOTHING
    holds: dict[UUID, Money] = {}  # by open order to buy; tiny orders may hold 0.00
    shares: dict[str, Quantity] = {}  # by symbol; the lots live in the positions
    unsettled: dict[date, Unsettled] = {}  # by settlement date
    good_faith_violations: list[date] = []  # trade dates
    withdrawals: dict[UUID, Money] = {}  # on their way to a bank, by transfer
    withdrawing: Money = NOTHING
    owed: Money = NOTHING
    lot_method: LotMethod = LotMethod.FIFO  # of sales whose order does not say
    actions: set[UUID] = set()  # corporate actions that have made it entitled to something
    entitlements: dict[UUID, Entitlement] = {}  # by corporate action; dividends that have yet to be paid
    interest_paid_through: date | None = None
    reversed: set[int] = set()  # versions of its facts that have been taken back

    # What has happened. Stored for ever, replayed often: never refuses.

    class Opened(Event, frozen=True, kw_only=True):
        """A customer opened the account."""

        owner_id: UUID
        currency: str = "USD"

        def apply(self, account: "Account") -> None:
            account.owner_id = self.owner_id
            account.opened_at = self.recorded_at

    class Deposited(Event, frozen=True, kw_only=True):
        """Money came in from outside; `repaid` of it went to what the customer owed."""

        transfer_id: UUID
        amount: Money
        repaid: Money = NOTHING

        @property
        def brought(self) -> Money:
            """By how much the cash grew."""
            return self.amount - self.repaid

        def apply(self, account: "Account") -> None:
            account._take_in(self.amount, repaid=self.repaid)

        def undo(self, account: "Account", _: Reversal) -> None:
            account._take_in(-self.amount, repaid=-self.repaid)

    class Withdrawn(Event, frozen=True, kw_only=True):
        """Money went out, out of what was `held` for it or out of free cash."""

        transfer_id: UUID
        amount: Money
        held: bool = False

        @property
        def brought(self) -> Money:
            """By how much the cash grew: less than nothing."""
            return -self.amount

        def apply(self, account: "Account") -> None:
            account.cash -= self.amount
            if self.held:
                account._pay_out(self.transfer_id)

        def undo(self, account: "Account", _: Reversal) -> None:
            account.cash += self.amount
            if self.held:
                account.withdrawals[self.transfer_id] = self.amount
                account.withdrawing += self.amount

    class FundsHeld(Event, frozen=True, kw_only=True):
        """So much more cash is promised to an order."""

        order_id: UUID
        amount: Money

        def apply(self, account: "Account") -> None:
            account._hold(self.order_id, self.amount)

    class FundsReleased(Event, frozen=True, kw_only=True):
        """So much cash is no longer promised to an order, which may live on `is_open` with a hold of nothing."""

        order_id: UUID
        amount: Money
        is_open: bool = False

        def apply(self, account: "Account") -> None:
            account.held -= self.amount
            rest = account.holds.pop(self.order_id) - self.amount
            if rest or self.is_open:
                account.holds[self.order_id] = rest

    class PurchaseDebited(Event, frozen=True, kw_only=True):
        """Shares were bought: `amount` left the cash, and `released` of the order's hold ended with it.

        The street is owed `street` for them, None when that is the same. Both are paid on `settles_on`.
        """

        order_id: UUID
        execution_id: UUID
        symbol: str
        quantity: Quantity
        price: Price
        amount: Money
        leaves_quantity: Quantity
        released: Money
        settles_on: date
        street: Money | None = None

        @property
        def brought(self) -> Money:
            """By how much the cash grew: less than nothing."""
            return -self.amount

        def apply(self, account: "Account") -> None:
            account.cash -= self.amount
            account._hold(self.order_id, -self.released)
            if not self.leaves_quantity:
                account.holds.pop(self.order_id, None)
            account._own(self.symbol, self.quantity)
            account._will_pay(
                self.settles_on,
                amount=self.amount,
                street=self.amount if self.street is None else self.street,
                symbol=self.symbol,
                quantity=self.quantity,
            )

        def undo(self, account: "Account", reversal: Any) -> None:
            account.cash += self.amount
            if self.released:
                account._hold(self.order_id, self.released)
            account._own(self.symbol, -self.quantity)
            account._will_pay(
                reversal.settles_on or self.settles_on,
                amount=-self.amount,
                street=-(self.amount if self.street is None else self.street),
                symbol=self.symbol,
                quantity=-self.quantity,
            )

    class SaleCredited(Event, frozen=True, kw_only=True):
        """Shares were sold: `amount` came into the cash, after all charges.

        The street owes `street` for them, None when that is the same; `fees` of it are the regulators'.
        """

        order_id: UUID
        execution_id: UUID
        symbol: str
        quantity: Quantity
        price: Price
        amount: Money
        leaves_quantity: Quantity
        settles_on: date
        street: Money | None = None
        fees: Money = NOTHING

        @property
        def brought(self) -> Money:
            """By how much the cash grew."""
            return self.amount

        def apply(self, account: "Account") -> None:
            account.cash += self.amount
            account._own(self.symbol, -self.quantity)
            account._will_receive(
                self.settles_on,
                amount=self.amount,
                street=self.amount if self.street is None else self.street,
                fees=self.fees,
                symbol=self.symbol,
                quantity=self.quantity,
            )

        def undo(self, account: "Account", reversal: Any) -> None:
            account.cash -= self.amount
            account._own(self.symbol, self.quantity)
            account._will_receive(
                reversal.settles_on or self.settles_on,
                amount=-self.amount,
                street=-(self.amount if self.street is None else self.street),
                fees=-self.fees,
                symbol=self.symbol,
                quantity=-self.quantity,
            )

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
        """Take in money from outside; what is owed is repaid first."""
        self.require_not_closed()
        repaid = min(amount, self.owed)
        self.record(Account.Deposited, at=at, transfer_id=transfer_id, amount=amount, repaid=repaid)

    def withdraw(self, amount: Money, *, transfer_id: UUID, at: datetime) -> None:
        """Pay out money that no order holds and that has settled."""
        self._require_withdrawable(amount)
        self.record(Account.Withdrawn, at=at, transfer_id=transfer_id, amount=amount)

    def hold_withdrawal(self, amount: Money, *, transfer_id: UUID, at: datetime) -> None:
        """Put such money aside for a bank that will take it."""
        self._require_withdrawable(amount)
        self.record(Account.WithdrawalHeld, at=at, transfer_id=transfer_id, amount=amount)

    def pay_out(self, transfer_id: UUID, *, at: datetime) -> None:
        """Pay out what was held for a withdrawal; asking again changes nothing."""
        amount = self.withdrawals.get(transfer_id)
        if amount is not None:
            self.record(Account.Withdrawn, at=at, transfer_id=transfer_id, amount=amount, held=True)

    def send_residue(self, transfer_id: UUID, *, at_once: bool, at: datetime) -> Money:
        """Send away the whole residue, at once or by a bank that will take it. Returns how much it was.

        Raises AccountMustBeClosed, or ResidueMustBeThere.
        """
        self.require_closed_or_reopened()
        amount = self.residue
        if not amount:
            raise ResidueMustBeThere("nothing is left that is not on its way already")
        kind = Account.Withdrawn if at_once else Account.WithdrawalHeld
        self.record(kind, at=at, transfer_id=transfer_id, amount=amount)
        return amount

    def suffer_return(self, amount: Money, *, transfer_id: UUID, is_deposit: bool, at: datetime) -> None:
        """Take in that a bank returned a completed transfer.

        A returned deposit suspends the account, and a closed one is open for staff again: it owns or owes money.
        """
        if is_deposit:
            self.take_back(amount, transfer_id=transfer_id, there=self.settled_free, at=at)
        else:
            self.put_back(amount, transfer_id=transfer_id, at=at)
        if self.status is AccountStatus.CLOSED or (is_deposit and not self.is_suspended_for_good):
            reason = DEPOSIT_RETURNED if is_deposit else WITHDRAWAL_RETURNED
            self.record(Account.Suspended, at=at, reason=reason)

    def hold(self, amount: Money, *, order_id: UUID, at: datetime) -> None:
        """Promise available cash to an order, so that no other order can spend it."""
        self.require_open()
        if self.available < amount:
            raise AvailableCashMustCoverOrder(f"{self.available} is available, {amount} is needed")
        self.record(Account.FundsHeld, at=at, order_id=order_id, amount=amount)

    def release(self, amount: Money, *, order_id: UUID, is_open: bool = False, at: datetime) -> None:
        """Give back cash that an order no longer needs; without a hold there is nothing to record.

        `is_open` says that the order lives on.
        """
        if order_id in self.holds:
            self.record(Account.FundsReleased, at=at, order_id=order_id, amount=amount, is_open=is_open)

    def debit_purchase(
        self, purchase: Trade, *, hold_after: Money, corrects: Event | None = None, at: datetime
    ) -> None:
        """Pay for bought shares out of the order's hold, and shrink the hold to what the rest can cost."""
        self.record(
            Account.PurchaseDebited,
            at=at,
            order_id=purchase.order_id,
            execution_id=purchase.execution_id,
            symbol=purchase.symbol,
            quantity=purchase.quantity,
            price=purchase.price,
            amount=purchase.amount,
            leaves_quantity=purchase.leaves_quantity,
            released=self.held_for(purchase.order_id) - hold_after,
            settles_on=purchase.settles_on,
            street=purchase.street_if_other,
            **correcting(corrects),
        )

    def credit_sale(self, sale: Trade, *, corrects: Event | None = None, at: datetime) -> None:
        """Take in the proceeds of sold shares."""
        self.record(
            Account.SaleCredited,
            at=at,
            order_id=sale.order_id,
            execution_id=sale.execution_id,
            symbol=sale.symbol,
            quantity=sale.quantity,
            price=sale.price,
            amount=sale.amount,
            leaves_quantity=sale.leaves_quantity,
            settles_on=sale.settles_on,
            street=sale.street_if_other,
            fees=sale.fees,
            **correcting(corrects),
        )

    def close(self, *, at: datetime) -> None:
        """End the account for ever: no cash, shares or open orders, nothing that has yet to settle or to be paid."""
        if self.status is AccountStatus.CLOSED:
            return
        self.require_empty()
        self.record(Account.Closed, at=at)

    # What may be asked.

    @property
    def available(self) -> Money:
        """Cash that neither an order nor a withdrawal holds: what may be spent (Alpaca's `buying_power`)."""
        return self.cash - self.held - self.withdrawing

    @property
    def withdrawable(self) -> Money:
        """What may be paid out: available cash less what sales have yet to bring, and less what is owed."""
        return max(self.settled_free - self.owed, NOTHING)

    @property
    def settled_free(self) -> Money:
        """Available cash that does not wait for the street: a debt may be taken out of it."""
        return max(self.available - self.yet_to_come, NOTHING)

    @property
    def residue(self) -> Money:
        """What came to a closed account after its end, and is not on its way out; of any other account nothing."""
        return self.withdrawable if self._is_over else NOTHING

    @property
    def _is_over(self) -> bool:
        # Only a closed account is suspended because a withdrawal came back.
        return self.status is AccountStatus.CLOSED or self.suspended_for == WITHDRAWAL_RETURNED

    def paid_by_unsettled(self, amount: Money) -> date | None:
        """When the money for a purchase of this amount settles; None when settled cash covers it."""
        if not self.unsettled or self.cash - self.unsettled_proceeds >= amount:
            return None
        return max((day for day, due in self.unsettled.items() if due.proceeds > NOTHING), default=None)

    def held_for(self, order_id: UUID) -> Money:
        """Cash that this order holds."""
        return self.holds.get(order_id, NOTHING)

    def is_settled(self, trade: "Account.PurchaseDebited | Account.SaleCredited") -> bool:
        """Whether the money of a purchase or sale of this account has changed hands."""
        due = self.unsettled.get(trade.settles_on, Unsettled())
        shares = due.bought if isinstance(trade, Account.PurchaseDebited) else due.sold
        return shares.get(trade.symbol, NO_SHARES) < trade.quantity

    def require_not_closed(self) -> None:
        """Refuse what a closed account may not do."""
        if self.status is AccountStatus.CLOSED:
            raise AccountMustNotBeClosed("the account is closed")

    def require_closed_or_reopened(self) -> None:
        """Refuse what is for closed accounts, and for those that a returned withdrawal has reopened."""
        if not self._is_over:
            raise AccountMustBeClosed(f"account {self.id} is {self.status}")

    def require_empty(self) -> None:
        """Refuse while anything is in the account, owed, or has yet to come. Raises AccountMustBeEmpty."""
        if self.cash or self.holds or self.shares or self.unsettled or self.entitlements or self.owed:
            raise AccountMustBeEmpty(
                f"{self.cash} in cash, {self.owed} of debt, {len(self.shares)} positions,"
                f" {len(self.unsettled)} settlements and {len(self.entitlements)} dividends are left"
            )

    def _require_withdrawable(self, amount: Money) -> None:
        self.require_open()
        if self.withdrawable < amount:
            raise AvailableCashMustCoverWithdrawal(
                f"{self.withdrawable} is withdrawable, {amount} was asked for"
            )

    def _take_in(self, amount: Money, *, repaid: Money) -> None:
        self.cash += amount - repaid
        self.owed -= repaid

    def _pay_out(self, transfer_id: UUID) -> None:
        self.withdrawing -= self.withdrawals.pop(transfer_id, NOTHING)

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
        Blocking.Suspended,
        Blocking.Reinstated,
        Closed,
        Settling.Settled,
        Settling.GoodFaithViolated,
        Funding.WithdrawalHeld,
        Funding.WithdrawalReleased,
        Funding.WithdrawalPutBack,
        Funding.DepositTakenBack,
        Choosing.LotMethodChosen,
        Receiving.DividendEntitled,
        Receiving.DividendPaid,
        Receiving.InterestPaid,
        Receiving.SharesSplit,
        Receiving.CashInLieuPaid,
        Undoing.Reversed,
    )


for _kind in (
    Account.Deposited,
    Account.Withdrawn,
    Account.DividendPaid,
    Account.InterestPaid,
    Account.PurchaseDebited,
    Account.SaleCredited,
):
    KINDS[f"Account.{_kind.__name__}"] = _kind
