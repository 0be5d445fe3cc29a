"""A customer's orders: place, look, change, take back."""

from typing import Annotated
from uuid import UUID

from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta, Struct

from application.answers import Answer, OrderAnswer
from application.commands import CancelOrder, PlaceOrder, ReplaceOrder
from domain.errors import OrderMustExist
from domain.terms import LotChoice, LotMethod, OrderTerms, OrderType, Side, TimeInForce, checked_lots
from domain.values import Price
from domain.values import symbol as checked_symbol
from interfaces.http.call import Call
from interfaces.http.entrance import CUSTOMER
from interfaces.http.fields import (
    Amount,
    ClientOrderId,
    Cursor,
    Limit,
    MinPosition,
    kept_for_ever,
    number,
    optional_number,
    order_uuid,
)
from interfaces.http.ids import fresh_id
from interfaces.http.listing import unlisted
from interfaces.http.order_views import OrderView, OrderWithExecutions, order_view, with_executions
from interfaces.http.pages import Page, before, page
from interfaces.http.preferences import wait_for_fill
from interfaces.http.refusals import OrderWasRejected, RequestMustBeWellFormed
from projections.executions import EXECUTIONS_OF_ORDER
from projections.orders import ORDER, ORDERS_OF_ACCOUNT

OPEN = ["accepted", "partially_filled"]
CLOSED = ["filled", "cancelled", "expired", "rejected"]
AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})

StatusFilter = Annotated[
    str, QueryParameter(max_length=200, description="open, closed, all, or statuses separated by commas")
]
SymbolFilter = Annotated[str | None, QueryParameter(max_length=20)]


class NewLotChoice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many shares of a lot that a sale is to take."""

    lot_id: UUID
    quantity: Amount


class NewOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The order a customer gives. Quantities in shares, prices in dollars a share."""

    symbol: str
    side: Side
    type: OrderType
    quantity: Amount
    limit_price: Amount | None = None
    stop_price: Amount | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    client_order_id: ClientOrderId | None = None
    lot_method: LotMethod | None = None
    lots: Annotated[list[NewLotChoice], Meta(min_length=1, max_length=500)] | None = None


class OrderChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New terms of an open order; what is left out stays. The quantity is the order's total."""

    quantity: Amount | None = None
    limit_price: Amount | None = None
    stop_price: Amount | None = None


@post("/orders", status_code=201, roles=CUSTOMER)
async def place(request: Call, data: JSONBody[NewOrder]) -> OrderView:
    """Place an order. Honours `Idempotency-Key` and, while it may fill at once, `Prefer: wait=N`.

    An order that a rule refuses is kept as rejected: 422 with the rule's code, `order_id` and
    `log_position`. Nothing is kept of one that is refused as `symbol_must_be_listed` (422),
    `order_terms_must_fit_its_type` (422), `client_order_id_must_be_unique` (409) or `quotes_must_be_known` (503).
    """
    command = _command(request, data)
    answer = _order(await request.execute(command, body=data))
    if answer.reason is not None and answer.status == "rejected":
        raise OrderWasRejected(answer)
    if (data.type is OrderType.MARKET or data.time_in_force in AT_ONCE) and answer.ended_at is None:
        answer = await wait_for_fill(request, answer)
    return order_view(answer)


@get("/orders", roles=CUSTOMER)
async def orders(
    request: Call,
    status: StatusFilter = "all",
    symbol: SymbolFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    min_position: MinPosition = None,
) -> Page[OrderView]:
    """The customer's orders, newest first."""
    read = await request.read(
        ORDERS_OF_ACCOUNT,
        min_position=min_position,
        account_id=request.account_id,
        status=_statuses(status),
        symbol=None if symbol is None else checked_symbol(symbol),
        before=before("orders", cursor),
        limit=limit + 1,
    )
    request.answered_by(read)
    found = page(read.rows, limit=limit, kind="orders", position=lambda row: row.placed_position)
    return Page(items=[order_view(row) for row in found.items], next_cursor=found.next_cursor)


@get("/orders/{order_id:uuid}", roles=CUSTOMER)
async def order(
    request: Call, order_id: FromPath[UUID], min_position: MinPosition = None
) -> OrderWithExecutions:
    """One order with its executions. Refused: `order_must_exist` (404)."""
    account_id = request.account_id
    read = await request.read(ORDER, min_position=min_position, order_id=order_id, account_id=account_id)
    if read.row is None:
        raise OrderMustExist(f"there is no order {order_id}")
    # At least as far as the order's own row: its fills are then all there.
    executions = await request.read(
        EXECUTIONS_OF_ORDER, min_position=read.row.log_position, order_id=order_id, account_id=account_id
    )
    request.answered_by(read)
    return with_executions(read.row, executions.rows)


