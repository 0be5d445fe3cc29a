"""Realised gains for the tax return, and the method by which sales choose their lots."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from litestar import get, put
from litestar.params import JSONBody, QueryParameter
from msgspec import Struct

from application.answers import AccountAnswer
from application.commands import ChooseLotMethod
from domain.errors import AccountMustExist
from domain.tax import Term
from domain.terms import LotMethod
from domain.values import NOTHING
from interfaces.http.call import Call
from interfaces.http.entrance import CUSTOMER
from interfaces.http.fields import LARGEST_POSITION, Cursor, Limit, MinPosition
from interfaces.http.pages import page, place_in
from interfaces.http.refusals import CursorMustBeFromAPage
from projections.balances import BALANCE_OF_ACCOUNT
from projections.gains import GAINS_BY_TERM, GAINS_OF_YEAR, GainRow, GainsOfTerm

Year = Annotated[int, QueryParameter(ge=1900, le=9998, description="A calendar year, by trade dates")]
TermFilter = Annotated[Term | None, QueryParameter(description="`short` or `long`; both when left out")]


class Gain(Struct, frozen=True, kw_only=True):
    """Shares of one lot sold at once, as on Form 1099-B: the names in brackets are its boxes.

    `description` (1a), `acquired` (1b), `sold` (1c), `proceeds` after charges (1d), `basis` (1e), `wash_disallowed`
    (1g), `term` (2). `gain` is proceeds less basis with what was disallowed added. `held_since` is earlier than
    `acquired` when the shares had replaced others of a wash sale.
    """

    description: str
    symbol: str
    quantity: Decimal
    acquired: date
    sold: date
    proceeds: Decimal
    basis: Decimal
    wash_disallowed: Decimal
    gain: Decimal
    term: str
    held_since: date
    method: str
    sale_id: UUID
    lot_id: UUID
    order_id: UUID | None


class GainsTotal(Struct, frozen=True, kw_only=True):
    """All sales of one term; `sales` counts the lots sold."""

    sales: int
    proceeds: Decimal
    basis: Decimal
    wash_disallowed: Decimal
    gain: Decimal


class GainsOfYear(Struct, frozen=True, kw_only=True):
    """A year's realised gains: the sums of the whole year, and a page of the sales, newest first."""

    year: int
    short: GainsTotal
    long: GainsTotal
    items: list[Gain]
    next_cursor: str | None


class LotMethodChoice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which lots are sold first when an order does not say: `fifo`, `lifo` or `hifo`."""

    lot_method: LotMethod


class LotMethodNow(Struct, frozen=True, kw_only=True):
    """The method that stands."""

    lot_method: str
    log_position: int


@get("/tax/gains", roles=CUSTOMER)
async def gains(
    request: Call,
    year: Year,
    term: TermFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    min_position: MinPosition = None,
) -> GainsOfYear:
    """Realised gains of a year, lot by lot, short and long term. Refused: `cursor_must_be_from_a_page` (422)."""
    span: dict[str, Any] = {
        "account_id": request.account_id,
        "first": date(year, 1, 1),
        "last": date(year, 12, 31),
    }
    position, number = _before(cursor)
    read = await request.read(
        GAINS_OF_YEAR,
        min_position=min_position,
        term=None if term is None else term.value,
        before=position,
        number=number,
        limit=limit + 1,
        **span,
    )
    sums = await request.read(GAINS_BY_TERM, min_position=read.log_position, **span)
    request.answered_by(read)
    found = page(read.rows, limit=limit, kind="gains", position=lambda r: f"{r.sold_position}/{r.number}")
    return GainsOfYear(
        year=year,
        short=_total(sums.rows, Term.SHORT),
        long=_total(sums.rows, Term.LONG),
        items=[_gain(row) for row in found.items],
        next_cursor=found.next_cursor,
    )


@get("/account/lot-method", roles=CUSTOMER)
async def lot_method(request: Call, min_position: MinPosition = None) -> LotMethodNow:
    """By which method sales choose their lots when their order does not say."""
    read = await request.read(BALANCE_OF_ACCOUNT, min_position=min_position, account_id=request.account_id)
    request.answered_by(read)
    if read.row is None:
        raise AccountMustExist(f"there is no account {request.account_id}")
    return LotMethodNow(lot_method=read.row.lot_method, log_position=read.row.log_position)


@put("/account/lot-method", roles=CUSTOMER)
async def choose_lot_method(request: Call, data: JSONBody[LotMethodChoice]) -> LotMethodNow:
    """Choose that method, for all sales from now on. Honours `Idempotency-Key`.

    Refused: `lot_method_must_stand_by_itself` (422), `account_must_not_be_closed` (409).
    """
    command = ChooseLotMethod(account_id=request.account_id, method=data.lot_method)
    answer = await request.execute(command, body=data)
    assert isinstance(answer, AccountAnswer)  # noqa: S101  what this command is answered with
    return LotMethodNow(lot_method=answer.lot_method, log_position=answer.log_position)


def _gain(row: GainRow) -> Gain:
    return Gain(
        description=f"{row.quantity:f}".rstrip("0").rstrip(".") + f" {row.symbol}",
        symbol=row.symbol,
        quantity=row.quantity,
        acquired=row.acquired_on,
        sold=row.sold_on,
        proceeds=row.proceeds,
        basis=row.cost,
        wash_disallowed=row.wash_disallowed,
        gain=row.gain,
        term=row.term,
        held_since=row.held_since,
        method=row.method,
        sale_id=row.sale_id,
        lot_id=row.lot_id,
        order_id=row.order_id,
    )


def _total(rows: list[GainsOfTerm], term: Term) -> GainsTotal:
    nothing = GainsOfTerm(term.value, 0, NOTHING, NOTHING, NOTHING, NOTHING)
    row = next((row for row in rows if row.term == term.value), nothing)
    return GainsTotal(
        sales=row.sales,
        proceeds=row.proceeds,
        basis=row.cost,
        wash_disallowed=row.wash_disallowed,
        gain=row.gain,
    )


def _before(cursor: str | None) -> tuple[int, int]:
    if cursor is None:
        return LARGEST_POSITION, 0
    position, _, number = place_in("gains", cursor).partition("/")
    if not all(part.isdigit() and len(part) <= 18 for part in (position, number)):
        raise CursorMustBeFromAPage("the cursor is not one of gains")
    return int(position), int(number)


ROUTES = [gains, lot_method, choose_lot_method]
