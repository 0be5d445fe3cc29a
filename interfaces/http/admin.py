"""What staff with the role admin may do: stop and close accounts, look after the read tables."""

from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from application.answers import AccountAnswer, Answer
from application.commands import CloseAccount, ReinstateAccount, SendResidue, SuspendAccount
from infrastructure.projecting.operating import ProjectionStatus, RebuildJob, UnderWay, WentBack
from infrastructure.projecting.rebuild.control import RebuildMustBeUnderWay
from interfaces.http.call import Call
from interfaces.http.entrance import ADMIN
from interfaces.http.fields import Reason, kept_for_ever, printable
from interfaces.http.ids import fresh_id
from interfaces.http.refusals import JobMustExist


class Why(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it is done, for those who examine us. Names no person."""

    reason: Reason


class Rebuild(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which projections to build again from the log; all of them when none is named."""

    names: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=100)] = []
    parallel: Annotated[int, Meta(ge=1, le=16)] = 1
    fresh: bool = False
    gentle: bool = True


class Changed(Struct, frozen=True, kw_only=True):
    """The projections whose rebuild was paused, or goes on."""

    projections: list[str]


class JobStarted(Struct, frozen=True, kw_only=True):
    """Work that goes on in the background; look at it under its id."""

    job_id: UUID


@post("/admin/accounts/{account_id:uuid}/suspend", status_code=200, roles=ADMIN)
async def suspend(request: Call, account_id: FromPath[UUID], data: JSONBody[Why]) -> AccountAnswer:
    """Stop an account's new orders and withdrawals. Refused: `account_must_exist` (404)."""
    command = SuspendAccount(account_id=account_id, reason=_reason(data))
    return _account(await request.execute(command, keyed=False))


@post("/admin/accounts/{account_id:uuid}/reinstate", status_code=200, roles=ADMIN)
async def reinstate(request: Call, account_id: FromPath[UUID], data: JSONBody[Why]) -> AccountAnswer:
    """End a suspension. Refused: `account_must_exist` (404)."""
    command = ReinstateAccount(account_id=account_id, reason=_reason(data))
    return _account(await request.execute(command, keyed=False))


@post("/admin/accounts/{account_id:uuid}/close", status_code=200, roles=ADMIN)
async def close(request: Call, account_id: FromPath[UUID]) -> AccountAnswer:
    """End an empty account for ever. Refused: `account_must_exist` (404), `account_must_be_empty` (409)."""
    return _account(await request.execute(CloseAccount(account_id=account_id), keyed=False))


@post("/admin/accounts/{account_id:uuid}/residue", status_code=200, roles=ADMIN)
async def send_residue(request: Call, account_id: FromPath[UUID]) -> AccountAnswer:
    """Send away what came to a closed account after its end, as a withdrawal.

    Refused: `account_must_exist` (404), `account_must_be_closed`, `residue_must_be_there` (409).
    """
    command = SendResidue(account_id=account_id, transfer_id=fresh_id())
    return _account(await request.execute(command, keyed=False))


@get("/admin/projections", roles=ADMIN)
async def projections(request: Call) -> list[ProjectionStatus]:
    """Where each projection stands, and how far behind the log."""
    return await request.parts.projections.status()


@post("/admin/projections/rebuild", status_code=202, roles=ADMIN)
async def rebuild(request: Call, data: JSONBody[Rebuild]) -> JobStarted:
    """Build read tables again from the log, while everything goes on. Refused: `projection_must_exist` (404)."""
    desk = request.parts.projections.desk
    return started(
        request,
        desk.start_rebuild(data.names, parallel=data.parallel, fresh=data.fresh, gentle=data.gentle),
    )


@get("/admin/projections/rebuilds", roles=ADMIN)
async def rebuilds(request: Call) -> list[UnderWay]:
    """Every rebuild that has begun and not ended, also those begun elsewhere or cut off."""
    projections = request.parts.projections
    return await projections.ask(projections.desk.under_way)


@get("/admin/projections/jobs/{job_id:uuid}", roles=ADMIN)
async def job(request: Call, job_id: FromPath[UUID]) -> RebuildJob:
    """Work begun in this process. Refused: `job_must_exist` (404)."""
    return _job(request, job_id)


@post("/admin/projections/jobs/{job_id:uuid}/pause", status_code=200, roles=ADMIN)
async def pause(request: Call, job_id: FromPath[UUID]) -> Changed:
    """Let a rebuild stop after the chunk at hand.

    Refused: `job_must_exist` (404), `rebuild_must_be_under_way` (404).
    """
    projections, names = request.parts.projections, _rebuilt(request, job_id)
    return Changed(projections=await projections.ask(projections.desk.pause, names))


@post("/admin/projections/jobs/{job_id:uuid}/resume", status_code=200, roles=ADMIN)
async def resume(request: Call, job_id: FromPath[UUID]) -> Changed:
    """Let a paused rebuild go on. Refused: `job_must_exist` (404), `rebuild_must_be_under_way` (404)."""
    projections, names = request.parts.projections, _rebuilt(request, job_id)
    return Changed(projections=await projections.ask(projections.desk.resume, names))


@post("/admin/projections/{name:str}/rollback", status_code=200, roles=ADMIN)
async def rollback(request: Call, name: FromPath[str]) -> WentBack:
    """Let the table from before the last rebuild go live again, brought up to the log.

    Refused: `projection_must_exist` (404), `previous_table_must_exist` (404), `rebuild_must_not_be_at_work` (409).
    """
    projections = request.parts.projections
    return await projections.ask(projections.desk.roll_back, name)


@post("/admin/projections/{name:str}/forget", status_code=204, roles=ADMIN)
async def forget(request: Call, name: FromPath[str]) -> None:
    """Drop the table from before the last rebuild.

    Refused: `projection_must_exist` (404), `previous_table_must_exist` (404), `rebuild_must_not_be_at_work` (409).
    """
    projections = request.parts.projections
    await projections.ask(projections.desk.forget, name)


def _job(request: Call, job_id: UUID) -> RebuildJob:
    found = request.parts.projections.job(job_id)
    if found is None:
        raise JobMustExist(f"there is no job {job_id}")
    return found


def _reason(why: Why) -> str:
    return kept_for_ever(printable(why.reason, name="reason"), name="reason")


def _rebuilt(request: Call, job_id: UUID) -> list[str]:
    """The projections that a job rebuilds."""
    job = _job(request, job_id)
    if job.work != "rebuild":
        raise RebuildMustBeUnderWay(f"the job {job_id} is no rebuild")
    return job.projections


def started(request: Call, job_id: UUID) -> JobStarted:
    """The answer to work that goes on in the background."""
    request.visit.say(b"location", f"/api/v1/admin/projections/jobs/{job_id}")
    return JobStarted(job_id=job_id)


def _account(answer: Answer) -> AccountAnswer:
    assert isinstance(answer, AccountAnswer)  # noqa: S101  what these commands are answered with
    return answer


ROUTES = [
    suspend,
    reinstate,
    close,
    send_residue,
    projections,
    rebuild,
    rebuilds,
    job,
    pause,
    resume,
    rollback,
    forget,
]
