"""A customer's statements: one for each day on which something moved, and any day on request."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from litestar import get
from litestar.params import FromPath
from msgspec import Struct
from msgspec.structs import replace

from domain.errors import InstantMustBeWellFormed, MomentMustBeWithinTheAccountsLife
from domain.values import NOTHING, TICK
from interfaces.http.call import Call
from interfaces.http.entrance import CUSTOMER
from interfaces.http.fields import Cursor, Limit, MinPosition
from interfaces.http.pages import Page, before, page
from interfaces.http.spans import From, To, day_of, earlier, seconds_of, since, until
from projections.activity import CASH_MOVEMENTS, MOVEMENTS_BETWEEN, ActivityRow
from projections.shares import Shares
from projections.statements import STATEMENT_AT, STATEMENTS_OF_ACCOUNT, StatementRow


class Statement(Struct, frozen=True, kw_only=True):
    """An account's day (UTC) in dollars. Closing is opening cash, and deposited, less withdrawn, less bought,
    and sold, less fees, and income. Shares are valued at the account's own last trade in them up to the day's end.
    """

    date: date
    opening_cash: Decimal
    closing_cash: Decimal
    deposited: Decimal
    withdrawn: Decimal
    bought: Decimal
    sold: Decimal
    fees: Decimal
    income: Decimal
    realised: Decimal
    trades: int
    cost: Decimal
    invested: Decimal
    equity: Decimal
    positions: list[Shares]
    log_position: int


class StatementWithMovements(Statement, frozen=True, kw_only=True):
    """A statement with every movement of the day's cash, trades among them, newest first, in pages."""

    movements: Page[ActivityRow]


@get("/statements", roles=CUSTOMER)
async def statements(
    request: Call,
    from_: From = None,
    to: To = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    min_position: MinPosition = None,
) -> Page[Statement]:
    """A statement for each day on which cash or shares moved, newest first.

    Refused: `instant_must_be_well_formed`, `cursor_must_be_from_a_page` (422).
    """
    read = await request.read(
        STATEMENTS_OF_ACCOUNT,
        min_position=min_position,
        account_id=request.account_id,
        since=since(from_),
        before=earlier("statements", cursor, until(to)),
        limit=limit + 1,
    )
    request.answered_by(read)
    found = page(read.rows, limit=limit, kind="statements", position=lambda row: seconds_of(row.day))
    return Page(items=[Statement(**_moved(row)) for row in found.items], next_cursor=found.next_cursor)


@get("/statements/{day:str}", roles=CUSTOMER)
async def statement(
    request: Call,
    day: FromPath[str],
    limit: Limit = 50,
    cursor: Cursor = None,
    min_position: MinPosition = None,
) -> StatementWithMovements:
    """The statement of any day, today's as far as it has come; `limit` and `cursor` are of its movements.

    Refused: `moment_must_be_within_the_accounts_life` (404), `instant_must_be_well_formed`,
    `cursor_must_be_from_a_page` (422).
    """
    wanted = _past(request, day)
    read = await request.read(
        STATEMENT_AT, min_position=min_position, account_id=request.account_id, day=wanted
    )
    request.answered_by(read)
    row = read.row
    if row is None:
        raise MomentMustBeWithinTheAccountsLife(f"the account did not exist on {day}")
    if row.day != wanted:
        return StatementWithMovements(**_quiet(row, wanted), movements=Page(items=[]))
    kind = f"movements-{row.first_position}"
    movements = await request.read(
        MOVEMENTS_BETWEEN,
        min_position=row.log_position,
        account_id=request.account_id,
        types=CASH_MOVEMENTS,
        first=row.first_position,
        last=row.log_position,
        before=before(kind, cursor),
        limit=limit + 1,
    )
    found = page(movements.rows, limit=limit, kind=kind, position=lambda each: each.log_position)
    return StatementWithMovements(**_moved(row), movements=found)


def _past(call: Call, text: str) -> datetime:
    """The day that was asked for. Raises InstantMustBeWellFormed for one that has not begun."""
    wanted = day_of(text)
    if wanted > call.parts.clock.now():
        raise InstantMustBeWellFormed(f"{text} has not begun")
    return wanted


def _moved(row: StatementRow) -> dict[str, Any]:
    """The fields of a day on which something moved."""
    said = {name: getattr(row, name) for name in Statement.__struct_fields__ if hasattr(row, name)}
    shares = [replace(one, price=one.price.quantize(TICK)) for one in row.positions]
    equity = row.closing_cash + row.invested
    return {**said, "date": row.day.date(), "equity": equity, "positions": shares}


def _quiet(row: StatementRow, day: datetime) -> dict[str, Any]:
    """The fields of a day on which nothing moved: the last day before it stands."""
    sums = dict.fromkeys(("deposited", "withdrawn", "bought", "sold", "fees", "income", "realised"), NOTHING)
    return {**_moved(row), **sums, "date": day.date(), "opening_cash": row.closing_cash, "trades": 0}


ROUTES = [statements, statement]
