"""`daybook approvals`: what takes four eyes: who asked for it, who agreed, and what came of it."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from cyclopts import App, Parameter
from cyclopts.validators import Number

from infrastructure.approvals import Approval, approvals_in
from infrastructure.postgres.connections import connect
from interfaces.cli.books import DatabaseUrl, DataDir, found_settings, refusing

app = App(name="approvals", help="What takes four eyes: who asked for it, who agreed, and what came of it.")

Flag = Annotated[bool, Parameter(negative="")]


@app.command(name="list")
def list_approvals(
    *,
    subject: UUID | None = None,
    kind: Literal["erasure", "reinstatement"] | None = None,
    limit: Annotated[int, Parameter(validator=Number(gte=1, lte=100_000))] = 100,
    json: Flag = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Show what was asked for, newest first. People by id, see `daybook users find`.

    Parameters
    ----------
    subject
        Only what is about this account (a reinstatement) or user (an erasure).
    kind
        Only of this kind.
    limit
        So many at most.
    json
        Say each as a line of JSON.
    """

    def work() -> int:
        url = found_settings(data_dir, database_url).database_url or ""
        with connect(url, application="daybook approvals") as connection:
            found = approvals_in(connection, kind=kind, subject_id=subject, limit=limit)
        for one in found:
            print(msgspec.json.encode(one).decode() if json else sentence(one))
        if not found and not json:
            print("Nothing was asked for.")
        return 0

    return refusing(work)


def sentence(one: Approval) -> str:
    """An approval in one line: what, about whom, asked by whom and when, decided by whom and when, where it is in the log."""
    said = f"{one.approval_id}  {one.kind:<13}  {one.state:<9}  {one.subject_id}  asked by {one.requested_by}"
    said += f" on {one.requested_at:%Y-%m-%d %H:%M:%S}"
    if one.decided_at is not None:
        said += f", {'declined' if one.state == 'declined' else 'approved'} by {one.decided_by}"
        said += f" on {one.decided_at:%Y-%m-%d %H:%M:%S}"
    if one.state == "done":
        place = one.outcome["log_position"]
        said += ", the account was not suspended" if place is None else f", log position {place}"
    return f"{said}: {one.reason}"
