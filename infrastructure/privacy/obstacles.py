"""What stands against an erasure. One function for each obstacle; a new one is added to OBSTACLES.

Each gets an open connection and whom it is about, and raises a refusal, or says nothing. All is read from the log:
the read tables may be behind it.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from msgspec import Struct

from application.brokerage import fold
from domain.account import Account, AccountStatus
from domain.aggregate import Event
from domain.errors import AccountMustBeClosed, Conflict
from infrastructure.archiving.holds import require_no_hold
from infrastructure.archiving.reading import Wanted, with_archived_async
from infrastructure.eventstore.log import COLUMNS, Recorded

AsyncConnection = psycopg.AsyncConnection[Any]

_LAST_FACT = (
    "SELECT recorded_at, split_part(topic, ':', 1) FROM"
    " ((SELECT originator_version AS version, recorded_at, topic FROM stored_events WHERE originator_id = %(of)s"
    " ORDER BY originator_version DESC LIMIT 1) UNION ALL"
    " (SELECT last_version, last_recorded_at, last_topic FROM archived_streams WHERE originator_id = %(of)s"
    " ORDER BY last_version DESC LIMIT 1)) AS last ORDER BY version DESC LIMIT 1"
)
_STREAM = f"SELECT {COLUMNS} FROM stored_events WHERE originator_id = %s ORDER BY originator_version"
_LAST_OF_TRANSFERS = (
    "SELECT DISTINCT ON (id) id, topic, at FROM ((SELECT originator_id AS id, originator_version AS version,"
    " split_part(topic, ':', 1) AS topic, recorded_at AS at FROM stored_events"
    " WHERE account_id = %(of)s AND topic LIKE 'Transfer.%%') UNION ALL"
    " (SELECT originator_id, last_version, last_topic, last_recorded_at FROM archived_streams"
    " WHERE account_id = %(of)s AND last_topic LIKE 'Transfer.%%')) AS facts ORDER BY id, version DESC"
)


class RetentionMustBeOver(Conflict):
    """The law keeps a customer's identity for some years after the account was closed."""


class TransfersMustBeFinal(Conflict):
    """A bank may still do a transfer of the account, or take back one that it did."""


class Person(Struct, frozen=True, kw_only=True):
    """Whom an erasure is about. `account_id` is None for staff.

    `kept_years` is how long an identity is kept after the closing, `final_days` how long a bank may return a transfer.
    """

    user_id: UUID
    account_id: UUID | None
    kept_years: int
    final_days: int


Obstacle = Callable[[AsyncConnection, Person], Awaitable[None]]


async def account_must_be_closed_and_empty(connection: AsyncConnection, person: Person) -> None:
    """A closed account is empty, if nothing came to it afterwards. One that was never opened is no obstacle.

    Raises AccountMustBeClosed, or AccountMustBeEmpty.
    """
    last = await _last_fact(connection, person)
    if (
        last is None or last[1] == "Account.Closed"
    ):  # nothing came afterwards; the events may have been destroyed
        return
    events = await _since_it_was_closed(connection, person.account_id)
    account = fold(None, events) if events else None
    if not isinstance(account, Account) or account.status is not AccountStatus.CLOSED:
        raise AccountMustBeClosed(f"account {person.account_id} is not closed")
    account.require_empty()


async def transfers_must_be_final(connection: AsyncConnection, person: Person) -> None:
    """No bank has a transfer to do, or may return one: the money would be somebody's whom nobody knows."""
    if person.account_id is None:
        return
    found = await connection.execute(_LAST_OF_TRANSFERS, {"of": person.account_id})
    for transfer_id, topic, at in await found.fetchall():
        if topic == "Transfer.Initiated":
            raise TransfersMustBeFinal(f"transfer {transfer_id} is on its way")
        final_at = at + timedelta(days=person.final_days)
        if topic == "Transfer.Completed" and datetime.now(UTC) < final_at:
            raise TransfersMustBeFinal(
                f"the bank may return transfer {transfer_id} until {final_at:%Y-%m-%d}"
            )


async def retention_must_be_over(connection: AsyncConnection, person: Person) -> None:
    """`erasure_earliest_years` have passed since the account was closed, or since money last came to it."""
    last = await _last_fact(connection, person)
    if last is None or not person.kept_years:
        return
    ends = _years_after(last[0], person.kept_years)
    if datetime.now(UTC) < ends:
        raise RetentionMustBeOver(f"the identity must be kept until {ends:%Y-%m-%d}")


async def legal_hold_must_be_lifted(connection: AsyncConnection, person: Person) -> None:
    """No legal hold stands over the account, or over everybody."""
    await require_no_hold(connection, person.account_id)


OBSTACLES: tuple[Obstacle, ...] = (
    account_must_be_closed_and_empty,
    transfers_must_be_final,
    retention_must_be_over,
    legal_hold_must_be_lifted,
)


async def _last_fact(connection: AsyncConnection, person: Person) -> tuple[datetime, str] | None:
    """When the account's last fact was recorded, and which it is."""
    if person.account_id is None:
        return None
    found = await (await connection.execute(_LAST_FACT, {"of": person.account_id})).fetchone()
    return None if found is None else (found[0], found[1])


async def _since_it_was_closed(connection: AsyncConnection, account_id: UUID | None) -> list[Event]:
    """When it was closed the account was empty: what came since is all there is in it."""
    found = await connection.execute(_STREAM, (account_id,))
    hot = [Recorded(*row) for row in await found.fetchall()]
    rows = await with_archived_async(connection, hot, Wanted(stream_id=account_id))
    closings = [number for number, row in enumerate(rows) if row.topic.partition(":")[0] == "Account.Closed"]
    return [row.event() for row in rows[closings[-1] :]] if closings else []


def _years_after(moment: datetime, years: int) -> datetime:
    try:
        return moment.replace(year=moment.year + years)
    except ValueError:  # the 29th of February
        return moment.replace(year=moment.year + years, month=3, day=1)
