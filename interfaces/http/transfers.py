"""Transfers between a customer and a bank: what became of each, and the return of one by staff."""

from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Struct

from application.answers import AccountAnswer, Answer
from domain.errors import TransferMustExist
from domain.transfer import Direction, TransferStatus
from infrastructure.funding.due import return_of
from interfaces.http.admin import Why
from interfaces.http.call import Call
from interfaces.http.entrance import ADMIN, CUSTOMER, STAFF
from interfaces.http.fields import Cursor, Limit, MinPosition, kept_for_ever, printable
from interfaces.http.pages import Page, before, page
from interfaces.http.refusals import RequestMustBeWellFormed
from projections.balances import RESIDUES, Balance
from projections.transfers import (
    TRANSFER,
    TRANSFER_OF_ACCOUNT,
    TRANSFERS_OF_ACCOUNT,
    TRANSFERS_OF_FIRM,
    TransferRow,
)

Statuses = Annotated[
    str | None, QueryParameter(max_length=100, description="Statuses separated by commas; all when left out")
]
AccountFilter = Annotated[UUID | None, QueryParameter()]
DirectionFilter = Annotated[Direction | None, QueryParameter(description="`deposit` or `withdrawal`")]


class TransferView(Struct, frozen=True):
    """A transfer. `due_at` is when a bank is to have done it, null for one made at once.

    `reason` is a code that says why it failed or was returned.
    """

    transfer_id: UUID
    account_id: UUID
    direction: str
    amount: Decimal
    status: str
    reason: str | None
    initiated_at: datetime
    due_at: datetime | None
    completed_at: datetime | None
    failed_at: datetime | None
    returned_at: datetime | None
    updated_at: datetime
    log_position: int


class ResidueView(Struct, frozen=True):
    """What is in a closed account, in dollars; `withdrawing` of it is on its way to the bank."""

    account_id: UUID
    cash: Decimal
    withdrawing: Decimal
    updated_at: datetime
    log_position: int


@get("/transfers", roles=CUSTOMER)
async def transfers(
    request: Call,
    status: Statuses = None,
    direction: DirectionFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    min_position: MinPosition = None,
) -> Page[TransferView]:
    """The customer's transfers, newest first. Refused: `cursor_must_be_from_a_page` (422)."""
    read = await request.read(
        TRANSFERS_OF_ACCOUNT,
        min_position=min_position,
        account_id=request.account_id,
        status=_statuses(status),
        direction=None if direction is None else direction.value,
        before=before("transfers", cursor),
        limit=limit + 1,
    )
    request.answered_by(read)
    return _page(read.rows, limit)


@get("/transfers/{transfer_id:uuid}", roles=CUSTOMER)
async def transfer(
    request: Call, transfer_id: FromPath[UUID], min_position: MinPosition = None
) -> TransferView:
    """One transfer. Refused: `transfer_must_exist` (404)."""
    read = await request.read(
        TRANSFER_OF_ACCOUNT,
        min_position=min_position,
        transfer_id=transfer_id,
        account_id=request.account_id,
    )
    request.answered_by(read)
    if read.row is None:
        raise TransferMustExist(f"there is no transfer {transfer_id}")
    return _view(read.row)


@get("/compliance/transfers", roles=STAFF)
async def transfers_of_firm(
    request: Call,
    account_id: AccountFilter = None,
    status: Statuses = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    min_position: MinPosition = None,
) -> Page[TransferView]:
    """All transfers, newest first; of one account or of all.

    Refused: `account_must_exist` (404), `cursor_must_be_from_a_page` (422).
    """
    read = await request.read_of(
        account_id,
        TRANSFERS_OF_FIRM,
        min_position=min_position,
        status=_statuses(status),
        before=before("transfers", cursor),
        limit=limit + 1,
    )
    request.answered_by(read)
    return _page(read.rows, limit)


@post("/admin/transfers/{transfer_id:uuid}/return", status_code=200, roles=ADMIN)
async def give_back(request: Call, transfer_id: FromPath[UUID], data: JSONBody[Why]) -> AccountAnswer:
    """Note that the bank took back a completed transfer; asking again changes nothing.

    Refused: `transfer_must_exist` (404), `transfer_must_allow` (409).
    """
    reason = kept_for_ever(printable(data.reason, name="reason"), name="reason")
    read = await request.read(TRANSFER, min_position=None, own=False, transfer_id=transfer_id)
    if read.row is None:
        raise TransferMustExist(f"there is no transfer {transfer_id}")
    return _account(await request.execute(return_of(read.row, reason), keyed=False))


@get("/compliance/residues", roles=STAFF)
async def residues(
    request: Call, limit: Limit = 50, cursor: Cursor = None, min_position: MinPosition = None
) -> Page[ResidueView]:
    """Closed accounts with money that came after their end. Refused: `cursor_must_be_from_a_page` (422)."""
    read = await request.read(
        RESIDUES, min_position=min_position, own=False, before=before("residues", cursor), limit=limit + 1
    )
    request.answered_by(read)
    found = page(read.rows, limit=limit, kind="residues", position=lambda row: row.log_position)
    return Page(items=[_residue(row) for row in found.items], next_cursor=found.next_cursor)


def _residue(row: Balance) -> ResidueView:
    return ResidueView(
        account_id=row.account_id,
        cash=row.cash,
        withdrawing=row.withdrawing,
        updated_at=row.updated_at,
        log_position=row.log_position,
    )


def _page(rows: list[TransferRow], limit: int) -> Page[TransferView]:
    found = page(rows, limit=limit, kind="transfers", position=lambda row: row.first_position)
    return Page(items=[_view(row) for row in found.items], next_cursor=found.next_cursor)


_fields = attrgetter(*TransferView.__struct_fields__)


def _view(row: TransferRow) -> TransferView:
    return TransferView(*_fields(row))


def _statuses(text: str | None) -> list[str] | None:
    if text is None:
        return None
    known = [status.value for status in TransferStatus]
    for word in text.split(","):
        if word not in known:
            raise RequestMustBeWellFormed(f"{word!r} is not one of {', '.join(known)}", parameter="status")
    return text.split(",")


def _account(answer: Answer) -> AccountAnswer:
    assert isinstance(answer, AccountAnswer)  # noqa: S101  what this command is answered with
    return answer


ROUTES = [transfers, transfer, transfers_of_firm, residues, give_back]
