"""What those who examine Daybook ask of the whole firm: who holds most of a symbol, what an actor did."""

from decimal import Decimal, InvalidOperation
from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.params import FromPath, QueryParameter
from msgspec import Struct

from domain.values import MICROSHARE
from domain.values import symbol as checked_symbol
from interfaces.http.call import Call
from interfaces.http.entrance import STAFF
from interfaces.http.fields import Cursor, Limit, MinPosition, printable
from interfaces.http.pages import Page, before, page, place_in
from interfaces.http.refusals import CursorMustBeFromAPage, RequestMustBeWellFormed
from interfaces.http.spans import From, To, since, until
from projections.actors import DEEDS_OF_ACTOR, Deeds
from projections.audit import AUDIT_OF_ACTOR, AuditRow
from projections.holders import HOLDERS_OF_SYMBOL, TopHolder

TopicFilter = Annotated[
    str | None, QueryParameter(max_length=100, description="An event's name such as `Order.Placed`")
]
NOBODY = UUID(int=0)
ANY_QUANTITY = Decimal(10) ** 18


class HolderView(Struct, frozen=True, kw_only=True):
    """An account's shares of the symbol and their cost in dollars; `share` is its part of all the firm's accounts'."""

    account_id: UUID
    quantity: Decimal
    cost: Decimal
    share: Decimal
    log_position: int


class HoldersOfSymbol(Struct, frozen=True, kw_only=True):
    """Who holds most of a symbol, the largest first. `firm_quantity` is what all accounts hold together."""

    symbol: str
    firm_quantity: Decimal
    items: list[HolderView]
    next_cursor: str | None


@get("/compliance/holdings/{symbol:str}", roles=STAFF)
async def holders(
    request: Call,
    symbol: FromPath[str],
    limit: Limit = 50,
    cursor: Cursor = None,
    min_position: MinPosition = None,
) -> HoldersOfSymbol:
    """The accounts that hold a symbol, the largest first; who trades between two pages may be met twice or never.

    Refused: `symbol_must_be_well_formed`, `cursor_must_be_from_a_page` (422).
    """
    wanted = checked_symbol(symbol)
    kind = f"holders-{wanted}"
    quantity, account_id = _holder_before(kind, cursor)
    read = await request.read(
        HOLDERS_OF_SYMBOL,
        min_position=min_position,
        own=False,
        symbol=wanted,
        quantity=quantity,
        account_id=account_id,
        limit=limit + 1,
    )
    request.answered_by(read)
    found = page(read.rows, limit=limit, kind=kind, position=lambda row: f"{row.quantity}/{row.account_id}")
    return HoldersOfSymbol(
        items=[_view(row) for row in found.items],
        next_cursor=found.next_cursor,
        symbol=wanted,
        firm_quantity=read.rows[0].firm_quantity if read.rows else MICROSHARE * 0,
    )


@get("/compliance/actors/{actor:str}", roles=STAFF)
async def deeds(
    request: Call,
    actor: FromPath[str],
    limit: Limit = 50,
    cursor: Cursor = None,
    min_position: MinPosition = None,
) -> Page[Deeds]:
    """What an actor (a user's id, or a role's name) did: by account and kind of event, how often, first and last.

    Refused: `cursor_must_be_from_a_page` (422).
    """
    who = _actor(actor)
    role, account_id, topic = _deeds_before(cursor)
    read = await request.read(
        DEEDS_OF_ACTOR,
        min_position=min_position,
        own=False,
        actor=who,
        role=role,
        account_id=account_id,
        topic=topic,
        limit=limit + 1,
    )
    request.answered_by(read)
    return page(
        read.rows, limit=limit, kind="deeds", position=lambda row: f"{row.role}/{row.account_id}/{row.topic}"
    )


@get("/compliance/actors/{actor:str}/audit", roles=STAFF)
async def audit_of_actor(
    request: Call,
    actor: FromPath[str],
    topic: TopicFilter = None,
    from_: From = None,
    to: To = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    min_position: MinPosition = None,
) -> Page[AuditRow]:
    """Every event that an actor caused, newest first; of one kind, of a span of time, or all.

    Refused: `instant_must_be_well_formed`, `cursor_must_be_from_a_page` (422).
    """
    read = await request.read(
        AUDIT_OF_ACTOR,
        min_position=min_position,
        own=False,
        actor=_actor(actor),
        topic=None if topic is None else printable(topic, name="topic"),
        since=since(from_),
        until=until(to),
        before=before("actor", cursor),
        limit=limit + 1,
    )
    request.answered_by(read)
    return page(read.rows, limit=limit, kind="actor", position=lambda row: row.log_position)


def _actor(text: str) -> str:
    if len(text) > 100:
        raise RequestMustBeWellFormed("an actor has at most 100 characters", parameter="actor")
    return printable(text, name="actor")


def _view(row: TopHolder) -> HolderView:
    return HolderView(
        account_id=row.account_id,
        quantity=row.quantity,
        cost=row.cost,
        share=(row.quantity / row.firm_quantity).quantize(MICROSHARE),
        log_position=row.log_position,
    )


def _holder_before(kind: str, cursor: str | None) -> tuple[Decimal, UUID]:
    if cursor is None:
        return ANY_QUANTITY, NOBODY
    quantity, _, account_id = place_in(kind, cursor).partition("/")
    try:
        found = Decimal(quantity), UUID(account_id)
    except (InvalidOperation, ValueError):
        raise CursorMustBeFromAPage("the cursor is not one of holders") from None
    if not found[0].is_finite():
        raise CursorMustBeFromAPage("the cursor is not one of holders")
    return found


def _deeds_before(cursor: str | None) -> tuple[str, UUID, str]:
    if cursor is None:
        return "", NOBODY, ""
    role, _, rest = place_in("deeds", cursor).partition("/")
    account_id, _, topic = rest.partition("/")
    try:
        return printable(role, name="role"), UUID(account_id), printable(topic, name="topic")
    except (ValueError, RequestMustBeWellFormed):
        raise CursorMustBeFromAPage("the cursor is not one of deeds") from None


ROUTES = [holders, deeds, audit_of_actor]
