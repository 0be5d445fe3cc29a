"""What a command is answered with. `log_position` is where its facts stand in the log.

An answer is stored with its idempotency key, so a repeated request gets these same bytes again.
"""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from msgspec import Struct

from domain.account import Account
from domain.case import Case
from domain.corporate_action import CorporateAction
from domain.interest import AnnualRate, InterestPeriod
from domain.order import Order
from domain.terms import LotChoice, LotMethod, OrderType, Side, TimeInForce
from domain.trade import total
from domain.values import NO_SHARES, NOTHING, Money, Price, Quantity


class AccountAnswer(Struct, kw_only=True, gc=False):
    """An account's cash after a command. `held` is promised to open orders, `withdrawing` on its way out; the rest,
    `available`, may be spent.

    `unsettled` is what sales have yet to bring: it may be spent, and not be paid out. `owed` is owed to the firm.
    """

    account_id: UUID
    status: str
    cash: Money
    held: Money
    available: Money
    unsettled: Money = NOTHING
    withdrawable: Money | None = None  # None in answers stored before it was told
    transfer_id: UUID | None = None
    log_position: int = 0
    withdrawing: Money = NOTHING
    owed: Money = NOTHING
    lot_method: LotMethod = LotMethod.FIFO
    transfer_status: str | None = None

    @classmethod
    def of(
        cls, account: Account, *, transfer_id: UUID | None = None, transfer_status: str | None = None
    ) -> "AccountAnswer":
        """Describe the account as it is now."""
        return cls(
            account_id=account.id,
            status=account.status,
            cash=account.cash,
            held=account.held,
            available=account.available,
            unsettled=account.unsettled_proceeds,
            withdrawable=account.withdrawable,
            transfer_id=transfer_id,
            withdrawing=account.withdrawing,
            owed=account.owed,
            lot_method=account.lot_method,
            transfer_status=transfer_status,
        )


class OrderAnswer(Struct, kw_only=True, gc=False):
    """An order after a command. `reason` and `detail` say why it was rejected, cancelled or expired."""

    order_id: UUID
    account_id: UUID
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Quantity
    limit_price: Price | None
    stop_price: Price | None
    client_order_id: str | None
    status: str
    reason: str | None
    detail: str | None
    filled_quantity: Quantity
    leaves_quantity: Quantity
    average_price: Price | None
    placed_at: datetime
    accepted_at: datetime | None
    triggered_at: datetime | None
    ended_at: datetime | None
    venue: str | None
    revision: int
    charges: Money = NOTHING
    charges_held: Money = NOTHING
    log_position: int = 0
    lot_method: LotMethod | None = None
    lots: tuple[LotChoice, ...] = ()
    busted_quantity: Quantity = NO_SHARES

    @classmethod
    def of(cls, order: Order) -> "OrderAnswer":
        """Describe the order as it is now."""
        terms, placed_at = order.terms, order.placed_at
        assert terms is not None and placed_at is not None, "an order is born placed"  # noqa: S101, PT018
        return cls(
            order_id=order.id,
            account_id=order.account_id,
            symbol=terms.symbol,
            side=terms.side,
            type=terms.type,
            time_in_force=terms.time_in_force,
            quantity=terms.quantity,
            limit_price=terms.limit_price,
            stop_price=terms.stop_price,
            client_order_id=terms.client_order_id,
            status=order.status or "",
            reason=order.reason,
            detail=order.detail,
            filled_quantity=order.filled,
            leaves_quantity=order.leaves,
            average_price=order.average_price,
            placed_at=placed_at,
            accepted_at=order.accepted_at,
            triggered_at=order.triggered_at,
            ended_at=order.ended_at,
            venue=order.venue,
            revision=order.revision,
            charges=total(tuple(order.charged.values())),
            charges_held=order.charges_held if order.is_open else NOTHING,
            lot_method=order.lot_method,
            lots=terms.chosen_lots,
            busted_quantity=order.busted,
        )


class ErasureAnswer(Struct, kw_only=True, gc=False):
    """A certified erasure: when its certificate was recorded, and by `log_position` where."""

    erasure_id: UUID
    certified_at: datetime | None
    log_position: int = 0


class ActionAnswer(Struct, kw_only=True, gc=False):
    """A corporate action after a command. A dividend has a rate and dates, a split a ratio."""

    action_id: UUID
    kind: str
    symbol: str
    status: str
    ex_date: date
    rate: Decimal | None
    record_date: date | None
    pay_date: date | None
    numerator: int | None
    denominator: int | None
    cash_in_lieu: Price | None
    announced_at: datetime
    log_position: int = 0

    @classmethod
    def of(cls, action: CorporateAction) -> "ActionAnswer":
        """Describe the action as it is now."""
        announced = action.require_announced()
        return cls(
            action_id=action.id,
            kind=action.kind or "",
            symbol=announced.symbol,
            status=action.status or "",
            ex_date=announced.ex_date,
            rate=getattr(announced, "rate", None),
            record_date=getattr(announced, "record_date", None),
            pay_date=getattr(announced, "pay_date", None),
            numerator=getattr(announced, "numerator", None),
            denominator=getattr(announced, "denominator", None),
            cash_in_lieu=getattr(announced, "cash_in_lieu", None),
            announced_at=announced.announced_at,
        )


class PeriodAnswer(Struct, kw_only=True, gc=False):
    """A month's interest after a command: the rates it is paid at, and whether everybody has been paid."""

    period_id: UUID
    rates: tuple[AnnualRate, ...]
    is_paid: bool
    log_position: int = 0

    @classmethod
    def of(cls, period: InterestPeriod) -> "PeriodAnswer":
        """Describe the month as it is now."""
        return cls(period_id=period.id, rates=period.rates, is_paid=period.is_paid)


class CaseAnswer(Struct, kw_only=True, gc=False):
    """A case after a command; `is_new` when this one began it."""

    case_id: UUID
    account_id: UUID
    kind: str
    status: str
    assignee_id: UUID | None
    is_new: bool = False
    log_position: int = 0

    @classmethod
    def of(cls, case: Case, *, is_new: bool = False) -> "CaseAnswer":
        """Describe the case as it is now."""
        return cls(
            case_id=case.id,
            account_id=case.account_id,
            kind=case.kind or "",
            status=case.status or "",
            assignee_id=case.assignee_id,
            is_new=is_new,
        )


Answer = AccountAnswer | OrderAnswer | ActionAnswer | PeriodAnswer | ErasureAnswer | CaseAnswer
