"""Legal holds: while one stands, what is held may be neither destroyed nor erased. Every placing and lifting is a row for ever."""

from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from msgspec import Struct
from psycopg import Connection

from domain.errors import Conflict
from infrastructure.books.scope import require_account

_LOCK = 0x6461_7962_686F_6C64  # "daybhold"
_COLUMNS = "number, account_id, act, reason, actor, at"
_ADD = (
    f"INSERT INTO legal_holds (account_id, act, reason, actor) VALUES (%s, %s, %s, %s) RETURNING {_COLUMNS}"
)
_LIST = f"SELECT {_COLUMNS} FROM legal_holds ORDER BY number"
STANDING = (
    "SELECT coalesce(sum(CASE act WHEN 'placed' THEN 1 ELSE -1 END), 0) FROM legal_holds"
    " WHERE account_id IS NOT DISTINCT FROM %s"
)
_HELD = (
    "SELECT account_id, min(reason) FILTER (WHERE act = 'placed') FROM legal_holds"
    " WHERE account_id IS NULL OR account_id = %s"
    " GROUP BY account_id HAVING sum(CASE act WHEN 'placed' THEN 1 ELSE -1 END) > 0"
)


class LegalHoldMustBeLifted(Conflict):
    """A legal hold stands over the account, or over everybody: nothing of it may be destroyed or erased."""


class LegalHoldMustBePlaced(Conflict):
    """There is no legal hold to lift."""


class LegalHold(Struct, frozen=True, kw_only=True):
    """A hold was `placed` or `lifted`, over one account, or over all (None)."""

    number: int
    account_id: UUID | None
    act: str
    reason: str
    actor: str
    at: datetime


def place(connection: Connection[Any], account_id: UUID | None, *, reason: str, actor: str) -> LegalHold:
    """Begin a hold; several may stand over the same account, and each is lifted by itself. Raises AccountMustExist."""
    if account_id is not None:
        require_account(connection, account_id)
    return _add(connection, account_id, "placed", reason, actor)


def lift(connection: Connection[Any], account_id: UUID | None, *, reason: str, actor: str) -> LegalHold:
    """End one. Raises LegalHoldMustBePlaced."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        row = connection.execute(STANDING, (account_id,)).fetchone()
        if row is None or row[0] < 1:
            raise LegalHoldMustBePlaced(f"no legal hold stands over {account_id or 'all'}")
        return _add(connection, account_id, "lifted", reason, actor)


def holds(connection: Connection[Any]) -> list[LegalHold]:
    """Everything that was placed and lifted, in order."""
    return [_hold(row) for row in connection.execute(_LIST.encode()).fetchall()]


def standing(found: list[LegalHold]) -> dict[UUID | None, int]:
    """How many holds stand over whom."""
    numbers: dict[UUID | None, int] = {}
    for one in found:
        numbers[one.account_id] = numbers.get(one.account_id, 0) + (1 if one.act == "placed" else -1)
    return {whose: number for whose, number in numbers.items() if number}


async def require_no_hold(connection: psycopg.AsyncConnection[Any], account_id: UUID | None) -> None:
    """Raises LegalHoldMustBeLifted; for None, by a hold over everybody only."""
    row = await (await connection.execute(_HELD, (account_id,))).fetchone()
    if row is not None:
        raise LegalHoldMustBeLifted(f"a legal hold stands over {row[0] or 'all'}: {row[1]}")


def _add(
    connection: Connection[Any], account_id: UUID | None, act: str, reason: str, actor: str
) -> LegalHold:
    row = connection.execute(_ADD.encode(), (account_id, act, reason, actor)).fetchone()
    assert row is not None, "RETURNING gives the row"  # noqa: S101
    return _hold(row)


def _hold(row: tuple[Any, ...]) -> LegalHold:
    return LegalHold(**dict(zip(LegalHold.__struct_fields__, row, strict=True)))
