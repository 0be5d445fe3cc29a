"""The audit: every event and every deed, who looked at whom included; as pages, as a file, and by CAT's names."""

import re
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from litestar import get
from litestar.params import QueryParameter
from litestar.response import Stream

from domain.errors import InstantMustBeWellFormed
from domain.values import symbol as checked_symbol
from infrastructure.auditing.exporting import MEDIA_TYPES
from infrastructure.auditing.searching import NEWEST, AuditEntry, Place, Sought
from infrastructure.reading import in_a_thread
from interfaces.http.call import Call
from interfaces.http.entrance import STAFF
from interfaces.http.fields import LARGEST_POSITION, Cursor, Limit, MinPosition, printable
from interfaces.http.pages import Page, page, place_in
from interfaces.http.refusals import CursorMustBeFromAPage, RequestMustBeWellFormed
from interfaces.http.spans import day_of, since, until
from interfaces.http.visit import as_uuid

OfAccount: TypeAlias = Annotated[
    UUID | None, QueryParameter(description="Of or about this account, also where it was only looked at")
]
OfActor: TypeAlias = Annotated[
    str | None, QueryParameter(max_length=100, description="A user's id or a role's name")
]
OfOrder: TypeAlias = Annotated[UUID | None, QueryParameter()]
OfSymbol: TypeAlias = Annotated[str | None, QueryParameter(max_length=20)]
OfType: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        name="type", max_length=200, description="Such as `Order.Placed`, `PlaceOrder` or a route"
    ),
]
OfKind: TypeAlias = Annotated[
    Literal["event", "refused", "log_in", "log_in_refused", "log_out", "look_up", "export", "act"] | None,
    QueryParameter(),
]
OfCode: TypeAlias = Annotated[str | None, QueryParameter(max_length=100, description="A refusal's code")]
OnlyRefused: TypeAlias = Annotated[
    bool, QueryParameter(description="Only what was refused, rejected orders included")
]
WithText: TypeAlias = Annotated[
    str | None, QueryParameter(name="text", max_length=200, description="Found within the words")
]
Since: TypeAlias = Annotated[
    str | None,
    QueryParameter(name="from", max_length=64, description="A day (UTC) or a moment with its offset"),
]
Until: TypeAlias = Annotated[
    str | None,
    QueryParameter(name="to", max_length=64, description="A day, inclusive, or a moment, exclusive"),
]
_ROLE = re.compile(r"[a-z][a-z0-9_-]*")
FileFormat: TypeAlias = Annotated[Literal["csv", "jsonl", "parquet"], QueryParameter(name="format")]
OnDay: TypeAlias = Annotated[
    str, QueryParameter(name="date", max_length=10, description="A day in New York, such as 2026-03-31")
]


@get("/compliance/audit", roles=STAFF)
async def audit(  # noqa: PLR0913, PLR0917  each is a filter or the page
    request: Call,
    account_id: OfAccount = None,
    actor: OfActor = None,
    order_id: OfOrder = None,
    symbol: OfSymbol = None,
    type_: OfType = None,
    kind: OfKind = None,
    code: OfCode = None,
    refused: OnlyRefused = False,
    text: WithText = None,
    from_: Since = None,
    to: Until = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    min_position: MinPosition = None,
) -> Page[AuditEntry]:
    """Every event and every deed, newest first, with who did it, from where and why; what is asked for, or all.

    Refused: `account_must_exist` (404), `instant_must_be_well_formed`, `symbol_must_be_well_formed`, `cursor_must_be_from_a_page`,
    `search_must_be_narrower` (422).
    """
    sought = _sought(account_id, actor, order_id, symbol, type_, kind, code, refused, text, from_, to)
    place = after_cursor(cursor)
    request.answered_by(await request.parts.reads.standing("audit", min_position=min_position))
    desk = request.parts.audit
    found = await in_a_thread(partial(desk.search, sought, limit=limit + 1, before=place))
    if account_id is not None and not found:
        await request.parts.reads.require_account(account_id)
    return page(found, limit=limit, kind="audit", position=place_of)


