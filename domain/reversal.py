"""Reversals: what was recorded wrongly is taken back by a new fact; nothing that is stored is ever changed.

A reversal has the whole of the fact it takes back in it, so that what it books (every line with the opposite sign) and
what it does to a read table follow from it alone. Only kinds that have an `undo` beside their `apply` can be reversed,
and each fact once.
"""

from datetime import date
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from domain.aggregate import Event, EventRef
from domain.errors import EventMustBeReversible, EventMustNotBeReversed


class Reversal(Event, frozen=True, kw_only=True):
    """A fact of the same aggregate is taken back, because of `reason`; `effective_on` is the day it counted to.

    `kind` is the name of the fact, `fact` its fields as JSON has them. A new version of a kind that can be reversed
    must still read the fields of the versions before.
    """

    reverses: EventRef
    kind: str
    fact: dict[str, Any]
    reason: str

    KINDS: ClassVar[dict[str, Any]] = {}

    @property
    def original(self) -> Any:
        """The fact that is taken back."""
        return msgspec.convert(self.fact, self.KINDS[self.kind])

    @property
    def execution_id(self) -> UUID | None:
        """The execution that is taken back with it; None when it is not a part of one."""
        return getattr(self.original, "execution_id", None)

    def apply(self, aggregate: Any) -> None:
        """Take the fact out of the state again. Never refuses: it also runs on replay."""
        aggregate.reversed.add(self.reverses.originator_version)
        self.original.undo(aggregate, self)


class Reversing:
    """The part of an aggregate whose facts can be taken back. `reversed` are the versions of those that were."""

    __slots__ = ()

    id: UUID
    version: int
    reversed: set[int]

    def require_reversible(self, event: Any, kinds: dict[str, Any]) -> None:
        """Refuse what is not a fact of this aggregate that can be reversed, and once only.

        Raises EventMustBeReversible, EventMustNotBeReversed.
        """
        what = type(event).__name__
        if kinds.get(kind_of(event, kinds)) is None or event.originator_id != self.id:
            raise EventMustBeReversible(f"nothing takes back {what}")
        if event.originator_version > self.version:
            raise EventMustBeReversible(f"{what} is not there yet")
        if event.originator_version in self.reversed:
            raise EventMustNotBeReversed(f"{what} has been reversed already")


def kind_of(event: Event, kinds: dict[str, Any]) -> str:
    """The name that a kind of event has among those that can be reversed; empty when it is not among them."""
    return next((name for name, kind in kinds.items() if kind is type(event)), "")


def facts_of(event: Event, *, reason: str, kinds: dict[str, Any]) -> dict[str, Any]:
    """The fields of the reversal of an event."""
    return {
        "reverses": ref_of(event),
        "kind": kind_of(event, kinds),
        "fact": msgspec.to_builtins(event),
        "reason": reason,
        "effective_on": day_of(event),
    }


def ref_of(event: Event) -> EventRef:
    """Where an event is."""
    return EventRef(event.originator_id, event.originator_version)


def day_of(event: Event) -> date:
    """The day (UTC) an event counts to."""
    return event.effective_on or event.recorded_at.date()


def correcting(wrong: Event | None) -> dict[str, Any]:
    """The fields by which a fact says that it is the right one in the place of a wrong one."""
    return {} if wrong is None else {"corrects": ref_of(wrong), "effective_on": day_of(wrong)}