@patch("/orders/{order_id:uuid}", roles=CUSTOMER)
async def replace(request: Call, order_id: FromPath[UUID], data: JSONBody[OrderChange]) -> OrderView:
    """Change an open order's quantity or prices. Honours `Idempotency-Key`.

    Refused: `order_must_exist` (404), `order_must_be_open`, `stop_must_not_be_elected` (409),
    `replacement_must_change_something`, `quantity_must_exceed_filled`, `available_cash_must_cover_order` (422).
    """
    symbol, ask = None, None
    if data.stop_price is not None:  # what covers a stop buy rests on the ask
        symbol = (await request.parts.orders.now(order_id, request.account_id)).symbol
        ask = _ask(request, symbol)
    command = ReplaceOrder(
        account_id=request.account_id,
        order_id=order_id,
        symbol=symbol,
        quantity=optional_number(data.quantity),
        limit_price=optional_number(data.limit_price),
        stop_price=optional_number(data.stop_price),
        ask=ask,
    )
    return order_view(_order(await request.execute(command, body=data)))


@delete("/orders/{order_id:uuid}", status_code=200, roles=CUSTOMER)
async def cancel(request: Call, order_id: FromPath[UUID]) -> OrderView:
    """Take back what is left of an order; asking again changes nothing. Honours `Idempotency-Key`.

    Refused: `order_must_exist` (404), `order_must_be_open` (409).
    """
    command = CancelOrder(account_id=request.account_id, order_id=order_id)
    return order_view(_order(await request.execute(command)))


def _command(call: Call, data: NewOrder) -> PlaceOrder:
    symbol, named, account_id = checked_symbol(data.symbol), data.client_order_id, call.account_id
    if named is not None:
        kept_for_ever(named, name="client_order_id")
    return PlaceOrder(
        account_id=account_id,
        order_id=fresh_id() if named is None else order_uuid(account_id, named),
        symbol=symbol,
        side=data.side,
        type=data.type,
        quantity=number(data.quantity),
        time_in_force=data.time_in_force,
        limit_price=optional_number(data.limit_price),
        stop_price=optional_number(data.stop_price),
        client_order_id=named,
        lot_method=data.lot_method,
        lots=_lots(data),
        ask=_ask(call, symbol, needed=data.side is Side.BUY and not data.type.has_limit),
        is_new=named is None,
    )


def asked_for(data: NewOrder) -> OrderTerms:
    """The terms of the order that was given. Raises what they are refused as."""
    return OrderTerms.checked(
        symbol=checked_symbol(data.symbol),
        side=data.side,
        type=data.type,
        quantity=number(data.quantity),
        time_in_force=data.time_in_force,
        limit_price=optional_number(data.limit_price),
        stop_price=optional_number(data.stop_price),
        **checked_lots(data.lot_method, _lots(data)),
    )


def _lots(data: NewOrder) -> tuple[LotChoice, ...] | None:
    if data.lots is None:
        return None
    return tuple(LotChoice(lot_id=choice.lot_id, quantity=number(choice.quantity)) for choice in data.lots)


def _ask(call: Call, symbol: str, *, needed: bool = False) -> Price | None:
    """The current offer. Raises SymbolMustBeListed, or QuotesMustBeKnown when it is needed and may still come."""
    board = call.parts.quotes
    quote = board.get(symbol)
    if quote is not None:
        return quote.ask
    if needed or board.whole:
        raise unlisted(board, symbol)
    return None


def _order(answer: Answer) -> OrderAnswer:
    assert isinstance(answer, OrderAnswer)  # noqa: S101  what these commands are answered with
    return answer


def _statuses(text: str) -> list[str] | None:
    groups: dict[str, list[str]] = {"open": OPEN, "closed": CLOSED}
    if text == "all":
        return None
    wanted: list[str] = []
    for word in text.split(","):
        found = groups.get(word) or [status for status in OPEN + CLOSED if status == word]
        if not found:
            raise RequestMustBeWellFormed(
                f"{word!r} is not one of open, closed, all, {', '.join(OPEN + CLOSED)}", parameter="status"
            )
        wanted += found
    return wanted


ROUTES = [place, orders, order, replace, cancel]
