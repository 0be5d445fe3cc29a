"""The end of a suspension that surveillance decided: it takes four eyes."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from application.answers import Answer
from application.commands import ReinstateAccount
from application.requests import Metadata, Request
from domain.errors import AccountMustExist
from infrastructure.approvals import Approval
from infrastructure.postgres.connections import AsyncPool, lend

Execute = Callable[[Request], Awaitable[Answer]]

_IS_THERE = (
    "SELECT 1 FROM stored_events WHERE originator_id = %(of)s AND originator_version = 1 AND account_id = %(of)s"
    " UNION ALL SELECT 1 FROM archived_streams WHERE originator_id = %(of)s AND account_id = %(of)s"
)

_DONE_AT = (
    "SELECT notification_id FROM stored_events WHERE originator_id = %(of)s AND account_id = %(of)s"
    " AND topic LIKE 'Account.Reinstated%%' AND metadata->>'causation_id' = %(why)s"
    " ORDER BY originator_version DESC LIMIT 1"
)


class Reinstatements:
    """A kind of deed that takes four eyes; its subject is an account."""

    def __init__(self, pool: AsyncPool, execute: Execute) -> None:
        self._pool = pool
        self._execute = execute

    async def require_possible(self, subject_id: UUID) -> None:
        """Raise AccountMustExist."""
        async with lend(self._pool) as connection:
            found = await connection.execute(_IS_THERE, {"of": subject_id})
            if await found.fetchone() is None:
                raise AccountMustExist(f"there is no account {subject_id}")

    async def carry_out(self, approval: Approval, metadata: Metadata) -> dict[str, Any]:
        """Reinstate it; doing so again changes nothing. Without a suspension there is no log position to tell."""
        command = ReinstateAccount(account_id=approval.subject_id, reason=approval.reason, is_approved=True)
        await self._execute(Request(command=command, metadata=metadata))
        async with lend(self._pool) as connection:
            asked = {"of": approval.subject_id, "why": metadata.causation_id}
            row = await (await connection.execute(_DONE_AT, asked)).fetchone()
        return {"log_position": None if row is None else row[0]}
