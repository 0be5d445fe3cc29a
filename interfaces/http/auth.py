"""Registering, logging in and out."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import post
from litestar.params import JSONBody
from msgspec import Meta, Struct

from application.commands import OpenAccount
from application.errors import Unavailable
from application.requests import Request
from infrastructure.credentials import CredentialsMustBeRight
from infrastructure.people import Login, User
from interfaces.http.call import Call
from interfaces.http.entrance import LOGGED_IN, OPEN


class Registration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who wants an account. The password has 10 to 256 characters."""

    email: Annotated[str, Meta(max_length=400)]
    password: Annotated[str, Meta(max_length=4096)]
    full_name: Annotated[str, Meta(max_length=1000)]


class Credentials(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody logs in with."""

    email: Annotated[str, Meta(max_length=400)]
    password: Annotated[str, Meta(max_length=4096)]


class Registered(Struct, frozen=True, kw_only=True):
    """The new user and the account that was opened for them."""

    user_id: UUID
    account_id: UUID | None


class UserView(Struct, frozen=True, kw_only=True):
    """A user, as shown to that user."""

    user_id: UUID
    account_id: UUID | None
    email: str
    full_name: str
    role: str


class AccessToken(Struct, frozen=True, kw_only=True):
    """An open login. Send the token as `Authorization: Bearer …`."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105  the name of the scheme
    expires_at: datetime
    user: UserView


@post("/auth/register", status_code=201, roles=OPEN)
async def register(request: Call, data: JSONBody[Registration]) -> Registered:
    """Register a customer and open the account.

    Refused: `email_must_not_be_taken` (409), `email_must_be_well_formed`, `password_must_be_long_enough`,
    `full_name_must_be_well_formed` (422).
    """
    user = await request.parts.people.register(data.email, data.password, data.full_name)
    try:
        await _open_account(request, user)
    except Unavailable:
        # The user is there, and asking again would find the address taken: the first login opens the account.
        request.visit.say(b"daybook-account", "opens with the first login")
    return Registered(user_id=user.user_id, account_id=user.account_id)


@post("/auth/login", status_code=200, roles=OPEN)
async def log_in(request: Call, data: JSONBody[Credentials]) -> AccessToken:
    """Log in. Refused: `credentials_must_be_right` (401)."""
    token, expires_at, user = await _opened(request, data)
    request.visit.note().logged_in = Login(
        user_id=user.user_id, account_id=user.account_id, role=user.role, expires_at=expires_at
    )
    # Opening again changes nothing; after a crash between user and account it makes up for it.
    await _open_account(request, user)
    view = UserView(
        user_id=user.user_id,
        account_id=user.account_id,
        email=user.email,
        full_name=user.full_name,
        role=user.role,
    )
    return AccessToken(access_token=token, expires_at=expires_at, user=view)


@post("/auth/logout", status_code=204, roles=LOGGED_IN)
async def log_out(request: Call) -> None:
    """End the login whose token this request carries."""
    await request.parts.people.log_out(request.token)
    request.visit.note().has_logged_out = True


async def _opened(call: Call, data: Credentials) -> tuple[str, datetime, User]:
    """A new login. Whose address was tried in vain is noted by its ids."""
    try:
        return await call.parts.people.log_in(data.email, data.password)
    except CredentialsMustBeRight as refusal:
        if refusal.tried is not None:
            noted = call.visit.note()
            noted.tried_user_id, noted.tried_account_id = refusal.tried
        raise


async def _open_account(call: Call, user: User) -> None:
    if user.account_id is None:
        return
    command = OpenAccount(account_id=user.account_id, owner_id=user.user_id)
    metadata = await call.metadata_for(user.user_id, user.role)
    answer = await call.parts.commands.execute(Request(command=command, metadata=metadata))
    call.visit.desk.writes.note(user.account_id, answer.log_position)
    call.visit.stand_at(answer.log_position)


ROUTES = [register, log_in]
ROUTES_WITH_LOGIN = [log_out]
