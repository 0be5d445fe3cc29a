"""What the detectors see of the log: a few kinds of events, each with its place, its day and who caused it."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain.account import Account
from domain.aggregate import Event
from domain.case import Evidence
from domain.corporate_action import CorporateAction
from domain.order import Order
from domain.transfer import Transfer

TRADES = (Account.PurchaseDebited, Account.SaleCredited)
OF_CUSTOMERS: tuple[type[Event], ...] = (
    Account.Opened,
    Account.Deposited,
    Account.Withdrawn,
    Account.WithdrawalHeld,
    Account.LotMethodChosen,
    Transfer.Initiated,
    Order.Placed,
    Order.Rejected,
    Order.Replaced,
    Order.Cancelled,
)
"""By which an account is used, when it was the customer who caused them."""

KINDS_WATCHED: frozenset[type[Event]] = frozenset(
    (
        *TRADES,
        *OF_CUSTOMERS,
        Order.Executed,
        Order.Expired,
        CorporateAction.SplitAnnounced,
        CorporateAction.Cancelled,
    )
)
"""All else is passed over."""


class Seen(Struct, frozen=True, kw_only=True, gc=False):
    """An event of the log. `day` is the exchange's; `by_customer` says whose command it came of."""

    log_position: int
    event: Any
    day: date
    by_customer: bool

    @property
    def evidence(self) -> Evidence:
        """It, as something that an alert rests on; trades by their order, transfers by theirs."""
        subject = getattr(self.event, "order_id", None) or getattr(self.event, "transfer_id", None)
        return Evidence(log_position=self.log_position, subject_id=subject or self.event.originator_id)


class Traded(Struct, frozen=True, kw_only=True, gc=False):
    """A trade of an account: what a detector needs of it."""

    account_id: UUID
    order_id: UUID
    symbol: str
    is_buy: bool
    quantity: Decimal
    price: Decimal
    has_more: bool  # whether its order has shares left


def traded(event: Event) -> Traded | None:
    """The trade that an event tells of; None for another one, and for a correction, which trades nothing."""
    if not isinstance(event, TRADES) or event.corrects is not None:
        return None
    return Traded(
        account_id=event.account_id,
        order_id=event.order_id,
        symbol=event.symbol,
        is_buy=isinstance(event, Account.PurchaseDebited),
        quantity=event.quantity,
        price=event.price,
        has_more=bool(event.leaves_quantity),
    )
