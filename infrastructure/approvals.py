"""What needs four eyes: one member of staff asks for it, another approves, and only then is it carried out.

Which deeds these are is said by who carries them out: see `FourEyes.kinds`. An approval that was given and not
carried out (a process died) is carried out by approving once more.
"""

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

import msgspec
from msgspec import Struct
from psycopg import Connection
from psycopg.types.json import Jsonb

from application.requests import Metadata
from domain.errors import Conflict, NotFound
from infrastructure.postgres.connections import AsyncPool, lend

LARGEST_ID = UUID(int=2**128 - 1)

_COLUMNS = "approval_id, kind, subject_id, reason, state, requested_by, requested_at, decided_by, decided_at, done_at, outcome"
_REQUEST = (
    "INSERT INTO approvals (approval_id, kind, subject_id, reason, state, requested_by)"
    f" VALUES (%s, %s, %s, %s, 'requested', %s) ON CONFLICT DO NOTHING RETURNING {_COLUMNS}"
)
_OPEN = "SELECT approval_id FROM approvals WHERE kind = %s AND subject_id = %s AND state IN ('requested', 'approved')"
_DECIDE = (
    "UPDATE approvals SET state = %(state)s, decided_by = %(by)s, decided_at = now()"
    f" WHERE approval_id = %(id)s AND state = 'requested' RETURNING {_COLUMNS}"
)
_DONE = (
    "UPDATE approvals SET state = 'done', done_at = coalesce(done_at, now()), outcome = outcome || %s"
    f" WHERE approval_id = %s RETURNING {_COLUMNS}"
)
_ALL = (
    f"SELECT {_COLUMNS} FROM approvals WHERE (%(kind)s::text IS NULL OR kind = %(kind)s)"
    " AND (%(subject)s::uuid IS NULL OR subject_id = %(subject)s) ORDER BY requested_at DESC, approval_id DESC LIMIT %(limit)s"
)
_PAGE = (
    f"SELECT {_COLUMNS} FROM approvals WHERE (%(kind)s::text IS NULL OR kind = %(kind)s)"
    " AND (%(state)s::text IS NULL OR state = %(state)s) AND (requested_at, approval_id) < (%(at)s, %(id)s)"
    " ORDER BY requested_at DESC, approval_id DESC LIMIT %(limit)s"
)


class ApprovalMustExist(NotFound):
    """Nothing with this id was asked for."""


class ApprovalMustBeOpen(Conflict):
    """It was declined, or has been decided already."""


class ApprovalMustNotBeOpenAlready(Conflict):
    """The same was asked for before, and is not decided yet."""


class ApproverMustBeSomebodyElse(Conflict):
    """Who asked for it, and whom it concerns, cannot approve it: it takes four eyes."""


class Approval(Struct, frozen=True, kw_only=True):
    """Something that takes two. `state`: `requested`, `approved`, `done` or `declined`. People by id only."""

    approval_id: UUID
    kind: str
    subject_id: UUID
    reason: str
    state: str
    requested_by: UUID
    requested_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
    done_at: datetime | None
    outcome: dict[str, Any]


class Kind(Protocol):
    """One kind of deed that takes four eyes."""

    def require_possible(self, subject_id: UUID) -> Awaitable[None]:
        """Raise the refusal that would meet it now. Asked when it is requested, and when it is approved."""
        ...

    def carry_out(self, approval: Approval, metadata: Metadata) -> Awaitable[dict[str, Any]]:
        """Do it, or what is left of it, and answer what came of it. It may be called again after a failure."""
        ...


