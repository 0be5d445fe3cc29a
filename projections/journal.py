"""The journal: every posting of every event, with the balance of its account after it.

A balance is of one customer's part of an account: the firm's bank has one for each customer whose money is in
it. What all of them come to is the trial balance, which is zero in each book and commodity.
"""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from msgspec import Struct

from domain.aggregate import Event
from domain.books import NOUGHT, Sum, moved
from domain.facts import name_of
from domain.journal import Posting, booked_on, booking_kinds, effective_on, postings, quiet_kinds
from projections.projection import Fact, Key, Projection, Rows, on
from projections.questions import Question

STANDING = 2**62
"""The log position under which a customer's balances are kept as they stand: after all others."""


class JournalRow(Struct):
    """One posting, and what its account comes to after it. Debits are positive, credits negative.

    `amount` and `balance` are dollars or shares of the `commodity`; `cost` and `cost_balance` what shares in lots
    have cost. The row at `STANDING` is where the customer stands: it alone holds `balances`, by book, account
    and commodity.
    """

    account_id: UUID
    log_position: int
    line: int
    book: str
    account: str
    commodity: str
    amount: Decimal
    cost: Decimal | None
    lot_id: UUID | None
    acquired_at: datetime | None
    balance: Decimal
    cost_balance: Decimal | None
    effective_on: date
    booked_on: date
    recorded_at: datetime
    event: str
    balances: dict[str, Sum]


class Journal(Projection):
    """One row a posting, and one an account for where it stands.

    Raise the version whenever a rule in domain/journal.py books an event otherwise than before.
    """

    name = "journal"
    version = 1
    row = JournalRow
    key_columns = ("account_id", "log_position", "line")
    indexes = ("(log_position)",)
    ignores = quiet_kinds()

    def key(self, event: Event, fact: Fact) -> Key:
        """Where the account stands; the postings are appended."""
        return (event.account_id, STANDING, 0)

    @on(*booking_kinds())
    def booked(self, event: Event, rows: Rows[JournalRow]) -> None:
        """Each line moves its account on."""
        lines = postings(event)
        if not lines:
            return
        key = self.key(event, rows.fact)
        standing = rows.get(key) or rows.add(key, _nothing(event))
        standing.effective_on, standing.booked_on = effective_on(event), booked_on(event)
        standing.recorded_at = event.recorded_at
        kind, position, who = name_of(type(event)), rows.fact.log_position, str(event.account_id)
        for number, line in enumerate(lines, 1):
            after = moved(standing.balances, line, who)
            rows.append(_row(line, after, standing, number=number, position=position, kind=kind))


def _nothing(event: Event) -> JournalRow:
    return JournalRow(
        account_id=event.account_id,
        log_position=STANDING,
        line=0,
        book="",
        account="",
        commodity="",
        amount=NOUGHT,
        cost=None,
        lot_id=None,
        acquired_at=None,
        balance=NOUGHT,
        cost_balance=None,
        effective_on=effective_on(event),
        booked_on=booked_on(event),
        recorded_at=event.recorded_at,
        event="",
        balances={},
    )


def _row(
    line: Posting, after: Sum, standing: JournalRow, *, number: int, position: int, kind: str
) -> JournalRow:
    return JournalRow(
        account_id=standing.account_id,
        log_position=position,
        line=number,
        book=line.book.value,
        account=line.account,
        commodity=line.commodity,
        amount=line.amount,
        cost=line.cost,
        lot_id=None if line.lot is None else line.lot.lot_id,
        acquired_at=None if line.lot is None else line.lot.acquired_at,
        balance=after.amount,
        cost_balance=after.cost,
        effective_on=standing.effective_on,
        booked_on=standing.booked_on,
        recorded_at=standing.recorded_at,
        event=kind,
        balances={},
    )


class JournalLine(Struct, frozen=True):
    """A posting as it is read: JournalRow without `balances`."""

    account_id: UUID
    log_position: int
    line: int
    book: str
    account: str
    commodity: str
    amount: Decimal
    cost: Decimal | None
    lot_id: UUID | None
    acquired_at: datetime | None
    balance: Decimal
    cost_balance: Decimal | None
    effective_on: date
    booked_on: date
    recorded_at: datetime
    event: str


_PAGE = (
    " AND (%(book)s::text IS NULL OR book = %(book)s) AND starts_with(account, %(account)s)"
    " AND booked_on >= %(since)s AND booked_on <= %(until)s"
    " AND (log_position, line) < (%(before)s, %(line)s) ORDER BY log_position DESC, line DESC LIMIT %(limit)s"
)

JOURNAL_OF_ACCOUNT = Question(
    "journal",
    JournalLine,
    "account_id = %(account_id)s" + _PAGE,
    select=", ".join(JournalLine.__struct_fields__),
)
"""A customer's postings, newest first. `account` is how the accounts' names begin, "" for all; `since` and `until`
are days, both inclusive; `before` and `line` are the place of the last row of the page before, or STANDING and 0."""

JOURNAL = Question("journal", JournalLine, "true" + _PAGE, select=", ".join(JournalLine.__struct_fields__))
"""The same of everybody."""


class TrialLine(Struct, frozen=True):
    """An account of the chart, such as `Assets:Cust:C:Cash:Free` for all customers' together: dollars or shares,
    and the dollars that shares in lots have cost."""

    book: str
    account: str
    commodity: str
    balance: Decimal
    cost: Decimal | None


TRIAL_BALANCE = Question(
    "journal",
    TrialLine,
    f"log_position = {STANDING} AND (%(account_id)s::uuid IS NULL OR account_id = %(account_id)s)"
    " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    select="split_part(one.key, ' ', 1), split_part(one.key, ' ', 2), split_part(one.key, ' ', 3),"
    " sum((one.value ->> 0)::numeric), sum((one.value ->> 1)::numeric)",
    beside="CROSS JOIN LATERAL jsonb_each(balances) AS one",
)
"""What every account of the chart comes to, for one customer or all. Each book comes to zero in each commodity,
shares in lots counted as what they have cost."""
