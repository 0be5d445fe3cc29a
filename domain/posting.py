"""A line of the books, and the register of what each kind of event books: the rules themselves are in `journal`."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from msgspec import Struct

from domain.aggregate import Event
from domain.reversal import Reversal
from domain.values import Money

USD = "USD"


class Book(StrEnum):
    """One of the three sets of books."""

    CUSTOMER = "C"
    FIRM = "F"
    STOCK = "S"


class LotTag(Struct, frozen=True, gc=False):
    """Which lot shares belong to, and when it was acquired."""

    lot_id: UUID
    acquired_at: datetime


class Posting(Struct, frozen=True, kw_only=True, gc=False):
    """One line. `amount` is in dollars or shares; `cost` is what shares of a lot have cost, signed as they are."""

    book: Book
    account: str
    commodity: str
    amount: Decimal
    cost: Money | None = None
    lot: LotTag | None = None

    @property
    def weight(self) -> tuple[Book, str, Decimal]:
        """What the line counts for when its event is balanced: shares of a lot count as their cost."""
        if self.cost is not None:
            return self.book, USD, self.cost
        return self.book, self.commodity, self.amount


Lines = Iterator[Posting]
Rule = Callable[[Any], Lines]
R = TypeVar("R", bound=Rule)

_RULES: dict[type[Event], Rule] = {}


def postings(event: Event) -> tuple[Posting, ...]:
    """What an event books; lines of nothing are left out. Raises KeyError for an event that has no rule."""
    return tuple(line for line in _RULES[type(event)](event) if line.amount or line.cost)


def books(kind: type[Event]) -> Callable[[R], R]:
    """Mark the rule of a kind of event."""

    def mark(rule: R) -> R:
        _RULES[kind] = rule
        return rule

    return mark


def books_nothing(*kinds: type[Event]) -> None:
    """Name events that change no account."""
    for kind in kinds:
        _RULES[kind] = _nothing


def _nothing(_: Event) -> Lines:
    return iter(())


def has_rule(kind: type[Event]) -> bool:
    """Whether it is said what this kind of event books."""
    return kind in _RULES


def booking_kinds() -> tuple[type[Event], ...]:
    """Every kind of event that may book something."""
    return tuple(kind for kind, rule in _RULES.items() if rule is not _nothing)


def quiet_kinds() -> tuple[type[Event], ...]:
    """Every kind of event that books nothing."""
    return tuple(kind for kind, rule in _RULES.items() if rule is _nothing)


def effective_on(event: Event) -> date:
    """The day (UTC) that the books count an event to."""
    return event.effective_on or event.recorded_at.date()


def booked_on(event: Event) -> date:
    """The day a journal's entry is dated: what reverses or corrects when it was recorded, all else when it counts."""
    is_later = event.corrects is not None or isinstance(event, Reversal)
    return event.recorded_at.date() if is_later else effective_on(event)


def imbalance(lines: Iterable[Posting]) -> dict[tuple[Book, str], Decimal]:
    """By book and commodity, what the lines do not come to zero by; empty when they balance."""
    sums: defaultdict[tuple[Book, str], Decimal] = defaultdict(Decimal)
    for line in lines:
        book, commodity, weight = line.weight
        sums[book, commodity] += weight
    return {key: amount for key, amount in sums.items() if amount}
