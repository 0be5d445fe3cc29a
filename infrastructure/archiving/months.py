"""Which files hold archived events: the rows of `archived_months`, read with whatever connection there is."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Connection

_COLUMNS = (
    "m.number, m.month, m.first_position, m.last_position, m.events, m.first_recorded_at, m.last_recorded_at,"
    " m.tree_hash, m.leaves_hash, m.folder, m.file, m.file_hash, m.seals_file, m.seals_hash, m.archived_at,"
    " d.disposed_at"
)
_FROM = f"SELECT {_COLUMNS} FROM archived_months m LEFT JOIN archive_disposals d ON d.archive = m.number"
_ALL = f"{_FROM} ORDER BY m.number"
MONTHS_AFTER = f"{_FROM} WHERE m.last_position > %b ORDER BY m.number"
"""What has rows after a log position. To be asked after the log's table, as `Wanted.question` is."""
_OF_ACCOUNT = " AND m.number IN (SELECT archive FROM archived_streams WHERE account_id = %(account_id)s)"
_OF_STREAM = " AND m.number IN (SELECT archive FROM archived_streams WHERE originator_id = %(stream_id)s)"


class Wanted(Struct, frozen=True, kw_only=True):
    """Which rows: after a log position, and as far as they fit whatever else is given. `topic` is how topics begin.

    `since` and `at` are the first and the last moment at which they were recorded; `places` are log positions, in order.
    """

    after: int = 0
    up_to: int | None = None
    account_id: UUID | None = None
    stream_id: UUID | None = None
    topic: str | None = None
    since: datetime | None = None
    at: datetime | None = None
    places: Sequence[int] | None = None
    limit: int | None = None

    @property
    def question(self) -> tuple[bytes, dict[str, Any]]:
        """The SQL, with its parameters, that says which archives have such rows. To be asked after the log's table:
        what moves meanwhile is then found twice rather than never.
        """
        sql = f"{_FROM} WHERE m.last_position > %(after)s"
        parameters: dict[str, Any] = {"after": max(self.after, 0)}
        if self.up_to is not None:
            sql, parameters["up_to"] = sql + " AND m.first_position <= %(up_to)s", self.up_to
        if self.since is not None:
            sql, parameters["since"] = sql + " AND m.last_recorded_at >= %(since)s", self.since
        if self.at is not None:
            sql, parameters["at"] = sql + " AND m.first_recorded_at <= %(at)s", self.at
        if self.account_id is not None:
            sql, parameters["account_id"] = sql + _OF_ACCOUNT, self.account_id
        if self.stream_id is not None:
            sql, parameters["stream_id"] = sql + _OF_STREAM, self.stream_id
        return (sql + " ORDER BY m.number").encode(), parameters


class ArchivedMonth(Struct, frozen=True, kw_only=True):
    """A file of archived events: which, where, and what they hash to."""

    number: int
    month: date
    first_position: int
    last_position: int
    events: int
    first_recorded_at: datetime
    last_recorded_at: datetime
    tree_hash: bytes
    leaves_hash: bytes
    folder: str
    file: str
    file_hash: bytes
    seals_file: str
    seals_hash: bytes
    archived_at: datetime
    disposed_at: datetime | None = None

    @property
    def path(self) -> Path:
        """The file of events."""
        return Path(self.folder) / self.file

    @property
    def seals_path(self) -> Path:
        """The file of seals."""
        return Path(self.folder) / self.seals_file


def months_of(rows: Sequence[Sequence[Any]]) -> list[ArchivedMonth]:
    """Rows of a question as archives."""
    names = ArchivedMonth.__struct_fields__
    return [ArchivedMonth(**dict(zip(names, row, strict=True))) for row in rows]


def all_months(connection: Connection[Any]) -> list[ArchivedMonth]:
    """Every archive, the oldest first, those that were destroyed among them."""
    return months_of(connection.execute(_ALL.encode()).fetchall())


def archived_end(connection: Connection[Any]) -> int:
    """The last log position that was archived; 0 for none."""
    row = connection.execute("SELECT coalesce(max(last_position), 0) FROM archived_months").fetchone()
    return 0 if row is None else int(row[0])
