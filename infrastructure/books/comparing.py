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
    """The first customer whom the tables do not agree about, and at which log position they were compared.

    None for the position when the tables were never found at one place of the log.
    """
    for _ in range(tries):
        with snapshot(connection):
            position = _standing_together(connection)
            if position is not None:
                return next(_apart(connection, position, after, account_id, tell), None), position
        time.sleep(LOOK_AGAIN_S)
    return None, None


def _standing_together(connection: Connection[Any]) -> int | None:
    """The log position at which all partitions of all three tables stand, if they do."""
    found = connection.execute(
        "SELECT p.name, min(p.position), max(p.position) FROM projection_partitions p"
        " WHERE p.is_live AND p.name = ANY(%s) GROUP BY 1",
        (list(TABLES),),
    ).fetchall()
    positions = {position for _, *both in found for position in both}
    return positions.pop() if len(found) == len(TABLES) and len(positions) == 1 else None


def _apart(
    connection: Connection[Any], position: int, after: int, account_id: UUID | None, tell: Progress
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
                    log_position=position,
                    event="all events",
                    account_id=row[0],
                    accounts=broken.accounts,
                    expected=f"{broken.expected} as in the read table",
                    found=f"{broken.found} in the journal",
                )
            if end and number % 1000 == 0:
                tell(number, end)


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