class FourEyes:
    """Asks, approves, declines and carries out. Raises DatabaseMustAnswer while PostgreSQL is away."""

    def __init__(self, pool: AsyncPool, kinds: Mapping[str, Kind]) -> None:
        self._pool = pool
        self._kinds = kinds

    @property
    def kinds(self) -> Sequence[str]:
        """The kinds of deeds that take four eyes."""
        return list(self._kinds)

    async def request(self, kind: str, subject_id: UUID, *, reason: str, by: UUID) -> Approval:
        """Ask for something. Raises ApprovalMustNotBeOpenAlready, and what stands against it."""
        await self._kinds[kind].require_possible(subject_id)
        async with lend(self._pool) as connection:
            found = await connection.execute(_REQUEST, (uuid4(), kind, subject_id, reason, by))
            row = await found.fetchone()
            if row is not None:
                return _approval(row)
            open_one = await (await connection.execute(_OPEN, (kind, subject_id))).fetchone()
        which = "" if open_one is None else f": {open_one[0]}"
        raise ApprovalMustNotBeOpenAlready(f"the same was asked for and is not decided yet{which}")

    async def approve(self, approval_id: UUID, metadata: Metadata) -> Approval:
        """Agree to it and carry it out; once it is done, asking again changes nothing.

        Raises ApprovalMustExist, ApprovalMustBeOpen, ApproverMustBeSomebodyElse, and what stands against the deed.
        """
        approval, by = await self.get(approval_id), UUID(metadata.actor)
        if approval.state == "done":
            return approval
        if by in (approval.requested_by, approval.subject_id):
            raise ApproverMustBeSomebodyElse("who asked for it, or whom it concerns, cannot approve it")
        if approval.state == "requested":
            await self._kinds[approval.kind].require_possible(approval.subject_id)
        if approval.state != "approved":
            approval = await self._decide(approval_id, "approved", by)
        why = msgspec.structs.replace(metadata, causation_id=f"approval/{approval_id}")
        outcome = await self._kinds[approval.kind].carry_out(approval, why)
        async with lend(self._pool) as connection:
            row = await (await connection.execute(_DONE, (Jsonb(outcome), approval_id))).fetchone()
        return _approval(row)

    async def decline(self, approval_id: UUID, *, by: UUID) -> Approval:
        """Say no, or take one's own request back. Raises ApprovalMustExist, ApprovalMustBeOpen."""
        await self.get(approval_id)
        return await self._decide(approval_id, "declined", by)

    async def get(self, approval_id: UUID) -> Approval:
        """One of them. Raises ApprovalMustExist."""
        async with lend(self._pool) as connection:
            sql = f"SELECT {_COLUMNS} FROM approvals WHERE approval_id = %s"
            row = await (await connection.execute(sql, (approval_id,))).fetchone()
        if row is None:
            raise ApprovalMustExist(f"nothing was asked for under {approval_id}")
        return _approval(row)

    async def page(
        self,
        *,
        kind: str | None = None,
        state: str | None = None,
        before: tuple[datetime, UUID],
        limit: int,
    ) -> list[Approval]:
        """Newest first, beginning after a moment and id."""
        parameters = {"kind": kind, "state": state, "at": before[0], "id": before[1], "limit": limit}
        async with lend(self._pool) as connection:
            found = await connection.execute(_PAGE, parameters)
            return [_approval(row) for row in await found.fetchall()]

    async def _decide(self, approval_id: UUID, state: str, by: UUID) -> Approval:
        async with lend(self._pool) as connection:
            found = await connection.execute(_DECIDE, {"state": state, "by": by, "id": approval_id})
            row = await found.fetchone()
        if row is None:
            raise ApprovalMustBeOpen(f"it is {(await self.get(approval_id)).state}")
        return _approval(row)


def approvals_in(
    connection: Connection[Any], *, kind: str | None, subject_id: UUID | None, limit: int
) -> list[Approval]:
    """What was asked for, newest first."""
    parameters = {"kind": kind, "subject": subject_id, "limit": limit}
    return [_approval(row) for row in connection.execute(_ALL.encode(), parameters).fetchall()]


def _approval(row: Any) -> Approval:
    return Approval(
        **dict(zip(Approval.__struct_fields__[:-1], row, strict=False)), outcome=msgspec.json.decode(row[-1])
    )
