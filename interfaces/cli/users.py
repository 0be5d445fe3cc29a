"""`daybook users`: add people who may log in, and see who they are."""

import asyncio
import getpass
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Literal
from uuid import UUID, uuid4

import msgspec
from cyclopts import App, Parameter

from application.commands import OpenAccount
from application.expected import TellTheOperator
from application.requests import Metadata, Request
from domain.errors import Refusal
from infrastructure.clocks import StampingClock
from infrastructure.eventstore.committer import Committer
from infrastructure.four_eyes import people_of
from infrastructure.people import People, Role, User
from infrastructure.postgres.connections import async_pool
from infrastructure.privacy.master import MasterKeys
from infrastructure.settings import Settings
from infrastructure.wiring.urls import urls_of
from interfaces.cli.flags import GeneralFlags, settings_from
from interfaces.operating import shown

app = App(name="users", help="People who may log in.")

NOBODY, REFUSED = 1, 2

Flag = Annotated[bool, Parameter(negative="")]

_HERE = GeneralFlags()


class PasswordMustBeGiven(TellTheOperator):
    """There is no password, and no terminal to ask for one."""


@app.command
def create(
    *,
    email: str,
    full_name: str,
    role: Literal["customer", "compliance", "admin"] = "customer",
    password: str | None = None,
    general: GeneralFlags = _HERE,
) -> int:
    """Add a user; a customer gets an open account.

    Parameters
    ----------
    email
        The address to log in with.
    full_name
        The person's name.
    role
        What the person may do.
    password
        10 to 256 characters. Asked for on the terminal when left out, which keeps it out of the shell's history.
    """

    def work() -> int:
        secret = password if password is not None else asked_password()
        settings = _with_servers(general)
        user = create_user(settings, email=email, full_name=full_name, role=role, password=secret)
        account = "" if user.account_id is None else f" with account {user.account_id}"
        print(f"Created {user.role} {user.email}: user {user.user_id}{account}.")
        return 0

    return _outcome(work)


@app.command(name="list")
def list_users(*, general: GeneralFlags = _HERE) -> int:
    """Show everybody who may log in, oldest first."""

    def work() -> int:
        for user in asyncio.run(_all(_with_servers(general))):
            print(_line(user))
        return 0

    return _outcome(work)


@app.command
def find(who: str, *, json: Flag = False, general: GeneralFlags = _HERE) -> int:
    """Show whoever has WHO as e-mail address, as user's or account's id, or in the name: user, role, account.

    Exit code 0; 1 when there is nobody.

    Parameters
    ----------
    who
        An e-mail address, the id of a user or of an account, or a part of a name.
    json
        Say each as a line of JSON.
    """

    def work() -> int:
        settings = _with_servers(general)
        found = asyncio.run(_found(settings, who.strip()))
        shown(
            settings, "users find", [one for user in found for one in (user.user_id, user.account_id) if one]
        )
        for user in found:
            print(msgspec.json.encode(user).decode() if json else _line(user))
        if not found:
            print("daybook: there is nobody with that address, id or name", file=sys.stderr)
        return 0 if found else NOBODY

    return _outcome(work)


def _line(user: User) -> str:
    account = user.account_id or "-"
    return f"{user.user_id}  {user.role:<10}  {account!s:<36}  {user.email}  {user.full_name}"


def create_user(settings: Settings, *, email: str, full_name: str, role: Role, password: str) -> User:
    """Add a user, and open the account of a customer. Raises what `People.register` refuses."""
    return asyncio.run(_create(settings, email=email, full_name=full_name, role=role, password=password))


async def _create(settings: Settings, *, email: str, full_name: str, role: Role, password: str) -> User:
    async with _people(settings) as people:
        user = await people.register(email, password, full_name, role)
        if user.account_id is not None:
            await asyncio.to_thread(_open_account, settings, user)
    return user


def _open_account(settings: Settings, user: User) -> None:
    assert user.account_id is not None, "a customer has an account"  # noqa: S101
    database_url, redis_url = urls_of(settings)
    clock = StampingClock(settings, redis_url)
    committer = Committer(database_url, clock=clock).start()
    command = OpenAccount(account_id=user.account_id, owner_id=user.user_id)
    by = Metadata(actor=str(user.user_id), role=user.role, request_id=uuid4())
    try:
        committer.submit(Request(command=command, metadata=by)).result()
    finally:
        committer.stop()
        clock.close()


async def _all(settings: Settings) -> list[User]:
    async with _people(settings) as people:
        return await people.users()


async def _found(settings: Settings, who: str) -> list[User]:
    async with _people(settings) as people:
        if "@" in who:
            user = await people.with_address(who)
            return [] if user is None else [user]
        return [user for user in await people.users() if _is_meant(user, who)]


def _is_meant(user: User, who: str) -> bool:
    """Whether an id is this user's or this account's, or a text is part of this name."""
    try:
        return UUID(who) in (user.user_id, user.account_id)
    except ValueError:
        return bool(who) and who.casefold() in user.full_name.casefold()


@asynccontextmanager
async def _people(settings: Settings) -> AsyncIterator[People]:
    """People alone: neither Redis nor the market is needed to see or add them."""
    masters = MasterKeys.of(settings)
    async with async_pool(urls_of(settings)[0], application="daybook users", size=1) as pool:
        people = people_of(settings, pool, masters)
        try:
            await people.require_right_master()
            yield people
        finally:
            people.close()


def asked_password() -> str:
    """What is typed on the terminal. Raises PasswordMustBeGiven without one."""
    if not sys.stdin.isatty():
        raise PasswordMustBeGiven("give --password, or run this on a terminal")
    return getpass.getpass("Password: ")


def _with_servers(general: GeneralFlags) -> Settings:
    from interfaces.roles.running import with_servers

    return with_servers(settings_from(general))


def _outcome(work: Callable[[], int]) -> int:
    from interfaces.roles.running import outcome

    def refusing() -> int:
        try:
            return work()
        except Refusal as refusal:
            print(f"daybook: {refusal.detail} ({refusal.code})", file=sys.stderr)
            return REFUSED

    return outcome(refusing)
