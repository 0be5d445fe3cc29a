"""What those who examine Daybook ask: who did what, and how an account stood."""

from functools import partial
from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.params import FromPath, QueryParameter

from application.changes import AccountDifference
from application.history import AccountAsOf
from application.walking import OrderWalk
from infrastructure.reading import in_a_thread
from infrastructure.sealing.desk import SealView, SealWithLeaves
from infrastructure.sealing.proofs import InclusionProof
from interfaces.http.call import Call
from interfaces.http.entrance import STAFF
from interfaces.http.fields import (
    LARGEST_POSITION,
    Cursor,
    Limit,
    LogPosition,
    MinPosition,
    printable,
)
from interfaces.http.moments import (
    At,
    EffectiveAt,
    Explain,
    FromMoment,
    KnownAt,
    ToMoment,
    account_at,
    moment_of,
    position_or_instant,
)
from interfaces.http.pages import Page, before, page
from projections.audit import AUDIT, AuditRow

AccountFilter = Annotated[UUID | None, QueryParameter()]
SealNumber = Annotated[int | None, QueryParameter(ge=1, le=LARGEST_POSITION)]
ActorFilter = Annotated[
    str | None, QueryParameter(max_length=100, description="A user's id or a role's name")
]


@get("/compliance/audit", roles=STAFF)
async def audit(
    request: Call,
    account_id: AccountFilter = None,
    actor: ActorFilter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    min_position: MinPosition = None,
) -> Page[AuditRow]:
    """Every event, newest first, with who did it and why; of one account or actor, or of all.

    Refused: `account_must_exist` (404), `cursor_must_be_from_a_page` (422).
    """
    read = await request.read_of(
        account_id,
        AUDIT,
        min_position=min_position,
        actor=None if actor is None else printable(actor, name="actor"),
        before=before("audit", cursor),
        limit=limit + 1,
    )
    request.answered_by(read)
    return page(read.rows, limit=limit, kind="audit", position=lambda row: row.log_position)


@get("/compliance/accounts/{account_id:uuid}/as-of", roles=STAFF)
async def as_of(
    request: Call,
    account_id: FromPath[UUID],
    at: At = None,
    log_position: LogPosition = None,
    known_at: KnownAt = None,
    effective_at: EffectiveAt = None,
    explain: Explain = False,
    min_position: MinPosition = None,
) -> AccountAsOf:
    """Any account as it stood at a moment or at a log position, inclusive, or effective at one moment as known at another.

    Refused: `account_must_exist`, `moment_must_be_within_the_accounts_life` (404),
    `instant_must_be_well_formed` (422).
    """
    moment = moment_of(at=at, log_position=log_position, known_at=known_at, effective_at=effective_at)
    return await account_at(request, account_id, moment, explain=explain, min_position=min_position)


@get("/compliance/accounts/{account_id:uuid}/difference", roles=STAFF)
async def difference(
    request: Call, account_id: FromPath[UUID], from_: FromMoment, to: ToMoment
) -> AccountDifference:
    """What changed in an account from one moment or log position to another, field by field, and by which events.

    Refused: `account_must_exist`, `moment_must_be_within_the_accounts_life` (404),
    `instant_must_be_well_formed` (422).
    """
    moments = position_or_instant(from_), position_or_instant(to)
    return await in_a_thread(request.parts.history.difference, account_id, *moments)


@get("/compliance/orders/{order_id:uuid}/walk", roles=STAFF)
async def walk(request: Call, order_id: FromPath[UUID]) -> OrderWalk:
    """One order's life, fact by fact, with the account before and after each. Refused: `order_must_exist` (404)."""
    return await in_a_thread(request.parts.history.walk, order_id)


@get("/compliance/seals", roles=STAFF)
async def seals(request: Call, limit: Limit = 50, cursor: Cursor = None) -> Page[SealView]:
    """The seals of the log, newest first.

    Refused: `cursor_must_be_from_a_page` (422).
    """
    desk = request.parts.seals.desk
    found = await request.parts.seals.ask(desk.page, before("seals", cursor), limit + 1)
    return page(found, limit=limit, kind="seals", position=lambda seal: seal.number)


@get("/compliance/seals/{number:int}", roles=STAFF)
async def seal(request: Call, number: FromPath[int]) -> SealWithLeaves:
    """One seal, with the leaf hashes of the events that are new in it. Refused: `seal_must_exist` (404)."""
    return await request.parts.seals.ask(request.parts.seals.desk.seal, number)


@get("/compliance/events/{log_position:int}/proof", roles=STAFF)
async def proof(request: Call, log_position: FromPath[int], seal: SealNumber = None) -> InclusionProof:
    """The proof that an event is in the sealed log, by the first seal that has it or by a later one.

    Refused: `event_must_exist`, `seal_must_exist` (404), `event_must_be_sealed`, `event_must_be_as_sealed` (409).
    """
    desk = request.parts.seals.desk
    return await request.parts.seals.ask(partial(desk.prove_for_others, number=seal), log_position)


ROUTES = [audit, as_of, difference, walk, seals, seal, proof]
