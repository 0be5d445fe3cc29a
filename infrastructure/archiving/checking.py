"""`daybook archive verify`: every file is there, as it was written, holds what was sealed, and is told of truly."""

import hashlib
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

from msgspec import Struct
from psycopg import Connection

from application.errors import ArchiveMustBeReadable
from infrastructure.archiving.files import require_hash, span_of, streams_of
from infrastructure.archiving.months import ArchivedMonth, all_months
from infrastructure.sealing.merkle import Frontier, leaf_hashes

Progress = Callable[[str, int, int], None]

_STREAMS = (
    "SELECT originator_id, account_id, first_version, last_version, last_topic,"
    " (extract(epoch FROM last_recorded_at) * 1000000)::bigint"
    " FROM archived_streams WHERE archive = %s ORDER BY originator_id"
)
_AT_ONCE = 50_000
_STRAY = "SELECT count(*) FROM stored_events WHERE notification_id <= (SELECT max(last_position) FROM archived_months)"


class CheckedMonth(Struct, frozen=True, kw_only=True):
    """What was found out about one archive; `wrong` says what is not as it should be."""

    number: int
    month: str
    file: str
    events: int
    wrong: str | None


def check_files(connection: Connection[Any], tell: Progress = lambda *_: None) -> Iterator[CheckedMonth]:
    """Hash every file that must still be there, and every event in it."""
    for month in all_months(connection):
        if month.disposed_at is None:
            yield CheckedMonth(
                number=month.number,
                month=f"{month.month:%Y-%m}",
                file=str(month.path),
                events=month.events,
                wrong=_wrong(connection, month, tell),
            )


def altered_files(connection: Connection[Any]) -> list[str]:
    """A sentence for each file that is missing or not as it was written, or of which the database says anything else than
    stands in it; and one for rows where archived ones stood.
    """
    found = [sentence for month in all_months(connection) if (sentence := _altered(connection, month))]
    row = connection.execute(_STRAY).fetchone()
    if row is not None and row[0]:
        found.append(f"{row[0]:,} rows stand in the log's table at positions that were archived")
    return found


def _altered(connection: Connection[Any], month: ArchivedMonth) -> str | None:
    if month.disposed_at is not None:
        return None
    try:
        require_hash(month.path, month.file_hash)
        require_hash(month.seals_path, month.seals_hash)
    except ArchiveMustBeReadable as error:
        return str(error)
    except OSError as error:
        return f"the archive {error.filename} cannot be read: {error.strerror}"
    return _told_wrongly(connection, month)


def _told_wrongly(connection: Connection[Any], month: ArchivedMonth) -> str | None:
    """What readers go by, who look into no file that they are not led to: its stretch, its times, its streams."""
    said = (month.first_position, month.last_position, month.first_recorded_at, month.last_recorded_at)
    try:
        if span_of(month) != (month.events, *said):
            return f"archived_months says of {month.path} what is not in it"
        with connection.transaction(), connection.cursor(name="archived_streams") as cursor:
            cursor.itersize = _AT_ONCE
            cursor.execute(_STREAMS, (month.number,))
            for stands, noted in zip_longest(streams_of(month, _AT_ONCE), cursor):
                if stands != noted:
                    stream = min(one[0] for one in (stands, noted) if one is not None)
                    return f"archived_streams says of stream {stream} what is not in the archive {month.path}"
    except ArchiveMustBeReadable as error:
        return str(error)
    return None


def _wrong(connection: Connection[Any], month: ArchivedMonth, tell: Progress) -> str | None:
    wrong = _altered(connection, month)
    if wrong is not None:
        return wrong
    from infrastructure.archiving.parquet import canonical_rows  # Arrow, only where there is an archive

    tree, digest = Frontier(), hashlib.sha256()
    try:
        for chunk in canonical_rows(month.path):
            leaves = leaf_hashes(chunk)
            tree.extend(leaves)
            digest.update(leaves)
            tell(f"{month.month:%Y-%m}", tree.size, month.events)
    except ArchiveMustBeReadable as error:
        return str(error)
    if (tree.size, tree.root(), digest.digest()) != (month.events, month.tree_hash, month.leaves_hash):
        return f"the archive {month.path} does not hold the events that were sealed"
    return None
