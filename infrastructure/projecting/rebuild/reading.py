"""The log in big chunks: only the columns that folding needs, in binary form, only the accounts that are wanted."""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection
from psycopg.pq import Format

from infrastructure.archiving.reading import Wanted, with_archived
from infrastructure.eventstore.log import COLUMNS, Recorded
from infrastructure.postgres.connections import JsonText

_BETWEEN = f"SELECT {COLUMNS} FROM stored_events WHERE notification_id > %s AND notification_id <= %s"
_OF_ACCOUNTS = " AND get_byte(uuid_send(account_id), 15) = ANY(%s)"
_IN_ORDER = " ORDER BY notification_id"
ALL_BYTES = tuple(range(256))


class _BinaryJson(JsonText):
    """json in binary form is its text, too."""

    format = Format.BINARY


def read_between(
    connection: Connection[Any], after: int, up_to: int, *, last_bytes: Sequence[int] = ALL_BYTES
) -> list[Recorded]:
    """The rows of a stretch of the log whose account's id ends with one of these bytes, archived ones among them."""
    everybody, of = len(last_bytes) == len(ALL_BYTES), frozenset(last_bytes)
    with connection.cursor(binary=True) as cursor:
        cursor.adapters.register_loader("json", _BinaryJson)
        if everybody:
            cursor.execute((_BETWEEN + _IN_ORDER).encode(), (after, up_to), prepare=True)
        else:
            wanted = (after, up_to, list(last_bytes))
            cursor.execute((_BETWEEN + _OF_ACCOUNTS + _IN_ORDER).encode(), wanted, prepare=True)
        rows = [Recorded(*row) for row in cursor.fetchall()]
    keep = None if everybody else (lambda row: row.account_id.bytes[15] in of)
    return with_archived(connection, rows, Wanted(after=after, up_to=up_to), keep)
