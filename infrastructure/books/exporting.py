"""The books as one file, piece by piece: the same bytes for the same days as known at the same moment.

    for part in export(url, "beancount", Wanted(account_id=…)): out.write(part)

Memory does not grow with the log: entries are read and written one after the other, and what a tool wants
declared first is added up by PostgreSQL. It grows with the lots that are open.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any, Literal, TypeAlias, get_args

from psycopg import Connection

from infrastructure.books import flat
from infrastructure.books.beancount import Beancount, next_day
from infrastructure.books.closing import closings
from infrastructure.books.entries import Progress, entries, openings
from infrastructure.books.hledger import Hledger
from infrastructure.books.lots import not_left_to_fifo
from infrastructure.books.scope import USED, Scope, Wanted, opened

Format: TypeAlias = Literal["beancount", "hledger", "csv", "parquet"]
FORMATS: tuple[str, ...] = get_args(Format)

SUFFIXES = {"beancount": "beancount", "hledger": "journal", "csv": "csv", "parquet": "parquet"}
MEDIA_TYPES = {
    "beancount": "text/plain",
    "hledger": "text/plain",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}

PART = 1 << 16


def export(
    url: str,
    format: Format,
    wanted: Wanted,
    *,
    now: Callable[[], datetime] | None = None,
    patience: float = 30,
    tell: Progress = lambda at, end: None,
) -> Iterator[bytes]:
    """The file in pieces of some 64 KiB; the first comes when all that can be refused has been looked at.

    Raises AccountMustExist, InstantMustBeWellFormed, ReadTableMustReachPosition; EventIsUnreadable.
    """
    with opened(url, wanted, now=now, patience=patience) as (connection, scope):
        if format in {"csv", "parquet"}:
            every = chain(openings(connection, scope), entries(connection, scope, tell))
            yield from flat.as_csv(every) if format == "csv" else flat.as_parquet(every)
        else:
            yield from _in_parts(_text(connection, scope, format, tell))


def _text(connection: Connection[Any], scope: Scope, wanted: str, tell: Progress) -> Iterator[str]:
    explicit = not_left_to_fifo(connection, scope) if wanted == "beancount" else set()
    writer: Beancount | Hledger = Beancount(explicit) if wanted == "beancount" else Hledger(explicit)
    yield writer.head(_told(scope))
    yield from declarations(connection, scope, writer)
    for entry in chain(openings(connection, scope), entries(connection, scope, tell)):
        yield writer.entry(entry)
    for some in closings(connection, scope):
        yield from writer.closing(some, next_day(scope.until))


def _told(scope: Scope) -> Iterator[str]:
    whose = "all customers" if scope.account_id is None else f"customer {scope.account_id}"
    yield f"Daybook's books {', '.join(scope.books)} of {whose}"
    yield f"entries dated {scope.since or 'from the beginning'} to {scope.until}"
    moment = scope.recorded_at.isoformat() if scope.recorded_at else "the beginning"
    yield f"as known at {moment}, log position {scope.log_position}"


def declarations(connection: Connection[Any], scope: Scope, writer: Beancount | Hledger) -> Iterator[str]:
    """Commodities, payees and accounts that the entries use, and no others."""
    first = _first_day(connection, scope)
    for (name,) in _asked(connection, scope, "commodities", "SELECT commodity", "GROUP BY 1 ORDER BY 1"):
        yield writer.commodity(name, first)
    if scope.since is not None:
        yield from (writer.payee(f"{book}:Opening") for book in scope.books)
    used = "SELECT DISTINCT book || ':' || split_part(event, '.', 2)"
    for (name,) in _asked(connection, scope, "payees", used, "AND booked_on >= %(since)s ORDER BY 1"):
        yield writer.payee(name)
    lot = "lot_id::text" if writer.lots_are_accounts else "max(lot_id::text)"
    accounts = f"SELECT account, commodity, {lot}, greatest(min(booked_on), %(first)s)"
    groups = "1, 2, 3" if writer.lots_are_accounts else "1, 2"
    for name, commodity, of, on in _asked(
        connection, scope, "accounts", accounts, f"GROUP BY {groups} {USED} ORDER BY 1, 3", first=first
    ):
        yield writer.account(name, commodity, of, on)


def _asked(
    connection: Connection[Any], scope: Scope, name: str, select: str, rest: str, **more: Any
) -> Iterable[Any]:
    sql = f"{select} FROM read.journal WHERE {scope.in_scope} {rest}"
    with connection.cursor(name) as cursor:
        cursor.execute(sql.encode(), {**scope.parameters, **more})
        yield from cursor


def _first_day(connection: Connection[Any], scope: Scope) -> date:
    if scope.since is not None:
        return scope.since - timedelta(days=1)
    sql = f"SELECT min(booked_on) FROM read.journal WHERE {scope.in_scope}"
    found = connection.execute(sql.encode(), scope.parameters).fetchone()
    return (found and found[0]) or scope.until


def _in_parts(pieces: Iterator[str]) -> Iterator[bytes]:
    kept: list[str] = []
    size = 0
    for piece in pieces:
        kept.append(piece)
        size += len(piece)
        if size >= PART:
            yield "".join(kept).encode()
            kept, size = [], 0
    if kept:
        yield "".join(kept).encode()
