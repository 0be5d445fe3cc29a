"""Dividends and splits: staff announce them, everybody sees them, and customers see what they are paid."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta, Struct

from application.answers import ActionAnswer, Answer
from application.corporate import AnnounceDividend, AnnounceSplit, CancelAction
from domain.corporate_action import FIRM, LARGEST_RATIO, ActionKind
from domain.corporate_action import action_id as id_of
from domain.errors import CorporateActionMustExist
from domain.values import symbol as checked_symbol
from interfaces.http.call import Call
from interfaces.http.entrance import ADMIN, CUSTOMER, LOGGED_IN
from interfaces.http.fields import (
    Amount,
    Cursor,
    Limit,
    MinPosition,
    Reason,
    kept_for_ever,
    number,
    optional_number,
    printable,
)
from interfaces.http.pages import Page, before, page
from projections.corporate_actions import CORPORATE_ACTION, CORPORATE_ACTIONS, ActionRow
from projections.dividends import DIVIDENDS_OF_ACCOUNT, DividendRow

Part = Annotated[int, Meta(ge=1, le=LARGEST_RATIO)]
Status = Literal["announced", "begun", "entitled", "completed", "cancelled"]
StatusFilter = Annotated[Status | None, QueryParameter(description="Only those that stand there")]
SymbolFilter = Annotated[str | None, QueryParameter(max_length=16, description="Only those of this symbol")]


class NewDividend(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dividend in cash: `rate` dollars a share. The record date is the ex-date unless told otherwise."""

    symbol: str
    rate: Amount
    ex_date: date
    pay_date: date
    record_date: date | None = None


class NewSplit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`numerator` new shares for `denominator` old ones, from the ex-date on.

    `cash_in_lieu` is what is paid for a whole new share where only a fraction is left; null keeps fractions.
    """

    symbol: str
    numerator: Part
    denominator: Part
    ex_date: date
    cash_in_lieu: Amount | None = None


class WhyNot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it will not happen."""

    reason: Reason


@post("/corporate-actions/dividends", status_code=201, roles=ADMIN)
async def announce_dividend(request: Call, data: JSONBody[NewDividend]) -> ActionAnswer:
    """Announce a dividend; announced again with the same terms it is the same. Honours `Idempotency-Key`.

    Refused: `corporate_action_must_be_new` (409), `corporate_action_must_be_well_formed`,
    `symbol_must_be_well_formed` (422).
    """
    symbol = checked_symbol(data.symbol)
    command = AnnounceDividend(
        action_id=id_of(ActionKind.DIVIDEND, symbol, data.ex_date),
        symbol=symbol,
        rate=number(data.rate),
        ex_date=data.ex_date,
        record_date=data.record_date or data.ex_date,
        pay_date=data.pay_date,
    )
    return _action(await request.execute(command, body=data))


@post("/corporate-actions/splits", status_code=201, roles=ADMIN)
async def announce_split(request: Call, data: JSONBody[NewSplit]) -> ActionAnswer:
    """Announce a split; announced again with the same terms it is the same. Honours `Idempotency-Key`.

    Refused: `corporate_action_must_be_new`, `ex_date_must_not_have_passed` (409),
    `corporate_action_must_be_well_formed`, `symbol_must_be_well_formed`,
    `price_must_have_at_most_four_places` (422).
    """
    symbol = checked_symbol(data.symbol)
    command = AnnounceSplit(
        action_id=id_of(ActionKind.SPLIT, symbol, data.ex_date),
        symbol=symbol,
        numerator=data.numerator,
        denominator=data.denominator,
        ex_date=data.ex_date,
        cash_in_lieu=optional_number(data.cash_in_lieu),
        today=request.parts.today(),
    )
    return _action(await request.execute(command, body=data))


@post("/corporate-actions/{action_id:uuid}/cancel", status_code=200, roles=ADMIN)
async def cancel(request: Call, action_id: FromPath[UUID], data: JSONBody[WhyNot]) -> ActionAnswer:
    """Take an announcement back, before its ex-date. Asking again changes nothing.

    Refused: `corporate_action_must_exist` (404), `corporate_action_must_not_have_begun` (409).
    """
    command = CancelAction(
        action_id=action_id, reason=kept_for_ever(printable(data.reason, name="reason"), name="reason")
    )
    return _action(await request.execute(command, keyed=False))


@get("/corporate-actions", roles=LOGGED_IN)
async def corporate_actions(
    request: Call,
    symbol: SymbolFilter = None,
    status: StatusFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    min_position: MinPosition = None,
) -> Page[ActionRow]:
    """Dividends and splits, the last announced first.

    Refused: `symbol_must_be_well_formed`, `cursor_must_be_from_a_page` (422).
    """
    read = await request.read(
        CORPORATE_ACTIONS,
        min_position=_at_least(request, min_position),
        own=False,
        symbol=None if symbol is None else checked_symbol(symbol),
        status=None if status is None else [status],
        before=before("actions", cursor),
        limit=limit + 1,
    )
    request.answered_by(read)
    return page(read.rows, limit=limit, kind="actions", position=lambda row: row.announced_position)


@get("/corporate-actions/{action_id:uuid}", roles=LOGGED_IN)
async def corporate_action(
    request: Call, action_id: FromPath[UUID], min_position: MinPosition = None
) -> ActionRow:
    """One dividend or split. Refused: `corporate_action_must_exist` (404)."""
    read = await request.read(
        CORPORATE_ACTION, min_position=_at_least(request, min_position), own=False, action_id=action_id
    )
    request.answered_by(read)
    if read.row is None:
        raise CorporateActionMustExist(f"there is no corporate action {action_id}")
    return read.row


@get("/dividends", roles=CUSTOMER)
async def dividends(
    request: Call,
    symbol: SymbolFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    min_position: MinPosition = None,
) -> Page[DividendRow]:
    """What the caller has been paid in dividends, or will be, the last ex-date first.

    Refused: `symbol_must_be_well_formed`, `cursor_must_be_from_a_page` (422).
    """
    read = await request.read(
        DIVIDENDS_OF_ACCOUNT,
        min_position=min_position,
        account_id=request.account_id,
        symbol=None if symbol is None else checked_symbol(symbol),
        before=before("dividends", cursor),
        limit=limit + 1,
    )
    request.answered_by(read)
    return page(read.rows, limit=limit, kind="dividends", position=lambda row: row.entitled_position)


def _at_least(call: Call, min_position: int | None) -> int | None:
    """What was announced through this process can be read back at once."""
    announced = call.visit.desk.writes.position(FIRM)
    return max(filter(None, (min_position, announced)), default=None)


def _action(answer: Answer) -> ActionAnswer:
    assert isinstance(answer, ActionAnswer)  # noqa: S101  what these commands are answered with
    return answer


ROUTES = [announce_dividend, announce_split, cancel, corporate_actions, corporate_action, dividends]
