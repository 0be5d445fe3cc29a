"""What those who examine Daybook ask: who did what, and how an account stood."""

from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.params import FromPath, QueryParameter

from application.history import AccountAsOf
from interfaces.http.account import At
from interfaces.http.call import Call
from interfaces.http.entrance import STAFF
from interfaces.http.fields import Cursor, Limit, LogPosition, MinPosition, exactly_one, printable
from interfaces.http.pages import Page, before, page
from projections.audit import AUDIT, AuditRow

AccountFilter = Annotated[UUID | None, QueryParameter()]
ActorFilter = Annotated[
    str | None, QueryParameter(max_length=100, description="A user's id or a role's name")
]


@get("/compliance/audit", roles=STAFF)
async def audit(
    request: Call,
    account_id: AccountFilter = None,
    actor: ActorFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    min_position: MinPosition = None,
) -> Page[AuditRow]:
    """Every event, newest first, with who did it and why; of one account or actor, or of all."""
    read = await request.read(
        AUDIT,
        min_position=min_position,
        own=False,
        account_id=account_id,
        actor=None if actor is None else printable(actor, name="actor"),
        before=before("audit", cursor),
        limit=limit + 1,
    )
    request.answered_by(read)
    return page(read.rows, limit=limit, kind="audit", position=lambda row: row.log_position)


@get("/compliance/accounts/{account_id:uuid}/as-of", roles=STAFF)
async def as_of(
    request: Call,
    account_id: FromPath[UUID],
    at: At = None,
    log_position: LogPosition = None,
    min_position: MinPosition = None,
) -> AccountAsOf:
    """Any account as it stood at a moment or at a log position, inclusive; exactly one of them.

    Refused: `account_must_exist`, `moment_must_be_within_the_accounts_life` (404),
    `instant_must_be_well_formed` (422).
    """
    moment, position = exactly_one(at, log_position)
    found = await request.parts.history.as_of(
        account_id, log_position=position, at=moment, min_position=min_position
    )
    request.visit.stand_at(found.log_position)
    return found


ROUTES = [audit, as_of]
