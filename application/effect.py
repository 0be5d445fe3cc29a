"""Which facts count to a time, of those that are known: the other of the two times that a question may name.

A fact counts to the beginning of its `effective_on` (UTC) when it has one, else to the moment it was recorded. A
correction or a reversal of the same day counts to just when the fact counted that it is about.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, time

from domain.aggregate import Event, EventRef

History = Sequence[tuple[int, Event]]


def in_effect(history: History, effective_at: datetime) -> Iterator[tuple[int, Event]]:
    """The events that count to a moment or earlier, in the order of the log.

    A fact that was taken back after that moment, with nothing put in its place, is left out together with its
    reversal: it never was. All else that was taken back is folded with what took it back.
    """
    counts = counting(history, effective_at)
    return ((position, event) for position, event in history if counts(event))


def counting(history: History, effective_at: datetime) -> Callable[[Event], bool]:
    """Says of each of these events whether it counts to a moment or earlier.

    All *dated* events of the account and what they are about must be among them; no other has a say.
    """
    by_ref = {_ref_of(event): event for _, event in history}
    never_were = _taken_back_after(history, effective_at)

    def counts(event: Event) -> bool:
        of = reversed_by(event) or _ref_of(event)
        return of not in never_were and effective_moment(event, by_ref) <= effective_at

    return counts


def is_dated(event: Event) -> bool:
    """Whether an event may count to another time than that of its record, or keep one from counting."""
    return event.effective_on is not None or bool(refs_of(event))


def refs_of(event: Event) -> list[EventRef]:
    """The events that it takes back or corrects."""
    return [ref for ref in (reversed_by(event), event.corrects) if ref is not None]


def effective_moment(event: Event, by_ref: Mapping[EventRef, Event]) -> datetime:
    """When an event counts from. `by_ref` has those that it may be about."""
    if event.effective_on is None:
        return event.recorded_at
    about = by_ref.get(event.corrects or reversed_by(event) or _ref_of(event), event)
    if about is not event:
        moment = effective_moment(about, by_ref)
        if moment.date() >= event.effective_on:  # never before what it is about
            return moment
    return datetime.combine(event.effective_on, time.min, tzinfo=UTC)


def reversed_by(event: Event) -> EventRef | None:
    """The fact that an event takes back, if it takes one back."""
    ref: EventRef | None = getattr(event, "reverses", None)
    return ref


def _taken_back_after(history: History, effective_at: datetime) -> set[EventRef]:
    corrected = {event.corrects for _, event in history if event.corrects is not None}
    return {
        ref
        for _, event in history
        if (ref := reversed_by(event)) is not None
        and ref not in corrected
        and event.recorded_at > effective_at
    }


def _ref_of(event: Event) -> EventRef:
    return EventRef(event.originator_id, event.originator_version)
