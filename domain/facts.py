"""Every kind of event, the name it is stored under, and its version.

A stored name is for ever. When a field changes its meaning, the event gets the next version here and
an upcast in `UPCASTS`; what was stored before is brought up while it is read.
"""

from collections.abc import Callable
from typing import Any

from domain.account import Account
from domain.aggregate import Aggregate, Event
from domain.erasure import Erasure
from domain.order import Order
from domain.position import Position

AGGREGATES: tuple[type[Aggregate], ...] = (Account, Order, Position, Erasure)

VERSIONS: dict[type[Event], int] = {}
"""Events that have left version 1."""

UPCASTS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""By stored name of an old version: what makes the next version's fields of its fields."""


def topic_of(kind: type[Event]) -> str:
    """The name an event is stored under, such as `Order.Placed` or, later, `Order.Placed:2`."""
    version = VERSIONS.get(kind, 1)
    return kind.__qualname__ if version == 1 else f"{kind.__qualname__}:{version}"


TOPICS: dict[type[Event], str] = {kind: topic_of(kind) for a in AGGREGATES for kind in a.FACTS}
KINDS: dict[str, type[Event]] = {topic: kind for kind, topic in TOPICS.items()}
AGGREGATE_OF: dict[type[Event], type[Aggregate]] = {kind: a for a in AGGREGATES for kind in a.FACTS}
