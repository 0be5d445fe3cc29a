"""`daybook users`: add people who may log in, and see who they are."""

import asyncio
import getpass
import sys
from typing import Literal
from uuid import uuid4

from cyclopts import App

from application.commands import OpenAccount
from application.requests import Metadata, Request
from domain.errors import Refusal
from infrastructure.people import Role, User
from infrastructure.settings import Settings
from infrastructure.wiring import api_parts
from interfaces.cli.flags import GeneralFlags, settings_from

app = App(help="People who may log in.")

REFUSED = 2

_HERE = GeneralFlags()


class PasswordMustBeGiven(Exception):
    """There is no password, and no terminal to ask for one."""

    @property
    def operator_message(self) -> str:
        """The sentence for the operator."""
        return "give --password, or run this on a terminal"


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
        secret = password if password is not None else _asked()
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
        users = asyncio.run(_all(_with_servers(general)))
        for user in users:
            account = user.account_id or "-"
            print(f"{user.user_id}  {user.role:<10}  {account!s:<36}  {user.email}  {user.full_name}")
        return 0

    return _outcome(work)


def create_user(settings: Settings, *, email: str, full_name: str, role: Role, password: str) -> User:
    """Add a user, and open the account of a customer. Raises what `People.register` refuses."""
    return asyncio.run(_create(settings, email=email, full_name=full_name, role=role, password=password))


async def _create(settings: Settings, *, email: str, full_name: str, role: Role, password: str) -> User:
    async with api_parts(settings) as parts:
        try:
            user = await parts.people.register(email, password, full_name, role)
            if user.account_id is not None:
                command = OpenAccount(account_id=user.account_id, owner_id=user.user_id)
                by = Metadata(actor=str(user.user_id), role=role, request_id=uuid4())
                await parts.commands.execute(Request(command=command, metadata=by))
        finally:
            parts.people.close()
    return user


async def _all(settings: Settings) -> list[User]:
    async with api_parts(settings) as parts:
        try:
            return await parts.people.users()
        finally:
            parts.people.close()


def _asked() -> str:
    if not sys.stdin.isatty():
        raise PasswordMustBeGiven
    return getpass.getpass("Password: ")


def _with_servers(general: GeneralFlags) -> Settings:
    from interfaces.roles.running import with_servers

    return with_servers(settings_from(general))


def _outcome(work: object) -> int:
    from interfaces.roles.running import outcome

    def refusing() -> int:
        try:
            found: int = work()  # type: ignore[operator]
        except Refusal as refusal:
            print(f"daybook: {refusal.detail} ({refusal.code})", file=sys.stderr)
            return REFUSED
        return found

    return outcome(refusing)
