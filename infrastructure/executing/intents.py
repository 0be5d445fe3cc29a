"""What the book intends, as commands."""

from typing import Any
from uuid import uuid5

from application import commands as c
from domain.matching import Acceptance, Election, Ending, Fill, Intent

VENUE = "internal"


def command_of(intent: Intent) -> c.OrderCommand:
    """The command that makes an intent true."""
    order = intent.order
    who: dict[str, Any] = {
        "account_id": order.account_id,
        "order_id": order.order_id,
        "symbol": order.symbol,
    }
    match intent:
        case Fill():
            return _execution(intent, who)
        case Election():
            return c.TriggerOrder(
                quote=intent.quote_sequence, elected_by=intent.elected_by, price=intent.price, **who
            )
        case Ending():
            return c.CancelOrder(reason=intent.reason, **who)
        case Acceptance():
            return c.AcceptOrder(venue=VENUE, **who)


def _execution(fill: Fill, who: dict[str, Any]) -> c.ExecuteOrder:
    left_before = fill.order.leaves + fill.quantity
    return c.ExecuteOrder(
        execution_id=uuid5(fill.order.order_id, f"{fill.quote_sequence}/{left_before}"),
        quantity=fill.quantity,
        price=fill.price,
        venue=VENUE,
        quote=fill.quote_sequence,
        **who,
    )
