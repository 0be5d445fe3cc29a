"""What a customer's trades have yet to settle, and what has settled."""

from datetime import date, datetime
from decimal import Decimal

from litestar import get
from msgspec import Struct

from interfaces.http.call import Call
from interfaces.http.entrance import CUSTOMER
from interfaces.http.fields import Cursor, Limit, MinPosition
from interfaces.http.pages import Page, before, page
from projections.settlements import SETTLEMENTS_OF_ACCOUNT, Settlement

_FAR = date(9999, 12, 31)


class SettlementView(Struct, frozen=True):
    """All trades that settle on one day, in dollars after charges: what comes in, what goes out."""

    settles_on: date
    proceeds: Decimal
    purchases: Decimal
    trades: int
    settled_at: datetime | None
    log_position: int


@get("/settlements", roles=CUSTOMER)
async def settlements(
    request: Call, limit: Limit = 50, cursor: Cursor = None, min_position: MinPosition = None
) -> Page[SettlementView]:
    """Settlements by day, the latest first; `settled_at` is null while one has yet to come."""
    last = before("settlements", cursor)
    read = await request.read(
        SETTLEMENTS_OF_ACCOUNT,
        min_position=min_position,
        account_id=request.account_id,
        before=date.fromordinal(max(1, min(last, _FAR.toordinal()))),
        limit=limit + 1,
    )
    request.answered_by(read)
    found = page(read.rows, limit=limit, kind="settlements", position=lambda row: row.settles_on.toordinal())
    return Page(items=[_view(row) for row in found.items], next_cursor=found.next_cursor)


def _view(row: Settlement) -> SettlementView:
    return SettlementView(
        row.settles_on, row.proceeds, row.purchases, row.trades, row.settled_at, row.log_position
    )


ROUTES = [settlements]
