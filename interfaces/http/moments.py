"""Moments in questions about the past: when something was known, and to when it counts."""

from datetime import datetime
from typing import Annotated, TypeAlias
from uuid import UUID

from litestar.params import QueryParameter
from msgspec import Struct

from application.history import AccountAsOf
from domain.errors import InstantMustBeWellFormed
from interfaces.http.call import Call
from interfaces.http.fields import instant
from interfaces.moments import end_of_day, log_position_in

At: TypeAlias = Annotated[
    str | None, QueryParameter(max_length=64, description="A moment with its offset from UTC")
]
KnownAt: TypeAlias = Annotated[
    str | None, QueryParameter(max_length=64, description="A moment: nothing recorded later is looked at")
]
EffectiveAt: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        max_length=64, description="A moment, or a day to its end (UTC): what counts later is left out"
    ),
]
Explain: TypeAlias = Annotated[bool, QueryParameter(description="Name the events that made each number")]

FromMoment: TypeAlias = Annotated[
    str,
    QueryParameter(name="from", max_length=64, description="A moment or a log position: the earlier one"),
]
ToMoment: TypeAlias = Annotated[
    str, QueryParameter(max_length=64, description="A moment or a log position: the later one")
]


class Moment(Struct, frozen=True, kw_only=True):
    """What was known up to a log position or a moment, one of them; and to when it counts, if that was asked."""

    log_position: int | None
    known_at: datetime | None
    effective_at: datetime | None = None


def moment_of(
    *, at: str | None, log_position: int | None, known_at: str | None, effective_at: str | None
) -> Moment:
    """The moment that was asked for. Raises InstantMustBeWellFormed unless it is said once what was known."""
    if sum(one is not None for one in (at, log_position, known_at)) != 1:
        raise InstantMustBeWellFormed("one of `at`, `log_position` and `known_at` is needed, and only one")
    known = at if known_at is None else known_at
    return Moment(
        log_position=log_position,
        known_at=None if known is None else instant(known),
        effective_at=None if effective_at is None else end_of_day(effective_at) or instant(effective_at),
    )


def position_or_instant(text: str) -> int | datetime:
    """A log position, a moment, or a day to its end (UTC). Raises InstantMustBeWellFormed."""
    return log_position_in(text) or end_of_day(text) or instant(text)


async def account_at(
    call: Call, account_id: UUID, moment: Moment, *, explain: bool, min_position: int | None
) -> AccountAsOf:
    """The account then; the headers say where it stood."""
    found = await call.parts.history.as_of(
        account_id,
        log_position=moment.log_position,
        at=moment.known_at,
        effective_at=moment.effective_at,
        explain=explain,
        min_position=min_position,
    )
    call.visit.stand_at(found.log_position)
    return found
