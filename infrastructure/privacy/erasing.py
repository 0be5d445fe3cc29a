"""The erasure of a person: their key is destroyed, all that was encrypted under it is emptied, and the log gets a
certificate. The ledger stays whole: it never had anything but ids.

Each step may be repeated: a process that dies in between loses nothing, and approving once more goes on from there.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg.types.json import Jsonb

from application.answers import Answer
from application.commands import CertifyErasure
from application.requests import Metadata, Request
from domain.errors import Conflict, NotFound
from infrastructure.approvals import Approval
from infrastructure.archiving.reading import Wanted, archived_async
from infrastructure.postgres.connections import AsyncPool, lend
from infrastructure.privacy.obstacles import OBSTACLES, AsyncConnection, Obstacle, Person
from infrastructure.privacy.personal import ERASED

Execute = Callable[[Request], Awaitable[Answer]]

_PERSON = "SELECT account_id, erased_at FROM users WHERE user_id = %s"
_DESTROY_KEY = "DELETE FROM personal_keys WHERE owner_id = %s RETURNING fingerprint"
_EMPTY_ORIGINS = "UPDATE origins SET personal = NULL, same = NULL WHERE user_id = %s AND personal IS NOT NULL"
_EMPTY_USER = (
    "UPDATE users SET personal = NULL, email_index = NULL, erased_at = coalesce(erased_at, now())"
    " WHERE user_id = %s RETURNING erased_at"
)
_END_LOGINS = "DELETE FROM sessions WHERE user_id = %s"
# What staff wrote about the person may say more than it should.
_EMPTY_REASONS = "UPDATE approvals SET reason = %s WHERE subject_id IN (%s, %s) AND reason <> %s"
_REMEMBER = "UPDATE approvals SET outcome = %s WHERE approval_id = %s"
# What is left of the rows in their pages goes; only where the role may (PostgreSQL 17), else autovacuum's turn.
_CLEAR_AWAY = "VACUUM personal_keys, users, origins"
# No archive with a certificate is ever destroyed: what was destroyed need not be looked into.
_DESTROYED = "SELECT coalesce(max(m.last_position), 0) FROM archived_months m JOIN archive_disposals d ON d.archive = m.number"
_CERTIFICATES = (
    "SELECT state FROM stored_events WHERE topic = 'Erasure.Certified' OR topic LIKE 'Erasure.Certified:%'"
)


class PersonMustExist(NotFound):
    """No user has this id."""


class PersonMustNotBeErased(Conflict):
    """The person was erased before."""


class Shredded(Struct, frozen=True, kw_only=True):
    """What was destroyed: how many of each category, under which key, when."""

    erased: dict[str, int]
    key_fingerprint: str | None
    erased_at: datetime


class _Certificate(Struct):
    user_id: UUID


class Erasures:
    """A kind of deed that takes four eyes; its subject is a user. `tell` says to every process who was erased."""

    def __init__(
        self,
        pool: AsyncPool,
        execute: Execute,
        *,
        tell: Callable[[UUID], None],
        kept_years: int = 0,
        final_days: int = 0,
        obstacles: Sequence[Obstacle] = OBSTACLES,
    ) -> None:
        self._pool = pool
        self._execute = execute
        self._tell = tell
        self._kept_years = kept_years
        self._final_days = final_days
        self._obstacles = obstacles

    async def require_possible(self, subject_id: UUID) -> None:
        """Raise PersonMustExist, PersonMustNotBeErased, or what an obstacle refuses."""
        async with lend(self._pool) as connection:
            account_id, erased_at = await _person(connection, subject_id)
            if erased_at is not None:
                raise PersonMustNotBeErased(f"user {subject_id} was erased at {erased_at.isoformat()}")
            person = Person(
                user_id=subject_id,
                account_id=account_id,
                kept_years=self._kept_years,
                final_days=self._final_days,
            )
            for obstacle in self._obstacles:
                await obstacle(connection, person)

    async def carry_out(self, approval: Approval, metadata: Metadata) -> dict[str, Any]:
        """Destroy the key, empty the rows, certify it in the log; what was done before is not done again."""
        user_id = approval.subject_id
        async with lend(self._pool) as connection:
            account_id, _ = await _person(connection, user_id)
            shredded = await _shred(connection, approval, account_id)
        self._tell(user_id)
        command = _certificate(approval, shredded, account_id or user_id)
        answer = await self._execute(Request(command=command, metadata=metadata))
        async with lend(self._pool) as connection:
            await connection.execute(_CLEAR_AWAY)
        return {"log_position": answer.log_position}

    async def repeat(self) -> int:
        """Erase again whoever has a certificate in the log and a key: a backup brought it back. Returns how many."""
        count = 0
        async with lend(self._pool) as connection:
            found = await (await connection.execute(_CERTIFICATES)).fetchall()
            gone = await (await connection.execute(_DESTROYED)).fetchone()
            moved = await archived_async(
                connection, Wanted(topic="Erasure.Certified", after=gone[0] if gone else 0)
            )
            for state in [row.state for row in moved] + [row[0] for row in found]:
                user_id = msgspec.json.decode(state, type=_Certificate).user_id
                async with connection.transaction():
                    fingerprint, counts, _ = await _destroy(connection, user_id)
                if fingerprint is not None or any(counts.values()):
                    count += 1
                    self._tell(user_id)
            await connection.execute(_CLEAR_AWAY)
        return count


async def _person(connection: AsyncConnection, user_id: UUID) -> tuple[UUID | None, datetime | None]:
    row = await (await connection.execute(_PERSON, (user_id,))).fetchone()
    if row is None:
        raise PersonMustExist(f"there is no user {user_id}")
    return row[0], row[1]


async def _shred(connection: AsyncConnection, approval: Approval, account_id: UUID | None) -> Shredded:
    """Destroy and remember what was destroyed, in one transaction; or what was remembered the first time."""
    async with connection.transaction():
        sql = "SELECT outcome FROM approvals WHERE approval_id = %s FOR UPDATE"
        row = await (await connection.execute(sql, (approval.approval_id,))).fetchone()
        if row is not None and row[0] != b"{}":
            return msgspec.json.decode(row[0], type=Shredded)
        fingerprint, counts, erased_at = await _destroy(connection, approval.subject_id)
        assert erased_at is not None, "the person was found before"  # noqa: S101  and users are never deleted
        shredded = Shredded(erased=counts, key_fingerprint=fingerprint, erased_at=erased_at)
        await connection.execute(_EMPTY_REASONS, (ERASED, approval.subject_id, account_id, ERASED))
        await connection.execute(_REMEMBER, (Jsonb(msgspec.to_builtins(shredded)), approval.approval_id))
    return shredded


async def _destroy(
    connection: AsyncConnection, user_id: UUID
) -> tuple[str | None, dict[str, int], datetime | None]:
    # The key first: whoever would store under it waits for its row, and finds it gone.
    key = await (await connection.execute(_DESTROY_KEY, (user_id,))).fetchone()
    emptied = await (await connection.execute(_EMPTY_USER, (user_id,))).fetchone()
    origins = await connection.execute(_EMPTY_ORIGINS, (user_id,))
    logins = await connection.execute(_END_LOGINS, (user_id,))
    counts = {"identity": int(key is not None), "origins": origins.rowcount, "logins": logins.rowcount}
    fingerprint = None if key is None else key[0].hex()
    return fingerprint, counts, None if emptied is None else emptied[0]


def _certificate(approval: Approval, shredded: Shredded, account_id: UUID) -> CertifyErasure:
    decided = approval.decided_by, approval.decided_at
    assert decided[0] is not None and decided[1] is not None, "it was approved"  # noqa: S101, PT018
    return CertifyErasure(
        account_id=account_id,
        erasure_id=approval.approval_id,
        user_id=approval.subject_id,
        erased=shredded.erased,
        key_fingerprint=shredded.key_fingerprint,
        requested=(approval.requested_by, approval.requested_at),
        approved=(decided[0], decided[1]),
        erased_at=shredded.erased_at,
    )
