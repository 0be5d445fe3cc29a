"""What a command is answered with. `log_position` is where its facts stand in the log.

An answer is stored with its idempotency key, so a repeated request gets these same bytes again.
"""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.account import Account
from domain.order import Order
from domain.terms import OrderType, Side, TimeInForce
from domain.values import Money, Price, Quantity


class AccountAnswer(Struct, kw_only=True, gc=False):
    """An account's cash after a command. `held` is promised to open orders; the rest may be spent."""

    account_id: UUID
    status: str
    cash: Money
    held: Money
    available: Money
    transfer_id: UUID | None = None
    log_position: int = 0

    @classmethod
    def of(cls, account: Account, *, transfer_id: UUID | None = None) -> "AccountAnswer":
        """Describe the account as it is now."""
        return cls(
            account_id=account.id,
            status=account.status,
            cash=account.cash,
            held=account.held,
            available=account.available,
            transfer_id=transfer_id,
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
    log_position: int = 0

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
        )


class ErasureAnswer(Struct, kw_only=True, gc=False):
    """A certified erasure: when its certificate was recorded, and by `log_position` where."""

    erasure_id: UUID
    certified_at: datetime | None
    log_position: int = 0


Answer = AccountAnswer | OrderAnswer | ErasureAnswer
