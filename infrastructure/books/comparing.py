"""The tables of balances and positions against the customers' book, customer by customer, at one moment."""

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection

from domain.books import NOUGHT, Broken, Sum, cash_apart, shares_apart, symbols_in
from infrastructure.books.checking import Progress, Violation
from infrastructure.books.scope import TABLES
from infrastructure.projecting.verifying import snapshot
from projections.journal import STANDING

TRIES, LOOK_AGAIN_S = 25, 0.2

_balances = msgspec.json.Decoder(dict[str, Sum]).decode
_positions = msgspec.json.Decoder(list[tuple[str, Decimal, Decimal, Decimal]]).decode

_SQL = (
    "SELECT account_id, coalesce(j.balances, '{{}}'), b.cash, b.held, b.unsettled, b.withdrawing, b.owed,"
    " (SELECT coalesce(jsonb_agg(jsonb_build_array(p.symbol, p.quantity::text, p.reserved::text, p.cost::text)), '[]')"
    "    FROM read.positions p WHERE p.account_id = coalesce(j.account_id, b.account_id))"
    " FROM (SELECT account_id, balances FROM read.journal WHERE log_position = %(standing)s) j"
    " {join} JOIN read.balances b USING (account_id) WHERE true"
)
_OF_ONE = " AND account_id = %(of)s"
_SINCE = (
    " AND account_id IN (SELECT account_id FROM read.journal"
    " WHERE log_position > %(after)s AND log_position < %(standing)s)"
)


def compare_tables(
    connection: Connection[Any],
    *,
    after: int = 0,
    account_id: UUID | None = None,
    tell: Progress = lambda at, end: None,
    tries: int = TRIES,
) -> tuple[Violation | None, int | None]:
    """The first customer whom the tables do not agree about, and up to which log position they were compared.

    A violation stands at the customer's last booking: it stays there while the log goes on, and whoever compares from
    there on meets it. None for the position when the tables were never found at one place of the log.
    """
    for _ in range(tries):
        with snapshot(connection):
            position = _standing_together(connection)
            if position is not None:
                return next(_apart(connection, after, account_id, tell), None), position
        time.sleep(LOOK_AGAIN_S)
    return None, None


def _standing_together(connection: Connection[Any]) -> int | None:
    """The log position up to which all three tables stand, if those of each partition stand together.

    A customer's rows are all in one partition: how far another one is does not matter.
    """
    row = connection.execute(
        "SELECT min(first), bool_and(first = last AND tables = %s) FROM"
        " (SELECT min(position) AS first, max(position) AS last, count(*) AS tables FROM projection_partitions"
        " WHERE is_live AND name = ANY(%s) GROUP BY partition) AS together",
        (len(TABLES), list(TABLES)),
    ).fetchone()
    return row[0] if row is not None and row[1] else None


def _apart(
    connection: Connection[Any], after: int, account_id: UUID | None, tell: Progress
) -> Iterator[Violation]:
    sql = (
        _SQL.format(join="LEFT" if after else "FULL")
        + (_OF_ONE if account_id is not None else "")
        + (_SINCE if after else "")
    )
    end = 0 if after or account_id is not None else _count(connection)
    with connection.cursor("customers") as cursor:
        cursor.execute(sql.encode(), {"standing": STANDING, "of": account_id, "after": after})
        for number, row in enumerate(cursor, 1):
            for broken in _of_customer(row):
                yield Violation(
                    rule=f"table_{broken.rule}",
                    log_position=_last_booking(connection, row[0]),
                    event="all events",
                    account_id=row[0],
                    accounts=broken.accounts,
                    expected=f"{broken.expected} as in the read table",
                    found=f"{broken.found} in the journal",
                )
            if end and number % 1000 == 0:
                tell(number, end)


def _last_booking(connection: Connection[Any], account_id: UUID) -> int:
    """The customer's last event in the journal; 1, from which on everybody is compared, when there is none."""
    row = connection.execute(
        "SELECT max(log_position) FROM read.journal WHERE account_id = %s AND log_position < %s",
        (account_id, STANDING),
    ).fetchone()
    return 1 if row is None or row[0] is None else int(row[0])


def _count(connection: Connection[Any]) -> int:
    found = connection.execute("SELECT count(*) FROM read.journal WHERE log_position = %s", (STANDING,))
    row = found.fetchone()
    return row[0] if row else 0


def _of_customer(row: Any) -> Iterator[Broken]:
    _, balances, cash, held, unsettled, withdrawing, owed, positions = row
    books = _balances(balances)
    yield from cash_apart(
        books,
        cash=cash or NOUGHT,
        held=held or NOUGHT,
        unsettled=unsettled or NOUGHT,
        withdrawing=withdrawing or NOUGHT,
        owed=owed or NOUGHT,
    )
    known = {symbol: numbers for symbol, *numbers in _positions(positions)}
    for symbol in symbols_in(books) | set(known):
        quantity, reserved, cost = known.get(symbol, (NOUGHT, NOUGHT, NOUGHT))
        yield from shares_apart(books, symbol, quantity=quantity, reserved=reserved, cost=cost)
