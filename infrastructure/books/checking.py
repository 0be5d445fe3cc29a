"""Every rule of the books, looked at over the log: `daybook check books`, and the watch over its tail.

    checker = Checker(connection, after=0)
    violation = checker.run(up_to=end, tell=…)          # None: all rules hold

Each event is booked anew: its lines must balance, and be what the journal's table has under its position. After the
last event of each command the rules of `domain.books` must hold of its customer, against the aggregates folded from
the same events. Where the check begins in the middle, a customer's balances are those of the journal there.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Connection

from application.brokerage import fold
from domain.account import Account
from domain.aggregate import Event
from domain.books import Broken, Sum, broken, moved
from domain.facts import name_of
from domain.journal import Posting, booked_on, effective_on, imbalance, postings
from domain.position import Position
from infrastructure.archiving.reading import Wanted, with_archived
from infrastructure.eventstore.log import COLUMNS, Recorded, read_account, rows_of
from infrastructure.eventstore.mapper import EventIsUnreadable

PAGE = 2_000
CUSTOMERS_MAX = 20_000
"""So many customers' balances are kept in memory; those not seen for longest are read again when they are needed."""

Progress = Callable[[int, int], None]

_OF_ACCOUNT, _OF_POSITION = frozenset(Account.FACTS), frozenset(Position.FACTS)


class Violation(Struct, frozen=True, kw_only=True):
    """The first rule that was found broken, after which event, and about whom."""

    rule: str
    log_position: int
    event: str
    account_id: UUID | None
    accounts: tuple[str, ...]
    expected: str
    found: str

    def __str__(self) -> str:
        where = f"after {self.event} at log position {self.log_position}"
        of = "" if self.account_id is None else f" of customer {self.account_id}"
        names = "; ".join(self.accounts)
        return f"{self.rule}, {where}{of}: {names}: expected {self.expected}, found {self.found}"


class LeftOut(Struct, frozen=True):
    """The first event that cannot be read, and why; from it on nothing of its customer is checked."""

    log_position: int
    reason: str


class _Customer:
    """What one customer's accounts have come to, and the aggregates it is compared with."""

    __slots__ = ("account", "balances", "positions")

    def __init__(self) -> None:
        self.balances: dict[str, Sum] = {}
        self.account: Account | None = None
        self.positions: dict[UUID, Position] = {}

    def fold(self, event: Event) -> None:
        if type(event) in _OF_ACCOUNT:
            self.account = fold(self.account, (event,))
        elif type(event) in _OF_POSITION:
            known = self.positions.get(event.originator_id)
            self.positions[event.originator_id] = fold(known, (event,))


class _Command:
    """The events that one command recorded, as far as they have been seen."""

    __slots__ = ("last", "of", "touched")

    def __init__(self, row: Recorded) -> None:
        self.of = (row.account_id, bytes(row.metadata))
        self.last = row
        self.touched: set[UUID] = set()


