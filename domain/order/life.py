"""The life of an order, as a table: the status it is in, what may happen then, and the status after.

Statuses are Alpaca's words; `accepted` means that Daybook has taken the order and holds its cover.
A stop's election changes what the order may do, not its status, as in FIX (ExecType L). The reversal of an execution
is not in the table: it may happen in any status after it, and leaves that as it is.
"""

from enum import StrEnum


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
