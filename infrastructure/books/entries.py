"""The journal's entries in the order of their days, straight from the log: what a file is made of.

An entry is what one event books in one book. Its lines come from `postings`, not from the read table, so that
closing balances from the tables hold one against the other. Memory does not grow with the log: it is read in
pages, and only what is dated otherwise than it was recorded is kept aside until its day.
"""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Connection

from domain.account import Account
from domain.aggregate import Event, EventRef
from domain.facts import KINDS, UPCASTS, name_of
from domain.journal import Book, LotTag, Posting, booked_on, effective_on, postings, quiet_kinds
from domain.reversal import Reversal
from infrastructure.archiving.reading import Wanted, with_archived
from infrastructure.books.scope import Scope
from infrastructure.eventstore.log import COLUMNS, Recorded, read_at, rows_of
from projections.words import describe

PAGE = 2_000

Progress = Callable[[int, int], None]
"""Called with the log position that is reached and the one to be reached."""

_TELLS_A_PRICE = Account.SaleCredited
_NAMES = {name_of(kind) for kind in quiet_kinds() if kind is not _TELLS_A_PRICE}
QUIET = [topic for topic in (*KINDS, *UPCASTS) if topic.partition(":")[0] in _NAMES]
"""Topics that no export needs to read. What is not known is not among them: it must fail, not be left out."""
_QUIET = frozenset(QUIET)


class Entry(Struct, frozen=True, kw_only=True):
    """What one event books in one book, under the day it is dated; `price` is a share's in the sale it is of."""

    on: date
    payee: str
    words: str
    account_id: UUID
    log_position: int | None
    effective_on: date
    recorded_at: datetime | None
    corrects: str | None
    order_id: UUID | None
    event: str
    lines: tuple[Posting, ...]
    price: Decimal | None = None
    reverses: str | None = None


def openings(connection: Connection[Any], scope: Scope) -> Iterator[Entry]:
    """What had been booked before the first day, customer by customer, as if at once on the day before it."""
    if scope.since is None:
        return
    sql = (
        "SELECT account_id, book, account, commodity, lot_id, acquired_at, sum(amount), sum(cost)"
        f" FROM read.journal WHERE {scope.in_scope} AND booked_on < %(since)s"
        " GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(amount) <> 0 OR sum(cost) <> 0"
        " ORDER BY 1, 2, min(log_position), min(line), 3, 4"
    )
    with connection.cursor("openings") as cursor:
        cursor.execute(sql.encode(), scope.parameters)
        for (account_id, book), rows in groupby(cursor, key=lambda row: (row[0], row[1])):
            yield _opening(account_id, Book(book), [row[2:] for row in rows], scope.since)


def _opening(account_id: UUID, book: Book, rows: list[Any], since: date) -> Entry:
    before = since - timedelta(days=1)
    return Entry(
        on=before,
        payee=f"{book}:Opening",
        words=f"Opening balances of {account_id}",
        account_id=account_id,
        log_position=None,
        effective_on=before,
        recorded_at=None,
        corrects=None,
        order_id=None,
        event="Opening",
        lines=tuple(
            Posting(
                book=book,
                account=name,
                commodity=commodity,
                amount=amount,
                cost=cost,
                lot=None if lot_id is None else LotTag(lot_id, acquired_at),
            )
            for name, commodity, lot_id, acquired_at, amount, cost in rows
        ),
    )


def entries(connection: Connection[Any], scope: Scope, tell: Progress) -> Iterator[Entry]:
    """Every entry of the days, in the order of days and, within one, of the log."""
    aside = _dated_otherwise(connection, scope)
    waiting = sorted((on, position) for position, on in aside.items())
    prices = _Prices()
    for row in _log(connection, scope, tell):
        event = row.event()
        prices.hear(event)
        if row.log_position in aside:
            continue
        on = booked_on(event)
        while waiting and waiting[0] < (on, row.log_position):
            yield from _aside(connection, scope, waiting.pop(0)[1])
        yield from _entries_of(event, row.log_position, scope, price=prices.of(event))
    for _, position in waiting:
        yield from _aside(connection, scope, position)


def _log(connection: Connection[Any], scope: Scope, tell: Progress) -> Iterator[Recorded]:
    """The log's rows that may book something, page by page."""
    of = "" if scope.account_id is None else " AND account_id = %(account_id)s"
    sql = (
        f"SELECT {COLUMNS} FROM stored_events WHERE notification_id > %(after)s"
        f" AND notification_id <= %(position)s AND topic <> ALL(%(quiet)s){of} ORDER BY notification_id LIMIT %(limit)s"
    ).encode()
    wanted = {**scope.parameters, "quiet": QUIET, "limit": PAGE, "after": 0}
    while True:
        rows = rows_of(connection.execute(sql, wanted, prepare=True))
        same = Wanted(
            after=wanted["after"], up_to=scope.log_position, account_id=scope.account_id, limit=PAGE
        )
        rows = with_archived(connection, rows, same, _is_loud)
        if not rows:
            break
        yield from rows
        wanted["after"] = rows[-1].log_position
        tell(rows[-1].log_position, scope.log_position)
    tell(scope.log_position, scope.log_position)


def _is_loud(row: Recorded) -> bool:
    return row.topic not in _QUIET


def _dated_otherwise(connection: Connection[Any], scope: Scope) -> dict[int, date]:
    """Log positions of what is dated otherwise than it was recorded: its place in the file is another."""
    sql = (
        f"SELECT DISTINCT log_position, booked_on FROM read.journal WHERE {scope.in_scope}"
        " AND booked_on <> (recorded_at AT TIME ZONE 'UTC')::date"
    )
    return dict(connection.execute(sql.encode(), scope.parameters).fetchall())


def _aside(connection: Connection[Any], scope: Scope, position: int) -> Iterator[Entry]:
    row = read_at(connection, position)
    assert row is not None, "positions have no holes"  # noqa: S101
    yield from _entries_of(row.event(), position, scope, price=None)


def _entries_of(event: Event, position: int, scope: Scope, *, price: Decimal | None) -> Iterator[Entry]:
    on = booked_on(event)
    if not (scope.since or date.min) <= on <= scope.until:
        return
    lines = postings(event)
    kind = name_of(type(event))
    for book in scope.books:
        some = tuple(line for line in lines if line.book is book)
        if some:
            yield Entry(
                on=on,
                payee=f"{book}:{kind.partition('.')[2]}",
                words=describe(event),
                account_id=event.account_id,
                log_position=position,
                effective_on=effective_on(event),
                recorded_at=event.recorded_at,
                corrects=_told(event.corrects),
                reverses=_told(event.reverses) if isinstance(event, Reversal) else None,
                order_id=getattr(event, "order_id", None),
                event=kind,
                lines=some,
                price=price if book is Book.CUSTOMER else None,
            )


def _told(wrong: EventRef | None) -> str | None:
    return None if wrong is None else f"{wrong.originator_id}:{wrong.originator_version}"


class _Prices:
    """What a share was sold at. The fact that relieves lots does not say it; the one before it does."""

    def __init__(self) -> None:
        self._execution_id: UUID | None = None
        self._price: Decimal | None = None

    def hear(self, event: Event) -> None:
        if isinstance(event, _TELLS_A_PRICE):
            self._execution_id, self._price = event.execution_id, event.price

    def of(self, event: Event) -> Decimal | None:
        if isinstance(event, Reversal):
            return None
        known = self._execution_id is not None and getattr(event, "execution_id", None) == self._execution_id
        return self._price if known else None
