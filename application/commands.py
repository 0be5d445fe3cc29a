"""Every order that can be given to Daybook. Commands are plain data; `handlers` decides them.

Each names its account: that is where it is routed, and nothing it does leaves that account.
`streams()` says which aggregates the decision will read, so that many can be fetched at once.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import TypeAlias
from uuid import UUID

from msgspec import Struct

from domain.account import Account
from domain.aggregate import Aggregate
from domain.erasure import Erasure
from domain.order import Order
from domain.position import Position, position_id
from domain.terms import LotChoice, LotMethod, OrderType, Side, TimeInForce
from domain.transfer import Direction, Transfer
from domain.values import Money, Price, Quantity

Stream: TypeAlias = tuple[type[Aggregate], UUID]


class Command(Struct, frozen=True, kw_only=True, gc=False):
    """An order to Daybook concerning one account."""

    account_id: UUID

    def streams(self) -> Iterator[Stream]:
        """The aggregates the decision reads."""
        yield Account, self.account_id


class OpenAccount(Command, frozen=True, kw_only=True):
    """Open an account for its owner."""

    owner_id: UUID


class TransferCommand(Command, frozen=True, kw_only=True):
    """An order to Daybook concerning one transfer and the cash it moves."""

    transfer_id: UUID

    def streams(self) -> Iterator[Stream]:
        """The account and the transfer."""
        yield Account, self.account_id
        yield Transfer, self.transfer_id


class Deposit(TransferCommand, frozen=True, kw_only=True):
    """Take in money from outside. `amount` in dollars, whole cents."""

    amount: Money

    def streams(self) -> Iterator[Stream]:
        """The account: a new transfer's stream is read by those who begin one."""
        yield Account, self.account_id


class Withdraw(TransferCommand, frozen=True, kw_only=True):
    """Pay out free cash. `amount` in dollars, whole cents."""

    amount: Money

    def streams(self) -> Iterator[Stream]:
        """The account: a new transfer's stream is read by those who begin one."""
        yield Account, self.account_id


class CompleteTransfer(TransferCommand, frozen=True, kw_only=True):
    """Note that the bank did a transfer; told again, nothing changes."""


class FailTransfer(TransferCommand, frozen=True, kw_only=True):
    """Note that the bank did not do a transfer. `reason` is a code."""

    reason: str


class ReturnTransfer(TransferCommand, frozen=True, kw_only=True):
    """Note that the bank took back a completed transfer. `reason` is a code.

    `direction` and `amount` are the transfer's own, as the table of transfers has them.
    """

    reason: str
    direction: Direction
    amount: Money


class Settle(Command, frozen=True, kw_only=True):
    """Settle everything of the account that is due on `through` or before."""

    through: date


class SuspendAccount(Command, frozen=True, kw_only=True):
    """Stop new orders and withdrawals."""

    reason: str


class ReinstateAccount(Command, frozen=True, kw_only=True):
    """End a suspension. `is_approved` says that two members of staff want it."""

    reason: str
    is_approved: bool = False


class ChooseLotMethod(Command, frozen=True, kw_only=True):
    """Say by which method sales choose their lots when their order does not say."""

    method: LotMethod


class CloseAccount(Command, frozen=True, kw_only=True):
    """End an empty account for ever."""


class SendResidue(TransferCommand, frozen=True, kw_only=True):
    """Send away what came to a closed account after its end."""

    def streams(self) -> Iterator[Stream]:
        """The account: a new transfer's stream is read by those who begin one."""
        yield Account, self.account_id


class CertifyErasure(Command, frozen=True, kw_only=True):
    """Write into the log that a person was erased. `account_id` is the user's id when there was no account.

    `requested` and `approved` say by whom and when; `erased` counts what was there, by category.
    """

    erasure_id: UUID
    user_id: UUID
    erased: dict[str, int]
    key_fingerprint: str | None
    requested: tuple[UUID, datetime]
    approved: tuple[UUID, datetime]
    erased_at: datetime

    def streams(self) -> Iterator[Stream]:
        """The erasure alone: its account is closed."""
        yield Erasure, self.erasure_id


class OrderCommand(Command, frozen=True, kw_only=True):
    """An order to Daybook concerning one order and the cash and shares that cover it.

    `symbol` is given by those who know it, so that the position can be fetched together with the rest.
    """

    order_id: UUID
    symbol: str | None = None

    def streams(self) -> Iterator[Stream]:
        """The account, the order and, when its symbol is known, the position."""
        yield Account, self.account_id
        yield Order, self.order_id
        if self.symbol is not None:
            yield Position, position_id(self.account_id, self.symbol)


class PlaceOrder(OrderCommand, frozen=True, kw_only=True):
    """Take a customer's order. `ask` is the current offer, by which a market or stop buy is covered.

    `is_new` says that the order id was made for this request and cannot be in use.
    """

    symbol: str
    side: Side
    type: OrderType
    quantity: Quantity
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Price | None = None
    stop_price: Price | None = None
    client_order_id: str | None = None
    lot_method: LotMethod | None = None
    lots: tuple[LotChoice, ...] | None = None
    ask: Price | None = None
    is_new: bool = True

    def streams(self) -> Iterator[Stream]:
        """The account; the order when its id may be in use; the position of a sale."""
        yield Account, self.account_id
        if not self.is_new:
            yield Order, self.order_id
        if self.side is Side.SELL:
            yield Position, position_id(self.account_id, self.symbol)


class ReplaceOrder(OrderCommand, frozen=True, kw_only=True):
    """Change an open order's quantity or prices; None leaves a term as it is."""

    quantity: Quantity | None = None
    limit_price: Price | None = None
    stop_price: Price | None = None
    ask: Price | None = None


class CancelOrder(OrderCommand, frozen=True, kw_only=True):
    """Take back what is left of an order. `reason` is a code, such as `requested`."""

    reason: str = "requested"


class ExpireOrder(OrderCommand, frozen=True, kw_only=True):
    """End a day order whose session has closed."""

    reason: str = "session_closed"


class AcceptOrder(OrderCommand, frozen=True, kw_only=True):
    """Note that a venue works the order."""

    venue: str


class TriggerOrder(OrderCommand, frozen=True, kw_only=True):
    """Elect a stop. `quote` is the sequence of the quote, `elected_by` which of its prices did it."""

    quote: int
    elected_by: str
    price: Price


class ExecuteOrder(OrderCommand, frozen=True, kw_only=True):
    """Book an execution. A second one with the same `execution_id` changes nothing."""

    execution_id: UUID
    quantity: Quantity
    price: Price
    venue: str
    quote: int
