"""Where the numbers of an answer come from: by how much each event changed each of them.

A number begins with nothing, so that the contributions add up to it exactly, whatever happened.
"""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from msgspec import Struct

from application.views import FieldValue, fields_of
from domain.aggregate import Aggregate, Event
from domain.facts import name_of
from domain.order import Order

NOUGHT = Decimal(0)


class Contribution(Struct, frozen=True, kw_only=True):
    """One event, and by how much it changed a number: dollars or shares, as the number is."""

    log_position: int
    event: str
    amount: Decimal


class Lineage:
    """Notes, event by event, what changed the numbers of an account's aggregates."""

    def __init__(self) -> None:
        self._fields: dict[UUID, dict[str, FieldValue]] = {}
        self._made_by: dict[str, list[Contribution]] = defaultdict(list)

    def note(self, log_position: int, event: Event, aggregate: Aggregate) -> None:
        """Note what an event has changed in the aggregate that has just taken it in."""
        before, after = self._fields.get(aggregate.id, {}), fields_of(aggregate)
        name = name_of(type(event))
        for path in [*after, *(path for path in before if path not in after)]:
            amount = _number(after.get(path)) - _number(before.get(path))
            if amount:
                made = Contribution(log_position=log_position, event=name, amount=amount)
                self._made_by[path].append(made)
        self._fields[aggregate.id] = after

    def of(self, aggregates: Iterable[Aggregate]) -> dict[str, list[Contribution]]:
        """What made each number, by its path, without orders that have ended."""
        ended = {one.id for one in aggregates if isinstance(one, Order) and not one.is_open}
        numbers = {
            path
            for aggregate_id, fields in self._fields.items()
            for path, value in fields.items()
            if aggregate_id not in ended and isinstance(value, Decimal)
        }
        return {path: self._made_by.get(path, []) for path in sorted(numbers)}


def _number(value: FieldValue | None) -> Decimal:
    return value if isinstance(value, Decimal) else NOUGHT
