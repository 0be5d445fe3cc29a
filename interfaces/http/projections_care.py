"""Staff prove read tables and mend them, account by account, as `daybook projections` does."""

from typing import Annotated
from uuid import UUID

from litestar import post
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from infrastructure.projecting.operating import Repaired, Retried
from interfaces.http.admin import JobStarted, started
from interfaces.http.call import Call
from interfaces.http.entrance import ADMIN

Names = Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=100)]


class Verify(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which projections to look at, all of them when none is named, and whether every row is to be compared."""

    names: Names = []
    rows: bool = False


class Retry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose parked accounts are to go on: of all projections when none is named, all accounts when none is."""

    names: Names = []
    account_id: UUID | None = None


class Repair(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose rows are made anew."""

    account_id: UUID


@post("/admin/projections/verify", status_code=202, roles=ADMIN)
async def verify(request: Call, data: JSONBody[Verify]) -> JobStarted:
    """Prove that read tables consumed exactly the log, and their rows, too. Refused: `projection_must_exist` (404)."""
    return started(request, request.parts.projections.desk.start_verify(data.names, rows=data.rows))


@post("/admin/projections/retry", status_code=200, roles=ADMIN)
async def retry(request: Call, data: JSONBody[Retry]) -> list[Retried]:
    """Fold what was left out of parked accounts, in order.

    Refused: `projection_must_exist` (404), `projection_must_be_of_this_version` (409).
    """
    projections = request.parts.projections
    return await projections.ask(projections.desk.retry, data.names, data.account_id)


@post("/admin/projections/{name:str}/repair", status_code=200, roles=ADMIN)
async def repair(request: Call, name: FromPath[str], data: JSONBody[Repair]) -> Repaired:
    """Make all rows of one account anew from the log, in one transaction.

    Refused: `projection_must_exist`, `account_must_exist` (404); `projection_must_be_by_account`,
    `projection_must_be_of_this_version`, `history_must_be_foldable` (409).
    """
    projections = request.parts.projections
    return await projections.ask(projections.desk.repair, name, data.account_id)


ROUTES = [verify, retry, repair]
