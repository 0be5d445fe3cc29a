"""A customer's account over time: what happened, and how it stood at any moment."""

from typing import Annotated

from litestar import get
from litestar.params import QueryParameter

from application.history import AccountAsOf
from interfaces.http.call import Call
from interfaces.http.entrance import CUSTOMER
from interfaces.http.fields import Cursor, Limit, LogPosition, MinPosition, exactly_one
from interfaces.http.pages import Page
from interfaces.http.wallet import activity_page
from projections.activity import ActivityRow

At = Annotated[str | None, QueryParameter(max_length=64, description="A moment with its offset from UTC")]


@get("/account/activity", roles=CUSTOMER)
async def activity(
    request: Call, limit: Limit = 50, cursor: Cursor = None, min_position: MinPosition = None
) -> Page[ActivityRow]:
    """Everything that happened in the account, newest first."""
    return await activity_page(request, types=None, limit=limit, cursor=cursor, min_position=min_position)


@get("/account/as-of", roles=CUSTOMER)
async def as_of(
    request: Call, at: At = None, log_position: LogPosition = None, min_position: MinPosition = None
) -> AccountAsOf:
    """The account as it stood at a moment or at a log position, inclusive; exactly one of them.

    Refused: `instant_must_be_well_formed` (422), `moment_must_be_within_the_accounts_life` (404).
    """
    moment, position = exactly_one(at, log_position)
    found = await request.parts.history.as_of(
        request.account_id, log_position=position, at=moment, min_position=min_position
    )
    request.visit.stand_at(found.log_position)
    return found


ROUTES = [activity, as_of]