class Checker:
    """Goes through the log once. `with_aggregates` compares with what the events fold to; without, a customer that is
    met for the first time costs one look at the journal and no replay.

    An event that cannot be read is a violation; with `leaves_out` its customer is left out, and the check goes on.
    """

    def __init__(
        self,
        connection: Connection[Any],
        *,
        after: int = 0,
        account_id: UUID | None = None,
        with_aggregates: bool = True,
        leaves_out: bool = False,
        page: int | None = None,
    ) -> None:
        self._leaves_out = leaves_out
        self._page = page or PAGE
        self.left_out: dict[UUID, LeftOut] = {}
        self._connection = connection
        self._has_all = not after  # whoever is not in memory has booked nothing yet
        self._account_id = account_id
        self._with_aggregates = with_aggregates
        self._customers: OrderedDict[UUID, _Customer] = OrderedDict()
        self._command: _Command | None = None
        self.read_to = after
        """Up to here events have been booked."""
        self.position = after
        """Up to here every rule holds; the command that was met last may go on."""
        self.events = 0

    def run(
        self, *, up_to: int, tell: Progress = lambda at, end: None, is_end: bool = True
    ) -> Violation | None:
        """Check up to a log position, `is_end` when no command goes on beyond it. The first violation, or None."""
        while self.read_to < up_to:
            found = self.page(up_to=up_to)
            if found is not None:
                return found
            tell(self.read_to, up_to)
        return self.end() if is_end else None

    def page(self, *, up_to: int) -> Violation | None:
        """Check some events more."""
        rows = self._rows(up_to)
        reached = rows[-1].log_position if len(rows) == self._page else up_to
        table = self._table(self.read_to, reached)
        for row in rows:
            found = self._take(row, table.pop(row.log_position, []))
            if found is not None:
                return found
        for position, lines in table.items():
            return _stray(position, lines[0])
        self.read_to = reached
        self._let_go()
        return None

    def end(self) -> Violation | None:
        """Look at the last command: nothing more comes of it."""
        found = self._end_command()
        if found is None:
            self.position = self.read_to
        return found

    def _take(self, row: Recorded, table: list[Any]) -> Violation | None:
        if row.account_id in self.left_out:
            return None
        command = self._command
        if command is None or command.of != (row.account_id, bytes(row.metadata)):
            found = self._end_command()
            if found is not None:
                return found
            self.position = row.log_position - 1
            command = self._command = _Command(row)
        command.last = row
        self.events += 1
        try:
            event = row.event()
        except EventIsUnreadable as error:
            return self._unreadable(row, error)
        return self._book(row, event, command, table)

    def _unreadable(self, row: Recorded, error: EventIsUnreadable) -> Violation | None:
        reason = f"{row.topic} at log position {row.log_position} cannot be read: {error}"
        if self._leaves_out:
            self._command = None  # half of a command shows nothing
            self.left_out[row.account_id] = LeftOut(row.log_position, reason)
            return None
        rule = Broken(rule="event_is_readable", accounts=(), expected="an event that reads", found=str(error))
        return _violation(row, rule)

    def _book(self, row: Recorded, event: Event, command: _Command, table: list[Any]) -> Violation | None:
        customer = self._customer(row.account_id)
        lines = postings(event)
        for (book, commodity), apart in imbalance(lines).items():
            names = tuple(line.account for line in lines if line.book is book)
            return _violation(
                row,
                Broken(
                    rule="event_balances", accounts=names, expected=f"0 in {commodity}", found=f"{apart:f}"
                ),
            )
        who = str(row.account_id)
        after = [moved(customer.balances, line, who) for line in lines]
        if self._with_aggregates:
            customer.fold(event)
            if row.originator_id in customer.positions:
                command.touched.add(row.originator_id)
        wanted = [_as_row(line, sums, event) for line, sums in zip(lines, after, strict=True)]
        return None if wanted == table else _violation(row, _apart(wanted, table))

    def _end_command(self) -> Violation | None:
        command, self._command = self._command, None
        if command is None:
            return None
        customer = self._customer(command.last.account_id)
        positions = [customer.positions[one] for one in command.touched]
        for one in broken(customer.balances, account=customer.account, positions=positions):
            return _violation(command.last, one)
        return None

    def _rows(self, up_to: int) -> list[Recorded]:
        of = "" if self._account_id is None else " AND account_id = %(of)s"
        sql = (
            f"SELECT {COLUMNS} FROM stored_events WHERE notification_id > %(after)s"
            f" AND notification_id <= %(up_to)s{of} ORDER BY notification_id LIMIT %(limit)s"
        )
        wanted = {"after": self.read_to, "up_to": up_to, "limit": self._page, "of": self._account_id}
        rows = rows_of(self._connection.execute(sql.encode(), wanted, prepare=True))
        same = Wanted(after=self.read_to, up_to=up_to, account_id=self._account_id, limit=self._page)
        return with_archived(self._connection, rows, same)

    def _table(self, after: int, up_to: int) -> dict[int, list[Any]]:
        of = "" if self._account_id is None else " AND account_id = %(of)s"
        sql = (
            f"SELECT log_position, {', '.join(_COMPARED)} FROM read.journal WHERE log_position > %(after)s"
            f" AND log_position <= %(up_to)s{of} ORDER BY log_position, line"
        )
        wanted = {"after": after, "up_to": up_to, "of": self._account_id}
        found: dict[int, list[Any]] = {}
        for position, *line in self._connection.execute(sql.encode(), wanted, prepare=True):
            found.setdefault(position, []).append(tuple(line))
        return found

    def _customer(self, account_id: UUID) -> _Customer:
        known = self._customers.get(account_id)
        if known is not None:
            self._customers.move_to_end(account_id)
            return known
        customer = self._customers[account_id] = _Customer()
        if self._command is not None and not self._has_all:
            self._recall(customer, account_id, self._command.last.log_position - 1)
        return customer

    def _recall(self, customer: _Customer, account_id: UUID, position: int) -> None:
        """Bring a customer to where a position left it."""
        customer.balances = balances_at(self._connection, account_id, position)
        if self._with_aggregates:
            for row in read_account(self._connection, account_id, up_to=position, at=None):
                customer.fold(row.event())

    def _let_go(self) -> None:
        while len(self._customers) > CUSTOMERS_MAX:
            self._has_all = False
            self._customers.popitem(last=False)


