"""What a customer owns, and what it is worth at the current quotes."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import cast

import msgspec
from litestar import get
from msgspec import Struct

from domain.errors import AccountMustExist
from domain.quotes import Quote
from domain.values import NO_SHARES, NOTHING, TICK, rounded
from infrastructure.reading import Read
from interfaces.http.call import Call
from interfaces.http.entrance import CUSTOMER
from interfaces.http.fields import Cursor, Limit, MinPosition
from interfaces.http.marks import mark
from interfaces.http.pages import Page, page, place_in
from projections.balances import CASH_IN_ONE, CashInOne
from projections.positions import POSITIONS_IN_ONE, LotRow, PositionInOne
from projections.questions import Lookups

TRIES = 5

CASH_AND_SHARES = Lookups((CASH_IN_ONE, POSITIONS_IN_ONE))


class _Bought(Struct, frozen=True, gc=False):
    """What is read of a lot."""

    quantity: Decimal
    cost: Decimal
    acquired_at: datetime
    disallowed: Decimal


class _When(Struct, frozen=True, gc=False):
    """What is read of each lot: one field, at a tenth of the cost of all."""

    acquired_at: datetime


_lots = msgspec.json.Decoder(list[_Bought]).decode
_whens = msgspec.json.Decoder(list[_When]).decode


class PositionView(Struct, frozen=True, kw_only=True, gc=False):
    """Shares of one symbol, valued at `mark`: the last sale, else the middle of bid and ask, else their cost.

    `cost` and `value` are dollars for all shares held; `unrealised` is value less cost, `realised` the
    profit of shares sold before, short and long term; `wash_disallowed` are losses not in it but in the cost. `day_profit` is what the shares held now gained in this session: those
    bought in it since they were bought, the others since the session's first mark that this process saw;
    sales of the day are not in it. It is null without a quote.
    """

    symbol: str
    quantity: Decimal
    reserved: Decimal
    cost: Decimal
    average_cost: Decimal | None
    mark: Decimal | None
    value: Decimal
    unrealised: Decimal
    realised: Decimal
    realised_short: Decimal
    realised_long: Decimal
    wash_disallowed: Decimal
    day_profit: Decimal | None
    quoted_at: datetime | None
    lots: list[LotRow]


class Portfolio(Struct, frozen=True, kw_only=True):
    """Everything in dollars. `value` is cash and shares; `total_profit` is realised and unrealised.

    `day_profit` is what the shares held now gained in this session: those bought in it since they were
    bought, the others since the session's first mark that this process saw (after a start in the middle
    of a session, the first quote it saw). What was sold today is not in it.
    """

    value: Decimal
    cash: Decimal
    held: Decimal
    invested: Decimal
    cost: Decimal
    day_profit: Decimal
    total_profit: Decimal
    unrealised: Decimal
    realised: Decimal
    positions: list[PositionView]
    log_position: int


@get("/portfolio", roles=CUSTOMER)
async def portfolio(request: Call, min_position: MinPosition = None) -> Portfolio:
    """Cash and positions, valued now."""
    balance, positions = await _consistent(request, min_position)
    row = balance.row
    if row is None:
        raise AccountMustExist(f"there is no account {request.account_id}")
    request.visit.stand_at(
        min(balance.log_position, positions.log_position), lag=max(balance.lag, positions.lag)
    )
    return _valued(row, _views(request, positions.rows))


@get("/portfolio/positions", roles=CUSTOMER)
async def positions(
    request: Call, limit: Limit = 500, cursor: Cursor = None, min_position: MinPosition = None
) -> Page[PositionView]:
    """Pages of the positions that are not flat, valued now, by symbol."""
    after = "" if cursor is None else place_in("positions", cursor)
    read = await request.read(POSITIONS_IN_ONE, min_position=min_position, account_id=request.account_id)
    request.answered_by(read)
    rows = [row for row in read.rows if row.quantity and row.symbol > after]
    found = page(rows[: limit + 1], limit=limit, kind="positions", position=lambda row: row.symbol)
    return Page(items=_views(request, found.items), next_cursor=found.next_cursor)


async def _consistent(call: Call, min_position: int | None) -> tuple[Read[CashInOne], Read[PositionInOne]]:
    """Cash and shares with the same trades in them: looked up again until each table has what the other has."""
    cash, shares = await call.read_several(CASH_AND_SHARES, min_position=min_position)
    for _ in range(TRIES):
        moved = max([row.log_position for read in (cash, shares) for row in read.rows], default=0)
        if min(cash.log_position, shares.log_position) >= moved:
            break
        cash, shares = await call.read_several(CASH_AND_SHARES, min_position=max(moved, min_position or 0))
    return cash, shares


def _views(call: Call, rows: Sequence[PositionInOne]) -> list[PositionView]:
    quote_of, marks = call.parts.quotes.get, call.visit.desk.marks
    began, firsts = marks.began(), marks.firsts()
    return [
        _view(row, quote_of(row.symbol), firsts.get(row.symbol) or marks.first(row.symbol), began)
        for row in rows
    ]


def _view(
    row: PositionInOne, quote: Quote | None, first: Decimal | None, began: datetime | None
) -> PositionView:
    now, quantity, cost = mark(quote), row.quantity, row.cost
    value = cost if now is None else rounded(quantity * now)
    return PositionView(
        symbol=row.symbol,
        quantity=quantity,
        reserved=row.reserved,
        cost=cost,
        average_cost=(cost / quantity).quantize(TICK) if quantity else None,
        mark=now,
        value=value,
        unrealised=value - cost,
        realised=row.realised,
        realised_short=row.realised_short,
        realised_long=row.realised_long,
        wash_disallowed=row.wash_disallowed,
        day_profit=None if now is None or first is None else _day_profit(row, now, first, began),
        quoted_at=None if quote is None else quote.at,
        lots=cast("list[LotRow]", row.lots),  # their JSON, which the answer takes over as it is
    )


def _day_profit(row: PositionInOne, now: Decimal, first: Decimal, began: datetime | None) -> Decimal:
    if began is None or row.updated_at <= began:  # nothing was bought since
        return rounded(row.quantity * (now - first))
    if not row.wash_disallowed and not [lot for lot in _whens(row.lots) if lot.acquired_at <= began]:
        return rounded(row.quantity * now - row.cost)  # everything was
    bought_now = [lot for lot in _lots(row.lots) if lot.acquired_at > began]
    quantity = sum((lot.quantity for lot in bought_now), NO_SHARES)
    cost = sum((lot.cost - lot.disallowed for lot in bought_now), NOTHING)
    return rounded((row.quantity - quantity) * (now - first) + quantity * now - cost)


def _valued(balance: CashInOne, views: list[PositionView]) -> Portfolio:
    invested = sum((view.value for view in views), NOTHING)
    unrealised = sum((view.unrealised for view in views), NOTHING)
    realised = sum((view.realised for view in views), NOTHING)
    return Portfolio(
        value=balance.cash + invested,
        cash=balance.cash,
        held=balance.held,
        invested=invested,
        cost=sum((view.cost for view in views), NOTHING),
        day_profit=sum((view.day_profit or NOTHING for view in views), NOTHING),
        total_profit=unrealised + realised,
        unrealised=unrealised,
        realised=realised,
        positions=[view for view in views if view.quantity],
        log_position=balance.log_position,
    )


ROUTES = [portfolio, positions]
