"""Every event: who did it, when, from where, what, in words a person understands."""

from datetime import datetime
from functools import lru_cache
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.aggregate import Event
from domain.facts import TOPICS
from domain.order import Order
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Question
from projections.words import describe


class AuditRow(Struct):
    """One event. `origin_id` leads to where the request came from while the person is not forgotten.

    Order and symbol are there where the event itself names them, `code` where it says why: that of a rejected order.
    """

    log_position: int
    account_id: UUID
    subject_id: UUID
    topic: str
    at: datetime
    actor: str
    role: str
    origin_id: UUID | None
    request_id: UUID | None
    correlation_id: UUID | None
    causation_id: str | None
    idempotency_key: str | None
    text: str
    order_id: UUID | None
    symbol: str | None
    code: str | None


class _Said(Struct, frozen=True):
    """What the audit view reads of an event's metadata."""

    actor: str = "unknown"
    role: str = "unknown"
    origin_id: UUID | None = None
    request_id: UUID | None = None
    correlation_id: UUID | None = None
    causation_id: str | None = None
    idempotency_key: str | None = None


_said = lru_cache(maxsize=1_000)(msgspec.json.Decoder(_Said).decode)
"""The events of one command have the same metadata."""


_OF_ORDERS = frozenset(Order.FACTS)


def _names(event: Event) -> tuple[UUID | None, str | None, str | None]:
    """Order, symbol and code that an event names."""
    if type(event) in _OF_ORDERS:
        terms = getattr(event, "terms", None)
        symbol = None if terms is None else terms.symbol
        return event.originator_id, symbol, event.reason if isinstance(event, Order.Rejected) else None
    return getattr(event, "order_id", None), getattr(event, "symbol", None), None


class Audit(Projection):
    """One row an event, all of them."""

    name = "audit"
    version = 2  # 2: order, symbol and code
    row = AuditRow
    key_columns = ("log_position",)
    indexes = (
        "(account_id, log_position DESC)",
        "(actor, log_position DESC)",
        "(order_id, log_position DESC) WHERE order_id IS NOT NULL",
    )
    only_adds = True

    def key(self, event: Event, fact: Fact) -> Key:
        """By place in the log."""
        return (fact.log_position,)

    @on(*TOPICS)
    def anything(self, event: Event, rows: Rows[AuditRow]) -> None:
        """Every kind of event is kept."""
        fact, said = rows.fact, _said(rows.fact.metadata)
        row = AuditRow(
            fact.log_position,
            event.account_id,
            event.originator_id,
            fact.topic,
            event.recorded_at,
            said.actor,
            said.role,
            said.origin_id,
            said.request_id,
            said.correlation_id,
            said.causation_id,
            said.idempotency_key,
            describe(event),
            *_names(event),
        )
        rows.add((fact.log_position,), row)


AUDIT = Question(
    "audit",
    AuditRow,
    "(%(account_id)s::uuid IS NULL OR account_id = %(account_id)s::uuid)"
    " AND (%(actor)s::text IS NULL OR actor = %(actor)s::text)"
    " AND log_position < %(before)s ORDER BY log_position DESC LIMIT %(limit)s",
)
"""Newest first; `before` is the log_position of the last row of the page before, or 2^62."""

AUDIT_OF_ACTOR = Question(
    "audit",
    AuditRow,
    "actor = %(actor)s AND (%(topic)s::text IS NULL OR split_part(topic, ':', 1) = %(topic)s::text)"
    " AND at >= %(since)s AND at < %(until)s"
    " AND log_position < %(before)s ORDER BY log_position DESC LIMIT %(limit)s",
)
"""What one actor did, newest first; `topic` is an event's name without its version."""
