"""What staff with the role admin may do: stop and close accounts, look after the read tables."""

from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from application.answers import AccountAnswer, Answer
from application.commands import CloseAccount, ReinstateAccount, SuspendAccount
from infrastructure.projecting.operating import ProjectionStatus, RebuildJob
from interfaces.http.call import Call
from interfaces.http.entrance import ADMIN
from interfaces.http.fields import Reason, printable
from interfaces.http.refusals import JobMustExist


class Why(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it is done, for those who examine us. Names no person."""

    reason: Reason


class Rebuild(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which projections to build again from the log; all of them when none is named."""

    names: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=100)] = []


class JobStarted(Struct, frozen=True, kw_only=True):
    """Work that goes on in the background; look at it under its id."""

    job_id: UUID


@post("/admin/accounts/{account_id:uuid}/suspend", status_code=200, roles=ADMIN)
async def suspend(request: Call, account_id: FromPath[UUID], data: JSONBody[Why]) -> AccountAnswer:
    """Stop an account's new orders and withdrawals. Refused: `account_must_exist` (404)."""
    command = SuspendAccount(account_id=account_id, reason=printable(data.reason, name="reason"))
    return _account(await request.execute(command, keyed=False))


@post("/admin/accounts/{account_id:uuid}/reinstate", status_code=200, roles=ADMIN)
async def reinstate(request: Call, account_id: FromPath[UUID], data: JSONBody[Why]) -> AccountAnswer:
    """End a suspension. Refused: `account_must_exist` (404)."""
    command = ReinstateAccount(account_id=account_id, reason=printable(data.reason, name="reason"))
    return _account(await request.execute(command, keyed=False))


@post("/admin/accounts/{account_id:uuid}/close", status_code=200, roles=ADMIN)
async def close(request: Call, account_id: FromPath[UUID]) -> AccountAnswer:
    """End an empty account for ever. Refused: `account_must_exist` (404), `account_must_be_empty` (409)."""
    return _account(await request.execute(CloseAccount(account_id=account_id), keyed=False))


@get("/admin/projections", roles=ADMIN)
async def projections(request: Call) -> list[ProjectionStatus]:
    """Where each projection stands, and how far behind the log."""
    return await request.parts.projections.status()


@post("/admin/projections/rebuild", status_code=202, roles=ADMIN)
async def rebuild(request: Call, data: JSONBody[Rebuild]) -> JobStarted:
    """Build read tables again from the log, while everything goes on. Refused: `projection_must_exist` (404)."""
    job_id = request.parts.projections.start_rebuild(data.names)
    request.visit.say(b"location", f"/api/v1/admin/projections/jobs/{job_id}")
    return JobStarted(job_id=job_id)


@get("/admin/projections/jobs/{job_id:uuid}", roles=ADMIN)
async def job(request: Call, job_id: FromPath[UUID]) -> RebuildJob:
    """A rebuild begun in this process. Refused: `job_must_exist` (404)."""
    found = request.parts.projections.job(job_id)
    if found is None:
        raise JobMustExist(f"there is no job {job_id}")
    return found


def _account(answer: Answer) -> AccountAnswer:
    assert isinstance(answer, AccountAnswer)  # noqa: S101  what these commands are answered with
    return answer


ROUTES = [suspend, reinstate, close, projections, rebuild, job]
