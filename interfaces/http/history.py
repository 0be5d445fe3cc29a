"""What a customer's account was worth over time."""

from datetime import datetime
from decimal import Decimal

from litestar import get
from msgspec import Struct

from domain.values import NOTHING, rounded
from interfaces.http.call import Call
from interfaces.http.entrance import CUSTOMER
from interfaces.http.fields import Cursor, Limit, MinPosition
from interfaces.http.marks import mark
from interfaces.http.pages import page
from interfaces.http.spans import From, Interval, To, earlier, floor, seconds_of, since, until
from projections.history import EQUITY_NOW, EQUITY_OF_ACCOUNT, EquityPoint, EquityRow


class WorthNow(Struct, frozen=True, kw_only=True):
    """The account at the current quotes; shares without one at the account's own last trade, as in the points."""

    cash: Decimal
    invested: Decimal
    equity: Decimal
    quoted_at: datetime | None


class EquityPage(Struct, frozen=True, kw_only=True):
    """Points, newest first, each the end of an interval in which something moved, and the worth now.

    Points value shares at the account's own last trade in them. In an interval that is left out, cash and
    shares stood as at the point before it.
    """

    items: list[EquityPoint]
    next_cursor: str | None
    now: WorthNow | None


@get("/portfolio/history", roles=CUSTOMER)
async def history(
    request: Call,
    from_: From = None,
    to: To = None,
    interval: Interval = "day",
    limit: Limit = 50,
    cursor: Cursor = None,
    min_position: MinPosition = None,
) -> EquityPage:
    """Equity, cash, shares and what was paid in, out and realised, by interval, newest first.

    Refused: `instant_must_be_well_formed`, `cursor_must_be_from_a_page` (422).
    """
    kind, account_id = f"equity-{interval}", request.account_id
    read = await request.read(
        EQUITY_OF_ACCOUNT,
        min_position=min_position,
        account_id=account_id,
        interval=interval,
        since=floor(since(from_), interval),
        before=earlier(kind, cursor, until(to)),
        limit=limit + 1,
    )
    request.answered_by(read)
    found = page(read.rows, limit=limit, kind=kind, position=lambda row: seconds_of(row.at))
    stands = await request.read(EQUITY_NOW, min_position=read.log_position, account_id=account_id)
    now = _now(request, stands.row) if stands.row is not None else None
    return EquityPage(items=found.items, next_cursor=found.next_cursor, now=now)


def _now(call: Call, row: EquityRow) -> WorthNow:
    quotes = {one.symbol: call.parts.quotes.get(one.symbol) for one in row.positions}
    invested = NOTHING
    for one in row.positions:
        price = mark(quotes[one.symbol])
        invested += rounded(one.quantity * (one.price if price is None else price))
    times = [quote.at for quote in quotes.values() if quote is not None]
    return WorthNow(
        cash=row.cash, invested=invested, equity=row.cash + invested, quoted_at=max(times, default=None)
    )


ROUTES = [history]
