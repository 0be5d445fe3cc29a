"""What stands against an erasure. One function for each obstacle; a new one is added to OBSTACLES.

Each gets an open connection and whom it is about, and raises a refusal, or says nothing.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from msgspec import Struct

from domain.errors import Conflict
from infrastructure.archiving.holds import require_no_hold

AsyncConnection = psycopg.AsyncConnection[Any]

# Closing is the last fact of a closed account's stream, unless money came to it afterwards (a late dividend, or
# what a bank returned): that is its owner's, and stands against an erasure.
_LAST_FACT = (
    "SELECT split_part(topic, ':', 1), recorded_at FROM"
    " ((SELECT originator_version AS version, topic, recorded_at FROM stored_events WHERE originator_id = %(of)s"
    " ORDER BY originator_version DESC LIMIT 1) UNION ALL"
    " (SELECT last_version, last_topic, last_recorded_at FROM archived_streams WHERE originator_id = %(of)s"
    " ORDER BY last_version DESC LIMIT 1)) AS last ORDER BY version DESC LIMIT 1"
)


class AccountMustBeClosed(Conflict):
    """Who has an account that is not closed cannot be erased: it may hold cash, shares or open orders."""


class RetentionMustBeOver(Conflict):
    """The law keeps a customer's identity for some years after the account was closed."""


class Person(Struct, frozen=True, kw_only=True):
    """Whom an erasure is about. `account_id` is None for staff."""

    user_id: UUID
    account_id: UUID | None
    kept_years: int


Obstacle = Callable[[AsyncConnection, Person], Awaitable[None]]


async def account_must_be_closed(connection: AsyncConnection, person: Person) -> None:
    """A closed account is empty, if nothing came to it afterwards. One that was never opened is no obstacle."""
    last = await _last_fact(connection, person)
    if last is not None and last[0] != "Account.Closed":
        raise AccountMustBeClosed(f"account {person.account_id} is not closed")


async def retention_must_be_over(connection: AsyncConnection, person: Person) -> None:
    """`erasure_earliest_years` have passed since the account was closed."""
    last = await _last_fact(connection, person)
    if last is None or not person.kept_years:
        return
    ends = _years_after(last[1], person.kept_years)
    if datetime.now(UTC) < ends:
        raise RetentionMustBeOver(f"the identity must be kept until {ends:%Y-%m-%d}")


async def legal_hold_must_be_lifted(connection: AsyncConnection, person: Person) -> None:
    """No legal hold stands over the account, or over everybody."""
    await require_no_hold(connection, person.account_id)


OBSTACLES: tuple[Obstacle, ...] = (
    account_must_be_closed,
    retention_must_be_over,
    legal_hold_must_be_lifted,
)


async def _last_fact(connection: AsyncConnection, person: Person) -> tuple[str, datetime] | None:
    if person.account_id is None:
        return None
    found: tuple[str, datetime] | None = await (
        await connection.execute(_LAST_FACT, {"of": person.account_id})
    ).fetchone()
    return found


def _years_after(moment: datetime, years: int) -> datetime:
    try:
        return moment.replace(year=moment.year + years)
    except ValueError:  # the 29th of February
        return moment.replace(year=moment.year + years, month=3, day=1)
