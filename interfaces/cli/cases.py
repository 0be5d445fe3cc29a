"""`daybook cases`: what surveillance found, and what staff made of it."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import msgspec
from cyclopts import App, Parameter
from cyclopts.validators import Number

from application.casework import AssignCase, CaseCommand, CloseCase, NoteCase
from application.requests import Metadata, Request
from domain.case import AlertKind, Resolution
from domain.errors import CaseMustExist, Refusal
from infrastructure.credentials import CredentialsMustBeRight
from infrastructure.people import User
from infrastructure.postgres.connections import connect
from infrastructure.projecting.tables import column_list, row_from
from infrastructure.settings import Settings
from infrastructure.surveillance.casework import STAFF
from infrastructure.surveillance.running import CaseOffice, case_office
from infrastructure.wiring.urls import urls_of
from interfaces.cli.flags import GeneralFlags, settings_from
from interfaces.cli.telling import log_on_stderr
from interfaces.cli.users import asked_password
from interfaces.http.cases import statuses
from interfaces.http.fields import kept_for_ever, printable
from interfaces.http.refusals import RoleMustAllow
from interfaces.operating import keeping_refusals
from interfaces.roles.running import REFUSED, outcome, with_servers
from projections.cases import CASES, CaseRow
from projections.catalogue import BY_NAME
from projections.questions import Question

app = App(name="cases", help="What surveillance found, and what staff made of it.")

_HERE = GeneralFlags()
NEWEST = 2**62
_ONE = Question("cases", CaseRow, "case_id = %(case_id)s")
_FACTS = "SELECT log_position, topic, at, actor, text FROM read.audit WHERE log_position = ANY(%s) ORDER BY log_position"
Flag = Annotated[bool, Parameter(negative="")]
Kind = Literal["wash_trading", "rapid_cancels", "trading_ahead", "dormant_awakening"]


@app.command(name="list")
def list_cases(
    *,
    open_: Annotated[bool, Parameter(name="--open", negative="")] = False,
    account: UUID | None = None,
    kind: Kind | None = None,
    limit: Annotated[int, Parameter(validator=Number(gte=1, lte=100_000))] = 100,
    json: Flag = False,
    general: GeneralFlags = _HERE,
) -> int:
    """Show cases, newest first.

    Parameters
    ----------
    open_
        Only those that are not closed.
    account
        Only those about this account.
    kind
        Only those of this kind.
    limit
        So many at most.
    json
        Say each as a line of JSON.
    """

    def work() -> int:
        asked = {
            "account_id": account,
            "kind": None if kind is None else AlertKind(kind).value,
            "status": statuses("not_closed" if open_ else None),
            "assignee_id": None,
            "before": NEWEST,
            "limit": limit,
        }
        rows = rows_of(with_servers(settings_from(general)), CASES, asked)
        for row in rows:
            print(msgspec.json.encode(row).decode() if json else sentence(row))
        if not rows and not json:
            print("No cases.")
        return 0

    return _outcome(work)


@app.command
def show(case: UUID, *, json: Flag = False, general: GeneralFlags = _HERE) -> int:
    """Show CASE: its evidence with log positions, and everything that was done about it, by whom and when.

    Parameters
    ----------
    json
        Say it as a line of JSON.
    """

    def work() -> int:
        settings = with_servers(settings_from(general))
        found = rows_of(settings, _ONE, {"case_id": case})
        if not found:
            raise CaseMustExist(f"there is no case {case}")
        if json:
            print(msgspec.json.encode(found[0]).decode())
        else:
            print("\n".join(page_of(found[0], facts_of(settings, found[0]))))
        return 0

    return _outcome(work)


@app.command
def assign(
    case: UUID,
    *,
    by: str,
    to: UUID | None = None,
    password: str | None = None,
    general: GeneralFlags = _HERE,
) -> int:
    """Give CASE to a member of staff.

    Parameters
    ----------
    by
        Your e-mail address; your role is compliance or admin.
    to
        Whose it is to be, a user's id (see `daybook users list`); yours when left out.
    password
        Yours. Asked for on the terminal when left out.
    """

    async def work(office: CaseOffice) -> None:
        staff = await _staff(office, by, password)
        assignee_id = to or staff.user_id
        account_id = await office.desk.account_of(case)
        await office.desk.require_staff(assignee_id)
        await _give(office, AssignCase(account_id=account_id, case_id=case, assignee_id=assignee_id), staff)
        print(f"Case {case} is assigned to user {assignee_id}.")

    return _at_the_office(general, work)


@app.command
def note(
    case: UUID, text: str, *, by: str, password: str | None = None, general: GeneralFlags = _HERE
) -> int:
    """Write TEXT into CASE, for ever. Name no person in it.

    Parameters
    ----------
    by
        Your e-mail address; your role is compliance or admin.
    password
        Yours. Asked for on the terminal when left out.
    """

    async def work(office: CaseOffice) -> None:
        said = kept_for_ever(printable(text, name="text"), name="text")
        staff = await _staff(office, by, password)
        account_id = await office.desk.account_of(case)
        answer = await _give(office, NoteCase(account_id=account_id, case_id=case, text=said), staff)
        print(f"Noted in case {case}, at {answer.log_position} in the log.")

    return _at_the_office(general, work)


@app.command
def close(
    case: UUID,
    *,
    resolution: Literal["unfounded", "explained", "warned", "reported"],
    reason: str,
    by: str,
    password: str | None = None,
    general: GeneralFlags = _HERE,
) -> int:
    """Say what CASE came to. It stays closed.

    Parameters
    ----------
    resolution
        unfounded (not what it seemed), explained (for a good reason), warned (the customer), or reported (to the authorities).
    reason
        Why. Name no person in it.
    by
        Your e-mail address; your role is compliance or admin.
    password
        Yours. Asked for on the terminal when left out.
    """

    async def work(office: CaseOffice) -> None:
        why = kept_for_ever(printable(reason, name="reason"), name="reason")
        staff = await _staff(office, by, password)
        account_id = await office.desk.account_of(case)
        command = CloseCase(
            account_id=account_id, case_id=case, resolution=Resolution(resolution), reason=why
        )
        await _give(office, command, staff)
        print(f"Case {case} is closed as {resolution}.")

    return _at_the_office(general, work)


def sentence(row: CaseRow) -> str:
    """A case in one line."""
    about = f"{row.kind:<17}  {row.account_id}  {row.symbol or '-':<6}  {row.day}"
    return f"{row.case_id}  {row.status:<8}  {row.severity:<6}  {about}  {_figures(row)}"


def page_of(row: CaseRow, facts: list[tuple[Any, ...]]) -> list[str]:
    """A case in full."""
    blocked = (
        "" if row.blocked_until is None else f", blocked until {row.blocked_until:%Y-%m-%d %H:%M:%S} UTC"
    )
    lines = [
        f"case      {row.case_id}",
        f"what      {row.kind}, severity {row.severity}, {row.symbol or 'no one symbol'}, on {row.day}",
        f"account   {row.account_id}{blocked}",
        f"status    {row.status}" + (f" to user {row.assignee_id}" if row.status == "assigned" else ""),
        f"figures   {_figures(row)}",
    ]
    if row.resolution is not None:
        lines.append(f"came to   {row.resolution}: {row.reason}")
    lines += ["", "evidence, by log position"]
    told = {fact[0]: fact for fact in facts}
    for one in row.evidence:
        fact = told.get(one.log_position)
        what = "not in the audit table yet" if fact is None else f"{fact[2]:%Y-%m-%d %H:%M:%S}  {fact[4]}"
        lines.append(f"{one.log_position:>9}  {one.subject_id}  {what}")
    lines += ["", "what was done"]
    lines += [
        f"{step.log_position:>9}  {step.at:%Y-%m-%d %H:%M:%S}  {step.step:<8}  {step.role} {step.actor}  {step.text}"
        for step in row.steps
    ]
    return lines


def rows_of(settings: Settings, question: Question[CaseRow], parameters: dict[str, Any]) -> list[CaseRow]:
    """Rows of the table of cases."""
    sql = question.sql(column_list(BY_NAME["cases"].table))
    with connect(urls_of(settings)[0], application="daybook cases") as connection:
        found = connection.execute(sql.encode(), parameters).fetchall()
    return [row_from(BY_NAME["cases"], values) for values in found]


def facts_of(settings: Settings, row: CaseRow) -> list[tuple[Any, ...]]:
    """The evidence in words, as the audit table has it."""
    positions = [one.log_position for one in row.evidence]
    with connect(urls_of(settings)[0], application="daybook cases") as connection:
        return connection.execute(_FACTS.encode(), (positions,)).fetchall()


def _figures(row: CaseRow) -> str:
    return ", ".join(f"{name} {value.normalize():f}" for name, value in sorted(row.figures.items()))


async def _staff(office: CaseOffice, email: str, password: str | None) -> User:
    found = await office.people.prove(email, password if password is not None else asked_password())
    if found.role not in STAFF:
        raise RoleMustAllow(f"this is not for the role {found.role}")
    return found


async def _give(office: CaseOffice, command: CaseCommand, staff: User) -> Any:
    by = Metadata(actor=str(staff.user_id), role=staff.role, request_id=uuid4())
    return await office.committer.submit_async(Request(command=command, metadata=by))


def _at_the_office(general: GeneralFlags, work: Callable[[CaseOffice], Awaitable[None]]) -> int:
    async def there() -> None:
        settings = with_servers(settings_from(general))
        async with case_office(settings) as office:
            # What a command is refused, the committer has kept.
            with keeping_refusals(settings, "cases", (CredentialsMustBeRight, RoleMustAllow)):
                await work(office)

    def run() -> int:
        with log_on_stderr():
            asyncio.run(there())
        return 0

    return _outcome(run)


def _outcome(work: Callable[[], int]) -> int:
    def refusing() -> int:
        try:
            return work()
        except Refusal as refusal:
            print(f"daybook: {refusal.detail} ({refusal.code})", file=sys.stderr)
            return REFUSED

    return outcome(refusing)
