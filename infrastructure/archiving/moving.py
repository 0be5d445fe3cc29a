"""`daybook archive run`: closed months leave the log's table for files.

For each month, oldest first: its events are written to a file under a temporary name, and so are the published seals of
them; both reach the disk; the file is read back and compared with what was sealed; both get their names; and one
transaction notes the file and lets go of the rows, after PostgreSQL has hashed the rows itself and found the same
(`archived_months_are_true`). Whatever kills it before that commit leaves the log as it was and files that nobody reads;
afterwards the file is the log.

A month is closed when the log's last event is of a later one: the log's time never runs backwards.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from msgspec import Struct
from psycopg import Connection

from application.expected import TellTheOperator
from infrastructure.archiving.files import file_hash, require_hash
from infrastructure.archiving.months import ArchivedMonth, all_months, archived_end
from infrastructure.archiving.parquet import canonical_rows, write_events
from infrastructure.archiving.snapshots import keep_snapshots
from infrastructure.eventstore.log import last_row
from infrastructure.postgres.connections import connect
from infrastructure.sealing.files import published_lines
from infrastructure.sealing.keys import PublicKey
from infrastructure.sealing.merkle import WIDTH, Frontier, leaf_hashes
from infrastructure.sealing.reading import LogSource, read_rows
from infrastructure.sealing.seals import read_line
from infrastructure.sealing.store import SealStore
from infrastructure.sealing.verifying import Copies, Verification

Progress = Callable[[str, int, int], None]
"""Called with what is being done, the log position that is reached and the one to be reached."""

_LOCK = 0x6461_7962_6172_6368  # "daybarch"
_ALL = 2**62
_AT = "SELECT recorded_at FROM stored_events WHERE notification_id = %s"
_FIRST = "SELECT notification_id, recorded_at FROM stored_events ORDER BY notification_id LIMIT 1"
_NOTE = (
    "INSERT INTO archived_months (number, month, first_position, last_position, events, first_recorded_at,"
    " last_recorded_at, tree_hash, leaves_hash, folder, file, file_hash, seals_file, seals_hash)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %b, %b, %s, %s, %b, %s, %b)"
)


class ArchivingIsUnderWay(TellTheOperator):
    """Another process archives, or destroys archives, right now."""


class MonthMustBeSealed(TellTheOperator):
    """Events of the month are not all sealed, published, and as they were sealed."""


class ArchiveFolderCannotBeUsed(TellTheOperator):
    """The folder for archives cannot be written."""


class ClosedMonth(Struct, frozen=True, kw_only=True):
    """A month whose events can move: its first day, and the stretch of the log that it is."""

    month: date
    first_position: int
    last_position: int
    first_recorded_at: datetime
    last_recorded_at: datetime

    @property
    def events(self) -> int:
        """How many; positions have no holes."""
        return self.last_position - self.first_position + 1


class Archiver:
    """Moves closed months. `url` is of the role that owns the schema, `seals` the published file."""

    def __init__(
        self,
        url: str,
        *,
        folder: Path,
        seals: Path,
        trusted: Sequence[PublicKey],
        tell: Progress = lambda *_: None,
    ) -> None:
        self._url = url
        self._folder = folder.absolute()
        self._seals = seals
        self._trusted = trusted
        self._tell = tell

    def closed(self, before: date) -> list[ClosedMonth]:
        """The months before a day that are closed and not yet archived, the oldest first."""
        with connect(self._url, application="daybook archive") as connection:
            return closed_months(connection, before)

    def run(self, before: date) -> Iterator[ArchivedMonth]:
        """Move them, one after another. Raises ArchivingIsUnderWay, MonthMustBeSealed or ArchiveFolderCannotBeUsed."""
        with connect(self._url, application="daybook archive") as connection, alone(connection):
            months = closed_months(connection, before)
            if not months:
                return
            self._prepare_folder()
            self._require_sealed(months[0].first_position, months[-1].last_position)
            for month in months:
                yield self._move(connection, month)
            self._require_sealed(months[0].first_position, months[-1].last_position)

    def _prepare_folder(self) -> None:
        """Make it, and clear away what a killed run left half written."""
        try:
            self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            for name in ("events-????-??.partial", "seals-????-??.partial"):
                for left in self._folder.glob(name):
                    left.unlink()
        except OSError as error:
            raise ArchiveFolderCannotBeUsed(f"{self._folder} cannot be used: {error.strerror}") from error

    def _require_sealed(self, first: int, last: int) -> None:
        """Every event of the stretch is as the published seals have it, wherever it stands now."""
        with connect(self._url, application="daybook archive seals") as connection:
            copies = Copies(SealStore(connection).after(0, up_to=_ALL))
            found = Verification(
                LogSource(self._url),
                trusted=self._trusted,
                copies=copies,
                span=(first, last),
                tell=lambda _, count, __: self._tell(
                    "verifying", min(count, last - first + 1), last - first + 1
                ),
            ).run(published_lines(self._seals))
        if found.findings:
            raise MonthMustBeSealed(
                f"nothing is archived: {found.findings[0].sentence}; run `daybook verify`"
            )
        if found.log_position < last:
            raise MonthMustBeSealed(
                f"nothing is archived: the published seals end at {found.log_position}, before {last}"
            )

    def _move(self, connection: Connection[Any], month: ClosedMonth) -> ArchivedMonth:
        try:
            events, seals = self._written(month), self._written_seals(month)
            noted = self._checked(connection, month, events, seals)
            self._tell("checked", month.last_position, month.last_position)
            self._name(events, noted.path)
            self._name(seals, noted.seals_path)
        except OSError as error:
            raise ArchiveFolderCannotBeUsed(f"{self._folder} cannot be written: {error.strerror}") from error
        keep_snapshots(connection, month.last_position)
        self._tell("named", month.last_position, month.last_position)
        with connection.transaction():
            _note(connection, noted)
            self._tell("noted", month.last_position, month.last_position)
        self._tell("moved", month.last_position, month.last_position)
        return all_months(connection)[-1]

    def _written(self, month: ClosedMonth) -> Path:
        path = self._folder / f"events-{month.month:%Y-%m}.partial"

        def chunks() -> Iterator[list[bytes]]:
            done = 0
            with connect(self._url, application="daybook archive events") as connection:
                for chunk in read_rows(connection, month.first_position - 1, up_to=month.last_position):
                    done += len(chunk)
                    self._tell(f"writing {month.month:%Y-%m}", done, month.events)
                    yield chunk

        write_events(path, chunks())
        return path

    def _written_seals(self, month: ClosedMonth) -> Path:
        """The published lines of the seals that have events of the month."""
        path, before = self._folder / f"seals-{month.month:%Y-%m}.partial", 0
        with path.open("xb") as file:
            for number, line in enumerate(published_lines(self._seals), 1):
                seal = read_line(line, number=number).seal
                if before < month.last_position and seal.last_position >= month.first_position:
                    file.write(line)
                before = seal.last_position
            file.flush()
            os.fsync(file.fileno())
        return path

    def _checked(
        self, connection: Connection[Any], month: ClosedMonth, events: Path, seals: Path
    ) -> ArchivedMonth:
        """What is to be noted of the files, after the events were read back and are those that were sealed."""
        tree, digest, leaves = Frontier(), hashlib.sha256(), []
        for chunk in canonical_rows(events):
            leaves.append(leaf_hashes(chunk))
            tree.extend(leaves[-1])
            digest.update(leaves[-1])
            self._tell(f"reading back {month.month:%Y-%m}", tree.size, month.events)
        sealed = SealStore(connection).leaves(month.first_position - 1, month.last_position)
        if b"".join(leaves) != sealed or len(sealed) != month.events * WIDTH:
            raise MonthMustBeSealed(
                f"what was written of {month.month:%Y-%m} is not what was sealed: nothing was moved"
            )
        events_hash, seals_hash = file_hash(events), file_hash(seals)
        stretch = f"{month.month:%Y-%m}-{month.first_position}-{month.last_position}"
        return ArchivedMonth(
            number=len(all_months(connection)) + 1,
            month=month.month,
            first_position=month.first_position,
            last_position=month.last_position,
            events=month.events,
            first_recorded_at=month.first_recorded_at,
            last_recorded_at=month.last_recorded_at,
            tree_hash=tree.root(),
            leaves_hash=digest.digest(),
            folder=str(self._folder),
            file=f"events-{stretch}-{events_hash.hex()[:16]}.parquet",
            file_hash=events_hash,
            seals_file=f"seals-{stretch}-{seals_hash.hex()[:16]}.jsonl",
            seals_hash=seals_hash,
            archived_at=datetime.now(UTC),
        )

    def _name(self, partial: Path, path: Path) -> None:
        partial.chmod(0o440)
        partial.replace(path)
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        require_hash(path, file_hash(path))


def closed_months(connection: Connection[Any], before: date) -> list[ClosedMonth]:
    """The months before a day that are closed and still in the table, the oldest first."""
    end, last_at = last_row(connection)
    row = connection.execute(_FIRST).fetchone()
    found: list[ClosedMonth] = []
    while row is not None and last_at is not None:
        month = row[1].astimezone(UTC).date().replace(day=1)
        ends = _midnight(_next(month))
        if _next(month) > before or last_at < ends:
            break
        last = _last_before(connection, ends, row[0], end)
        found.append(
            ClosedMonth(
                month=month,
                first_position=row[0],
                last_position=last,
                first_recorded_at=row[1],
                last_recorded_at=_moment(connection, last),
            )
        )
        row = (last + 1, _moment(connection, last + 1))
    return found


@contextmanager
def alone(connection: Connection[Any]) -> Iterator[None]:
    """The right to change archives, for one process at a time. Raises ArchivingIsUnderWay."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
    if row is None or not row[0]:
        raise ArchivingIsUnderWay("another process works on the archive; try again when it has ended")
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


def _note(connection: Connection[Any], one: ArchivedMonth) -> None:
    names = (
        "number", "month", "first_position", "last_position", "events", "first_recorded_at", "last_recorded_at",
        "tree_hash", "leaves_hash", "folder", "file", "file_hash", "seals_file", "seals_hash",
    )  # fmt: skip
    connection.execute(_NOTE, [getattr(one, name) for name in names])


def _last_before(connection: Connection[Any], moment: datetime, low: int, high: int) -> int:
    """The last position that was recorded before a moment, from one that was to one that was not."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _moment(connection, middle) < moment else (low, middle)
    return low


def _moment(connection: Connection[Any], position: int) -> datetime:
    row = connection.execute(_AT, (position,)).fetchone()
    assert row is not None, "positions have no holes"  # noqa: S101
    moment: datetime = row[0]
    return moment


def _next(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


__all__ = ["Archiver", "ClosedMonth", "alone", "archived_end", "closed_months"]
