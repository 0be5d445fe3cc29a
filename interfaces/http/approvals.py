"""What takes four eyes: one admin asks, another approves. Those who examine Daybook may look at all of it."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Struct

from infrastructure.approvals import LARGEST_ID, Approval
from infrastructure.people import User
from infrastructure.privacy.erasing import PersonMustExist
from interfaces.http.call import Call
from interfaces.http.entrance import ADMIN, STAFF
from interfaces.http.fields import Cursor, Limit, Reason, kept_for_ever, printable
from interfaces.http.pages import Page, page, place_in
from interfaces.http.refusals import CursorMustBeFromAPage

KindFilter = Annotated[Literal["erasure", "reinstatement"] | None, QueryParameter()]
StateFilter = Annotated[
    Literal["requested", "approved", "done", "declined"] | None, QueryParameter(name="state")
]

_NEWEST = (datetime.max.replace(tzinfo=UTC), LARGEST_ID)


class ErasureRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to erase, and why. The reason names no person; it goes with the person."""

    user_id: UUID
    reason: Reason


class ReinstatementRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which account to reinstate, and why. The reason is kept for ever and names no person."""

    account_id: UUID
    reason: Reason


@post("/compliance/erasures", status_code=201, roles=ADMIN)
async def request_erasure(request: Call, data: JSONBody[ErasureRequest]) -> Approval:
    """Ask for a person to be erased. Another admin must approve.

    Refused: `person_must_exist` (404), `person_must_not_be_erased`, `account_must_be_closed`,
    `retention_must_be_over`, `approval_must_not_be_open_already` (409).
    """
    return await _asked(request, "erasure", data.user_id, data.reason)


@post("/compliance/reinstatements", status_code=201, roles=ADMIN)
async def request_reinstatement(request: Call, data: JSONBody[ReinstatementRequest]) -> Approval:
    """Ask for the end of a suspension that surveillance decided. Another admin must approve.

    Refused: `account_must_exist` (404), `approval_must_not_be_open_already` (409).
    """
    return await _asked(request, "reinstatement", data.account_id, data.reason)


@get("/compliance/approvals", roles=STAFF)
async def approvals(
    request: Call,
    kind: KindFilter = None,
    state_: StateFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Approval]:
    """What was asked for, newest first; of one kind or state, or all."""
    found = await request.parts.four_eyes.page(
        kind=kind, state=state_, before=_before(cursor), limit=limit + 1
    )
    return page(
        found,
        limit=limit,
        kind="approvals",
        position=lambda row: f"{row.requested_at.isoformat()}/{row.approval_id}",
    )


@get("/compliance/approvals/{approval_id:uuid}", roles=STAFF)
async def approval(request: Call, approval_id: FromPath[UUID]) -> Approval:
    """One of them. Refused: `approval_must_exist` (404)."""
    return await request.parts.four_eyes.get(approval_id)


@post("/compliance/approvals/{approval_id:uuid}/approve", status_code=200, roles=ADMIN)
async def approve(request: Call, approval_id: FromPath[UUID]) -> Approval:
    """Agree, and have it carried out; asking again changes nothing.

    Refused: `approval_must_exist` (404), `approver_must_be_somebody_else`, `approval_must_be_open` (409), and whatever
    stands against what was asked for.
    """
    done = await request.parts.four_eyes.approve(
        approval_id, await request.metadata_for(request.login.user_id, request.login.role)
    )
    request.visit.stand_at(done.outcome.get("log_position", 0))
    return done


@post("/compliance/approvals/{approval_id:uuid}/decline", status_code=200, roles=ADMIN)
async def decline(request: Call, approval_id: FromPath[UUID]) -> Approval:
    """Say no to it, or take it back. Refused: `approval_must_exist` (404), `approval_must_be_open` (409)."""
    return await request.parts.four_eyes.decline(approval_id, by=request.login.user_id)


@get("/compliance/people/{user_id:uuid}", roles=STAFF)
async def person(request: Call, user_id: FromPath[UUID]) -> User:
    """Who a user is; `erased` stands for what was erased. Refused: `person_must_exist` (404)."""
    found = await request.parts.people.user(user_id)
    if found is None:
        raise PersonMustExist(f"there is no user {user_id}")
    return found


async def _asked(call: Call, kind: str, subject_id: UUID, reason: str) -> Approval:
    asked = await call.parts.four_eyes.request(
        kind,
        subject_id,
        reason=kept_for_ever(printable(reason, name="reason"), name="reason"),
        by=call.login.user_id,
    )
    call.visit.say(b"location", f"/api/v1/compliance/approvals/{asked.approval_id}")
    return asked


def _before(cursor: str | None) -> tuple[datetime, UUID]:
    if cursor is None:
        return _NEWEST
    at, _, approval_id = place_in("approvals", cursor).partition("/")
    try:
        found = datetime.fromisoformat(at), UUID(approval_id)
    except ValueError:
        raise CursorMustBeFromAPage("the cursor is not one of approvals") from None
    if found[0].tzinfo is None:
        raise CursorMustBeFromAPage("the cursor is not one of approvals")
    return found


ROUTES = [request_erasure, request_reinstatement, approvals, approval, approve, decline, person]
