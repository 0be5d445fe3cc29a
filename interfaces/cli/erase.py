"""`daybook erase`: the right to be forgotten. One admin asks, another approves, and the person is erased."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID, uuid4

import msgspec
from cyclopts import App, Parameter

from application.requests import Metadata
from domain.errors import Refusal
from infrastructure.approvals import Approval
from infrastructure.four_eyes import ErasureDesk, erasure_desk
from infrastructure.people import User
from infrastructure.wiring.urls import urls_of
from interfaces.cli.flags import GeneralFlags, settings_from
from interfaces.cli.users import asked_password
from interfaces.http.fields import kept_for_ever, printable
from interfaces.http.refusals import RoleMustAllow
from interfaces.operating import keeping_refusals
from interfaces.roles.running import REFUSED, outcome, with_servers

app = App(name="erase", help="Erase a person: one admin asks for it, another approves.")

_HERE = GeneralFlags()
Flag = Annotated[bool, Parameter(negative="")]


@app.command
def request(
    user: UUID, *, reason: str, by: str, password: str | None = None, general: GeneralFlags = _HERE
) -> int:
    """Ask for USER (an id, see `daybook users list`) to be erased. Another admin must approve.

    Parameters
    ----------
    reason
        Why. Name no person in it.
    by
        Your e-mail address; you are an admin.
    password
        Yours. Asked for on the terminal when left out.
    """

    async def work(desk: ErasureDesk) -> None:
        why = kept_for_ever(printable(reason, name="reason"), name="reason")
        admin = await _admin(desk, by, password)
        asked = await desk.four_eyes.request("erasure", user, reason=why, by=admin.user_id)
        print(f"Asked for. Another admin approves it by: daybook erase approve {asked.approval_id}")

    return _at_the_desk(general, work)


@app.command
def approve(approval: UUID, *, by: str, password: str | None = None, general: GeneralFlags = _HERE) -> int:
    """Agree to the erasure asked for under APPROVAL, and carry it out. Called again, it finishes what was cut off.

    Parameters
    ----------
    by
        Your e-mail address; you are an admin, and not the one who asked.
    password
        Yours. Asked for on the terminal when left out.
    """

    async def work(desk: ErasureDesk) -> None:
        admin = await _admin(desk, by, password)
        await desk.require_erasure(approval)
        metadata = Metadata(actor=str(admin.user_id), role=admin.role, request_id=uuid4())
        done = await desk.four_eyes.approve(approval, metadata)
        erased = ", ".join(f"{count} {what}" for what, count in sorted(done.outcome["erased"].items()))
        print(
            f"Erased user {done.subject_id}: {erased}. Certificate at {done.outcome['log_position']} in the log."
        )

    return _at_the_desk(general, work)


@app.command
def decline(approval: UUID, *, by: str, password: str | None = None, general: GeneralFlags = _HERE) -> int:
    """Say no to what was asked for under APPROVAL, or take it back.

    Parameters
    ----------
    by
        Your e-mail address; you are an admin.
    password
        Yours. Asked for on the terminal when left out.
    """

    async def work(desk: ErasureDesk) -> None:
        admin = await _admin(desk, by, password)
        await desk.require_erasure(approval)
        declined = await desk.four_eyes.decline(approval, by=admin.user_id)
        print(f"Declined; user {declined.subject_id} stays.")

    return _at_the_desk(general, work)


@app.command(name="list")
def list_requests(*, json: Flag = False, general: GeneralFlags = _HERE) -> int:
    """Show the erasures that were asked for, newest first, with what came of them.

    Parameters
    ----------
    json
        Say it as lines of JSON.
    """

    async def work(desk: ErasureDesk) -> None:
        async for one in desk.requests():
            print(msgspec.json.encode(one).decode() if json else _line(one))

    return _at_the_desk(general, work)


@app.command
def repeat(*, general: GeneralFlags = _HERE) -> int:
    """Erase again whoever the log has a certificate of and a restored backup brought back."""

    async def work(desk: ErasureDesk) -> None:
        print(f"{await desk.erasures.repeat()} people were erased again.")

    return _at_the_desk(general, work)


async def _admin(desk: ErasureDesk, email: str, password: str | None) -> User:
    secret = password if password is not None else asked_password()
    found = await desk.people.prove(email, secret)
    if found.role != "admin":
        raise RoleMustAllow(f"this is not for the role {found.role}")
    return found


def _line(one: Approval) -> str:
    who = f"asked by {one.requested_by}"
    if one.decided_by is not None:
        who += f", {'declined' if one.state == 'declined' else 'approved'} by {one.decided_by}"
    if one.state == "done":
        who += f", certificate at log position {one.outcome['log_position']}"
    return (
        f"{one.approval_id}  {one.state:<9}  user {one.subject_id}  {one.requested_at:%Y-%m-%d %H:%M}  {who}"
    )


def _at_the_desk(general: GeneralFlags, work: Callable[[ErasureDesk], Awaitable[Any]]) -> int:
    async def there() -> None:
        settings = with_servers(settings_from(general))
        async with erasure_desk(settings, urls_of(settings)) as desk:
            with keeping_refusals(settings, "erase"):
                await work(desk)

    def refusing() -> int | None:
        try:
            asyncio.run(there())
        except Refusal as refusal:
            print(f"daybook: {refusal.detail} ({refusal.code})", file=sys.stderr)
            return REFUSED
        return 0

    return outcome(refusing)
