"""What the tables of all orders and of the open ones do alike: what of an order has traded, and its terms."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from domain.order import Order
from domain.terms import OrderTerms


class Filled(Protocol):
    """A row of an order."""

    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    revision: int
    venue: str | None
    accepted_at: datetime | None
    filled_quantity: Decimal
    busted_quantity: Decimal
    notional: Decimal
    amount: Decimal


def accept(row: Filled, event: Order.Accepted) -> None:
    """A venue works it."""
    row.venue, row.accepted_at = event.venue, event.recorded_at


def fill(row: Filled, event: Order.Executed) -> bool:
    """Count an execution. Whether it is a new one: a corrected one takes the place of busted shares."""
    row.filled_quantity += event.quantity
    row.notional += event.quantity * event.price
    row.amount += event.amount
    row.venue = event.venue
    if event.corrects is None:
        return True
    row.busted_quantity -= event.quantity
    return False


def bust(row: Filled, wrong: Any) -> None:
    """Take an execution out again; its shares are not traded once more."""
    row.filled_quantity -= wrong.quantity
    row.busted_quantity += wrong.quantity
    row.notional -= wrong.quantity * wrong.price
    row.amount -= wrong.amount


def revise(row: Filled, terms: OrderTerms, revision: int) -> None:
    """Let it have other terms."""
    row.quantity, row.limit_price, row.stop_price = terms.quantity, terms.limit_price, terms.stop_price
    row.revision = revision
