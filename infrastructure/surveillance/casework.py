"""What the compliance desk needs besides the commands of cases: whose a case is, and who may work it."""

from uuid import UUID

from domain.errors import CaseMustExist, Conflict
from infrastructure.people import People
from infrastructure.postgres.connections import AsyncPool, lend

STAFF = frozenset({"compliance", "admin"})

_ACCOUNT_OF = (
    "SELECT account_id FROM stored_events WHERE originator_id = %(of)s AND topic LIKE 'Case.%%'"
    " UNION ALL SELECT account_id FROM archived_streams WHERE originator_id = %(of)s AND last_topic LIKE 'Case.%%'"
    " LIMIT 1"
)


class AssigneeMustBeStaff(Conflict):
    """A case is worked by a member of staff: nobody else can be given one."""


class CaseDesk:
    """Looks things up in the log and among people. Raises DatabaseMustAnswer while PostgreSQL is away."""

    def __init__(self, pool: AsyncPool, people: People) -> None:
        self._pool = pool
        self._people = people

    async def account_of(self, case_id: UUID) -> UUID:
        """The account a case is about. Raises CaseMustExist."""
        async with lend(self._pool) as connection:
            row = await (await connection.execute(_ACCOUNT_OF, {"of": case_id})).fetchone()
        if row is None:
            raise CaseMustExist(f"there is no case {case_id}")
        return UUID(str(row[0]))

    async def require_staff(self, user_id: UUID) -> None:
        """Raise AssigneeMustBeStaff unless this user works at the desk."""
        user = await self._people.user(user_id)
        if user is None or user.role not in STAFF or user.erased_at is not None:
            raise AssigneeMustBeStaff(f"{user_id} is no member of staff")
