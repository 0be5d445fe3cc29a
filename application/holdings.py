"""What an account held at a moment, out of its events alone: whoever asks, however late, gets the same."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime
from uuid import UUID

from application.brokerage import fold
from domain.account import Account
from domain.aggregate import Event
from domain.position import Position, SplitRatio
from domain.values import NO_SHARES, NOTHING, Money, Quantity


def shares_before(
    moment: datetime, events: Iterable[Event], *, late_splits: Collection[UUID] = ()
) -> Quantity:
    """The shares of one position just before a moment, from all its events.

    `late_splits` are the ids of splits that counted by then and were applied later: they count too.
    """
    position: Position | None = None
    shares = NO_SHARES
    for event in events:
        if event.recorded_at < moment:
            position = fold(position, (event,))
            shares = position.quantity if position else NO_SHARES
        elif isinstance(event, Position.Split) and event.action_id in late_splits:
            ratio = SplitRatio(numerator=event.numerator, denominator=event.denominator)
            shares = ratio.of(shares)
    return shares


def settled_cash_at(
    ends: Iterable[tuple[date, datetime]], events: Sequence[Event]
) -> Iterator[tuple[date, Money]]:
    """Each day with the settled cash of an account at its end. `ends` come in order; `events` are the account's own."""
    account: Account | None = None
    number = 0
    for day, end in ends:
        while number < len(events) and events[number].recorded_at < end:
            account = fold(account, (events[number],))
            number += 1
        yield day, NOTHING if account is None else account.settled_cash
