"""A customer's account over time: what happened, and how it stood at any moment."""

from litestar import get

from application.history import AccountAsOf
from interfaces.http.call import Call
from interfaces.http.entrance import CUSTOMER
from interfaces.http.fields import Cursor, Limit, LogPosition, MinPosition
from interfaces.http.moments import At, EffectiveAt, Explain, KnownAt, account_at, moment_of
from interfaces.http.pages import Page
from interfaces.http.wallet import activity_page
from projections.activity import ActivityRow


@get("/account/activity", roles=CUSTOMER)
async def activity(
    request: Call, limit: Limit = 50, cursor: Cursor = None, min_position: MinPosition = None
) -> Page[ActivityRow]:
    """Everything that happened in the account, newest first."""
    return await activity_page(request, types=None, limit=limit, cursor=cursor, min_position=min_position)


@get("/account/as-of", roles=CUSTOMER)
async def as_of(
    request: Call,
    at: At = None,
    log_position: LogPosition = None,
    known_at: KnownAt = None,
    effective_at: EffectiveAt = None,
    explain: Explain = False,
    min_position: MinPosition = None,
) -> AccountAsOf:
    """The account as it stood at a moment or at a log position, inclusive, or effective at one moment as known at another.

    Refused: `instant_must_be_well_formed` (422), `moment_must_be_within_the_accounts_life` (404).
    """
    moment = moment_of(at=at, log_position=log_position, known_at=known_at, effective_at=effective_at)
    return await account_at(request, request.account_id, moment, explain=explain, min_position=min_position)


ROUTES = [activity, as_of]
