"""`daybook transfers`: what became of the money on its way, the return of a transfer, and the bank's news by hand."""

import sys
from collections.abc import Callable
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import msgspec
from cyclopts import App, Parameter
from cyclopts.validators import Number

from application.answers import AccountAnswer
from application.commands import SendResidue
from application.requests import Metadata, Request
from domain.errors import Refusal, TransferMustExist
from infrastructure.funding.due import return_of
from infrastructure.postgres.connections import connect
from infrastructure.projecting.tables import column_list, row_from
from infrastructure.settings import Settings
from infrastructure.wiring.deciding import deciding, transfers_due
from infrastructure.wiring.urls import urls_of
from interfaces.cli.flags import GeneralFlags, settings_from
from interfaces.cli.telling import log_on_stderr
from interfaces.http.lasting import kept_for_ever
from interfaces.roles.running import REFUSED, outcome, with_servers
from projections.catalogue import BY_NAME
from projections.questions import Question
from projections.transfers import TRANSFERS_OF_FIRM, TransferRow

app = App(name="transfers", help="Money on its way to and from banks.")

_HERE = GeneralFlags()
NEWEST = 2**62
_ONE = Question("transfers", TransferRow, "transfer_id = %(transfer_id)s")
Flag = Annotated[bool, Parameter(negative="")]


@app.command(name="list")
def list_transfers(
    *,
    account: UUID | None = None,
    status: Literal["initiated", "completed", "failed", "returned"] | None = None,
    limit: Annotated[int, Parameter(validator=Number(gte=1, lte=100_000))] = 100,
    json: Flag = False,
    general: GeneralFlags = _HERE,
) -> int:
    """Show transfers, newest first.

    Parameters
    ----------
    account
        Only those of this account.
    status
        Only those that stand there.
    limit
        So many at most.
    json
        Say each as a line of JSON.
    """

    def work() -> int:
        settings = with_servers(settings_from(general))
        statuses = None if status is None else [status]
        asked = {"account_id": account, "status": statuses, "before": NEWEST, "limit": limit}
        for row in rows_of(settings, TRANSFERS_OF_FIRM.sql(_columns()), asked):
            print(msgspec.json.encode(row).decode() if json else sentence(row))
        return 0

    return _outcome(work)


@app.command(name="return")
def give_back(transfer: UUID, *, reason: str, general: GeneralFlags = _HERE) -> int:
    """Note that the bank took back a completed transfer; asking again changes nothing.

    Parameters
    ----------
    transfer
        The transfer's id.
    reason
        Why, as a code such as `not_authorized`.
    """

    def work() -> int:
        settings, why = with_servers(settings_from(general)), kept_for_ever(reason, name="reason")
        found = rows_of(settings, _ONE.sql(_columns()), {"transfer_id": transfer})
        if not found:
            raise TransferMustExist(f"there is no transfer {transfer}")
        with deciding(settings) as at_hand:
            by = Metadata(actor="operator", role="system", request_id=uuid4())
            request = Request(command=return_of(found[0], why), metadata=by)
            answer: Any = at_hand.committer.submit(request).result()
        assert isinstance(answer, AccountAnswer)  # noqa: S101  what this command is answered with
        print(
            f"Returned {found[0].direction} {transfer} of {found[0].amount}: account {answer.account_id} is"
            f" {answer.status} with {answer.cash} in cash and owes {answer.owed}."
        )
        return 0

    return _outcome(work)


@app.command(name="send-residue")
def send_residue(account: UUID, *, general: GeneralFlags = _HERE) -> int:
    """Send away what came to a closed account after its end, as a withdrawal.

    Parameters
    ----------
    account
        The account's id.
    """

    def work() -> int:
        command = SendResidue(account_id=account, transfer_id=uuid4())
        with deciding(with_servers(settings_from(general))) as at_hand:
            by = Metadata(actor="operator", role="system", request_id=uuid4())
            answer: Any = at_hand.committer.submit(Request(command=command, metadata=by)).result()
        assert isinstance(answer, AccountAnswer)  # noqa: S101  what this command is answered with
        left = f"{answer.cash} is in account {account}, {answer.withdrawing} of it on its way"
        print(f"Transfer {answer.transfer_id} is {answer.transfer_status}: {left}.")
        return 0

    return _outcome(work)


@app.command
def run(*, general: GeneralFlags = _HERE) -> int:
    """Take in what the bank has done by now, as the scheduler does every second."""

    def work() -> int:
        settings = with_servers(settings_from(general))
        with log_on_stderr(), transfers_due(settings) as found:
            told = found.run()
        print(f"{told} transfer(s) have news.")
        return 0

    return _outcome(work)


def sentence(row: TransferRow) -> str:
    """A transfer in one line."""
    why = f"  {row.reason}" if row.reason else ""
    moment = f"{row.initiated_at:%Y-%m-%d %H:%M:%S}"
    return f"{row.transfer_id}  {row.account_id}  {moment}  {row.direction:<10}  {row.amount:>15}  {row.status}{why}"


def rows_of(settings: Settings, sql: str, parameters: dict[str, Any]) -> list[TransferRow]:
    """Rows of the table of transfers."""
    with connect(urls_of(settings)[0], application="daybook transfers") as connection:
        found = connection.execute(sql.encode(), parameters).fetchall()
    return [row_from(BY_NAME["transfers"], values) for values in found]


def _columns() -> str:
    return column_list(BY_NAME["transfers"].table)


def _outcome(work: Callable[[], int]) -> int:
    def refusing() -> int:
        try:
            return work()
        except Refusal as refusal:
            print(f"daybook: {refusal.detail} ({refusal.code})", file=sys.stderr)
            return REFUSED

    return outcome(refusing)