_COMPARED = (
    "book",
    "account",
    "commodity",
    "amount",
    "cost",
    "lot_id",
    "balance",
    "cost_balance",
    "effective_on",
    "booked_on",
    "event",
)


def _as_row(line: Posting, after: Sum, event: Event) -> tuple[Any, ...]:
    """A line as the journal's table must have it."""
    return (
        line.book.value,
        line.account,
        line.commodity,
        line.amount,
        line.cost,
        None if line.lot is None else line.lot.lot_id,
        after.amount,
        after.cost,
        effective_on(event),
        booked_on(event),
        name_of(type(event)),
    )


def _apart(wanted: list[Any], table: list[Any]) -> Broken:
    """What is the first difference between an event's lines and the table's."""
    for number, (want, found) in enumerate(zip(wanted, table, strict=False), 1):
        if want != found:
            apart = [
                (name, one, other)
                for name, one, other in zip(_COMPARED, want, found, strict=True)
                if one != other
            ]
            return Broken(
                rule="journal_is_the_log",
                accounts=(f"line {number} of the journal, {want[1]}",),
                expected=", ".join(f"{name} {one}" for name, one, _ in apart),
                found=", ".join(f"{name} {other}" for name, _, other in apart),
            )
    names = tuple(line[1] for line in (wanted if len(wanted) > len(table) else table))
    return Broken(
        rule="journal_is_the_log",
        accounts=names,
        expected=f"{len(wanted)} lines",
        found=f"{len(table)} lines",
    )


def _stray(position: int, line: Any) -> Violation:
    return Violation(
        rule="journal_is_the_log",
        log_position=position,
        event=line[-1],
        account_id=None,
        accounts=(line[1],),
        expected="no line: the log has no such event",
        found=f"{line[3]:f}",
    )


def _violation(row: Recorded, one: Broken) -> Violation:
    return Violation(
        rule=one.rule,
        log_position=row.log_position,
        event=row.topic,
        account_id=row.account_id,
        accounts=one.accounts,
        expected=one.expected,
        found=one.found,
    )


def balances_at(connection: Connection[Any], account_id: UUID, position: int) -> dict[str, Sum]:
    """What a customer's accounts had come to at a log position, by the journal's running balances."""
    sql = (
        "SELECT DISTINCT ON (book, account, commodity) book, account, commodity, balance, cost_balance"
        " FROM read.journal WHERE account_id = %s AND log_position <= %s"
        " ORDER BY book, account, commodity, log_position DESC, line DESC"
    )
    found = connection.execute(sql.encode(), (account_id, position), prepare=True)
    return dict(_named(found, str(account_id)))


def _named(rows: Iterable[Any], who: str) -> Iterator[tuple[str, Sum]]:
    for book, account, commodity, balance, cost in rows:
        if balance or cost:
            yield f"{book} {account.replace(who, '')} {commodity}", Sum(balance, cost)
