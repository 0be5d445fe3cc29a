"""Every kind of event, the name it is stored under, and its version.

A stored name is for ever. When a field changes its meaning, the event gets the next version here and
an upcast in `UPCASTS`; what was stored before is brought up while it is read.
"""

from collections.abc import Callable
from typing import Any

from domain.account import Account
from domain.aggregate import Aggregate, Event
from domain.case import Case
from domain.corporate_action import CorporateAction
from domain.erasure import Erasure
from domain.interest import InterestPeriod
from domain.order import Order
from domain.position import Position
from domain.transfer import Transfer

AGGREGATES: tuple[type[Aggregate], ...] = (
    Account,
    Order,
    Position,
    CorporateAction,
    InterestPeriod,
    Transfer,
    Erasure,
    Case,
)

AGGREGATE_OF: dict[type[Event], type[Aggregate]] = {kind: a for a in AGGREGATES for kind in a.FACTS}


def _settles_at_once(fields: dict[str, Any]) -> dict[str, Any]:
    """Trades were paid on the spot before settlement was kept: they are due since the day they were made."""
    return {**fields, "settles_on": fields["recorded_at"][:10]}


VERSIONS: dict[type[Event], int] = {Account.PurchaseDebited: 2, Account.SaleCredited: 2}
"""Events that have left version 1."""

UPCASTS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "Account.PurchaseDebited": _settles_at_once,
    "Account.SaleCredited": _settles_at_once,
}
"""By stored name of an old version: what makes the next version's fields of its fields."""


def name_of(kind: type[Event]) -> str:
    """What a kind of event is called in every version, such as `Order.Placed`."""
    return f"{AGGREGATE_OF[kind].__name__}.{kind.__name__}"


def topic_of(kind: type[Event]) -> str:
    """The name an event is stored under, such as `Order.Placed` or, later, `Order.Placed:2`."""
    version = VERSIONS.get(kind, 1)
    return name_of(kind) if version == 1 else f"{name_of(kind)}:{version}"


TOPICS: dict[type[Event], str] = {kind: topic_of(kind) for kind in AGGREGATE_OF}
KINDS: dict[str, type[Event]] = {topic: kind for kind, topic in TOPICS.items()}