@get("/compliance/audit/export", roles=STAFF)
async def export(  # noqa: PLR0913, PLR0917  each is a filter or the form of the file
    request: Call,
    format_: FileFormat,
    account_id: OfAccount = None,
    actor: OfActor = None,
    order_id: OfOrder = None,
    symbol: OfSymbol = None,
    type_: OfType = None,
    kind: OfKind = None,
    code: OfCode = None,
    refused: OnlyRefused = False,
    text: WithText = None,
    from_: Since = None,
    to: Until = None,
    min_position: MinPosition = None,
) -> Stream:
    """The same as a file of all that is found: CSV, JSON lines or Parquet.

    Refused: `instant_must_be_well_formed`, `symbol_must_be_well_formed` (422), `exports_must_be_few` (503).
    """
    sought = _sought(account_id, actor, order_id, symbol, type_, kind, code, refused, text, from_, to)
    request.answered_by(await request.parts.reads.standing("audit", min_position=min_position))
    parts = await request.parts.exports.stream(partial(request.parts.audit.export, format_, sought))
    return _file(parts, f"daybook-audit.{format_}", MEDIA_TYPES[format_])


@get("/compliance/cat", roles=STAFF)
async def cat(request: Call, date_: OnDay) -> Stream:
    """A day's order events by the names and fields of the Consolidated Audit Trail 4.1.0, as lines of JSON.

    Refused: `instant_must_be_well_formed` (422), `exports_must_be_few` (503).
    """
    day = day_of(date_).date()
    parts = await request.parts.exports.stream(partial(request.parts.audit.cat, day))
    return _file(parts, f"daybook-cat-{day}.jsonl", MEDIA_TYPES["jsonl"])


def _file(parts: AsyncIterator[bytes], name: str, media_type: str) -> Stream:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Stream(parts, media_type=media_type, headers=headers)


def _sought(  # noqa: PLR0913, PLR0917  the parameters of a search
    account_id: UUID | None,
    actor: str | None,
    order_id: UUID | None,
    symbol: str | None,
    type_: str | None,
    kind: str | None,
    code: str | None,
    refused: bool,
    text: str | None,
    from_: str | None,
    to: str | None,
) -> Sought:
    begin, end = span_of(from_, to)
    return Sought(
        account_id=account_id,
        actor=actor_of(actor),
        order_id=order_id,
        symbol=None if symbol is None else checked_symbol(symbol),
        type=_printable(type_, "type"),
        kind=kind,
        code=_printable(code, "code"),
        is_refused=refused,
        text=_printable(text, "text"),
        since=begin,
        until=end,
    )


def _printable(text: str | None, name: str) -> str | None:
    return None if text is None else printable(text, name=name)


def span_of(from_: str | None, to: str | None) -> tuple[datetime | None, datetime | None]:
    """The moments that bound a search. Raises InstantMustBeWellFormed, also when there is no time between them."""
    begin = None if from_ is None else since(from_)
    end = None if to is None else until(to)
    if begin is not None and end is not None and end <= begin:
        raise InstantMustBeWellFormed(f"there is no time from {from_!r} to {to!r}")
    return begin, end


def actor_of(text: str | None) -> str | None:
    """Whom an actor's name means; an id in capitals is the same id. Raises RequestMustBeWellFormed."""
    if text is None:
        return None
    known = as_uuid(text.lower().encode())
    if known is None and not _ROLE.fullmatch(text):
        raise RequestMustBeWellFormed(
            "actor is a user's id, a role's name, operator or visitor", parameter="actor"
        )
    return text if known is None else str(known)


def place_of(entry: AuditEntry) -> str:
    """Where an entry stands, as a cursor holds it."""
    return f"{entry.log_position}.{entry.number}"


def after_cursor(cursor: str | None) -> Place:
    """The place that the page comes after. Raises CursorMustBeFromAPage."""
    if cursor is None:
        return NEWEST
    position, _, number = place_in("audit", cursor).partition(".")
    if not all(text.isdigit() and len(text) <= 19 for text in (position, number or "0")):
        raise CursorMustBeFromAPage("the cursor is not one of audit")
    return min(int(position), LARGEST_POSITION), min(int(number or "0"), LARGEST_POSITION)


ROUTES = [audit, export, cat]
