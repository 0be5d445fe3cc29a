"""The cases of the compliance desk: what surveillance found, and what staff make of it."""

from typing import Annotated, Literal
from uuid import UUID

from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta, Struct

from application.answers import Answer, CaseAnswer
from application.casework import AssignCase, CaseCommand, CloseCase, NoteCase
from domain.case import Resolution
from domain.errors import CaseMustExist
from interfaces.http.call import Call
from interfaces.http.entrance import STAFF
from interfaces.http.fields import Cursor, Limit, MinPosition, Reason, kept_for_ever, printable
from interfaces.http.pages import Page, before, page
from projections.cases import CASE, CASES, CaseRow

KindFilter = Annotated[
    Literal["wash_trading", "rapid_cancels", "trading_ahead", "dormant_awakening"] | None, QueryParameter()
]
StatusFilter = Annotated[
    Literal["open", "assigned", "closed", "not_closed"] | None, QueryParameter(name="status")
]
AccountFilter = Annotated[UUID | None, QueryParameter()]


class Assignment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is to work the case; whoever asks when nobody is named."""

    assignee_id: UUID | None = None


class NewNote(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was found out. It is kept for ever, and names no person."""

    text: Annotated[str, Meta(min_length=1, max_length=2000)]


class Closing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the case came to, and why. The reason is kept for ever, and names no person."""

    resolution: Resolution
    reason: Reason


@get("/compliance/cases", roles=STAFF)
async def cases(
    request: Call,
    status_: StatusFilter = None,
    kind: KindFilter = None,
    account_id: AccountFilter = None,
    assignee_id: AccountFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    min_position: MinPosition = None,
) -> Page[CaseRow]:
    """All cases, newest first; of one status, kind, account or assignee, or of all."""
    read = await request.read(
        CASES,
        min_position=min_position,
        own=False,
        account_id=account_id,
        kind=kind,
        status=statuses(status_),
        assignee_id=assignee_id,
        before=before("cases", cursor),
        limit=limit + 1,
    )
    request.answered_by(read)
    return page(read.rows, limit=limit, kind="cases", position=lambda row: row.opened_position)


@get("/compliance/cases/{case_id:uuid}", roles=STAFF)
async def case(request: Call, case_id: FromPath[UUID], min_position: MinPosition = None) -> CaseRow:
    """One case, with its evidence and everything that was done about it. Refused: `case_must_exist` (404)."""
    read = await request.read(CASE, min_position=min_position, own=False, case_id=case_id)
    request.answered_by(read)
    if read.row is None:
        raise CaseMustExist(f"there is no case {case_id}")
    return read.row


@post("/compliance/cases/{case_id:uuid}/assign", status_code=200, roles=STAFF)
async def assign(request: Call, case_id: FromPath[UUID], data: JSONBody[Assignment]) -> CaseAnswer:
    """Give a case to a member of staff; to the same one again, nothing changes.

    Refused: `case_must_exist` (404), `case_must_be_open`, `assignee_must_be_staff` (409).
    """
    desk = request.parts.cases
    assignee_id = data.assignee_id or request.login.user_id
    account_id = await desk.account_of(case_id)
    await desk.require_staff(assignee_id)
    command = AssignCase(account_id=account_id, case_id=case_id, assignee_id=assignee_id)
    return await _changed(request, command, data)


@post("/compliance/cases/{case_id:uuid}/notes", status_code=201, roles=STAFF)
async def note(request: Call, case_id: FromPath[UUID], data: JSONBody[NewNote]) -> CaseAnswer:
    """Write something into a case, for ever. Refused: `case_must_exist` (404), `case_must_be_open` (409)."""
    text = kept_for_ever(printable(data.text, name="text"), name="text")
    account_id = await request.parts.cases.account_of(case_id)
    return await _changed(request, NoteCase(account_id=account_id, case_id=case_id, text=text), data)


@post("/compliance/cases/{case_id:uuid}/close", status_code=200, roles=STAFF)
async def close(request: Call, case_id: FromPath[UUID], data: JSONBody[Closing]) -> CaseAnswer:
    """Say what a case came to. It stays closed. Refused: `case_must_exist` (404), `case_must_be_open` (409)."""
    reason = kept_for_ever(printable(data.reason, name="reason"), name="reason")
    account_id = await request.parts.cases.account_of(case_id)
    command = CloseCase(account_id=account_id, case_id=case_id, resolution=data.resolution, reason=reason)
    return await _changed(request, command, data)


def statuses(status: str | None) -> list[str] | None:
    """The statuses that a filter stands for."""
    if status is None:
        return None
    return ["open", "assigned"] if status == "not_closed" else [status]


async def _changed(call: Call, command: CaseCommand, body: Struct) -> CaseAnswer:
    answer: Answer = await call.execute(command, body=body)
    assert isinstance(answer, CaseAnswer)  # noqa: S101  what these commands are answered with
    return answer


ROUTES = [cases, case, assign, note, close]
