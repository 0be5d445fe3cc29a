"""What every account must have come to at the end of an export, as the read tables have it.

A customer's cash is what `balances` says, shares and lots are what `positions` says, as long as nothing has
happened to the customer since; everything else, and the past, is what `journal` adds up to. None of it is
worked out by the code that writes the entries: a tool that accepts the file has compared the two.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any, TypeAlias
from uuid import UUID

from msgspec import Struct
from psycopg import Connection

from domain import chart
from domain.journal import USD, Book
from domain.values import NO_SHARES, NOTHING
from infrastructure.books.scope import USED, Scope
from infrastructure.projecting.tables import column_list, row_from
from projections.balances import Balance
from projections.catalogue import BY_NAME
from projections.journal import STANDING
from projections.positions import PositionRow


class Closing(Struct, frozen=True, kw_only=True):
    """An account, or one lot in it, at the end: dollars or shares, and what shares in lots have cost."""

    account: str
    commodity: str
    amount: Decimal
    cost: Decimal | None = None
    lot_id: UUID | None = None
    acquired_on: date | None = None


_Place: TypeAlias = tuple[str, UUID | None, date | None]

_OWN = "position('C' || account_id::text IN account) > 0"
_SUMS = "account, commodity, lot_id, (acquired_at AT TIME ZONE 'UTC')::date, sum(amount), sum(cost) FROM read.journal"


def closings(connection: Connection[Any], scope: Scope) -> Iterator[list[Closing]]:
    """Customer by customer, then what they share: everything that any entry of the file names."""
    sql = f"SELECT account_id, {_SUMS} WHERE {scope.in_scope} AND {_OWN} GROUP BY 1, 2, 3, 4, 5 {USED} ORDER BY 1, 2, 4, 5"
    with connection.cursor("closings") as cursor:
        cursor.execute(sql.encode(), scope.parameters)
        for account_id, rows in groupby(cursor, key=lambda row: row[0]):
            yield _of_customer(connection, scope, account_id, [_closing(row[1:]) for row in rows])
    sql = f"SELECT {_SUMS} WHERE {scope.in_scope} AND NOT {_OWN} GROUP BY 1, 2, 3, 4 {USED} ORDER BY 1, 2"
    with connection.cursor("shared") as cursor:
        cursor.execute(sql.encode(), scope.parameters)
        yield [_closing(row) for row in cursor]


def _closing(row: Any) -> Closing:
    account, commodity, lot_id, acquired_on, amount, cost = row
    return Closing(
        account=account,
        commodity=commodity,
        amount=amount,
        cost=cost,
        lot_id=lot_id,
        acquired_on=acquired_on,
    )


def _of_customer(
    connection: Connection[Any], scope: Scope, account_id: UUID, sums: list[Closing]
) -> list[Closing]:
    told = _told_by_tables(connection, scope, account_id)
    if told is None:
        return sums
    found = {_place(one): one for one in sums}
    merged = {place: told.get(place, _empty_if_a_lot(one)) for place, one in found.items()}
    merged |= {place: one for place, one in told.items() if place not in found and (one.amount or one.cost)}
    return sorted(merged.values(), key=lambda one: (one.account, str(one.lot_id or "")))


def _empty_if_a_lot(one: Closing) -> Closing:
    """What is in a lot is said by `positions`: a lot that is not there is empty."""
    if one.lot_id is None:
        return one
    return Closing(
        account=one.account,
        commodity=one.commodity,
        amount=NO_SHARES,
        cost=NOTHING,
        lot_id=one.lot_id,
        acquired_on=one.acquired_on,
    )


def _place(one: Closing) -> _Place:
    return one.account, one.lot_id, one.acquired_on


def _told_by_tables(
    connection: Connection[Any], scope: Scope, account_id: UUID
) -> dict[_Place, Closing] | None:
    """What `balances` and `positions` say, by place; None when the customer has moved on since."""
    balance = _rows(connection, "balances", account_id)
    positions = _rows(connection, "positions", account_id)
    if not balance or any(row.log_position > scope.log_position for row in (*balance, *positions)):
        return None
    if _has_moved_on(connection, scope, account_id):
        return None
    told = [*_cash(balance[0]), *(one for row in positions for one in _shares(row))]
    books = {Book.CUSTOMER: ("Assets:Cust:", "Liabilities:Cust:"), Book.STOCK: ("Liabilities:SR:",)}
    wanted = tuple(root for book in scope.books for root in books.get(book, ()))
    return {_place(one): one for one in told if one.account.startswith(wanted)} if wanted else {}


def _has_moved_on(connection: Connection[Any], scope: Scope, account_id: UUID) -> bool:
    found = connection.execute(
        "SELECT EXISTS (SELECT FROM read.journal WHERE account_id = %(of)s AND log_position > %(position)s"
        " AND log_position < %(standing)s) OR EXISTS (SELECT FROM read.journal WHERE account_id = %(of)s"
        " AND log_position <= %(position)s AND booked_on > %(until)s)",
        {"of": account_id, "standing": STANDING, **scope.parameters},
        prepare=True,
    ).fetchone()
    return bool(found and found[0])


def _rows(connection: Connection[Any], name: str, account_id: UUID) -> list[Any]:
    projection = BY_NAME[name]
    sql = f"SELECT {column_list(projection.table)} FROM read.{name} WHERE account_id = %s"
    found = connection.execute(sql.encode(), (account_id,), prepare=True)
    return [row_from(projection, row) for row in found.fetchall()]


def _cash(row: Balance) -> Iterator[Closing]:
    """Free cash is what is there and neither held, nor due, nor on its way out; it may be below nothing."""
    who = row.account_id
    told = {
        chart.free(who): row.cash - row.held - row.unsettled - row.withdrawing,
        chart.held_for_orders(who): row.held,
        chart.held_for_withdrawal(who): row.withdrawing,
        chart.receivable(who): row.unsettled,
        chart.debt(who): -row.owed,
    }
    return (Closing(account=name, commodity=USD, amount=amount) for name, amount in told.items())


def _shares(row: PositionRow) -> Iterator[Closing]:
    who, symbol = row.account_id, row.symbol
    held = {
        chart.owned_free(who, symbol): row.reserved - row.quantity,
        chart.owned_held(who, symbol): -row.reserved,
    }
    for account, amount in held.items():
        yield Closing(account=account, commodity=chart.stock(symbol), amount=amount)
    for lot in row.lots:
        yield Closing(
            account=chart.shares_at_cost(who, symbol),
            commodity=symbol,
            amount=lot.quantity,
            cost=lot.cost,
            lot_id=lot.lot_id,
            acquired_on=lot.acquired_at.date(),
        )
