"""The whole check of the books: the log, event by event, then the tables beside it."""

from uuid import UUID

from msgspec import Struct

from domain.errors import InstantMustBeWellFormed
from infrastructure.books.checking import Checker, Progress, Violation
from infrastructure.books.comparing import compare_tables
from infrastructure.books.scope import await_tables, require_account
from infrastructure.eventstore.log import last_row
from infrastructure.postgres.connections import connect


class Checked(Struct, frozen=True, kw_only=True):
    """What a check came to. Up to `position` every rule holds; `tables_at` is where the tables were compared."""

    events: int
    position: int
    tables_at: int | None
    violation: Violation | None


def check_books(
    url: str,
    *,
    after: int = 0,
    account_id: UUID | None = None,
    tell: Progress = lambda at, end: None,
    patience: float = 30,
) -> Checked:
    """Check up to where the log ends now. Raises AccountMustExist, ReadTableMustReachPosition.

    InstantMustBeWellFormed when the log does not reach as far as `after`.
    """
    with connect(url, application="daybook check books") as connection:
        end = last_row(connection)[0]
        if after > end:
            raise InstantMustBeWellFormed(f"the log ends at {end}: nothing is there after {after}")
        await_tables(connection, end, patience)
        if account_id is not None:
            require_account(connection, account_id)
        checker = Checker(connection, after=after, account_id=account_id)
        violation, tables_at = checker.run(up_to=end, tell=tell), None
        if violation is None:
            violation, tables_at = compare_tables(connection, after=after, account_id=account_id)
        return Checked(
            events=checker.events, position=checker.position, tables_at=tables_at, violation=violation
        )
